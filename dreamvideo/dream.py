"""Octaves, jitter and gradient ascent: images in, dreamed images out; knows nothing of video.

Mordvintsev, Olah, Tyka 2015 (DeepDream): octaves from small to large with re-injection of detail, a random circular
shift before each step, a normalised gradient. What differs:

- The gradient is normalised per image, so that an image dreams in a batch as it would alone.
- Lightness and colour take separate ways: the gradient is rotated to luma, red-green and yellow-blue, colour is blurred
  wider and given a chosen share of luma's spread. A network's own gradient is nearly grey noise in colour.
- A step towards black or white shrinks as it nears them (`headroom`), and large areas are pulled to the source's
  brightness and colour (`anchor`); both keep a dream from burning out over thousands of frames.
- The ascent can start from a residual (dream - source) carried from elsewhere, at every octave.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.graphs import Offsets, replayed
from dreamvideo.settings import DreamSettings

Score = Callable[[Tensor], Tensor]  # (B, 3, H, W) in [0, 1] -> (B,), differentiable

SMALLEST_SIDE = 130  # pixels; below it the large shapes of a dream have no room. Chosen by eye
LEAST_SIDE = 32  # pixels; no octave is smaller, whatever was asked for
CHROMA_SIGMA = 2.5  # pixels; narrower gives rainbow fringes. Chosen by eye
ANCHOR_SIGMA = 24.0  # pixels; what counts as a large area. Chosen by eye

# How firmly a score is held: a step is e times as large for each quarter that it lacks (a fifth less energy of the
# layer), within limits. By measurement: twice as firm, and steps begin to swing from frame to frame.
GRIP = 4.0
GRIP_LIMITS = (0.3, 1.5)


def dream(
    images: Tensor,
    score: Score,
    settings: DreamSettings,
    *,
    residual: Tensor | None = None,
    pace: Tensor | None = None,
    plan: Sequence[int] | None = None,
    ticks: Sequence[int] | None = None,
    goal: Tensor | None = None,
) -> Tensor:
    """Images on which `score` is higher.

    Args:
        images: (B, 3, H, W) RGB in [0, 1], float32.
        score: images of any size -> (B,) float, differentiable.
        settings: octaves, steps and look.
        residual: (B, 3, H, W) dream minus source to start from; None: zero.
        pace: (B, 1, H, W) factor on each step, place by place; None: 1.
        plan: steps at each octave, small to large; None: `settings.iterations` at each.
        ticks: how many times each image's residual was dreamed on before; its jitter goes on from there. None: 0.
        goal: (B,) scores to be held at the images' own size, see `ascend`; None: as high as the steps lead.

    Returns:
        (B, 3, H, W) float32 in [0, 1].
    """
    height, width = images.shape[2:]
    sizes = octave_sizes(height, width, settings)
    plan = [settings.iterations] * len(sizes) if plan is None else plan
    ticks = [0] * len(images) if ticks is None else ticks
    detail = None  # dreamed minus what the octave started from
    for octave, (size, iterations) in enumerate(zip(sizes, plan, strict=True)):
        if not iterations and size != (height, width):
            continue
        base = resize(images, size)  # (B, 3, h, w)
        start = base if residual is None else base + resize(residual, size)
        dreamed = start if detail is None else start + enlarge(detail, size)
        shifts = [jitter_offsets(settings, octave, iterations, tick, size) for tick in ticks]
        paced = None if pace is None else resize(pace, size)
        held = goal if size == (height, width) else None
        dreamed = ascend(dreamed.clamp(0, 1), base, score, settings, list(zip(*shifts, strict=True)), paced, held)
        detail = dreamed - start
    return dreamed


@replayed
def ascend(
    images: Tensor,
    base: Tensor,
    score: Score,
    settings: DreamSettings,
    offsets: Offsets,
    pace: Tensor | None = None,
    goal: Tensor | None = None,
) -> Tensor:
    """`images` after one ascent step for each row of `offsets`, at one size.

    Args:
        images: (B, 3, H, W) in [0, 1], where the ascent starts.
        base: (B, 3, H, W) the source, to whose large areas the images are held.
        offsets: for each step the circular shift (dy, dx) of each image, pixels; or a (steps, B, 2) tensor of them.
        pace: (B, 1, H, W) factor on each step; None: 1.
        goal: (B,) scores to be held: an image that scores more takes smaller steps, one that scores less larger ones.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    if not len(offsets):
        return images
    calm = lowpass(base, ANCHOR_SIGMA) if settings.anchor else None
    for i, shifts in enumerate(offsets):
        sigma = settings.smooth * (1 + i / len(offsets))
        slope, scores = gradient(images, score, shifts)
        with torch.no_grad():
            # In place from here on: some 10 to 30 MB less at the peak, at 640x360.
            step = shape_step(slope, sigma, settings.colour).mul_(settings.step_size)
            if pace is not None:
                step.mul_(pace)
            if goal is not None:
                step.mul_((GRIP * (goal - scores)).exp().clamp(*GRIP_LIMITS)[:, None, None, None])
            if settings.headroom:
                # What is left towards white where the step is up, towards black where it is down. Six times as fast
                # as `torch.where`; where the step is 0 it does not matter.
                room = torch.sign(step).mul_(0.5 - images).add_(0.5)
                step.mul_(room.div_(settings.headroom).clamp_(0, 1))
            images = step.add_(images)
            if calm is not None:
                images.add_(calm - lowpass(images, ANCHOR_SIGMA), alpha=settings.anchor)
            images.clamp_(0, 1)
    return images


