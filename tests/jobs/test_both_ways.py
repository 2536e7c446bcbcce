"""Jobs whose frames are arrays, and jobs whose frames are tensors of a decoder that stands in for one of a GPU."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import UNEVEN, make_clip, set_display_matrix, sound_tracks, video_times
from conftest import make_tiny_network, textured
from device_frames import left_on_device
from numpy.typing import NDArray

from dreamvideo.errors import Cancelled
from dreamvideo.frames import StreamInfo
from dreamvideo.jobs import job as jobs
from dreamvideo.jobs.job import Job, JobResult, JobSettings
from dreamvideo.jobs.observer import Observer
from dreamvideo.jobs.runner import dream_jobs
from dreamvideo.media import segments, video_reader
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings, MaskSettings, ReadSettings
from dreamvideo.yuv.upright_tensors import UprightTensors

SETTINGS = JobSettings(
    ReadSettings(),
    ModelSettings(device="cpu"),
    ObjectiveSettings(),
    DreamSettings(octaves=1, iterations=1),
    CarrySettings(),
    MaskSettings(),
    EncodeSettings(),
)


class Watcher(Observer):
    """Keeps results; cancels after some frames."""

    def __init__(self, most: int | None = None) -> None:
        self.results: list[JobResult] = []
        self.info: StreamInfo | None = None
        self._left = most

    def started(self, job: Job, info: StreamInfo, done: int, network: Network | None) -> None:
        self.info = info

    def progress(self, job: Job, frames: int) -> None:
        if self._left is not None:
            self._left -= frames

    def finished(self, result: JobResult) -> None:
        self.results.append(result)

    def should_stop(self) -> bool:
        return self._left is not None and self._left <= 0


@dataclass(frozen=True)
class Way:
    """How frames are read, and what was seen of that."""

    name: str
    planes: list[int]

    def dream(
        self, source: Path, output: str, settings: JobSettings = SETTINGS, resume: bool = False, most: int | None = None
    ) -> tuple[JobResult, Path]:
        job, watcher = Job(source, source.with_name(output), overwrite=True), Watcher(most)
        dream_jobs([job], settings, make_tiny_network, watcher, resume)
        (result,) = watcher.results
        return result, job.output


def dream_on(patch: pytest.MonkeyPatch, name: str) -> Way:
    way = Way(name, [])
    if name == "tensors":
        patch.setattr(video_reader, "decode_frames", left_on_device(way.planes))
        patch.setattr(jobs, "converter_of", lambda device: partial(UprightTensors, device=device))
    return way


@pytest.fixture(params=["arrays", "tensors"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Way:
    monkeypatch.setattr(segments, "MAX_FRAMES", 5)
    monkeypatch.setattr(segments, "GRID", Fraction(3, 25))
    return dream_on(monkeypatch, request.param)


def moving(number: int, width: int, height: int) -> NDArray[Any]:
    wide = textured(height, width + 60, number >= 7)
    return np.ascontiguousarray(wide[:, 2 * number : 2 * number + width])


def pictures(path: Path) -> list[NDArray[Any]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def film(folder: Path, name: str = "film.mp4", **how: Any) -> Path:
    return make_clip(folder / name, image=moving, **how)


def test_times_and_sound_are_those_of_the_input(way: Way, tmp_path: Path) -> None:
    source = film(tmp_path, "film.mkv", times=UNEVEN, audio=[("aac", "eng")])
    result, output = way.dream(source, "out.mkv")
    assert (result.error, result.lost, result.frames) == (None, 0, len(UNEVEN))
    assert video_times(output) == video_times(source)
    assert sound_tracks(output) == sound_tracks(source)
    assert bool(way.planes) == (way.name == "tensors")


def test_a_turned_film_is_upright(way: Way, tmp_path: Path) -> None:
    source = film(tmp_path)
    set_display_matrix(source, (0, 1, -1, 0))
    result, output = way.dream(source, "out.mp4")
    assert result.error is None
    stored = pictures(source)
    for dreamed, before in zip(pictures(output), stored, strict=True):
        upright = np.rot90(before, -1)
        assert dreamed.shape == upright.shape
        apart = [abs(dreamed.astype(int) - turned).mean() for turned in (upright, upright[::-1, ::-1])]
        assert apart[0] < apart[1] / 2


@pytest.mark.parametrize("seed", range(3))
def test_of_a_damaged_film_as_much_is_kept(tmp_path: Path, seed: int) -> None:
    source = film(tmp_path, options={"g": "3"})
    content = bytearray(source.read_bytes())
    begin = content.index(b"mdat")
    for place in np.random.default_rng(seed).integers(begin + 600, len(content) - 1500, 5):
        content[place : place + 40] = bytes(40)
    source.write_bytes(content)
    results = []
    for name in ("arrays", "tensors"):
        with pytest.MonkeyPatch.context() as patch:
            result, output = dream_on(patch, name).dream(source, f"{name}.mp4")
            results.append((result.error, result.lost, result.frames, video_times(output)))
    assert results[0] == results[1]
    assert results[0][1] > 0


def test_a_film_that_was_stopped_is_resumed_to_the_same_film(way: Way, tmp_path: Path) -> None:
    source = film(tmp_path, audio=[("aac", "eng")])
    _, whole = way.dream(source, "whole.mp4")
    with pytest.raises(Cancelled):
        way.dream(source, "out.mp4", most=9)
    result, output = way.dream(source, "out.mp4", resume=True)
    assert (result.frames, result.error) == (12, None)
    assert 0 < result.dreamed < 12
    assert np.array_equal(pictures(output), pictures(whole))
    assert video_times(output) == video_times(whole)
    assert sound_tracks(output) == sound_tracks(whole)


def test_a_part_of_another_size_is_the_same_both_ways(tmp_path: Path) -> None:
    source = film(tmp_path)
    part = replace(SETTINGS, read=ReadSettings(start=Fraction(3, 25), frames=4, size=(40, 30)))
    made = []
    for name in ("arrays", "tensors"):
        with pytest.MonkeyPatch.context() as patch:
            made.append(pictures(dream_on(patch, name).dream(source, f"{name}.mp4", part)[1]))
    assert np.shape(made[0]) == np.shape(made[1]) == (4, 30, 40, 3)
    assert abs(np.subtract(made[0], made[1], dtype=int)).mean() < 3  # images are resized in two ways
