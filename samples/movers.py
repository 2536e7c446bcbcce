"""Scenes in which a figure moves before flat scenery: ground, figure, camera, and what is true of every pixel.

Everything is drawn at twice the size, as the landscapes are. A sample shows the ground or one part of the figure; where
its point lay in the frame before follows from the part's two placements, or from the camera's pan for the ground.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from figures import Body, Figure, Part, Placement
from grounds import FOOT, Scenery
from noise import Floats, Noise, look_up
from numpy.typing import NDArray
from truth import blocks
from view import OVER


@dataclass(frozen=True)
class Scene:
    """A figure before scenery, for a number of seconds. Lengths in meters, times in seconds."""

    scenery: Scenery
    body: Body
    start: float  # where the figure is at first, from the middle of the picture
    span: float  # width of the picture
    seconds: Fraction
    pan: float = 0.0  # the camera swings that far to either side, once back and forth in `_PAN_PERIOD`


@dataclass(frozen=True)
class Sight:
    """One frame: its picture at twice the size, and what is known of each pixel; see `Truth` in render_sample.py."""

    color: Floats  # (OVER * H, OVER * W, 3) picture values
    flow: NDArray[np.float32] | None
    occluded: NDArray[np.bool_] | None
    mover: NDArray[np.bool_]
    ground_flow: NDArray[np.float32] | None


@dataclass(frozen=True)
class _Drawing:
    """A frame at twice the size: picture, number of the part each sample shows (0: the ground), placements, camera."""

    color: Floats  # (H, W, 3)
    shown: NDArray[np.uint8]  # (H, W)
    placements: tuple[Placement, ...]
    camera: float  # m


_PAN_PERIOD = 2.5  # s


class Set:
    """A scene made ready for drawing at one size."""

    def __init__(self, scene: Scene, noise: Noise, width: int, height: int) -> None:
        self.scene = scene
        self.shape = (height * OVER, width * OVER)
        self.scale = width * OVER / scene.span  # samples per meter
        self.figure: Figure = scene.body(noise, self.scale)
        self.margin = int(np.ceil(scene.pan * self.scale)) + 4 if scene.pan else 0  # samples, for the pan
        rows, columns = self.shape
        x = (np.arange(columns + 2 * self.margin, dtype=np.float32) - self.margin - (columns - 1) / 2) / self.scale
        y = (np.arange(rows, dtype=np.float32) - FOOT * rows + 0.5) / self.scale
        self.ground = scene.scenery(noise, x, y)

    def camera(self, time: float) -> float:
        return float(self.scene.pan * np.sin(2 * np.pi * time / _PAN_PERIOD))

    def to_samples(self, points: tuple[Floats, Floats], camera: float) -> tuple[Floats, Floats]:
        """Column and row of points in the world."""
        rows, columns = self.shape
        x, y = points
        column = (x - (camera - self.scene.start)) * self.scale + (columns - 1) / 2
        return column, y * self.scale + (FOOT * rows - 0.5)

    def to_world(self, samples: tuple[Floats, Floats], camera: float) -> tuple[Floats, Floats]:
        """The points that samples show; x is measured from where the figure starts."""
        rows, columns = self.shape
        column, row = samples
        x = (column - (columns - 1) / 2) / self.scale + (camera - self.scene.start)
        return x, (row - (FOOT * rows - 0.5)) / self.scale

    def draw(self, time: float) -> _Drawing:
        rows, columns = self.shape
        camera = self.camera(time)
        shift = self.margin + camera * self.scale
        matrix = np.array([[1, 0, shift], [0, 1, 0]], np.float64)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        color = self.ground.copy()
        if self.scene.pan:
            color = cv2.warpAffine(self.ground, matrix, (columns, rows), flags=flags).astype(np.float32)
        drawing = _Drawing(color, np.zeros(self.shape, np.uint8), self.figure.pose(time), camera)
        for number, (part, placement) in enumerate(zip(self.figure.parts, drawing.placements, strict=True), 1):
            self._draw_part(drawing, number, part, placement)
        return drawing

    def _draw_part(self, drawing: _Drawing, number: int, part: Part, placement: Placement) -> None:
        column, row = self.to_samples(placement.forward(*part.corners()), drawing.camera)
        x0, x1 = max(0, int(column.min()) - 2), min(self.shape[1], int(column.max()) + 3)
        y0, y1 = max(0, int(row.min()) - 2), min(self.shape[0], int(row.max()) + 3)
        if x0 >= x1 or y0 >= y1:
            return
        box = (slice(y0, y1), slice(x0, x1))
        drawn = part.look(*placement.inverse(*self.to_world(_samples(box), drawing.camera)))
        drawing.color[box] = drawing.color[box] * (1 - drawn[..., 3:]) + drawn[..., :3]
        drawing.shown[box][drawn[..., 3] > 0.5] = number

    def came_from(self, now: _Drawing, before: _Drawing) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Column and row in the frame before of what each sample shows, and where it was not to be seen there."""
        h, w = self.shape
        column, row = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
        column += np.float32(self.ground_shift(now, before))
        hidden = _unseen(before.shown == 0, column, row)
        for number in np.unique(now.shown[now.shown > 0]).tolist():
            mask = now.shown == number
            box = _bounds(mask)
            x, y = self.to_world(_samples(box), now.camera)
            points = before.placements[number - 1].forward(*now.placements[number - 1].inverse(x, y))
            was_column, was_row = self.to_samples(points, before.camera)
            column[mask], row[mask] = was_column[mask[box]], was_row[mask[box]]
            hidden[mask] = _unseen(before.shown == number, was_column, was_row)[mask[box]]
        return column, row, hidden

    def ground_shift(self, now: _Drawing, before: _Drawing) -> float:
        """Samples to the right where the ground lay in the frame before."""
        return (now.camera - before.camera) * self.scale


