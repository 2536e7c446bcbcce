"""Which container and encoder an output gets, and how an RGB frame becomes what that encoder takes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np
from av.codec.context import Flags, ThreadType
from av.filter import Graph
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from dreamvideo.errors import OutputError
from dreamvideo.frames import StreamInfo
from dreamvideo.media.chroma import subsample_chroma
from dreamvideo.media.color import FULL, LIMITED, SCALING, assume_color, swscale_matrix
from dreamvideo.settings.job import EncodeSettings

log = logging.getLogger(__name__)

if TYPE_CHECKING:  # generic in its stubs alone
    Packet = av.Packet[Any]


@dataclass(frozen=True, slots=True)
class Container:
    """One kind of output file."""

    format: str  # libav's name
    codec: str = "libx264"
    audio: tuple[str, int] = ("aac", 160_000)  # what sound becomes that cannot be copied: encoder, bits per second


CONTAINERS = {
    ".mp4": Container("mp4"),
    ".m4v": Container("mp4"),
    ".mov": Container("mov"),
    ".mkv": Container("matroska"),
    ".webm": Container("webm", codec="libvpx-vp9", audio=("libopus", 128_000)),
    ".avi": Container("avi", codec="mpeg4", audio=("libmp3lame", 192_000)),
    ".gif": Container("gif", codec="gif"),
}

# How each encoder is told of the quality; those not listed have no such scale.
_QUALITY = {
    "libx264": "crf",
    "libx265": "crf",
    "libvpx": "crf",
    "libvpx-vp9": "crf",
    "libsvtav1": "crf",
    "h264_nvenc": "cq",
    "hevc_nvenc": "cq",
    "av1_nvenc": "cq",
}
_OPTIONS = {
    # libvpx's own defaults take minutes for a second of HD; 4 costs little quality against 1
    "libvpx-vp9": {"deadline": "good", "cpu-used": "4", "row-mt": "1"},
    "libvpx": {"deadline": "good", "cpu-used": "4"},
    "libx265": {"x265-params": "log-level=error"},  # it prints past libav's log
}
# No picture waits in the encoder for a later one, and the processor is left to the dream. x264 takes 5 ms of it for a
# noisy picture of 640x480 so, half of what its next slower preset takes for a file no smaller.
_LIVE = {
    "libx264": {"preset": "veryfast", "tune": "zerolatency", "forced-idr": "1"},
    "libx265": {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
    "libsvtav1": {"preset": "12", "svtav1-params": "pred-struct=1"},
    "h264_nvenc": {"tune": "ull", "zerolatency": "1", "delay": "0", "forced-idr": "1"},
    "hevc_nvenc": {"tune": "ull", "zerolatency": "1", "delay": "0", "forced-idr": "1"},
    "av1_nvenc": {"tune": "ull", "zerolatency": "1", "delay": "0", "forced-idr": "1"},
}
_THREADS = 4  # what x264 makes depends on it: the same everywhere, so that a piece is, too, wherever it is made
_LIVE_THREADS = 2  # of slices, for a picture is not to wait for the next
# Neither the bit stream nor PyAV's stream header can hold their pixel aspect.
_SQUARE_PIXELS = ("gif", "libvpx", "libvpx-vp9", "libsvtav1")
_MP4_TAGS = {"libx265": "hvc1", "hevc_nvenc": "hvc1"}  # Apple's players know HEVC by no other name


def container_of(output: Path) -> Container:
    """The kind of file that `output` is named like.

    Raises:
        OutputError: its suffix is none of them.
    """
    try:
        return CONTAINERS[output.suffix.lower()]
    except KeyError:
        raise OutputError(
            f"{output}: unknown kind of video {output.suffix!r}: expected {', '.join(CONTAINERS)}"
        ) from None


def time_base_for(info: StreamInfo, container: Container) -> Fraction:
    """The unit in which frame times are written: that of the input, so that every time stays exact."""
    if container.format == "gif":
        return Fraction(1, 100)
    if container.format == "avi":
        return 1 / (info.frame_rate or Fraction(25))  # AVI counts frames, it has no times
    return info.time_base or Fraction(1, 90_000)


class VideoEncoder:
    """A video stream of an open output: RGB pictures in, packets out."""

    def __init__(
        self,
        output: av.container.OutputContainer,
        container: Container,
        info: StreamInfo,
        settings: EncodeSettings,
        live: bool = False,
        aloud: bool = True,
    ) -> None:
        """Add the stream and open its encoder; a `live` one is quick and holds no picture back.

        Args:
            aloud: say how the picture is changed to suit the encoder.

        Raises:
            OutputError: there is no such encoder, it does not fit the container, or it cannot be opened here.
        """
        name = settings.codec or container.codec
        note = log.warning if aloud else log.debug
        self.time_base = time_base_for(info, container)
        self._last_pts: int | None = None
        self._info = info
        self.stream = self._add_stream(output, container, name, info)
        context = self.stream.codec_context
        width, height = info.width, info.height
        aspect = info.pixel_aspect
        if aspect != 1 and name in _SQUARE_PIXELS:
            note("%s cannot say that pixels are not square: the picture is widened to %s", name, float(aspect))
            width, aspect = max(2, round(width * aspect)), Fraction(1)
        self.size = width, height
        self._format = _pixel_format(name)
        subsampled = self._format.startswith("yuv420") or self._format.startswith("yuvj420") or self._format == "nv12"
        pads = subsampled and name not in ("libvpx", "libvpx-vp9", "ffv1")
        self._padded = (width + width % 2, height + height % 2) if pads else (width, height)
        if self._padded != self.size:
            note("%s needs even sides: %dx%d is padded to %dx%d", name, *self.size, *self._padded)
        context.width, context.height = self._padded
        context.pix_fmt = self._format
        context.time_base = self.time_base
        context.sample_aspect_ratio = aspect
        context.flags |= Flags.frame_duration  # else the last frame's time on screen is lost
        context.bit_rate = 0
        context.thread_count = _THREADS
        if live:
            context.thread_count, context.thread_type = _LIVE_THREADS, ThreadType.SLICE
        self._yuv = self._format.startswith(("yuv", "nv"))
        # AVI has no place for tags: its colors are what a player takes them for
        self._color = assume_color(height) if container.format == "avi" else info.color
        if self._yuv:
            context.colorspace = self._color.matrix
            context.color_trc = self._color.transfer
            context.color_primaries = self._color.primaries
            context.color_range = FULL if self._format.startswith("yuvj") else LIMITED
        quick = _LIVE.get(name, {}) if live else {}
        context.options = {**_OPTIONS.get(name, {}), **quick, **self._quality(name, settings.crf)}
        if name == "mpeg4":
            # It has no constant quality: with bits to spare it goes down to its least quantizer.
            context.qmin = max(1, round(settings.crf / 8))
            context.bit_rate = min(8 * width * height * round(info.frame_rate or 25), 2**31 - 1)
        if container.format in ("mp4", "mov") and name in _MP4_TAGS:
            context.codec_tag = _MP4_TAGS[name]
        # With B-frames an MP4 holds the intervals of decoding order, and a track of uneven times ends too early:
        # 0.06 s instead of 0.50 s in one such file. AVI does not know them at all.
        context.max_b_frames = 0
        self._reformatter = VideoReformatter()
        self._palettes = _Palettes(*self._padded, self.time_base) if name == "gif" else None
        self._name = name

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

    @staticmethod
    def _quality(name: str, crf: int) -> dict[str, str]:
        if name not in _QUALITY:
            return {}
        if name.startswith("libvpx"):
            crf = max(crf - 4, 0)  # on libvpx's scale the same number means a little less
        highest = 63 if name.startswith("libvpx") or "av1" in name else 51
        return {_QUALITY[name]: str(min(crf, highest))}

    def open(self) -> None:
        """Open the encoder before the first frame, so that a wrong choice shows at once.

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
        """Packets that are ready after (H, W, 3) RGB `image`, shown from `time` for `duration` seconds.

        A player can begin at a `key` picture; others are where the encoder wants them.

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
        """The packets held back until now."""
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
        if not self._yuv:
            return self._reformatter.reformat(frame, format=self._format, interpolation=SCALING)
        matrix = swscale_matrix(self._color)
        halved = self._format in ("yuv420p", "yuvj420p")
        frame = self._reformatter.reformat(
            frame,
            format=self._format.replace("420", "444") if halved else self._format,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=FULL,
            dst_color_range=FULL if self._format.startswith("yuvj") else LIMITED,
            interpolation=SCALING,
        )
        if halved:
            frame = subsample_chroma(frame, self._format)
        frame.color_trc = self._color.transfer
        frame.color_primaries = self._color.primaries
        return frame


def _pixel_format(codec: str) -> str:
    """What `codec` is given: 8-bit 4:2:0, which plays everywhere, or the first that it takes."""
    formats = [fmt.name for fmt in av.codec.Codec(codec, "w").video_formats or ()]
    # the Motion JPEG of old players is full range
    wanted = ("yuvj420p",) if codec == "mjpeg" else ("pal8", "yuv420p", "rgb24", "bgr24")
    return next((name for name in wanted if name in formats), formats[0] if formats else "yuv420p")


class _Palettes:
    """RGB frame -> paletted frame with the best 256 colors for it alone."""

    def __init__(self, width: int, height: int, time_base: Fraction) -> None:
        self._graph = Graph()
        source = self._graph.add("buffer", f"video_size={width}x{height}:pix_fmt=rgb24:time_base={time_base}")
        split = self._graph.add("split")
        generate = self._graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
        use = self._graph.add("paletteuse", "new=1:dither=sierra2_4a")
        sink = self._graph.add("buffersink")
        source.link_to(split)
        split.link_to(generate, 0, 0)
        split.link_to(use, 1, 0)
        generate.link_to(use, 0, 1)
        use.link_to(sink)
        self._graph.configure()
        self._count = 0

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        frame.pts = self._count
        self._count += 1
        self._graph.vpush(frame)
        return self._graph.vpull()
