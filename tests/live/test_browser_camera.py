"""The camera of a browser: the newest image, when it came, its mark; images that strangers made."""

import struct
from contextlib import closing
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.errors import SourceError
from dreamvideo.live.cameras import browser_camera
from dreamvideo.live.cameras.browser_camera import SILENCE, BrowserCamera, decode_frame


def jpeg(level: int, width: int = 48, height: int = 32) -> bytes:
    return cv2.imencode(".jpg", np.full((height, width, 3), level, np.uint8))[1].tobytes()


def claiming(width: int, height: int) -> bytes:
    """A small JPEG that says that it is large."""
    small = jpeg(9)
    head = small.index(b"\xff\xc0")
    return small[: head + 5] + struct.pack(">HH", height, width) + small[head + 9 :]


class FakeClock:
    """A clock that goes on as it is asked."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


def test_the_newest_image_is_given_with_its_time_and_mark() -> None:
    camera = BrowserCamera(FakeClock())
    with closing(camera.frames()) as frames:
        camera.give(jpeg(200), 1.5)
        camera.give(jpeg(100), 2.5)
        first = next(frames)
        assert first.image.shape == (32, 48, 3) and abs(int(first.image.mean()) - 100) < 3
        assert camera.mark(first.time) == 2.5 and 100 < first.time < 102
        camera.give(b"nothing", 3.5)
        assert next(frames) is None  # damaged
        camera.give(jpeg(50), 4.5)
        assert camera.mark(next(frames).time) == 4.5
        assert camera.mark(Fraction(7)) is None


def test_a_browser_that_has_gone_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_camera, "_STEP", 0.0)
    camera = BrowserCamera(FakeClock())
    with closing(camera.frames()) as frames:
        camera.give(jpeg(100), 0.0)
        found: list[Any] = []
        with pytest.raises(SourceError, match="is its page still open"):
            for _ in range(1000):
                found.append(next(frames))
        assert found.count(None) == round(SILENCE / 0.5)


def test_marks_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_camera, "_MOST_MARKS", 3)
    camera = BrowserCamera(FakeClock())
    for number in range(10):
        camera.give(jpeg(100), float(number))
    assert list(camera._marks.values()) == [7.0, 8.0, 9.0]


def test_an_image_that_claims_to_be_huge_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decode_frame(claiming(48, 32)).shape == (32, 48, 3)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    assert decode_frame(claiming(65500, 65500)) is None
    assert decode_frame(claiming(1921, 16)) is None


@given(st.binary(max_size=200), st.integers(0, 700))
def test_what_is_damaged_is_left_out(noise: bytes, place: int) -> None:
    whole = jpeg(120)
    for content in (noise, whole[:place], whole[:place] + noise + whole[place + len(noise) :]):
        image = decode_frame(content)
        assert image is None or (image.dtype == np.uint8 and image.ndim == 3 and max(image.shape) <= 1920)
    assert decode_frame(cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes()) is None
