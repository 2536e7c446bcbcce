"""Cuts are found in the same small pictures whether a frame is converted or not, and windows where one can seek."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import make_clip
from conftest import textured
from numpy.typing import NDArray

from dreamvideo.frames import CUT_SIDE
from dreamvideo.media.packet_index import read_packet_index
from dreamvideo.media.upright import LateConverter
from dreamvideo.media.video_reader import open_video

TIMES = [Fraction(n, 25) for n in range(40)]


def image(number: int, width: int, height: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(textured(height, width + 80, 3)[:, 2 * number : 2 * number + width])


def write_clip(path: Path, codec: str, pixel_format: str, size: tuple[int, int]) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        for number in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image(number, *size), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"])
def test_small_pictures_are_those_of_whole_frames_and_images_are_made_later(tmp_path: Path, pixel_format: str) -> None:
    codec = "ffv1" if pixel_format == "gray" else "libx264"
    clip = write_clip(tmp_path / "clip.mkv", codec, pixel_format, (480, 320))
    with open_video(clip) as whole, open_video(clip, converter=LateConverter) as late:
        for a, b in zip(whole.frames, list(late.frames), strict=True):  # the decoder goes on meanwhile
            assert a.time == b.time and a.image.shape == b.image.shape and a.whole() is a
            assert np.array_equal(b.whole().image, a.image) and b.whole().late is None
            if pixel_format == "gray":  # it has no planes to shrink
                assert a.small is None and b.small is None and np.array_equal(a.image, b.image)
                continue
            assert np.array_equal(a.small.image, b.small.image) and a.small.noise == b.small.noise
            assert b.image.strides == (0, 0, 0)
            size = (CUT_SIDE, round(CUT_SIDE * 320 / 480))
            shrunk = cv2.resize(a.image, size, interpolation=cv2.INTER_AREA)
            assert a.small.image.shape == shrunk.shape
            assert np.abs(a.small.image.astype(int) - shrunk).mean() < 3
            rows = a.image[::8].astype(int).sum(2)
            assert a.small.noise == pytest.approx(np.abs(np.diff(rows, axis=1)).mean() / 3, rel=0.25)


def test_packets_tell_times_and_key_frames_without_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_clip(tmp_path / "clip.mp4", TIMES, options={"g": "10", "sc_threshold": "0"}, image=image)
    monkeypatch.setattr("dreamvideo.media.video_reader.decode_frames", None)
    index = read_packet_index(clip, 0)
    assert [time - index.times[0] for time in index.times] == TIMES
    assert [key - index.times[0] for key in index.keys] == TIMES[::10] and index.inexact is None


@pytest.mark.parametrize(("name", "why"), [("clip.avi", "seek in AVI"), ("clip.gif", "seek in GIF")])
def test_files_that_cannot_be_sought_exactly_are_told(tmp_path: Path, name: str, why: str) -> None:
    codec, pixel_format = ("gif", "rgb8") if name.endswith("gif") else ("mpeg4", "yuv420p")
    clip = write_clip(tmp_path / name, codec, pixel_format, (64, 48))
    assert why in str(read_packet_index(clip, 0).inexact)