def gradient(images: Tensor, score: Score, shifts: Sequence[tuple[int, int]] | Tensor) -> tuple[Tensor, Tensor]:
    """Gradient of the images' scores, each image shifted by its (dy, dx) pixels and the gradient back; and the scores.

    The circular shift moves the network's grid of strides and tiles over the image, so that it leaves no pattern.
    The gradient comes multiplied by `gain`, for its size means nothing.
    """
    with torch.enable_grad():
        shifted = roll(images, shifts).requires_grad_()
        scores = score(shifted)
        (slope,) = torch.autograd.grad(scores, shifted, torch.full_like(scores, gain(images)))
    back = -shifts if isinstance(shifts, Tensor) else [(-dy, -dx) for dy, dx in shifts]
    return roll(slope, back), scores.detach()


def gain(images: Tensor) -> float:
    """What a score's gradient is multiplied by on its way, so that fp16 can hold it: a power of two, which is exact.

    A score is a mean over places, so the gradient of each is as small as the image is large.
    """
    h, w = images.shape[2:]
    return 2.0 ** round(math.log2(h * w) - 4)


def roll(images: Tensor, shifts: Sequence[tuple[int, int]] | Tensor) -> Tensor:
    """(B, C, H, W) with each image shifted circularly by its own (dy, dx) pixels, of a list or a (B, 2) tensor."""
    if isinstance(shifts, Tensor):
        b, c, h, w = images.shape
        rows = (torch.arange(h, device=images.device) - shifts[:, :1]) % h  # (B, H)
        columns = (torch.arange(w, device=images.device) - shifts[:, 1:]) % w  # (B, W)
        images = images.gather(2, rows[:, None, :, None].expand(b, c, h, w))
        return images.gather(3, columns[:, None, None, :].expand(b, c, h, w))
    if len(set(shifts)) == 1:
        return torch.roll(images, shifts[0], (2, 3))
    return torch.stack([torch.roll(image, shift, (1, 2)) for image, shift in zip(images, shifts, strict=True)])


def shape_step(slope: Tensor, sigma: float, colour: float) -> Tensor:
    """A gradient smoothed, coloured, and scaled to a mean absolute value of 1 per image.

    Args:
        slope: (B, 3, H, W).
        sigma: pixels of smoothing of lightness: the mean of Gaussians of half, once and twice it; 0: none.
        colour: spread of the colour planes against that of luma; negative: no separate way for colour.
    """
    if colour < 0:
        return normalise(cascade(slope, sigma))
    opponent = opponent_axes(slope.device)
    planes = (opponent @ slope.flatten(2)).view(slope.shape)
    luma = cascade(planes[:, :1], sigma)
    chroma = blur(planes[:, 1:], CHROMA_SIGMA)
    weights = torch.cat([1 / spread(luma), (colour / spread(chroma)).expand(-1, 2, 1, 1)], 1)  # (B, 3, 1, 1)
    back = opponent.T * weights.view(-1, 1, 3)  # (B, 3, 3)
    return normalise((back @ torch.cat([luma, chroma], 1).flatten(2)).view(slope.shape))


# Constants are kept for good: a recorded graph points to those that it was recorded with.


@cache
def opponent_axes(device: torch.device) -> Tensor:
    """(3, 3) rows luma, red-green, yellow-blue of RGB columns; orthonormal."""
    return F.normalize(torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [1.0, 1.0, -2.0]])).to(device)


def spread(planes: Tensor) -> Tensor:
    """(B, 1, 1, 1) standard deviation of each image; `torch.std` is a third as fast."""
    centred = planes - planes.mean((1, 2, 3), keepdim=True)
    count = centred[0].numel() - 1
    norm: Tensor = torch.linalg.vector_norm(centred, dim=(1, 2, 3), keepdim=True)
    return norm / math.sqrt(count) + 1e-12


