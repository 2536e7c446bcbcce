"""Jobs whose options follow the sound of their film."""

from __future__ import annotations

import logging
import math
import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import make_clip
from conftest import stream, textured
from sounds import RATE, clicks, sine, write_film
from test_cluster import (
    FakePool,
    Recorder,
    clip_of_shots,
    contents,
    finished_by,
    job_settings,
    one_shot,
    run_with,
    shorten_segments,
)
from test_resume import digest

from dreamvideo.cli import main
from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.jobs import job_drives
from dreamvideo.jobs.film_windows import FilmWindow
from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.jobs.job_drives import HeardSound, hear_job, parse_drives, unheard
from dreamvideo.jobs.job_schedule import check_schedules, job_schedule
from dreamvideo.jobs.runner import dream_jobs
from dreamvideo.jobs.task import ClusterTask
from dreamvideo.media.metadata import settings_in_file
from dreamvideo.media.timeline_picture import LEFT, RIGHT, WIDTH
from dreamvideo.media.video_reader import open_video
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.settings.drives import DRIVEN_RANGES, DriveSettings
from dreamvideo.settings.job import ReadSettings
from dreamvideo.settings.schedules import SCHEDULED_NUMBERS, TimelineSettings
from dreamvideo.settings.timeline import Timeline
from dreamvideo.sound.features import SoundFeatures, analyze_file
from dreamvideo.video.pipeline import dream_video

BASE = 0.03  # step size of `job_settings`


def film_with_burst(path: Path) -> Path:
    """A second, with 100 Hz between 0.4 s and 0.6 s."""
    silence = np.zeros(round(0.4 * RATE), np.float32)
    return write_film(path, "aac", [(0, np.concatenate([silence, sine(100, 0.2, RATE), silence]))])


def driven(*drives: str, music: Path | None = None, **changes: Any) -> JobSettings:
    return job_settings(drive=DriveSettings(drives, None if music is None else str(music)), **changes)


def schedule_of(film: Path, settings: JobSettings) -> Timeline:
    with open_video(film, settings.read) as source:
        schedule = job_schedule(settings, source.info, hear_job(Job(film, film), settings))
    assert schedule is not None
    return schedule


def test_an_option_follows_the_bass_and_its_own_schedule(tmp_path: Path) -> None:
    film = film_with_burst(tmp_path / "film.mp4")
    at = schedule_of(film, driven("step-size=audio:bass*1.5,release=10ms"))
    steps = [at(Fraction(n, 10)).dream.step_size for n in (2, 5, 8)]
    assert steps == pytest.approx([BASE, 2.5 * BASE, BASE], rel=0.05)
    assert [float(node) for node in at.nodes if 0.3 < node < 0.7]  # the burst is a change of its own
    scheduled = TimelineSettings((("step_size", "0:0.01, 1:0.02"),))
    both = schedule_of(film, driven("step-size=audio:bass*1.5,release=10ms", timeline=scheduled))
    assert both(Fraction(1, 2)).dream.step_size == pytest.approx(0.015 / BASE * steps[1])
    treble = schedule_of(film, driven("amount=audio:treble,release=10ms"))
    assert treble(Fraction(1, 2)).carry.amount == pytest.approx(1, abs=0.05)


def test_a_part_of_a_film_has_the_values_of_its_time(tmp_path: Path) -> None:
    film = film_with_burst(tmp_path / "film.mp4")
    whole = schedule_of(film, driven("step-size=audio:bass"))
    part = schedule_of(film, driven("step-size=audio:bass", read=ReadSettings(start=Fraction(1, 2))))
    assert part.nodes == whole.nodes
    for n in range(5):
        assert part(Fraction(n, 10)) == whole(Fraction(n + 5, 10))


def test_music_is_heard_instead_of_a_film_without_sound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    silent = make_clip(tmp_path / "silent.mp4", [Fraction(n, 25) for n in range(25)])
    with caplog.at_level(logging.WARNING):
        plain = schedule_of(silent, driven("step-size=audio:bass*9"))
    assert len(caplog.messages) == 1 and "has no sound" in caplog.messages[0]
    assert plain(Fraction(1, 2)).dream.step_size == BASE
    settings = driven("step-size=audio:bass*9", music=film_with_burst(tmp_path / "song.mp4"))
    assert schedule_of(silent, settings)(Fraction(1, 2)).dream.step_size == pytest.approx(10 * BASE, rel=0.05)
    job = Job(silent, tmp_path / "out.mp4")
    before = settings.record(job)
    film_with_burst(tmp_path / "song.mp4").open("ab").write(b"more")
    assert settings.record(job)["music"] != before["music"] and before["drive"] == ["step-size=audio:bass*9"]


