"""On CUDA some operations add in another order each time, and the last bit differs: a dream has none of them.

Which ones is listed at `torch.use_deterministic_algorithms`. There they are refused on CUDA alone, so here each
operation that is dispatched is looked up, also those of gradients.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TinyNet, stream, textured
from hypothesis import given
from hypothesis import strategies as st
from small_networks import SMALL
from torch.utils._python_dispatch import TorchDispatchMode

from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent.jitter import shift, shift_gradient
from dreamvideo.ascent.octaves import dream
from dreamvideo.ascent.tiling import TiledScore
from dreamvideo.kernels import graph_capture
from dreamvideo.models import cpu_engine
from dreamvideo.models.class_odds import focused
from dreamvideo.models.network import Network, PaddedFeatures, load_network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.video.pipeline import dream_video

CPU = torch.device("cpu")
LOOK = DreamSettings(octaves=2, iterations=2, jitter=8)

# Left out: `median` with its indices, of which only the values are used, and convolutions, for which see
# `process.configure_process`.
UNORDERED = {
    *(
        "scatter_add",
        "scatter_reduce",
        "put",
        "histc",
        "bincount",
        "kthvalue",
        "nll_loss_forward",
        "nll_loss2d_forward",
    ),
    *("upsample_linear1d_backward", "upsample_bilinear2d_backward", "upsample_bicubic2d_backward"),
    *("_upsample_bilinear2d_aa_backward", "_upsample_bicubic2d_aa_backward", "upsample_trilinear3d_backward"),
    *("reflection_pad1d_backward", "reflection_pad2d_backward", "reflection_pad3d_backward"),
    *("replication_pad1d_backward", "replication_pad2d_backward", "replication_pad3d_backward"),
    *("_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward", "adaptive_max_pool2d_backward"),
    *("avg_pool3d_backward", "max_pool3d_with_indices_backward", "fractional_max_pool2d_backward", "max_unpool2d"),
    *("grid_sampler_2d_backward", "grid_sampler_3d_backward", "embedding_dense_backward", "_ctc_loss_backward"),
}
# Here no two sources may go to one place.
UNORDERED_AT_ONE_PLACE = {"index_add": 2, "index_copy": 2, "index_reduce": 2}


class Ordered(TorchDispatchMode):
    """Collects the operations that add in an order of their own."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found, self.seen = set[str](), set[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__.rstrip("_")
        self.seen.add(name)
        if name in UNORDERED or (name == "cumsum" and args[0].is_floating_point()):
            self.found.add(name)
        if name in UNORDERED_AT_ONE_PLACE:
            places = args[UNORDERED_AT_ONE_PLACE[name]]
            if len(places.unique()) < len(places):
                self.found.add(name)
        if name in ("index_put", "_index_put_impl") and (args[3:] or [False])[0]:
            self.found.add(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def ordered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ordered]:
    """Ascents take the way of recorded ones, networks the operations that they have on CUDA."""
    recorder = cuda_graphs.GraphRecorder(lambda work: work)
    monkeypatch.setattr(graph_capture, "recorded_on", lambda device: True)
    monkeypatch.setattr(cuda_graphs, "_recorder", lambda device: recorder)
    monkeypatch.setattr(cpu_engine, "compile_network", lambda network, precision: None)
    torch.use_deterministic_algorithms(True)
    try:
        with Ordered() as mode:
            yield mode
    finally:
        torch.use_deterministic_algorithms(False)
    assert not mode.found
    assert "convolution_backward" in mode.seen


def tiny(*terms: Term) -> Objective:
    return Objective(TinyNet(), terms)


FOCUSED = tiny(Term("second", kind="focus", picks=(1, 3)), Term("first", kind="l4"))
CHOSEN = tiny(Term("first", kind="mix"), Term("second", picks=(2, 5)), Term("second", kind="class", picks=(0,)))
NEURON = tiny(Term("second", kind="sum", picks=(2,), center=True), Term("second", 0.5, "log"))
RANDOM_GUIDE = torch.rand(8, 30, generator=torch.Generator().manual_seed(0))
GUIDED = Objective(TinyNet(), (Term("second", kind="guide"),), guides={"second": RANDOM_GUIDE})
PADDED = Objective(PaddedFeatures(TinyNet(), 64, 32), (Term("second"),))


