"""Replayed ascents: on the CPU with a recorder that only calls again, on CUDA (`-m gpu`) with graphs."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock
from unittest.mock import ANY, MagicMock

import numpy as np
import pytest
import reference
import torch
from conftest import TinyNet, stream, textured
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.overrides import TorchFunctionMode

from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent import octaves as dreaming
from dreamvideo.ascent.ascend import ascend, gradient
from dreamvideo.ascent.ascend import gain as gain_of
from dreamvideo.ascent.jitter import shift, shift_gradient
from dreamvideo.ascent.octaves import dream
from dreamvideo.kernels import graph_capture
from dreamvideo.models.mixed_objective import mix_objectives
from dreamvideo.models.network import Network, load_network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.tensors import to_image, to_tensor
from dreamvideo.video.pipeline import dream_video

SMALL = DreamSettings(octaves=2, iterations=3, jitter=4)
CPU = torch.device("cpu")


def pictures(*seeds: Any, height: int = 72, width: int = 95) -> torch.Tensor:
    return torch.cat([to_tensor(textured(height, width, seed), CPU) for seed in seeds])


def tiny_score() -> Objective:
    return Objective(TinyNet(), (Term("second"),))


@pytest.mark.parametrize("border", ["reflect", "wrap"])
@given(count=st.integers(1, 3), height=st.integers(1, 9), width=st.integers(1, 9), data=st.data())
def test_shifts_by_list_and_by_tensor_are_the_literal_ones(
    border: str, count: int, height: int, width: int, data: st.DataObject
) -> None:
    down, right = (20, 20) if border == "wrap" else (height, width)
    shifts = [(data.draw(st.integers(-down, down)), data.draw(st.integers(-right, right))) for _ in range(count)]
    images = torch.rand(count, 3, height, width, dtype=torch.float64)
    for move, literal in ((shift, reference.shifted), (shift_gradient, reference.shifted_back)):
        expected = np.stack([literal(image, *by, border) for image, by in zip(images.numpy(), shifts, strict=True)])
        for by in (torch.tensor(shifts), shifts):  # a corner pixel is shown up to four times, summed in any order
            if move is shift_gradient and border == "reflect" and isinstance(by, Tensor):
                continue  # at most a quarter of the image: in video/test_fake_cuda_order.py
            assert np.allclose(move(images, by, border), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("paced", [False, True])
def test_an_ascent_by_tensor_is_that_by_list_bit_for_bit(paced: bool) -> None:
    images, score = pictures(1, 2), tiny_score()
    offsets = [[(3, -2), (0, 4)], [(1, 1), (1, 1)], [(-4, 0), (2, -3)]]
    step_scale = 1 + torch.rand(2, 1, 72, 95) if paced else None
    by_list = ascend(images, images, score, SMALL, offsets, step_scale)
    assert torch.equal(by_list, ascend(images, images, score, SMALL, torch.tensor(offsets), step_scale))
    assert not torch.equal(by_list, images)


def test_a_dream_by_tensor_agrees_with_the_literal_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_tensor(images: Any, base: Any, score: Objective, settings: Any, offsets: Any, *held: Any) -> Tensor:
        return ascend(images, base, score, settings, torch.tensor(offsets), *held)

    monkeypatch.setattr(dreaming, "ascend", by_tensor)
    image = pictures(0)
    literal = reference.dream(
        image[0].double().numpy(), Objective(TinyNet().double(), (Term("second"),)), SMALL, jitter_index=2
    )
    assert np.abs(dream(image, tiny_score(), SMALL, jitter_index=[2])[0].numpy() - literal).max() < 1e-4


def test_what_the_gradient_is_multiplied_by_is_exact() -> None:
    image, score = pictures(0, height=360, width=640), tiny_score()
    plain = image.clone().requires_grad_()
    (grad,) = torch.autograd.grad(score(plain).sum(), plain)
    assert torch.equal(gradient(image, score, [(0, 0)])[0], grad * gain_of(image, score))
    assert gain_of(image, score) == 2**14


def test_fp16_holds_the_gradient_of_a_large_picture() -> None:
    """As fp16 on a GPU: numbers below 6e-8 are lost on their way back through the network."""

    class Lossy(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g.half().float()

    image, score = pictures(0, height=1080, width=1920), tiny_score()
    lossy = replace(score, features=lambda x: {k: Lossy.apply(v) for k, v in score.features(Lossy.apply(x)).items()})
    plain = image.clone().requires_grad_()
    (lost,) = torch.autograd.grad(lossy(plain).sum(), plain)
    exact, gain = gradient(image, score, [(0, 0)])[0], gain_of(image, score)

    def error(grad: Any) -> Any:
        return ((grad - exact).norm() / exact.norm()).item()

    assert error(gradient(image, lossy, [(0, 0)])[0]) < 5e-4
    assert error(lost * gain) > 5e-3, "the test loses nothing"


@pytest.mark.parametrize(
    "term",
    [
        Term("second", kind="sum"),
        Term("second", kind="l2", picks=(1,), center=True),
        Term("second", kind="mean", picks=(1,), center=True),
        Term("pooled", kind="class", picks=(1,)),
        Term("second", kind="class", picks=(1,)),
        Term("second", kind="log"),
        Term("second", kind="l4"),
    ],
    ids=lambda term: f"{term.layer} {term.kind}{' neuron' * term.center}",
)
def test_gradients_of_every_kind_are_finite_in_fp16(term: Term) -> None:
    image = pictures(0, height=720, width=1280)  # its gain for means over places is more than fp16 can hold

    def score(dtype: torch.dtype) -> Objective:
        net = TinyNet().to(dtype)

        def features(images: Tensor) -> Any:
            second = net(images.to(dtype))["second"]
            return {"second": second, "pooled": second.mean((2, 3))}

        return Objective(features, (term,))

    grad, exact = (gradient(image, score(dtype), [(0, 0)])[0] for dtype in (torch.float16, torch.float32))
    assert torch.isfinite(grad).all()
    assert torch.cosine_similarity(grad.flatten(), exact.flatten(), 0) > 0.98


def test_what_is_no_number_is_never_carried() -> None:
    score = tiny_score()
    broken = replace(
        score, features=lambda x: {name: torch.inf * (x - x).mean() + a for name, a in score.features(x).items()}
    )
    image = pictures(0)
    for settings in (SMALL, replace(SMALL, normalize="std"), replace(SMALL, normalize="none", color=-1.0)):
        dreamed = dream(image, broken, settings, target_score=torch.tensor([torch.nan]))
        assert torch.isfinite(dreamed).all()
    held = dream(image, score, SMALL, target_score=torch.tensor([torch.nan]))
    assert torch.equal(held, dream(image, score, SMALL)), "a score that is no number holds nothing"


class Calls:
    """A recorder for the CPU: what it recorded is done again by calling it."""

    def __init__(self) -> None:
        self.recorded = 0
        self.replayed = 0
        self.recorder = cuda_graphs.GraphRecorder(self)

    def __call__(self, work: Any) -> Callable[..., Any]:
        self.recorded += 1
        work()  # a warm-up: it leaves the buffers changed

        def replay() -> None:
            self.replayed += 1
            work()

        return replay


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Ascents on the CPU go by a recorder, as on CUDA."""
    calls = Calls()
    monkeypatch.setattr(graph_capture, "recorded_on", lambda device: True)
    monkeypatch.setattr(cuda_graphs, "_recorder", lambda device: calls.recorder)
    return calls


