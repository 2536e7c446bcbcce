"""Ground that was seen before comes back: what stands behind moving things is remembered, and restored when they go.

Where something passes, optical flow drags the dream of the ground along with it, far beyond its edge. So the source and
the residual of the ground are kept, away from anything that moves against the camera, moved as the camera moves, and
put back near such things wherever the source is that of the ground again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Mean over about 5 x 5 pixels of the difference of the channel that differs most, below which a place shows the ground
# that is remembered. By measurement: at half of it compressed ground is not found again.
ALIKE = 12 / 255

# Share of the shorter side around what is not the ground within which the ground is restored: as far as flows drag it
# along. By measurement: with twice as much the roof of a bus is taken for ground.
REACH = 0.04

GROWN = 0.6  # age from which a dream is worth remembering
KNOWN = 0.5  # weight from which the ground is restored
FORGET = 0.999  # factor on the weight for each frame that the ground is covered
REPLACE = 0.02  # by which it falls for each frame that something else stands there, which becomes ground at last


@dataclass(frozen=True, slots=True)
class Ground:
    """The ground of a shot, as it was last seen, at half the size. Its dream is kept by the carry."""

    source: Tensor  # (1, 3, h, w) float32 in [0, 1], h = ceil(H / 2)
    weight: Tensor  # (1, 1, h, w) float32 in [0, 1]; below `KNOWN`: not known
    covered: Tensor  # (1, 1, h, w) float32 in [0, 1]: something else was seen there in the last frame

    def to(self, device: torch.device) -> Ground:
        """Return the same on a device."""
        return Ground(*(plane.to(device) for plane in (self.source, self.weight, self.covered)))


def halve(planes: Tensor) -> Tensor:
    """(1, C, H, W) -> (1, C, ceil(H / 2), ceil(W / 2)), means of 2 x 2 pixels; four times as fast as a pooling."""
    h, w = planes.shape[2:]
    return F.interpolate(planes, (-(-h // 2), -(-w // 2)), mode="bilinear", align_corners=False)


def move_ground(ground: Ground, camera: Tensor, move: Callable[..., Tensor]) -> Ground:
    """Move the ground as the camera moves.

    Args:
        ground: of the frame before.
        camera: (1, 2, H, W) backward flow of the ground, px.
        move: `warp.warp` or `occlusion.remap`.
    """
    half = halve(camera) / 2
    return Ground(
        move(ground.source, half, "bicubic"),
        move(ground.weight, half, "bilinear"),
        move(ground.covered, half, "bilinear"),
    )


def returned_ground(ground: Ground, source: Tensor, near: Tensor) -> Tensor:
    """Return where the source shows the remembered ground.

    Args:
        ground: moved to this frame.
        source: (1, 3, H, W) in [0, 1].
        near: (1, 1, H, W) bool, near something that moves, or that is not to be trusted; only there.

    Returns:
        (1, 1, H, W) float32 in [0, 1], soft inwards, so that nothing of the ground shows on what moves.
    """
    alike = _is_alike(halve(source), ground.source)
    # Something plain that moves over plain ground, or over itself, is taken for the ground, but for its outline.
    radius = max(2, round(REACH * min(source.shape[2:]) / 2))
    covered = _dilate(torch.maximum(_covered(ground, alike), ground.covered), radius) > 0.5
    back = alike & (ground.weight > KNOWN) & covered & (halve(near.float()) > 0)
    soft = (_box_mean(back.float(), 5) * 2 - 1).clamp(0, 1)
    return F.interpolate(soft, source.shape[2:], mode="bilinear", align_corners=False)


def remember_ground(ground: Ground | None, source: Tensor, age: Tensor, near: Tensor | None) -> tuple[Ground, Tensor]:
    """Return the ground after a frame.

    Args:
        ground: moved to this frame; None: nothing is known.
        source: (1, 3, H, W) in [0, 1], this frame.
        age: (1, 1, H, W) in [0, 1] of this frame, see `progress.Progress`.
        near: (1, 1, H, W) bool, near something that moves: nothing is learned there. None: nothing moves.

    Returns:
        The ground; and where it is that of this frame, (1, 1, H, W) float32: 1 there, else 0.
    """
    half_source, half_age = halve(source), halve(age)
    away = torch.ones_like(half_age) if near is None else (halve(near.float()) == 0).to(half_age)
    if ground is None:
        return Ground(half_source, half_age * away, torch.zeros_like(half_age)), torch.ones_like(age)
    seen = (half_age > GROWN) & (away > 0)
    same = _is_alike(half_source, ground.source)
    weight = torch.where(seen & ~same, ground.weight - REPLACE, ground.weight * FORGET)
    learned = seen & (same | (weight < KNOWN))
    ground = Ground(
        torch.lerp(ground.source, half_source, learned.float()),
        torch.where(learned, half_age, weight),
        _covered(ground, same),
    )
    return ground, F.interpolate(learned.float(), source.shape[2:], mode="nearest")


def _covered(ground: Ground, alike: Tensor) -> Tensor:
    """(1, 1, h, w) float32, 1 where something else than the known ground is seen; single places are noise."""
    return (_box_mean(((ground.weight > KNOWN) & ~alike).float(), 3) > 0.5).float()


def _dilate(mask: Tensor, radius: int) -> Tensor:
    """The largest of (1, 1, h, w) in [0, 1] within `radius` px, along rows and columns; faster than a pooling."""
    side = 2 * radius + 1
    planes = F.pad(mask, (radius,) * 4)
    for dim in (2, 3):
        window = 1
        while window < side:
            step = min(window, side - window)
            length = planes.shape[dim] - step
            planes = torch.maximum(planes.narrow(dim, 0, length), planes.narrow(dim, step, length))
            window += step
    return planes


def _box_mean(planes: Tensor, side: int) -> Tensor:
    """The mean of (B, C, H, W) over `side` x `side` pixels, those beyond the edges left out."""
    return F.avg_pool2d(planes, side, 1, side // 2, count_include_pad=False)


def _is_alike(one: Tensor, other: Tensor) -> Tensor:
    """(1, 1, h, w) bool: where two halved sources show the same."""
    return _box_mean((one - other).abs().amax(1, keepdim=True), 3) < ALIKE
