"""How other programs carry a dream to the next frame: each frame is dreamed in full, from a blend with the last one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.ascent.gaussian import gaussian_blur
from dreamvideo.bench.baselines import adam_loop, squares_loop
from dreamvideo.bench.networks import BenchNetwork
from dreamvideo.motion.flow import dis
from dreamvideo.motion.flow_pair import enlarge_flow
from dreamvideo.motion.warp import warp


def gordicaleksa_frame(
    network: BenchNetwork, source: Tensor, last_dream: Tensor, octaves: int, scale: float, iterations: int
) -> Tensor:
    """Dream from 85 % of the frame and 15 % of the last dream, which is not warped."""
    return squares_loop(network, last_dream + 0.85 * (source - last_dream), octaves, scale, iterations)


def jeremicna_frame(
    network: BenchNetwork, source: Tensor, last_source: Tensor, last_dream: Tensor, iterations: int = 50
) -> Tensor:
    """Dream from half the frame and half the last dream, warped along the flow.

    The original's flow is RAFT-large, which takes seconds per frame on a CPU; DIS is used here, in its favor.
    """
    start = 0.5 * source + 0.5 * warp_where_similar(source, last_source, last_dream)
    return adam_loop(network, start, iterations=iterations)


def warp_where_similar(source: Tensor, last_source: Tensor, last_dream: Tensor) -> Tensor:
    """Return the warped last dream where the warped last frame resembles this one, and this frame elsewhere.

    As in the original, the map is p - F(p) with the forward flow F; the backward flow would be exact.

    Args:
        source, last_source, last_dream: (1, 3, H, W) in [0, 1].
    """
    now, before = ((255 * image).round().to(torch.uint8).cpu() for image in (source, last_source))
    back = -enlarge_flow(dis()(before, now).backward, *now.shape[2:]).to(source.device)
    warped_dream, warped_source = warp(last_dream, back), warp(last_source, back)
    similar = ((source - warped_source).mean(1, keepdim=True).abs() <= 30 / 255).float()
    side = (source.shape[2] * source.shape[3]) ** 0.5
    opening = max(3, round(0.003 * side) // 2 * 2 + 1)
    similar = 1 - F.max_pool2d(1 - similar, opening, 1, opening // 2)
    similar = F.max_pool2d(similar, opening, 1, opening // 2)
    mask = gaussian_blur(similar, max(5.0, 0.009 * side) / 6)
    return mask * warped_dream + (1 - mask) * source
