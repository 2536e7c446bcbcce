"""Long shots in parts: which frames are dreamed twice, and that a run that goes on from wherever makes the same."""

import json
import operator
from collections.abc import Callable, Generator, Sequence
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from conftest import textured
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamvideo.errors import SettingsError
from dreamvideo.frames import Frame
from dreamvideo.media import segments
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.media.metadata import settings_comment
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video.dissolve import dissolve
from dreamvideo.video.lanes import LaneStep
from dreamvideo.video.pipeline import dream_video
from dreamvideo.video.seams import (
    LEAST_SECONDS,
    OVERLAP_SECONDS,
    WARMUP_SECONDS,
    SeamTracker,
    pack_carries,
    split_long_shots,
    unpack_carries,
)

EVERY = Fraction(4)
RATE = 4  # frames a second: 16 to a part, 4 of warm-up, 6 of overlap
QUICK = DreamSettings(octaves=1, iterations=3, step_size=0.03, jitter=4)
SPLIT = CarrySettings(split_shots=EVERY)


def steps_of(
    lengths: Sequence[int], flashes: frozenset[int] = frozenset(), every: Fraction | None = EVERY
) -> Generator[LaneStep, None, None]:
    index, seams = 0, None if every is None else SeamTracker(every)
    for shot, length in enumerate(lengths):
        previous = None
        for _ in range(length):
            frame = Frame(np.zeros((1, 1, 3), np.uint8), Fraction(index, RATE))
            held = previous is not None and index in flashes
            goes_on = previous is not None and not held
            place = None if seams is None else seams.advance(frame.time, previous is None, goes_on)
            yield LaneStep(index, 0, shot, frame, previous, held=held, place=place)
            index, previous = index + 1, previous if held else frame


LENGTHS = st.lists(st.integers(1, 90), min_size=1, max_size=4)
FLASHES = st.frozensets(st.integers(0, 200), max_size=20)


@given(LENGTHS, FLASHES)
def test_every_frame_is_shown_once_and_parts_dissolve_into_each_other(
    lengths: list[int], flashes: frozenset[int]
) -> None:
    whole = list(steps_of(lengths, flashes))
    steps = list(split_long_shots(steps_of(lengths, flashes)))
    assert [step.index for step in steps] == sorted(step.index for step in steps)
    starts = [step.frame.time for step in whole if step.previous is None]
    for place in whole:
        dreams = [step for step in steps if step.index == place.index]
        time = place.frame.time
        start = max(start for start in starts if start <= time)
        assert {step.place and step.place.shot_start for step in dreams} == {start}
        seam = round((time - (OVERLAP_SECONDS - WARMUP_SECONDS) / 2) / EVERY) * EVERY
        is_near = seam and seam - WARMUP_SECONDS <= time < seam + OVERLAP_SECONDS and start + LEAST_SECONDS <= seam
        if len(dreams) == 1:
            assert dreams[0].share is None
            assert flashes or not is_near
            continue
        earlier, later = dreams
        assert earlier.share is not None and later.share is not None
        assert earlier.share + later.share == pytest.approx(1) and earlier.shot < later.shot
        assert is_near
        assert later.share == pytest.approx(float(max(time - seam, Fraction(0)) / OVERLAP_SECONDS))
    for part in {step.shot for step in steps}:
        frames = [step for step in steps if step.shot == part]
        assert [step.index for step in frames] == list(range(frames[0].index, frames[-1].index + 1))
        assert [step.previous is None for step in frames] == [True] + [False] * (len(frames) - 1)
        assert not frames[0].held


def test_a_shot_of_a_whole_number_of_parts_has_one_seam_less() -> None:
    steps = list(split_long_shots(steps_of([48])))
    begun = [step.index for step in steps if step.previous is None]
    assert begun == [0, 12, 28, 44]  # the last one warms up, and its shot ends before the seam
    shares = [step.share for step in steps if step.shot == 1]
    assert shares[:10] == [0, 0, 0, 0, *(pytest.approx(n / 6) for n in range(6))]
    assert shares[10:16] == [None] * 6  # until the next part begins, 16 frames after this one


@given(LENGTHS)
def test_without_the_option_shots_stay_whole(lengths: list[int]) -> None:
    steps = list(steps_of(lengths, every=None))
    assert all(map(operator.is_, split_long_shots(step for step in steps), steps))


@given(st.fractions(-10, 10**6), st.lists(st.binary(min_size=1, max_size=99), min_size=1, max_size=2))
def test_carries_are_unpacked_as_they_were_packed(start: Fraction, carries: list[bytes]) -> None:
    assert unpack_carries(pack_carries(start, carries)) == (start, carries)


# Dissolving.


