"""Broadcasts begin at any time and are cut and joined: their films begin at 0 and go on over a jump, sound and all."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from clips import STEADY, make_clip, sound_tracks, video_times
from conftest import run
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.info.probe import probe_file
from dreamvideo.media.clock import can_seek, join_clocks
from dreamvideo.media.video_reader import open_video
from dreamvideo.settings.job import ReadSettings

LATE = [time + 50_000 for time in STEADY]  # 13.9 hours
SOUND = [("mp2", "eng")]
LENGTH = Fraction(12, 25)


def recording(path: Path, start: float = 0, **more: Any) -> Path:
    options = {"output_ts_offset": str(start)} if start else {}
    return make_clip(path, audio=SOUND, container=options, **more)


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def dreamed(path: Path, *words: Any) -> Path:
    output = path.with_name(f"{path.stem}_out.mp4")
    assert run("video", path, "-o", output, "--iterations", "0", "-y", *words) == 0
    return output


@pytest.mark.parametrize("start", [0, 50_000, 95_443.3])  # the last one wraps at 2^33 / 90000 s
def test_a_film_begins_at_the_beginning_of_its_recording(tmp_path: Path, start: float) -> None:
    film = recording(tmp_path / "film.ts", start)
    output = dreamed(film)
    (times, end), (before, _) = video_times(output), video_times(film)
    (_, sound, digest), (_, sound_before, digest_before) = sound_tracks(output)[0], sound_tracks(film)[0]
    assert min(times[0] * 1000, sound[0]) == 0 and end <= LENGTH + Fraction(1, 10)
    assert len(times) == 12 and [time - times[0] for time in times] == [time - before[0] for time in before]
    assert len(sound) == len(sound_before) and digest == digest_before
    assert sound[0] - times[0] * 1000 == pytest.approx(float(sound_before[0] - before[0] * 1000), abs=1)


def test_a_program_stream_begins_at_the_beginning_too(tmp_path: Path) -> None:
    output = dreamed(recording(tmp_path / "film.mpg"))  # which has no time for some of its frames
    times, end = video_times(output)
    assert len(times) == 12 and 0 <= times[0] < Fraction(1, 10) and end < LENGTH + Fraction(1, 5)
    assert len(sound_tracks(output)[0][1]) == 20 and sound_tracks(output)[0][1][0] < 100


@pytest.mark.parametrize("starts", [(0, 0), (50_000, 0), (0, 50_000), (0, 0, 0), (0, 300, 7)])
def test_joined_recordings_go_on_over_each_jump(
    tmp_path: Path, starts: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [recording(tmp_path / f"{number}.ts", start) for number, start in enumerate(starts)]
    film = joined(tmp_path / "film.ts", *parts)
    output = dreamed(film)
    times, _ = video_times(output)
    assert len(times) == 12 * len(starts)
    steps = {after - before for before, after in zip(times, times[1:], strict=False)}
    assert max(steps) < Fraction(1, 8) and times[-1] < len(starts) * Fraction(3, 5)
    sound, count = sound_tracks(output)[0][1], sum(len(sound_tracks(part)[0][1]) for part in parts)
    assert len(sound) == count
    assert sound[-1] - 1000 * times[-1] == pytest.approx(0, abs=100)
    assert capsys.readouterr().err.count("has a clock that jumps") == 1
    probe = probe_file(film).dreamed_video
    assert probe is not None and probe.frames == 12 * len(starts) and not (probe.longest or 1) > Fraction(1, 8)


def test_a_cut_of_a_joined_recording_is_found_by_the_joined_clock(tmp_path: Path) -> None:
    part = recording(tmp_path / "part.ts")
    film = joined(tmp_path / "film.ts", part, part)
    assert not can_seek(film) and can_seek(part)
    with open_video(film, ReadSettings()) as source:
        whole = list(source.frames)
    with open_video(film, ReadSettings(start=Fraction(7, 10))) as source:
        rest = list(source.frames)
        origin = source.info.origin
    assert 0 < len(rest) < 12
    for one, other in zip(whole[-len(rest) :], rest, strict=True):
        assert one.time - whole[-len(rest)].time == other.time
        assert (one.image == other.image).all()
    output = dreamed(film, "--start", "0.7")
    assert len(video_times(output)[0]) == len(rest)
    assert len(sound_tracks(output)[0][1]) == pytest.approx(
        float(len(rest) * Fraction(1, 25) / Fraction(24, 1000)), abs=3
    )
    assert origin > Fraction(7, 10)
    with open_video(film, ReadSettings(), resume=whole[15].time, jump=True) as source:
        assert (next(source.frames).image == whole[15].image).all()


def test_a_duration_counts_from_the_beginning(tmp_path: Path) -> None:
    with open_video(recording(tmp_path / "film.ts", 50_000), ReadSettings(duration=Fraction(1, 5))) as source:
        assert len(list(source.frames)) == 5


def packets(*marks: str) -> list[Any]:
    """Packets of 1 s: "v5" is video at 5, "a5" audio."""
    kinds = {"v": SimpleNamespace(index=0, type="video"), "a": SimpleNamespace(index=1, type="audio")}
    return [
        SimpleNamespace(stream=kinds[mark[0]], dts=int(mark[1:]), pts=int(mark[1:]), duration=1, time_base=Fraction(1))
        for mark in marks
    ]


@pytest.mark.parametrize(
    ("given", "found", "jumps"),
    [
        ("v0 a0 v1 a1 v2 a2", "v0 a0 v1 a1 v2 a2", 0),
        ("v0 a0 v1 a1 v0 a0 v1 a1", "v0 a0 v1 a1 v2 a2 v3 a3", 1),
        ("v0 a0 v1 v0 a1 a0 v1 a1", "v0 a0 v1 v2 a1 a2 v3 a3", 1),  # the parts overlap in the file
        ("v0 a0 v9000 a9000 v9001", "v0 a0 v1 a1 v2", 1),
        ("v0 a0 v0 a0 v0 a0", "v0 a0 v1 a1 v2 a2", 2),
        ("v0 a0 " + " ".join(f"v{n}" for n in range(1, 30)) + " a29", None, 0),  # sound that pauses
        ("a0 v0 v5 a5", "a0 v0 v5 a5", 0),  # nothing was received for some seconds
    ],
)
def test_jumps_are_found_once_and_shared(given: str, found: str | None, jumps: int) -> None:
    told: list[bool] = []
    joined = list(join_clocks(packets(*given.split()), lambda: told.append(True)))
    assert [f"{packet.stream.type[0]}{packet.dts}" for packet in joined] == (found or given).split()
    assert len(told) == jumps


@given(st.lists(st.tuples(st.integers(0, 2**33), st.integers(1, 6)), min_size=1, max_size=6))
def test_whatever_the_parts_are_each_stream_goes_on_without_a_gap(parts: list[tuple[int, int]]) -> None:
    marks = [f"{kind}{start + n}" for start, length in parts for n in range(length) for kind in "va"]
    joined = list(join_clocks(packets(*marks)))
    for index in (0, 1):
        times = [packet.dts for packet in joined if packet.stream.index == index]
        assert all(0 < after - before <= 11 for before, after in zip(times, times[1:], strict=False))
    assert all(video.dts == audio.dts for video, audio in zip(joined[::2], joined[1::2], strict=True))
