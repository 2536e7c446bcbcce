"""Similarities of the plane: zoom, turn and shift, as complex numbers; the motion of a zoom film is known exactly."""

from __future__ import annotations

import cmath
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Similarity:
    """Where the points of a picture go: p -> scale * p + shift, for p = x + iy in pixels, y down."""

    scale: complex = 1 + 0j  # its absolute value is the zoom, its angle a clockwise turn
    shift: complex = 0j

    def of(self, point: complex) -> complex:
        """Return where a point goes."""
        return self.scale * point + self.shift

    def after(self, first: Similarity) -> Similarity:
        """Return the similarity that is `first` and then this one."""
        return Similarity(self.scale * first.scale, self.of(first.shift))

    def inverse(self) -> Similarity:
        """Return the way back."""
        return Similarity(1 / self.scale, -self.shift / self.scale)


def zoom_about(center: complex, log_zoom: float, turn: float) -> Similarity:
    """Return a zoom and turn about a fixed point.

    Args:
        center: that point, px.
        log_zoom: natural logarithm of the zoom; above 0 the picture grows.
        turn: clockwise, radians.
    """
    scale = cmath.exp(complex(log_zoom, turn))
    return Similarity(scale, center - scale * center)


def sampled_at(move: Similarity, size: tuple[int, int], device: torch.device) -> Tensor:
    """Return where each pixel of a moved picture was before.

    Args:
        move: of the picture.
        size: (height, width) px of the result.
        device: where the result goes.

    Returns:
        (1, 2, H, W) float32 px, x then y, of the center of each pixel.
    """
    back = move.inverse()
    height, width = size
    # float64: at 4K a float32 product would miss by a thousandth of a pixel, in each frame the same way.
    x = torch.arange(width, dtype=torch.float64)
    y = torch.arange(height, dtype=torch.float64)[:, None]
    a, b = back.scale.real, back.scale.imag
    points = torch.stack([a * x - b * y + back.shift.real, b * x + a * y + back.shift.imag])
    return points[None].float().to(device)


def backward_flow(move: Similarity, size: tuple[int, int], device: torch.device) -> Tensor:
    """Return the backward flow of a similarity, as `warp` takes it.

    Args:
        move: from the frame before to this one.
        size: (height, width) px.
        device: where the result goes.

    Returns:
        (1, 2, H, W) float32 px.
    """
    still = sampled_at(Similarity(), size, device)
    return sampled_at(move, size, device) - still


def inside_share(points: Tensor, size: tuple[int, int], feather: float = 2.0) -> Tensor:
    """Return how far points lie inside a picture.

    Args:
        points: (1, 2, H, W) px, x then y.
        size: (height, width) px of the picture.
        feather: px from its outermost pixels within which the share falls from 1 to 0.

    Returns:
        (1, 1, H, W) in [0, 1]; 0 outside.
    """
    height, width = size
    last = torch.tensor([width - 1.0, height - 1.0], device=points.device).view(1, 2, 1, 1)
    within = torch.minimum(points, last - points).amin(1, keepdim=True)
    return (within / feather).clamp(0, 1)


def blur_of_sampling(points: Tensor) -> Tensor:
    """Return how much sampling between pixels blurs: not at all on a pixel, most in the middle of four.

    Args:
        points: (1, 2, H, W) px, x then y.

    Returns:
        (1, 1, H, W) in [0, 1].
    """
    between = points - points.floor()
    return (4 * between * (1 - between)).mean(1, keepdim=True)
