"""Frames without a picture end a shot, flashes are looked over, and segments end where a later run can go on."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from conftest import stream, textured
from numpy.typing import NDArray

from dreamvideo.frames import Frame
from dreamvideo.media import segments
from dreamvideo.video.lanes import LaneStep
from dreamvideo.video.shots import single_input, split_shots

BLACK, GRAY, WHITE = (np.full((72, 128, 3), level, np.uint8) for level in (0, 128, 255))


def pan(seed: int, count: int) -> list[NDArray[np.uint8]]:
    wide = textured(72, 128 + count, seed)
    return [np.ascontiguousarray(wide[:, i : i + 128]) for i in range(count)]


def steps_of(images: Any) -> list[LaneStep]:
    return list(split_shots(single_input(stream(images)), alone=False))


def kinds(steps: list[LaneStep]) -> str:
    """A letter for each frame: b begins a shot, . goes on, p is plain, h is held."""
    return "".join(
        "h" if step.held else "p" if not step.presence else "b" if step.previous is None else "." for step in steps
    )


@pytest.mark.parametrize("plain", [BLACK, GRAY, WHITE])
def test_plain_frames_are_not_dreamed_and_the_next_picture_begins_a_shot(plain: NDArray[np.uint8]) -> None:
    one, other = pan(1, 3), pan(2, 3)
    steps = steps_of([plain, *one, *[plain] * 5, *other])
    assert kinds(steps) == "pb..pppppb.."
    assert [step.shot for step in steps] == [1, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4]


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize(
    "flash", [BLACK, WHITE, pan(9, 1)[0], np.clip(pan(1, 6)[5] * 3.0 + 90, 0, 255).astype(np.uint8)]
)
def test_a_flash_is_looked_over(flash: NDArray[np.uint8], length: int) -> None:
    scene = pan(1, 10)
    steps = steps_of([*scene[:5], *[flash] * length, *scene[5 + length :]])
    assert kinds(steps) == "b...." + "h" * length + "." * (5 - length)
    assert steps[5 + length].previous is steps[4].frame
    assert len({step.shot for step in steps}) == 1


def test_strobes_do_not_begin_the_shot_anew() -> None:
    scene = pan(1, 12)
    assert kinds(steps_of([WHITE if i % 3 == 2 else image for i, image in enumerate(scene)])) == "b.h..h..h..p"


def test_another_scene_after_two_black_frames_is_no_flash() -> None:
    assert kinds(steps_of([*pan(1, 4), BLACK, BLACK, *pan(2, 4)])) == "b...ppb..."
    assert kinds(steps_of([*pan(1, 4), *pan(2, 2), *pan(3, 4)])) == "b...b.b..."


def test_frames_that_dream_alone_are_all_pictures() -> None:
    steps = list(split_shots(single_input(stream([BLACK, *pan(1, 2)])), alone=True))
    assert kinds(steps) == "bbb"


def test_a_black_mask_is_as_a_plain_frame() -> None:
    images, black = pan(1, 6), np.zeros((72, 128), np.uint8)
    frames = (Frame(image, Fraction(i, 25), mask=black if i in (2, 3) else None) for i, image in enumerate(images))
    assert kinds(list(split_shots(single_input(frames), alone=False))) == "b.ppb."


def test_no_segment_ends_on_a_flash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MAX_FRAMES", 6)
    scene = pan(1, 20)
    scene[5] = scene[6] = WHITE
    steps = steps_of(scene)
    assert kinds(steps) == "b....hh............."
    assert [step.segment for step in steps] == [0] * 8 + [1] * 6 + [2] * 6
    assert [i for i, step in enumerate(steps) if step.stores_carry] == [7, 13, 19]


def test_frames_are_read_ahead_only_where_there_may_be_a_flash() -> None:
    read: list[int] = []

    def frames() -> Any:
        for i, frame in enumerate(stream([*pan(1, 4), *[BLACK] * 8])):
            read.append(i)
            yield frame

    steps = split_shots(single_input(frames()), alone=False)
    ahead = [len(read) - 1 - step.index for step in steps]
    assert ahead == [0, 0, 0, 0, 3, 2, 1, 0, 0, 0, 0, 0]
