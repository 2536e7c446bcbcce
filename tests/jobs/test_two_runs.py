"""Two runs on one output, files that are not ours, long names: never a wrong film with exit 0, and nothing is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from clips import make_clip, sound_tracks, video_times
from conftest import only_line, run
from test_resume import HEIGHT, WIDTH, Killed, digest, killed_after, moving, read_pictures

from dreamvideo.commands import video
from dreamvideo.commands.jobs import run_jobs
from dreamvideo.media import segment_records, segments
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.checkpoint_lock import CheckpointLock
from dreamvideo.media.segments import PARTS

pytestmark = pytest.mark.usefixtures("networks_loaded_once")

THROUGH = ["--iterations", "0", "-q"]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    times = [Fraction(n, 25) for n in range(44)]
    return make_clip(tmp_path / "film.mp4", times, size=(WIDTH, HEIGHT), audio=[("aac", "eng")], image=moving)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MAX_FRAMES", 6)
    monkeypatch.setattr(segments, "GRID", Fraction(3, 25))


def left_behind(monkeypatch: pytest.MonkeyPatch, film: Path, output: Path, *words: Any) -> Path:
    """The checkpoint of a run that died after three segments."""
    heal = killed_after(monkeypatch, 3)
    with pytest.raises(Killed):
        run("video", film, "-o", output, *THROUGH, *words)
    heal()
    return checkpoint_folder(output)


HOLDER = """
import sys
from pathlib import Path
from dreamvideo.media.checkpoint_lock import CheckpointLock
lock = CheckpointLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path: Path) -> Generator[Callable[[Path], subprocess.Popen[str]], None, None]:
    """Starts a process that holds the checkpoint of an output."""
    children = []

    def hold(output: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(output)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout.readline() == "held\n"
        return child

    yield hold
    for child in children:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("words", [[], ["-y"], ["--resume"], ["-y", "--resume"], ["--resume", "--cluster"]])
def test_a_second_run_is_refused_in_one_line_until_the_first_is_gone(
    film: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    held: Callable[[Path], subprocess.Popen[str]],
    words: list[Any],
) -> None:
    output = film.with_name("out.mp4")
    folder = left_behind(monkeypatch, film, output)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.json"}
    capsys.readouterr()
    first = held(output)
    assert run("video", film, "-o", output, *THROUGH, *words) == 1
    said = only_line(capsys)
    assert f"process {first.pid} on {socket.gethostname()}" in said
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.json"} == before
    assert not output.exists()
    first.kill()
    first.communicate()
    if words and "--cluster" not in words:
        assert run("video", film, "-o", output, *THROUGH, *words) == 0
        assert len(digest(output)[0]) == 44


def test_one_of_a_batch_that_another_run_holds_stops_none_of_the_others(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other run begins after the outputs were checked."""
    others = [make_clip(film.with_name(f"{name}.mp4")) for name in "ab"]
    plain = run_jobs
    locks = []

    def late(*words: Any) -> int:
        locks.append(CheckpointLock(film.with_name("film_dream.mp4")))
        return plain(*words)

    monkeypatch.setattr(video, "run_jobs", late)
    assert run("video", others[0], film, others[1], *THROUGH) == 3
    assert f"is being written by process {os.getpid()}" in only_line(capsys)
    assert all(path.with_name(f"{path.stem}_dream.mp4").exists() for path in others)
    locks[0].release()
    assert not checkpoint_folder(film.with_name("film_dream.mp4")).exists()


def test_a_run_whose_checkpoint_was_taken_over_stores_nothing_more(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = film.with_name("out.mp4")
    keep = segment_records.record_segment

    def usurp(folder: Path, segment: Any, carry: Any) -> None:
        if segment.number == 2 * PARTS:
            (folder / "run.json").write_text(json.dumps({"run": "another"}))
        keep(folder, segment, carry)

    monkeypatch.setattr(segment_records, "record_segment", usurp)
    assert run("video", film, "-o", output, *THROUGH) == 1
    assert "another run" in only_line(capsys)
    assert not output.exists()


def test_a_record_says_which_run_and_encoder_made_a_segment_and_others_are_not_joined(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = film.with_name("out.mp4")
    folder = left_behind(monkeypatch, film, output)
    record = json.loads((folder / "1000000.json").read_text())
    assert record["run"] == json.loads((folder / "run.json").read_text())["run"]
    assert record["encoder"].startswith("libx264 yuv420p 96x64, 1/16000 s, header ")
    segment = segment_records.segment_from_record(folder, PARTS)
    other = segment.encoder.replace("96x64", "64x96")
    segment_records.record_segment(folder, replace(segment, encoder=other), None)
    assert run("video", film, "-o", output, "--resume", *THROUGH) == 1
    assert "segment 1" in (said := only_line(capsys)) and "was made by libx264 yuv420p 64x96" in said
    assert not output.exists()


# Real processes, in every order.

SLOW_DRIVER = """
import sys, time
from fractions import Fraction
from dreamvideo.media import segments
segments.MAX_FRAMES, segments.GRID = 6, Fraction(3, 25)
plain = segments.with_durations
def slow(frames):
    for frame in plain(frames):
        time.sleep(0.1)
        yield frame
segments.with_durations = slow
from dreamvideo.cli import main
sys.exit(main(sys.argv[1:]))
"""
CLUSTER = ["--cluster", "--workers", "1"]


class Runs:
    """Runs of the program on one output."""

    def __init__(self, film: Path) -> None:
        self.film, self.output = film, film.with_name("out.mp4")
        self.children: list[subprocess.Popen[str]] = []

    def start(self, *words: Any) -> subprocess.Popen[str]:
        """Begin a run, which takes more than four seconds."""
        line = ["video", self.film, "-o", self.output, "--iterations", "0", *words]
        command = [sys.executable, "-c", SLOW_DRIVER, *map(str, line)]
        child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.children.append(child)
        return child

    def until_two_segments(self, child: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 200
        while len(list(checkpoint_folder(self.output).glob("0*.json"))) < 2:
            assert child.poll() is None and time.monotonic() < deadline, child.stderr.read()
            time.sleep(0.01)

    def end(self, child: subprocess.Popen[str]) -> tuple[int, str]:
        said = child.communicate(timeout=300)[1]
        assert "Traceback" not in said
        return child.returncode, said

    def refused(self, child: subprocess.Popen[str], holder: subprocess.Popen[str]) -> None:
        code, said = self.end(child)
        lines = [line for line in said.splitlines() if line.startswith("dreamvideo:")]
        assert code == 1 and len(lines) == 1, said
        assert f"process {holder.pid} on {socket.gethostname()}" in lines[0]


def both_run(runs: Runs, first: list[Any], second: list[Any]) -> None:
    one = runs.start(*first)
    runs.until_two_segments(one)
    runs.refused(runs.start(*second), one)
    assert runs.end(one)[0] == 0


def first_is_stopped(runs: Runs, first: list[Any], second: list[Any]) -> None:
    one = runs.start(*first)
    runs.until_two_segments(one)
    one.send_signal(signal.SIGSTOP)
    runs.refused(runs.start(*second), one)
    one.send_signal(signal.SIGCONT)
    assert runs.end(one)[0] == 0


def first_is_killed(runs: Runs, first: list[Any], second: list[Any]) -> None:
    one = runs.start(*first)
    runs.until_two_segments(one)
    os.killpg(one.pid, signal.SIGKILL)  # with the workers of a cluster
    one.wait()
    assert runs.end(runs.start(*second))[0] == 0


def two_after_a_kill(runs: Runs, first: list[Any], second: list[Any]) -> None:
    one = runs.start()
    runs.until_two_segments(one)
    one.kill()
    one.wait()
    codes = [runs.end(child)[0] for child in (runs.start(*first), runs.start(*second))]
    assert 0 in codes


def both_at_once(runs: Runs, first: list[Any], second: list[Any]) -> None:
    codes = [runs.end(child)[0] for child in (runs.start(*first), runs.start(*second))]
    assert 0 in codes


def first_is_interrupted(runs: Runs, first: list[Any], second: list[Any]) -> None:
    one = runs.start(*first)
    runs.until_two_segments(one)
    one.send_signal(signal.SIGINT)
    two = runs.start(*second)
    assert runs.end(one)[0] == 130
    if runs.end(two)[0] != 0:  # it came before the first had ended
        assert runs.end(runs.start(*second))[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("happens", "first", "second"),
    [
        (both_run, [], ["-y"]),
        (both_run, ["-y"], ["--resume"]),
        (first_is_stopped, [], ["-y"]),
        (first_is_stopped, ["-y"], ["--resume"]),
        (first_is_killed, [], ["--resume"]),
        (first_is_killed, ["-y"], ["-y"]),
        (two_after_a_kill, ["--resume"], ["--resume"]),
        (two_after_a_kill, ["-y"], ["--resume"]),
        (both_at_once, ["-y"], ["-y", "--crf", "30"]),
        (first_is_interrupted, [], ["--resume"]),
        (first_is_stopped, CLUSTER, ["--resume"]),
        (both_run, [], ["-y", *CLUSTER]),
        (first_is_killed, CLUSTER, ["--resume"]),
    ],
)
def test_two_runs_in_any_order_make_one_right_film(
    film: Path, happens: Callable[[Runs, list[Any], list[Any]], None], first: list[Any], second: list[Any]
) -> None:
    runs = Runs(film)
    try:
        happens(runs, first, second)
    finally:
        for child in runs.children:
            child.kill()
            child.communicate()
    right = []
    for words in ([], ["--crf", "30"]):
        assert run("video", film, "-o", film.with_name("right.mp4"), *THROUGH, *words, "-y") == 0
        right.append(digest(film.with_name("right.mp4")))
    assert digest(runs.output) in right
    assert sorted(path.name for path in film.parent.iterdir()) == ["film.mp4", "out.mp4", "right.mp4"]


# Files that are not ours.


def test_a_folder_that_is_no_checkpoint_is_refused_and_kept(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mp4"
    folder = checkpoint_folder(output)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.txt").write_text("mine")

    def with_notes() -> None:
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")

    def with_link() -> None:
        folder.mkdir()
        (folder / "000000.packets").symlink_to(elsewhere / "precious.txt")

    def with_images() -> None:
        (folder / "000000.images").mkdir(parents=True)
        (folder / "000000.images" / "notes.txt").write_text("mine")

    setups: list[Callable[[], object]] = [
        with_notes,
        with_link,
        with_images,
        lambda: folder.symlink_to(elsewhere),
        lambda: folder.write_text("mine"),
    ]
    for number, make in enumerate(setups):
        make()
        for words in ([], ["-y"], ["--resume"]):
            assert run("video", film, "-o", output, *THROUGH, *words) == 1
            assert "of dreamvideo: move it" in only_line(capsys)
        assert (elsewhere / "precious.txt").read_text() == "mine"
        folder.rename(tmp_path / f"setup{number}")
    assert (tmp_path / "setup0" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "setup2" / "000000.images" / "notes.txt").read_text() == "mine"
    assert not output.exists()


@pytest.mark.parametrize("is_link", [True, False])
def test_a_part_that_is_not_ours_is_neither_followed_nor_replaced(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_link: bool, caplog: pytest.LogCaptureFixture
) -> None:
    output, part, precious = tmp_path / "out.mp4", tmp_path / "out.mp4.part", tmp_path / "precious.txt"
    precious.write_text("mine")
    part.symlink_to(precious) if is_link else part.write_text("mine")
    left_behind(monkeypatch, film, output, "-v")  # as with neither -q nor -v
    assert "out.mp4.part is another file" in caplog.text
    assert run("video", film, "-o", output, "--resume", *THROUGH) == 0
    assert part.is_symlink() == is_link and part.read_text() == precious.read_text() == "mine"
    picture = tmp_path / "a.png"
    assert run("frames", film, "-o", tmp_path / "frames", *THROUGH) == 0
    (tmp_path / "frames" / "frame_000001.png").rename(picture)
    target = tmp_path / "a_dream.png.part"
    target.symlink_to(precious)
    assert run("image", picture, *THROUGH) == 0
    assert precious.read_text() == "mine" and target.is_symlink()


def test_the_part_of_an_interrupted_run_is_ours_until_somebody_changes_it(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, part = film.with_name("out.mp4"), film.with_name("out.mp4.part")
    left_behind(monkeypatch, film, output)
    assert len(read_pictures(part)) == 12
    assert run("video", film, "-o", output, "--resume", *THROUGH) == 0
    assert not part.exists()
    output.unlink()
    left_behind(monkeypatch, film, output)
    part.write_text("mine")
    assert run("video", film, "-o", output, "--resume", *THROUGH) == 0
    assert part.read_text() == "mine"


def test_an_output_that_appears_meanwhile_is_kept_and_so_is_the_work(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = film.with_name("out.mp4")
    keep = segment_records.record_segment

    def meddle(folder: Path, segment: Any, carry: Any) -> None:
        keep(folder, segment, carry)
        output.write_text("theirs")

    monkeypatch.setattr(segment_records, "record_segment", meddle)
    assert run("video", film, "-o", output, *THROUGH) == 1
    assert "out.mp4 exists" in only_line(capsys) and output.read_text() == "theirs"
    monkeypatch.undo()
    assert run("video", film, "-o", output, *THROUGH, "--resume") == 1
    assert "--overwrite (-y)" in only_line(capsys) and output.read_text() == "theirs"
    assert run("video", film, "-o", output, *THROUGH, "--resume", "-y") == 0
    assert len(digest(output)[0]) == 44


def test_a_picture_that_appears_meanwhile_is_kept(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "frames"
    keep = segment_records.record_segment

    def meddle(folder: Path, segment: Any, carry: Any) -> None:
        keep(folder, segment, carry)
        if segment.number == PARTS:
            (output / "frame_000020.png").write_text("theirs")

    monkeypatch.setattr(segment_records, "record_segment", meddle)
    assert run("frames", film, "-o", output, *THROUGH) == 1
    assert "frame_000020.png exists" in only_line(capsys)
    monkeypatch.setattr(segment_records, "record_segment", keep)
    assert run("frames", film, "-o", output, *THROUGH, "--resume") == 1
    assert (output / "frame_000020.png").read_text() == "theirs"
    capsys.readouterr()
    assert run("frames", film, "-o", output, *THROUGH, "--resume", "-y") == 0
    assert len(list(output.glob("*.png"))) == 44 and (output / "frame_000020.png").stat().st_size > 100


def test_a_run_that_died_between_giving_the_name_and_cleaning_up_is_complete(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamvideo.media import video_writer

    output = film.with_name("out.mp4")

    def die(_: Path) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(video_writer, "remove_checkpoint", die)
        run("video", film, "-o", output, *THROUGH)
    assert len(digest(output)[0]) == 44 and checkpoint_folder(output).exists()
    assert run("video", film, "-o", output, *THROUGH, "--resume") == 0
    assert len(digest(output)[0]) == 44 and not checkpoint_folder(output).exists()


# Long names, folders.


def test_names_that_are_too_long_are_one_line_each_and_others_go_on(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lengths = (240, 241, 245, 246, 251)  # with _dream the last has 257 bytes; with .checkpoint the others have too many
    (tmp_path / "in").mkdir()
    for length in lengths:
        (tmp_path / "in" / (chr(97 + length % 26) * length + ".mp4")).write_bytes(film.read_bytes())
    assert run("video", tmp_path / "in", *THROUGH) == 3
    lines = capsys.readouterr().err.splitlines()
    assert ["a name of 256 bytes" in lines[0], "a name of 261 bytes" in lines[1], len(lines)] == [True, True, 2]
    made = [path for path in (tmp_path / "in").iterdir() if "_dream" in path.name]
    assert sorted(len(path.name) for path in made) == [250, 251, 255]
    assert all(path.is_file() for path in made)
    (tmp_path / "in" / ("p" * 251 + ".png")).touch()
    assert run("image", tmp_path / "in", *THROUGH) == 1
    assert "a name of 261 bytes, expected at most 255" in only_line(capsys)
    for word in ("n" * 300 + ".mp4", "n" * 5000):
        for command in ("video", "image", "frames", "info"):
            assert run(command, word, *([] if command == "info" else THROUGH)) == 1
            assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_long_name_is_resumed_and_its_part_plays(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = film.with_name("n" * 251 + ".mp4")
    folder = left_behind(monkeypatch, film, output)
    assert len(folder.name) <= 255 and folder.is_dir()
    (part,) = film.parent.glob("*.part")
    assert len(read_pictures(part)) == 12
    assert run("video", film, "-o", output, "--resume", *THROUGH) == 0
    assert sorted(path.name for path in film.parent.iterdir()) == sorted(["film.mp4", output.name])


@pytest.mark.parametrize("target", ["dreams/", "dreams", "a/b/dreams/", "a/b/one.mp4"])
def test_folders_that_do_not_exist_are_made(film: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.chdir(film.parent)
    assert run("video", film, "-o", target, *THROUGH) == 0
    output = Path(target) if target.endswith(".mp4") else Path(target) / "film_dream.mp4"
    assert len(video_times(output)[0]) == 44
    assert run("frames", film, "-o", "x/y/z", *THROUGH) == 0
    (Path("x/y/z/frame_000001.png")).rename("a.png")
    assert run("image", "a.png", "-o", "p/q/", *THROUGH) == 0 and Path("p/q/a_dream.png").exists()
    assert run("video", film, "--preview", "2", "-o", "r/s/", *THROUGH) == 0 and Path("r/s/film_preview.png").exists()


def test_only_a_file_in_the_place_of_a_folder_is_refused(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dreams").write_text("mine")
    for target in ("dreams/", "dreams", "dreams/below/", "dreams/a.mp4"):
        assert run("video", film, "-o", target, *THROUGH) == 1
        assert "is not a folder" in only_line(capsys)
    assert Path("dreams").read_text() == "mine"
    assert run("video", "none.mp4", "-o", "new/one.mp4", *THROUGH) == 1
    assert not Path("new").exists()  # nothing was written into it


# What may change when a job is resumed.


@pytest.mark.parametrize(
    "words", [["--no-audio"], ["-o", "other.mp4"], ["-o", "other.mkv"], ["-o", "o.mov", "--no-audio"]]
)
def test_what_does_not_show_in_a_frame_may_change_when_a_job_is_resumed(
    film: Path, monkeypatch: pytest.MonkeyPatch, words: list[Any]
) -> None:
    monkeypatch.chdir(film.parent)
    assert run("video", film, "-o", "whole.mp4", *THROUGH) == 0
    left_behind(monkeypatch, film, Path("out.mp4"))
    encoded = []
    plain = segments.write_segments

    def watched(*arguments: Any) -> Any:
        for pair in plain(*arguments):
            encoded.append(pair[0].number)
            yield pair

    monkeypatch.setattr(segments, "write_segments", watched)
    words = words if "-o" in words else ["-o", "out.mp4", *words]
    assert run("video", film, "--resume", *THROUGH, *words) == 0
    assert encoded[0] == 3 * PARTS, "the finished segments were written again"
    output = Path(words[words.index("-o") + 1])
    assert digest(output)[0] == digest(Path("whole.mp4"))[0] or output.suffix == ".mkv"  # in whole milliseconds
    assert [picture for picture, _ in digest(output)[0]] == [picture for picture, _ in digest(Path("whole.mp4"))[0]]
    assert bool(sound_tracks(output)) == ("--no-audio" not in words)
    left = {path.name for path in film.parent.iterdir()}
    assert left == {"film.mp4", "whole.mp4", output.name}


def test_a_checkpoint_that_another_run_holds_stays_with_its_output(
    film: Path, monkeypatch: pytest.MonkeyPatch, held: Callable[[Path], subprocess.Popen[str]]
) -> None:
    folder = left_behind(monkeypatch, film, film.with_name("out.mp4"))
    held(film.with_name("out.mp4"))
    assert run("video", film, "-o", film.with_name("other.mp4"), *THROUGH, "--resume") == 0
    assert len(digest(film.with_name("other.mp4"))[0]) == 44
    assert len(segment_records.finished_segments(folder)) == 3


def test_images_are_resumed_where_they_are(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heal = killed_after(monkeypatch, 3)
    with pytest.raises(Killed):
        run("frames", film, "-o", tmp_path / "one", *THROUGH)
    heal()
    assert run("frames", film, "-o", tmp_path / "two", *THROUGH, "--resume") == 0
    assert len(list((tmp_path / "two").iterdir())) == 44
    assert run("frames", film, "-o", tmp_path / "one", *THROUGH, "--resume") == 0
    assert len(list((tmp_path / "one").iterdir())) == 44


@pytest.mark.parametrize("suffix", [".webm", ".avi"])
def test_another_encoder_or_header_is_refused_when_a_job_is_resumed(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    output = film.with_name("out.mp4")
    folder = left_behind(monkeypatch, film, output)
    capsys.readouterr()
    other = film.with_name(f"out{suffix}")
    folder.rename(checkpoint_folder(other))
    words = ["--codec", "libx264"] if suffix == ".avi" else []
    assert run("video", film, "-o", other, "--resume", *THROUGH, *words) == 1
    said = only_line(capsys)
    assert ("codec was" in said) if suffix == ".webm" else ("was made by libx264" in said or "codec was" in said)
    assert not other.exists()
