"""A film is read from any time on as if it had been read from its beginning, wherever its decoder can begin."""

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import textured
from numpy.typing import NDArray

from dreamvideo.frames import Frame
from dreamvideo.media.packet_index import read_packet_index
from dreamvideo.media.video_reader import open_video
from dreamvideo.settings.job import ReadSettings

COUNT, RATE = 60, 25
LOOK = 6  # frames that are compared

# What comes out of a seek: whole pictures; those that are refreshed column by column; what lies between packets. FLV
# begins two frames late where each has to wait for those between, and recorders begin anywhere.
FILMS = {
    "closed.mp4": ("libx264", {"x264-params": "keyint=16:bframes=2:scenecut=0"}),
    "open.mkv": ("libx264", {"x264-params": "open-gop=1:keyint=16:min-keyint=16:bframes=3:scenecut=0"}),
    "refreshed.mp4": ("libx264", {"x264-params": "intra-refresh=1:keyint=16:bframes=3:scenecut=0"}),
    "transport.ts": ("libx264", {"x264-params": "keyint=16:bframes=2:scenecut=0"}),
    "transport2.ts": ("mpeg2video", {"bf": "2", "g": "16"}),
    "program.mpg": ("mpeg2video", {"bf": "2", "g": "16"}),
    "between.flv": ("libx264", {"x264-params": "keyint=16:bframes=2:scenecut=0"}),
    "recorded.mkv": ("libx264", {"x264-params": "keyint=16:bframes=2:scenecut=0", "output_ts_offset": "100"}),
}


def film(path: Path, codec: str, options: dict[str, str]) -> Path:
    """A film that moves slowly, with little noise, so that each frame takes most of what is shown from those before."""
    ground, draw = textured(64, 96), np.random.default_rng(0)
    late = {"output_ts_offset": options["output_ts_offset"]} if "output_ts_offset" in options else {}
    with av.open(str(path), "w", container_options=late) as output:
        stream = output.add_stream(codec, rate=RATE, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(COUNT):
            image = np.roll(ground, number // 4, 1) // 2 + draw.integers(0, 9, ground.shape)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    return path


def images_of(frames: list[Frame]) -> list[NDArray[np.uint8]]:
    return [np.array(frame.image) for frame in frames]


def check(path: Path) -> None:
    """Read it as a whole, and from several of its frames on."""
    with open_video(path, ReadSettings()) as source:
        frames = [Frame(np.array(frame.image), frame.time) for frame in source.frames]
    times, whole = [frame.time for frame in frames], images_of(frames)
    assert len(whole) == COUNT and not np.array_equal(whole[0], whole[-1]) and times[0] < Fraction(1, RATE)
    for first in (1, 7, 18, 33, COUNT - LOOK):
        since = ReadSettings(start=times[first] - Fraction(1, 100), frames=LOOK)
        with open_video(path, since) as source:
            started = images_of(list(source.frames))
        with open_video(path, ReadSettings(), resume=times[first], jump=True) as source:
            jumped = images_of([frame for frame, _ in zip(source.frames, range(LOOK), strict=False)])
        for images in (started, jumped):
            assert len(images) == LOOK
            for image, expected in zip(images, whole[first:], strict=False):
                np.testing.assert_array_equal(image, expected, err_msg=f"from frame {first} on")


@pytest.mark.parametrize("name", FILMS)
def test_from_any_time_on_it_is_the_same(tmp_path: Path, name: str) -> None:
    check(film(tmp_path / name, *FILMS[name]))


def test_pictures_that_are_refreshed_later_than_their_stream_says_are_not_begun_with(tmp_path: Path) -> None:
    path = film(tmp_path / "refreshed.mp4", *FILMS["refreshed.mp4"])
    # A message of a recovery point: length, NAL unit, kind, size, the number of frames until then; it becomes 1.
    changed, count = re.subn(
        rb"(\0\0\0\x06\x06\x06\x02)..\x80", lambda found: found[1] + b"\x51\0\x80", path.read_bytes(), flags=re.DOTALL
    )
    assert count > 2
    path.write_bytes(changed)
    check(path)


def test_workers_read_a_program_stream_from_its_beginning(tmp_path: Path) -> None:
    path = film(tmp_path / "program.mpg", *FILMS["program.mpg"])
    index = read_packet_index(path, 0)
    assert index.inexact == "one cannot seek in MPEG program streams exactly" and not index.keys
