"""Live ascents on a CUDA device that is not there: nothing waits, and the dream is that of the CPU."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TinyNet, textured
from fake_cuda import CUDA, CudaRecord, fake_cuda
from torch import Tensor

from dreamvideo.live.dreaming.ascent_task import AscentState, AscentTask, Look, LookChoice, run_ascent
from dreamvideo.live.dreaming.tracking import (
    TrackedDream,
    apply_update,
    source_tensor,
    start_flow,
    track_motion,
    undreamed,
)
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.motion.flow import dis
from dreamvideo.motion.occlusion import estimate_motion
from dreamvideo.settings.dream import CarrySettings, DreamSettings

CPU = torch.device("cpu")
LOOK = DreamSettings(octaves=2, iterations=2, jitter=8)
SIZE = (64, 96)


def camera(frame: int, moving: bool) -> Tensor:
    image = textured(*SIZE, 1)
    start = 8 + 6 * frame * moving
    image[20:46, start : start + 26] = textured(26, 26, 2)
    return source_tensor(np.ascontiguousarray(image), SIZE)


def ascents(device: torch.device, moving: bool, renewed: bool = False) -> TrackedDream:
    """The dream after eight frames, each with its ascent: it grows, and goes on."""
    score = Objective(TinyNet().to(device), (Term("first", kind="log"), Term("second", 0.5, "log")))
    look = Look(Network("tiny", score, device, torch.float32), LOOK)
    state, tracked = AscentState(), undreamed(camera(0, moving), 0.8)
    for frame in range(8):
        if frame:
            now = camera(frame, moving)
            tracked = track_motion(tracked, now, estimate_motion(now, tracked.source, dis()), 1 / 25)
        if renewed and frame == 6:
            tracked = replace(tracked, renewals=1)
        task = AscentTask(frame, 0, LookChoice(), tracked, 1)
        state, update, _ = run_ascent(state, task, look, CarrySettings(local_steps=2))
        if update is not None:
            tracked = apply_update(tracked, update, start_flow(tracked))
    return tracked


def difference(one: Any, other: Any) -> float:
    return float((one.carry.residual - other.carry.residual).abs().max())


def run(moving: bool, renewed: bool = False) -> tuple[CudaRecord, float]:
    with fake_cuda() as device:
        there = ascents(CUDA, moving, renewed)
    return device.record, difference(there, ascents(CPU, moving, renewed))


@pytest.mark.parametrize("renewed", [False, True])
def test_fake_cuda_live_ascents_grow_and_go_on(renewed: bool) -> None:
    record, worst = run(moving=False, renewed=renewed)
    faults = [each for each in record.faults(first=True) if "test_fake_cuda_live" not in each]
    assert faults == []
    assert worst < 1 / 255


@pytest.fixture(scope="module")
def around_a_mover() -> tuple[CudaRecord, float]:
    return run(moving=True)


def test_fake_cuda_live_ascents_around_a_mover_are_those_of_the_cpu(around_a_mover: tuple[CudaRecord, float]) -> None:
    record, worst = around_a_mover
    assert not record.mixed
    assert not record.syncs
    assert worst < 2 / 255


def test_fake_cuda_live_ascents_around_a_mover_wait_for_nothing(around_a_mover: tuple[CudaRecord, float]) -> None:
    record, _ = around_a_mover
    assert [each for each in record.faults(first=True) if "test_fake_cuda_live" not in each] == []
