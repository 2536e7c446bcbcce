"""The picture of a sound: everything at its column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dreamvideo.sound import sound_strip
from dreamvideo.sound.features import SoundFeatures
from dreamvideo.sound.sound_strip import draw_sound_strip

WIDTH = 400
LENGTH = 1001  # values: ten seconds
TIMES = np.arange(LENGTH) / 100

SOUND = SoundFeatures(
    10.0,
    {"bass": (TIMES >= 5).astype(np.float32), "mid": np.zeros(LENGTH, np.float32)},
    np.where(TIMES < 2, -0.2, -0.8).astype(np.float32),
    np.where(TIMES < 2, 0.1, 0.8).astype(np.float32),
    onsets=np.array([3.0, 7.5]),
    onset_strengths=np.array([0.5, 1], np.float32),
    beats=np.array([1.0, 2.5, 9.0]),
)


def columns(image: np.ndarray, color: tuple[int, int, int], rows: slice = slice(None)) -> list[int]:
    """Columns in which a color is seen."""
    return np.flatnonzero((image[rows] == color).all(2).any(0)).tolist()


def height(image: np.ndarray, column: int, color: tuple[int, int, int], rows: slice) -> int:
    return int((image[rows, column] == color).all(1).sum())


def test_time_is_linear_and_every_lane_is_there() -> None:
    image = draw_sound_strip(SOUND, WIDTH)
    assert image.dtype == np.uint8 and image.shape == (96 + 2 * 48 + 22, WIDTH, 3)
    assert columns(image, sound_strip._BEAT, slice(93, 96)) == [40, 100, 360]
    assert columns(image, sound_strip._ONSET, slice(0, 96)) == [120, 300]
    wave = slice(0, 96)
    quiet, loud = (height(image, column, sound_strip._WAVE, wave) for column in (60, 200))
    assert loud == pytest.approx(88, abs=2) and quiet == pytest.approx(0.3 / 1.6 * 88, abs=2)
    lane = slice(96, 144)
    assert [height(image, column, sound_strip._LEVEL, lane) > 30 for column in (150, 198, 202, 399)] == [
        False,
        False,
        True,
        True,
    ]
    assert columns(image, sound_strip._LEVEL, slice(144, 189)) == []


def test_a_part_is_drawn_larger_and_what_lies_outside_is_not() -> None:
    image = draw_sound_strip(SOUND, WIDTH, 2, 4)
    assert columns(image, sound_strip._BEAT, slice(93, 96)) == [100]
    assert columns(image, sound_strip._ONSET, slice(0, 96)) == [200]


def test_a_strip_longer_than_the_sound_is_empty_behind_it() -> None:
    image = draw_sound_strip(SOUND, WIDTH, 0, 20)
    lane = slice(96, 142)
    assert columns(image, sound_strip._LEVEL, lane)[-1] == pytest.approx(200, abs=1)
    assert height(image, 300, sound_strip._WAVE, slice(0, 96)) <= 1
    assert columns(image, sound_strip._BEAT, slice(93, 96)) == [20, 50, 180]


@pytest.mark.parametrize("width", [1, 7, 3000])
@pytest.mark.parametrize("span", [(0.0, None), (0.0, 0.0), (3.0, 3.05), (50.0, 60.0)])
def test_any_width_and_span_can_be_drawn(width: int, span: tuple[float, float | None]) -> None:
    assert draw_sound_strip(SOUND, width, *span).shape[1] == width


def test_a_film_without_sound_is_an_empty_strip() -> None:
    nothing = np.empty(0, np.float32)
    silent = replace(
        SOUND, duration=0, levels={"bass": nothing}, lowest=nothing, highest=nothing, beats=None, onsets=None
    )
    image = draw_sound_strip(replace(silent, onset_strengths=None), WIDTH, 0, 10)
    assert columns(image, sound_strip._BEAT) == columns(image, sound_strip._ONSET) == []
    assert image.shape == (96 + 48 + 22, WIDTH, 3)
