"""The ascent beside the camera: how a new dream grows, whose turn it is, and a thread that never makes anyone wait."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from conftest import textured

from dreamvideo.ascent.cuda_graphs import GraphRecorder
from dreamvideo.ascent.octaves import dream, octave_sizes
from dreamvideo.errors import ModelError
from dreamvideo.live.dreaming.ascent_task import AscentState, AscentTask, Look, LookChoice, run_ascent
from dreamvideo.live.dreaming.ascent_thread import AscentThread
from dreamvideo.live.dreaming.tracking import TrackedDream, apply_update, source_tensor, start_flow, undreamed
from dreamvideo.live.dreaming.turns import next_turn
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video.dream_frames import dream_first_frames
from dreamvideo.video.octave_turns import steps_per_octave

pytestmark = pytest.mark.usefixtures("single_thread")

HANG = 300.0  # seconds after which a thread counts as hanging
SIZE = (150, 190)
DREAMING = DreamSettings(octaves=2, iterations=4, jitter=0)


@pytest.fixture
def look(tiny_network: Network) -> Look:
    return Look(tiny_network, DREAMING)


def task(tracked: Any, number: int = 0, choice: LookChoice = LookChoice(), generation: int = 0) -> AscentTask:
    return AscentTask(number, generation, choice, tracked, 1)


def tracked(strength: float = 1.0, seed: int = 0) -> TrackedDream:
    return undreamed(source_tensor(textured(*SIZE, seed), SIZE), strength)


def ascended(look: Any, count: int, at: Any = None, state: AscentState = AscentState()) -> tuple[Any, AscentState]:
    """The tracked and the state after `count` pictures that all look the same."""
    at = at or tracked()
    first = state.frame_index + 1
    for number in range(first, first + count):
        state, update, _ = run_ascent(state, task(at, number), look, CarrySettings())
        at = apply_update(at, update, start_flow(at)) if update else at
    return at, state


GROWTH = len(octave_sizes(*SIZE, DREAMING)) * DREAMING.iterations


def test_a_new_dream_grows_to_what_a_first_frame_becomes(look: Look) -> None:
    grown, state = ascended(look, GROWTH)
    source = grown.source.float() / 255
    whole = dream(source, look.network.score, DREAMING)
    score = look.network.score
    begin, step_by_step, at_once = (score(x).item() for x in (source, source + grown.carry.residual, whole))
    assert (state.growth_steps, state.unit_strength) == (GROWTH, None)
    assert step_by_step - begin > 0.85 * (at_once - begin)
    assert grown.carry.residual.abs().mean() == pytest.approx((whole - source).abs().mean().item(), rel=0.2)


def test_a_grown_dream_is_held(look: Look) -> None:
    grown, state = ascended(look, GROWTH)
    held, state = ascended(look, 60, grown, state)
    assert state.turn_index > 30, "it does not go on"
    before, after = (at.carry.residual.abs().mean().item() for at in (grown, held))
    assert after <= before * 1.001, "it grows without end"
    assert after > 0.8 * before, "it fades"


def test_strength_scales_growth_and_what_is_held(look: Look) -> None:
    half = ascended(look, GROWTH + 20, tracked(0.5))[0].carry.residual.abs().mean()
    full = ascended(look, GROWTH + 20)[0].carry.residual.abs().mean()
    assert half == pytest.approx(full / 2, rel=0.25)


def test_black_first_pictures_do_not_hold_later_ones_down(look: Look) -> None:
    black = undreamed(torch.zeros(1, 3, *SIZE, dtype=torch.uint8), 1.0)
    _, state = ascended(look, GROWTH + 1, black)
    bright, _ = ascended(look, 60, tracked(), state)
    usual, _ = ascended(look, GROWTH + 60)
    assert bright.carry.residual.abs().mean() > 0.2 * usual.carry.residual.abs().mean()


def test_a_new_dream_forgets_the_last_one(look: Look) -> None:
    _, state = ascended(look, GROWTH + 5)
    after, *_ = run_ascent(state, task(tracked(), 99, generation=1), look, CarrySettings())
    assert (after.growth_steps, after.unit_strength, after.target_score) == (1, None, None)


def test_another_size_goes_on_from_where_it_stands(look: Look) -> None:
    _, state = ascended(look, GROWTH + 5)
    small = undreamed(source_tensor(textured(*SIZE), (75, 95)), 1.0)
    after, update, _ = run_ascent(state, task(small, 50), look, CarrySettings())
    assert after.unit_strength is state.unit_strength
    assert update.residual.shape == (1, 3, 75, 95)


def test_a_quick_machine_takes_every_turn_and_waits_for_pictures() -> None:
    last, had, taken = 0, 0, []
    for number in range(1, 41):
        tick, turn = next_turn(last, number - had, 3, 1, 0.0)
        if turn:
            taken.append((number, turn))
            last, had = tick, number
            assert next_turn(last, 0, 3, 1, 0.0)[1] is None, "twice for one picture"
    assert taken == [
        (tick, steps_per_octave(3, tick, 1, False)) for tick in range(1, 41) if any(steps_per_octave(3, tick, 1, False))
    ]


@pytest.mark.parametrize("apart", [3, 4, 7, 30])
def test_a_slow_machine_never_waits_and_leaves_no_turn_out(apart: int) -> None:
    last, taken = 0, []
    for _ in range(24):
        last, turn = next_turn(last, apart, 3, 1, 0.0)
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
        assert self.go.wait(HANG)
        return self.score(images)


def results_of(ascent: Any, count: int, seconds: float = HANG) -> Any:
    done: list[Any] = []
    end = time.monotonic() + seconds
    while len(done) < count:
        done += ascent.results()[0]
        assert time.monotonic() < end
        time.sleep(0.002)
    return done


def test_the_newest_picture_is_taken_and_the_others_are_forgotten(look: Look) -> None:
    pausing: Any = Pausing(look.network.score)
    ascent = AscentThread(lambda choice: replace(look, network=replace(look.network, score=pausing)), CarrySettings())
    ascent.offer(task(tracked(), 0))
    assert pausing.busy.wait(HANG)
    for number in range(1, 6):
        ascent.offer(task(tracked(), number))  # if it waited for the ascent, it would wait for ever
    assert ascent.results() == ([], 0)
    pausing.go.set()
    assert [result.task.frame_index for result in results_of(ascent, 2)] == [0, 5]
    ascent.close()


def test_what_ends_the_thread_is_raised_where_results_are_taken() -> None:
    def broken(choice: Any) -> None:
        raise ModelError("no such layer")

    ascent = AscentThread(broken, CarrySettings())
    ascent.offer(task(tracked()))
    with pytest.raises(ModelError):
        results_of(ascent, 1)
    ascent.close()


def test_a_look_that_cannot_be_loaded_is_reported_and_changes_nothing(look: Look) -> None:
    def load(choice: Any) -> Any:
        if choice.layer:
            raise ModelError("no layer 'x9'")
        return look

    ascent = AscentThread(load, CarrySettings())
    ascent.offer(task(tracked(), 0))
    results_of(ascent, 1)
    ascent.offer(task(tracked(), 1, LookChoice(layer="x9")))
    results_of(ascent, 1)
    assert ascent.message == "no layer 'x9'"
    assert ascent.look is look
    ascent.close()


def test_an_ascent_that_recorded_a_graph_says_so(look: Look, tape_recorder: GraphRecorder) -> None:
    ascent = AscentThread(lambda choice: look, CarrySettings())
    one_off = []
    for number in range(DREAMING.iterations):  # the first octave: once called, once recorded, then replayed
        ascent.offer(task(tracked(), number))
        (result,) = results_of(ascent, 1)
        one_off.append(result.one_off)
    ascent.close()
    assert one_off == [False, True, False, False]


def test_nothing_is_dreamed_at_no_strength(look: Look) -> None:
    ascent = AscentThread(lambda choice: look, CarrySettings())
    ascent.offer(task(tracked(0.0), 0))
    ascent.offer(task(tracked(1.0), 1))
    assert results_of(ascent, 1)[0].task.frame_index == 1
    ascent.close()


def test_the_goals_of_a_picture_that_has_grown_are_those_of_its_first_frame(look: Look) -> None:
    at, state = ascended(look, 2 * GROWTH)
    assert state.unit_strength is not None
    faint = replace(state, unit_strength=state.unit_strength / 3)
    same, _, _ = run_ascent(faint, task(at, state.frame_index + 1), look, CarrySettings())
    assert same.unit_strength is faint.unit_strength
    grown = replace(at, renewals=1)
    renewed, _, _ = run_ascent(faint, task(grown, state.frame_index + 1), look, CarrySettings())
    (first,) = dream_first_frames(at.source.float() / 255, look.network, look.settings)
    torch.testing.assert_close(renewed.unit_strength, first.strength)
    assert renewed.renewals == 1 and renewed.target_score is not None


def test_a_faint_picture_grows_a_faint_dream(look: Look) -> None:
    whole = tracked()
    faint = replace(whole, carry=replace(whole.carry, progress=replace(whole.carry.progress, visible=0.25)))
    strengths = [float(ascended(look, GROWTH, each)[0].carry.residual.abs().mean()) for each in (whole, faint)]
    assert strengths[1] < 0.5 * strengths[0]
