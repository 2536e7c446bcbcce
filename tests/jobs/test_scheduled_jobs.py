"""Jobs with a timeline: whoever dreams a part of a film, and from wherever on, makes the same segments."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from clips import make_clip
from test_cluster import clip_of_shots, contents, finished_by, job_settings, segment_files, shorten_segments

from dreamvideo.errors import SettingsError
from dreamvideo.jobs.film_windows import FilmWindow
from dreamvideo.jobs.job import Job
from dreamvideo.jobs.job_drives import HeardSound
from dreamvideo.jobs.job_schedule import check_schedules, job_schedule
from dreamvideo.jobs.runner import dream_jobs
from dreamvideo.jobs.task import ClusterTask
from dreamvideo.media import video_writer
from dreamvideo.media.video_reader import open_video
from dreamvideo.models.look_networks import LookNetworks
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Term
from dreamvideo.settings.job import ReadSettings
from dreamvideo.settings.schedules import TimelineSettings

TIMELINE = TimelineSettings(
    (("step_size", "0:0.01, 50%:0.03 ease"), ("layers", "0:second, 0.3:first"), ("amount", "0:1, 1:1.5"))
)


def test_workers_and_resumed_runs_make_the_segments_of_one_run(
    tmp_path: Path, tiny_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_segments(monkeypatch)
    expected: dict[str, bytes] = {}
    monkeypatch.setattr(video_writer, "remove_checkpoint", lambda folder: expected.update(segment_files(folder)))
    clip = clip_of_shots(tmp_path / "clip.mp4", 2)
    job, settings = Job(clip, tmp_path / "out.mp4"), job_settings(timeline=TIMELINE)
    other = replace(tiny_network.score, terms=(Term("first", 1.0, "l2", (1, 4)),))
    looks = LookNetworks([tiny_network, replace(tiny_network, score=other)])
    dream_jobs([job], settings, lambda: looks)
    tasks = [ClusterTask(job, FilmWindow(begin, end)) for begin, end in ((0, 7), (7, None))]
    finished = [each for task in tasks for each in finished_by([task], settings, looks, tmp_path)]
    assert contents(finished) == expected
    first = finished[0]
    assert first.carry is not None
    rest = FilmWindow(0, 7, after=replace(first.segment, carry="a hash"))
    again = finished_by([ClusterTask(job, rest, first.carry)], settings, looks, tmp_path)
    assert again and contents(again).items() <= expected.items()


def test_a_part_of_a_film_has_the_values_of_its_time(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", [Fraction(n, 25) for n in range(50)])
    settings = job_settings(timeline=TIMELINE)
    with open_video(clip) as source:
        whole = job_schedule(settings, source.info, HeardSound())
    with open_video(clip, ReadSettings(start=Fraction(1, 2), frames=3)) as source:
        part = job_schedule(settings, source.info, HeardSound())
        frame = next(source.frames)
    assert whole is not None and part is not None and frame.time == 0
    assert whole.nodes == part.nodes and part(frame.time) == whole(Fraction(13, 25))  # the first frame after 0.5 s


def test_a_timeline_that_ends_after_a_film_is_refused_before_the_run(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", [Fraction(n, 25) for n in range(50)])
    settings = job_settings(timeline=TimelineSettings((("step_size", "0:0.01, 2.5s:0.02"),)))
    with pytest.raises(
        SettingsError, match="clip.mp4: --step-size at 2.5s: the film ends at 00:02: expected an earlier"
    ):
        check_schedules([Job(clip, clip)], settings)
