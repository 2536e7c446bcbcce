"""Ascents and videos replayed on tape, see `tape`: what they give is what plain calls give."""

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TinyNet, stream, textured
from tape import plainly
from torch import Tensor

from dreamvideo.ascent import ascend as ascend_module
from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent.jitter import shift
from dreamvideo.ascent.octaves import dream
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video.pipeline import dream_video

pytestmark = pytest.mark.usefixtures("single_thread")

LOOK = DreamSettings(octaves=2, iterations=2, jitter=8)
LOOKS = [
    LOOK,
    replace(LOOK, decorrelate=True, tv=0.4, noise=0.05),
    replace(LOOK, keep_colors=True, normalize="std", border="wrap"),
    replace(LOOK, normalize="none", smoothing="fixed", space="imagenet", color=-1.0),
    replace(LOOK, detail=False, anchor=0.0, headroom=0.0),
    replace(LOOK, dream_bars=True),
]


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
def test_a_tape_gives_what_plain_calls_give(tape_recorder: cuda_graphs.GraphRecorder, look: DreamSettings) -> None:
    score = Objective(TinyNet(), (Term("second", kind="l4"),))
    for seed in range(4):
        assert torch.equal(carried(seed, score, look), plainly(functools.partial(carried, seed, score, look)))


def test_the_first_call_gives_what_its_replays_give_in_any_layout(tape_recorder: cuda_graphs.GraphRecorder) -> None:
    score = Objective(TinyNet(), (Term("second"),))
    image = torch.rand(1, 48, 64, 3, generator=torch.Generator().manual_seed(0)).permute(0, 3, 1, 2)
    residual = torch.full((1, 3, 48, 64), 0.01)
    called, recorded, replayed = (dream(image, score, LOOK, residual=residual) for _ in range(3))
    assert torch.equal(called, recorded) and torch.equal(called, replayed)


def test_a_tape_sees_a_shift_that_was_baked_in(
    tape_recorder: cuda_graphs.GraphRecorder, monkeypatch: pytest.MonkeyPatch
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
    tape_recorder: cuda_graphs.GraphRecorder, tiny_network: Network
) -> None:
    shots = [[np.roll(textured(48, 64, seed), 2 * i, 1) for i in range(7)] for seed in (1, 2, 3)]
    images = [image for shot in shots for image in shot]

    def video(lanes: int) -> list[Any]:
        frames = dream_video(stream(images), tiny_network, replace(LOOK, iterations=1), CarrySettings(lanes=lanes))
        return [frame.image for frame in frames]

    for lanes in (1, 2):
        for there, here in zip(video(lanes), plainly(functools.partial(video, lanes)), strict=True):
            np.testing.assert_array_equal(there, here)