def test_a_driven_value_is_kept_in_the_range_of_its_option(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    film = film_with_burst(tmp_path / "film.mp4")
    with caplog.at_level(logging.WARNING):
        at = schedule_of(film, driven("amount=audio:bass*5", "jitter=audio:bass*-2"))
    assert at(Fraction(1, 2)).carry.amount == 2 and at(Fraction(1, 2)).dream.jitter == 0
    assert len(caplog.messages) == 1 and caplog.messages[0].startswith("--drive amount: ")
    assert "kept in 0 to 2" in caplog.messages[0]


def test_the_ends_of_all_ranges_are_allowed_values() -> None:
    assert DRIVEN_RANGES.keys() == set(SCHEDULED_NUMBERS)
    for name, ends in DRIVEN_RANGES.items():
        kind: Any = DreamSettings if hasattr(DreamSettings(), name) else CarrySettings
        for end in ends:
            kind(**{name: end})
        with pytest.raises(SettingsError):
            kind(**{name: ends[1] + 1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (driven("step-size=bass"), "--drive step-size: unknown source 'bass'"),
        (driven("step-siz=audio:bass"), "--drive step-siz: expected an option of .*; nearest: step-size"),
        (driven("seed=audio:bass"), "--drive seed: expected an option of"),
        (driven("tv=audio:bass", "tv=audio:mid"), "--drive tv twice"),
        (driven(music=Path("song.wav")), "song.wav"),
        (driven("tv=audio:bass", music=Path("missing.wav")), "missing.wav"),
    ],
)
def test_a_wrong_drive_is_told_before_the_run(settings: JobSettings, message: str) -> None:
    with pytest.raises(DreamVideoError, match=message) as caught:
        check_schedules([], settings)
    assert "\n" not in str(caught.value)


def test_a_worker_needs_what_was_heard_and_not_the_sound(tmp_path: Path, tiny_network: Network) -> None:
    """The scheduler listens once, and a task has the curve."""
    film, song = one_shot(tmp_path / "film.mp4", 20), film_with_burst(tmp_path / "song.mp4")
    settings = driven("step-size=audio:bass*1.5,release=10ms", music=song)

    def segment(heard: HeardSound) -> dict[str, bytes]:
        task = ClusterTask(Job(film, tmp_path / "out.mkv"), FilmWindow(), heard=heard)
        return contents(finished_by([task], settings, tiny_network, tmp_path))

    heard = hear_job(Job(film, film), settings)
    expected = segment(heard)
    song.unlink()
    assert segment(pickle.loads(pickle.dumps(heard))) == expected
    assert segment(unheard(settings.timeline, settings.drive)) != expected


def test_a_cluster_hears_a_film_once_and_dreams_it_as_one_machine(
    tmp_path: Path, tiny_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_segments(monkeypatch)
    clip, song = clip_of_shots(tmp_path / "clip.mp4", 3), film_with_burst(tmp_path / "song.mp4")
    settings = driven("step-size=audio:bass*1.5", music=song)
    one, several = (Job(clip, tmp_path / name) for name in ("one.mp4", "several.mp4"))
    dream_jobs([one], settings, lambda: tiny_network)
    heard: list[Path] = []

    def listen(path: Path, *names: Any, **kinds: Any) -> SoundFeatures:
        heard.append(path)
        return analyze_file(path, *names, **kinds)

    job_drives._analyze.cache_clear()
    monkeypatch.setattr(job_drives, "analyze_file", listen)
    pool = FakePool(settings, tiny_network, tmp_path / "workers")
    run_with(pool, [several], settings, Recorder())
    assert len(pool.requests) > 1
    assert heard == [song] and digest(several.output) == digest(one.output)


def test_sets_follow_sections_and_beats_of_the_music(tmp_path: Path) -> None:
    film = film_with_burst(tmp_path / "film.mp4")
    timeline = TimelineSettings((("layers", "audio:beats second, first"), ("step_size", "0.01 + 0.001*beat")))
    settings = job_settings(timeline=timeline)
    assert timeline.hears and timeline.hears_beats and not timeline.section_kinds
    with open_video(film) as source:
        at = job_schedule(settings, source.info, HeardSound({}, (Fraction(1, 5), Fraction(7, 10))))
        silent = job_schedule(settings, source.info, unheard(timeline, settings.drive))
    assert at is not None and silent is not None and len(at.looks) == len(silent.looks) == 2
    assert [dict(at(Fraction(n, 10)).shares) for n in (1, 2, 8)][:2] == [{0: 1}, {1: 1}]
    assert 0 < dict(at(Fraction(8, 10)).shares)[0] < 1
    assert at(Fraction(7, 10)).dream.step_size == pytest.approx(0.011)
    assert silent(Fraction(1, 5)).shares == ((0, 1.0),) and silent(Fraction(1, 5)).dream.step_size == 0.01
    kinds = TimelineSettings((("classes", "audio:sections owl, lion, cat+dog:0.5"),))
    assert kinds.section_kinds == {3} and not kinds.hears_beats


def test_what_has_no_number_cannot_be_driven(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "clip.mp4", [Fraction(n, 25) for n in range(25)])
    settings = driven("octaves=audio:bass", dream=DreamSettings())
    with pytest.raises(SettingsError, match="clip.mp4: --drive octaves without --octaves"):
        check_schedules([Job(film, film)], settings)


def test_a_driven_film_is_dreamed_and_says_so(tmp_path: Path, tiny_network: Network) -> None:
    film = write_film(tmp_path / "film.mp4", "aac", [(0, sine(100, 1, RATE))])
    output = tmp_path / "out.mp4"
    settings = driven("amount=audio:bass", "step-size=audio:bass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dreamvideo.jobs.job.check_large_enough", lambda *_: None)
        dream_jobs([Job(film, output)], settings, lambda: tiny_network)
    assert settings_in_file(output)["drive"] == settings.drive.drive
    assert parse_drives(settings.drive).keys() == {"amount", "step_size"}


@pytest.mark.slow  # librosa compiles itself for seconds
def test_every_beat_of_a_click_track_is_seen_and_is_over_before_the_next(tmp_path: Path, tiny_network: Network) -> None:
    """120 a minute, in AAC."""
    pytest.importorskip("librosa", reason="librosa is not installed")
    beats = [0.5 + n / 2 for n in range(11)]
    song = write_film(tmp_path / "song.mp4", "aac", [(0, clicks(beats, 6))])
    film = make_clip(tmp_path / "film.mp4", [Fraction(n, 25) for n in range(150)])
    at = schedule_of(film, driven("step-size=audio:beats*1.5", music=song))
    images = [np.roll(textured(48, 64), 2 * n, 1) for n in range(150)]
    dreams = [frame.image for frame in dream_video(stream(images), tiny_network, at, CarrySettings())]
    strength = [float(np.abs(dream.astype(int) - image).mean()) for dream, image in zip(dreams, images, strict=True)]
    for beat in beats[1:-1]:
        first = math.ceil(beat * 25)
        assert max(strength[first : first + 3]) > 1.2 * strength[first - 1], f"the beat at {beat} s"
        assert strength[first + 11] == pytest.approx(strength[first - 1], rel=0.1), "back before the next one"


def test_what_is_heard_is_drawn_below_the_schedules(tmp_path: Path) -> None:
    film = film_with_burst(tmp_path / "film.mp4")
    output = tmp_path / "out.mp4"
    comment = driven("step-size=audio:bass").comment
    with av.open(str(film)) as source, av.open(str(output), "w") as target:
        target.metadata["comment"] = comment
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    assert main(["timeline", str(output)]) == 0
    picture = cv2.imread(str(tmp_path / "out_timeline.png"))
    assert picture is not None and picture.shape[1] == WIDTH
    lane = picture[-66:-24, LEFT : WIDTH - RIGHT]  # of the bass, above the times
    green = (lane[..., 1].astype(int) - lane[..., 2] > 40).sum(0)
    quarter, half = green.shape[0] // 4, green.shape[0] // 2
    assert green[half - 20 : half + 20].min() > 30 and green[quarter - 20 : quarter + 20].max() < 10
