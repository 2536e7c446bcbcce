"""Jobs whose films' ends meet: whoever dreams a part of a film, and from wherever on, makes the same segments."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import make_clip
from conftest import textured
from test_cluster import contents, finished_by, job_settings, segment_files, shorten_segments

from dreamvideo.jobs.film_windows import FilmWindow
from dreamvideo.jobs.job import Job
from dreamvideo.jobs.runner import dream_jobs
from dreamvideo.jobs.task import ClusterTask
from dreamvideo.media import video_writer
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.settings.job import ReadSettings


def clip_that_returns(path: Path) -> Path:
    """A place for 15 frames, another one, and the first again; key frames at the cuts."""
    wide = [textured(64, 140, place) for place in (0, 5)]
    return make_clip(
        path,
        [Fraction(n, 25) for n in range(40)],
        size=(96, 64),
        options={"g": "10"},
        image=lambda n, w, h: np.ascontiguousarray(wide[15 <= n < 25][:, n % 20 : n % 20 + 96]),
    )


def test_workers_and_resumed_runs_make_the_segments_of_one_run(
    tmp_path: Path, tiny_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_segments(monkeypatch)
    made: dict[str, bytes] = {}
    monkeypatch.setattr(video_writer, "remove_checkpoint", lambda folder: made.update(segment_files(folder)))
    job = Job(clip_that_returns(tmp_path / "clip.mp4"), tmp_path / "out.mp4")
    read = ReadSettings(start=Fraction(1, 25))
    plain, settings = (job_settings(read=read, carry=CarrySettings(seamless=each)) for each in (False, True))
    dream_jobs([job], settings, lambda: tiny_network)
    last_shot = ClusterTask(job, FilmWindow(6, None))
    finished = finished_by([ClusterTask(job, FilmWindow(0, 6)), last_shot], settings, tiny_network, tmp_path)
    assert contents(finished) == made and len(made) == 6
    without = contents(finished_by([last_shot], plain, tiny_network, tmp_path))
    assert len(without) == 2 and all(made[name] != content for name, content in without.items())
    before = finished[-2]
    assert before.carry is not None and before.task == 1
    rest = FilmWindow(6, None, after=replace(before.segment, carry="a hash"))
    again = finished_by([ClusterTask(job, rest, before.carry)], settings, tiny_network, tmp_path)
    assert contents(again) == contents(finished[-1:])
