"""The ascent beside the camera: how a new dream grows, whose turn it is, and a thread that never makes anyone wait."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from conftest import textured

from dreamvideo.ascent.octaves import dream, octave_sizes
from dreamvideo.errors import ModelError
from dreamvideo.live.dreaming.ascent_thread import (
    AscentState,
    AscentTask,
    AscentThread,
    Look,
    LookChoice,
    next_octave,
    run_ascent,
)
from dreamvideo.live.dreaming.tracking import TrackedDream, apply_update, shrink_tensor, start_flow, undreamed_scene
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video.carry import steps_per_octave

SIZE = (150, 190)
DREAMING = DreamSettings(octaves=2, iterations=4, jitter=0)


@pytest.fixture
def look(tiny_network: Network) -> Look:
    return Look(tiny_network, DREAMING)


def task(scene: Any, number: int = 0, wish: LookChoice = LookChoice(), dream: int = 0) -> AscentTask:  # noqa: B008
    return AscentTask(number, dream, wish, scene, 1)


def scene(strength: float = 1.0, seed: int = 0) -> TrackedDream:
    return undreamed_scene(shrink_tensor(textured(*SIZE, seed), SIZE), strength)


def climbed(look: Any, count: int, at: Any = None, climb: AscentState = AscentState()) -> tuple[Any, AscentState]:  # noqa: B008
    """The scene and the climb after `count` pictures that all look the same."""
    at = at or scene()
    first = climb.number + 1
    for number in range(first, first + count):
        climb, gain, _ = run_ascent(climb, task(at, number), look, CarrySettings())
        at = apply_update(at, gain, start_flow(at)) if gain else at
    return at, climb


GROWTH = len(octave_sizes(*SIZE, DREAMING)) * DREAMING.iterations


def test_a_new_dream_grows_to_what_a_first_frame_becomes(look: Look) -> None:
    grown, climb = climbed(look, GROWTH)
    source = grown.source.float() / 255
    whole = dream(source, look.network.score, DREAMING)
    score = look.network.score
    begin, step_by_step, at_once = (score(x).item() for x in (source, source + grown.carry.residual, whole))
    assert (climb.grown, climb.unit) == (GROWTH, None)
    assert step_by_step - begin > 0.85 * (at_once - begin)
    assert grown.carry.residual.abs().mean() == pytest.approx((whole - source).abs().mean().item(), rel=0.2)


def test_a_grown_dream_is_held(look: Look) -> None:
    grown, climb = climbed(look, GROWTH)
    held, climb = climbed(look, 60, grown, climb)
    assert climb.tick > 30, "it does not go on"
    before, after = (at.carry.residual.abs().mean().item() for at in (grown, held))
    assert after <= before * 1.001, "it grows without end"
    assert after > 0.8 * before, "it fades"


def test_strength_scales_growth_and_what_is_held(look: Look) -> None:
    half = climbed(look, GROWTH + 20, scene(0.5))[0].carry.residual.abs().mean()
    full = climbed(look, GROWTH + 20)[0].carry.residual.abs().mean()
    assert half == pytest.approx(full / 2, rel=0.25)


def test_black_first_pictures_do_not_hold_later_ones_down(look: Look) -> None:
    black = undreamed_scene(torch.zeros(1, 3, *SIZE, dtype=torch.uint8), 1.0)
    _, climb = climbed(look, GROWTH + 1, black)
    bright, _ = climbed(look, 60, scene(), climb)
    usual, _ = climbed(look, GROWTH + 60)
    assert bright.carry.residual.abs().mean() > 0.2 * usual.carry.residual.abs().mean()


def test_a_new_dream_forgets_the_last_one(look: Look) -> None:
    _, climb = climbed(look, GROWTH + 5)
    after, *_ = run_ascent(climb, task(scene(), 99, dream=1), look, CarrySettings())
    assert (after.grown, after.unit, after.goal) == (1, None, None)


def test_another_size_goes_on_from_where_it_stands(look: Look) -> None:
    _, climb = climbed(look, GROWTH + 5)
    small = undreamed_scene(shrink_tensor(textured(*SIZE), (75, 95)), 1.0)
    after, gain, _ = run_ascent(climb, task(small, 50), look, CarrySettings())
    assert after.unit is climb.unit
    assert gain.residual.shape == (1, 3, 75, 95)


def test_a_quick_machine_takes_every_turn_and_waits_for_pictures() -> None:
    last, had, taken = 0, 0, []
    for number in range(1, 41):
        tick, turn = next_octave(last, number - had, 3, 1, 0.0)
        if turn:
            taken.append((number, turn))
            last, had = tick, number
            assert next_octave(last, 0, 3, 1, 0.0)[1] is None, "twice for one picture"
    assert taken == [
        (tick, steps_per_octave(3, tick, 1, False)) for tick in range(1, 41) if any(steps_per_octave(3, tick, 1, False))
    ]


@pytest.mark.parametrize("apart", [3, 4, 7, 30])
def test_a_slow_machine_never_waits_and_leaves_no_turn_out(apart: int) -> None:
    last, taken = 0, []
    for _ in range(24):
        last, turn = next_octave(last, apart, 3, 1, 0.0)
        taken.append(turn)
    assert taken == [turn for tick in range(1, 33) if any(turn := steps_per_octave(3, tick, 1, False))]


# The thread.


class Pausing:
    """A score that waits until it is let go, so that a test can say how long an ascent takes."""

    logarithmic = True
    layers = ("first",)

    def __init__(self, score: Objective) -> None:
        self.score, self.go, self.busy = score, threading.Event(), threading.Event()

    def __call__(self, images: Any) -> Any:
        self.busy.set()
        assert self.go.wait(10)
        return self.score(images)


def results_of(ascent: Any, count: int, seconds: float = 10) -> Any:
    done, end = [], time.monotonic() + seconds
    while len(done) < count:
        done += ascent.results()[0]
        assert time.monotonic() < end
        time.sleep(0.002)
    return done


def test_the_newest_picture_is_taken_and_the_others_are_forgotten(look: Look) -> None:
    pausing = Pausing(look.network.score)
    ascent = AscentThread(lambda wish: replace(look, network=replace(look.network, score=pausing)), CarrySettings())
    ascent.offer(task(scene(), 0))
    assert pausing.busy.wait(10)
    for number in range(1, 6):
        began = time.monotonic()
        ascent.offer(task(scene(), number))
        assert time.monotonic() - began < 1, "it made the camera wait"
    assert ascent.results() == ([], 0)
    pausing.go.set()
    assert [result.task.number for result in results_of(ascent, 2)] == [0, 5]
    ascent.close()


def test_what_ends_the_thread_is_raised_where_results_are_taken() -> None:
    def broken(wish: Any) -> None:
        raise ModelError("no such layer")

    ascent = AscentThread(broken, CarrySettings())
    ascent.offer(task(scene()))
    with pytest.raises(ModelError):
        results_of(ascent, 1)
    ascent.close()


def test_a_wish_that_cannot_be_granted_is_said_and_changes_nothing(look: Look) -> None:
    def load(wish: Any) -> Any:
        if wish.layer:
            raise ModelError("no layer 'x9'")
        return look

    ascent = AscentThread(load, CarrySettings())
    ascent.offer(task(scene(), 0))
    results_of(ascent, 1)
    ascent.offer(task(scene(), 1, LookChoice(layer="x9")))
    results_of(ascent, 1)
    assert ascent.message == "no layer 'x9'"
    assert ascent.look is look
    ascent.close()


def test_nothing_is_dreamed_at_no_strength(look: Look) -> None:
    ascent = AscentThread(lambda wish: look, CarrySettings())
    ascent.offer(task(scene(0.0), 0))
    ascent.offer(task(scene(1.0), 1))
    assert results_of(ascent, 1)[0].task.number == 1
    ascent.close()