def eagerly(function: Any) -> Any:
    """What `function` returns when nothing is recorded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_capture, "recorded_on", lambda device: False)
        return function()


def test_a_replayed_dream_is_the_same_and_each_size_is_recorded_at_its_second_use(calls: Calls) -> None:
    score = tiny_score()
    for seed in range(3):
        images = pictures(seed, seed + 5)
        jitter_indices = [seed, 2 * seed]
        dreamed = dream(images, score, SMALL, jitter_index=jitter_indices)
        expected = eagerly(
            lambda images=images, indices=jitter_indices: dream(images, score, SMALL, jitter_index=indices)
        )
        assert torch.equal(dreamed, expected)
        assert calls.recorded == (2 if seed else 0), "a photo is not recorded"
    assert (calls.recorded, calls.replayed) == (2, 4)


def test_a_result_outlasts_the_next_replay(calls: Calls) -> None:
    score = tiny_score()
    _, first = (dream(pictures(0), score, SMALL) for _ in range(2))
    copy = first.clone()
    dream(pictures(1), score, SMALL)
    assert calls.replayed == 4
    assert torch.equal(first, copy)


def test_other_networks_settings_steps_batches_and_paces_have_recordings_of_their_own(calls: Calls) -> None:
    score, images = tiny_score(), pictures(0)
    offsets = [[(1, 2)], [(0, 3)]]
    step_scale = torch.full((1, 1, 72, 95), 2.0)
    variants: list[Any] = [
        (images, images, score, SMALL, offsets),
        (images, images, tiny_score(), SMALL, offsets),
        (images, images, score, replace(SMALL, smooth=0.5), offsets),
        (images, images, score, SMALL, offsets[:1]),
        (images, images, score, replace(SMALL, tv=0.5), offsets),
        (images, images, score, replace(SMALL, tv=0.5), offsets, step_scale),
        (images, images, score, SMALL, offsets, None, torch.ones(1)),
        (images[..., :80], images[..., :80], score, SMALL, offsets),
        (torch.cat([images, images]), torch.cat([images, images]), score, SMALL, [row * 2 for row in offsets]),
    ]
    for _ in range(3):
        for variant in variants:
            assert torch.equal(ascend(*variant), eagerly(lambda variant=variant: ascend(*variant)))
    assert calls.recorded == len(variants)


def test_what_decides_which_steps_are_taken_is_data_of_a_recording(calls: Calls) -> None:
    score, images, offsets = tiny_score(), pictures(0), [[(1, 2)], [(0, 3)]]
    scales = [None, torch.full((1, 1, 72, 95), 2.0), torch.rand(1, 1, 72, 95), None]
    for (jitter, octaves), scale in zip(((16, 2), (3, 4), (0, None), (8, 1)), scales, strict=True):
        size = 0.01 + jitter / 100
        settings = replace(SMALL, jitter=jitter, octaves=octaves, iterations=jitter + 1, seed=jitter, step_size=size)
        dreamed = ascend(images, images, score, settings, offsets, scale)
        assert torch.equal(dreamed, eagerly(lambda s=settings, x=scale: ascend(images, images, score, s, offsets, x)))
    assert (calls.recorded, calls.replayed) == (1, 3)


@pytest.mark.parametrize("look", [SMALL, replace(SMALL, tv=0.2, noise=0.1)], ids=["usual", "smoothed"])
def test_the_numbers_of_a_look_are_data_of_a_recording(calls: Calls, look: DreamSettings) -> None:
    """What a replay gives is what the numbers of the settings give on a CPU, to the last bit."""
    score, images, offsets = tiny_score(), pictures(0), [[(1, 2)], [(0, 3)]]
    changes: dict[str, Any] = {"color": 0.3, "headroom": 0.1, "anchor": 0.3, "step_size": 0.03, "noise": look.noise / 2}
    dreams = []
    for name, value in [*changes.items(), *changes.items()]:
        settings = replace(look, tv=look.tv * value, **{name: value})
        dreams.append(ascend(images, images, score, settings, offsets))
        assert torch.equal(dreams[-1], eagerly(lambda s=settings: ascend(images, images, score, s, offsets))), name
    assert calls.recorded == 1
    assert all(not torch.equal(one, other) for one, other in zip(dreams[:3], dreams[1:4], strict=True))


def test_whether_a_number_is_zero_is_part_of_a_recording(calls: Calls) -> None:
    score, images, offsets = tiny_score(), pictures(0), [[(1, 2)]]
    changes: list[dict[str, Any]] = [
        {},
        {"headroom": 0.0},
        {"anchor": 0.0},
        {"noise": 0.2},
        {"tv": 0.2},
        {"color": -0.5},
        {"color": -1.0},
    ]
    for change in changes:
        settings = replace(SMALL, **change)
        for _ in range(2):
            dreamed = ascend(images, images, score, settings, offsets)
            assert torch.equal(dreamed, eagerly(lambda s=settings: ascend(images, images, score, s, offsets)))
    assert calls.recorded == 6, "how far a color is below 0 does not matter"


def test_shares_of_a_mixture_are_data_of_a_recording(calls: Calls) -> None:
    parts, images = [tiny_score(), tiny_score()], pictures(0)
    mixture = mix_objectives([parts[0], replace(parts[1], terms=(Term("first"),))], torch.device("cpu"))
    dreams = []
    for share in (0.0, 0.3, 0.7, 1.0):
        mixture.weigh([1 - share, share])
        dreams.append(ascend(images, images, mixture, SMALL, [[(1, 2)]]))
        assert torch.equal(dreams[-1], eagerly(lambda: ascend(images, images, mixture, SMALL, [[(1, 2)]])))
    assert (calls.recorded, calls.replayed) == (1, 3)
    assert not torch.equal(dreams[1], dreams[2])


def test_a_video_dreams_the_same_by_replays(calls: Calls, tiny_network: Network) -> None:
    images = [*(np.roll(textured(48, 64, 1), i, 1) for i in range(9)), *(textured(48, 64, 2 + i) for i in range(3))]

    def video() -> list[Any]:
        carrying = CarrySettings(lanes=2)
        settings = replace(SMALL, octaves=1)
        return [frame.image for frame in dream_video(stream(images), tiny_network, settings, carrying)]

    assert all(np.array_equal(a, b) for a, b in zip(video(), eagerly(video), strict=True))
    assert calls.replayed > calls.recorded


def test_a_film_whose_look_changes_at_every_frame_has_the_recordings_of_a_fixed_one(
    calls: Calls, tiny_network: Network
) -> None:
    images = [np.roll(textured(48, 64, 1), i, 1) for i in range(9)]

    def look(time: Any) -> DreamSettings:
        t = float(time)
        numbers: dict[str, Any] = {
            "color": 0.4 + t,
            "headroom": 0.2 + t / 9,
            "anchor": 0.05 + t / 2,
            "noise": 0.1 + t / 2,
        }
        return replace(SMALL, **numbers, step_size=0.01 + t / 9)

    fixed = look(0)
    counts = []
    for settings in (fixed, fixed, look):
        before = calls.recorded
        dreamed = [frame.image for frame in dream_video(stream(images), tiny_network, settings, CarrySettings())]
        counts.append(calls.recorded - before)
    assert counts[0] > 0 and counts[2] == 0, "those of the fixed one are replayed"
    plain = eagerly(lambda: list(dream_video(stream(images), tiny_network, look, CarrySettings())))
    assert all(np.array_equal(one, other.image) for one, other in zip(dreamed, plain, strict=True))


def test_the_recordings_kept_are_bounded_and_share_their_buffers(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "MAX_RECORDINGS", 3)
    score = tiny_score()
    for width in (95, 60, 50, 40, 95, 40):
        for _ in range(2):
            ascend(pictures(0)[..., :width], pictures(0)[..., :width], score, SMALL, [[(1, 1)]])
    assert calls.recorded == 5  # four widths, and the first once more
    assert len(calls.recorder.recordings) == 3
    held = {x.untyped_storage().data_ptr() for r in calls.recorder.recordings.values() for x in r.inputs.values()}
    assert len(held) == 5  # images, base, jitter, size of the steps, numbers of the look


def test_what_cannot_be_recorded_is_done_step_by_step_and_said_once(
    calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(work: Any) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    calls.recorder.record = fail
    score = tiny_score()
    with caplog.at_level(logging.WARNING):
        for seed in range(3):
            images = pictures(seed)
            dreamed = dream(images, score, SMALL)
            assert torch.equal(dreamed, eagerly(lambda images=images: dream(images, score, SMALL)))
    (record,) = caplog.records
    assert record.message.endswith("cannot record (operation not permitted when stream is capturing)")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),  # of cudaGraphInstantiate
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    ],
)
def test_a_recording_that_does_not_fit_is_called_instead_and_others_are_recorded(
    calls: Calls, caplog: pytest.LogCaptureFixture, error: RuntimeError
) -> None:
    tried = []

    def tight(work: Any) -> Callable[..., Any]:
        tried.append(work)
        if len(tried) == 1:
            raise error
        return calls(work)

    calls.recorder.record = tight
    score = tiny_score()
    large, small = pictures(0), pictures(0)[..., :40]
    for images in (large, small) * 4:
        ascent = (images, images, score, SMALL, [[(1, 1)]])
        assert torch.equal(ascend(*ascent), eagerly(lambda ascent=ascent: ascend(*ascent)))
    assert len(tried) == 2 and calls.recorded == 1, "what does not fit is tried once"
    assert calls.replayed == 3
    assert not caplog.records


def test_recordings_are_counted_those_that_fail_too(calls: Calls) -> None:
    counts = [cuda_graphs.recordings_made()]
    score, small = tiny_score(), pictures(0)[..., :40]
    for _ in range(3):
        ascend(pictures(0), pictures(0), score, SMALL, [[(1, 1)]])
        counts.append(cuda_graphs.recordings_made())
    calls.recorder.record = mock.Mock(side_effect=torch.OutOfMemoryError)
    for _ in range(3):
        ascend(small, small, score, SMALL, [[(1, 1)]])
        counts.append(cuda_graphs.recordings_made())
    assert [count - counts[0] for count in counts] == [0, 0, 1, 1, 1, 2, 2]


def test_the_device_of_the_recordings_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = mock.Mock()
    monkeypatch.setattr(torch.cuda, "synchronize", waited)
    there = torch.device("cuda:1")
    monkeypatch.setitem(cuda_graphs._recorders, there, cuda_graphs.GraphRecorder(mock.Mock()))
    cuda_graphs.forget_recordings()
    waited.assert_called_once_with(there)
    assert there not in cuda_graphs._recorders


def test_a_second_ascent_takes_nothing_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording may neither wait for the CPU nor lose a constant that it points to."""
    dream(pictures(0), tiny_score(), SMALL)
    taken = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.Tensor.to and not isinstance(args[1], torch.dtype):
                taken.append(args)
            return func(*args, **(kwargs or {}))

    images, score = pictures(1), tiny_score()
    with Watch():
        dream(images, score, SMALL)
    assert not taken


