"""The objective `mix`: other channels are raised at every place, so that one image holds many motifs."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.tensors import place

TINY = 1e-12  # a black image must score low, not minus infinity

MIX_CELLS = (5, 7)  # rows and columns of cells with channels of their own; chosen by eye
MIX_CHANNELS = 6  # channels that each cell raises; chosen by eye


def mixed_energy(activation: Tensor) -> Tensor:
    """(B,) logarithm of the mean square of (B, C, h, w), of a few channels at each place, the same in every image."""
    chosen = mix_cells(activation.shape[1], activation.device)
    weights = F.interpolate(chosen, activation.shape[2:], mode="bilinear", align_corners=False)
    return ((activation.float().square() * weights).mean((1, 2, 3)) + TINY).log()


# Cached forever: a recorded graph points to the constants that it was recorded with.
@cache
def mix_cells(channels: int, device: torch.device) -> Tensor:
    """(1, C, rows, columns): 1 where a cell raises a channel, else 0."""
    chance = torch.rand(MIX_CELLS[0] * MIX_CELLS[1], channels, generator=torch.Generator().manual_seed(channels))
    chosen = chance.argsort(1).argsort(1) < MIX_CHANNELS  # (places, C)
    return place(chosen.float().T.reshape(1, channels, *MIX_CELLS), device)