def normalise(step: Tensor) -> Tensor:
    """`step` with a mean absolute value of 1 per image; a zero stays zero."""
    return step / (step.abs().mean((1, 2, 3), keepdim=True) + 1e-12)


def octave_sizes(height: int, width: int, settings: DreamSettings) -> list[tuple[int, int]]:
    """(height, width) of each octave, small to large; the last is the image's own.

    Unless `settings.octaves` says how many, as many as bring the shorter side nearest to `SMALLEST_SIDE`. Octaves whose
    shorter side is below `LEAST_SIDE` are left out.
    """
    sizes = [(height, width)]
    for k in range(1, settings.octaves or 64):
        shrink = settings.octave_scale**k
        size = (round(height / shrink), round(width / shrink))
        if min(size) < (LEAST_SIDE if settings.octaves else SMALLEST_SIDE / settings.octave_scale**0.5):
            break
        sizes.append(size)
    return sizes[::-1]


def jitter_offsets(
    settings: DreamSettings, octave: int, iterations: int, tick: int, size: tuple[int, int]
) -> list[tuple[int, int]]:
    """Circular shifts (dy, dx) of the steps at one octave: the same for every frame and batch that has seen `tick`."""
    furthest = min(settings.jitter, min(size) // 4)
    draw = random.Random(f"{settings.seed} {octave} {tick}")
    return [(draw.randint(-furthest, furthest), draw.randint(-furthest, furthest)) for _ in range(iterations)]


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """`images` shrunk to (height, width) without aliasing."""
    if images.shape[2:] == size:
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)


def enlarge(images: Tensor, size: tuple[int, int]) -> Tensor:
    """`images` enlarged to (height, width), smooth."""
    return F.interpolate(images, size, mode="bicubic", align_corners=False)


@cache
def gaussian(sigma: float, device: torch.device) -> Tensor:
    """(2 r + 1,) weights of a Gaussian cut at three sigma, summing to 1."""
    radius = max(1, round(3 * sigma))
    x = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (x / sigma) ** 2)
    return (weights / weights.sum()).to(device)


def blur(images: Tensor, sigma: float) -> Tensor:
    """(B, C, H, W) convolved with a Gaussian of `sigma` pixels, edges repeated."""
    weights = gaussian(sigma, images.device)
    columns = slide(images.permute(0, 2, 1, 3), weights)  # (B, H, C, W)
    return slide(columns.permute(0, 3, 2, 1), weights).permute(0, 2, 3, 1)  # (B, W, C, H), then as it came


def slide(planes: Tensor, weights: Tensor) -> Tensor:
    """(B, N, C, M) convolved along N with (2 r + 1,) weights, ends repeated.

    Every element of a row passes for a channel of its own: a depthwise convolution of channels_last has all its data
    side by side and is 2 to 5 times as fast as one of planes.
    """
    b, n, c, m = planes.shape
    radius = len(weights) // 2
    rows = torch.arange(-radius, n + radius, device=planes.device).clamp(0, n - 1)
    padded = planes.index_select(1, rows).view(b, n + 2 * radius, 1, c * m).permute(0, 3, 1, 2)
    slid = F.conv2d(padded, weights.view(1, 1, -1, 1).expand(c * m, 1, -1, 1), groups=c * m)  # (B, C M, N, 1)
    return slid.permute(0, 2, 3, 1).reshape(b, n, c, m)


def cascade(images: Tensor, sigma: float) -> Tensor:
    """Mean of `images` blurred by half, once and twice `sigma`: smooth, with a rest of fine detail."""
    if not sigma:
        return images
    return (blur(images, sigma / 2) + blur(images, sigma) + blur(images, sigma * 2)) / 3


def lowpass(images: Tensor, sigma: float) -> Tensor:
    """(B, C, H, W) blurred by about `sigma` pixels, cheaply: shrunk, blurred, enlarged."""
    h, w = images.shape[2:]
    factor = max(1, min(int(sigma / 3), min(h, w) // 4))
    small = F.avg_pool2d(images, factor, ceil_mode=True, count_include_pad=False)
    down, across = (
        _spreading(*sides, sigma / factor, images.device) for sides in zip(small.shape[2:], (h, w), strict=True)
    )
    enlarged: Tensor = down @ (small @ across.T)
    return enlarged


@cache
def _spreading(small: int, large: int, sigma: float, device: torch.device) -> Tensor:
    # (large, small): blurs and enlarges, along one side. As a product it is four times as fast as step by step.
    units = blur(torch.eye(small).view(small, 1, small, 1), sigma)
    return F.interpolate(units, (large, 1), mode="bilinear", align_corners=False)[:, 0, :, 0].T.contiguous().to(device)
