"""A long film takes no more memory than a short one: from file to file, sound included."""

from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
import pytest
from clips import make_clip, video_times

from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import write_video
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.settings.job import ReadSettings
from dreamvideo.video.pipeline import dream_video

SOON = {"preset": "ultrafast"}
QUICK = DreamSettings(octaves=1, iterations=1)


def grown(folder: Path, network: Network, size: Any, first: Any, last: Any) -> Any:
    """MiB by which the process grows between the frames `first` and `last` of a film."""
    resident = []
    times = [Fraction(n, 25) for n in range(last + 1)]
    clip = make_clip(folder / "long.mp4", times, size=size, audio=[("aac", "eng")], options=SOON)

    def watched(frames: Any) -> Generator[Any, None, None]:
        for number, frame in enumerate(frames):
            if number in (first, last):
                resident.append(psutil.Process().memory_info().rss)
            yield frame

    with open_video(clip, ReadSettings()) as source:
        frames = watched(dream_video(source.frames, network, QUICK, CarrySettings()))
        assert write_video(frames, folder / "dream.mkv", source.info) == last + 1
    assert len(video_times(folder / "dream.mkv")[0]) == last + 1
    before, after = resident
    return (after - before) / 2**20


def test_memory_is_flat(tmp_path: Path, tiny_network: Network) -> None:
    # 80 pictures of this size are 4.4 MiB, in float 17.6
    assert grown(tmp_path, tiny_network, (160, 120), 30, 110) < 12


@pytest.mark.slow
def test_memory_is_flat_over_thousands_of_frames(tmp_path: Path, tiny_network: Network) -> None:
    assert grown(tmp_path, tiny_network, (160, 120), 500, 5000) < 24
