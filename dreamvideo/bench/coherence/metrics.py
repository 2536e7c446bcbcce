"""Metrics of a dreamed clip: pure functions of images, flows and masks.

Images are (N, 3, H, W) float RGB in [0, 1], one per frame. Flows are (N - 1, 2, H, W) in pixels, backward: where each
pixel of frame i + 1 lies in frame i. Masks are (N - 1, 1, H, W) bool and belong to frame i + 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dreamvideo.models.network import Network
from dreamvideo.models.objectives import CLASS_KINDS
from dreamvideo.motion.occlusion import unchanged_mask
from dreamvideo.motion.warp import warp

STILL_SPEED = 0.2  # pixels per frame; slower pixels count as still. Chosen by eye
LEAST_SHARE = 0.002  # of all pixels; a mean over fewer means nothing. Chosen by eye


@torch.no_grad()
def layer_energies(images: Tensor, network: Network) -> Tensor:
    """Return the mean square of each target layer, its channels balanced as in the objective; class maps do not count.

    Args:
        images: (N, 3, H, W) in [0, 1].
        network: whose target layers are measured.

    Returns:
        (N, layers) float32 on the CPU.
    """
    rows = []
    for image in torch.split(images, 1):
        activations = network.score.features(image.to(network.device))
        row = []
        for name in dict.fromkeys(term.layer for term in network.score.terms if term.kind not in CLASS_KINDS):
            divisor = network.score.divisors.get(name)
            activation = activations[name].float()
            if divisor is not None:
                activation = activation / divisor.float()[:, None, None]
            row.append(activation.square().mean())
        rows.append(torch.stack(row).cpu())
    return torch.stack(rows)


def dream_strength(dreamed: Tensor, source: Tensor) -> Tensor:
    """Return the energy of a dream over that of its source, averaged over the layers; 1 for an undreamed frame.

    Args:
        dreamed, source: (N, layers) of `layer_energies`.

    Returns:
        (N,) float32.
    """
    return (dreamed / source.clamp(min=1e-12)).mean(1)


def first_and_last_tenth(values: Tensor) -> tuple[float, float]:
    """Return the means of the first and of the last tenth of (N,) values, at least one value each."""
    count = max(1, round(len(values) / 10))
    return values[:count].mean().item(), values[-count:].mean().item()


def warping_error(images: Tensor, flows: Tensor, occluded: Tensor) -> float:
    """Return the warping error of Lai et al. 2018: the mean squared change along the flow where it is not occluded.

    Differs from the paper in taking the mean over the color channels in place of their sum.

    Returns:
        Squared gray levels of 255; NaN if everything is occluded.
    """
    errors = []
    for now, before, flow, occlusion in zip(images[1:], images[:-1], flows, occluded, strict=True):
        change = (warp(before[None], flow[None]) - now).square().mean(1)[0]  # (H, W)
        if not occlusion.all():
            errors.append(change[~occlusion[0]].mean().item())
    return 255**2 * sum(errors) / len(errors) if errors else float("nan")


def still_places(sources: Tensor, flows: Tensor) -> Tensor:
    """Return a mask of the pixels that neither move nor change, up to the noise of a camera: (N - 1, 1, H, W) bool."""
    same = unchanged_mask(255 * sources[1:], 255 * sources[:-1])
    return same & (flows.square().sum(1, keepdim=True) < STILL_SPEED**2)


def flicker(images: Tensor, still: Tensor) -> float | None:
    """Return the change that the next frame takes back where nothing moves: root mean square in gray levels of 255.

    It is taken of each frame less the mean of its neighbors, so slow changes count for little, alternation in full.

    Returns:
        None if less than `LEAST_SHARE` of the clip is still for two steps.
    """
    still_twice = (still[1:] & still[:-1]).expand(-1, 3, -1, -1)
    if still_twice.float().mean() < LEAST_SHARE:
        return None
    wavering = images[1:-1] - (images[2:] + images[:-2]) / 2
    return 255 * wavering[still_twice].square().mean().sqrt().item()


def ghosting(images: Tensor, sources: Tensor, fresh: Tensor, uncovered: Tensor) -> float | None:
    """Return how much newly visible pixels differ from a dream of the frame alone, over the size of that dream there.

    Residuals (dream - source) are compared. That of the frame alone is first scaled to the mean size of the dream's,
    frame by frame, else a weak dream would pass for a clean one. 1 means pixels without a dream (or with twice the
    dream), 1.4 a dream of something else.

    Args:
        images: the dreamed clip.
        sources: its source.
        fresh: the frames dreamed alone.
        uncovered: mask of newly visible pixels.

    Returns:
        None if less than `LEAST_SHARE` of the clip is uncovered.
    """
    if uncovered.float().mean() < LEAST_SHARE:
        return None
    residual, alone = (images - sources)[1:], (fresh - sources)[1:]
    size = residual.abs().mean((1, 2, 3), keepdim=True)
    alone = alone * (size / alone.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-6))
    visible = uncovered.expand(-1, 3, -1, -1)
    return ((residual - alone).abs()[visible].sum() / alone.abs()[visible].sum().clamp(min=1e-6)).item()


def frame_brightness(images: Tensor) -> Tensor:
    """Return the mean of each image, (N,)."""
    return images.mean((1, 2, 3))


def frame_contrast(images: Tensor) -> Tensor:
    """Return the standard deviation of each image's lightness (the mean of its channels), (N,)."""
    return images.mean(1).flatten(1).std(1)


def frame_colorfulness(images: Tensor) -> Tensor:
    """Return the colorfulness of Hasler and Suesstrunk 2003, (N,): 0 is gray, 0.23 moderate, 0.43 extreme."""
    red, green, blue = images.flatten(2).unbind(1)  # (N, H W)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = torch.hypot(red_green.std(1), yellow_blue.std(1))
    return spread + 0.3 * torch.hypot(red_green.mean(1), yellow_blue.mean(1))


def drift_percent(images: Tensor, sources: Tensor, measure: Callable[[Tensor], Tensor]) -> float:
    """Return by how many percent `measure` over that of the source rises from the first tenth of a clip to the last.

    Args:
        images, sources: the dreamed clip and its source.
        measure: images -> (N,) values.
    """
    first, last = first_and_last_tenth(measure(images) / measure(sources).clamp(min=1e-6))
    return 100 * (last / max(first, 1e-6) - 1)
