"""Numbers and help over a picture, and the source beside the dream: what the window shows and a recording does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.live.controls import KEYS, Controls
from dreamvideo.live.shared_state import LiveNumbers

_INK: Final = (240, 240, 240)
_SHADE: Final = 0.4  # of the picture that is left under text
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_LINES: Final = 28  # that a picture's height is to hold


def with_overlay(
    picture: NDArray[np.uint8], camera: NDArray[np.uint8], controls: Controls, numbers: LiveNumbers
) -> NDArray[np.uint8]:
    """(H, W, 3) as the window shows it: `picture`, the dream, with what `controls` ask for beside and over it."""
    if controls.split:
        picture = split_view(camera, picture)
    lines = list(number_lines(numbers, controls)) if controls.overlay else []
    notes = [] if controls.overlay or not numbers.message else [numbers.message]
    for text, top in ((lines + notes, True), (help_lines() if controls.help else [], False)):
        if text:
            picture = draw_text(picture, text, top)
    return picture


def split_view(camera: NDArray[np.uint8], picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The left half as it is, the right half dreamed, a thin line between them."""
    half = camera.shape[1] // 2
    both = picture.copy()
    both[:, :half] = camera[:, :half]
    both[:, half - 1 : half + 1] = 255
    return both


def number_lines(numbers: LiveNumbers, controls: Controls) -> Sequence[str]:
    """What the overlay says."""
    (high, wide), (h, w) = numbers.camera_size, numbers.working_size
    marks = [word for word, on in (("REC", controls.recording), ("frozen", controls.frozen)) if on]
    lines = [
        f"camera {numbers.camera_fps:.0f} fps {wide}x{high}   shown {numbers.shown_fps:.0f} fps",
        f"dream {w}x{h}   {numbers.steps_per_second:.0f} steps/s   {numbers.device}",
        f"latency {numbers.latency_ms:.0f} ms   dropped {numbers.drops}",
        "   ".join([numbers.look, f"strength {controls.strength:.2f}", *marks]),
    ]
    return [*lines, numbers.message] if numbers.message else lines


def help_lines() -> Sequence[str]:
    """Every key and what it does."""
    return [f"{key.name:6} {key.what}" for key in KEYS.values()]


def draw_text(picture: NDArray[np.uint8], lines: Sequence[str], top: bool) -> NDArray[np.uint8]:
    """`picture` with lines of text on a darkened box, at the top or at the bottom left."""
    height, width = picture.shape[:2]
    line = max(12, height // _LINES)  # pixels from line to line
    size = line / 40
    thick = max(1, round(line / 18))
    pad = line // 2
    columns = [(text, "") if top else (text[:6], text[6:].strip()) for text in lines]
    indent = 0 if top else max(_width(first, size, thick) for first, _ in columns) + pad
    widest = max(_width(first, size, thick) if top else indent + _width(rest, size, thick) for first, rest in columns)
    box_height, box_width = min(height, len(lines) * line + pad), min(width, widest + 2 * pad)
    y0 = 0 if top else height - box_height
    over = picture.copy()
    box = over[y0 : y0 + box_height, :box_width]
    box[:] = cv2.convertScaleAbs(box, alpha=_SHADE)
    for i, (first, rest) in enumerate(columns):
        y = y0 + pad // 4 + (i + 1) * line
        for text, x in ((first, pad), (rest, pad + indent)):
            cv2.putText(over, text.strip(), (x, y), _FONT, size, _INK, thick, cv2.LINE_AA)
    return over


def _width(text: str, size: float, thick: int) -> int:
    return int(cv2.getTextSize(text, _FONT, size, thick)[0][0])