def _bounds(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rows and columns that hold all that is true."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _samples(box: tuple[slice, slice]) -> tuple[Floats, Floats]:
    """Column and row of each sample in a box."""
    rows, columns = (np.arange(side.start, side.stop, dtype=np.float64) for side in box)
    column, row = np.meshgrid(columns, rows)
    return column, row


def _unseen(showed: NDArray[np.bool_], column: Floats, row: Floats) -> NDArray[np.bool_]:
    """Where less than half of a bilinear reading of `showed` at (column, row) is true, or the place is outside."""
    h, w = showed.shape
    half = OVER / 2
    outside = (column < -half) | (row < -half) | (column > w - 1 + half) | (row > h - 1 + half)
    read = look_up(showed.astype(np.float32), column, row)
    unseen: NDArray[np.bool_] = outside | (read < 0.5)
    return unseen


def _truth(stage: Set, now: _Drawing, before: _Drawing) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Backward flow (2, H, W) in pixels and the occlusion mask (H, W), by the rules of truth.py.

    A pixel speaks for the surface that holds most of it (of two equal ones the nearer).
    """
    column, row, hidden = stage.came_from(now, before)
    h, w = stage.shape
    dx = blocks(column - np.arange(w, dtype=np.float32)[None, :]) / np.float32(OVER)
    dy = blocks(row - np.arange(h, dtype=np.float32)[:, None]) / np.float32(OVER)
    shown = blocks(now.shown)
    belongs = (shown == _surface(now)[..., None]).astype(np.float32)
    count = belongs.sum(-1)
    flow = np.stack([(dx * belongs).sum(-1) / count, (dy * belongs).sum(-1) / count])
    return flow.astype(np.float32), (blocks(hidden) * belongs).sum(-1) * 2 >= count


def _surface(now: _Drawing) -> NDArray[np.uint8]:
    """(H, W): the part that each finished pixel speaks for, 0: the ground."""
    surface: NDArray[np.uint8] = np.sort(blocks(now.shown), axis=-1)[..., -2]  # nearer parts have higher numbers
    return surface


def sights(stage: Set, frame_rate: Fraction, count: int) -> Iterator[Sight]:
    """The first frames of a scene with their truth; the first frame has no flow."""
    h, w = stage.shape[0] // OVER, stage.shape[1] // OVER
    before: _Drawing | None = None
    for index in range(count):
        now = stage.draw(float(index / frame_rate))
        flow = occluded = ground_flow = None
        if before is not None:
            flow, occluded = _truth(stage, now, before)
            ground_flow = np.zeros((2, h, w), np.float32)
            ground_flow[0] = stage.ground_shift(now, before) / OVER
        yield Sight(now.color, flow, occluded, _surface(now) > 0, ground_flow)
        before = now
