"""The functions of docs/integrations.md, with the real MoviePy and imageio where they are, as in CI."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import make_clip, sound_tracks, video_times

from dreamvideo.media.video_reader import open_video

PAGE = (Path(__file__).parents[2] / "docs" / "integrations.md").read_text(encoding="utf-8")
COMFYUI, FUNCTION, MOVIEPY, IMAGEIO = re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_clip(tmp_path / "in.mp4", [Fraction(n, 25) for n in range(5)], size=(96, 64), audio=[("aac", "eng")])


def images(path: Path) -> list[Any]:
    with open_video(path) as source:
        return [frame.image for frame in source.frames]


def changes(clip: Path) -> list[float]:
    dream = images(Path("out.mp4"))
    assert len(dream) == len(images(clip))
    return [np.abs(np.subtract(a, b, dtype=float)).mean() for a, b in zip(images(clip), dream, strict=True)]


def test_a_clip_of_moviepy_is_dreamed_with_its_sound(clip: Path) -> None:
    pytest.importorskip("moviepy")
    space: dict[str, Any] = {}
    exec(FUNCTION, space)
    exec(MOVIEPY, space)
    assert min(changes(clip)) > 3
    assert [codec for codec, *_ in sound_tracks(Path("out.mp4"))] and len(video_times(Path("out.mp4"))[0]) == 5


class Clip:
    """What the function uses of MoviePy's clips."""

    fps, duration = 25, 0.2

    def __init__(self, frame: Any) -> None:
        self.get_frame = frame

    def transform(self, function: Any) -> Clip:
        return Clip(lambda time: function(self.get_frame, time))


def test_frames_asked_for_out_of_order_are_those_of_the_order() -> None:
    space: dict[str, Any] = {}
    exec(FUNCTION, space)
    source = np.random.default_rng(0).integers(0, 255, (5, 48, 64, 3), np.uint8)
    dreamed = space["dreamed"](Clip(lambda time: source[min(round(time * 25), 4)]))
    in_order = [dreamed.get_frame(n / 25) for n in range(5)]
    assert not np.array_equal(in_order[1], in_order[2])
    for number in (0, 3, 3, 1, 4):
        assert np.array_equal(dreamed.get_frame(number / 25), in_order[number])
    assert np.array_equal(dreamed.get_frame(0.2), in_order[4])  # as some ask for the end


def test_imageio_reads_and_writes_a_dream(clip: Path) -> None:
    pytest.importorskip("imageio")
    exec(IMAGEIO, {})
    assert min(changes(clip)) > 3
