"""The dream loops of other programs, reimplemented from descriptions of them, on the same network and weights.

Like the originals, all but `squares_loop` run the whole network, in the default memory layout and in float32. Where the
behavior of an original is not known, the faster variant is used. Left out is what the originals lose around the
network: a model that is loaded anew for each frame, and frames that are passed as files.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.bench.networks import BenchNetwork, capture_output, from_imagenet, run_until, to_imagenet
from dreamvideo.errors import SettingsError

# (network, (1, 3, H, W) image in [0, 1], octaves, octave scale, iterations) -> dreamed image, shaped like it
BaselineLoop = Callable[[BenchNetwork, Tensor, int, float, int], Tensor]

BASELINE_JITTER = 32  # pixels; the same in all originals

# gordicaleksa's wrapper of a network ends at the deepest layer that it offers, whichever layer is asked for.
LAST_MODULE = {"googlenet": "inception4e"}


def plain_loop(network: BenchNetwork, image: Tensor, octaves: int, scale: float, iterations: int) -> Tensor:
    """Dream as the tutorials after Mordvintsev's notebook of 2015 do.

    Detail is carried up the octaves, the gradients of all weights are computed beside the image's, and each step is
    divided by the mean absolute value of the gradient.
    """
    generator = random.Random(0)
    network.whole.requires_grad_(True)
    source = to_imagenet(image)
    detail = torch.zeros_like(source)
    with capture_output(network.whole, network.module) as outputs:
        for size in baseline_octave_sizes(image, octaves, scale):
            base = F.interpolate(source, size, mode="bilinear", align_corners=False)
            x = base + F.interpolate(detail, size, mode="bilinear", align_corners=False)
            for _ in range(iterations):
                dy, dx = draw_jitter(generator)
                x = torch.roll(x, (dy, dx), (2, 3)).requires_grad_()
                network.whole.zero_grad()
                network.whole(x)
                outputs[network.module].square().mean().backward()  # type: ignore[no-untyped-call]
                assert x.grad is not None
                step = 0.06 * x.grad / (x.grad.abs().mean() + 1e-12)  # 1.5 of 255, on the scale of ImageNet
                x = torch.roll(x.detach() + step, (-dy, -dx), (2, 3))
            detail = x - base
    network.whole.zero_grad()
    return from_imagenet(x).clamp(0, 1)


def hook_loop(network: BenchNetwork, image: Tensor, octaves: int, scale: float, iterations: int) -> Tensor:
    """Dream as JitheshPavan/deep_dream does.

    A hook on the whole network; ascends the plain sum of the layer by its smoothed gradient times 0.005, neither
    normalized nor clamped; each octave starts from the whole result of the last one, enlarged.
    """
    generator = random.Random(0)
    network.whole.requires_grad_(False)
    x = to_imagenet(image)
    sigma = (iterations + 1) / iterations * 2 + 0.5  # the original divides by the count of steps, not by the step
    with capture_output(network.whole, network.module) as outputs:
        for size in baseline_octave_sizes(image, octaves, scale):
            x = F.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
            for _ in range(iterations):
                dy, dx = draw_jitter(generator)
                x = torch.roll(x, (dy, dx), (2, 3)).requires_grad_()
                network.whole(x)
                outputs[network.module].sum().backward()  # type: ignore[no-untyped-call]
                assert x.grad is not None
                x = torch.roll(x.detach() + 0.005 * cascade_blur(x.grad, sigma), (-dy, -dx), (2, 3))
    return from_imagenet(x).clamp(0, 1)


def squares_loop(network: BenchNetwork, image: Tensor, octaves: int, scale: float, iterations: int) -> Tensor:
    """Dream as gordicaleksa/pytorch-deepdream does.

    Ascends the mean of squares; at each step the gradient is smoothed with a growing width and standardized, 0.09 of it
    is added, and the image is clamped.
    """
    generator = random.Random(0)
    last = LAST_MODULE.get(network.name, network.module)
    network.whole.requires_grad_(False)
    black, white = to_imagenet(torch.zeros_like(image[..., :1, :1])), to_imagenet(torch.ones_like(image[..., :1, :1]))
    x = to_imagenet(image)
    for size in baseline_octave_sizes(image, octaves, scale):
        x = F.interpolate(x, size, mode="bilinear", align_corners=False)
        for i in range(iterations):
            dy, dx = draw_jitter(generator)
            x = torch.roll(x, (dy, dx), (2, 3)).requires_grad_()
            with capture_output(network.whole, network.module) as outputs:
                run_until(network.whole, x, last)
            outputs[network.module].square().mean().backward()  # type: ignore[no-untyped-call]
            assert x.grad is not None
            smooth = cascade_blur(x.grad, (i + 1) / iterations * 2 + 0.5)
            smooth = (smooth - smooth.mean()) / (smooth.std() + 1e-12)
            x = torch.roll(x.detach() + 0.09 * smooth, (-dy, -dx), (2, 3))
            x = torch.maximum(torch.minimum(x, white), black)
    return from_imagenet(x).clamp(0, 1)


def adam_loop(
    network: BenchNetwork, image: Tensor, octaves: int = 2, scale: float = 1 / 0.6, iterations: int = 50
) -> Tensor:
    """Dream as jeremicna/deepdream-video-pytorch does, which dreams by ProGamerGov/neural-dream.

    Per octave a new Adam with learning rate 1.5 on an image of 0 to 255, one step more than asked for, the norm of the
    layer times 1000, jitter inside the network. All of it is done twice and the first result is thrown away.
    """
    network.whole.requires_grad_(False)
    for _ in range(2):
        generator = random.Random(0)
        x = 255 * image
        with capture_output(network.whole, network.module) as outputs:
            for size in baseline_octave_sizes(image, octaves, scale):
                x = F.interpolate(x.detach(), size, mode="bilinear", align_corners=False).requires_grad_()
                optimizer = torch.optim.Adam([x], lr=1.5)
                for _ in range(iterations + 1):
                    optimizer.zero_grad()
                    network.whole(to_imagenet(torch.roll(x, draw_jitter(generator), (2, 3)) / 255))
                    loss = -1000 * outputs[network.module].square().sum().sqrt()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
    return (x.detach() / 255).clamp(0, 1)


def baseline_octave_sizes(image: Tensor, octaves: int, scale: float) -> list[tuple[int, int]]:
    """Return (height, width) of each octave, small to large, truncated to whole pixels.

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


