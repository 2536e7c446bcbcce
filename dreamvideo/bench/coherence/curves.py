"""Curves of error over strength, and their interpolation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Relative distance beyond the end of a curve within which the end is used; chosen by eye.
REACH = 0.02


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The result of a method at one setting of its sweep."""

    strength: float
    error: float  # warping error over the source's own
    seconds: float  # per frame


Curve = Sequence[CurvePoint]


def interpolate_at(curve: Curve, strength: float) -> CurvePoint | None:
    """Interpolate a curve at a strength, linearly on logarithmic axes.

    Args:
        curve: points in any order; between equally strong points the middle is taken.
        strength: where to interpolate.

    Returns:
        The point, or None where the curve does not reach.
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
    """Return (name, point) of the curve with the least error at a strength; None if no curve reaches it."""
    points = {name: point for name, curve in curves.items() if (point := interpolate_at(curve, strength)) is not None}
    return min(points.items(), key=lambda item: item[1].error) if points else None


def _between(a: float, b: float, share: float) -> float:
    tiny = 1e-12
    return math.exp((1 - share) * math.log(a + tiny) + share * math.log(b + tiny))