@pytest.mark.parametrize("score", [FOCUSED, CHOSEN, NEURON, GUIDED, PADDED, TiledScore(FOCUSED, 64, CPU)])
def test_fake_cuda_every_objective_adds_in_order(ordered: Ordered, score: Any) -> None:
    for index in (1, 2):  # the second time as recorded
        dream(torch.rand(1, 3, 84, 100), score, LOOK, jitter_index=[index])


@pytest.mark.parametrize(
    "look",
    [
        replace(LOOK, decorrelate=True, tv=0.4, noise=0.05),
        replace(LOOK, keep_colors=True, normalize="std", border="wrap"),
        replace(LOOK, normalize="none", smoothing="fixed", space="imagenet", color=-1.0),
        replace(LOOK, detail=False, anchor=0.0, headroom=0.0),
    ],
)
def test_fake_cuda_every_look_adds_in_order(ordered: Ordered, look: DreamSettings) -> None:
    for index in (1, 2):
        dream(torch.rand(2, 3, 72, 96), FOCUSED, look, jitter_index=[index, index + 1])


def test_fake_cuda_a_film_in_lanes_adds_in_order(ordered: Ordered) -> None:
    images = [np.roll(textured(72, 96, seed), 3 * i, 1) for seed in (1, 2) for i in range(4)]
    network = Network("tiny", FOCUSED, CPU, torch.float32)
    assert len(list(dream_video(stream(images), network, LOOK, CarrySettings(lanes=2)))) == len(images)


@pytest.mark.parametrize("name", [ModelSettings().model, "dreamnet", *(f"small_networks:{name}" for name in SMALL)])
def test_fake_cuda_every_kind_of_network_adds_in_order(ordered: Ordered, name: str) -> None:
    """Those with a head for classes after a pooled map of several cells, such as VGG, do not for classes."""
    settings = ModelSettings(model=name, device="cpu", precision="fp32")
    network = load_network(settings, ObjectiveSettings())
    for index in (1, 2):
        dream(torch.rand(1, 3, 100, 132), network.score, replace(LOOK, iterations=1), jitter_index=[index])


@given(
    size=st.tuples(st.integers(1, 17), st.integers(1, 17)),
    border=st.sampled_from(["reflect", "wrap"]),
    data=st.data(),
)
def test_the_gradient_of_a_shift_that_is_data_is_that_of_autograd(
    size: tuple[int, int], border: str, data: st.DataObject
) -> None:
    draws = [st.integers(-(side // 4), side // 4) for side in size]
    shifts = [data.draw(st.tuples(*draws)) for _ in range(2)]
    images = torch.rand(2, 3, *size, dtype=torch.float64, requires_grad=True)
    grads = torch.rand(2, 3, *size, dtype=torch.float64)
    given_shifts = torch.tensor(shifts)
    (expected,) = torch.autograd.grad(shift(images, given_shifts, border), images, grads)
    assert torch.equal(shift_gradient(grads, given_shifts, border), shift_gradient(grads, shifts, border))
    assert torch.allclose(shift_gradient(grads, given_shifts, border), expected)


def test_what_is_not_finite_stays_where_it_is_shifted_to() -> None:
    grads = torch.zeros(1, 1, 8, 8)
    grads[0, 0, 0, 0], grads[0, 0, 7, 7] = float("inf"), float("nan")
    shifts = torch.tensor([[2, -1]])
    assert shift_gradient(grads, shifts, "reflect").isfinite().sum() == 62


@given(st.tuples(*[st.integers(1, 12)] * 4))
def test_a_focus_of_another_size_is_interpolated(sizes: tuple[int, int, int, int]) -> None:
    focus, activation = torch.randn(2, 1, *sizes[:2], requires_grad=True), torch.rand(2, 3, *sizes[2:])
    expected = activation * (torch.nn.functional.interpolate(focus, sizes[2:], mode="bilinear") / 4).exp()
    made = focused(activation, focus)
    assert torch.allclose(made, expected, rtol=1e-4, atol=1e-5)
    grad, expected_grad = (torch.autograd.grad(each.sum(), focus)[0] for each in (made, expected))
    assert torch.allclose(grad, expected_grad, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
def test_on_the_gpu_the_same_film_is_the_same_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    network = load_network(ModelSettings(device="cuda"), ObjectiveSettings())
    images = [np.roll(textured(360, 640, 3), 3 * i, 1) for i in range(6)]
    films = [dream_video(stream(images), network, DreamSettings(), CarrySettings(lanes=1)) for _ in range(2)]
    for one, other in zip(*films, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
