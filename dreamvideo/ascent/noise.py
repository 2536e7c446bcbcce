"""Noise on what the network sees.

Gradients of a classifier that sees its input through noise follow what people see (Kaur, Cohen, Lipton 2019, Are
Perceptually-Aligned Gradients a General Property of Robust Classifiers?): shapes grow larger and whole. One field
is used at every step, and the jitter moves the image under it: each step draws other noise for every pixel, while the
same frame gets the same noise in every run, batch and recorded graph.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from dreamvideo.tensors import place

SIDE = 512  # pixels; a larger image is covered by repeating the field


def noise_field(height: int, width: int, device: torch.device) -> Tensor:
    """Return (3, height, width) normally distributed noise of mean 0 and deviation 1, always the same."""
    rows, columns = -(-height // SIDE), -(-width // SIDE)
    return _tile(device).repeat(1, rows, columns)[:, :height, :width]


@cache  # forever: a recorded graph points to the field that it was recorded with
def _tile(device: torch.device) -> Tensor:
    return place(torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)), device)
