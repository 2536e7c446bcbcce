"""Flow as a recorded graph: what it gives, what it launches, and what happens where it cannot be recorded."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from conftest import textured
from fake_cuda import CUDA, FakeCuda, fake_cuda
from torch import Tensor

from dreamvideo.kernels import graph_capture
from dreamvideo.motion import flow_graphs, inverse_search, variational_flow
from dreamvideo.motion.flow import torch_dis
from dreamvideo.motion.flow_graphs import replayed_flow
from dreamvideo.motion.flow_pair import FlowPair
from dreamvideo.motion.inverse_search import inverse_search_flow, search_constants
from dreamvideo.tensors import download

CPU = torch.device("cpu")


def pairs(count: int, height: int = 40, width: int = 56) -> Iterator[tuple[Tensor, Tensor]]:
    wide = textured(height, width + 3 * count, 7)
    images = [np.ascontiguousarray(wide[:, 3 * i : 3 * i + width]) for i in range(count + 1)]
    planes = [torch.from_numpy(image).permute(2, 0, 1)[None] for image in images]
    yield from zip(planes[1:], planes[:-1], strict=True)


@pytest.fixture
def device() -> Iterator[FakeCuda]:
    with fake_cuda() as device:
        yield device


def test_fake_cuda_a_replayed_flow_is_that_of_the_cpu_in_one_launch(device: FakeCuda) -> None:
    there, here = torch_dis(CUDA), torch_dis(CPU)
    launched: list[int] = []
    replays: list[int] = []
    for now, before in pairs(4):
        device.record.clear()
        flows = there(now, before)
        assert device.record.faults(first=not replays) == []
        launched.append(sum(device.record.kernels.values()))
        replays.append(device.record.replays)
        assert all(flow.is_cuda for flow in flows)
        for one, other in zip(flows, here(now, before), strict=True):
            torch.testing.assert_close(download(one), other, atol=1e-4, rtol=0)
    assert replays == [0, 1, 1, 1], "the second pair of a size is recorded"
    assert launched[0] > 300 and launched[2:] == [4, 4], "two images go in, two flows come out"


def test_fake_cuda_a_flow_outlives_the_next_replay(device: FakeCuda) -> None:
    estimate = torch_dis(CUDA)
    given = [estimate(*pair) for pair in pairs(3)]
    kept = [download(flows.backward).clone() for flows in given]
    estimate(*next(pairs(1, 40, 56)))
    assert not torch.equal(kept[1], torch.zeros_like(kept[1]))
    assert all(torch.equal(download(flows.backward), flow) for flows, flow in zip(given, kept, strict=True))


def test_fake_cuda_each_size_is_recorded_and_few_are_kept(device: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    record = flow_graphs.record_flow
    monkeypatch.setattr(flow_graphs, "record_flow", lambda *given: made.append(given[1][0].shape) or record(*given))
    monkeypatch.setattr(flow_graphs, "MAX_RECORDINGS", 2)
    estimate = replayed_flow(lambda now, before: FlowPair(now.float(), before.float()), lambda h, w: (), CUDA)
    for width in (56, 40, 56, 40, 24, 24, 40, 56, 56):
        now, before = next(pairs(1, 40, width))
        flows = estimate(now, before)
        assert torch.equal(download(flows.backward), now.float()) and torch.equal(
            download(flows.forward), before.float()
        )
    assert [shape[3] for shape in made] == [56, 40, 24, 56]


class Failing:
    """An estimator whose recording fails."""

    def __init__(self, message: str) -> None:
        self.message, self.calls, self.fails = message, 0, False

    def __call__(self, now: Tensor, before: Tensor) -> FlowPair:
        self.calls += 1
        if self.calls == 2:
            raise RuntimeError(self.message)
        return FlowPair(now.float(), before.float())


@pytest.mark.parametrize(
    ("message", "told"),
    [("not permitted\nwhen capturing", ["flow is launched kernel by kernel: cannot record it (not permitted)"]),
     ("CUDA out of memory", [])],
)  # fmt: skip
def test_fake_cuda_what_cannot_be_recorded_is_launched_and_said_once(
    message: str, told: list[str], device: FakeCuda, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing(message)
    estimate = replayed_flow(failing, lambda h, w: (), CUDA)
    with caplog.at_level(logging.WARNING):
        for now, before in pairs(4):
            assert torch.equal(download(estimate(now, before).backward), now.float())
    assert [record.message for record in caplog.records] == told
    assert failing.calls == 5 and device.record.replays == 0


def test_fake_cuda_nothing_is_recorded_where_graphs_are_off(device: FakeCuda) -> None:
    estimate = replayed_flow(lambda now, before: FlowPair(now.float(), before.float()), lambda h, w: (), CUDA)
    with graph_capture.enabled(False):
        for pair in pairs(3):
            estimate(*pair)
    assert device.record.replays == 0


@pytest.mark.parametrize("size", [(1, 1), (15, 40), (40, 56), (135, 240), (64, 200)])
def test_all_that_is_cached_for_a_size_is_known(size: tuple[int, int]) -> None:
    caches: list[Any] = [inverse_search._patch_grid, variational_flow.relaxations]
    for cache in caches:
        cache.cache_clear()
    kept = search_constants(*size, CPU)
    missed = [cache.cache_info().misses for cache in caches]
    assert sum(missed) == len(kept) > 0
    inverse_search_flow(*torch.rand(2, 1, 1, *size))
    assert [cache.cache_info().misses for cache in caches] == missed
    assert all(cache.cache_info().hits for cache in caches)


def test_a_recording_waits_for_the_end_of_what_no_recording_may_meet() -> None:
    import threading

    order: list[str] = []
    begun = threading.Event()

    def other() -> None:
        begun.set()
        with graph_capture.while_nothing_is_recorded():
            order.append("other")

    with graph_capture.while_nothing_is_recorded():
        thread = threading.Thread(target=other)
        thread.start()
        begun.wait(60)
        order.append("first")
    thread.join(60)
    assert order == ["first", "other"]
