"""The container and encoder of an output: RGB images in, packets out, at exact times."""

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
from numpy.typing import NDArray

from dreamvideo.errors import OutputError
from dreamvideo.frames import StreamInfo
from dreamvideo.media.codecs import CODECS, Codec, pixel_format_of
from dreamvideo.media.color import assume_color
from dreamvideo.media.encoder_frames import ArrayFrames, FrameMaker, FrameTarget, PendingFrame
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


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An image whose planes are on their way."""

    frame: PendingFrame
    pts: int
    duration: int | None  # in units of the time base
    key: bool


class VideoEncoder:
    """A video stream of an open output: RGB images in, packets out.

    Images are arrays, or tensors on any device if there is a `maker`. Planes of a tensor are made while the encoder is
    at the image before, so its packets come one image later. An encoder that reads the memory of the maker's device
    gets all its frames there: PyAV's encoders take on the device of the first frame, so it is opened with that one.

    Args:
        output: gets the stream.
        container: the kind of file that the packets are for.
        info: of the frames.
        settings: codec and quality.
        live: be quick and hold no image back.
        aloud: warn of how images are changed to suit the encoder.
        maker: makes planes of tensors, see `yuv.encoder_planes`; None: all images are arrays.

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
        maker: FrameMaker | None = None,
    ) -> None:
        self._name = settings.codec or container.codec
        self._codec = CODECS.get(self._name, Codec())
        self._info = info
        self.time_base = time_base_for(info, container)
        self._last_pts: int | None = None
        self.stream = self._add_stream(output, container, self._name, info)
        self.format = pixel_format_of(self._name, [each.name for each in self.stream.codec.video_formats or ()])
        self.size, self._padded, aspect = self._choose_size(log.warning if aloud else log.debug)
        self._target = target = FrameTarget(
            self.format,
            (info.width, info.height),
            self.size,
            self._padded,
            # AVI has no place for tags: its colors are what a player takes them for
            assume_color(info.height) if container.format == "avi" else info.color,
            self.format.startswith("yuvj"),
            self._codec.reads,
        )
        self._maker, self._live = maker, live
        self._on_device = maker is not None and maker.kind == self._codec.reads
        self._waiting: _Waiting | None = None
        self._sent = False
        context = self.stream.codec_context
        context.width, context.height = self._padded
        context.pix_fmt = self.format
        context.time_base = self.time_base
        context.sample_aspect_ratio = aspect
        context.flags |= Flags.frame_duration  # else the last frame's time on screen is lost
        # With B-frames an MP4 holds the intervals of decoding order, and a track of uneven times ends too early:
        # 0.06 s instead of 0.50 s in one such file. AVI does not know them at all.
        context.max_b_frames = 0
        context.thread_count = settings.encoder_threads if self._padded[1] >= _THREADED_LINES else 1
        if live:
            context.thread_count, context.thread_type = _LIVE_THREADS, ThreadType.SLICE
        if target.is_yuv:
            target.tag(context)
        self._set_quality(settings, live)
        if container.format in ("mp4", "mov") and self._codec.mp4_tag:
            context.codec_tag = self._codec.mp4_tag
        self._of_array = ArrayFrames(target, self.time_base if self._name == "gif" else None)

    def _choose_size(self, note: Callable[..., None]) -> tuple[tuple[int, int], tuple[int, int], Fraction]:
        """The (width, height) of the image, the same padded to what the encoder takes, and the pixel aspect."""
        width, height, aspect = self._info.width, self._info.height, self._info.pixel_aspect
        name = self._name
        if aspect != 1 and self._codec.square_pixels:
            note("%s cannot say that pixels are not square: the picture is widened to %s", name, float(aspect))
            width, aspect = max(2, round(width * aspect)), Fraction(1)
        halves_chroma = self.format.startswith(("yuv420", "yuvj420", "nv12", "p010"))
        padded = width, height
        if halves_chroma and not self._codec.odd_sizes:
            padded = width + width % 2, height + height % 2
        if padded != (width, height):
            note("%s needs even sides: %dx%d is padded to %dx%d", name, width, height, *padded)
        return (width, height), padded, aspect

    def _set_quality(self, settings: EncodeSettings, live: bool) -> None:
        codec, context, preset = self._codec, self.stream.codec_context, settings.encoder_preset
        quality = codec.quality_options(settings.crf)
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
        """Open the encoder, before the first frame, so that a wrong choice shows at once; see the class for when later.

        Raises:
            OutputError: it cannot be opened.
        """
        if self._on_device:
            return
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
        self, image: NDArray[np.uint8] | Any, time: Fraction, duration: Fraction | None, key: bool = False
    ) -> list[Packet]:
        """Encode an image.

        Args:
            image: (H, W, 3) uint8 RGB, of the size in `info`; an array, or a tensor as the maker takes it.
            time: when it is shown, in seconds; later than the one before.
            duration: for how long, in seconds; None: unknown.
            key: make it a key frame, at which a player can begin; others are where the encoder wants them.

        Returns:
            The packets that are ready.

        Raises:
            OutputError: the encoder refuses its first frame.
            av.error.FFmpegError: it fails later.
        """
        pts = round(time / self.time_base)
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)  # a coarse unit may round two times to one
        self._last_pts = pts
        units = None if duration is None else max(1, round(duration / self.time_base))
        if self._maker is None or (isinstance(image, np.ndarray) and not self._on_device):
            return self._send_waiting() + self._send(_Waiting(lambda: image, pts, units, key))
        now = _Waiting(self._maker(image, self._target), pts, units, key)
        if self._live:
            return self._send(now)
        packets, self._waiting = self._send_waiting(), now
        return packets

    def _send_waiting(self) -> list[Packet]:
        waiting, self._waiting = self._waiting, None
        return [] if waiting is None else self._send(waiting)

    def _send(self, waiting: _Waiting) -> list[Packet]:
        made = waiting.frame()
        frame = self._of_array(made) if isinstance(made, np.ndarray) else made
        frame.time_base = self.time_base
        frame.pts = waiting.pts
        if waiting.duration is not None:
            frame.duration = waiting.duration
        frame.pict_type = PictureType.I if waiting.key else PictureType.NONE
        first, self._sent = not self._sent, True
        try:
            if first and self._on_device:  # opened with this frame, whose device it takes on
                self.stream.codec_context.pix_fmt = frame.format.name
            return list(self.stream.encode(frame))
        except (av.error.FFmpegError, ValueError) as error:
            if first:
                raise self._refused(error) from None
            raise

    def flush(self) -> list[Packet]:
        """Return the packets that were held back."""
        if self._last_pts is None:
            return []
        return self._send_waiting() + list(self.stream.encode(None))
