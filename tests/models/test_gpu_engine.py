"""Networks run by the operations of the GPU engine, here in their plain versions, as by autograd."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Sequence
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

from dreamvideo.models import cpu_engine, registry, tracing
from dreamvideo.models.efficientnet_lite import InvertedResidual
from dreamvideo.models.gpu_engine import build
from dreamvideo.models.gpu_engine.build import FusedFeatures, fuse_network
from dreamvideo.models.objectives import Features
from dreamvideo.models.registry import find_model
from dreamvideo.models.tracing import Nodes, describe_outputs, finish_features, traced_outputs

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def fused() -> Iterator[None]:
    """Networks on the CPU are treated as on CUDA."""
    with mock.patch.object(build, "fused_on", lambda device: True):
        yield


class Inception(nn.Module):
    """Branches that are merged, split, pooled and concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 4, 2, 1), nn.ReLU())
        self.red = nn.Sequential(nn.Conv2d(12, 14, 1), nn.ReLU())
        self.wide = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU())
        self.late = nn.Sequential(nn.Conv2d(12, 5, 1), nn.ReLU())
        self.pool, self.halve = nn.AvgPool2d(3, 1, 1, count_include_pad=False), nn.AvgPool2d(2)
        self.end = nn.Conv2d(21, 7, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.halve(x)
        narrow, reduced = torch.split(self.red(x), [8, 6], 1)
        joined = torch.cat([narrow, self.wide(reduced), self.late(self.pool(x))], 1)
        return self.end(self.halve(joined))


class Residual(nn.Module):
    """Blocks with skips, at both strides, and sums of which one is not in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU6())
        self.first = InvertedResidual(8, 8, 1, 3, 1)
        self.blocks = nn.Sequential(*(InvertedResidual(8, 8, 4, 5 - 2 * (i % 2), 1) for i in range(3)))
        self.down = InvertedResidual(8, 12, 3, 5, 2)
        self.side = nn.Conv2d(12, 12, 3, padding=1)
        self.end = nn.Sequential(nn.Conv2d(12, 16, 1), nn.ReLU6())

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(self.blocks(self.first(self.stem(x))))
        return self.end(x + self.side(x))


def random_network(kind: type[nn.Module]) -> nn.Module:
    """A frozen network, the same in each run, whose batch norms are not the identity."""
    torch.manual_seed(0)
    network = kind()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
    return network.eval().requires_grad_(False)


def both(network: nn.Module, names: Sequence[str]) -> tuple[Features, Features]:
    """A network by autograd and by the engine."""
    whole = Nodes(traced_outputs(network), names)
    with (
        mock.patch.object(cpu_engine, "compile_network", lambda *args: None),
        mock.patch.object(tracing, "fuse_network", lambda network, *args: network),
    ):
        plain = finish_features(whole, describe_outputs(whole, "small"), "half", CPU, torch.float32)
    return plain, fuse_network(plain, plain, CPU, torch.float32)


def images_off_kinks(network: nn.Module) -> Tensor:
    """Images with which no rounding of float32 moves an activation over a kink, where its gradient would jump."""
    exact, near = copy.deepcopy(network).double(), []
    for module in exact.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6):
            kinks = (0, 6) if isinstance(module, nn.ReLU6) else (0,)
            module.register_forward_pre_hook(
                lambda _, x, kinks=kinks: near.append(min(float((x[0] - kink).abs().min()) for kink in kinks))
            )
    for seed in range(1000):
        images = torch.rand(2, 3, 25, 30, generator=torch.Generator().manual_seed(seed))
        near.clear()
        exact(images.double() * 2 - 1)  # as `both` scales them
        if min(near) > 1e-5:  # ten times what activations of this size differ by
            return images
    raise AssertionError("every image has an activation on a kink")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Inception, ["end"]),
        (Inception, ["stem", "cat", "halve_1", "end"]),
        (Inception, ["red", "late"]),
        (Residual, ["end"]),
        (Residual, ["first", "blocks.1", "down", "add", "end"]),
        (Residual, ["blocks.0.block.2", "blocks.2.add"]),
    ],
)
def test_a_network_gives_the_activations_and_gradients_of_autograd(kind: type[nn.Module], names: list[str]) -> None:
    network = random_network(kind)
    plain, fused = both(network, names)
    assert isinstance(fused, FusedFeatures)
    images = images_off_kinks(network)
    for some in ([name] for name in names):  # with a gradient of one layer alone
        grads = []
        for features in (plain, fused):
            leaf = images.clone().requires_grad_()
            outputs = features(leaf)
            grads.append(
                torch.autograd.grad(torch.stack([outputs[name].square().sum() for name in some]).sum(), leaf)[0]
            )
            again = features(images)
            assert all(torch.equal(again[name], outputs[name]) for name in names)
        torch.testing.assert_close(grads[1], grads[0], atol=1e-4 * float(grads[0].abs().max()), rtol=0)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_dreamnet_is_fused_and_as_near_to_float32_as_by_autograd(precision: torch.dtype) -> None:
    caught = []
    with (
        mock.patch.object(cpu_engine, "compile_network", lambda *args: None),
        mock.patch.object(registry, "fuse_network", lambda *args: caught.append(args) or args[1]),
    ):
        find_model("dreamnet").cut(["s8b", "s16a", "map.s16b"], CPU, precision)
    network, plain, _, _ = caught[0]
    fused = fuse_network(network, plain, CPU, precision)
    assert isinstance(fused, FusedFeatures)
    images = torch.rand(1, 3, 90, 120, generator=torch.Generator().manual_seed(3))
    exact, rounded, ours = (build._trial(each, images) for each in (network, plain, fused))
    for name in exact:
        theirs = float((rounded[name] - exact[name]).norm())
        assert float((ours[name] - exact[name]).norm()) <= 1.25 * theirs + 1e-5 * float(exact[name].norm())


def test_a_network_that_differs_or_is_not_known_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    plain, fused = both(random_network(Inception), ["end"])
    assert fuse_network(plain, plain, CPU, torch.float32) is not plain

    def other(images: Tensor) -> dict[str, Tensor]:
        return {"image": images}

    with caplog.at_level(logging.INFO):
        assert fuse_network(other, other, CPU, torch.float32) is other
        assert "no convolution" in caplog.text
        scaled = mock.Mock(side_effect=lambda images: {name: 1.01 - value for name, value in plain(images).items()})
        assert fuse_network(plain, scaled, CPU, torch.float32) is scaled
        assert "differs from autograd" in caplog.text


def test_a_run_is_differentiated_once() -> None:
    _, fused = both(random_network(Inception), ["end"])
    leaf = torch.rand(1, 3, 40, 40).requires_grad_()
    score = fused(leaf)["end"].sum()
    torch.autograd.grad(score, leaf, retain_graph=True)
    with pytest.raises(RuntimeError, match="a second gradient"):
        torch.autograd.grad(score, leaf)
