"""The ascent at one size, as a carried frame takes it: from a residual, with a step scale and a score to hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from dreamvideo.ascent.octaves import dream_octaves
from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.bench.synthetic import synthetic_image
from dreamvideo.models.network import Network


def one_size_ascent(check: GpuCheck, network: Network, size: tuple[int, int], steps: int) -> Callable[[], Tensor]:
    """Return a function that takes some steps of ascent at one size.

    Args:
        check: its look and device.
        network: that dreams.
        size: (height, width) px.
        steps: how many.
    """
    image = synthetic_image(*size).to(check.device)
    return partial(
        dream_octaves,
        image,
        network.score,
        replace(check.look, octaves=1, iterations=steps),
        residual=0.1 * torch.roll(image, 5, 3) - 0.05,
        step_scale=torch.full_like(image[:, :1], 0.5),
        target_score=torch.ones(1, device=check.device),
    )
