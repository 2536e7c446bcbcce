"""Bodies made of flat parts: how a part is painted, how it is placed, and how a leg reaches for the ground.

Lengths are in meters, x to the right, y down, the ground at y = 0. A part is painted once; it moves by an affine map
and a bend, which can both be inverted, so the point that a pixel shows is known at any time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from noise import Floats, Noise, look_up, mix, smoothstep, vector
from numpy.typing import NDArray
from terrain import film

Chain = Sequence[tuple[float, float, float]]  # circles (u, v, radius) that a part is the hull of, one after another
Paint = Callable[[Floats, Floats], Floats]  # (u, v) -> linear reflectance (H, W, 3)
Point = tuple[float, float]

_TOWARDS_LIGHT = (-0.35, -0.75, 0.60)  # from above, a little from the left and from the front, under a soft sky
_FINER = 3  # samples per texel, each way, while a part is painted


@dataclass(frozen=True)
class Part:
    """A painted part in coordinates (u, v) of its own."""

    picture: Floats  # (H, W, 4) picture values times cover, and cover
    left: float  # u of the first column
    top: float  # v of the first row
    scale: float  # texels per meter

    def corners(self) -> tuple[Floats, Floats]:
        """u and v along the border of the picture."""
        h, w = self.picture.shape[:2]
        along, still = np.linspace(0, 1, 9), np.zeros(9)
        u = np.concatenate([along, along, still, still + 1]) * (w / self.scale) + self.left
        v = np.concatenate([still, still + 1, along, along]) * (h / self.scale) + self.top
        return u, v

    def look(self, u: Floats, v: Floats) -> Floats:
        """The part's picture at (u, v), clear outside."""
        column, row = (u - self.left) * self.scale, (v - self.top) * self.scale
        return look_up(self.picture, column, row, cv2.BORDER_CONSTANT)


@dataclass(frozen=True)
class Placement:
    """Where a part is: (u, v) -> matrix @ (u, v + bend * u * u, 1)."""

    matrix: NDArray[np.float64]  # (2, 3)
    bend: float = 0.0  # 1 / m

    def forward(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Where the points (u, v) of the part are."""
        (a, b, x0), (c, d, y0) = self.matrix
        bent = v + self.bend * u * u
        return a * u + b * bent + x0, c * u + d * bent + y0

    def inverse(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Which points (u, v) of the part are at (x, y)."""
        (a, b, x0), (c, d, y0) = self.matrix
        determinant = a * d - b * c
        u = (d * (x - x0) - b * (y - y0)) / determinant
        bent = (a * (y - y0) - c * (x - x0)) / determinant
        return u, bent - self.bend * u * u


@dataclass(frozen=True)
class Figure:
    """Parts, the farthest first, and where each is after t seconds."""

    parts: tuple[Part, ...]
    pose: Callable[[float], tuple[Placement, ...]]


Body = Callable[[Noise, float], Figure]  # (noise, texels per meter)


def place(at: Point, angle: float = 0.0, stretch: float = 1.0, lean: float = 0.0, bend: float = 0.0) -> Placement:
    """Put the part's origin at a point: stretched along u, sheared by `lean` along v, turned clockwise by `angle`."""
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[stretch, lean], [0, 1]])
    return Placement(np.column_stack([matrix, at]), bend)


def place_between(start: Point, end: Point, bend: float = 0.0) -> Placement:
    """Put the part's origin at `start`, its u axis towards `end`."""
    return place(start, float(np.arctan2(end[1] - start[1], end[0] - start[0])), bend=bend)


def attach(placement: Placement, u: float, v: float) -> Point:
    """Where the point (u, v) of a placed part is."""
    x, y = placement.forward(np.array(u), np.array(v))
    return float(x), float(y)


def joint(start: Point, end: Point, upper: float, lower: float, side: float) -> tuple[Point, Point]:
    """The knee between `start` and `end`, and the end itself, drawn nearer where the limb is too short.

    Args:
        side: 1.0 if the knee points to the right of a limb that hangs down, -1.0: to the left.
    """
    dx, dy = end[0] - start[0], end[1] - start[1]
    whole = float(np.hypot(dx, dy))
    reach = float(np.clip(whole, abs(upper - lower) + 1e-3, (upper + lower) * 0.999))
    dx, dy = dx / whole, dy / whole
    along = (reach**2 + upper**2 - lower**2) / (2 * reach)
    across = side * float(np.sqrt(max(upper**2 - along**2, 0.0)))
    knee = (start[0] + dx * along + dy * across, start[1] + dy * along - dx * across)
    return knee, (start[0] + dx * reach, start[1] + dy * reach)


