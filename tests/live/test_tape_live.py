"""Whole live dreams on tape, see `tape`: growth, windows, renewed goals, other sizes and looks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TinyNet, textured
from numpy.typing import NDArray
from tape import record
from torch import Tensor

from dreamvideo.ascent import ascend as ascend_module
from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent.cuda_graphs import GraphRecorder
from dreamvideo.ascent.jitter import shift
from dreamvideo.frames import Frame
from dreamvideo.kernels import graph_capture
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_task import AscentState, Look, run_ascent
from dreamvideo.live.dreaming.ascent_thread import AscentResult
from dreamvideo.live.dreaming.size_control import Workload
from dreamvideo.live.dreaming.state import apply_results, make_task, next_state, start_dream
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.motion.cuts import frame_comparer
from dreamvideo.motion.flow import dis
from dreamvideo.settings.dream import CarrySettings, DreamSettings

pytestmark = pytest.mark.usefixtures("single_thread")

SIZE, WINDOW = (48, 64), (32, 32)
LOOK = DreamSettings(octaves=2, iterations=3, jitter=6)


@dataclass(frozen=True)
class Scene:
    """One frame of the camera, and what is asked for."""

    image: NDArray[np.uint8]
    controls: Controls = Controls(layer="first")
    workload: Workload = Workload(SIZE[0])


def walk() -> list[NDArray[np.uint8]]:
    """Something moves over a ground that moves."""
    ground, mover = textured(*SIZE, 1), textured(20, 20, 9)
    images = []
    for number in range(8):
        image = np.roll(ground, number, 1)
        image[14:34, 5 + 4 * number : 25 + 4 * number] = mover
        images.append(image)
    return images


def scenes() -> Iterator[Scene]:
    still, moving = textured(*SIZE, 1), walk()
    for level in (*[0.6] * 8, *[0.9] * 3, *[1.0] * 4):  # the picture grows: its goals are measured anew
        yield Scene((still * level).astype(np.uint8))
    for image in moving:
        yield Scene(image)
    for image in moving[::-1]:
        yield Scene(image, workload=Workload(46, 2))
    for _ in range(12):
        yield Scene(still, Controls(layer="second", strength=1.5, resets=1), Workload(46))


@dataclass(frozen=True)
class LiveDream:
    """What a live dream did: each state of the ascent and each update."""

    states: list[AscentState]
    updates: list[Any]
    windows: int  # ascents with windows


def live(looks: dict[str | None, Look]) -> LiveDream:
    """A live dream of `scenes` whose ascents take as long as a frame."""
    first, *rest = scenes()
    estimate, compare = dis(), frame_comparer()
    state = start_dream(Frame(first.image, Fraction(0)), first.controls, first.workload)
    ascent, states, updates, windows = AscentState(), [], [], 0
    for number, scene in enumerate(rest, 1):
        task = make_task(state, scene.workload.steps)
        frame = Frame(scene.image, Fraction(number, 30))
        after = next_state(state, frame, scene.controls, scene.workload, state.frame_index, estimate, compare)
        windows += ascent.unit_strength is not None and task.dream.carry.progress.grows
        ascent, update, steps = run_ascent(ascent, task, looks[task.look_choice.layer], CarrySettings(local_steps=2))
        results = [AscentResult(task, update, steps, 0.0)] if update else []
        state = apply_results(after, results)
        states.append(ascent)
        updates.append(update)
    return LiveDream(states, updates, windows)


@pytest.fixture(scope="module")
def looks() -> dict[str | None, Look]:
    network = TinyNet()

    def look(layer: str, settings: DreamSettings) -> Look:
        score = Objective(network, (Term(layer, kind="log"),))
        return Look(Network("tiny", score, torch.device("cpu"), torch.float32), settings)

    return {"first": look("first", LOOK), "second": look("second", replace(LOOK, color=0.5, tv=0.4))}


@pytest.fixture(scope="module")
def plain(looks: dict[str | None, Look]) -> LiveDream:
    """What plain calls give in place of recordings that fail."""
    recorder = GraphRecorder(record)
    recorder.works = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_capture, "recorded_on", lambda device: True)
        patch.setattr(cuda_graphs, "_recorder", lambda device: recorder)
        return live(looks)


def largest_difference(one: LiveDream, other: LiveDream) -> float:
    assert [update is None for update in one.updates] == [update is None for update in other.updates]
    pairs = [(a, b) for a, b in zip(one.updates, other.updates, strict=True) if a is not None]
    return max(float((a.residual - b.residual).abs().max()) for a, b in pairs)


def test_the_scenes_are_all_there_is_in_a_live_dream(plain: LiveDream) -> None:
    assert max(state.growth_steps for state in plain.states) == 2 * LOOK.iterations
    assert plain.windows > 6
    assert max(state.renewals for state in plain.states) > 0
    assert len({state.size for state in plain.states}) == 2
    assert len({state.generation for state in plain.states}) == 2
    goals = {float(state.target_score) for state in plain.states if state.target_score is not None}
    assert len(goals) > 3


def test_a_live_dream_on_tape_is_that_of_plain_calls(
    tape_recorder: GraphRecorder, looks: dict[str | None, Look], plain: LiveDream
) -> None:
    taped = live(looks)
    recorded = [recording.inputs for recording in tape_recorder.recordings.values()]
    octaves = {(34, 46), SIZE, (33, 44), (46, 61)}
    assert {tuple(each["images"].shape[2:]) for each in recorded} == {WINDOW, *octaves}
    assert {"target_score" in each for each in recorded} == {True, False}
    for here, there in zip(plain.states, taped.states, strict=True):
        for name in ("unit_strength", "target_score"):
            one, other = getattr(here, name), getattr(there, name)
            assert (one is None) == (other is None) and (one is None or torch.equal(one, other))
        blank = {"unit_strength": None, "target_score": None}
        assert replace(here, **blank) == replace(there, **blank)
    for one, other in zip(plain.updates, taped.updates, strict=True):
        assert (one is None) == (other is None)
        assert one is None or (torch.equal(one.residual, other.residual) and torch.equal(one.age, other.age))


def test_a_tape_of_a_live_dream_sees_a_shift_that_was_baked_in(
    tape_recorder: GraphRecorder, looks: dict[str | None, Look], plain: LiveDream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def baked(images: Tensor, shifts: Any, border: str) -> Tensor:
        return shift(images, [(int(down), int(right)) for down, right in shifts], border)

    monkeypatch.setattr(ascend_module, "shift", baked)
    assert largest_difference(plain, live(looks)) > 0.01
