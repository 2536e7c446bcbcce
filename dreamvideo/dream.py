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

import random
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.settings import DreamSettings

Score = Callable[[Tensor], Tensor]  # (B, 3, H, W) in [0, 1] -> (B,), differentiable

SMALLEST_SIDE = 130  # pixels; below it the large shapes of a dream have no room. Chosen by eye
LEAST_SIDE = 32  # pixels; no octave is smaller, whatever was asked for
CHROMA_SIGMA = 2.5  # pixels; narrower gives rainbow fringes. Chosen by eye
ANCHOR_SIGMA = 24.0  # pixels; what counts as a large area. Chosen by eye

# Rows: luma, red-green, yellow-blue; orthonormal.
OPPONENT = torch.nn.functional.normalize(torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]))


def dream(
    images: Tensor,
    score: Score,
    settings: DreamSettings,
    *,
    residual: Tensor | None = None,
    pace: Tensor | None = None,
    plan: Sequence[int] | None = None,
    ticks: Sequence[int] | None = None,
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
        dreamed = ascend(dreamed.clamp(0, 1), base, score, settings, list(zip(*shifts, strict=True)), paced)
        detail = dreamed - start
    return dreamed


def warm_plan(height: int, width: int, settings: DreamSettings, iterations: int) -> list[int]:
    """Steps at each octave, small to large, on a frame that starts from a carried dream: every other octave rests.

    Half the octaves keep large shapes alive as well as all do, for two thirds of the time.
    """
    count = len(octave_sizes(height, width, settings))
    return [0 if (count - 1 - octave) % 2 else iterations for octave in range(count)]


def ascend(
    images: Tensor,
    base: Tensor,
    score: Score,
    settings: DreamSettings,
    offsets: Sequence[Sequence[tuple[int, int]]],
    pace: Tensor | None = None,
) -> Tensor:
    """`images` after one ascent step for each row of `offsets`, at one size.

    Args:
        images: (B, 3, H, W) in [0, 1], where the ascent starts.
        base: (B, 3, H, W) the source, to whose large areas the images are held.
        offsets: for each step the circular shift (dy, dx) of each image, pixels.
        pace: (B, 1, H, W) factor on each step; None: 1.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    if not offsets:
        return images
    calm = lowpass(base, ANCHOR_SIGMA) if settings.anchor else None
    for i, shifts in enumerate(offsets):
        sigma = settings.smooth * (1 + i / len(offsets))
        slope = gradient(images, score, shifts)
        with torch.no_grad():
            step = settings.step_size * shape_step(slope, sigma, settings.colour)
            if pace is not None:
                step = step * pace
            if settings.headroom:
                room = torch.where(step > 0, 1 - images, images)
                step = step * (room / settings.headroom).clamp(0, 1)
            images = images + step
            if calm is not None:
                images = images + settings.anchor * (calm - lowpass(images, ANCHOR_SIGMA))
            images = images.clamp(0, 1)
    return images


def gradient(images: Tensor, score: Score, shifts: Sequence[tuple[int, int]]) -> Tensor:
    """Gradient of the images' scores, taken with each image shifted by its (dy, dx) pixels and shifted back.

    The circular shift moves the network's grid of strides and tiles over the image, so that it leaves no pattern.
    """
    with torch.enable_grad():
        shifted = roll(images, shifts).requires_grad_()
        (slope,) = torch.autograd.grad(score(shifted).sum(), shifted)
    return roll(slope, [(-dy, -dx) for dy, dx in shifts])


def roll(images: Tensor, shifts: Sequence[tuple[int, int]]) -> Tensor:
    """(B, C, H, W) with each image shifted circularly by its own (dy, dx) pixels."""
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
    opponent = OPPONENT.to(slope)
    planes = torch.einsum("ij,bjhw->bihw", opponent, slope)
    luma = cascade(planes[:, :1], sigma)
    chroma = blur(planes[:, 1:], CHROMA_SIGMA)
    spread = [plane.std((1, 2, 3), keepdim=True) + 1e-12 for plane in (luma, chroma)]
    planes = torch.cat([luma / spread[0], colour * chroma / spread[1]], 1)
    return normalise(torch.einsum("ij,bihw->bjhw", opponent, planes))


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


def gaussian(sigma: float) -> Tensor:
    """(2 r + 1,) weights of a Gaussian cut at three sigma, summing to 1."""
    radius = max(1, round(3 * sigma))
    x = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (x / sigma) ** 2)
    return weights / weights.sum()


def blur(images: Tensor, sigma: float) -> Tensor:
    """(B, C, H, W) convolved with a Gaussian of `sigma` pixels, edges repeated."""
    b, c, h, w = images.shape
    weights = gaussian(sigma).to(images)
    radius = len(weights) // 2
    planes = images.reshape(b * c, 1, h, w)
    planes = F.conv2d(F.pad(planes, (radius, radius, 0, 0), mode="replicate"), weights.view(1, 1, 1, -1))
    planes = F.conv2d(F.pad(planes, (0, 0, radius, radius), mode="replicate"), weights.view(1, 1, -1, 1))
    return planes.reshape(b, c, h, w)


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
    return F.interpolate(blur(small, sigma / factor), (h, w), mode="bilinear", align_corners=False)
