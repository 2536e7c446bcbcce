"""Metrics of a dream where things move: how much is dreamed there, whether ground comes back, and what smears.

Images are (N, 3, H, W) float RGB in [0, 1], one per frame. Ground flows are (N - 1, 2, H, W) px, backward: where the
ground behind each pixel of frame i + 1 lies in frame i, also where something covers it. Masks are (N, 1, H, W) bool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.ascent.gaussian import gaussian_blur
from dreamvideo.bench.coherence.metrics import LEAST_SHARE
from dreamvideo.motion.occlusion import NOISE, unchanged_mask
from dreamvideo.motion.warp import warp

FINE, LARGE = 1.0, 6.0  # sigmas in pixels of the blurs that leave all but grain, and large shapes alone

COVERED = 4  # frames that a place must have been covered for, before it can come back
SETTLED = 5  # frames after which ground that is seen again is compared
BESIDE = 9  # pixels from a mover within which ground counts as beside its edge


def find_movers(sources: Tensor, ground_flows: Tensor, noise: float = 2 * NOISE) -> Tensor:
    """Return what does not move with the ground: pixels that the frame before, moved along with it, does not explain.

    Args:
        sources: the clip.
        ground_flows: of the ground.
        noise: gray levels of 255, see `motion.occlusion.unchanged_mask`.

    Returns:
        (N, 1, H, W) bool; nothing in the first frame.
    """
    rows = [torch.zeros_like(sources[:1, :1], dtype=torch.bool)]
    for now, before, flow in zip(sources[1:], sources[:-1], ground_flows, strict=True):
        moved = (255 * warp(before[None], flow[None])).round().clamp(0, 255).byte()
        rows.append(~unchanged_mask((255 * now[None]).round().byte(), moved, noise))
    return torch.cat(rows)


def lately(places: Tensor, ground_flows: Tensor, frames: int) -> Tensor:
    """Return where `places` were True in one of the last `frames` frames, this one included, on the same ground.

    Args:
        places: (N, 1, H, W) bool.
        ground_flows: along which the ground moves.
        frames: how many.
    """
    count = torch.zeros_like(places[:1], dtype=torch.float32)
    rows = []
    for index, now in enumerate(torch.split(places, 1)):
        if index:
            count = (warp(count, ground_flows[index - 1 : index]).round() - 1).clamp(min=0)
        count = torch.where(now, float(frames), count)
        rows.append(count > 0)
    return torch.cat(rows)


def amplitude(images: Tensor, sources: Tensor, places: Tensor, sigma: float) -> float:
    """Return the mean of |dream - source|, blurred, at some places.

    Args:
        images, sources: the dream and the clip.
        places: (N, 1, H, W) bool.
        sigma: px of the blur.

    Returns:
        In image units; NaN without places.
    """
    total = count = 0.0
    for image, source, where in zip(torch.split(images, 1), sources, places, strict=True):
        size = gaussian_blur(image - source, sigma).abs().mean(1, keepdim=True)
        total += size[0][where].sum().item()
        count += where.sum().item()
    return total / count if count else float("nan")


@torch.no_grad()
def score_gain(images: Tensor, sources: Tensor, places: Tensor, score: Callable[[Tensor], Tensor]) -> float:
    """Return by how much a dream raises the score of its frames, when it is put at some places only.

    Args:
        images, sources: the dream and the clip.
        places: (N, 1, H, W) bool, blurred a little before the dream is put there.
        score: (B, 3, H, W) in [0, 1] -> (B,).

    Returns:
        The mean over the frames that have such places; NaN without.
    """
    gains = []
    for image, source, where in zip(torch.split(images, 1), sources, places, strict=True):
        if where.float().mean() < LEAST_SHARE:
            continue
        soft = gaussian_blur(where[None].float(), FINE)
        gains.append((score(torch.lerp(source[None], image, soft)) - score(source[None])).item())
    return sum(gains) / len(gains) if gains else float("nan")


def moving_strength(
    images: Tensor, sources: Tensor, fresh: Sequence[Tensor], places: Tensor, score: Callable[[Tensor], Tensor]
) -> dict[str, float]:
    """Compare the dream at some places with dreams of the frames alone: 1 is as if dreamed alone.

    Args:
        images, sources: the dream and the clip.
        fresh: the frames dreamed alone, once for each of several jitters.
        places: (N, 1, H, W) bool.
        score: (B, 3, H, W) in [0, 1] -> (B,).

    Returns:
        "large" and "fine": `amplitude` over that of the dreams alone; "score": `score_gain` over theirs.
    """

    def over_fresh(measure: Callable[[Tensor], float]) -> float:
        alone = [measure(each) for each in fresh]
        return measure(images) / (sum(alone) / len(alone)) if alone else float("nan")

    return {
        "large": over_fresh(lambda dreamed: amplitude(dreamed, sources, places, LARGE)),
        "fine": over_fresh(lambda dreamed: amplitude(dreamed, sources, places, FINE)),
        "score": over_fresh(lambda dreamed: score_gain(dreamed, sources, places, score)),
    }


def return_likeness(images: Tensor, sources: Tensor, ground_flows: Tensor) -> float | None:
    """Return how alike the dream of a piece of ground is before something covers it and after.

    Ground is followed along its flow. A place is covered where the source is not that of the ground there, and back
    where it is again, `SETTLED` frames later; then the residuals (dream - source) of both times are compared.

    Args:
        images, sources: the dream and the clip.
        ground_flows: of the ground.

    Returns:
        The correlation of the residuals, -1 to 1; None if less than `LEAST_SHARE` of a frame comes back.
    """
    before, after = [], []
    held, held_residual = sources[:1], images[:1] - sources[:1]
    covered = torch.zeros_like(held[:, :1])
    back = torch.zeros_like(covered)
    for index in range(1, len(images)):
        flow = ground_flows[index - 1 : index]
        held, held_residual, covered, back = (
            warp(planes, flow, mode)
            for planes, mode in (
                (held, "bilinear"),
                (held_residual, "bicubic"),
                (covered, "bilinear"),
                (back, "bilinear"),
            )
        )
        source, residual = sources[index : index + 1], images[index : index + 1] - sources[index : index + 1]
        alike = F.avg_pool2d((source - held).abs().amax(1, keepdim=True), 5, 1, 2) < 2 * NOISE / 255
        covered = torch.where(alike, covered, covered.round() + 1)
        back = torch.where(alike & (covered >= COVERED), back.round() + 1, 0.0)
        returned = back >= SETTLED
        if returned.any():
            where = returned.expand_as(residual)
            before.append(held_residual[where])
            after.append(residual[where])
        seen = returned | (alike & (covered < COVERED))
        covered, back = covered.masked_fill(seen, 0), back.masked_fill(seen, 0)
        held, held_residual = torch.where(seen, source, held), torch.where(seen, residual, held_residual)
    if sum(map(len, before)) < LEAST_SHARE * images[0].numel():
        return None
    return torch.corrcoef(torch.stack([torch.cat(before), torch.cat(after)]))[0, 1].item()


def smear(images: Tensor, sources: Tensor, movers: Tensor, ground_flows: Tensor) -> float | None:
    """Return how much the dream of the ground changes beside what moves, where the source does not.

    Args:
        images, sources: the dream and the clip.
        movers: (N, 1, H, W) bool, what moves on the ground.
        ground_flows: of the ground.

    Returns:
        The mean |change of dream - source| along the ground, in gray levels of 255; None: nothing moves.
    """
    near = F.max_pool2d(movers.float(), 2 * BESIDE + 1, 1, BESIDE) > 0
    total = count = 0.0
    for index in range(1, len(images)):
        flow = ground_flows[index - 1 : index]
        where = near[index] & ~movers[index] & ~(warp(movers[index - 1 : index].float(), flow)[0] > 0)
        now, before = (images[i : i + 1] - sources[i : i + 1] for i in (index, index - 1))
        change = (now - warp(before, flow, "bicubic")).abs().mean(1)
        total += change[where].sum().item()
        count += where.sum().item()
    return 255 * total / count if count else None
