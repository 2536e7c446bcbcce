"""`dreamvideo zoom` from the command line: its film, what is said of bad options, a run that died."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import pytest
from clips import video_times
from conftest import only_line, parsed, run, textured

from dreamvideo.commands.zoom import parse_zoom
from dreamvideo.jobs.zoom_job import path_of_film
from dreamvideo.media import segment_records, segments
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.metadata import settings_in_file
from dreamvideo.settings.zoom import (
    Feedback,
    FilmSettings,
    ZoomSettings,
    parse_center,
    parse_feedback,
    parse_turn_rate,
    parse_zoom_curve,
    parse_zoom_rate,
)

pytestmark = pytest.mark.usefixtures("networks_loaded_once")

QUICK = ["--iterations", "1", "--octaves", "1", "--step-size", "0.03", "--threads", "1", "-q"]
FILM = ["--seconds", "1.1", "--fps", "10", "--size", "96x64", "--rate", "-1.5/s", "--rotate", "-20deg/s"]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), textured(100, 160))
    return path


def content(path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.parametrize(
    ("text", "per_second"),
    [("2/s", 2), ("2", 2), ("-2/s", 0.5), ("0.5/s", 0.5), ("1.1x/frame", 1.1**10), ("4/min", 4 ** (1 / 60))],
)
def test_rates_of_zoom(text: str, per_second: float) -> None:
    assert math.exp(parse_zoom_rate(text).per_second(10)) == pytest.approx(per_second)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [("5deg/s", 5), ("-5", -5), ("1turn/min", 6), ("0.5 deg/frame", 5), ("3.14159265rad/s", 180), ("2°/s", 2)],
)
def test_speeds_of_turns(text: str, degrees: float) -> None:
    assert parse_turn_rate(text).per_second(10) == pytest.approx(degrees)


def test_a_speed_may_change_over_the_film() -> None:
    film = FilmSettings(Fraction(10), Fraction(20), (96, 64))

    def per_second(text: str, where: str) -> float:
        return parse_zoom_rate(text, where).per_second(20)

    rate = parse_zoom_curve("1s:1.2/s, 5s:2/s ease, 8s:-1.1/frame step", per_second, film.clock, "--rate")
    slow, fast, back = math.log(1.2), math.log(2), -20 * math.log(1.1)
    assert [rate(time) for time in (0, 1, 5, 7.9, 8, 10)] == pytest.approx([slow, slow, fast, fast, back, back])
    assert rate(3) == pytest.approx((slow + fast) / 2) and slow < rate(2) < slow + (fast - slow) / 4
    path = path_of_film(ZoomSettings("0:1/s, 10s:1.5/s", "0:0deg/s, 10s:10deg/s"), film, 96, 64)
    log_zoom, turn = path.pose(path.count)
    assert log_zoom == pytest.approx(5 * math.log(1.5)) and math.degrees(turn) == pytest.approx(50)
    assert path.pose(100)[0] == pytest.approx(log_zoom / 4)


def test_the_center_may_move_and_jump() -> None:
    film = FilmSettings(Fraction(10), Fraction(20), (96, 64))
    moving = "1s:0.5,0.5, 5s:0.3,60% ease,8s: 1 , 0 step"
    center = parse_zoom_curve(moving, parse_center, film.clock, "--center")
    assert [center(time) for time in (0, 1, 5, 7.9, 8)] == [0.5 + 0.5j, 0.5 + 0.5j, 0.3 + 0.6j, 0.3 + 0.6j, 1]
    assert center(3) == pytest.approx(0.4 + 0.55j) and 0.45 < center(2).real < 0.5
    path = path_of_film(ZoomSettings(center=moving), film, 96, 64)
    assert path.centers[160:162] == pytest.approx((0.3 * 96 - 0.5 + 1j * (0.6 * 64 - 0.5), 95.5 - 0.5j))


def test_places_and_tunnels() -> None:
    assert parse_center("0.25, 1") == 0.25 + 1j
    assert parse_center("50%,40%") == 0.5 + 0.4j
    assert parse_feedback("rotate=-0.2,zoom=1.01") == Feedback(1.01, -0.2)
    assert parse_feedback("zoom=0.98") == Feedback(0.98, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "fast"], "--rate fast: expected a factor such as 1.5/s"),
        (["--rate", "0/s"], "--rate 0/s: expected a factor"),
        (["--rate", "9/frame"], "--rate 9/frame at 30 fps: expected at most a factor of 2 a frame"),
        (["--rotate", "5deg/h"], "--rotate 5deg/h: expected a turn such as"),
        (["--rate", "0:1.2/s, 1s:9/frame"], "--rate at 1s: 9/frame at 30 fps: expected at most a factor of 2 a frame"),
        (["--rate", "0:1.2/s, 30s:2/s"], "--rate at 30s: the film ends at 00:20: expected an earlier time"),
        (["--rotate", "0:5deg/s, 2s:fast"], "--rotate at 2s: fast: expected a turn such as"),
        (["--rotate", "0:5deg/s, 2s:30turn/s"], "--rotate at 2s: 30turn/s at 30 fps: expected at most 45 degrees"),
        (["--rotate", "1turn/frame"], "--rotate 1turn/frame at 30 fps: expected at most 45 degrees a frame"),
        (["--center", "2,0"], "--center 2,0: expected x,y as shares"),
        (["--center", "0:0.5,0.5, 10s:0.3 ease"], "--center at 10s: 0.3: expected x,y as shares"),
        (["--center", "0:0.5,0.5, 30s:0.3,0.6"], "--center at 30s: the film ends at 00:20: expected an earlier time"),
        (["--center", "0:0.5,0.5; 10s:0.3,0.6"], "--center: key 2, '0.5; 10s:0.3,0.6': expected TIME:VALUE"),
        (["--seconds", "0.03"], "--seconds 0.03 at 30 fps: expected 2 frames or more"),
        (["--rate", "1/s", "--seamless", "--rotate", "1"], "--seamless with a zoom of 1 and 20 degrees"),
    ],
)
def test_bad_options_are_one_line_and_no_file(
    photo: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run("zoom", photo, "-q", *words) == 2
    assert said in only_line(capsys)
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


@pytest.mark.parametrize("text", ["", "zoom", "zoom=3", "zoom=1.01,tilt=2", "rotate=90", "zoom=1,zoom=2", "zoom=nan"])
def test_bad_tunnels_are_one_line(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert run("live", "nowhere.mp4", "--feedback", text, "--no-window") == 2
    assert "expected zoom=1.01,rotate=0.2" in capsys.readouterr().err


def test_a_photo_becomes_a_film_that_says_how_it_was_made(photo: Path) -> None:
    film = photo.with_name("photo_zoom.mp4")
    assert run("zoom", photo, *QUICK, *FILM, "--seconds", "0.5", "--iterations", "0") == 0
    assert video_times(film)[0] == [Fraction(n, 10) for n in range(5)]
    stored = settings_in_file(film)
    assert (stored["rate"], stored["rotate"], stored["iterations"]) == ("-1.5/s", "-20deg/s", 0)
    again = parse_zoom(parsed("zoom", photo, "--like", film, "--rotate", "3deg/s")).settings
    assert again.zoom is not None
    assert (again.zoom.rate, again.zoom.rotate, again.dream.iterations) == ("-1.5/s", "3deg/s", 0)


class Killed(BaseException):
    """Nothing is cleaned up after it but by the system."""


@pytest.mark.parametrize("words", [[], pytest.param(["--seamless"], marks=pytest.mark.slow)])
def test_a_film_that_died_goes_on_and_is_the_same(
    photo: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(segments, "MAX_FRAMES", 3)
    whole, output = photo.with_name("whole.mp4"), photo.with_name("out.mp4")
    assert run("zoom", photo, "-o", whole, *QUICK, *FILM, *words) == 0
    keep = segment_records.record_segment

    def die(folder: Path, piece: Any, state: Any) -> None:
        if piece.number == 2:
            raise Killed
        keep(folder, piece, state)

    monkeypatch.setattr(segment_records, "record_segment", die)
    with pytest.raises(Killed):
        run("zoom", photo, "-o", output, *QUICK, *FILM, *words)
    monkeypatch.setattr(segment_records, "record_segment", keep)
    assert len(segment_records.finished_segments(checkpoint_folder(output))) == 2
    capsys.readouterr()
    assert run("zoom", photo, "-o", output, "--resume", *QUICK, *FILM, *words, "--rate", "2/s") == 1
    assert "rate was -1.5/s, is 2/s" in only_line(capsys)
    assert run("zoom", photo, "-o", output, "--resume", *QUICK, *FILM, *words) == 0
    assert content(output) == content(whole)


def test_a_photo_that_cannot_be_read_does_not_stop_the_others(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = photo.with_name("bad.png")
    bad.write_text("once upon a time")
    assert run("zoom", bad, photo, *QUICK, *FILM, "--seconds", "0.3", "--iterations", "0") == 3
    assert "bad.png" in capsys.readouterr().err
    assert photo.with_name("photo_zoom.mp4").exists()
