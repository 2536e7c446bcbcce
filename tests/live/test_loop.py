"""The main thread of a live dream, with cameras and ascents that do as the test says."""

import re
import time
from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from conftest import textured
from numpy.typing import NDArray

from dreamvideo.errors import SourceError
from dreamvideo.frames import Frame
from dreamvideo.live.controls import Controls, Menu
from dreamvideo.live.dreaming.ascent_task import Look
from dreamvideo.live.dreaming.ascent_thread import AscentResult, AscentThread
from dreamvideo.live.dreaming.size_control import SizeController
from dreamvideo.live.dreaming.tracking import ResidualUpdate
from dreamvideo.live.loop import dream_live
from dreamvideo.live.shared_state import SharedState
from dreamvideo.models.network import Network
from dreamvideo.motion.flow_pair import FlowPair
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.threads import Latest

H, W = 48, 64


class Ascending:
    """In place of an ascent: every picture that is offered gains `gain` all over, by the next one."""

    message, carry = "", CarrySettings()
    read_dials = AscentThread.read_dials

    def __init__(self, network: Network, gain: float = 0.0) -> None:
        self.look, self.gain = Look(network, DreamSettings()), gain
        self.tasks: list[Any] = []

    def offer(self, task: Any) -> None:
        self.tasks.append(task)

    def results(self) -> tuple[list[Any], None] | tuple[list[AscentResult], None]:
        if not self.tasks or not self.gain:
            return [], None
        task = self.tasks[-1]
        h, w = task.dream.source.shape[2:]
        update = ResidualUpdate(torch.full((1, 3, h, w), self.gain), torch.zeros(1, 1, h, w), task.dream.strength)
        return [AscentResult(task, update, 1, 0.01)], None


def still(current: Any, previous: Any) -> FlowPair:
    return FlowPair(*(torch.zeros(len(current), 2, *current.shape[2:]) for _ in range(2)))


