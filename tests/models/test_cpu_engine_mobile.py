"""The engine on networks of inverted residuals with ReLU6: MobileNet v2 and EfficientNet-Lite."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from test_cpu_engine import BFLOAT16, assert_same, assert_same_grad, pictures, run
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from dreamvideo.models import cpu_engine
from dreamvideo.models.cpu_engine.executor import make_kernel
from dreamvideo.models.cpu_engine.grad_masks import mask_grad
from dreamvideo.models.cpu_engine.ops import Clamp, Conv
from dreamvideo.models.cpu_engine.passes import build_plan
from dreamvideo.models.cpu_engine.trace import trace_network
from dreamvideo.models.tracing import SCALINGS, ScaledFeatures, fold_batch_norms

Stage = tuple[int, int, int, int, int]  # repeats, kernel, stride, out, expansion

# Of EfficientNet-Lite0 (Tan & Le 2019).
LITE0: tuple[Stage, ...] = (
    *((1, 3, 1, 16, 1), (2, 3, 2, 24, 6), (2, 5, 2, 40, 6), (3, 3, 2, 80, 6)),
    *((3, 5, 1, 112, 6), (4, 5, 2, 192, 6), (1, 3, 1, 320, 6)),
)
SMALL: tuple[Stage, ...] = ((1, 3, 1, 8, 1), (2, 3, 2, 8, 3), (2, 5, 2, 12, 3), (2, 5, 1, 12, 3))


def normalized(i: int, o: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(o, eps=1e-3)]


class InvertedResidual(nn.Module):
    def __init__(self, i: int, o: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = i * expansion
        layers = [*normalized(i, wide, 1), nn.ReLU6()] if expansion != 1 else []
        layers += [*normalized(wide, wide, kernel, stride, wide), nn.ReLU6(), *normalized(wide, o, 1)]
        self.block, self.residual = nn.Sequential(*layers), stride == 1 and i == o

    def forward(self, x: Any) -> Any:
        return x + self.block(x) if self.residual else self.block(x)


def inverted_residuals(stages: tuple[Stage, ...], width: int, *layers: str) -> Any:
    """A random network, folded and cut off, whose ReLU6 units reach 0 and 6."""
    torch.manual_seed(5)
    blocks, i = [], width
    for repeats, kernel, stride, o, expansion in stages:
        for n in range(repeats):
            blocks.append(InvertedResidual(i, o, expansion, kernel, 1 if n else stride))
            i = o
    model = nn.Sequential()
    model.add_module("stem", nn.Sequential(*normalized(3, width, 3, 2), nn.ReLU6()))
    model.add_module("blocks", nn.Sequential(*blocks))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 1, 2)
            nn.init.uniform_(module.bias, 0, 2)
    extractor = fold_batch_norms(create_feature_extractor(model, list(layers)))
    return ScaledFeatures(extractor, torch.float32, *SCALINGS["half"]).requires_grad_(False)


@pytest.mark.parametrize("size", [(1, 3, 113, 150), (2, 3, 96, 75), (1, 3, 33, 32)])
@pytest.mark.parametrize(
    "layers",
    [("blocks.6",), ("blocks.5.block.2",), ("blocks.4.block.5", "blocks.1"), ("stem", "blocks.2.block.2", "blocks.2")],
)
def test_inverted_residuals_are_those_of_autograd(layers: Any, size: Any) -> None:
    check(inverted_residuals(SMALL, 8, *layers), size)


@pytest.mark.slow
def test_efficientnet_lite0_is_that_of_autograd() -> None:
    layers = inverted_residuals(LITE0, 32, "blocks.3", "blocks.11.block.2", "blocks.15")
    check(layers, (1, 3, 161, 225), rounding=1e-3)  # which adds up over sixteen blocks of random weights


def check(network: Any, size: Any, rounding: float = 1e-4) -> None:
    fast = cpu_engine.compile_network(network)
    assert fast is not None
    images = pictures(*size)
    expected, grad = run(network, images)
    actual, fast_grad = run(fast, images)
    for name, value in expected.items():
        assert_same(actual[name], value, rounding)
    assert_same_grad(fast_grad, grad, rounding)


@pytest.mark.skipif(not BFLOAT16, reason="no bfloat16 convolutions on this processor")
def test_a_gradient_leaves_the_activations_alone() -> None:
    network = inverted_residuals(SMALL, 8, "stem", "blocks.1.block.2", "blocks.1")
    fast = cpu_engine.compile_network(network, torch.bfloat16)
    assert fast is not None
    images = pictures(1, 3, 65, 70).requires_grad_()
    layers = fast(images)
    before = {name: value.detach().clone() for name, value in layers.items()}
    torch.autograd.grad(sum(value.float().mean() for value in layers.values()), images)  # type: ignore[arg-type]
    assert all(torch.equal(value, before[name]) for name, value in layers.items())


def test_the_network_of_these_tests_saturates() -> None:
    for value in inverted_residuals(SMALL, 8, "blocks.2.block.2", "blocks.5.block.5")(pictures(1, 3, 64, 64)).values():
        assert (value == 0).float().mean() > 0.05
        assert (value == 6).float().mean() > 0.05


def test_every_relu6_is_fused() -> None:
    steps = build_plan(trace_network(inverted_residuals(SMALL, 8, "blocks.6"), torch.rand(1, 3, 64, 64))).steps
    assert not any(isinstance(step, Clamp) for step in steps)
    assert {step.bounds for step in steps if isinstance(step, Conv)} == {(0, 6), None}


class Clamped(nn.Module):
    """Clamps of every kind, one of them after a sum, where no convolution can take it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.left, self.right = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.third, self.fourth = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.requires_grad_(False)
        for conv in (self.right, self.third, self.fourth):
            conv.weight *= 12

    def forward(self, images: Any) -> dict[str, Any]:
        x = F.hardtanh(self.first(4 * images), -0.5, 0.75)
        left, right = torch.clamp(self.left(x), min=-0.1), F.relu6(self.right(x))
        both = F.max_pool2d(torch.cat([F.relu(self.third(x)), F.relu6(self.fourth(x))], 1), 2)
        return {"sum": torch.clamp(left + right, max=1.0), "both": both}


