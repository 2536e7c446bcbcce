"""Slow, literal versions of what the program does, written apart from it: the fast code must agree with them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.settings.dream import DreamSettings

Array = NDArray[np.float64]


def gaussian_blur(plane: Array, sigma: float) -> Array:
    """(H, W) float64 blurred with a full two-dimensional Gaussian, pixel by pixel of the kernel, edges repeated."""
    radius = max(1, round(3 * sigma))
    h, w = plane.shape
    padded = np.pad(plane, radius, mode="edge")
    total, weights = np.zeros_like(plane), 0.0
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            weight = math.exp(-(dy * dy + dx * dx) / (2 * sigma * sigma))
            total += weight * padded[radius + dy : radius + dy + h, radius + dx : radius + dx + w]
            weights += weight
    return total / weights


def smooth(plane: Array, sigma: float) -> Array:
    """Mean of three blurs, half, once and twice sigma."""
    total: Array = sum((gaussian_blur(plane, s) for s in (sigma / 2, sigma, sigma * 2)), np.zeros_like(plane))
    return total / 3


def lowpass(image: Array, sigma: float = 24.0) -> Array:
    """(3, H, W): mean of blocks, Gaussian of the blocks, bilinear enlargement."""
    _, h, w = image.shape
    factor = max(1, min(int(sigma / 3), min(h, w) // 4))
    rows, columns = math.ceil(h / factor), math.ceil(w / factor)
    small = np.zeros((3, rows, columns))
    for i in range(rows):
        for j in range(columns):
            block = image[:, i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
            small[:, i, j] = block.mean((1, 2))
    small = np.stack([gaussian_blur(plane, sigma / factor) for plane in small])
    return resample(small, (h, w), mode="bilinear", align_corners=False)


def resample(image: Array, size: tuple[int, int], **how: Any) -> Array:
    return F.interpolate(torch.from_numpy(image)[None], size, **how)[0].numpy()


def dream(
    image: Array,
    score: Callable[[Tensor], Tensor],
    settings: DreamSettings,
    residual: Array | None = None,
    steps_per_octave: Sequence[int] | None = None,
    jitter_index: int = 0,
) -> Array:
    """(3, H, W) float64 in [0, 1] -> the same, dreamed; `score` maps a (1, 3, H, W) float64 tensor to (1,)."""
    steps_per_octave = steps_per_octave or [settings.iterations] * settings.octaves
    _, height, width = image.shape
    sizes = [
        (round(height / settings.octave_scale**k), round(width / settings.octave_scale**k))
        for k in reversed(range(settings.octaves))
    ]
    detail = np.zeros((3, *sizes[0]))
    for octave, (h, w) in enumerate(sizes):
        iterations = steps_per_octave[octave]
        if iterations == 0 and octave < settings.octaves - 1:
            continue
        small = {"mode": "bilinear", "antialias": True, "align_corners": False}
        full = (h, w) == (height, width)
        base = image if full else resample(image, (h, w), **small)
        carried = np.zeros_like(base)
        if residual is not None:
            carried = residual if full else resample(residual, (h, w), **small)
        if detail.shape != base.shape:
            detail = resample(detail, (h, w), mode="bicubic", align_corners=False)
        x = np.clip(base + carried + detail, 0, 1)
        draw = random.Random(f"{settings.seed} {octave} {jitter_index}")
        furthest = min(settings.jitter, min(h, w) // 4)
        for i in range(iterations):
            dy, dx = draw.randint(-furthest, furthest), draw.randint(-furthest, furthest)
            x = step(x, base, score, settings, dy, dx, settings.smooth * (1 + i / iterations))
        detail = x - base - carried
    return x


def step(
    x: Array, base: Array, score: Callable[[Tensor], Tensor], settings: DreamSettings, dy: int, dx: int, sigma: float
) -> Array:
    seen = torch.from_numpy(shifted(x, dy, dx, settings.border))[None].requires_grad_()
    score(seen).sum().backward()
    g = shifted_back(seen.grad[0].numpy(), dy, dx, settings.border)
    if settings.color >= 0:
        luma = (g[0] + g[1] + g[2]) / math.sqrt(3)
        red_green = (g[0] - g[1]) / math.sqrt(2)
        yellow_blue = (g[0] + g[1] - 2 * g[2]) / math.sqrt(6)
        luma = smooth(luma, sigma) if sigma else luma
        chroma = np.stack([gaussian_blur(red_green, 2.5), gaussian_blur(yellow_blue, 2.5)])
        luma = luma / luma.std(ddof=1)
        rg, yb = settings.color * chroma / chroma.std(ddof=1)
        g = np.stack(
            [
                luma / math.sqrt(3) + rg / math.sqrt(2) + yb / math.sqrt(6),
                luma / math.sqrt(3) - rg / math.sqrt(2) + yb / math.sqrt(6),
                luma / math.sqrt(3) - 2 * yb / math.sqrt(6),
            ]
        )
    elif sigma:
        g = np.stack([smooth(plane, sigma) for plane in g])
    change = settings.step_size * g / np.abs(g).mean()
    if settings.headroom:
        up = np.clip((1 - x) / settings.headroom, 0, 1)
        down = np.clip(x / settings.headroom, 0, 1)
        change = np.where(change > 0, change * up, change * down)
    x = x + change
    if settings.anchor:
        x = x + settings.anchor * (lowpass(base) - lowpass(x))
    return np.clip(x, 0, 1)


def shifted(x: Array, dy: int, dx: int, border: str) -> Array:
    """(C, H, W) moved down by dy and right by dx; what enters is mirrored ("reflect"), or what left ("wrap")."""
    _, height, width = x.shape
    margin = max(abs(dy), abs(dx))
    sides = ((0, 0), (margin, margin), (margin, margin))
    padded = np.pad(x, sides, mode="symmetric" if border == "reflect" else "wrap")
    return padded[:, margin - dy :, margin - dx :][:, :height, :width].copy()


def shifted_back(g: Array, dy: int, dx: int, border: str) -> Array:
    """The gradient of (C, H, W) from that of `shifted`: every pixel gets those of all places that show it."""
    _, height, width = g.shape
    places = np.arange(height * width).reshape(1, height, width)
    shown = shifted(places, dy, dx, border).ravel().astype(np.intp)
    total = np.zeros((len(g), height * width), g.dtype)
    for plane, grads in zip(total, g, strict=True):
        np.add.at(plane, shown, grads.ravel())
    return total.reshape(g.shape)


IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pavan(
    image: Tensor,
    net: Callable[[Tensor], Tensor],
    offsets: Sequence[Sequence[tuple[int, int]]],
    levels: int = 4,
    ratio: float = 1.8,
    iterations: int = 10,
    rate: float = 0.005,
) -> Tensor:
    """JitheshPavan/deep_dream, from its description: (1, 3, H, W) in [0, 1] -> the same, dreamed.

    `net` maps a picture in ImageNet's scaling to the layer; `offsets` are the (dy, dx) of each step of each level.
    """
    mean, deviation = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    height, width = image.shape[2:]
    x = (image - mean) / deviation
    for k in range(levels):
        scale = ratio ** (k - levels + 1)
        size = [int(scale * height), int(scale * width)]
        assert min(size) >= 10
        x = torchvision.transforms.Resize(size, antialias=True)(x)
        sigma = (iterations + 1) / iterations * 2 + 0.5
        for dy, dx in offsets[k]:
            x = torch.roll(x, (dy, dx), (2, 3)).requires_grad_()
            net(x).sum().backward()
            smoothed = sum(nine_by_nine(x.grad, s) for s in (0.5 * sigma, sigma, 2 * sigma)) / 3
            x = (x + rate * smoothed).detach()
            x = torch.roll(x, (-dy, -dx), (2, 3))
    return (x * deviation + mean).clip(0, 1)


def nine_by_nine(grad: Tensor, sigma: float) -> Tensor:
    """Each color of (1, 3, H, W) convolved with a Gaussian of 9 x 9 pixels that sums to 1, mirrored at the edges."""
    weights = torch.zeros(9, 9)
    for y in range(9):
        for x in range(9):
            weights[y, x] = math.exp(-((y - 4) ** 2 + (x - 4) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    padded = F.pad(grad, (4, 4, 4, 4), mode="reflect")
    return F.conv2d(padded, weights.reshape(1, 1, 9, 9).repeat(3, 1, 1, 1), groups=3)


def notebook2015_step(x: Tensor, layer_of: Callable[[Tensor], Tensor], dy: int, dx: int, step: float = 1.5) -> Tensor:
    """The step of the notebook of 2015: (1, 3, H, W) from -mean to 255 - mean -> the same.

    `layer_of` maps such a picture to the layer, whose gradient is set to what it is itself.
    """
    mean = 255 * torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1)
    x = torch.roll(torch.roll(x, dx, -1), dy, -2).requires_grad_()
    layer = layer_of(x)
    layer.backward(gradient=layer.detach())
    g = x.grad
    x = x.detach() + step / g.abs().mean() * g
    x = torch.roll(torch.roll(x, -dx, -1), -dy, -2)
    return torch.maximum(torch.minimum(x, 255 - mean), -mean)


def occluded(backward: NDArray[Any], forward: NDArray[Any]) -> NDArray[np.bool_]:
    """(H, W) bool from two (2, H, W) flows, pixel by pixel."""
    _, h, w = backward.shape
    lost = np.zeros((h, w), bool)
    for y in range(h):
        for x in range(w):
            dx, dy = backward[:, y, x]
            sx, sy = x + dx, y + dy
            if not (-0.5 <= sx <= w - 0.5 and -0.5 <= sy <= h - 0.5):
                lost[y, x] = True
                continue
            sx, sy = min(max(sx, 0), w - 1), min(max(sy, 0), h - 1)
            x0, y0 = min(int(sx), w - 2), min(int(sy), h - 2)
            fx, fy = sx - x0, sy - y0
            back = (
                forward[:, y0, x0] * (1 - fx) * (1 - fy)
                + forward[:, y0, x0 + 1] * fx * (1 - fy)
                + forward[:, y0 + 1, x0] * (1 - fx) * fy
                + forward[:, y0 + 1, x0 + 1] * fx * fy
            )
            gap = (dx + back[0]) ** 2 + (dy + back[1]) ** 2
            lost[y, x] = gap > 0.01 * (dx**2 + dy**2 + back[0] ** 2 + back[1] ** 2) + 0.5
    return lost
