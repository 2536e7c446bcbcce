"""Curves as a picture, drawn with OpenCV: one panel a clip, warping error over the source's against strength."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.bench.coherence.curves import Curve
from dreamvideo.settings.bench import COHERENCE_FLOOR, COHERENCE_METHODS, COHERENCE_OURS

PANEL_WIDTH, PANEL_HEIGHT = 780, 560
LEFT, RIGHT, TOP, BOTTOM = 90, 30, 60, 80  # margins of a panel
LEGEND = 90  # pixels below the panels
INK, FAINT, WHITE = (40, 40, 40), (225, 225, 225), (255, 255, 255)
TICKS = (1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 500, 1000)

# RGB and mark; ours thick. Told apart by eye, also without color by their marks.
STYLES: Mapping[str, tuple[tuple[int, int, int], int]] = dict(
    zip(
        COHERENCE_METHODS,
        (
            ((214, 39, 40), cv2.MARKER_SQUARE),
            ((120, 120, 120), cv2.MARKER_DIAMOND),
            ((31, 119, 180), cv2.MARKER_CROSS),
            ((255, 127, 14), cv2.MARKER_TILTED_CROSS),
            ((188, 160, 20), cv2.MARKER_TRIANGLE_UP),
            ((44, 160, 44), cv2.MARKER_TRIANGLE_DOWN),
            ((148, 103, 189), cv2.MARKER_STAR),
            ((23, 170, 190), cv2.MARKER_DIAMOND),
            ((140, 86, 75), cv2.MARKER_SQUARE),
        ),
        strict=True,
    )
)

Canvas = NDArray[np.uint8]  # (H, W, 3) RGB


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic axis: values from `low` to `high` lie on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> int:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start))

    def ticks(self) -> list[float]:
        """Round values on the axis, no two closer than 45 pixels."""
        kept: list[float] = []
        for value in TICKS:
            inside = self.low <= value <= self.high
            if inside and (not kept or abs(self.at(value) - self.at(kept[-1])) >= 45):
                kept.append(value)
        return kept


def plot(panels: Mapping[str, Mapping[str, Curve]]) -> Canvas:
    """(H, W, 3) uint8 RGB: a panel for each title, a curve for each method of it, and a legend.

    Points that cannot stand on a logarithmic axis are left out.
    """
    columns = min(2, max(1, len(panels)))
    rows = max(1, math.ceil(len(panels) / columns))
    canvas = np.full((rows * PANEL_HEIGHT + LEGEND, columns * PANEL_WIDTH, 3), 255, np.uint8)
    shown = {title: _drawable(curves) for title, curves in panels.items()}
    for number, (title, curves) in enumerate(shown.items()):
        row, column = divmod(number, columns)
        _panel(canvas, column * PANEL_WIDTH, row * PANEL_HEIGHT, title, curves)
    _legend(
        canvas,
        rows * PANEL_HEIGHT,
        [name for name in COHERENCE_METHODS if any(name in curves for curves in shown.values())],
    )
    return canvas


def _drawable(curves: Mapping[str, Curve]) -> dict[str, list[tuple[float, float]]]:
    kept = {
        name: sorted((p.strength, p.error) for p in curve if _positive(p.strength) and _positive(p.error))
        for name, curve in curves.items()
    }
    return {name: points for name, points in kept.items() if points}


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _panel(canvas: Canvas, x: int, y: int, title: str, curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    left, right = x + LEFT, x + PANEL_WIDTH - RIGHT
    top, bottom = y + TOP, y + PANEL_HEIGHT - BOTTOM
    (wide, _), _ = cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, 0.75, 1)
    _text(canvas, title, (left, y + 30), 0.75 * min(1.0, (right - left) / max(wide, 1)))
    _text(canvas, "dream strength: activation over the source's", ((left + right) // 2, bottom + 58), 0.6, _centered)
    _text(canvas, "warping error over the source's", (left, top - 8), 0.5)
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return
    across = Axis(*_limits([point[0] for point in points]), left, right)
    up = Axis(*_limits([point[1] for point in points]), bottom, top)
    for value in across.ticks():
        cv2.line(canvas, (across.at(value), top), (across.at(value), bottom), FAINT, 1)
        _text(canvas, f"{value:g}", (across.at(value), bottom + 26), 0.55, _centered)
    for value in up.ticks():
        cv2.line(canvas, (left, up.at(value)), (right, up.at(value)), FAINT, 1)
        _text(canvas, f"x {value:g}", (left - 10, up.at(value) + 6), 0.55, _ending)
    cv2.rectangle(canvas, (left, top), (right, bottom), INK, 1, cv2.LINE_AA)
    for name in reversed(COHERENCE_METHODS):  # ours on top
        places = [(across.at(a), up.at(b)) for a, b in curves.get(name, ())]
        _curve(canvas, name, places)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = max((high / low) ** 0.06, 1.05)
    return low / margin, high * margin


def _curve(canvas: Canvas, name: str, places: Sequence[tuple[int, int]]) -> None:
    color, mark = STYLES[name]
    thick = 3 if name in (COHERENCE_OURS, COHERENCE_FLOOR) else 2
    for one, other in zip(places, places[1:], strict=False):
        cv2.line(canvas, one, other, color, thick, cv2.LINE_AA)
    for place in places:
        cv2.drawMarker(canvas, place, color, mark, 13, 2, cv2.LINE_AA)


def _legend(canvas: Canvas, y: int, names: Sequence[str]) -> None:
    wide = canvas.shape[1] - LEFT - RIGHT
    room = 190
    each_row = max(1, wide // room)
    for number, name in enumerate(names):
        row, column = divmod(number, each_row)
        x, middle = LEFT + column * room, y + 20 + row * 30
        _curve(canvas, name, [(x, middle), (x + 34, middle)])
        _text(canvas, name, (x + 46, middle + 6), 0.6)


def _text(
    canvas: Canvas, text: str, place: tuple[int, int], size: float, where: Callable[[int], int] = lambda width: 0
) -> None:
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    cv2.putText(canvas, text, (place[0] - where(width), place[1]), cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)


def _centered(width: int) -> int:
    return width // 2


def _ending(width: int) -> int:
    return width


def png(canvas: Canvas) -> bytes:
    """The picture as a PNG file's bytes."""
    return cv2.imencode(".png", canvas[..., ::-1])[1].tobytes()