def test_clamps_of_any_bounds() -> None:
    check(Clamped(), (2, 3, 47, 50))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (2, 3), (4, 7)])
@pytest.mark.parametrize("size", [(1, 16, 12, 14), (2, 32, 13, 17), (1, 3, 11, 9)])
@pytest.mark.parametrize("padded", [True, False])
def test_the_gradient_of_a_depthwise_convolution(
    precision: Any, stride: int, kernel: Any, size: Any, padded: bool
) -> None:
    if precision == torch.bfloat16 and not BFLOAT16:
        pytest.skip("no bfloat16 convolutions on this processor")
    channels = size[1]
    weight, bias = torch.randn(channels, 1, *kernel), torch.randn(channels)
    padding = (kernel[0] // 2, kernel[1] // 2) if padded else (0, 0)
    x = torch.randn(size).to(memory_format=torch.channels_last).requires_grad_()
    expected = F.conv2d(x, weight, bias, stride, padding, groups=channels)
    step = Conv((0,), (1,), weight, bias, (stride, stride), padding, (1, 1), channels)
    g = torch.randn_like(expected)
    with torch.no_grad():
        conv = make_kernel(step, precision)
        (actual,), memo = conv.forward(x.to(precision))
        (grad,) = conv.backward(memo, g.to(precision))
    tolerance = 1e-5 if precision == torch.float32 else 0.02
    for mine, plain in ((actual, expected), (grad, torch.autograd.grad(expected, x, g)[0])):
        assert mine.shape == plain.shape
        assert (mine.float() - plain).norm() <= tolerance * plain.norm()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bounds", [(0.0, math.inf), (0.0, 6.0), (0.0, 1.0), (-1.0, 1.0), (-math.inf, 3.0)])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_masked_gradient_is_zero_at_the_bounds_alone(precision: Any, bounds: Any, overwrite: bool) -> None:
    # Every number of bfloat16 from -8 to 8, zeros of both signs among them.
    bits = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.bfloat16)
    activation = bits[bits.abs() <= 8].to(precision).clamp(*bounds).view(1, 1, -1, 2)
    before = activation.clone()
    g = torch.randn(activation.shape).to(precision)
    expected = torch.where((activation > bounds[0]) & (activation < bounds[1]), g, 0)
    assert torch.equal(mask_grad(g.clone(), activation, bounds, overwrite), expected)
    assert overwrite or torch.equal(activation, before)
