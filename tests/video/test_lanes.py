import random
from collections.abc import Generator
from dataclasses import dataclass
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
from dreamvideo.video.dream_shots import fetch_dreams
from dreamvideo.video.lanes import BatchKind, LaneQueue, LaneStep, choose_batch, in_order, lanes_for
from dreamvideo.video.pipeline import dream_inputs, dream_video
from dreamvideo.video.planned_frames import Pending
from dreamvideo.video.shots import DreamInput


def steps(lengths: Any, read: Any = None) -> Generator[LaneStep, None, None]:
    index = 0
    for shot, length in enumerate(lengths):
        for place in range(length):
            if read is not None:
                read.append(index)
            frame = Frame(np.full((1, 1, 3), place, np.uint8), Fraction(index))
            yield LaneStep(index, 0, shot, frame, frame if place else None)
            index += 1


@dataclass(frozen=True, slots=True)
class Item:
    step: LaneStep


def batches(
    lengths: Any, lanes: int, room: int, read: Any = None, ahead: int = 1
) -> Generator[list[LaneStep], None, None]:
    """Batches of frames whose kind is their place in the shot, modulo 4."""
    items = (Item(step) for step in steps(lengths, read))
    queue = LaneQueue(items, lambda frame: lanes, room, ahead)
    while True:
        queue.refill()
        heads = queue.in_flight()
        if not heads:
            return
        assert len(heads) <= (1 if lanes == 1 else 2 * lanes)
        assert [each.step.shot for each in heads] == sorted({each.step.shot for each in heads})
        for each in queue.in_flight(1):
            assert each.step.index - 1 in [head.step.index for head in heads]
        chosen = [heads[i] for i in choose_batch([kind(place_in_shot(each.step) % 4) for each in heads], queue.lanes)]
        for item in chosen:
            queue.take(item)
        yield [item.step for item in chosen]
        over = [shot for shot in range(len(lengths)) if queue.is_over(shot)]
        assert all(item.step.shot not in over for item in queue.in_flight())


def kind(number: int, steps: bool = True) -> BatchKind:
    return BatchKind((number,), steps=steps)


def place_in_shot(step: LaneStep) -> int:
    return int(step.frame.image[0, 0, 0])


LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=12)


@given(LENGTHS, st.integers(1, 5), st.integers(1, 90), st.integers(1, 2))
def test_every_step_comes_once_after_the_one_before_it_and_leaves_in_order(
    lengths: list[int], lanes: int, room: int, ahead: int
) -> None:
    done = []
    for batch in batches(lengths, lanes, room, ahead=ahead):
        assert 1 <= len(batch) <= lanes
        assert len({step.shot for step in batch}) == len(batch)
        assert len({place_in_shot(step) % 4 for step in batch}) == 1
        for step in batch:
            assert step.previous is None or step.index - 1 in done
        done += [step.index for step in batch]
    assert sorted(done) == list(range(sum(lengths)))
    assert list(in_order((index, index) for index in done)) == sorted(done)


@given(LENGTHS, st.integers(1, 5), st.integers(1, 90), st.integers(1, 2))
def test_no_more_is_read_ahead_than_there_is_room_for(lengths: list[int], lanes: int, room: int, ahead: int) -> None:
    read: list[Any] = []
    done: set[Any] = set()
    total = sum(lengths)
    for batch in batches(lengths, lanes, room, read, ahead):
        assert lanes > 1 or len(read) == min(total, len(done) + ahead)
        oldest = min(set(range(total)) - done)
        assert 3 * (len(read) - oldest - ahead) < room  # the last one read may go over
        done |= {step.index for step in batch}


def test_what_is_of_a_kind_is_chosen_the_oldest_first() -> None:
    def chosen(kinds: list[int], lanes: int) -> list[int]:
        return choose_batch([kind(abs(number), steps=number > 0) for number in kinds], lanes)

    assert chosen([1], 1) == [0]
    assert chosen([1, 2, 1, 2, 2], 3) == [1, 3, 4]
    assert chosen([1, 2, 2, 1, 3], 2) == [0, 3], "both are full: that of the oldest shot"
    assert chosen([1, 2, 3, 2], 8) == [1, 3]
    assert chosen([1, 1, 1, -2], 3) == [0, 1, 2]
    assert chosen([1, 2, -3, 2, -3], 3) == [2, 4], "what takes no step does not wait"


@pytest.mark.parametrize(("lanes", "least"), [(4, 0.9), (16, 0.9)])
def test_batches_of_a_film_of_many_shots_are_full(lanes: int, least: float) -> None:
    draw = random.Random(1)
    lengths = [draw.randint(24, 120) for _ in range(100)]
    sizes = [len(batch) / lanes for batch in batches(lengths, lanes, 10**9)]
    assert sum(sizes[:-300]) / len(sizes[:-300]) > least


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
