"""What is measured of a dreamed clip: pure functions of pictures, flow and masks.

Pictures are (N, 3, H, W) float RGB in [0, 1], one for each frame. Flows are (N - 1, 2, H, W) pixels, backward: where
each pixel of frame i + 1 lies in frame i. Masks are (N - 1, 1, H, W) bool and belong to frame i + 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dreamvideo.models.network import Network
from dreamvideo.motion.occlusion import unchanged_mask
from dreamvideo.motion.warp import warp

STILL_SPEED = 0.2  # pixels a frame; what moves less stands. Chosen by eye
LEAST_SHARE = 0.002  # share of all pixels; a mean over fewer says nothing. Chosen by eye


@torch.no_grad()
def layer_energies(pictures: Tensor, network: Network) -> Tensor:
    """(N, layers): mean square of each target layer, its channels balanced as the objective does; not of class maps."""
    rows = []
    for picture in torch.split(pictures, 1):
        activations = network.score.features(picture.to(network.device))
        row = []
        for name in dict.fromkeys(term.layer for term in network.score.terms if term.kind != "class"):
            divisor = network.score.divisors.get(name)
            found = activations[name].float()
            found = found if divisor is None else found / divisor.float()[:, None, None]
            row.append(found.square().mean())
        rows.append(torch.stack(row).cpu())
    return torch.stack(rows)


def dream_strength(dreamed: Tensor, source: Tensor) -> Tensor:
    """(N,): how many times the source's energy a dream has, averaged over the layers; 1 of an undreamed frame.

    Args:
        dreamed, source: (N, layers) of `energies`.
    """
    return (dreamed / source.clamp(min=1e-12)).mean(1)


def first_and_last_tenth(values: Tensor) -> tuple[float, float]:
    """Means of the first and of the last tenth of (N,) values, of one value at least."""
    count = max(1, round(len(values) / 10))
    return values[:count].mean().item(), values[-count:].mean().item()


def warping_error(pictures: Tensor, flows: Tensor, occluded: Tensor) -> float:
    """Lai et al. 2018: mean squared change along the flow where it can be seen, in squared gray levels of 255.

    What differs: a mean over the color channels, not their sum. NaN where nothing can be seen twice.
    """
    errors = []
    for now, before, flow, hidden in zip(pictures[1:], pictures[:-1], flows, occluded, strict=True):
        change = (warp(before[None], flow[None]) - now).square().mean(1)[0]  # (H, W)
        if not hidden.all():
            errors.append(change[~hidden[0]].mean().item())
    return 255**2 * sum(errors) / len(errors) if errors else float("nan")


def still_places(sources: Tensor, flows: Tensor) -> Tensor:
    """(N - 1, 1, H, W) bool: what neither moves nor changes from frame to frame, but for a camera's noise."""
    same = unchanged_mask(255 * sources[1:], 255 * sources[:-1])
    return same & (flows.square().sum(1, keepdim=True) < STILL_SPEED**2)


def flicker(pictures: Tensor, still: Tensor) -> float | None:
    """Change that the next frame takes back, where nothing moves: root mean square, in gray levels of 255.

    Each frame less the mean of its neighbors, so a slow change counts for little and an alternation in full. None if
    less than `LEAST` of the clip stands still for two steps.
    """
    wanted = (still[1:] & still[:-1]).expand(-1, 3, -1, -1)
    if wanted.float().mean() < LEAST_SHARE:
        return None
    wavering = pictures[1:-1] - (pictures[2:] + pictures[:-2]) / 2
    return 255 * wavering[wanted].square().mean().sqrt().item()


def ghosting(pictures: Tensor, sources: Tensor, fresh: Tensor, uncovered: Tensor) -> float | None:
    """How far newly visible ground is from how it dreams by itself, over the size of that dream there.

    Of residuals (dream - source). That of `fresh`, the frames dreamed alone, is first scaled to the mean size of the
    dream's, frame by frame: else a weak dream would pass for a clean one. 1 is ground without a dream (or with twice
    what it should have), 1.4 a dream of something else. None if less than `LEAST` of the clip is uncovered.
    """
    if uncovered.float().mean() < LEAST_SHARE:
        return None
    residual, alone = (pictures - sources)[1:], (fresh - sources)[1:]
    size = residual.abs().mean((1, 2, 3), keepdim=True)
    alone = alone * (size / alone.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-6))
    there = uncovered.expand(-1, 3, -1, -1)
    return ((residual - alone).abs()[there].sum() / alone.abs()[there].sum().clamp(min=1e-6)).item()


def frame_brightness(pictures: Tensor) -> Tensor:
    """(N,) mean of each picture."""
    return pictures.mean((1, 2, 3))


def frame_contrast(pictures: Tensor) -> Tensor:
    """(N,) standard deviation of each picture's lightness (the mean of its channels)."""
    return pictures.mean(1).flatten(1).std(1)


def frame_colorfulness(pictures: Tensor) -> Tensor:
    """(N,) of Hasler and Suesstrunk 2003, on the scale of 0 to 1: 0 gray, 0.23 moderately colorful, 0.43 extremely."""
    red, green, blue = pictures.flatten(2).unbind(1)  # (N, H W)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = torch.hypot(red_green.std(1), yellow_blue.std(1))
    return spread + 0.3 * torch.hypot(red_green.mean(1), yellow_blue.mean(1))


def drift_percent(pictures: Tensor, sources: Tensor, measure: Callable[[Tensor], Tensor]) -> float:
    """Percent by which `measure`, over that of the source, rises from the first tenth of a clip to the last."""
    first, last = first_and_last_tenth(measure(pictures) / measure(sources).clamp(min=1e-6))
    return 100 * (last / max(first, 1e-6) - 1)
