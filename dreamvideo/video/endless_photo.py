"""The endless photo: a world that is like itself at every scale, in which a zoom film never comes to an end.

Copies of one photo lie in each other, each `period` smaller (in the logarithm) and turned by `spiral` against the one
around it, as in Escher's Print Gallery (de Smit, Lenstra 2003), but with soft edges in place of a conformal map. What
is seen after a zoom by one period is what was seen before: so it closes a loop exactly. A copy fades in as it grows.
Where they lie is found in `photo_copies`.

It is not what is shown. A zoom film takes from it the brightness and color of large areas, and what comes in at the
borders, before that is dreamed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.motion.similarity import Similarity, sampled_at
from dreamvideo.tensors import resize
from dreamvideo.video.photo_copies import Copies, place_copies
from dreamvideo.video.zoom_path import ZoomPath

EDGE = 0.3  # share of the photo's half side over which it gives way to the copy around it


@dataclass(frozen=True, slots=True)
class EndlessPhoto:
    """A photo that contains itself."""

    levels: tuple[Tensor, ...]  # (1, 3, h, w) in [0, 1] each; halved from one to the next
    size: tuple[int, int]  # (height, width) px of the frame
    period: float  # natural logarithm of the size of a copy over that of the next smaller one
    copies: tuple[Copies, ...]  # at frame 0, 1, ... of the film and at the one after the last, see `place_copies`

    def seen(self, frame: int) -> Tensor:
        """Return what is seen of it.

        Args:
            frame: index of a frame of the film, or, below 0, of one before it, which is as those before the end.

        Returns:
            (1, 3, H, W) in [0, 1].
        """
        largest, *smaller = self.copies[frame if frame >= 0 else frame - 1]
        seen, _ = self._copy(largest)
        for copy in smaller:
            image, inside = self._copy(copy)
            seen = torch.lerp(seen, image, _ease(inside) * _ease(math.log(abs(copy.scale)) / self.period + 1))
        return seen

    def whole(self) -> Tensor:
        """Return the photo alone, (1, 3, H, W) in [0, 1], as the frame shows it before any zoom."""
        return resize(self.levels[0], self.size)

    def _copy(self, copy: Similarity) -> tuple[Tensor, Tensor]:
        """(1, 3, H, W) one copy, mirrored outside; (1, 1, H, W) how far inside of it each place is, over `EDGE`."""
        height, width = self.size
        finest = self.levels[0]
        fineness = finest.shape[3] / width  # px of the finest level in one of the frame
        level = min(max(0, round(math.log2(fineness / abs(copy.scale)))), len(self.levels) - 1)
        points = sampled_at(copy, self.size, finest.device)
        half = torch.tensor([width / 2, height / 2], device=finest.device).view(1, 2, 1, 1)
        grid = (points + 0.5) / half - 1  # (1, 2, H, W), -1 to 1 in the photo
        inside = (1 - grid.abs().amax(1, keepdim=True)) / EDGE
        where = grid.permute(0, 2, 3, 1)
        image = F.grid_sample(self.levels[level], where, mode="bicubic", padding_mode="reflection", align_corners=False)
        return image.clamp(0, 1), inside


def _ease(share: Tensor | float) -> Tensor:
    """From 0 to 1, without a kink at either end; what lies beyond is limited."""
    share = torch.as_tensor(share).clamp(0, 1)
    return share * share * (3 - 2 * share)


def endless_photo(photo: Tensor, path: ZoomPath, size: tuple[int, int], seamless: bool = False) -> EndlessPhoto:
    """Make an endless photo.

    Args:
        photo: (1, 3, h, w) in [0, 1], of the proportions of the frame; what is finer than twice the frame is left out.
        path: of the film.
        size: (height, width) px of the frame.
        seamless: the film is a loop.

    Raises:
        SettingsError: the path makes no loop.
    """
    period, spiral = path.repeats(seamless)
    fineness = min(2.0, photo.shape[2] / size[0], photo.shape[3] / size[1])
    levels = [resize(photo, (round(fineness * size[0]), round(fineness * size[1])))]
    while min(levels[-1].shape[2:]) > min(size) / 4:
        height, width = levels[-1].shape[2:]
        levels.append(resize(levels[-1], (max(1, height // 2), max(1, width // 2))))
    return EndlessPhoto(tuple(levels), size, period, place_copies(path, period, spiral, size, seamless))
