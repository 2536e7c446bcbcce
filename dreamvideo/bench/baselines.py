"""How others dream, written anew from what their programs are known to do, on the same network and weights.

Each function takes a `Subject`, a picture in [0, 1], the number of octaves and of steps, and returns the dreamed one,
in [0, 1]. Like their originals, all but one walk the whole network, in the plain memory layout and in float32. Where
it is not known how one behaves it is given the quicker way. Left out is what they lose around the network: models
loaded anew for each frame, and frames that go through files.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.bench.networks import BenchNetwork, capture_output, from_imagenet, run_until, to_imagenet
from dreamvideo.errors import SettingsError

BaselineLoop = Callable[
    [BenchNetwork, Tensor, int, float, int], Tensor
]  # (subject, picture, octaves, scale, iterations)

BASELINE_JITTER = 32  # pixels of jitter, in all of them

# gordicaleksa's wrapper of a network ends at the deepest of the layers that it offers, whatever is asked for.
LAST_MODULE = {"googlenet": "inception4e"}


def plain_loop(subject: BenchNetwork, image: Tensor, octaves: int, scale: float, iterations: int) -> Tensor:
    """The loop of the tutorials after Mordvintsev's notebook of 2015: detail carried up, the gradient of every weight
    computed beside the picture's, each step divided by the gradient's mean absolute value."""
    draw = random.Random(0)
    subject.whole.requires_grad_(True)
    source = to_imagenet(image)
    detail = torch.zeros_like(source)
    with capture_output(subject.whole, subject.module) as heard:
        for size in baseline_octave_sizes(image, octaves, scale):
            base = F.interpolate(source, size, mode="bilinear", align_corners=False)
            x = base + F.interpolate(detail, size, mode="bilinear", align_corners=False)
            for _ in range(iterations):
                dy, dx = draw_jitter(draw)
                x = torch.roll(x, (dy, dx), (2, 3)).requires_grad_()
                subject.whole.zero_grad()
                subject.whole(x)
                heard[subject.module].square().mean().backward()  # type: ignore[no-untyped-call]
                assert x.grad is not None
                step = 0.06 * x.grad / (x.grad.abs().mean() + 1e-12)  # 1.5 of 255, on the scale of ImageNet
                x = torch.roll(x.detach() + step, (-dy, -dx), (2, 3))
            detail = x - base
    subject.whole.zero_grad()
    return from_imagenet(x).clamp(0, 1)


def hook_loop(subject: BenchNetwork, image: Tensor, octaves: int, scale: float, iterations: int) -> Tensor:
    """JitheshPavan/deep_dream: a hook on the whole network, the plain sum of the layer ascended by its smoothed
    gradient times 0.005, neither normalized nor clamped; each level starts from the whole last one, enlarged."""
    draw = random.Random(0)
    subject.whole.requires_grad_(False)
    x = to_imagenet(image)
    sigma = (iterations + 1) / iterations * 2 + 0.5  # it takes the number of all steps where the step's was meant
    with capture_output(subject.whole, subject.module) as heard:
        for size in baseline_octave_sizes(image, octaves, scale):
            x = F.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
            for _ in range(iterations):
                dy, dx = draw_jitter(draw)
                x = torch.roll(x, (dy, dx), (2, 3)).requires_grad_()
                subject.whole(x)
                heard[subject.module].sum().backward()  # type: ignore[no-untyped-call]
                assert x.grad is not None
                x = torch.roll(x.detach() + 0.005 * cascade_blur(x.grad, sigma), (-dy, -dx), (2, 3))
    return from_imagenet(x).clamp(0, 1)


def squares_loop(subject: BenchNetwork, image: Tensor, octaves: int, scale: float, iterations: int) -> Tensor:
    """gordicaleksa/pytorch-deepdream: the mean of squares, the gradient smoothed ever wider, freed of its mean and
    divided by its deviation, 0.09 of it added, and the picture clamped, at each step."""
    draw = random.Random(0)
    last = LAST_MODULE.get(subject.name, subject.module)
    subject.whole.requires_grad_(False)
    black, white = to_imagenet(torch.zeros_like(image[..., :1, :1])), to_imagenet(torch.ones_like(image[..., :1, :1]))
    x = to_imagenet(image)
    for size in baseline_octave_sizes(image, octaves, scale):
        x = F.interpolate(x, size, mode="bilinear", align_corners=False)
        for i in range(iterations):
            dy, dx = draw_jitter(draw)
            x = torch.roll(x, (dy, dx), (2, 3)).requires_grad_()
            with capture_output(subject.whole, subject.module) as heard:
                run_until(subject.whole, x, last)
            heard[subject.module].square().mean().backward()  # type: ignore[no-untyped-call]
            assert x.grad is not None
            smooth = cascade_blur(x.grad, (i + 1) / iterations * 2 + 0.5)
            smooth = (smooth - smooth.mean()) / (smooth.std() + 1e-12)
            x = torch.roll(x.detach() + 0.09 * smooth, (-dy, -dx), (2, 3))
            x = torch.maximum(torch.minimum(x, white), black)
    return from_imagenet(x).clamp(0, 1)


def adam_loop(
    subject: BenchNetwork, image: Tensor, octaves: int = 2, scale: float = 1 / 0.6, iterations: int = 50
) -> Tensor:
    """jeremicna/deepdream-video-pytorch, which dreams by ProGamerGov/neural-dream: per octave a new Adam of rate 1.5 on
    a picture of 0 to 255 and one step more than was asked for, the norm of the layer times 1000, the jitter inside the
    network; and all of it done twice, the first result thrown away."""
    subject.whole.requires_grad_(False)
    for _ in range(2):
        draw = random.Random(0)
        x = 255 * image
        with capture_output(subject.whole, subject.module) as heard:
            for size in baseline_octave_sizes(image, octaves, scale):
                x = F.interpolate(x.detach(), size, mode="bilinear", align_corners=False).requires_grad_()
                optimizer = torch.optim.Adam([x], lr=1.5)
                for _ in range(iterations + 1):
                    optimizer.zero_grad()
                    subject.whole(to_imagenet(torch.roll(x, draw_jitter(draw), (2, 3)) / 255))
                    loss = -1000 * heard[subject.module].square().sum().sqrt()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
    return (x.detach() / 255).clamp(0, 1)


def baseline_octave_sizes(image: Tensor, octaves: int, scale: float) -> list[tuple[int, int]]:
    """(height, width) of each octave, small to large, cut to whole pixels.

    Raises:
        SettingsError: a side is below 10 pixels.
    """
    height, width = image.shape[2:]
    sizes = [(int(height / scale**k), int(width / scale**k)) for k in reversed(range(octaves))]
    if min(sizes[0]) < 10:
        raise SettingsError(
            f"--octaves {octaves}: the smallest has {sizes[0][1]}x{sizes[0][0]} pixels: expected at least 10"
        )
    return sizes


def draw_jitter(draw: random.Random) -> tuple[int, int]:
    """A jitter (dy, dx) in pixels."""
    return draw.randint(-BASELINE_JITTER, BASELINE_JITTER), draw.randint(-BASELINE_JITTER, BASELINE_JITTER)


def cascade_blur(gradient: Tensor, sigma: float) -> Tensor:
    """Mean of three 9x9 Gaussian blurs of half, once and twice `sigma`, edges mirrored; kernels made anew each time."""
    padded = F.pad(gradient, (4, 4, 4, 4), mode="reflect")
    return torch.stack([_gauss9(padded, s) for s in (sigma / 2, sigma, sigma * 2)]).mean(0)


def _gauss9(padded: Tensor, sigma: float) -> Tensor:
    offsets = torch.arange(-4.0, 5.0, device=padded.device)
    line = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = line[:, None] * line / line.sum() ** 2  # (9, 9)
    return F.conv2d(padded, kernel.expand(3, 1, 9, 9), groups=3)


# By the names that the tables carry; the last one's octaves and steps are its own.
LOOPS: dict[str, BaselineLoop] = {"plain loop": plain_loop, "JitheshPavan": hook_loop, "gordicaleksa": squares_loop}
ADAM_SCHEDULE = "jeremicna 2 x 51 x 2"
