"""RAFT on a CUDA device that is not there: nothing waits, nothing is mixed."""

from fractions import Fraction
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from fake_cuda import CUDA, CudaRecord, fake_cuda
from torchvision.models import get_model

from dreamvideo.frames import Frame
from dreamvideo.motion import inverse_search, raft, variational_flow
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.tensors import to_planes
from dreamvideo.video.flow_stage import motion_estimator

SIZES = {"as it is": (128, 136), "shrunken": (400, 416)}


@cache
def estimated(name: str, size: str) -> CudaRecord:
    with fake_cuda(values=False) as device, pytest.MonkeyPatch.context() as patch:
        patch.setattr(raft, "UPDATES", 2)  # each is like the others
        network = get_model(name, weights=None).eval().requires_grad_(False).to(CUDA)
        device.record.clear()
        now, before = (torch.zeros(1, 3, *SIZES[size], dtype=torch.uint8) for _ in range(2))
        flow = raft.raft_flow(partial(raft.flow_both_ways, network), CUDA, now, before)
        assert flow.backward.shape[:2] == flow.forward.shape[:2] == (1, 2)
        assert flow.backward.is_cuda and flow.forward.is_cuda
        assert [each.up for each in device.record.crossings] == [True, True], "the images alone"
    return device.record


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_fake_cuda_raft_mixes_nothing_and_reads_nothing(name: str, size: str) -> None:
    record = estimated(name, size)
    assert (record.syncs, record.mixed) == ([], [])
    assert record.kernels["convolution"] > 20


@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_fake_cuda_raft_copies_nothing_that_it_waits_for(name: str) -> None:
    assert estimated(name, "as it is").faults() == []


@pytest.mark.parametrize("flow", ["raft", "torch-dis", "auto"])
def test_fake_cuda_no_flow_goes_to_the_cpu_and_back(flow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From two frames to the motion between them, where the dream is."""
    monkeypatch.setattr(raft, "UPDATES", 1)
    monkeypatch.setattr(inverse_search, "STEPS", (1,))
    monkeypatch.setattr(variational_flow, "WEIGHTINGS", 1)
    network = get_model("raft_small", weights=None).eval().requires_grad_(False)
    monkeypatch.setattr(raft, "load_raft", lambda *_: network)
    height, width = 360, 480
    now, before = (Frame(np.zeros((height, width, 3), np.uint8), Fraction(i, 25)) for i in range(2))
    with fake_cuda(values=False) as device:
        estimate = motion_estimator(CarrySettings(flow=flow), CUDA, True)
        planes = to_planes(now.image, CUDA), to_planes(before.image, CUDA)
        device.record.clear()
        moving = estimate(now, before)(*planes)()
        assert moving.backward.is_cuda
        crossed = [(each.up, each.bytes) for each in device.record.crossings if each.by != "tensors.place"]
    image, one_plane = 3 * height * width, 4 * height * width
    assert [size for up, size in crossed if up] == [image, image]
    assert max(size for up, size in crossed if not up) < one_plane / 2, "a grid, and the numbers of the motion"
