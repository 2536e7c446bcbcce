"""Makes the ends of a zoom film meet: what led to its first frame is what it ends with.

Some frames before the first are dreamed and kept. They show the same part of the endless photo, moving alike, as those
before the end. Over these the dream is replaced by the kept one: from the middle outwards if the film zooms in, from
the borders inwards if it zooms out, as new things come into view anyway. It is the dream that is replaced, not what is
shown: each frame is dreamed on, so that where the two differ one turns into the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from dreamvideo.tensors import fetch, upload
from dreamvideo.video.zoom_path import ZoomPath

SECONDS = 2.0  # at most half of the film. Chosen by eye: a zoom of 1.5/s has replaced most of the picture by itself
SOFTNESS = 1.0  # width of the edge between the two, over the way that it goes


@dataclass(frozen=True, slots=True)
class MeetingEnds:
    """The frames that led to the first one, and when they take the place of others."""

    count: int  # frames of the film
    frames: int  # before the first
    outwards: bool  # the middle is replaced first
    kept: list[Tensor] = field(default_factory=list)  # (H, W, 3) uint8 on the CPU: a float takes four times as much

    @classmethod
    def of(cls, path: ZoomPath, fps: float) -> MeetingEnds:
        """Return the ends of a film, of which no frame is kept yet.

        Args:
            path: of the film.
            fps: frames per second.
        """
        return cls(path.count, max(1, min(path.count // 2, round(SECONDS * fps))), path.log_zooms[-1] >= 0)

    def add(self, dream: Tensor) -> None:
        """Keep the next of the frames before the first.

        Args:
            dream: (1, 3, H, W) in [0, 1].
        """
        self.kept.append(fetch((dream[0] * 255).round().to(torch.uint8).permute(1, 2, 0))())

    def meet(self, dream: Tensor, frame: int) -> Tensor:
        """Return the dream of a frame, near the end replaced in part, and at the end altogether.

        Args:
            dream: (1, 3, H, W) in [0, 1].
            frame: its index.
        """
        index = frame - (self.count - self.frames)
        if index < 0:
            return dream
        kept = upload(self.kept[index], dream.device).permute(2, 0, 1)[None].float() / 255
        return torch.lerp(dream, kept, self.share((index + 1) / self.frames, dream))

    def share(self, done: float, dream: Tensor) -> Tensor:
        """Return how much of each place is replaced.

        Args:
            done: how much of the time has gone, from 0 to 1.
            dream: of which the size and the device are read.

        Returns:
            (1, 1, H, W) in [0, 1]; 1 everywhere at the end.
        """
        height, width = dream.shape[2:]
        y = torch.linspace(-1, 1, height, device=dream.device)[:, None]
        x = torch.linspace(-1, 1, width, device=dream.device)
        order = ((x * x + y * y) / 2).sqrt()[None, None]  # 0 in the middle, 1 in the corners
        order = order if self.outwards else 1 - order
        share = (((1 + SOFTNESS) * done - order) / SOFTNESS).clamp(0, 1)
        return share * share * (3 - 2 * share)
