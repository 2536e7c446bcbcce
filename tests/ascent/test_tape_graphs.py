"""Recordings with the semantics of CUDA graphs, on a CPU: operations at fixed addresses, Python's values frozen."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TinyNet, stream, textured
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dreamvideo.ascent import ascend as ascend_module
from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent.jitter import shift
from dreamvideo.ascent.octaves import dream
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video.pipeline import dream_video

LOOK = DreamSettings(octaves=2, iterations=2, jitter=8)
LOOKS = [
    LOOK,
    replace(LOOK, decorrelate=True, tv=0.4, noise=0.05),
    replace(LOOK, keep_colors=True, normalize="std", border="wrap"),
    replace(LOOK, normalize="none", smoothing="fixed", space="imagenet", color=-1.0),
    replace(LOOK, detail=False, anchor=0.0, headroom=0.0),
    replace(LOOK, dream_bars=True),
]


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps each operation with its arguments and results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, results))
        return results


def record(work: Callable[[], object]) -> Callable[[], object]:
    for _ in range(cuda_graphs.WARMUP_RUNS):
        work()
    tape = Tape()
    with tape:
        work()

    @torch.no_grad()
    def replay() -> None:
        for func, args, kwargs, results in tape.operations:
            if func._schema.is_mutable:
                func(*args, **kwargs)
            elif all(each.alias_info is None for each in func._schema.returns):  # else a view, which stays
                for place, value in zip(tree_leaves(results), tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(place, Tensor):
                        place.detach().copy_(value)

    return replay


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[cuda_graphs.GraphRecorder]:
    """Ascents on the CPU are recorded on tapes."""
    recorder = cuda_graphs.GraphRecorder(record)
    monkeypatch.setattr(cuda_graphs, "recorded_on", lambda device: cuda_graphs._on)
    monkeypatch.setattr(cuda_graphs, "_recorder", lambda device: recorder)
    yield recorder
    assert recorder.works
    assert recorder.recordings, "nothing was recorded"


def plainly(function: Callable[[], Any]) -> Any:
    with cuda_graphs.enabled(False):
        return function()


def carried(seed: int, score: Objective, look: DreamSettings) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    image, residual, scale = (torch.rand(2, channels, 72, 96, generator=random) for channels in (3, 3, 1))
    return dream(
        image,
        score,
        look,
        residual=0.1 * residual,
        step_scale=1 + scale,
        steps_per_octave=(1, 2),
        jitter_index=[seed, seed + 3],
        target_score=torch.rand(2, generator=random),
    )


@pytest.mark.parametrize("look", LOOKS)
def test_a_tape_gives_what_plain_calls_give(recorder: cuda_graphs.GraphRecorder, look: DreamSettings) -> None:
    score = Objective(TinyNet(), (Term("second", kind="l4"),))
    for seed in range(4):
        assert torch.equal(carried(seed, score, look), plainly(functools.partial(carried, seed, score, look)))


def test_a_tape_sees_a_shift_that_was_baked_in(
    recorder: cuda_graphs.GraphRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mistake for which a recorder that calls Python again is blind."""

    def baked(images: Tensor, shifts: Any, border: str) -> Tensor:
        return shift(images, [(int(down), int(right)) for down, right in shifts], border)

    monkeypatch.setattr(ascend_module, "shift", baked)
    score = Objective(TinyNet(), (Term("second"),))
    worst = [
        (carried(seed, score, LOOK) - plainly(functools.partial(carried, seed, score, LOOK))).abs().max()
        for seed in (0, 1, 7)
    ]
    assert max(worst) > 0.01


def test_videos_in_lanes_are_those_of_plain_calls_on_tape(
    recorder: cuda_graphs.GraphRecorder, tiny_network: Network
) -> None:
    shots = [[np.roll(textured(48, 64, seed), 2 * i, 1) for i in range(7)] for seed in (1, 2, 3)]
    images = [image for shot in shots for image in shot]

    def video(lanes: int) -> list[Any]:
        frames = dream_video(stream(images), tiny_network, replace(LOOK, iterations=1), CarrySettings(lanes=lanes))
        return [frame.image for frame in frames]

    for lanes in (1, 2):
        for there, here in zip(video(lanes), plainly(functools.partial(video, lanes)), strict=True):
            np.testing.assert_array_equal(there, here)
