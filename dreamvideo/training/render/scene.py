"""The randomness, the light and the palettes of one image."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import colorsys
from typing import TypeVar

import cv2
import numpy as np

from dreamvideo.training.render.canvas import PI, SIZE, Color, Field, f32
from dreamvideo.training.render.palettes import NATURAL, Palette, hsv

T = TypeVar("T")

_PANES = ("glass", "rosewin", "mosaic")  # a palette too short for them is repeated, not stretched
_COATS = (
    (0.08, 0.85, 0.75),
    (0.06, 0.9, 0.9),
    (0.07, 0.7, 0.85),
    (0.1, 0.5, 0.95),
    (0.05, 0.85, 0.6),
    (0.1, 0.2, 0.97),
    (0.06, 0.6, 0.35),
    (0.03, 0.85, 0.7),
    (0.09, 0.9, 0.9),
    (0.6, 0.25, 0.55),
    (0.05, 0.7, 0.22),
)
_STONES = (
    (0.02, 0.7, 0.7),
    (0.11, 0.55, 0.9),
    (0.07, 0.65, 0.8),
    (0.55, 0.3, 0.7),
    (0.13, 0.7, 0.9),
    (0.09, 0.35, 0.75),
    (0.1, 0.2, 0.85),
    (0.04, 0.55, 0.6),
    (0.6, 0.05, 0.6),
    (0.08, 0.5, 0.5),
)


class Scene:
    """Everything random about one image. Each choice is drawn from `rng` in the order of the code.

    Args:
        seed: the same seed gives the same image.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        direction = self.rng.normal(-PI / 2, 0.7)  # mostly from above
        elevation = self.rng.uniform(0.5, 1.1)
        self.light = np.array(
            [np.cos(direction) * np.cos(elevation), np.sin(direction) * np.cos(elevation), np.sin(elevation)], f32
        )
        self.natural = self.rng.random() < 0.75
        self.subject = "background"

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return float(self.rng.uniform(low, high))

    def angle(self) -> float:
        return self.uniform(0, 6.3)

    def normal(self, mean: float, deviation: float) -> float:
        return self.rng.normal(mean, deviation)

    def integer(self, low: int, high: int) -> int:
        """Draw an integer from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, *choices: T) -> T:
        return choices[self.rng.integers(len(choices))]

    def side(self) -> int:
        return self.pick(-1, 1)

    def noise(self, frequency: float = 4, octaves: int = 4) -> Field:
        """Return smooth noise in [0, 1], (SIZE, SIZE), with a mean of about 0.5."""
        total = np.zeros((SIZE, SIZE), f32)
        amplitude, amplitudes = 1.0, 0.0
        for octave in range(octaves):
            cells = min(int(frequency * 2**octave) + 3, SIZE)
            coarse = self.rng.random((cells, cells), dtype=f32)
            total += amplitude * cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
            amplitudes += amplitude
            amplitude *= 0.55
        return total / amplitudes

    def palette(
        self,
        count: int = 3,
        saturation: tuple[float, float] = (0.35, 1),
        value: tuple[float, float] = (0.35, 1),
        spread: float | None = None,
    ) -> list[Color]:
        """Return `count` colors: mostly from a palette of the subject, else random ones in the given ranges."""
        behind = self.subject == "background"
        if self.natural and self.subject in NATURAL and not (behind and self.chance(0.45)):
            return self._natural_palette(count)
        hue = self.rng.random()
        if spread is None:
            spread = self.pick(0.04, 0.1, 0.18, 0.4)
        least = saturation[0] if behind else max(0.3, saturation[0])
        return [
            hsv(hue + self.normal(0, spread), self.uniform(least, saturation[1]), self.uniform(*value))
            for _ in range(count)
        ]

    def color(self, saturation: tuple[float, float] = (0.35, 1), value: tuple[float, float] = (0.35, 1)) -> Color:
        """Return a palette of one color."""
        return self.palette(1, saturation, value)[0]

    def _natural_palette(self, count: int) -> list[Color]:
        palettes = NATURAL[self.subject]
        palette = palettes[self.rng.integers(len(palettes))]
        hue_shift, saturation_shift = self.normal(0, 0.012), self.uniform(-0.12, 0.08)
        if count == 1:
            positions = [float(self.integer(len(palette) // 2, len(palette) - 1))]
        elif count > len(palette) and self.subject in _PANES:
            positions = [float(i % len(palette)) for i in range(count)]
        else:
            positions = [float(p) for p in np.linspace(0, len(palette) - 1, count)]
        colors = []
        for position in positions:
            hue, saturation, value = _between(palette, position)
            colors.append(
                hsv(
                    hue + hue_shift + self.normal(0, 0.008),
                    saturation + saturation_shift,
                    value * self.uniform(0.88, 1.08),
                )
            )
        return colors

    def coat(self) -> Color:
        """Return a color of fur."""
        return self.pick(*[hsv(*coat) for coat in _COATS]) * self.uniform(0.85, 1.15)

    def stone(self) -> Color:
        """Return a color of building stone."""
        return self.pick(*[hsv(*stone) for stone in _STONES], hsv(self.uniform(), 0.3, 0.7))


def _between(palette: Palette, position: float) -> tuple[float, float, float]:
    """Interpolate a palette at a fractional position; (hue, saturation, value)."""
    first = int(np.floor(position))
    second = min(first + 1, len(palette) - 1)
    fraction = float(position - first)
    color = hsv(*palette[first]) * (1 - fraction) + hsv(*palette[second]) * fraction
    red, green, blue = (float(min(max(part, 0), 1)) for part in color)
    return colorsys.rgb_to_hsv(red, green, blue)
