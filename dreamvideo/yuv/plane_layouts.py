"""How decoders and encoders lay out YUV in planes: bits, chroma, order. The names are libav's pixel formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class PlaneLayout:
    """Planes of one pixel format: luma (H, W), then two of chroma (h, w), or one (h, w, 2) of interleaved chroma."""

    rows: int = 1  # of pixels that a chroma sample covers
    columns: int = 1
    bits: int = 8  # of a sample
    shift: int = 0  # zero bits below them
    interleaved: bool = False
    gray: bool = False  # there is no chroma
    full_range: bool = False  # whatever the frame's tag says

    @property
    def repeats_chroma(self) -> bool:
        """Whether a chroma sample is repeated over its pixels, as `media.chroma` does; else it is interpolated."""
        return (self.rows, self.columns) == (2, 2) and self.bits <= 12 or self.interleaved

    @property
    def zero(self) -> int:
        """The code value of no chroma."""
        return 1 << (self.bits - 1)

    def chroma_size(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) of samples in a plane of chroma, for an image of that size in pixels."""
        return -(-height // self.rows), -(-width // self.columns)


def _planar() -> dict[str, PlaneLayout]:
    layouts = {}
    for name, (rows, columns) in {"420": (2, 2), "422": (1, 2), "444": (1, 1), "440": (2, 1)}.items():
        eight = PlaneLayout(rows, columns)
        layouts[f"yuv{name}p"] = eight
        layouts[f"yuvj{name}p"] = replace(eight, full_range=True)
        layouts |= {f"yuv{name}p{bits}le": replace(eight, bits=bits) for bits in (10, 12)}
    return layouts


_NV12 = PlaneLayout(2, 2, interleaved=True)
_GRAY = PlaneLayout(gray=True, full_range=True)

LAYOUTS: Final[Mapping[str, PlaneLayout]] = {
    **_planar(),
    "nv12": _NV12,
    "p010le": replace(_NV12, bits=10, shift=6),
    "p012le": replace(_NV12, bits=12, shift=4),
    "p016le": replace(_NV12, bits=16),
    "gray": _GRAY,
    "gray10le": replace(_GRAY, bits=10),
    "gray12le": replace(_GRAY, bits=12),
}
