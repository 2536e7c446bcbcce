"""Operations of a network on CUDA, each of them one kernel; activations are (B, C, H, W) in channels_last."""

from __future__ import annotations

from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.kernels.library import define, launcher


def _scaled(images: Tensor, factor: Tensor, offset: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, 3, H, W) float32 times (3,) `factor`, plus (3,) `offset`, in another type and in channels_last."""
    scaled = images * factor[:, None, None] + offset[:, None, None]
    return scaled.to(dtype).contiguous(memory_format=torch.channels_last)


def _bias_clamped(x: Tensor, bias: Tensor | None, low: float, high: float, out: Tensor) -> Tensor:
    """x + (C,) `bias`, clamped, into `out`; both may be some of the channels of a larger activation."""
    value = x.float() if bias is None else x.float() + bias[:, None, None]
    return out.copy_(value.clamp(low, high))


def _depthwise(
    x: Tensor, weight: Tensor, bias: Tensor, stride: int, x_low: float, x_high: float, low: float, high: float
) -> Tensor:
    """Clamp x, convolve each channel with (side, side, C) `weight`, add (C,) `bias`, clamp; padded by side // 2."""
    side, _, c = weight.shape
    kernels = weight.permute(2, 0, 1)[:, None]
    y = F.conv2d(x.float().clamp(x_low, x_high), kernels, bias, stride, side // 2, groups=c)
    return y.clamp(low, high).to(x.dtype).contiguous(memory_format=torch.channels_last)


def _depthwise_grad(
    grads: Tensor,
    y: Tensor,
    weight: Tensor,
    x: Tensor,
    stride: int,
    x_low: float,
    x_high: float,
    low: float,
    high: float,
) -> Tensor:
    """The gradient with respect to x, (B, C, H, W), from that with respect to y, the result of `depthwise_op`."""
    side, _, c = weight.shape
    masked = torch.where((y > low) & (y < high), grads.float(), 0.0)
    kernels = weight.permute(2, 0, 1)[:, None].contiguous()
    unread = torch.empty(x.shape, device=x.device)
    pads, none = [side // 2] * 2, [0, 0]
    grad = torch.ops.aten.convolution_backward(
        masked, unread, kernels, None, [stride] * 2, pads, [1, 1], False, none, c, [True, False, False]
    )[0]
    grad = torch.where((x > x_low) & (x < x_high), grad, 0.0)
    return grad.to(x.dtype).contiguous(memory_format=torch.channels_last)


def _masked(grads: Tensor, y: Tensor, low: float, high: float, pool: int, out: Tensor) -> Tensor:
    """The gradient where `y` is between its bounds, else 0, into `out`; `pool`: that of the mean of windows so wide."""
    if pool > 1:
        grads = F.interpolate(grads.float() / pool**2, scale_factor=float(pool), mode="nearest")
        below, right = (full - part for full, part in zip(y.shape[2:], grads.shape[2:], strict=True))
        grads = F.pad(grads, (0, right, 0, below))
    return out.copy_(torch.where((y > low) & (y < high), grads, 0))


def _pooled(x: Tensor, side: int, padded: bool, low: float, high: float, out: Tensor) -> Tensor:
    """The mean of (side, side) windows around each place, clamped, into `out`."""
    pooled = F.avg_pool2d(x.float().contiguous(), side, 1, side // 2, count_include_pad=padded)
    return out.copy_(pooled.clamp(low, high))


def _pooled_grad(grads: Tensor, y: Tensor, side: int, padded: bool, low: float, high: float, out: Tensor) -> Tensor:
    """The gradient with respect to x, into `out`, from that with respect to y, the result of `pool_op`."""
    masked = torch.where((y > low) & (y < high), grads.float(), 0.0).contiguous()
    if not padded:
        inside = F.avg_pool2d(torch.ones_like(masked[:1, :1]), side, 1, side // 2)
        masked = masked / inside
    return out.copy_(F.avg_pool2d(masked, side, 1, side // 2))


def _clamped_parts(x: Tensor, low: float, high: float, first: Tensor, second: Tensor, third: Tensor | None) -> Tensor:
    """Clamp x; its first channels into `first`, the next into `second`, the rest into `third`."""
    outs = [each for each in (first, second, third) if each is not None]
    for part, out in zip(x.split([each.shape[1] for each in outs], 1), outs, strict=True):
        out.copy_(part.clamp(low, high))
    return first


def _masked_parts(grads: list[Tensor], ys: list[Tensor], low: float, high: float, out: Tensor) -> Tensor:
    """Gradients of `clamp_parts`, 0 where a `y` is not between its bounds, side by side into `out`."""
    return out.copy_(torch.cat([g.where((y > low) & (y < high), 0) for g, y in zip(grads, ys, strict=True)], 1))


def _energy(x: Tensor, divisor: Tensor, power: int) -> Tensor:
    """(B, h, w) float32 sums over the channels of x over (C,) `divisor`, to the second or fourth power."""
    return (x.float() / divisor[:, None, None]).pow(power).sum(1)


def _energy_grad(grads: Tensor, x: Tensor, divisor: Tensor, power: int) -> Tensor:
    """The gradient with respect to x from that with respect to its energy, (B, h, w)."""
    scaled = x.float() / divisor[:, None, None]
    grad = grads[:, None] * power * scaled.pow(power - 1) / divisor[:, None, None]
    return grad.to(x.dtype).contiguous(memory_format=torch.channels_last)


def _log_odds(logits: Tensor, chosen: Tensor, temperature: float) -> Tensor:
    """(B, h, w) float32 logarithm of the odds of the channels that are 1 in (C,) `chosen` against all others."""
    scaled = logits.float() / temperature
    raised, others = (scaled.where(chosen[:, None, None] == one, -torch.inf).logsumexp(1) for one in (1, 0))
    return temperature * (raised - others)


def _log_odds_grad(grads: Tensor, logits: Tensor, chosen: Tensor, temperature: float) -> Tensor:
    """The gradient with respect to the logits."""
    scaled = logits.float() / temperature
    raised, others = (scaled.where(chosen[:, None, None] == one, -torch.inf).softmax(1) for one in (1, 0))
    return (grads[:, None] * (raised - others)).to(logits.dtype).contiguous(memory_format=torch.channels_last)


def _draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    values = torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 4 - 2
    return values.to(dtype).contiguous(
        memory_format=torch.channels_last if len(shape) == 4 else torch.contiguous_format
    )


def _scale_examples() -> list[tuple[Any, ...]]:
    return [
        (_draw(2, 3, 9, 14), _draw(3, seed=1), _draw(3, seed=2), dtype) for dtype in (torch.float32, torch.bfloat16)
    ]


def _bias_examples() -> list[tuple[Any, ...]]:
    wide, out = _draw(2, 12, 7, 9), torch.zeros(2, 5, 7, 9).contiguous(memory_format=torch.channels_last)
    return [
        (wide[:, 3:8], _draw(5, seed=1), 0.0, inf, out),
        (_draw(2, 5, 7, 9, dtype=torch.bfloat16), None, -1.0, 1.0, wide.bfloat16()[:, 2:7]),
    ]


def _depthwise_examples() -> list[tuple[Any, ...]]:
    examples = []
    for side, stride, dtype in ((3, 1, torch.float32), (5, 2, torch.bfloat16), (3, 2, torch.float32)):
        x, weight = _draw(2, 40, 9, 12, dtype=dtype), _draw(side, side, 40, seed=1)
        examples.append((x, weight, _draw(40, seed=2), stride, 0.0, 1.5, 0.0, 6.0))
    return examples


def _depthwise_grad_examples() -> list[tuple[Any, ...]]:
    examples = []
    for x, weight, bias, stride, *bounds in _depthwise_examples():
        y = _depthwise(x, weight, bias, stride, *bounds)
        examples.append((_draw(*y.shape, seed=3, dtype=x.dtype), y, weight, x, stride, *bounds))
    return examples


def _mask_examples() -> list[tuple[Any, ...]]:
    y, wide = _draw(2, 6, 9, 11), torch.zeros(2, 10, 9, 11).contiguous(memory_format=torch.channels_last)
    return [
        (_draw(2, 8, 9, 11, seed=1)[:, 1:7], y, 0.0, inf, 1, wide[:, 2:8]),
        (_draw(2, 6, 4, 5, seed=1), y, 0.0, 1.0, 2, torch.empty_like(y)),
    ]


def _pool_examples() -> list[tuple[Any, ...]]:
    x, wide = _draw(2, 10, 7, 9), torch.zeros(2, 10, 7, 9).contiguous(memory_format=torch.channels_last)
    return [(x[:, 2:8], 3, False, 0.0, inf, wide[:, 1:7]), (x, 5, True, -0.1, 0.3, torch.empty_like(x))]


def _pool_grad_examples() -> list[tuple[Any, ...]]:
    examples = []
    for x, side, padded, low, high, out in _pool_examples():
        y = _pooled(x, side, padded, low, high, out.clone())
        examples.append((_draw(*x.shape, seed=3), y, side, padded, low, high, out))
    return examples


scale_op = define(
    "scale_input(Tensor images, Tensor factor, Tensor offset, ScalarType dtype) -> Tensor",
    _scaled,
    launcher("network_kernels", "scale_input"),
    _scale_examples,
)
bias_op = define(
    "bias_clamp(Tensor x, Tensor? bias, float low, float high, Tensor(a!) out) -> Tensor(a!)",
    _bias_clamped,
    launcher("network_kernels", "bias_clamp"),
    _bias_examples,
)
depthwise_op = define(
    "depthwise(Tensor x, Tensor weight, Tensor bias, int stride, float x_low, float x_high, float low, float high) "
    "-> Tensor",
    _depthwise,
    launcher("network_kernels", "depthwise"),
    _depthwise_examples,
)
depthwise_grad_op = define(
    "depthwise_grad(Tensor grads, Tensor y, Tensor weight, Tensor x, int stride, float x_low, float x_high, float low, "
    "float high) -> Tensor",
    _depthwise_grad,
    launcher("network_kernels", "depthwise_grad"),
    _depthwise_grad_examples,
)
mask_op = define(
    "mask_grad_into(Tensor grads, Tensor y, float low, float high, int pool, Tensor(a!) out) -> Tensor(a!)",
    _masked,
    launcher("network_kernels", "mask_grad_into"),
    _mask_examples,
)


def _parts_examples() -> list[tuple[Any, ...]]:
    x, wide = _draw(2, 12, 7, 9)[:, 1:10], torch.zeros(2, 10, 7, 9).contiguous(memory_format=torch.channels_last)
    outs = [torch.zeros(2, count, 7, 9).contiguous(memory_format=torch.channels_last) for count in (3, 2, 5)]
    return [(x, 0.0, inf, wide[:, 2:6], *outs[:2]), (x, -1.0, 1.0, wide[:, 1:5], outs[2], None)]


def _masked_parts_examples() -> list[tuple[Any, ...]]:
    grads, y = _draw(2, 12, 7, 9), _draw(2, 9, 7, 9, seed=1)
    out = torch.zeros(2, 11, 7, 9).contiguous(memory_format=torch.channels_last)[:, 1:10]
    three, two = list(grads[:, 3:].split([3, 2, 4], 1)), list(grads[:, 1:10].split([4, 5], 1))
    return [(three, list(y.split([3, 2, 4], 1)), 0.0, 1.0, out), (two, list(y.split([4, 5], 1)), -1.0, inf, out)]


parts_op = define(
    "clamp_parts(Tensor x, float low, float high, Tensor(a!) first, Tensor(b!) second, Tensor(c!)? third) "
    "-> Tensor(a!)",
    _clamped_parts,
    launcher("part_kernels", "clamp_parts"),
    _parts_examples,
)
mask_parts_op = define(
    "mask_parts(Tensor[] grads, Tensor[] ys, float low, float high, Tensor(a!) out) -> Tensor(a!)",
    _masked_parts,
    launcher("part_kernels", "mask_parts"),
    _masked_parts_examples,
)
pool_op = define(
    "mean_pool(Tensor x, int side, bool padded, float low, float high, Tensor(a!) out) -> Tensor(a!)",
    _pooled,
    launcher("network_kernels", "mean_pool"),
    _pool_examples,
)
pool_grad_op = define(
    "mean_pool_grad(Tensor grads, Tensor y, int side, bool padded, float low, float high, Tensor(a!) out) "
    "-> Tensor(a!)",
    _pooled_grad,
    launcher("network_kernels", "mean_pool_grad"),
    _pool_grad_examples,
)
energy_op = define(
    "channel_energy(Tensor x, Tensor divisor, int power) -> Tensor",
    _energy,
    launcher("objective_kernels", "channel_energy"),
    lambda: [(_draw(2, 70, 5, 6), _draw(70, seed=1).abs() + 0.5, power) for power in (2, 4)],
)
energy_grad_op = define(
    "channel_energy_grad(Tensor grads, Tensor x, Tensor divisor, int power) -> Tensor",
    _energy_grad,
    launcher("objective_kernels", "channel_energy_grad"),
    lambda: [(_draw(2, 5, 6, seed=2), _draw(2, 70, 5, 6), _draw(70, seed=1).abs() + 0.5, power) for power in (2, 4)],
)
odds_op = define(
    "log_odds(Tensor logits, Tensor chosen, float temperature) -> Tensor",
    _log_odds,
    launcher("objective_kernels", "log_odds"),
    lambda: [(_draw(2, 70, 5, 6), _draw(70, seed=1).gt(0).float(), 2.0)],
)
odds_grad_op = define(
    "log_odds_grad(Tensor grads, Tensor logits, Tensor chosen, float temperature) -> Tensor",
    _log_odds_grad,
    launcher("objective_kernels", "log_odds_grad"),
    lambda: [(_draw(2, 5, 6, seed=2), _draw(2, 70, 5, 6), _draw(70, seed=1).gt(0).float(), 2.0)],
)