def noise(seed: int, deviation: float) -> NDArray[np.uint8]:
    draw = np.random.default_rng(seed)
    return np.clip(128 + draw.normal(0, deviation, (64, 64, 3)).round(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("to_kind", [lambda image: image, torch.from_numpy])
def test_a_dissolve_goes_from_one_dream_to_the_other_and_keeps_the_strength(to_kind: Callable[[Any], Any]) -> None:
    source, earlier, later = (to_kind(noise(n, d)) for n, d in enumerate((0, 20, 10)))
    shares = [n / 10 for n in range(11)]
    shown = [dissolve(source, earlier, later, share) for share in shares]
    assert shown[0] is earlier and shown[-1] is later
    assert all(type(image) is type(earlier) and image.dtype == earlier.dtype for image in shown)
    residuals = [np.asarray(image).astype(float) - 128 for image in shown]
    strength = [np.abs(residual).mean() for residual in residuals]
    for share, each in zip(shares, strength, strict=True):
        assert each == pytest.approx((1 - share) * strength[0] + share * strength[-1], rel=0.02)
    change = [np.abs(b - a).mean() / np.abs(a).mean() for a, b in zip(residuals, residuals[1:], strict=False)]
    assert max(change) < 1.2 * min(change)


def test_dreams_that_are_alike_dissolve_without_a_change() -> None:
    source, dream = noise(0, 0), noise(1, 20)
    assert np.abs(dissolve(source, dream, dream, 0.5).astype(int) - dream).max() <= 1


# Dreaming.


def pan(count: int) -> list[NDArray[np.uint8]]:
    wide = textured(40, 56 + 2 * count, 3)
    return [np.ascontiguousarray(wide[:, 2 * n : 2 * n + 56]) for n in range(count)]


IMAGES = pan(52)


def frames_from(first: int) -> Generator[Frame, None, None]:
    for number in range(first, len(IMAGES)):
        yield Frame(IMAGES[number], Fraction(number, RATE))


def dreamed(network: Network, carry: CarrySettings, **changes: Any) -> list[Frame]:
    return list(dream_video(frames_from(0), network, QUICK, carry, **changes))


def test_a_split_shot_is_the_whole_one_up_to_the_seam_and_then_goes_over_to_the_next_part(
    tiny_network: Network,
) -> None:
    whole, split = dreamed(tiny_network, CarrySettings()), dreamed(tiny_network, SPLIT)
    later = list(dream_video(frames_from(12), tiny_network, QUICK, CarrySettings()))
    assert [frame.time for frame in split] == [frame.time for frame in whole]
    for number in range(28):
        ours, one = split[number].image.astype(int), whole[number].image.astype(int)
        if number <= 16:
            assert np.array_equal(ours, one)
        elif number >= 22:
            assert np.array_equal(ours, later[number - 12].image) and not np.array_equal(ours, one)
        else:
            between = dissolve(IMAGES[number], whole[number].image, later[number - 12].image, (number - 16) / 6)
            assert np.array_equal(ours, between)


def test_nothing_jumps_at_a_seam(tiny_network: Network) -> None:
    images = [frame.image.astype(float) for frame in dreamed(tiny_network, SPLIT)]
    change = [np.abs(b - a).mean() for a, b in zip(images, images[1:], strict=False)]
    at_seams = [change[n - 1] for n in range(1, len(images)) if n > 16 and n % 16 <= 6]
    elsewhere = [change[n - 1] for n in range(1, len(images)) if n <= 16 or n % 16 > 6]
    # Six frames of overlap, not forty: each is a larger part of the change.
    assert max(at_seams) < 1.3 * np.mean(elsewhere)


@pytest.mark.parametrize("lanes", [2, 5])
def test_parts_in_lanes_are_those_one_after_the_other(tiny_network: Network, lanes: int) -> None:
    together = dreamed(tiny_network, CarrySettings(split_shots=EVERY, lanes=lanes))
    for ours, expected in zip(together, dreamed(tiny_network, SPLIT), strict=True):
        assert np.abs(ours.image.astype(int) - expected.image).max() <= 1


def test_lanes_are_full_of_the_parts_of_one_shot(tiny_network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamvideo.video.dream_shots import ShotDreamer

    sizes: list[int] = []
    dream = ShotDreamer.dream

    def watched(self: ShotDreamer, batch: Sequence[Any]) -> Any:
        sizes.append(len(batch))
        return dream(self, batch)

    monkeypatch.setattr(ShotDreamer, "dream", watched)
    dreamed(tiny_network, CarrySettings(lanes=3))
    assert set(sizes) == {1}
    sizes.clear()
    dreamed(tiny_network, CarrySettings(split_shots=EVERY, lanes=3))
    assert max(sizes) == 3 and np.mean(sizes) > 2


def test_a_split_shot_goes_on_from_any_frame(tiny_network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MAX_FRAMES", 1)  # the carry after each frame is stored
    whole = dreamed(tiny_network, SPLIT)
    for frames in (5, 12, 13, 17, 22, 38):
        last = whole[frames - 1]
        assert last.carry is not None and last.segment is not None
        point = ResumePoint(frames, last.time, last.carry(), last.segment)
        rest = list(islice(dream_video(frames_from(frames - 1), tiny_network, QUICK, SPLIT, resume=point), 12))
        for ours, expected in zip(rest, whole[frames : frames + 12], strict=True):
            assert ours.time == expected.time and np.array_equal(ours.image, expected.image)


def test_the_time_between_seams_is_stored_in_outputs_and_has_a_least() -> None:
    stored = json.loads(settings_comment(CarrySettings(split_shots=Fraction("4.1"))))
    assert CarrySettings(split_shots=stored["split_shots"]) == CarrySettings(
        split_shots=Fraction(stored["split_shots"])
    )
    shared = [
        [step.index for step in split_long_shots(steps_of([60], every=every)) if step.share is not None]
        for every in (stored["split_shots"], Fraction("4.1"))
    ]
    assert shared[0] == shared[1]
    with pytest.raises(SettingsError, match="--split-shots 7/2: expected at least 4 seconds"):
        CarrySettings(split_shots=Fraction(7, 2))