def _distance(chain: Chain, u: Floats, v: Floats) -> Floats:
    """Signed distance to a chain of tapered capsules, negative inside."""
    nearest: Floats = np.full(u.shape, 9, np.float32)
    for (u0, v0, r0), (u1, v1, r1) in zip(chain, chain[1:], strict=False):
        length = max((u1 - u0) ** 2 + (v1 - v0) ** 2, 1e-9)
        share = np.clip(((u - u0) * (u1 - u0) + (v - v0) * (v1 - v0)) / length, 0, 1)
        distance = np.hypot(u - (u0 + share * (u1 - u0)), v - (v0 + share * (v1 - v0))) - (r0 + share * (r1 - r0))
        # Smooth union (Quilez): links melt into one another.
        soft = np.float32(0.35 * min(r0, r1) + 1e-3)
        melt = np.maximum(soft - np.abs(nearest - distance), 0) / soft
        nearest = np.minimum(nearest, distance) - melt * melt * soft / 4
    return nearest.astype(np.float32)


def _shade(distance: Floats, thickness: float, angle: float, texel: float) -> Floats:
    """Light on a part as if it were blown up, soft as under an overcast sky."""
    inside = np.clip(-distance / np.float32(thickness), 0, 1)
    height = np.float32(thickness) * np.sqrt(1 - (1 - inside) ** 2)
    rounded = cv2.GaussianBlur(height, (0, 0), max(0.006 / texel, 0.6))
    gv, gu = np.gradient(rounded, np.float32(texel))
    x, y, z = np.array(_TOWARDS_LIGHT) / np.linalg.norm(_TOWARDS_LIGHT)
    cos, sin = np.cos(angle), np.sin(angle)
    facing = (-gu * (cos * x + sin * y) - gv * (-sin * x + cos * y) + z) / np.sqrt(gu**2 + gv**2 + 1)
    rim = 0.72 + 0.28 * smoothstep(0, 0.02, -distance)  # little light gets between two parts
    shade: Floats = ((0.55 + 0.95 * np.clip(facing, 0, None)) * rim).astype(np.float32)
    return shade


def paint_part(
    noise: Noise,
    scale: float,
    chains: Sequence[Chain],
    paint: Paint,
    thickness: float = 0.06,
    angle: float = 0.0,
    ragged: float = 0.0,
    hem: float | None = None,
    light: float = 1.0,
) -> Part:
    """Paint a part whose outline is the union of chains of circles.

    Args:
        scale: texels per meter.
        chains: the first of them may be all there is.
        paint: its colors.
        thickness: depth of the roundness, m.
        angle: at which it usually hangs, radians; the light is painted for that.
        ragged: how far hair stands out of the outline, m.
        hem: nothing is painted below this v.
        light: factor, below 1 for what is on the far side.
    """
    circles = np.array([circle for chain in chains for circle in chain])
    margin = 0.02 + ragged + 3 / scale
    left, top = (circles[:, :2] - circles[:, 2:]).min(0) - margin
    right, bottom = (circles[:, :2] + circles[:, 2:]).max(0) + margin
    columns, rows = int((right - left) * scale) + 1, int((bottom - top) * scale) + 1
    texel = 1 / (scale * _FINER)
    # The centers of the finer samples: those of a texel lie around the texel's own center.
    u = left + (np.arange(columns * _FINER, dtype=np.float32)[None, :] - (_FINER - 1) / 2) * texel
    v = top + (np.arange(rows * _FINER, dtype=np.float32)[:, None] - (_FINER - 1) / 2) * texel
    u, v = (np.ascontiguousarray(a, np.float32) for a in np.broadcast_arrays(u, v))
    distance = np.minimum.reduce([_distance(chain, u, v) for chain in chains])
    edge = distance
    if ragged:
        edge = distance + np.float32(ragged) * noise.octaves(u / 0.013, v / 0.013, 2, offset=float(circles.sum()))
    if hem is not None:
        edge = np.maximum(edge, v - np.float32(hem))
    cover = np.clip(0.5 - edge / np.float32(texel), 0, 1).astype(np.float32)
    shade = _shade(distance, thickness, angle, texel) * np.float32(light)
    picture = np.dstack([film(paint(u, v) * shade[..., None]) * cover[..., None], cover]).astype(np.float32)
    picture = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    return Part(picture, float(left), float(top), scale)


def cloth(noise: Noise, color: Sequence[float], grain: float, fold: float, offset: float) -> Paint:
    """Woven cloth, `grain` its unevenness, `fold` the depth of its folds, which run along v."""

    def paint(u: Floats, v: Floats) -> Floats:
        weave = noise.octaves(u / 0.022, v / 0.022, 3, 0.7, offset=offset)
        folds = noise.octaves(u / 0.06 + 0.5 * v, v / 0.45, 2, offset=offset + 3)
        return vector(color) * (1 + np.float32(grain) * weave + np.float32(fold) * folds)[..., None]

    return paint


def hair(
    noise: Noise, dark: Sequence[float], pale: Sequence[float], along: float, across: float, offset: float
) -> Paint:
    """Strands of a length along u and v, between two colors."""

    def paint(u: Floats, v: Floats) -> Floats:
        strands = noise.octaves(u / np.float32(along), v / np.float32(across), 3, 0.65, offset=offset)
        patches = noise.octaves(u / 0.16, v / 0.12, 2, offset=offset + 5)
        share = np.clip(0.5 + 0.75 * strands + 0.35 * patches, 0, 1)
        return mix(vector(dark), vector(pale), share[..., None])

    return paint
