"""A job that was killed, stopped or failed is gone on with, and makes what an unbroken one makes."""

import errno
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
import pytest
from clips import UNEVEN, make_clip, sound_tracks, video_times
from conftest import only_line, run, textured
from numpy.typing import NDArray

from dreamvideo.jobs import repair, runner
from dreamvideo.media import checkpoint, segment_records, segments, video_file
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.segments import PARTS
from dreamvideo.motion import flow

pytestmark = pytest.mark.usefixtures("networks_loaded_once")

QUICK = ["--iterations", "2", "--octaves", "1", "--step-size", "0.03", "--threads", "1", "-q"]
WIDTH, HEIGHT = 96, 64
LENGTH = 30  # frames of the film


def moving(number: int, width: int, height: int) -> NDArray[Any]:
    """Pans over three places: cuts at 15 and 21."""
    place = (number >= 15) + (number >= 21)
    wide = textured(height, width + 120, place)
    return np.ascontiguousarray(wide[:, 2 * number : 2 * number + width])


def make_film(path: Path) -> Path:
    times = [Fraction(n, 25) for n in range(LENGTH)]
    return make_clip(path, times=times, size=(WIDTH, HEIGHT), audio=[("aac", "eng")], image=moving)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "film.mp4")


def shorten_segments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(segments, "MAX_FRAMES", 4)
    patch.setattr(segments, "GRID", Fraction(3, 25))


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_segments(monkeypatch)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """unbroken(words) -> the digest of what one run with them makes of `film`; each is made once."""
    film = make_film(tmp_path_factory.mktemp("unbroken") / "film.mp4")

    @functools.cache
    def made(*words: str) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            shorten_segments(patch)
            assert run("video", film, "-o", film.with_name("whole.mp4"), "-y", *QUICK, *words) == 0
        return digest(film.with_name("whole.mp4"))

    return made


def digest(path: Path) -> tuple[list[tuple[str, Any]], Any, list[tuple[Any, list[int], str]]]:
    """Hashes of all pictures, and all times; then the sound."""
    with av.open(str(path)) as container:
        frames = [
            (hashlib.md5(frame.to_ndarray(format="rgb24").tobytes()).hexdigest(), frame.pts * frame.time_base)
            for frame in container.decode(video=0)
        ]
    return frames, video_times(path)[1], sound_tracks(path)


class Killed(BaseException):
    """Nothing is cleaned up after it but by the system."""


def killed_after(monkeypatch: pytest.MonkeyPatch, count: int) -> Callable[..., Any]:
    """The job dies when it is about to record another piece after `count`."""
    keep = segment_records.record_segment
    recorded = set()

    def die(folder: Path, piece: Any, state: Any) -> None:
        recorded.add(piece.number)
        if len(recorded) > count:
            raise Killed
        keep(folder, piece, state)

    monkeypatch.setattr(segment_records, "record_segment", die)
    return lambda: monkeypatch.setattr(segment_records, "record_segment", keep)


