"""A film dreamed by several workers is the film that one makes, whoever dies meanwhile."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import make_clip
from conftest import run, textured
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_resume import digest, read_pictures

from dreamvideo.errors import SettingsError, SourceError
from dreamvideo.frames import Frame
from dreamvideo.jobs.cluster.scheduler import _Film, _Ledger, _Part
from dreamvideo.jobs.cluster.split import WARMUP_FRAMES, SegmentRange, WorkUnit, split_source
from dreamvideo.jobs.cluster.task import ClusterTask, dream_tasks
from dreamvideo.jobs.cluster.transfer import pack_files, unpack_files, with_local_files
from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.media import checkpoint, segments
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.segments import SegmentCounter
from dreamvideo.media.video_reader import open_video
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings, MaskSettings, ReadSettings
from dreamvideo.video.lanes import LaneStep

LENGTH = 25  # frames of a shot


def shots(number: int, width: int, height: int) -> NDArray[Any]:
    """A pan over another place every `LENGTH` frames."""
    place, step = divmod(number, LENGTH)
    wide = textured(height, width + 2 * LENGTH, place)
    return np.ascontiguousarray(wide[:, 2 * step : 2 * step + width])


def film_of(path: Path, count: int = 6) -> Path:
    times = [Fraction(n, 25) for n in range(count * LENGTH)]
    return make_clip(path, times=times, size=(96, 64), audio=[("aac", "eng")], image=shots)


# Runs.


def steps(cuts: Any) -> Iterator[LaneStep]:
    """Steps of a film of such shots, 25 frames a second, with the pieces that one machine makes."""
    place, number = SegmentCounter(), 0
    for length in cuts:
        previous = None
        for _ in range(length):
            frame = Frame(np.zeros((1, 1, 3), np.uint8), Fraction(number, 25))
            place.advance(previous is None)
            yield LaneStep(number, 0, 0, frame, previous, place.piece)
            number, previous = number + 1, frame


@given(st.lists(st.integers(1, 400), min_size=1, max_size=6), st.sampled_from([None, Fraction(2), Fraction(5)]))
def test_runs_are_all_pieces_in_order_and_begin_at_cuts(cuts: list[int], split: Fraction | None) -> None:
    runs = list(split_source(steps(cuts), split))
    expected = {}
    for step in steps(cuts):
        expected.setdefault(step.piece, []).append(step.frame.time)
    spans = [span for run in runs for span in run.spans]
    assert [span.number for span in spans] == list(expected)
    assert [(span.frames, span.start) for span in spans] == [(len(times), times[0]) for times in expected.values()]
    assert [span.before for span in spans] == [sum(s.frames for s in spans[:i]) for i in range(len(spans))]
    beginnings = {Fraction(sum(cuts[:n]), 25) for n in range(len(cuts))}
    for each, following in zip(runs, [*runs[1:], None], strict=True):
        start = each.spans[0].start
        assert each.end == (following.spans[0].start if following else None)
        assert each.opening == start - Fraction(each.runup, 25)
        if split is None:
            assert start in beginnings
        if start in beginnings:
            assert each.runup == 0
        else:
            assert 1 <= each.runup <= 25 * WARMUP_FRAMES
            assert not any(each.opening < beginning <= start for beginning in beginnings)
            last = runs[runs.index(each) - 1].spans
            assert start - last[0].start >= split


# Tasks, without a cluster.


def wishes(**changes: Any) -> JobSettings:
    parts = {
        "read": ReadSettings(),
        "model": ModelSettings(threads=1),
        "objective": ObjectiveSettings(),
        "dream": DreamSettings(octaves=1, iterations=2, step_size=0.03),
        "carry": CarrySettings(),
        "mask": MaskSettings(),
        "encode": EncodeSettings(),
    }
    return JobSettings(**{**parts, **changes})


def packets_in(folder: Path) -> dict[Any, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.packets")}


def test_tasks_make_the_packets_of_the_whole_film_from_wherever_they_begin(
    tmp_path: Path, tiny_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamvideo.jobs import runner
    from dreamvideo.video.pipeline import single_segment, split_shots

    monkeypatch.setattr(segments, "MAX_FRAMES", 9)
    monkeypatch.setattr(segments, "MIN_FRAMES", 4)
    kept = {}
    monkeypatch.setattr(
        checkpoint, "remove", lambda folder: kept.update(packets_in(folder)) if folder.exists() else None
    )
    clip = film_of(tmp_path / "film.mp4", 2)
    job = Job(clip, tmp_path / "out.mp4")
    runner.dream_jobs([job], wishes(), lambda: tiny_network, lambda *_: None, lambda outcome: None, quiet=True)
    assert len(kept) == 6
    with open_video(clip) as source:
        runs = list(split_source(split_shots(single_segment(source.frames), False)))
    assert len(runs) == 2
    done = list(dream_tasks([ClusterTask(job, run) for run in runs], wishes(), tiny_network, tmp_path))
    assert {f"{each.piece.number:06}.packets": each.packets for each in done} == kept
    # What is left of a run, as when its worker died after the first piece.
    begun = next(each for each in done if each.task == 1)
    assert begun.state is not None
    rest = ClusterTask(job, runs[1].after(1), begun.piece, begun.state)
    again = list(dream_tasks([rest], wishes(), tiny_network, tmp_path))
    assert [each.piece for each in again] == [each.piece for each in done if each.task == 1][1:]
    assert all(kept[f"{each.piece.number:06}.packets"] == each.packets for each in again)


def test_a_search_in_a_file_leads_to_the_frames_of_a_walk_through_it(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "long.mp4", [Fraction(n, 25) for n in range(150)], options={"g": "20"}, image=shots)
    for number in (3, 31, 60, 149):
        time = Fraction(number, 25)
        with open_video(clip, resume=time) as walked, open_video(clip, resume=time, jump=True) as sought:
            for a, b in zip(walked.frames, sought.frames, strict=True):
                assert a.time == b.time and np.array_equal(a.image, b.image)
                assert a.time >= time
    with open_video(clip, resume=Fraction(1, 3), jump=True) as nowhere:  # there is no such frame: what comes after it
        assert next(nowhere.frames).time == Fraction(9, 25)


def test_a_file_arrives_as_it_was_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamvideo.jobs.cluster.transfer.PART_BYTES", 1000)
    (tmp_path / "a film.mp4").write_bytes(os.urandom(2500))
    store = {}
    parcel = pack_files(tmp_path / "a film.mp4", lambda part: store.setdefault(len(store), part) and len(store) - 1)
    assert [len(part) for part in store.values()] == [1000, 1000, 500]
    (tmp_path / "there").mkdir()
    there = unpack_files(parcel, tmp_path / "there", store.get)
    assert there.name == "a film.mp4" and there.read_bytes() == (tmp_path / "a film.mp4").read_bytes()
    with pytest.raises(SettingsError, match="not a folder"):
        pack_files(tmp_path, store.get)
    asked = wishes(mask=MaskSettings(mask="/x/m.png"), model=ModelSettings(weights="w.pth"))
    moved = with_local_files(asked, lambda path: Path("/new") / path.name)
    assert (moved.mask.mask, moved.model.weights, moved.carry.flow_weights) == ("/new/m.png", "/new/w.pth", None)


# A real cluster of two workers.

WORDS = ["--iterations", "6", "--octaves", "2", "--threads", "1"]


@pytest.fixture(scope="module")
def address() -> Iterator[Any]:
    utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")
    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield cluster.address
    cluster.shutdown()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film_of(tmp_path_factory.mktemp("film") / "film.mp4")


@pytest.fixture(scope="module")
def alone(film: Path) -> Any:
    """What one machine makes of it."""
    assert run("video", film, "-o", film.with_name("alone.mp4"), *WORDS, "-q") == 0
    return digest(film.with_name("alone.mp4"))


def started(*words: object) -> Any:
    command = [sys.executable, "-m", "dreamvideo", "video", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def workers() -> list[Any]:
    psutil = pytest.importorskip("psutil")
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [""])[0].startswith("ray::Worker"):
            found.append(process)
    return found


def until(check: Any, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not check():
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_several_workers_make_the_film_of_one(
    film: Path, alone: Any, address: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("video", film, "-o", tmp_path / "out.mp4", *WORDS, "--cluster", address) == 0
    said = capsys.readouterr().err
    assert "2 workers" in said and "150 frames in" in said
    assert digest(tmp_path / "out.mp4") == alone
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_workers_that_die_are_replaced_and_nothing_shows(film: Path, alone: Any, address: Any, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    child = started(film, "-o", output, *WORDS, "--iterations", "6", "--cluster", address)
    for _ in range(2):
        until(lambda: any(process.cmdline()[0] == "ray::Worker.dream" for process in workers()), child)
        time.sleep(0.3)
        for process in workers()[:1]:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.5)
    _, said = child.communicate(timeout=120)
    assert child.returncode == 0, said
    assert "is done again" in said
    assert digest(output) == alone
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.slow
def test_a_driver_that_was_killed_is_gone_on_with(film: Path, alone: Any, address: Any, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    words = [film, "-o", output, *WORDS, "--cluster", address]
    child = started(*words)
    until(lambda: len(list(checkpoint_folder(output).glob("0*.json"))) >= 1, child)
    child.kill()
    child.communicate()
    assert not output.exists()
    there = {path.name: path.stat().st_mtime_ns for path in checkpoint_folder(output).glob("0*.json")}
    child = started(*words, "--resume")
    until(lambda: len(list(checkpoint_folder(output).glob("0*.json"))) > len(there) or output.exists(), child)
    for name, written in there.items():
        if (checkpoint_folder(output) / name).exists():
            assert (checkpoint_folder(output) / name).stat().st_mtime_ns == written  # not dreamed again
    _, said = child.communicate(timeout=120)
    assert child.returncode == 0, said
    assert digest(output) == alone


@pytest.mark.slow
def test_many_films_are_shipped_and_a_bad_one_stops_no_other(
    film: Path, alone: Any, address: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    short = film_of(tmp_path / "short.mp4", 1)
    (tmp_path / "out").mkdir()
    words = ["-o", tmp_path / "out", *WORDS, "--cluster", address, "--ship"]
    assert run("video", short, tmp_path / "bad.mp4", film, *words) == 3
    assert "bad.mp4" in capsys.readouterr().err
    assert digest(tmp_path / "out" / "film_dream.mp4") == alone
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["film_dream.mp4", "short_dream.mp4"]


def ledger_with(run_of_it: Any, job: Any, outcomes: Any, said: Any) -> _Ledger:
    ledger = _Ledger(wishes(), False, None, lambda *_: None, outcomes.append, said.append, lambda: False, None)
    film = _Film(job, None, (0, 0), open=1, found=True)
    ledger.waiting.append(_Part(film, ClusterTask(job, run_of_it)))
    return ledger


def test_what_fails_again_and_again_is_told_with_its_time() -> None:
    spans = (SegmentRange(3, 100, 50, Fraction(65)), SegmentRange(4, 150, 50, Fraction(67)))
    job, outcomes, said = Job(Path("film.mp4"), Path("out.mp4")), [], []
    ledger = ledger_with(WorkUnit(spans, Fraction(65), 0, Fraction(69)), job, outcomes, said)
    for _ in range(2):
        ledger.fail(ledger.take(on_gpus=False), RuntimeError("CUDA error: an illegal memory access\nmore"))
        assert not outcomes and len(ledger.waiting) == 1
    assert "1:05 to 1:09 is done again (CUDA error: an illegal memory access)" in said[0]
    ledger.fail(ledger.take(on_gpus=False), RuntimeError("killed"))
    assert not ledger.waiting
    assert str(outcomes[0].error) == "film.mp4, 1:05 to 1:09, failed 3 times: killed"


def test_what_would_fail_again_is_not_tried_again() -> None:
    job, outcomes = Job(Path("film.mp4"), Path("out.mp4")), []
    ledger = ledger_with(WorkUnit((SegmentRange(0, 0, 5, Fraction(0)),), Fraction(0), 0, None), job, outcomes, [])
    ledger.fail(ledger.take(on_gpus=False), SourceError("mask.png: no such file"))
    assert str(outcomes[0].error) == "film.mp4, 0:00 to its end, failed once: mask.png: no such file"


def test_no_cluster_is_one_line(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    assert run("video", film, "-o", tmp_path / "x.mp4", "-q", "--cluster", "127.0.0.1:1") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "no Ray cluster can be reached" in line
    assert run("video", film, "-o", tmp_path / "x.mp4", "-q", "--ship") == 2


@pytest.mark.slow
def test_folders_of_pictures_go_to_workers_too(film: Path, address: Any, tmp_path: Path) -> None:
    assert run("frames", film, "-o", tmp_path / "frames", "--iterations", 0, "--frames", 60, "-q") == 0
    words = ["frames", tmp_path / "frames", *WORDS, "-q"]
    assert run(*words, "-o", tmp_path / "one") == 0
    assert run(*words, "-o", tmp_path / "several", "--cluster", address) == 0
    one, several = ({path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("one", "several"))
    assert several == one and len(one) == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "one", "several"]


@pytest.mark.slow
def test_split_shots_meet_with_a_small_jump(address: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [textured(64, 96 + 300, 5)[:, 2 * n : 2 * n + 96] for n in range(150)]
    clip = make_clip(
        tmp_path / "one.mp4",
        [Fraction(n, 25) for n in range(150)],
        size=(96, 64),
        image=lambda n, w, h: np.ascontiguousarray(pictures[n]),
    )
    words = [*WORDS, "-q"]
    assert run("video", clip, "-o", tmp_path / "whole.mp4", *words) == 0
    assert run("video", clip, "-o", tmp_path / "split.mp4", *words, "--cluster", address, "--split-shots", "1") == 0
    whole, split = (read_pictures(tmp_path / name) for name in ("whole.mp4", "split.mp4"))
    assert len(whole) == len(split) == 150
    first = segments.MAX_FRAMES
    apart = [np.abs(a - b).mean() for a, b in zip(whole, split, strict=True)]
    assert max(apart[:first]) == 0
    assert 0 < apart[first] < 20
