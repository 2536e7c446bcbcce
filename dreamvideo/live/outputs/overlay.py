"""Numbers and help over an image, and the source beside the dream: what the window shows and a recording does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.live.controls import KEYS, Controls
from dreamvideo.live.shared_state import LiveNumbers

# Chosen by eye, as are the proportions in `draw_text`.
_INK: Final = (240, 240, 240)
_SHADE: Final = 0.4  # brightness of the image under text
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_LINES: Final = 28  # of text in the height of an image


def with_overlay(
    image: NDArray[np.uint8], camera: NDArray[np.uint8], controls: Controls, numbers: LiveNumbers
) -> NDArray[np.uint8]:
    """Draw what the window shows in addition to the dream.

    Args:
        image: (H, W, 3) RGB, the dream; not changed.
        camera: (H, W, 3) RGB, the same frame undreamed.
        controls: whether to show numbers, help, and source and dream side by side.
        numbers: to show; their message is shown in any case.

    Returns:
        (H, W, 3) RGB.
    """
    if controls.black:
        return image
    if controls.split:
        image = split_view(camera, image)
    lines = list(number_lines(numbers, controls)) if controls.overlay else []
    notes = [] if controls.overlay or not numbers.message else [numbers.message]
    for text, top in ((lines + notes, True), (help_lines() if controls.help else [], False)):
        if text:
            image = draw_text(image, text, top)
    return image


def split_view(camera: NDArray[np.uint8], image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The left half of `camera`, the right half of `image`, and a thin line between them."""
    half = camera.shape[1] // 2
    both = image.copy()
    both[:, :half] = camera[:, :half]
    both[:, half - 1 : half + 1] = 255
    return both


def number_lines(numbers: LiveNumbers, controls: Controls) -> Sequence[str]:
    """The numbers as lines of text."""
    (camera_height, camera_width), (h, w) = numbers.camera_size, numbers.working_size
    marked = (("REC", controls.recording), ("frozen", controls.frozen), ("undreamed", controls.source))
    marks = [word for word, on in marked if on]
    lines = [
        f"camera {numbers.camera_fps:.0f} fps {camera_width}x{camera_height}   shown {numbers.shown_fps:.0f} fps",
        f"dream {w}x{h}   {numbers.steps_per_second:.0f} steps/s   {numbers.device}",
        f"latency {numbers.latency_ms:.0f} ms   dropped {numbers.drops}",
        "   ".join([numbers.look, f"strength {controls.strength:.2f}", *marks]),
    ]
    return [*lines, numbers.message] if numbers.message else lines


def help_lines() -> Sequence[str]:
    """Every key and what it does."""
    return [f"{key.name:6} {key.what}" for key in KEYS.values()]


def draw_text(image: NDArray[np.uint8], lines: Sequence[str], top: bool) -> NDArray[np.uint8]:
    """Draw lines on a darkened box at the left, at the top or, in two columns, at the bottom of a copy of `image`."""
    height, width = image.shape[:2]
    line = max(12, height // _LINES)  # pixels from line to line
    size = line / 40
    thick = max(1, round(line / 18))
    pad = line // 2
    columns = [(text, "") if top else (text[:6], text[6:].strip()) for text in lines]
    indent = 0 if top else max(_width(first, size, thick) for first, _ in columns) + pad
    widest = max(_width(first, size, thick) if top else indent + _width(rest, size, thick) for first, rest in columns)
    box_height, box_width = min(height, len(lines) * line + pad), min(width, widest + 2 * pad)
    y0 = 0 if top else height - box_height
    over = image.copy()
    box = over[y0 : y0 + box_height, :box_width]
    box[:] = cv2.convertScaleAbs(box, alpha=_SHADE)
    for i, (first, rest) in enumerate(columns):
        y = y0 + pad // 4 + (i + 1) * line
        for text, x in ((first, pad), (rest, pad + indent)):
            cv2.putText(over, text.strip(), (x, y), _FONT, size, _INK, thick, cv2.LINE_AA)
    return over


def _width(text: str, size: float, thick: int) -> int:
    return int(cv2.getTextSize(text, _FONT, size, thick)[0][0])
