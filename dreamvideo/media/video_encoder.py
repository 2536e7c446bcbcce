"""The container and encoder of an output, and the conversion of RGB frames to what the encoder takes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np
from av.codec.context import Flags, ThreadType
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from dreamvideo.errors import OutputError
from dreamvideo.frames import StreamInfo
from dreamvideo.media.chroma import subsample_chroma
from dreamvideo.media.codecs import CODECS, Codec
from dreamvideo.media.color import FULL, LIMITED, SCALING, assume_color, swscale_matrix
from dreamvideo.media.gif_palette import GifPalette
from dreamvideo.settings.job import EncodeSettings

log = logging.getLogger(__name__)

if TYPE_CHECKING:  # generic in its stubs alone
    Packet = av.Packet[Any]


@dataclass(frozen=True, slots=True)
class Container:
    """One kind of output file."""

    format: str  # libav's name
    codec: str = "libx264"
    audio: tuple[str, int] = ("aac", 160_000)  # for sound that cannot be copied: encoder, bits per second


CONTAINERS = {
    ".mp4": Container("mp4"),
    ".m4v": Container("mp4"),
    ".mov": Container("mov"),
    ".mkv": Container("matroska"),
    ".webm": Container("webm", codec="libvpx-vp9", audio=("libopus", 128_000)),
    ".avi": Container("avi", codec="mpeg4", audio=("libmp3lame", 192_000)),
    ".gif": Container("gif", codec="gif"),
}

# Lines below which one thread encodes: four threads of x264 would have less room than its search for motion
# needs. On a busy machine the lower half of 48 lines came out different about once in a thousand segments.
_THREADED_LINES = 200
_LIVE_THREADS = 2  # of slices, as an image is not to wait for the next


def container_of(output: Path) -> Container:
    """Return the kind of file that an output is.

    Args:
        output: its suffix decides, in either case.

    Raises:
        OutputError: the suffix is not one of `CONTAINERS`.
    """
    try:
        return CONTAINERS[output.suffix.lower()]
    except KeyError:
        raise OutputError(
            f"{output}: unknown kind of video {output.suffix!r}: expected {', '.join(CONTAINERS)}"
        ) from None


def time_base_for(info: StreamInfo, container: Container) -> Fraction:
    """Return the unit in which frame times are written: that of the input, so that every time stays exact.

    Args:
        info: of the frames.
        container: of the output; some have a unit of their own.

    Returns:
        Seconds.
    """
    if container.format == "gif":
        return Fraction(1, 100)
    if container.format == "avi":
        return 1 / (info.frame_rate or Fraction(25))  # AVI counts frames, it has no times
    return info.time_base or Fraction(1, 90_000)


class VideoEncoder:
    """A video stream of an open output: RGB images in, packets out.

    Args:
        output: gets the stream.
        container: the kind of file that the packets are for.
        info: of the frames.
        settings: codec and quality.
        live: be quick and hold no image back.
        aloud: warn of how images are changed to suit the encoder.

    Raises:
        OutputError: there is no such encoder, or it does not fit the container.
    """

    def __init__(
        self,
        output: av.container.OutputContainer,
        container: Container,
        info: StreamInfo,
        settings: EncodeSettings,
        live: bool = False,
        aloud: bool = True,
    ) -> None:
        self._name = settings.codec or container.codec
        self._codec = CODECS.get(self._name, Codec())
        self._info = info
        self.time_base = time_base_for(info, container)
        self._last_pts: int | None = None
        self.stream = self._add_stream(output, container, self._name, info)
        self._format = _pixel_format(self._name, self._codec)
        self._is_yuv = self._format.startswith(("yuv", "nv"))
        self._is_full_range = self._format.startswith("yuvj")
        # AVI has no place for tags: its colors are what a player takes them for
        self._color = assume_color(info.height) if container.format == "avi" else info.color
        self.size, self._padded, aspect = self._choose_size(log.warning if aloud else log.debug)
        context = self.stream.codec_context
        context.width, context.height = self._padded
        context.pix_fmt = self._format
        context.time_base = self.time_base
        context.sample_aspect_ratio = aspect
        context.flags |= Flags.frame_duration  # else the last frame's time on screen is lost
        # With B-frames an MP4 holds the intervals of decoding order, and a track of uneven times ends too early:
        # 0.06 s instead of 0.50 s in one such file. AVI does not know them at all.
        context.max_b_frames = 0
        context.thread_count = settings.encoder_threads if self._padded[1] >= _THREADED_LINES else 1
        if live:
            context.thread_count, context.thread_type = _LIVE_THREADS, ThreadType.SLICE
        if self._is_yuv:
            context.colorspace = self._color.matrix
            context.color_trc = self._color.transfer
            context.color_primaries = self._color.primaries
            context.color_range = FULL if self._is_full_range else LIMITED
        self._set_quality(settings, live)
        if container.format in ("mp4", "mov") and self._codec.mp4_tag:
            context.codec_tag = self._codec.mp4_tag
        self._reformatter = VideoReformatter()
        self._palettes = GifPalette(*self._padded, self.time_base) if self._name == "gif" else None

    def _choose_size(self, note: Callable[..., None]) -> tuple[tuple[int, int], tuple[int, int], Fraction]:
        """The (width, height) of the image, the same padded to what the encoder takes, and the pixel aspect."""
        width, height, aspect = self._info.width, self._info.height, self._info.pixel_aspect
        name = self._name
        if aspect != 1 and self._codec.square_pixels:
            note("%s cannot say that pixels are not square: the picture is widened to %s", name, float(aspect))
            width, aspect = max(2, round(width * aspect)), Fraction(1)
        halves_chroma = self._format.startswith(("yuv420", "yuvj420")) or self._format == "nv12"
        padded = width, height
        if halves_chroma and not self._codec.odd_sizes:
            padded = width + width % 2, height + height % 2
        if padded != (width, height):
            note("%s needs even sides: %dx%d is padded to %dx%d", name, width, height, *padded)
        return (width, height), padded, aspect

    def _set_quality(self, settings: EncodeSettings, live: bool) -> None:
        codec, context, preset = self._codec, self.stream.codec_context, settings.encoder_preset
        quality = {}
        if codec.quality is not None:
            quality = {codec.quality: str(min(max(settings.crf + codec.quality_offset, 0), codec.quality_max))}
        if preset is not None:
            if preset not in codec.presets:
                expected = f"expected one of {', '.join(codec.presets)}" if codec.presets else "it has no presets"
                raise OutputError(f"--encoder-preset {preset} with {self._name}: {expected}")
            quality["preset"] = preset
        context.options = {**codec.options, **(codec.live if live else {}), **quality}
        context.bit_rate = 0
        if codec.quantizer:
            width, height = self.size
            context.qmin = max(1, round(settings.crf / 8))
            context.bit_rate = min(8 * width * height * round(self._info.frame_rate or 25), 2**31 - 1)

    @staticmethod
    def _add_stream(
        output: av.container.OutputContainer, container: Container, name: str, info: StreamInfo
    ) -> av.VideoStream:
        try:
            stream = output.add_stream(name, rate=info.frame_rate or Fraction(25))
        except (av.error.FFmpegError, ValueError, LookupError, TypeError) as error:
            if isinstance(error, TypeError):  # it takes no fraction for its rate: an encoder of sound
                raise OutputError(f"--codec {name} does not encode video; {container.codec} is the default") from None
            if "format does not support" in str(error):
                raise OutputError(
                    f"--codec {name} does not go into a {container.format} file: "
                    f"leave it out for {container.codec}, or choose a name ending in .mkv"
                ) from None
            raise OutputError(f"--codec {name}: there is no such encoder; {container.codec} is the default") from None
        if stream.type != "video":
            raise OutputError(f"--codec {name} does not encode video; {container.codec} is the default")
        return cast(av.VideoStream, stream)

    def open(self) -> None:
        """Open the encoder, before the first frame, so that a wrong choice shows at once.

        Raises:
            OutputError: it cannot be opened.
        """
        try:
            self.stream.codec_context.open(strict=False)
        except (av.error.FFmpegError, ValueError) as error:
            raise self._refused(error) from None

    def _refused(self, error: Exception) -> OutputError:
        why = getattr(error, "strerror", None) or str(error)
        width, height = self._padded
        return OutputError(
            f"the encoder {self._name} cannot be used here for {width}x{height} ({why}): "
            f"choose another with --codec, such as libx264"
        )

    def encode(
        self, image: NDArray[np.uint8], time: Fraction, duration: Fraction | None, key: bool = False
    ) -> list[Packet]:
        """Encode an image.

        Args:
            image: (H, W, 3) uint8 RGB, of the size in `info`.
            time: when it is shown, in seconds; later than the one before.
            duration: for how long, in seconds; None: unknown.
            key: make it a key frame, at which a player can begin; others are where the encoder wants them.

        Returns:
            The packets that are ready.

        Raises:
            OutputError: the encoder refuses its first frame.
            av.error.FFmpegError: it fails later.
        """
        frame = self._converted(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"))
        pts = round(time / self.time_base)
        first = self._last_pts is None
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)  # a coarse unit may round two times to one
        self._last_pts = pts
        frame.time_base = self.time_base
        frame.pts = pts
        if duration is not None:
            frame.duration = max(1, round(duration / self.time_base))
        frame.pict_type = PictureType.I if key else PictureType.NONE
        try:
            return list(self.stream.encode(frame))
        except (av.error.FFmpegError, ValueError) as error:
            if first:
                raise self._refused(error) from None
            raise

    def flush(self) -> list[Packet]:
        """Return the packets that the encoder held back."""
        if self._last_pts is None:
            return []
        return list(self.stream.encode(None))

    def _converted(self, frame: av.VideoFrame) -> av.VideoFrame:
        width, height = self._info.width, self._info.height
        if self.size != (width, height):
            frame = self._reformatter.reformat(frame, *self.size, format="rgb24", interpolation=SCALING)
        if self._padded != self.size:
            (wide, high), (padded_wide, padded_high) = self.size, self._padded
            rgb = cast("NDArray[np.uint8]", frame.to_ndarray())
            image = np.pad(rgb, ((0, padded_high - high), (0, padded_wide - wide), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        if self._palettes is not None:
            return self._palettes(frame)
        if not self._is_yuv:
            return self._reformatter.reformat(frame, format=self._format, interpolation=SCALING)
        matrix = swscale_matrix(self._color)
        halved = self._format in ("yuv420p", "yuvj420p")
        frame = self._reformatter.reformat(
            frame,
            format=self._format.replace("420", "444") if halved else self._format,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=FULL,
            dst_color_range=FULL if self._is_full_range else LIMITED,
            interpolation=SCALING,
        )
        if halved:
            frame = subsample_chroma(frame, self._format)
        frame.color_trc = self._color.transfer
        frame.color_primaries = self._color.primaries
        return frame


def _pixel_format(name: str, codec: Codec) -> str:
    """The preferred pixel format of an encoder: 8-bit 4:2:0, which plays everywhere, or the first that it takes."""
    formats = [fmt.name for fmt in av.codec.Codec(name, "w").video_formats or ()]
    return next((each for each in codec.pixel_formats if each in formats), formats[0] if formats else "yuv420p")
