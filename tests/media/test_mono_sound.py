"""The sound of a film at exact times, whatever its container and codec do to them."""

from __future__ import annotations

import logging
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from sounds import RATE, begins, clicks, sine, write_film

from dreamvideo.errors import SourceError
from dreamvideo.media import mono_sound
from dreamvideo.media.mono_sound import SOUND_RATE, read_sound
from dreamvideo.media.video_reader import open_video

TIMES = [0.3, 0.55, 0.9]


def heard(path: Path, zero: Fraction | None = None) -> np.ndarray:
    return np.concatenate([np.empty(0, np.float32), *read_sound(path, zero)])


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "aac"),
        ("a.mov", "pcm_s16le"),
        ("a.mkv", "aac"),
        ("b.mkv", "flac"),
        ("a.webm", "libopus"),
        ("a.ts", "aac"),
        ("a.flv", "aac"),
        ("b.mp4", "libmp3lame"),
    ],
)
@pytest.mark.parametrize("late", [0, 0.7], ids=["", "begins late"])
def test_clicks_lie_where_they_were_beside_the_picture(tmp_path: Path, name: str, codec: str, late: float) -> None:
    path = write_film(tmp_path / name, codec, [(late, clicks(TIMES, 1))])
    with open_video(path) as source:
        first = next(source.frames).time
    sound = heard(path)
    found = begins(sound, SOUND_RATE)
    assert found == pytest.approx([float(first) + late + time for time in TIMES], abs=0.002)
    assert np.abs(sound[: round((late + 0.2) * SOUND_RATE)]).max() < 0.01


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
def test_a_clock_that_begins_anywhere_is_that_of_the_picture(tmp_path: Path, name: str) -> None:
    path = write_film(tmp_path / name, "aac", [(0.2, clicks(TIMES, 1))], begin=5)
    with open_video(path) as source:
        shown = float(next(source.frames).time)
    assert shown == pytest.approx(0, abs=0.001)
    assert begins(heard(path), SOUND_RATE) == pytest.approx([shown + 0.2 + time for time in TIMES], abs=0.002)


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.m4a", "aac"), ("a.wav", "pcm_s16le")])
def test_a_song_begins_with_its_first_sample(tmp_path: Path, name: str, codec: str) -> None:
    path = write_film(tmp_path / name, codec, [(0, clicks(TIMES, 1))], video=False)
    assert begins(heard(path), SOUND_RATE) == pytest.approx(TIMES, abs=0.002)


def test_time_0_can_be_chosen(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mov", "pcm_s16le", [(0, clicks(TIMES, 1))])
    assert begins(heard(path, Fraction(2, 5)), SOUND_RATE) == pytest.approx([0.15, 0.5], abs=1e-3)
    assert begins(heard(path, Fraction(-1)), SOUND_RATE) == pytest.approx([1.3, 1.55, 1.9], abs=1e-3)


def test_a_pause_is_silence(tmp_path: Path) -> None:
    tone = sine(500, 0.48, RATE)
    sound = heard(write_film(tmp_path / "a.mkv", "flac", [(0, tone), (2, tone)]))
    assert begins(sound, SOUND_RATE) == pytest.approx([0, 2], abs=2e-3)
    assert len(sound) / SOUND_RATE == pytest.approx(2.48, abs=0.002)
    assert not sound[round(0.49 * SOUND_RATE) : round(1.99 * SOUND_RATE)].any()


def test_what_overlaps_is_cut_and_what_lies_before_0_left_out() -> None:
    ones = np.ones(SOUND_RATE, np.float32)
    parts = [(-0.5, ones), (0.25, 2 * ones), (0.5, 3 * ones[:100]), (4, 4 * ones)]
    timed = [(Fraction(time), samples) for time, samples in parts]
    joined = np.concatenate(list(mono_sound._join(timed, Fraction(0), Path("a"))))
    expected = np.repeat([1, 2, 0, 4], [round(each * SOUND_RATE) for each in (0.5, 0.75, 2.75, 1)])
    assert np.array_equal(joined, expected)


def test_channels_are_averaged_and_never_clipped(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mov", "pcm_s16le", [(0, sine(440, 1, RATE, level=0.99))])
    assert np.abs(heard(path)).max() == pytest.approx(0.99, abs=0.002)


def test_level_and_phase_survive(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mov", "pcm_s16le", [(0, sine(440, 1, RATE))])
    middle = slice(SOUND_RATE // 4, SOUND_RATE // 2)
    assert np.abs(heard(path) - sine(440, 1, SOUND_RATE))[middle].max() < 2e-3


def test_a_film_without_sound_has_no_samples(tmp_path: Path) -> None:
    assert list(read_sound(write_film(tmp_path / "a.mp4", None, []))) == []


def test_a_file_that_ends_early_gives_what_it_has(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mkv", "flac", [(0, sine(440, 2, RATE) + sine(3000, 2, RATE))])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert 0.1 < len(heard(path)) / SOUND_RATE < 1.9


@pytest.mark.parametrize("content", [None, b"no media at all"])
def test_what_is_no_media_file_is_an_error_of_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match="a.wav") as error:
        list(read_sound(path))
    assert "\n" not in str(error.value)


def test_a_time_in_a_far_future_ends_the_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mono_sound, "_LONGEST", 2)
    tone = sine(500, 0.48, RATE)
    path = write_film(tmp_path / "a.mkv", "flac", [(0, tone), (1000, tone)])
    with caplog.at_level(logging.WARNING):
        assert len(heard(path)) / SOUND_RATE == pytest.approx(0.48, abs=0.01)
    assert len(caplog.records) == 1 and "later than" in caplog.text


def test_a_part_of_a_sample_is_rounded_the_same_way_throughout(tmp_path: Path) -> None:
    """At 44.1 kHz a frame is no whole number of samples at 24 kHz: no sample is lost or put in between two frames."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        track = output.add_stream("flac", rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray((sine(300, 2, 44_100)[None] * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 44_100, 7, Fraction(1, 44_100)
        output.mux([*track.encode(frame), *track.encode(None)])
    sound = heard(path)
    assert np.abs(np.diff(sound[100:-100])).max() < 1.02 * 0.5 * 2 * np.pi * 300 / SOUND_RATE


@pytest.mark.parametrize("channels", [1, 3, 6, 9])
def test_any_number_of_channels_is_read(tmp_path: Path, channels: int) -> None:
    samples = (sine(440, 0.5, RATE)[:, None] * 32767 * np.ones(channels)).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    middle = slice(SOUND_RATE // 8, SOUND_RATE // 4)
    assert np.abs(heard(tmp_path / "a.wav") - sine(440, 0.5, SOUND_RATE))[middle].max() < 2e-3