def gray(level: Any, height: Any = H, width: Any = W) -> NDArray[Any]:
    image = np.full((height, width, 3), level, np.uint8)
    image[:, width // 2 :] += 30  # a picture: a plain frame is not dreamed
    return image


@pytest.fixture
def dreamed(tiny_network: Network) -> Any:
    """Run a script of the camera: images or frames, None for nothing in time, functions of the shared state."""

    def run(*script: Any, gain: float = 0.0, controls: Controls = Controls(), **wanted: Any) -> Any:  # noqa: B008
        shared, shown = SharedState(controls, Menu(("sea",), ("first",))), []
        ascent: Any = Ascending(tiny_network, gain)

        def pictures() -> Generator[Latest[Any], None, None]:
            dropped = 0
            for step in script:
                if callable(step):
                    step(shared)
                elif isinstance(step, Exception):
                    raise step
                else:
                    new = isinstance(step, np.ndarray)
                    yield Latest(Frame(step, Fraction(time.monotonic())) if new else step, dropped)

        try:
            for each in dream_live(pictures(), ascent, shared, still, **wanted):
                shown.append(each)
        finally:
            vars(run).update(shared=shared, ascent=ascent, shown=shown)
        return shown

    return run


def test_every_new_picture_is_shown_with_what_was_dreamed_until_then(dreamed: Any) -> None:
    shown = dreamed(gray(50), gray(50), gray(50), gain=10 / 255)
    assert [int(each.frame.image[0, 0, 0]) for each in shown] == [50, 60, 70]
    assert all(each.fresh for each in shown)
    assert [each.camera[0, 0, 0] for each in shown] == [50] * 3


def test_before_the_first_picture_nothing_is_shown(dreamed: Any) -> None:
    assert len(dreamed(None, None, gray(50))) == 1


def test_while_the_camera_stalls_the_dream_goes_on_and_that_is_said(dreamed: Any) -> None:
    shown = dreamed(gray(50), None, lambda shared: time.sleep(1.1), None, None, gain=10 / 255)
    assert [each.fresh for each in shown] == [True, False, False, False]
    assert [int(each.frame.image[0, 0, 0]) for each in shown] == [50, 60, 70, 80]
    assert re.search(r"no image for \d+ s", dreamed.shared.numbers.message)
    times = [each.frame.time for each in shown]
    assert times == sorted(times)


def test_a_frozen_picture_stands_and_its_dream_goes_on(dreamed: Any) -> None:
    shown = dreamed(gray(50), lambda shared: shared.press("space"), gray(90), gray(130), gain=10 / 255)
    assert [int(each.camera[0, 0, 0]) for each in shown] == [50, 50, 50]
    assert int(shown[-1].frame.image[0, 0, 0]) == 70
    assert [each.fresh for each in shown] == [True, False, False]


def test_strength_acts_within_a_picture(dreamed: Any) -> None:
    shown = dreamed(gray(50), gray(50), lambda shared: shared.set("strength", 0), gray(50), gain=10 / 255)
    assert [int(each.frame.image[0, 0, 0]) for each in shown] == [50, 60, 50]


def test_a_key_ends_it(dreamed: Any) -> None:
    assert len(dreamed(gray(50), lambda shared: shared.press("q"), gray(50), gray(50))) == 1


def test_a_camera_that_changes_its_size_begins_a_new_dream(dreamed: Any) -> None:
    shown = dreamed(gray(50), gray(50), gray(50, 60, 80), gray(50, 60, 80), gain=10 / 255)
    assert [each.frame.image.shape[:2] for each in shown] == [(H, W)] * 2 + [(60, 80)] * 2
    assert [int(each.frame.image[0, 0, 0]) for each in shown] == [50, 60, 50, 60]
    assert dreamed.shared.numbers.camera_size == (60, 80)


def test_no_more_pictures_are_shown_than_wanted(dreamed: Any) -> None:
    frames = [Frame(gray(50), 1000 + Fraction(n, 50)) for n in range(12)]
    shown = dreamed(*frames, fps=10)
    assert [each.frame.time for each in shown] == [frames[n].time for n in (0, 4, 8)]  # at least 75 ms apart


def test_what_ascents_found_while_frames_were_skipped_is_shown(dreamed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, taken = Ascending.results, []

    def results(self: Ascending) -> Any:  # each task's once, whoever asks for it
        if not self.tasks or self.tasks[-1] in taken:
            return [], None
        taken.append(self.tasks[-1])
        return plain(self)

    monkeypatch.setattr(Ascending, "results", results)
    frames = [Frame(gray(50), 1000 + Fraction(n, 50)) for n in range(12)]
    shown = dreamed(*frames, fps=10, gain=10 / 255)
    assert [int(each.frame.image[0, 0, 0]) for each in shown] == [50, 60, 70]


def test_what_ends_the_camera_is_raised_after_what_came_before(dreamed: Any) -> None:
    with pytest.raises(SourceError):
        dreamed(gray(50), gray(50), SourceError("the camera is gone"))
    assert len(dreamed.shown) == 2


def test_a_wished_size_is_kept_whatever_the_time_it_takes(dreamed: Any) -> None:
    dreamed(*[textured(480, 640)] * 4, side=150)
    assert {tuple(task.dream.source.shape[2:]) for task in dreamed.ascent.tasks} == {(150, 200)}


def test_numbers_tell_where_and_what_it_dreams(dreamed: Any) -> None:
    dreamed(gray(50), gray(50))
    numbers = dreamed.shared.numbers
    assert numbers.device == "cpu fp32"
    assert numbers.look == "tiny first + second"
    assert (numbers.camera_size, numbers.working_size) == ((H, W), (H, W))


def test_only_ascents_that_tell_of_later_ones_choose_the_size(
    dreamed: Any, monkeypatch: pytest.MonkeyPatch, tiny_network: Network
) -> None:
    counted: list[float] = []
    monkeypatch.setattr(SizeController, "add_ascents", lambda self, now, seconds: counted.extend(seconds))
    plain = Ascending.results

    def results(self: Ascending) -> Any:  # every other one recorded a graph
        found, working_on = plain(self)
        return [replace(each, one_off=len(self.tasks) % 2 == 0, seconds=len(self.tasks)) for each in found], working_on

    monkeypatch.setattr(Ascending, "results", results)
    dreamed(*[gray(50)] * 6, gain=10 / 255)
    assert counted == [1, 3, 5]


def test_wishes_reach_the_ascent(dreamed: Any) -> None:
    dreamed(gray(50), lambda shared: shared.press("n"), gray(50), controls=replace(Controls(), layer="first"))
    assert [(task.look_choice.preset, task.look_choice.layer) for task in dreamed.ascent.tasks] == [
        (None, "first"),
        ("sea", None),
    ]
