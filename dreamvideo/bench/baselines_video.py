"""How others carry a dream to the next frame: each is dreamed in full, from a mixture with the last one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.ascent.gaussian import gaussian_blur
from dreamvideo.bench.baselines import adam_loop, squares_loop
from dreamvideo.bench.networks import BenchNetwork
from dreamvideo.motion.flow import dis
from dreamvideo.motion.warp import warp


def gordicaleksa_frame(
    subject: BenchNetwork, source: Tensor, last_dream: Tensor, octaves: int, scale: float, iterations: int
) -> Tensor:
    """The picture dreamed from 85 % of itself and 15 % of the last dream, which is not moved."""
    return squares_loop(subject, last_dream + 0.85 * (source - last_dream), octaves, scale, iterations)


def jeremicna_frame(
    subject: BenchNetwork, source: Tensor, last_source: Tensor, last_dream: Tensor, iterations: int = 50
) -> Tensor:
    """The picture dreamed half from itself and half from the last dream moved along the flow.

    The original's flow is RAFT-large, which alone takes seconds per frame on a CPU; here it is ours, to be kind.
    """
    start = 0.5 * source + 0.5 * warp_where_similar(source, last_source, last_dream)
    return adam_loop(subject, start, iterations=iterations)


def warp_where_similar(source: Tensor, last_source: Tensor, last_dream: Tensor) -> Tensor:
    """(1, 3, H, W): the last dream where the moved last picture looks like this one, elsewhere this one.

    The map is p - F(p) with the forward flow F, as in the original; exact would be the backward flow.
    """
    now, before = ((255 * image).round().to(torch.uint8).cpu() for image in (source, last_source))
    back = -dis()(before, now).to(source.device)
    moved_dream, moved_source = warp(last_dream, back), warp(last_source, back)
    alike = ((source - moved_source).mean(1, keepdim=True).abs() <= 30 / 255).float()
    side = (source.shape[2] * source.shape[3]) ** 0.5
    opening = max(3, round(0.003 * side) // 2 * 2 + 1)
    alike = 1 - F.max_pool2d(1 - alike, opening, 1, opening // 2)
    alike = F.max_pool2d(alike, opening, 1, opening // 2)
    mask = gaussian_blur(alike, max(5.0, 0.009 * side) / 6)
    return mask * moved_dream + (1 - mask) * source
