"""Films whose ends meet: the last second goes over into a dream that leads to the first frame."""

import logging
from collections.abc import Generator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from conftest import make_tiny_network, stream, textured
from numpy.typing import NDArray

from dreamvideo.errors import SettingsError
from dreamvideo.frames import Frame
from dreamvideo.media import segments
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video import dream_shots
from dreamvideo.video.dissolve import dissolve
from dreamvideo.video.pipeline import dream_inputs, dream_video
from dreamvideo.video.shots import DreamInput, single_input, split_shots

pytestmark = pytest.mark.usefixtures("single_thread")

RATE = 4
QUICK = DreamSettings(octaves=1, iterations=2, step_size=0.03, jitter=4)
PLAIN, SEAMLESS = CarrySettings(), CarrySettings(seamless=True)


def forth_and_back(count: int, place: int = 3) -> list[NDArray[np.uint8]]:
    """A pan there and back: its last frame leads to its first as each leads to the next."""
    wide = textured(40, 56 + 2 * count, place)
    there = [np.ascontiguousarray(wide[:, 2 * n : 2 * n + 56]) for n in range(count // 2 + 1)]
    return there + there[-2:0:-1]


LOOP = forth_and_back(12)


@pytest.fixture(scope="module")
def network() -> Network:
    return make_tiny_network()


def dreamed(
    network: Network, carry: CarrySettings, images: Sequence[NDArray[np.uint8]] = LOOP, settings: Any = QUICK
) -> list[Frame]:
    return list(dream_video(stream(images, RATE), network, settings, carry))


@pytest.fixture(scope="module")
def whole(network: Network) -> list[Frame]:
    return dreamed(network, PLAIN)


@pytest.fixture(scope="module")
def met(network: Network) -> list[Frame]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "MAX_FRAMES", 1)  # the carry after each frame is stored
        return dreamed(network, SEAMLESS)


def led_back(network: Network, count: int, images: Sequence[NDArray[np.uint8]] = LOOP) -> list[NDArray[np.uint8]]:
    """The last `count` frames as they are dreamed from the first one back, and counted back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            dream_shots,
            "counted_back",
            lambda _, progress, last=None: replace(progress, frame_index=last.frame_index - 1 if last else 1),
        )
        frames = dreamed(network, PLAIN, [images[0], *images[: -count - 1 : -1]])
    return [frame.image for frame in frames[:0:-1]]


def same_frames(some: list[Frame], others: list[Frame]) -> list[bool]:
    return [np.array_equal(a.image, b.image) for a, b in zip(some, others, strict=True)]


def test_the_last_second_goes_over_into_a_dream_from_the_first_frame_back(
    network: Network, whole: list[Frame], met: list[Frame]
) -> None:
    assert [frame.time for frame in met] == [frame.time for frame in whole]
    led = led_back(network, 4)
    for number, (ours, plain) in enumerate(zip(met, whole, strict=True)):
        expected = plain.image
        if number > 7:
            expected = dissolve(LOOP[number], plain.image, led[number - 8], (number - 7) / 4)
        assert np.array_equal(ours.image, expected)
    assert np.array_equal(met[-1].image, led[-1])


def test_what_a_dream_adds_does_not_jump_from_the_last_frame_to_the_first(whole: list[Frame], met: list[Frame]) -> None:
    def change(images: list[Frame], frame: int) -> float:
        before, after = (images[n].image.astype(float) - LOOP[n] for n in (frame - 1, frame))
        moved = np.roll(before, -2 if 0 < frame <= len(LOOP) // 2 else 2, 1)
        return float(np.abs(after - moved)[:, 4:-4].mean())

    neighbors = [change(met, n) for n in range(1, len(LOOP))]
    assert change(met, 0) < 1.3 * np.median(neighbors)  # 1.57 where the octaves' turns begin anew
    assert change(whole, 0) > 1.4 * max(neighbors)


@pytest.mark.parametrize("frames", [3, 8, 9, 11])
def test_a_film_goes_on_to_the_same_end_from_any_frame(network: Network, met: list[Frame], frames: int) -> None:
    last = met[frames - 1]
    assert last.carry is not None and last.segment is not None
    point = ResumePoint(frames, last.time, last.carry(), last.segment)
    rest = (Frame(LOOP[n], Fraction(n, RATE)) for n in range(frames - 1, len(LOOP)))
    first = Frame(LOOP[0], Fraction(0))
    resumed = list(dream_video(rest, network, QUICK, SEAMLESS, resume=point, first=first))
    assert [frame.time for frame in resumed] == [frame.time for frame in met[frames:]]
    assert all(same_frames(resumed, met[frames:]))
    with pytest.raises(SettingsError, match="seamless with resume: expected first"):
        next(dream_video(iter(()), network, QUICK, SEAMLESS, resume=point))


def test_ends_in_lanes_are_those_one_after_the_other(network: Network, met: list[Frame]) -> None:
    together = dreamed(network, replace(SEAMLESS, lanes=3))
    for ours, expected in zip(together, met, strict=True):
        assert np.abs(ours.image.astype(int) - expected.image).max() <= 1


def test_of_a_film_of_several_shots_only_the_last_one_leads_to_the_first(network: Network) -> None:
    images = [LOOP[0], LOOP[1], *forth_and_back(4, 8), *LOOP[3:0:-1]]  # the last shot has three frames
    whole, met = (dreamed(network, carry, images) for carry in (PLAIN, SEAMLESS))
    assert same_frames(whole, met) == [True] * 6 + [False] * 3
    assert np.array_equal(met[-1].image, led_back(network, 3, images)[-1])


def test_a_film_that_jumps_itself_ends_as_it_is_with_a_warning(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    images = [LOOP[0], LOOP[1], *forth_and_back(4, 8)]
    with caplog.at_level(logging.WARNING):
        whole, met = (dreamed(network, carry, images) for carry in (PLAIN, SEAMLESS))
    assert all(same_frames(whole, met))
    (warning,) = (record.message for record in caplog.records)
    assert warning.startswith("the last frame does not go over into the first")


def test_a_film_that_begins_or_ends_in_black_ends_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    black = np.zeros_like(LOOP[0])
    for images in ([*LOOP[:3], black], [black, *LOOP[:3]]):
        steps = list(split_shots(single_input(stream(images, RATE)), alone=False, seamless=True))
        assert [step.index for step in steps] == [0, 1, 2, 3] and not any(step.meets for step in steps)
    assert not caplog.records


@pytest.mark.parametrize(("count", "led"), [(1, 0), (2, 1), (5, 2), (6, 3)])
def test_of_a_short_film_at_most_half_goes_over(count: int, led: int) -> None:
    steps = list(split_shots(single_input(stream(LOOP[:count], RATE)), alone=False, seamless=True))
    assert [step.index for step in steps if step.meets is not None and not step.leads] == list(
        range(count - led, count)
    )
    assert [step.index for step in steps if not step.leads] == list(range(count))


def test_the_end_is_dreamed_as_the_beginning_is_whatever_the_schedule(network: Network) -> None:
    met = dreamed(network, SEAMLESS, settings=lambda time: replace(QUICK, step_size=0.03 if time < 1 else 0.06))
    assert np.array_equal(met[-1].image, led_back(network, 1)[-1])


def test_a_film_may_end_where_parts_of_a_long_shot_meet(network: Network) -> None:
    images = forth_and_back(20)  # the seam is after 4 seconds, the last of which goes over to the first frame, too
    split = CarrySettings(split_shots=Fraction(4))
    parts, met = (dreamed(network, carry, images) for carry in (split, replace(split, seamless=True)))
    led = led_back(network, 4, images)
    for number in range(16, 20):
        expected = dissolve(images[number], parts[number].image, led[number - 16], (number - 15) / 4)
        assert np.array_equal(met[number].image, expected)
    assert all(same_frames(parts[:16], met[:16]))


def test_frames_come_in_order_each_once_and_then_those_of_the_second_dream() -> None:
    def inputs() -> Generator[Any, None, None]:
        for _ in range(2):
            yield from single_input(stream(LOOP, RATE))

    steps = list(split_shots(inputs(), alone=False, seamless=True))
    shown = [step for step in steps if not step.leads]
    assert [step.index for step in shown] == list(range(24))
    assert [step.meets for step in shown] == 2 * [*[None] * 8, 0.25, 0.5, 0.75, 1.0]
    led = [step for step in steps if step.leads]
    assert [step.index for step in led] == [11, 11, 10, 9, 8, 23, 23, 22, 21, 20]
    assert [step.previous is None for step in led] == 2 * [True, False, False, False, False]
    assert len({step.shot for step in steps}) == 4


def test_a_flash_in_the_last_second_is_looked_over() -> None:
    images = [*LOOP[:10], np.full_like(LOOP[0], 255), LOOP[11]]
    steps = list(split_shots(single_input(stream(images, RATE)), alone=False, seamless=True))
    first, *led = [step for step in steps if step.leads]
    assert [(step.index, step.held) for step in led] == [(11, False), (10, True), (9, False), (8, False)]
    assert led[0].previous is first.frame and led[1].previous is led[2].previous is led[0].frame


def test_a_window_may_end_at_a_seam_in_the_last_second(network: Network) -> None:
    images, carry = forth_and_back(24), replace(SEAMLESS, split_shots=Fraction(4))

    def shown(**part: Any) -> list[Frame]:
        def inputs() -> Generator[DreamInput, None, None]:
            yield DreamInput(stream(images, RATE), grid=Fraction(2), ends_at_seams=True, **part)

        return [frame for _, frames in dream_inputs(inputs(), network, QUICK, carry) for frame in frames]

    whole = shown()
    before, after = shown(end=2), shown(begin=2, first=lambda: Frame(images[0], Fraction(0)))
    assert [len(whole), len(before), len(after)] == [24, 22, 2]  # the later part is alone 1.5 s after the seam
    assert all(same_frames([*before, *after], whole))
    assert not any(same_frames(whole[20:], dreamed(network, replace(carry, seamless=False), images)[20:]))
