"""The endless photo: a world that is like itself at every scale, in which a zoom film never comes to an end.

Copies of one photo lie in each other, each `period` smaller (in the logarithm) and turned by `spiral` against the one
around it, as in Escher's Print Gallery (de Smit, Lenstra 2003), but with soft edges in place of a conformal map. What
is seen after a zoom by one period is what was seen before: so it closes a loop exactly. A copy fades in as it grows.

It is not what is shown. A zoom film takes from it the brightness and color of large areas, and what comes in at the
borders, before that is dreamed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.motion.similarity import sampled_at, zoom_about
from dreamvideo.tensors import resize

PERIOD = math.log(
    3
)  # of the zoom, where nothing else decides. Chosen by eye: sky and rocks come back every few seconds
EDGE = 0.3  # share of the photo's half side over which it gives way to the copy around it


@dataclass(frozen=True, slots=True)
class EndlessPhoto:
    """A photo that contains itself."""

    levels: tuple[Tensor, ...]  # (1, 3, h, w) in [0, 1] each; halved from one to the next
    center: complex  # px of the frame, around which all is zoomed
    size: tuple[int, int]  # (height, width) px of the frame
    period: float = PERIOD  # log of the size of a copy over that of the next smaller one
    spiral: float = 0.0  # clockwise turn from a copy to the next larger one, radians

    def seen(self, log_zoom: float, turn: float) -> Tensor:
        """Return what is seen of it.

        Args:
            log_zoom: natural logarithm of the zoom so far.
            turn: clockwise, so far, radians.

        Returns:
            (1, 3, H, W) in [0, 1].
        """
        nearest = round(log_zoom / self.period)
        seen, _ = self._copy(log_zoom - (nearest - 1) * self.period, turn - (nearest - 1) * self.spiral)
        for copy in (nearest, nearest + 1):  # each lies over the larger one before it
            own = log_zoom - copy * self.period
            if own > -self.period:
                image, inside = self._copy(own, turn - copy * self.spiral)
                seen = torch.lerp(seen, image, _ease(inside) * _ease(own / self.period + 1))
        return seen

    def whole(self) -> Tensor:
        """Return the photo alone, (1, 3, H, W) in [0, 1], as the frame shows it before any zoom."""
        return resize(self.levels[0], self.size)

    def _copy(self, log_zoom: float, turn: float) -> tuple[Tensor, Tensor]:
        """(1, 3, H, W) one copy, zoomed by so much; (1, 1, H, W) how far inside each place is, over `EDGE`."""
        height, width = self.size
        finest = self.levels[0]
        fineness = finest.shape[3] / width  # px of the finest level in one of the frame
        level = min(max(0, round(math.log2(fineness) - log_zoom / math.log(2))), len(self.levels) - 1)
        points = sampled_at(zoom_about(self.center, log_zoom, turn), self.size, finest.device)
        half = torch.tensor([width / 2, height / 2], device=finest.device).view(1, 2, 1, 1)
        grid = (points + 0.5) / half - 1  # (1, 2, H, W), -1 to 1 in the photo
        inside = (1 - grid.abs().amax(1, keepdim=True)) / EDGE
        where = grid.permute(0, 2, 3, 1)
        image = F.grid_sample(self.levels[level], where, mode="bicubic", padding_mode="border", align_corners=False)
        return image.clamp(0, 1), inside


def _ease(share: Tensor | float) -> Tensor:
    """From 0 to 1, without a kink at either end; what lies beyond is limited."""
    share = torch.as_tensor(share).clamp(0, 1)
    return share * share * (3 - 2 * share)


def endless_photo(
    photo: Tensor, center: complex, size: tuple[int, int], period: float = PERIOD, spiral: float = 0.0
) -> EndlessPhoto:
    """Make an endless photo.

    Args:
        photo: (1, 3, h, w) in [0, 1], of the proportions of the frame; what is finer than twice the frame is left out.
        center: px of the frame.
        size: (height, width) px of the frame.
        period, spiral: as of `EndlessPhoto`.
    """
    fineness = min(2.0, photo.shape[2] / size[0], photo.shape[3] / size[1])
    levels = [resize(photo, (round(fineness * size[0]), round(fineness * size[1])))]
    while min(levels[-1].shape[2:]) > min(size) / 4:
        height, width = levels[-1].shape[2:]
        levels.append(resize(levels[-1], (max(1, height // 2), max(1, width // 2))))
    return EndlessPhoto(tuple(levels), center, size, period, spiral)
