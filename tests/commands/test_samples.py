"""The sample clip and the truth that its script can tell about every pixel."""

import sys
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

SAMPLES = Path(__file__).parents[2] / "samples"
CLIP = SAMPLES / "valley.mp4"

sys.path.insert(0, str(SAMPLES))
try:
    import render_sample as sample
    import soundtrack
finally:
    sys.path.remove(str(SAMPLES))


@lru_cache
def frames(shot: str, count: int, rate: int = 24, width: int = 320, height: int = 180) -> list[sample.Truth]:
    """The first frames of a shot; a low rate makes for long ways between frames."""
    return list(islice(sample.render(width, height, Fraction(rate), (shot,)), count))


def pull(image: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """out(x) = image(x + flow(x)), border repeated."""
    h, w = image.shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    pulled = cv2.remap(image, x + flow[0], y + flow[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return pulled.astype(np.float32)


def error(first: NDArray[Any], second: NDArray[Any], where: NDArray[np.bool_]) -> float:
    """Mean absolute difference on the 0 to 255 scale."""
    return float(np.abs(first.astype(np.float32) - second.astype(np.float32)).mean(-1)[where].mean())


@pytest.mark.parametrize("shot", ["valley", *(pytest.param(s, marks=pytest.mark.slow) for s in ("lake", "autumn"))])
def test_true_flow_reproduces_the_frame(shot: str) -> None:
    before, now = frames(shot, 3, rate=8)[1:]
    seen = ~now.occluded
    warped = error(pull(before.image, now.flow), now.image, seen)
    unmoved = error(before.image, now.image, seen)
    assert warped < 3
    assert warped < 0.45 * unmoved
    assert seen.mean() > 0.9


@pytest.mark.parametrize("shot", ["valley", "lake", pytest.param("autumn", marks=pytest.mark.slow)])
def test_no_shifted_flow_does_better(shot: str) -> None:
    before, now = frames(shot, 3, rate=8)[1:]
    seen = ~now.occluded & (np.hypot(*now.flow) > 0.5)
    best = error(pull(before.image, now.flow), now.image, seen)
    for dx, dy in ((0.3, 0), (-0.3, 0), (0, 0.3), (0, -0.3)):
        shifted = now.flow + np.array([dx, dy], np.float32)[:, None, None]
        assert error(pull(before.image, shifted), now.image, seen) > best * 1.1
    assert error(pull(before.image, -now.flow), now.image, seen) > best * 1.5


def test_masked_pixels_are_those_that_cannot_be_warped() -> None:
    before, now = frames("lake", 3, rate=8)[1:]
    pulled = pull(before.image, now.flow)
    assert error(pulled, now.image, now.occluded) > 5 * error(pulled, now.image, ~now.occluded)


def test_what_a_moving_boat_uncovers_is_masked_and_what_it_covers_is_not() -> None:
    now = frames("lake", 3, rate=8)[2]
    speed = now.flow[0, 60:100]  # rows that hold the sails
    boat = speed < 0.9 * speed.min()  # it moves to the right: its points lay further left
    rows = np.flatnonzero(boat.sum(1) > 5)
    left, right = boat.argmax(1)[rows], boat.shape[1] - 1 - boat[:, ::-1].argmax(1)[rows]
    mask = now.occluded[60:100][rows]
    behind = [mask[row, edge - 3 : edge - 1].mean() for row, edge in enumerate(left)]
    ahead = [mask[row, edge + 2 : edge + 5].mean() for row, edge in enumerate(right)]
    assert len(rows) > 20
    assert np.mean(behind) > 0.8
    assert np.mean(ahead) < 0.1


def test_what_comes_in_at_the_border_is_masked() -> None:
    now = frames("valley", 3, rate=8)[2]  # the camera moves right, so new land enters there
    entering = np.arange(320)[None, :] + now.flow[0] > 320
    assert entering.any()
    assert now.occluded[entering].all()


def test_same_arguments_same_frames() -> None:
    def twice() -> list[sample.Truth]:
        return list(islice(sample.render(96, 54, shots=("lake",), seed=3), 2))

    for one, other in zip(twice(), twice(), strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.flow, other.flow)
    np.testing.assert_array_equal(one.occluded, other.occluded)


def test_cuts_are_where_the_truth_says() -> None:
    rate = Fraction(4)
    clip = list(sample.render(64, 36, rate, ("lake", "autumn")))
    counts = [sample.frame_count(shot, rate) for shot in ("lake", "autumn")]
    assert [frame.shot for frame in clip] == [0] * counts[0] + [1] * counts[1]
    assert [index for index, frame in enumerate(clip) if frame.flow is None] == [0, counts[0]]
    assert [index for index, frame in enumerate(clip) if frame.occluded is None] == [0, counts[0]]
    assert [frame.time for frame in clip] == [index / rate for index in range(len(clip))]
    steps = [error(a.image, b.image, np.ones((36, 64), bool)) for a, b in zip(clip, clip[1:], strict=False)]
    assert np.argmax(steps) == counts[0] - 1
    assert clip[1].image.shape == (36, 64, 3) and clip[1].image.dtype == np.uint8
    assert clip[1].flow.shape == (2, 36, 64) and clip[1].flow.dtype == np.float32
    assert clip[1].occluded.shape == (36, 64) and clip[1].occluded.dtype == bool


@pytest.mark.slow
def test_shots_that_are_no_cuts() -> None:
    pan = frames("pan", 24, width=64, height=36)
    assert max(np.abs(frame.flow[0]).mean() for frame in pan[1:]) > 5  # more than 8 % of the width in a frame
    fade = [frame.image.mean() for frame in frames("fade", 36, width=64, height=36)]
    assert min(fade) < 5 and fade[0] > 60 and fade[-1] > 60
    flash = np.array([frame.image.mean() for frame in frames("flash", 24, width=64, height=36)])
    assert np.count_nonzero(flash > np.median(flash) + 40) == 2


def test_sound_differs_by_side_and_shot() -> None:
    lake, valley = (soundtrack.shot_sound(name, 1.5, 1) for name in ("lake", "valley"))
    assert lake.shape == valley.shape == (2, 72000)
    assert 0.02 < np.abs(lake).max() < 0.9
    assert np.abs(lake[0] - lake[1]).max() > 0.01
    assert np.abs(lake - valley).max() > 0.01


def clip_frames(indices: set[int]) -> dict[int, NDArray[np.uint8]]:
    with av.open(str(CLIP)) as container:
        decoded = enumerate(container.decode(video=0))
        wanted = islice(decoded, max(indices) + 1)
        return {i: np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for i, f in wanted if i in indices}


def test_the_clip_is_what_the_readme_says() -> None:
    assert CLIP.stat().st_size < 3_000_000
    expected = sum(sample.frame_count(shot) for shot in sample.CLIP)
    with av.open(str(CLIP)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height, video.codec_context.name) == (640, 360, "h264")
        assert video.codec_context.pix_fmt == "yuv420p"
        assert (video.codec_context.colorspace, video.codec_context.color_primaries) == (1, 1)
        assert (audio.codec_context.name, audio.codec_context.channels) == ("aac", 2)
        assert video.frames == expected
        seconds = Fraction(expected) / sample.FRAME_RATE
        assert video.duration * video.time_base == seconds
        assert abs(audio.duration * audio.time_base - seconds) < Fraction(1, 20)
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [index / sample.FRAME_RATE for index in range(expected)]


def test_the_clip_shows_what_the_script_draws() -> None:
    shown = clip_frames({0, 2})
    for index, frame in enumerate(frames("valley", 3)):
        if index in shown:
            small = cv2.resize(shown[index], (320, 180), interpolation=cv2.INTER_AREA)
            # At half the size the land is made of fewer slices: alike, not equal.
            assert error(small, frame.image, np.ones((180, 320), bool)) < 6


@pytest.mark.slow
def test_the_clip_is_the_script_at_full_size() -> None:
    first = 0
    for shot in sample.CLIP:
        shown = clip_frames({first, first + 1})
        for index, frame in enumerate(islice(sample.render(shots=(shot,)), 2)):
            assert error(shown[first + index], frame.image, np.ones((360, 640), bool)) < 4
        first += sample.frame_count(shot)
