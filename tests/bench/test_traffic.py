"""Kernels and bytes of one step at the finest octave of 1920x1080 on CUDA, counted without one, and held."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
import torch
from fake_cuda import CUDA, fake_cuda
from torch import Tensor

from dreamvideo.ascent.ascend import ascend
from dreamvideo.bench.traffic import Traffic, TrafficCounter
from dreamvideo.kernels.library import fusion
from dreamvideo.models.efficientnet_lite import VARIANTS, package_file
from dreamvideo.models.network import Network, load_network
from dreamvideo.settings.dream import ModelSettings

GIGA = 10**9
SLACK = 1.02  # by which a figure may rise

# network -> (kernels, GB) by PyTorch's kernels, and with those of Triton
FIGURES = {
    "dreamnet": ((367, 6.066), (164, 2.490)),
    "dreamnet-drawn": ((432, 6.160), (165, 2.438)),
    "efficientnet_lite2": ((417, 11.448), (136, 4.430)),
}


def step_traffic(network: Network, height: int = 1080, width: int = 1920) -> Traffic:
    """Traffic of one step with all that a carried frame gives it: step scale, target and area."""
    images, plane, one = (
        torch.zeros(shape, device=CUDA) for shape in ((1, 3, height, width), (1, 1, height, width), 1)
    )
    offsets = torch.zeros(1, 1, 2, dtype=torch.long, device=CUDA)

    def step() -> Tensor:
        return inspect.unwrap(ascend)(images, images, network.score, network.look, offsets, plane, one, plane)

    step()  # places constants
    with TrafficCounter() as counter:
        step()
    total: Traffic = counter.total
    return total


@pytest.fixture(scope="module")
def figures() -> Iterator[dict[tuple[str, bool], Traffic]]:
    """(network, whether kernels of Triton run) -> traffic."""
    found: dict[tuple[str, bool], Traffic] = {}
    for name in FIGURES:
        if name in VARIANTS and package_file(name) is None:
            continue
        for fused in (False, True):
            with fake_cuda(values=False, fill=1.0), fusion(fused):
                found[name, fused] = step_traffic(load_network(ModelSettings(name, device="cuda", precision="bf16")))
    yield found


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
@pytest.mark.parametrize("name", FIGURES)
def test_a_finest_step_launches_and_touches_no_more_than_it_did(
    figures: dict[tuple[str, bool], Traffic], name: str, fused: bool
) -> None:
    if (name, fused) not in figures:
        pytest.skip(f"the weights of {name} are not installed")
    kernels, gigabytes = FIGURES[name][fused]
    traffic = figures[name, fused]
    assert traffic.kernels <= SLACK * kernels
    assert traffic.bytes <= SLACK * gigabytes * GIGA
    assert traffic.bytes > gigabytes * GIGA / 1.1, "lower the figure that is held"


def test_kernels_of_triton_halve_what_a_step_touches(figures: dict[tuple[str, bool], Traffic]) -> None:
    for name, fused in list(figures):
        if fused:
            assert figures[name, True].bytes < 0.5 * figures[name, False].bytes
            assert figures[name, True].kernels < 0.5 * figures[name, False].kernels


def counted(work: object) -> Traffic:
    with TrafficCounter() as counter:
        work()  # type: ignore[operator]
    total: Traffic = counter.total
    return total


def test_inputs_and_results_count_once_each_and_views_nothing() -> None:
    a, b = torch.zeros(10, 10), torch.zeros(10, 10)
    assert counted(lambda: (a + b).t()[2:].view(8, 5, 2)) == Traffic(1, 1200)
    assert counted(lambda: a.add_(b)) == Traffic(1, 1200)  # a is read and written
    assert counted(lambda: a.copy_(b)) == Traffic(1, 800)
    assert counted(lambda: torch.add(a, b, out=b)) == Traffic(1, 1200)
    assert counted(lambda: a + b[0].expand(10, 10)) == Traffic(1, 840)  # an expanded tensor is what it is made of
    assert counted(lambda: torch.empty(5)) == Traffic(0, 0)


def test_what_cudnn_does_beside_a_convolution_counts() -> None:
    images = torch.zeros(1, 8, 4, 4).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.zeros(8, 8, 1, 1), torch.zeros(8)
    plain = counted(lambda: torch.conv2d(images, weight))
    assert plain == Traffic(1, 2 * images.nbytes + weight.nbytes)
    biased = counted(lambda: torch.conv2d(images, weight, bias))
    assert biased == Traffic(2, plain.bytes + bias.nbytes + 2 * images.nbytes)
    some = weight[:, :4].contiguous()
    part = counted(lambda: torch.conv2d(images[:, :4], some))  # a part is copied first
    assert part == Traffic(2, 3 * images.nbytes // 2 + images.nbytes + some.nbytes)
