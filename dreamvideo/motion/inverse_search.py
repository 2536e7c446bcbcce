"""Dense inverse search in torch: optical flow in both directions, batched, on any device.

Kroeger, Timofte, Dai, Van Gool 2016 (Fast Optical Flow using Dense Inverse Search): on each scale of a pyramid, square
patches of an image are searched for in the other one by inverse compositional steps (Baker, Matthews 2004), the flow of
a pixel is the mean of the patches that cover it, and it is refined, see `variational_flow`. Parameters are those of
OpenCV's preset `fast` but for the finest scale. Departures:

- Before each round of steps a patch may take over the motion of a neighbor that fits it better. OpenCV does so too, but
  patch after patch, with those to the left and above; here it is all patches at once, with all four.
- The number of steps is fixed. A patch that leaves the image or goes further than its own size has found nothing, and
  keeps the motion that it began with.
- Steps are damped, see `DAMPING`.
- The flow is refined at the finest scales alone. On rendered shots it is as exact as with refinement at each scale.

Neither the values nor the sizes of what is computed decide what is computed next, so nothing waits for a device.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.motion.flow_pair import FlowPair
from dreamvideo.motion.variational_flow import refine_variational, relaxations
from dreamvideo.tensors import place

PATCH, STRIDE = 8, 4  # px, as in OpenCV's preset `fast`
STEPS = 4, 4  # of each round of the search at a scale; OpenCV's two passes have 8 each, and may stop earlier
FINEST = 1  # scale, in halvings of the image, see `flow.FINEST_SCALE`
REFINED = 2  # scales at which the flow is refined, the finest ones

# Added to the curvature of each patch, squared gray levels / px^2. With less, noise moves what has hardly any texture,
# such as the roof of a bus, by pixels; with more, what is faint is held back where it does move.
DAMPING = 20.0


def inverse_search_flow(current: Tensor, previous: Tensor) -> FlowPair:
    """Estimate the flow in both directions between two images.

    Args:
        current, previous: (B, 1, H, W) float32 gray levels, 0 to 255.

    Returns:
        Flows of the size of the images, on their device.
    """
    h, w = current.shape[2:]
    coarsest = _coarsest_scale(h, w)
    cell = 2**coarsest
    # Padded, so that each scale has exactly half the pixels of the one below it.
    images = F.pad(torch.cat([current, previous]), (0, -w % cell, 0, -h % cell), mode="replicate")
    pyramid = [images]
    for _ in range(coarsest):
        pyramid.append(F.avg_pool2d(pyramid[-1], 2))
    flow = images.new_zeros(len(images), 2, *pyramid[coarsest].shape[2:])
    for scale in range(coarsest, FINEST - 1, -1):
        first = pyramid[scale]
        second = first.roll(len(current), 0)  # the other image of each pair
        if scale < coarsest:
            flow = _enlarged(flow, 2)
        flow = search_patches(first, second, flow)
        if scale < FINEST + REFINED:
            flow = refine_variational(first, second, flow)
    flow = _enlarged(flow, 2**FINEST)[:, :, :h, :w]
    return FlowPair(*flow.contiguous().split(len(current)))


def search_constants(height: int, width: int, device: torch.device) -> list[object]:
    """Return the tensors that are cached for images of a size; a CUDA graph that was recorded points into them.

    Args:
        height, width: of the images, px.
        device: of the images.
    """
    coarsest = _coarsest_scale(height, width)
    constants: list[object] = []
    for scale in range(FINEST, coarsest + 1):
        h, w = (-(-side // 2**coarsest) * 2 ** (coarsest - scale) for side in (height, width))
        constants.append(_patch_grid(_patches_along(h), _patches_along(w), (h, w), device))
        if scale < FINEST + REFINED:
            constants.append(relaxations(h, w, device))
    return constants


def _coarsest_scale(height: int, width: int) -> int:
    """As in OpenCV: the longer side has about four patches, and the shorter one at least one."""
    by_width = math.log2(max(height, width) / (4 * PATCH)) + 0.5
    return max(FINEST, int(min(by_width, math.log2(min(height, width) / PATCH))))


def _patches_along(side: int) -> int:
    return max(0, -(-(side - PATCH) // STRIDE)) + 1


def _enlarged(flow: Tensor, factor: int) -> Tensor:
    return F.interpolate(flow, scale_factor=factor, mode="bilinear", align_corners=False) * factor


def search_patches(first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
    """Search for the patches of an image in another one, and average what is found in each pixel.

    Args:
        first, second: (N, 1, h, w) float32 gray levels, 0 to 255.
        flow: (N, 2, h, w) px (dx, dy), where the search begins: first(x) is expected near second(x + flow(x)).

    Returns:
        (N, 2, h, w) float32 px.
    """
    n, _, h, w = first.shape
    rows, columns = _patches_along(h), _patches_along(w)
    down, right = PATCH + STRIDE * (rows - 1) - h, PATCH + STRIDE * (columns - 1) - w
    grid = _patch_grid(rows, columns, (h, w), first.device)
    patches, slopes, inverse = _templates(first, (0, right, 0, down))
    at_rest = (slopes * patches.transpose(1, 2)).sum(2, keepdim=True)
    # The flow at the patches' centers.
    starts = F.pad(flow, (0, right, 0, down), mode="replicate")[:, :, PATCH // 2 :: STRIDE, PATCH // 2 :: STRIDE]
    motion = starts[:, :, :rows, :columns].reshape(n, 2, 1, -1)
    for steps in STEPS:
        motion = start = _best_of_neighbors(second, patches, grid, motion)
        for _ in range(steps):
            seen = _sample(second, grid, motion).transpose(1, 2)
            error = (slopes * seen).sum(2, keepdim=True) - at_rest
            motion = motion - (inverse * error.transpose(1, 2)).sum(2, keepdim=True)
        motion = torch.where(_is_lost(grid, motion, start), start, motion)
    change = _sample(second, grid, motion) - patches
    weights = change.abs_().clamp_min_(1).reciprocal_().transpose(1, 2)  # as in the paper: up to 1 gray level is none
    planes = torch.cat([weights, weights * motion], 1)  # (N, 3, PATCH^2, P)
    sums = F.fold(planes.flatten(1, 2), (h + down, w + right), PATCH, stride=STRIDE)[:, :, :h, :w]
    return sums[:, 1:] / sums[:, :1]


class _PatchGrid(NamedTuple):
    """Where the patches of an image are; positions in (-1, 1), as `grid_sample` has them."""

    rows: int
    columns: int
    pixels: Tensor  # (PATCH^2, 1, P, 2) (x, y): centers of the pixels of each patch
    centers: Tensor  # (P, 2) (x, y)
    scale: Tensor  # (2,) of a pixel (across, down)


@lru_cache(maxsize=64)
def _patch_grid(rows: int, columns: int, size: tuple[int, int], device: torch.device) -> _PatchGrid:
    h, w = size
    inside = torch.arange(PATCH)
    y = (inside[:, None] + STRIDE * torch.arange(rows)).view(PATCH, 1, rows, 1)
    x = (inside[:, None] + STRIDE * torch.arange(columns)).view(1, PATCH, 1, columns)
    pixels = torch.stack(torch.broadcast_tensors((2 * x + 1) / w - 1, (2 * y + 1) / h - 1), 4)
    pixels = pixels.reshape(PATCH**2, 1, -1, 2)
    constants = pixels, pixels.mean((0, 1)), torch.tensor([2 / w, 2 / h])
    return _PatchGrid(rows, columns, *(place(each, device) for each in constants))


def _templates(image: Tensor, margin: tuple[int, int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """(N, PATCH^2, 1, P) patches; (N, 2, PATCH^2, P) their slopes; (N, 2, 2, P) inverses of their damped curvatures.

    Of slopes their mean is taken away: that of a patch does not count.
    """
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    right = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    below = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
    planes = F.pad(torch.cat([image, right, below], 1), margin, mode="replicate")
    n, count = len(image), PATCH**2
    columns = F.unfold(planes, PATCH, stride=STRIDE).view(n, 3, count, -1)
    patches, slopes = columns[:, 0], columns[:, 1:]
    slopes = slopes - slopes.mean(2, keepdim=True)
    xx, yy = (slopes.square().sum(2) + DAMPING).unbind(1)
    xy = slopes.prod(1).sum(1)
    inverse = torch.stack([yy, -xy, -xy, xx], 1) / (xx * yy - xy * xy)[:, None]
    return patches[:, :, None], slopes, inverse.view(n, 2, 2, -1)


def _sample(image: Tensor, grid: _PatchGrid, motion: Tensor) -> Tensor:
    """(N, PATCH^2, K, P) gray levels of an image where (N, 2, K, P) px move the patches; its edges go on outwards."""
    n, _, ways, count = motion.shape
    places = torch.addcmul(grid.pixels, motion.permute(0, 2, 3, 1)[:, None], grid.scale)  # (N, PATCH^2, K, P, 2)
    seen = F.grid_sample(image, places.flatten(1, 2), padding_mode="border", align_corners=False)
    return seen.view(n, -1, ways, count)


def _best_of_neighbors(image: Tensor, patches: Tensor, grid: _PatchGrid, motion: Tensor) -> Tensor:
    """(N, 2, 1, P) px: for each patch that of its own motion and its four neighbors' that explains it best."""
    n, _, _, count = motion.shape
    padded = F.pad(motion.view(n, 2, grid.rows, grid.columns), (1, 1, 1, 1), mode="replicate")
    middle, first, last = slice(1, -1), slice(-2), slice(2, None)
    near = (middle, middle), (middle, first), (middle, last), (first, middle), (last, middle)  # the own first: ties
    candidates = torch.stack([padded[:, :, rows, columns] for rows, columns in near], 2).view(n, 2, -1, count)
    misfit = (_sample(image, grid, candidates) - patches).var(1, correction=0)  # (N, 5, P)
    best = misfit.argmin(1)
    return candidates.gather(2, best[:, None, None].expand(n, 2, 1, count))


def _is_lost(grid: _PatchGrid, motion: Tensor, start: Tensor) -> Tensor:
    """(N, 1, 1, P) whether a patch has moved further than its own side, or its center has left the image."""
    far = (motion - start).square().sum(1, keepdim=True) > PATCH**2
    center = torch.addcmul(grid.centers, motion.permute(0, 2, 3, 1), grid.scale)  # (N, 1, P, 2)
    return far | (center.abs().amax(3) > 1)[:, None]
