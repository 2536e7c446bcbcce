"""What differs from one video encoder of libav to another, a row for each; one that has no row gets the defaults.

Encoders of hardware in PyAV 18.1's wheels:

- NVENC reads nv12 or p010 on its GPU. libavcodec tells it one address and one pitch of a frame, so that chroma has to
  follow luma in the same memory, in rows as long. With rate control "vbr" and no bit rate, `cq` is a constant quality:
  a quantizer of H.264, as crf is for x264, but 0 leaves the choice to the encoder. The same number is taken for both;
  which one looks the same was not measured.
- VideoToolbox reads nv12 in the memory of the CPU. Its quality, 0 to 100 and 100 best, is one of Apple silicon. The
  slope was chosen without a Mac.
- AMF has no row. It reads the memory of the CPU, needs the runtime of AMD's driver, and is used where --codec names it.

They get no B-frames, like every other encoder here, see `VideoEncoder`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import cv2


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
    quality_min: int = 0
    quality_slope: int = 1  # of --crf; negative: the highest number is the best
    quality_unit: int = 1  # of the number that the option takes
    reads: str | None = None  # kind of device whose memory it reads, see `devices.device_kind`; None: the CPU's alone

    def quality_options(self, crf: int) -> dict[str, str]:
        """Return the option for a quality, if there is one.

        Args:
            crf: on x264's scale.
        """
        if self.quality is None:
            return {}
        number = min(max(self.quality_slope * crf + self.quality_offset, self.quality_min), self.quality_max)
        return {self.quality: str(number * self.quality_unit)}


# With its AVX-512 code x264 now and then writes other packets of the same frames: 15 of 2000 encodings of 60 frames of
# 96x64 differed on an AMD EPYC, with its AVX2 code none. A resumed job has to make the same film. Whoever has AVX-512
# has AVX2.
_AVX_512: Final = 13  # of OpenCV's checkHardwareSupport
_X264: Final[Mapping[str, str]] = {"x264-params": "asm=avx2"} if cv2.checkHardwareSupport(_AVX_512) else {}

_ZERO_LATENCY: Final = {"tune": "zerolatency", "forced-idr": "1"}
_VPX_LIVE: Final = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
# libvpx's own defaults take minutes for a second of HD; 4 costs little quality against 1. On its scale the same number
# means a little less than on x264's.
_VPX: Final = {"deadline": "good", "cpu-used": "4"}

_X26X_PRESETS: Final = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
_NVENC: Final = Codec(
    "cq",
    quality_min=1,
    options={"rc": "vbr"},
    live={"tune": "ull", "zerolatency": "1", "delay": "0", "forced-idr": "1"},
    pixel_formats=("nv12",),
    presets=tuple(f"p{i}" for i in range(1, 8)),
    reads="cuda",
)
_VIDEOTOOLBOX: Final = Codec(
    "global_quality",
    quality_max=100,
    quality_offset=100,
    quality_slope=-2,
    quality_unit=118,  # libavcodec's FF_QP2LAMBDA
    options={"flags": "+qscale"},
    live={"realtime": "1"},
    pixel_formats=("nv12",),
)

CODECS: Final[Mapping[str, Codec]] = {
    # x264 takes 5 ms for a noisy image of 640x480 at veryfast, half of its next slower preset, for a file no smaller.
    "libx264": Codec("crf", options=_X264, live={"preset": "veryfast", **_ZERO_LATENCY}, presets=_X26X_PRESETS),
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
    "h264_nvenc": _NVENC,
    "hevc_nvenc": replace(_NVENC, mp4_tag="hvc1"),
    "av1_nvenc": replace(_NVENC, quality_max=63),
    "h264_videotoolbox": _VIDEOTOOLBOX,
    "hevc_videotoolbox": replace(_VIDEOTOOLBOX, mp4_tag="hvc1"),
    "ffv1": Codec(odd_sizes=True),
    "gif": Codec(square_pixels=True),
    "mjpeg": Codec(pixel_formats=("yuvj420p",)),  # the Motion JPEG of old players is full range
    "mpeg4": Codec(quantizer=True),
}

# Kind of device -> default encoder of a container -> the encoder of its hardware, which takes its place where it can be
# opened. ROCm has none: PyAV takes no planes of its tensors, so that AMF would read them where x264 reads them, too.
HARDWARE_ENCODERS: Final[Mapping[str, Mapping[str, str]]] = {
    "cpu": {},
    "cuda": {"libx264": "h264_nvenc"},
    "mps": {"libx264": "h264_videotoolbox"},
    "rocm": {},
}


def pixel_format_of(name: str, formats: Sequence[str]) -> str:
    """Return the pixel format that an encoder gets: 8-bit 4:2:0, which plays everywhere, or the first that it takes.

    Args:
        name: libav's name of the encoder.
        formats: libav's names of those that it takes.
    """
    preferred = CODECS.get(name, Codec()).pixel_formats
    return next((each for each in preferred if each in formats), formats[0] if formats else "yuv420p")
