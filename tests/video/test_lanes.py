from collections.abc import Generator
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from conftest import textured
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.frames import Frame
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video.lanes import LaneStep, in_lockstep, in_order, lanes_for
from dreamvideo.video.pipeline import Pending, dream_inputs, dream_video, fetch_dreams
from dreamvideo.video.shots import DreamInput


def steps(lengths: Any, read: Any = None) -> Generator[LaneStep, None, None]:
    index = 0
    for shot, length in enumerate(lengths):
        for place in range(length):
            if read is not None:
                read.append(index)
            frame = Frame(np.zeros((1, 1, 3), np.uint8), Fraction(index))
            yield LaneStep(index, 0, shot, frame, frame if place else None)
            index += 1


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 5), st.integers(1, 90))
def test_every_step_comes_once_after_the_one_before_it_and_leaves_in_order(
    lengths: list[int], lanes: int, room: int
) -> None:
    done = []
    for round in in_lockstep(steps(lengths), lambda frame: lanes, room):
        assert 1 <= len(round) <= lanes
        assert len({step.shot for step in round}) == len(round)
        for step in round:
            assert step.previous is None or step.index - 1 in done
        done += [step.index for step in round]
    assert sorted(done) == list(range(sum(lengths)))
    assert list(in_order((index, index) for index in done)) == sorted(done)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 5), st.integers(1, 90))
def test_no_more_is_read_ahead_than_there_is_room_for(lengths: list[int], lanes: int, room: int) -> None:
    read: list[Any] = []
    done: set[Any] = set()
    for round in in_lockstep(steps(lengths, read), lambda frame: lanes, room):
        assert lanes > 1 or len(read) == len(done) + 1
        oldest = min(set(range(sum(lengths))) - done)
        assert 3 * (len(read) - oldest - 1) < room  # the last one read may go over
        done |= {step.index for step in round}


def test_lanes_are_filled_again_as_shots_end() -> None:
    sizes = [len(round) for round in in_lockstep(steps([5, 2, 2, 1, 3]), lambda frame: 2, 100)]
    assert sizes == [2, 2, 2, 2, 2, 1, 1, 1], sizes


def test_as_many_lanes_as_keep_a_gpu_busy() -> None:
    assert [lanes_for(h * w) for h, w in ((1080, 1920), (720, 1280), (90, 160), (4320, 7680))] == [1, 4, 16, 1]


@pytest.mark.parametrize("late", [False, True])
def test_images_land_in_order_and_late_ones_after_the_next_round_has_begun(late: bool) -> None:
    log: list[str] = []

    def land(round: int) -> torch.Tensor:
        log.append(f"land {round}")
        return torch.zeros(1, 1, 3)

    def rounds() -> Generator[list[Pending], None, None]:
        for round in range(3):
            log.append(f"begin {round}")
            yield [Pending(step, partial(land, round)) for step in steps([1])]

    assert len(list(fetch_dreams(rounds(), late))) == 3
    begun, landing = [f"begin {i}" for i in range(3)], [f"land {i}" for i in range(3)]
    pairs = zip(begun, landing, strict=True)
    assert log == ([*begun[:2], landing[0], begun[2], *landing[1:]] if late else [x for pair in pairs for x in pair])


@pytest.mark.parametrize("lanes", [2, 3])
def test_a_shot_dreams_the_same_whatever_runs_beside_it(tiny_network: Network, lanes: int) -> None:
    images = []
    for seed, length in enumerate((5, 2, 4, 1)):
        wide = textured(40, 56 + 2 * length, seed)
        images += [np.ascontiguousarray(wide[:, 2 * i : 2 * i + 56]) for i in range(length)]

    def dreamed(lanes: Any) -> list[Any]:
        frames = (Frame(image, Fraction(i, 25)) for i, image in enumerate(images))
        settings = DreamSettings(octaves=1, iterations=4, step_size=0.02, jitter=4)
        return list(dream_video(frames, tiny_network, settings, CarrySettings(lanes=lanes)))

    one, several = dreamed(1), dreamed(lanes)
    assert [frame.time for frame in several] == [frame.time for frame in one]
    for a, b in zip(one, several, strict=True):
        assert np.abs(a.image.astype(int) - b.image).max() <= 1


def test_lanes_reach_across_videos_of_any_size_and_each_is_as_alone(tiny_network: Network) -> None:
    sizes = [(40, 56), (40, 56), (32, 48)]
    videos = [[textured(*size, seed)] * 3 for seed, size in enumerate(sizes)]
    settings = DreamSettings(octaves=1, iterations=4, step_size=0.02, jitter=4)

    def streams() -> Generator[DreamInput, None, None]:
        for images in videos:
            yield DreamInput(Frame(image, Fraction(i, 25)) for i, image in enumerate(images))

    together = dream_inputs(streams(), tiny_network, settings, CarrySettings(lanes=3))
    numbers = []
    for (number, frames), alone in zip(together, streams(), strict=True):
        numbers.append(number)
        expected = dream_video(alone.frames, tiny_network, settings, CarrySettings())
        for ours, theirs in zip(frames, expected, strict=True):
            assert ours.time == theirs.time
            assert np.abs(ours.image.astype(int) - theirs.image).max() <= 1
    assert numbers == [0, 1, 2]