@pytest.mark.slow
def test_a_job_of_another_device_goes_on_with_its_flow(
    film: Path, unbroken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = film.with_name("out.mp4")
    heal = killed_after(monkeypatch, 2)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(flow, "AUTO_FLOWS", {"cpu": "torch-dis"})
        run("video", film, "-o", output, *QUICK)
    heal()
    assert run("video", film, "-o", output, "--resume", *QUICK) == 0
    pictures, *_ = digest(output)
    assert pictures == unbroken("--flow", "torch-dis")[0] != unbroken()[0]


@pytest.mark.parametrize("after", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, 5)), 4])
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--lanes", "3"],
        pytest.param(["--persistence", "0"], marks=pytest.mark.slow),
        ["--start", "0.16", "--frames", "20"],
    ],
)
def test_a_job_that_died_goes_on_and_makes_the_same_film(
    film: Path, unbroken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, after: int, words: list[Any]
) -> None:
    output = film.with_name("out.mp4")
    heal = killed_after(monkeypatch, after)
    with pytest.raises(Killed):
        run("video", film, "-o", output, *QUICK, *words)
    heal()
    assert not output.exists()
    before = len(segment_records.finished_segments(checkpoint_folder(output)))
    assert before == after
    assert run("video", film, "-o", output, "--resume", *QUICK, *words) == 0
    assert digest(output) == unbroken(*words)
    assert sorted(path.name for path in film.parent.iterdir()) == ["film.mp4", "out.mp4"]


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".webm", ".avi", ".gif"])
def test_whatever_the_container_pieces_make_the_film_that_one_run_makes(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = UNEVEN if suffix in (".mkv", ".mov", ".webm") else [Fraction(n, 25) for n in range(8)]
    clip = make_clip(tmp_path / "clip.mkv", times=times, last=Fraction(1, 5), size=(61, 47), pixels="yuv444p")
    output = tmp_path / f"out{suffix}"
    words = ["--iterations", "0", "-q"]
    heal = killed_after(monkeypatch, 1)
    with pytest.raises(Killed):
        run("video", clip, "-o", output, *words)
    heal()
    assert run("video", clip, "-o", output, "--resume", *words) == 0
    monkeypatch.setattr(segments, "MAX_FRAMES", 100)
    assert run("video", clip, "-o", output.with_stem("one"), *words) == 0
    pictures = [read_pictures(path) for path in (output, output.with_stem("one"))]
    assert video_times(output) == video_times(output.with_stem("one"))
    # A piece begins with a key picture, so that the two are not the same to the bit.
    for ours, theirs in zip(*pictures, strict=True):
        assert np.abs(ours - theirs).mean() < 3


def read_pictures(path: Path) -> list[NDArray[Any]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


def test_what_is_left_is_neither_overwritten_nor_gone_on_with_unasked(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = film.with_name("out.mp4")
    heal = killed_after(monkeypatch, 2)
    with pytest.raises(Killed):
        run("video", film, "-o", output, *QUICK)
    heal()
    assert run("video", film, "-o", output, *QUICK) == 1
    said = only_line(capsys)
    assert "2 finished segments" in said and "--resume" in said and "--overwrite (-y)" in said
    assert len(segment_records.finished_segments(checkpoint_folder(output))) == 2
    assert run("video", film, "-o", output, "-y", *QUICK) == 0
    assert not checkpoint_folder(output).exists()


def test_another_job_is_refused_with_what_differs(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = film.with_name("out.mp4")
    heal = killed_after(monkeypatch, 2)
    with pytest.raises(Killed):
        run("video", film, "-o", output, *QUICK)
    heal()
    assert run("video", film, "-o", output, "--resume", *QUICK, "--seed", "3", "--crf", "20") == 1
    said = only_line(capsys)
    assert "seed was 0, is 3" in said and "crf was 16, is 20" in said and "iterations" not in said
    content = film.read_bytes()
    film.write_bytes(content + b"more")
    assert run("video", film, "-o", output, "--resume", *QUICK) == 1
    assert "input was" in only_line(capsys)
    film.write_bytes(content)
    assert run("video", film, "-o", output, "--resume", "--threads", "2", *QUICK) == 0  # the machine may be another


def test_an_input_that_changes_under_way_is_told_and_nothing_is_lost(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output, content = film.with_name("out.mp4"), film.read_bytes()
    keep = segment_records.record_segment

    def meddle(folder: Path, piece: Any, state: Any) -> None:
        keep(folder, piece, state)
        if piece.number == 2:
            film.write_bytes(content + b"more")

    monkeypatch.setattr(segment_records, "record_segment", meddle)
    assert run("video", film, "-o", output, *QUICK) == 1
    assert "has changed while it was dreamed" in only_line(capsys)
    monkeypatch.setattr(segment_records, "record_segment", keep)
    assert not output.exists()
    film.write_bytes(content)
    assert run("video", film, "-o", output, "--resume", *QUICK) == 0
    assert len(digest(output)[0]) == LENGTH


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, which is always full")
def test_a_disk_that_is_full_when_pieces_are_joined_costs_nothing(
    film: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = film.with_name("out.mp4")

    def full(path: Path) -> IO[bytes]:
        path.symlink_to("/dev/full")  # libav follows it
        return Path(os.devnull).open("wb")

    with monkeypatch.context() as patch:
        patch.setattr(video_file, "create_file", full)
        assert run("video", film, "-o", output, *QUICK) == 1
    assert "disk is full" in only_line(capsys)
    assert not output.exists()
    monkeypatch.setattr(runner, "dream_inputs", lambda inputs, *rest: only_read(inputs))
    assert run("video", film, "-o", output, "--resume", *QUICK) == 0
    assert len(digest(output)[0]) == LENGTH


def only_read(inputs: Any) -> Generator[Any, None, None]:
    """No frame of them is left to be dreamed; the last is that of those that are finished."""
    for source in inputs:
        assert source.resume is not None and list(source.frames)[-1].time == source.resume.time
    yield from ()


@pytest.mark.parametrize(
    ("harm", "again"),
    [
        ("flip", range(4)),  # to the cut before it; the segments after it are good
        ("carry", range(7 * PARTS, 7 * PARTS + 3)),  # the newest: from the cut before it
        pytest.param("cut", range(4), marks=pytest.mark.slow),
        pytest.param("flip a time", range(4), marks=pytest.mark.slow),
        pytest.param("record", range(4), marks=pytest.mark.slow),
    ],
)
def test_a_damaged_piece_is_found_and_dreamed_again(
    film: Path, unbroken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, harm: str, again: range
) -> None:
    output = film.with_name("out.mp4")
    heal = killed_after(monkeypatch, 7)
    with pytest.raises(Killed):
        run("video", film, "-o", output, *QUICK)
    heal()
    folder = checkpoint_folder(output)
    packets, record = folder / "000003.packets", folder / "000003.json"
    content = bytearray(packets.read_bytes())
    if harm == "cut":
        packets.write_bytes(content[:-7])
    elif harm == "flip":
        content[-100] ^= 1
        packets.write_bytes(content)
    elif harm == "flip a time":
        content[content.index(b'"pts": ') + 7] ^= 1
        packets.write_bytes(content)
    elif harm == "record":
        record.write_bytes(record.read_bytes().replace(b'"frames": 3', b'"frames": 2'))
    else:
        (carry,) = folder.glob("*.carry")
        carry.write_bytes(carry.read_bytes()[:-1] + b"x")
    keep, written = segment_records.record_segment, []

    def watched(folder: Path, piece: Any, state: Any) -> None:
        written.append(piece.number)
        keep(folder, piece, state)

    monkeypatch.setattr(segment_records, "record_segment", watched)
    monkeypatch.setattr(repair, "record_segment", watched)
    assert run("video", film, "-o", output, "--resume", *QUICK) == 0
    assert digest(output) == unbroken()
    assert not folder.exists()
    assert written[: len(again)] == list(again), written


@pytest.mark.parametrize("words", [[], ["--resume"]])
def test_a_job_of_the_older_rule_of_segments_is_not_gone_on_with(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    output, through = film.with_name("out.mp4"), ["--iterations", "0", "-q"]
    heal = killed_after(monkeypatch, 2)
    with pytest.raises(Killed):
        run("video", film, "-o", output, *through)
    heal()
    record = checkpoint_folder(output) / "job.json"
    older = {name: value for name, value in json.loads(record.read_text()).items() if name != "segments"}
    record.write_text(json.dumps(older))
    assert run("video", film, "-o", output, *through, *words) == 1
    assert "is of an older version" in only_line(capsys)
    assert run("video", film, "-o", output, *through, "-y") == 0


def test_a_folder_that_vanishes_is_one_line(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / "out.mp4"
    keep = segment_records.record_segment

    def vanish(folder: Path, piece: Any, state: Any) -> None:
        if piece.number == 2:
            shutil.rmtree(tmp_path / "out")
        keep(folder, piece, state)

    monkeypatch.setattr(segment_records, "record_segment", vanish)
    assert run("video", film, "-o", output, *QUICK) == 1
    assert "out.mp4.checkpoint was deleted" in only_line(capsys)


def test_resuming_passes_over_what_is_done_and_begins_what_is_not(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_clip(tmp_path / "other.mp4")
    assert run("video", film, *QUICK) == 0
    before = (tmp_path / "film_dream.mp4").stat().st_mtime_ns
    assert run("video", film, other, "--resume", *QUICK[:-1]) == 0
    assert "film_dream.mp4 exists: skipped" in capsys.readouterr().err
    assert (tmp_path / "film_dream.mp4").stat().st_mtime_ns == before
    assert len(video_times(tmp_path / "other_dream.mp4")[0]) == 12


def test_masks_go_on_with_their_frames(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spot(number: int, width: int, height: int) -> NDArray[Any]:
        image = np.zeros((height, width, 3), np.uint8)
        image[:, number : number + 40] = 255 * (number not in (6, 7))  # twice nothing is dreamed
        return image

    mask = make_clip(tmp_path / "mask.mkv", [Fraction(n, 25) for n in range(LENGTH)], size=(WIDTH, HEIGHT), image=spot)
    words = [*QUICK, "--mask", mask]
    assert run("video", film, "-o", tmp_path / "whole.mp4", *words) == 0
    output = tmp_path / "out.mp4"
    heal = killed_after(monkeypatch, 2)  # nothing was dreamed of the last frame of piece 1, the 8th
    with pytest.raises(Killed):
        run("video", film, "-o", output, *words)
    heal()
    assert run("video", film, "-o", output, "--resume", *words) == 0
    assert digest(output) == digest(tmp_path / "whole.mp4")


def test_what_is_left_out_is_told_when_a_job_begins_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", audio=[("libopus", "eng"), ("pcm_s16le", "deu")])
    output, words = tmp_path / "out.webm", ["--iterations", "0"]
    heal = killed_after(monkeypatch, 1)
    with pytest.raises(Killed):
        run("video", clip, "-o", output, *words)
    heal()
    line = "transcoded to libopus: audio pcm_s16le (deu), since a webm file cannot hold it"
    assert capsys.readouterr().err.count(line) == 1
    assert run("video", clip, "-o", output, "--resume", *words) == 0
    assert line not in capsys.readouterr().err
    assert run("video", clip, "-o", output, "-y", *words) == 0
    assert capsys.readouterr().err.count(line) == 1


def test_a_failure_before_the_first_piece_is_finished_leaves_nothing(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speck = make_clip(tmp_path / "speck.mkv", size=(2, 2), codec="ffv1", pixels="yuv444p")
    output = tmp_path / "out.mkv"
    assert run("video", speck, "-o", output, "--iterations", "0", "-q", "--codec", "libx265") == 1
    assert "cannot be used here for 2x2" in only_line(capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "speck.mkv"]

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_atomically", full)
    assert run("video", film, "-o", output, *QUICK) == 1
    assert "the disk is full" in only_line(capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "speck.mkv"]


# Real processes.

DRIVER = """
import sys
from fractions import Fraction
from dreamvideo.media import segments
segments.MAX_FRAMES, segments.GRID = 4, Fraction(3, 25)
from dreamvideo.cli import main
sys.exit(main(sys.argv[1:]))
"""


# Says when its first frame is begun.
SAYING_DRIVER = """
import sys
from dreamvideo.video import dream_frames
plain = dream_frames.dream_octaves
def saying(*arguments, **more):
    print("the first frame is begun", file=sys.stderr, flush=True)
    return plain(*arguments, **more)
dream_frames.dream_octaves = saying
from dreamvideo.cli import main
sys.exit(main(sys.argv[1:]))
"""


def started(*words: object, driver: str = DRIVER) -> Any:
    command = [sys.executable, "-c", driver, *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def pieces_done(output: Any) -> int:
    return len(list(checkpoint_folder(output).glob("0*.json")))


def until(child: subprocess.Popen[str], check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not check():
        assert child.poll() is None and time.monotonic() < deadline, child.stderr.read()
        time.sleep(0.01)


def until_piece(child: subprocess.Popen[str], output: Any, count: int) -> None:
    until(child, lambda: pieces_done(output) >= count)


@pytest.mark.parametrize("sign", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interruption_leaves_a_part_that_plays_and_says_how_to_go_on(
    film: Path, unbroken: Callable[..., Any], tmp_path: Path, sign: Any
) -> None:
    output = tmp_path / "out put.mp4"
    words = ["video", film, "-o", output, *QUICK[:-1], "--lanes", "1"]
    child = started(*words)
    until_piece(child, output, 2)
    child.send_signal(sign)
    _, said = child.communicate(timeout=300)
    assert child.returncode == 130, said
    assert "Traceback" not in said
    assert "Stopping after this frame" in said
    assert f"'{output}' --iterations 2" in said and "--resume" in said
    assert not output.exists()
    kept = len(read_pictures(tmp_path / "out put.mp4.part"))
    assert f"{kept} frames are kept in" in said
    assert 8 <= kept < LENGTH
    assert run(*words, "--resume") == 0
    assert digest(output) == unbroken()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "out put.mp4"]


def test_a_second_interruption_is_the_end_at_once(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    # One frame of it takes minutes: longer than anything between the two signals.
    words = ["video", film, "-o", output, "--iterations", "10000", "--octaves", "1", "--persistence", "0"]
    child = started(*words, driver=SAYING_DRIVER)
    try:
        until_line(child, "the first frame is begun")
        child.send_signal(signal.SIGINT)
        until_line(child, "Stopping after this frame")
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=300)
    finally:
        child.kill()
    assert child.returncode == 130
    assert "--resume" not in said, "it ended as after one signal: the frame was finished first"
    assert not output.exists()


def until_line(child: subprocess.Popen[str], text: str) -> None:
    """Read what the child says up to the line that holds `text`; "dreamnet" stands in the one after the first frame."""
    for line in child.stderr:
        if text in line:
            return
    raise AssertionError("it has ended")


@pytest.mark.parametrize(
    ("kills", "iterations"), [pytest.param(1, 10, marks=pytest.mark.slow), pytest.param(20, 40, marks=pytest.mark.slow)]
)
def test_a_job_that_was_killed_makes_the_film_of_an_unbroken_one(
    film: Path, tmp_path: Path, kills: int, iterations: int
) -> None:
    random = np.random.default_rng(kills)
    output = tmp_path / "out.mp4"
    resume: list[str] = []
    words = ["video", film, "-o", output, "--octaves", "1", "--threads", "1", "--iterations", iterations]
    done = 0
    for _ in range(kills):
        child = started(*words, *resume)
        until_line(child, "dreamnet")
        time.sleep(random.uniform(0, 1))
        child.kill()
        child.communicate()
        if output.exists():  # it was quicker; once more from the beginning
            output.unlink()
            shutil.rmtree(checkpoint_folder(output), ignore_errors=True)  # killed before it was deleted
            done, resume = 0, []
            continue
        finished = segment_records.finished_segments(checkpoint_folder(output))
        assert len(finished) >= done
        # At most one piece is done again.
        assert len(list(checkpoint_folder(output).glob("*.packets"))) <= len(finished) + 1
        done, resume = len(finished), ["--resume"]
    assert run(*words, "-q", *resume) == 0
    assert run("video", film, "-o", tmp_path / "whole.mp4", *words[4:], "-q") == 0
    assert digest(output) == digest(tmp_path / "whole.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "out.mp4", "whole.mp4"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount")
def test_a_small_disk_that_is_full_can_be_freed_and_the_job_gone_on_with(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "none", disk], capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        (disk / "old").write_bytes(bytes(700_000))
        words = ["video", film, "-o", disk / "out.mp4", *QUICK, "--crf", "0"]
        assert run(*words) == 1
        assert "disk is full" in only_line(capsys)
        assert not (disk / "out.mp4").exists()
        (disk / "old").unlink()
        assert run(*words, "--resume") == 0
        assert len(digest(disk / "out.mp4")[0]) == LENGTH
        assert [path.name for path in disk.iterdir()] == ["out.mp4"]
    finally:
        subprocess.run(["umount", disk], check=True)
