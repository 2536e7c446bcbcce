"""RAFT on a CUDA device that is not there: nothing waits, nothing is mixed."""

from functools import cache

import pytest
import torch
from fake_cuda import CUDA, CudaRecord, fake_cuda
from torchvision.models import get_model

from dreamvideo.motion import raft

SIZES = {"as it is": (128, 136), "shrunken": (400, 416)}


@cache
def estimated(name: str, size: str) -> CudaRecord:
    with fake_cuda(values=False) as device, pytest.MonkeyPatch.context() as patch:
        patch.setattr(raft, "UPDATES", 2)  # each is like the others
        network = get_model(name, weights=None).eval().requires_grad_(False).to(CUDA)
        device.record.clear()
        now, before = (torch.zeros(1, 3, *SIZES[size], dtype=torch.uint8) for _ in range(2))
        flow = raft.raft_flow(network, CUDA, now, before)
        assert flow.backward.shape[:2] == flow.forward.shape[:2] == (1, 2)
    return device.record


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_fake_cuda_raft_mixes_nothing_and_reads_nothing(name: str, size: str) -> None:
    record = estimated(name, size)
    assert (record.syncs, record.mixed) == ([], [])
    assert record.kernels["convolution"] > 20


@pytest.mark.xfail(strict=True, reason="torchvision copies the grids of each update from memory that is not pinned")
@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_fake_cuda_raft_copies_nothing_that_it_waits_for(name: str) -> None:
    assert estimated(name, "as it is").faults() == []