def draw_jitter(generator: random.Random) -> tuple[int, int]:
    """Return a random shift (dy, dx) in pixels."""
    return generator.randint(-BASELINE_JITTER, BASELINE_JITTER), generator.randint(-BASELINE_JITTER, BASELINE_JITTER)


def cascade_blur(gradient: Tensor, sigma: float) -> Tensor:
    """Return the mean of three 9x9 Gaussian blurs with half, once and twice `sigma` pixels, edges mirrored.

    As in the originals, the kernels are computed anew each time.
    """
    padded = F.pad(gradient, (4, 4, 4, 4), mode="reflect")
    return torch.stack([_gauss9(padded, s) for s in (sigma / 2, sigma, sigma * 2)]).mean(0)


def _gauss9(padded: Tensor, sigma: float) -> Tensor:
    offsets = torch.arange(-4.0, 5.0, device=padded.device)
    line = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = line[:, None] * line / line.sum() ** 2  # (9, 9)
    return F.conv2d(padded, kernel.expand(3, 1, 9, 9), groups=3)


# By their names in the tables. The octaves and steps of the last one are its own.
LOOPS: dict[str, BaselineLoop] = {"plain loop": plain_loop, "JitheshPavan": hook_loop, "gordicaleksa": squares_loop}
ADAM_SCHEDULE = "jeremicna 2 x 51 x 2"
