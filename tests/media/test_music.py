"""Music takes the place of a film's own sound: in time, as long as the film, and nothing else of its file comes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from clips import make_clip
from conftest import stream
from sounds import RATE, Sound, begins, clicks, sine, write_film

from dreamvideo.errors import Cancelled, SourceError
from dreamvideo.frames import StreamInfo
from dreamvideo.media.checkpoint import resume_point
from dreamvideo.media.mono_sound import SOUND_RATE, check_has_sound, read_sound
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import write_video
from dreamvideo.settings.job import EncodeSettings, ReadSettings

CLICKS = [0.25, 0.75, 1.25, 1.75, 2.25, 2.75]


def song(path: Path, codec: str) -> Path:
    """Three seconds of clicks, with a title."""
    sound = np.repeat(clicks(CLICKS, 3)[None], 2, 0)
    with av.open(str(path), "w") as output:
        output.metadata["title"] = "a song"
        track = cast(av.AudioStream, output.add_stream(codec, rate=RATE, layout="stereo"))
        resampler = av.AudioResampler(track.codec_context.format, "stereo", RATE)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        packets = [packet for part in (*resampler.resample(frame), None) for packet in track.encode(part)]
        output.mux(packets)
    return path


def heard(path: Path) -> Sound:
    return np.concatenate([np.zeros(0, np.float32), *read_sound(path)])


def film_of(folder: Path, seconds: int = 2) -> Path:
    frames = [Fraction(n, 25) for n in range(25 * seconds)]
    return make_clip(folder / "film.mkv", frames, audio=[("aac", "eng"), ("aac", "deu")], audio_seconds=seconds + 1)


def with_music(film: Path, music: Path, output: Path, read: ReadSettings = ReadSettings()) -> Path:  # noqa: B008
    with open_video(film, read) as source:
        write_video(source.frames, output, replace(source.info, music=music), EncodeSettings())
    return output


def tracks(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [track.codec_context.name for track in container.streams.audio]


@pytest.mark.parametrize(
    ("suffix", "codec", "output", "expected"),
    [
        (".m4a", "aac", ".mp4", "aac"),
        (".wav", "pcm_s16le", ".mkv", "pcm_s16le"),
        (".wav", "pcm_s16le", ".webm", "opus"),
        (".mp3", "libmp3lame", ".mp4", "mp3float"),
        (".ogg", "libopus", ".webm", "opus"),
        (".flac", "flac", ".mov", "aac"),
    ],
)
def test_music_is_in_time_and_ends_with_the_film(
    tmp_path: Path, suffix: str, codec: str, output: str, expected: str
) -> None:
    music = song(tmp_path / f"song{suffix}", codec)
    dreamed = with_music(film_of(tmp_path), music, tmp_path / f"dream{output}")
    assert [name.removeprefix("lib") for name in tracks(dreamed)] == [expected]
    sound = heard(dreamed)
    assert begins(sound, SOUND_RATE) == pytest.approx(CLICKS[:4], abs=0.005)
    assert len(sound) / SOUND_RATE == pytest.approx(2, abs=0.06)
    with av.open(str(dreamed)) as container:
        assert container.metadata.get("title") != "a song"


def test_a_part_of_a_film_has_that_part_of_the_music(tmp_path: Path) -> None:
    music = song(tmp_path / "song.wav", "pcm_s16le")
    read = ReadSettings(start=Fraction(3, 5), duration=Fraction(1))
    sound = heard(with_music(film_of(tmp_path), music, tmp_path / "part.mkv", read))
    assert begins(sound, SOUND_RATE) == pytest.approx([0.15, 0.65], abs=0.005)
    assert len(sound) / SOUND_RATE == pytest.approx(1, abs=0.06)


def test_short_music_ends_by_itself_and_that_of_a_film_is_its_best_track(tmp_path: Path) -> None:
    parts: Sequence[tuple[float, Sound]] = [(0.1, sine(300, 0.5, RATE))]
    music = write_film(tmp_path / "other.mkv", "aac", parts)
    dreamed = with_music(film_of(tmp_path), music, tmp_path / "dream.mkv")
    with av.open(str(dreamed)) as container:
        assert [each.type for each in container.streams] == ["video", "audio"]
    sound = np.abs(heard(dreamed))
    assert sound[round(0.2 * SOUND_RATE) : round(0.5 * SOUND_RATE)].max() > 0.4
    assert sound[round(0.8 * SOUND_RATE) :].max(initial=0) < 0.01


def test_one_line_says_what_becomes_of_the_own_sound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    music = song(tmp_path / "song.m4a", "aac")
    film = film_of(tmp_path)
    with caplog.at_level(logging.WARNING):
        with_music(film, music, tmp_path / "dream.mp4")
    assert caplog.messages == [f"{film}: its own sound is left out: that of {music} takes its place"]
    caplog.clear()
    silent = make_clip(tmp_path / "silent.mp4", [Fraction(n, 25) for n in range(5)])
    with caplog.at_level(logging.WARNING):
        assert tracks(with_music(silent, music, tmp_path / "other.mp4")) == ["aac"]
        with open_video(silent) as source:
            muted = replace(source.info, music=music)
            write_video(source.frames, tmp_path / "mute.mp4", muted, EncodeSettings(audio=False))
    assert not caplog.messages and not tracks(tmp_path / "mute.mp4")


def test_a_resumed_film_has_all_of_the_music(tmp_path: Path) -> None:
    music = song(tmp_path / "song.wav", "pcm_s16le")
    info = StreamInfo(64, 48, Fraction(25), music=music)
    images = [np.full((48, 64, 3), 3 * n, np.uint8) for n in range(50)]
    output, asked = tmp_path / "dream.mkv", iter(range(99))
    with pytest.raises(Cancelled):
        write_video(stream(images), output, info, EncodeSettings(), should_stop=lambda: next(asked) == 30)
    point = resume_point(output)
    done = 0 if point is None else point.frames
    rest = (frame for number, frame in enumerate(stream(images)) if number >= done)
    write_video(rest, output, info, EncodeSettings(), resume=True)
    assert begins(heard(output), SOUND_RATE) == pytest.approx(CLICKS[:4], abs=0.005)


def test_a_file_without_sound_is_no_music(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no sound"):
        check_has_sound(make_clip(tmp_path / "silent.mp4", [Fraction(n, 25) for n in range(5)]))
    with pytest.raises(SourceError, match=r"missing\.wav"):
        check_has_sound(tmp_path / "missing.wav")
