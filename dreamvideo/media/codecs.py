"""What differs from one video encoder of libav to another, a row for each; one that has no row gets the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Codec:
    """How one encoder is used."""

    quality: str | None = None  # its option for quality, 0 best; None: it has no such scale
    quality_max: int = 51  # the highest number of that scale
    quality_offset: int = 0  # added to --crf, which is x264's scale
    options: Mapping[str, str] = field(default_factory=dict)
    live: Mapping[str, str] = field(default_factory=dict)  # options besides, so that no image waits for a later one
    pixel_formats: tuple[str, ...] = ("pal8", "yuv420p", "rgb24", "bgr24")  # the first of these that it takes
    odd_sizes: bool = False  # takes odd widths and heights with halved chroma
    square_pixels: bool = False  # neither its bit stream nor PyAV's stream header can hold a pixel aspect
    mp4_tag: str | None = None  # how an MP4 names it, where libav's choice does not play everywhere
    presets: tuple[str, ...] = ()  # fastest first
    quantizer: bool = False  # has no constant quality: it gets bits to spare and a least quantizer


_ZERO_LATENCY: Final = {"tune": "zerolatency", "forced-idr": "1"}
_NVENC_LIVE: Final = {"tune": "ull", "zerolatency": "1", "delay": "0", "forced-idr": "1"}
_VPX_LIVE: Final = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
# libvpx's own defaults take minutes for a second of HD; 4 costs little quality against 1. On its scale the same number
# means a little less than on x264's.
_VPX: Final = {"deadline": "good", "cpu-used": "4"}

_X26X_PRESETS: Final = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
_NVENC_PRESETS: Final = tuple(f"p{i}" for i in range(1, 8))

CODECS: Final[Mapping[str, Codec]] = {
    # x264 takes 5 ms for a noisy image of 640x480 at veryfast, half of its next slower preset, for a file no smaller.
    "libx264": Codec("crf", live={"preset": "veryfast", **_ZERO_LATENCY}, presets=_X26X_PRESETS),
    "libx265": Codec(
        "crf",
        options={"x265-params": "log-level=error"},  # it prints past libav's log
        live={"preset": "ultrafast", **_ZERO_LATENCY},
        mp4_tag="hvc1",  # Apple's players know HEVC by no other name
        presets=_X26X_PRESETS,
    ),
    "libvpx": Codec("crf", 63, -4, _VPX, _VPX_LIVE, odd_sizes=True, square_pixels=True),
    "libvpx-vp9": Codec("crf", 63, -4, {**_VPX, "row-mt": "1"}, _VPX_LIVE, odd_sizes=True, square_pixels=True),
    "libsvtav1": Codec(
        *("crf", 63),
        live={"preset": "12", "svtav1-params": "pred-struct=1"},
        square_pixels=True,
        presets=tuple(str(i) for i in range(13, -1, -1)),
    ),
    "h264_nvenc": Codec("cq", live=_NVENC_LIVE, presets=_NVENC_PRESETS),
    "hevc_nvenc": Codec("cq", live=_NVENC_LIVE, mp4_tag="hvc1", presets=_NVENC_PRESETS),
    "av1_nvenc": Codec("cq", 63, live=_NVENC_LIVE, presets=_NVENC_PRESETS),
    "ffv1": Codec(odd_sizes=True),
    "gif": Codec(square_pixels=True),
    "mjpeg": Codec(pixel_formats=("yuvj420p",)),  # the Motion JPEG of old players is full range
    "mpeg4": Codec(quantizer=True),
}