def test_a_recording_is_made_after_warm_ups_on_the_same_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything of CUDA is a stand-in: this holds the order of calls, a GPU the rest."""
    log = MagicMock()
    for name in ("Stream", "graph_pool_handle", "current_stream", "device", "stream", "CUDAGraph", "graph"):
        monkeypatch.setattr(torch.cuda, name, getattr(log, name))
    replay = graph_capture.on_cuda(torch.device("cuda:0"))(log.work)
    side, current, graph = log.Stream.return_value, log.current_stream.return_value, log.CUDAGraph.return_value
    calls = log.mock_calls
    works = [i for i, call in enumerate(calls) if call == mock.call.work()]
    begun = calls.index(mock.call.graph(graph, pool=ANY, stream=side, capture_error_mode="thread_local"))
    assert len(works) == graph_capture.WARMUP_RUNS + 1
    assert calls.index(mock.call.Stream().wait_stream(current)) < calls.index(mock.call.stream(side)) < works[0]
    assert works[-2] < calls.index(mock.call.current_stream().wait_stream(side)) < begun < works[-1]
    assert replay is graph.replay


def test_nothing_is_recorded_on_a_cpu_or_where_it_is_switched_off() -> None:
    assert not graph_capture.recorded_on(CPU)
    assert graph_capture.recorded_on(torch.device("cuda:0"))
    with graph_capture.enabled(False):
        assert not graph_capture.recorded_on(torch.device("cuda:0"))
        with graph_capture.enabled(True):
            assert graph_capture.recorded_on(torch.device("cuda:0"))
    assert graph_capture.recorded_on(torch.device("cuda:0"))


# From here on: a GPU. Where it is missing these tests fail, for `-m gpu` asks for one.


@pytest.fixture
def cuda() -> Iterator[torch.device]:
    cuda_graphs.forget_recordings()
    yield torch.device("cuda:0")
    torch.cuda.synchronize()
    cuda_graphs.forget_recordings()


def dreamnet(device: torch.device, precision: Any = "fp32") -> Network:
    return load_network(ModelSettings(device=str(device), precision=precision), ObjectiveSettings())


def warm(images: Any, score: Objective, settings: DreamSettings = SMALL) -> Tensor:
    """A frame that starts from a carried dream."""
    residual = 0.1 * torch.roll(images, 5, 3) - 0.05
    step_scale = 1 + images[:, :1]
    return dream(images, score, settings, residual=residual, step_scale=step_scale, jitter_index=range(len(images)))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
@pytest.mark.parametrize("make", [dream, warm])
def test_graphs_dream_as_plain_calls_do(
    cuda: torch.device, caplog: pytest.LogCaptureFixture, precision: Any, make: Any
) -> None:
    score = dreamnet(cuda, precision).score
    for seeds in ((0,), (1,), (2, 3, 4), (5, 6, 7)):
        images = pictures(*seeds, height=180, width=240).to(cuda)
        dreamed = make(images, score, SMALL)
        with graph_capture.enabled(False):
            plain = make(images, score, SMALL)
        # Libraries may add in another order from one call to the next; three steps make little of it.
        assert (dreamed - plain).abs().mean() < 1e-4 and (dreamed - plain).abs().max() < 2e-2, seeds
    assert not caplog.records
    assert len(cuda_graphs._recorder(cuda).recordings) == 4  # two octaves, one picture and three


@pytest.mark.gpu
def test_a_replayed_dream_never_waits_for_the_gpu(cuda: torch.device) -> None:
    score, images = dreamnet(cuda, "bf16").score, pictures(0, height=180, width=240).to(cuda)
    residual, step_scale = 0.1 * torch.roll(images, 5, 3) - 0.05, 1 + images[:, :1]

    def carried() -> None:  # as a carried frame is dreamed: `dream` waits to check what it was given
        dreaming.dream_octaves(images, score, SMALL, residual=residual, step_scale=step_scale, jitter_index=[0])

    for _ in range(2):  # the second time it is recorded
        carried()
    torch.cuda.set_sync_debug_mode("error")
    try:
        carried()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
def test_memory_does_not_grow_over_replays(cuda: torch.device) -> None:
    score, images = dreamnet(cuda, "bf16").score, pictures(0, 1, height=180, width=240).to(cuda)

    def used() -> tuple[Any, Any]:
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated(cuda), torch.cuda.memory_reserved(cuda)

    for _ in range(5):
        warm(images, score)
    before = used()
    for _ in range(200):
        warm(images, score)
    assert used() == before


@pytest.mark.gpu
def test_a_batch_on_cuda_dreams_as_its_rows_alone(cuda: torch.device) -> None:
    score, images = dreamnet(cuda).score, pictures(1, 2, 3, height=120, width=160).to(cuda)
    for row, together in zip(images, dream(images, score, SMALL), strict=True):
        alone = dream(row[None], score, SMALL)[0]
        assert (alone - together).abs().mean() < 1e-4


@pytest.mark.gpu
def test_cuda_dreams_what_the_cpu_does(cuda: torch.device) -> None:
    images = pictures(1, height=120, width=160)
    there = dream(images.to(cuda), dreamnet(cuda).score, SMALL).cpu()
    here = dream(images, dreamnet(CPU).score, SMALL)
    assert (there - here).abs().mean() < 2e-4
    assert (here - images).abs().mean() > 0.01


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.99999), ("tf32", 0.9995), ("fp16", 0.995), ("bf16", 0.98)])
def test_gradients_in_each_precision_point_where_those_of_the_cpu_do(
    cuda: torch.device, precision: Any, least: float
) -> None:
    image = pictures(1, height=240, width=320)
    there = gradient(image.to(cuda), dreamnet(cuda, precision).score, [(3, -5)])[0].cpu()
    here = gradient(image, dreamnet(CPU).score, [(3, -5)])[0]
    assert torch.isfinite(there).all()
    assert torch.cosine_similarity(there.flatten(), here.flatten(), 0) > least


@pytest.mark.gpu
def test_a_video_on_cuda_is_that_of_the_cpu(cuda: torch.device) -> None:
    images = [np.roll(textured(120, 160, 1), 2 * i, 1) for i in range(6)]
    videos = [
        [frame.image for frame in dream_video(stream(images), dreamnet(device), SMALL, CarrySettings())]
        for device in (cuda, CPU)
    ]
    for there, here in zip(*videos, strict=True):
        assert np.abs(there.astype(int) - here).mean() < 0.5


@pytest.mark.gpu
def test_pictures_survive_the_way_to_the_gpu_and_back(cuda: torch.device) -> None:
    images = [np.full((37, 41, 3), value, np.uint8) for value in range(256)]
    back = [to_image(to_tensor(image, cuda)) for image in images]
    assert all(np.array_equal(a, b) for a, b in zip(images, back, strict=True))


@pytest.mark.gpu
def test_a_network_that_waits_for_the_gpu_is_not_recorded_and_dreams_all_the_same() -> None:
    # In a process of its own: a failed recording leaves traces in torch.
    done = subprocess.run([sys.executable, "-c", WAITING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "dreamed\n"
    assert done.stderr.count("CUDA graphs are off") == 1


WAITING = """
import logging, torch
from dreamvideo.ascent import cuda_graphs
from dreamvideo.kernels import graph_capture
from dreamvideo.ascent.octaves import dream
from dreamvideo.settings.dream import DreamSettings
logging.basicConfig()
weight = torch.randn(4, 3, 5, 5, device="cuda")
def score(images):
    made = torch.tanh(torch.nn.functional.conv2d(images - 0.5, weight))
    return made.square().mean((1, 2, 3)) / (1 + 0 * made.sum().item())
images = torch.rand(1, 3, 90, 120, device="cuda")
settings = DreamSettings(octaves=2, iterations=2)
for _ in range(3):
    dreamed = dream(images, score, settings)
with graph_capture.enabled(False):
    assert (dreamed - dream(images, score, settings)).abs().max() < 1e-2
assert torch.cuda.current_stream() == torch.cuda.default_stream()
print("dreamed")
"""
