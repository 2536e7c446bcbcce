"""Curves over strength, and one read off another's strength."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Relative distance from a curve's end at which it still counts as reached; chosen by eye.
REACH = 0.02


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A method at one of its settings."""

    strength: float
    error: float  # warping error over the source's own
    seconds: float  # a frame


Curve = Sequence[CurvePoint]


def interpolate_at(curve: Curve, strength: float) -> CurvePoint | None:
    """The curve at a strength, straight between its points on logarithmic axes; None where it does not reach.

    Between equally strong points the order does not matter: their middle is taken.
    """
    points = sorted(curve, key=lambda point: point.strength)
    if (
        not points
        or not points[0].strength <= strength * (1 + REACH)
        or not strength <= points[-1].strength * (1 + REACH)
    ):
        return None
    strength = min(max(strength, points[0].strength), points[-1].strength)
    if len(points) == 1:
        return points[0]
    low, high = next((a, b) for a, b in zip(points, points[1:], strict=False) if strength <= b.strength)
    gap = math.log(high.strength / low.strength)
    share = math.log(strength / low.strength) / gap if gap else 0.5
    return CurvePoint(strength, _between(low.error, high.error, share), _between(low.seconds, high.seconds, share))


def best_curve(curves: Mapping[str, Curve], strength: float) -> tuple[str, CurvePoint] | None:
    """(name, point) of the curve with the least error at a strength; None if none reaches it."""
    found = {name: point for name, curve in curves.items() if (point := interpolate_at(curve, strength)) is not None}
    return min(found.items(), key=lambda item: item[1].error) if found else None


def _between(a: float, b: float, share: float) -> float:
    tiny = 1e-12
    return math.exp((1 - share) * math.log(a + tiny) + share * math.log(b + tiny))
