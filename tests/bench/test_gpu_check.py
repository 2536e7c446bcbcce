"""`dreamvideo bench gpu`, rehearsed on a CPU: every part runs, and one that fails or hangs ends no other."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import run

from dreamvideo.ascent import cuda_graphs
from dreamvideo.bench.gpu_check import check_run
from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.bench.gpu_check.check_run import PARTS, check_gpu
from dreamvideo.bench.gpu_check.gpu_load import load_figures, query_gpu, watch_gpu
from dreamvideo.bench.gpu_check.gpu_part import PART_FUNCTIONS, PartJob, part_function, run_job
from dreamvideo.bench.gpu_check.gpu_tests import ROOT, gpu_test_files
from dreamvideo.bench.gpu_check.kernel_times import sum_by_name, touched_bytes
from dreamvideo.bench.gpu_check.moving_frames import endless_shot, film
from dreamvideo.bench.gpu_check.stream_rates import Span, timed_frames
from dreamvideo.bench.timing import TimeLimit
from dreamvideo.kernels import graph_capture
from dreamvideo.motion.cuts import frame_comparer
from dreamvideo.settings.bench import GPU_PARTS, GpuCheckSettings

CPU = torch.device("cpu")

# What a part does in these tests, in place of its process.
CHILD = """
import json, os, sys, time
job = json.loads(sys.argv[1])
print(json.dumps({"row": {"seconds": job["seconds"]}}), flush=True)
print("to the log", file=sys.stderr)
what = {"versions": "raise", "kernels": "crash", "graphs": "hang"}.get(job["part"])
if what == "raise":
    print(json.dumps({"error": "ValueError: a reason"}), flush=True)
if what == "crash":
    os.abort()
if what == "hang":
    import subprocess
    subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])
"""


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of `CHILD`, and little time for each part."""
    monkeypatch.setattr(check_run, "python_child", lambda *words: [sys.executable, "-c", CHILD, words[-1]])
    monkeypatch.setattr(check_run, "LEAST_SECONDS", 0.0)
    monkeypatch.setitem(check_run.PARTS, "graphs", ("graphs", 3.0))


def settings(out: Path, *only: Any, **changes: Any) -> GpuCheckSettings:
    return GpuCheckSettings(out=out, only=only, device="cpu", model="dreamnet", **changes)


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def a_check(out: Path) -> GpuCheck:
    return GpuCheck(CPU, "dreamnet", out, TimeLimit(10))


@pytest.mark.usefixtures("children")
def test_a_part_that_raises_crashes_or_hangs_ends_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    start = time.monotonic()
    assert check_gpu(settings(out, "versions", "kernels", "graphs", "live"), quiet=True) == 1
    assert time.monotonic() - start < 60, "the process that hangs, and what it has started, is ended"
    said = capsys.readouterr().out
    assert said.strip() == (out / "results.txt").read_text().strip()
    for why in ("failed: ValueError: a reason", "ended with exit code -6", "failed: it had not ended after 3 s"):
        assert why in said
    assert [row["part"] for row in rows_of(out) if "seconds" in row] == ["versions", "kernels", "graphs", "live"]
    assert [row["part"] for row in rows_of(out) if "skipped" in row] == ["versions", "kernels", "graphs"]
    assert (out / "log.txt").read_text().count("to the log") == 4


@pytest.mark.usefixtures("children")
def test_parts_beyond_the_limit_are_left_out_and_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_run, "LEAST_SECONDS", 15.0)
    assert check_gpu(settings(tmp_path, minutes=0.2), quiet=True) == 0
    assert {row["part"] for row in rows_of(tmp_path)} == set(GPU_PARTS)
    assert all("left out" in row["skipped"] for row in rows_of(tmp_path))
    assert capsys.readouterr().out.count("left out") == len(GPU_PARTS)
    assert check_gpu(settings(tmp_path, "tests", minutes=0.5), quiet=True) == 0
    (row,) = rows_of(tmp_path)
    assert row["seconds"] < 0.5 * 60 * check_run.STARTING_SHARE, "no more than what is left of the whole"


def test_the_parts_fit_into_one_call() -> None:
    assert tuple(PARTS) == GPU_PARTS == tuple(PART_FUNCTIONS)
    assert GpuCheckSettings().minutes <= 9
    assert sum(seconds for _, seconds in PARTS.values()) <= 1.4 * 9 * 60, "most take half of it"
    for part in GPU_PARTS:
        assert callable(part_function(part))


def test_the_command_rehearses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--device", "cpu", "--out", tmp_path, "--only", "graphs", "--model", "dreamnet", "--minutes", 60)
    assert run("bench", "gpu", *words) == 0
    said = capsys.readouterr()
    assert "a rehearsal" in said.out and "graph x faster" in said.out
    assert "graphs: octave=96x64 steps=1 " in said.err
    flow, one, ten = rows_of(tmp_path)
    assert flow["octave"] == "flow of 113x64" and int(flow["note"].split()[0]) > 300 and flow["graph_ms"] > 0
    assert (one["steps"], ten["steps"]) == (1, 8)
    assert one["recorded_s"] > 0, "the second time it is recorded"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.txt", "results.jsonl", "results.txt"]


@pytest.mark.slow
def test_every_part_is_rehearsed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", "gpu", "--device", "cpu", "--out", tmp_path, "--model", "dreamnet", "--minutes", 60, "-q") == 0
    rows = rows_of(tmp_path)
    assert not [row for row in rows if "skipped" in row]
    counts = Counter(row["part"] for row in rows)
    assert set(counts) == set(GPU_PARTS)
    assert counts["fp16"] >= 10 and all(row["finite"] for row in rows if row["part"] == "fp16")
    assert all(row["largest"] > 0 for row in rows if row["part"] == "fp16"), "a dead neuron shows nothing"
    (tests,) = (row for row in rows if row["part"] == "tests")
    assert tests["result"] == "exit code 0"
    assert len(list(tmp_path.iterdir())) <= 8


def test_what_a_part_raises_is_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PART_FUNCTIONS, "leak", ("dreamvideo.bench.gpu_check.memory_slope", "no_such_function"))
    job = PartJob("leak", "cpu", "dreamnet", str(tmp_path), 1.0)
    (line,) = run_job(job)
    assert line["error"].startswith("AttributeError: ")
    assert "Traceback" in capsys.readouterr().err


def test_memory_is_measured_with_a_network_that_waits(tmp_path: Path) -> None:
    lines = list(run_job(PartJob("leak", "cpu", "dreamnet", str(tmp_path), 60.0)))
    (row,) = (line["row"] for line in lines)
    assert row["frames"] == 9 and row["memory"] == "process" and row["last_MB"] > 0


def test_recordings_are_left_as_they_were(tmp_path: Path) -> None:
    from dreamvideo.bench.gpu_check.graph_times import timed_recordings

    before = graph_capture.on_cuda, graph_capture.recorded_on
    with timed_recordings(a_check(tmp_path)):
        assert graph_capture.recorded_on(CPU)
    assert (graph_capture.on_cuda, graph_capture.recorded_on) == before
    assert not cuda_graphs._recorders


def test_a_stream_is_timed_after_its_warmup_and_closed(tmp_path: Path) -> None:
    figures: dict[str, Any] = {}
    frames = timed_frames(a_check(tmp_path), endless_shot(48, 64), Span(4, 60.0, 5), figures)
    assert len(list(frames)) == 4 + 1 + 5
    assert figures["frames"] == 5 and figures["fps"] > 0
    few = timed_frames(a_check(tmp_path), (frame for frame in islice(endless_shot(48, 64), 3)), Span(4, 1.0), figures)
    assert len(list(few)) == 3
    assert "3 frames" in figures["note"]


def test_frames_move_and_only_shots_are_cut() -> None:
    frames = list(film(90, 160, 3, 6))
    compare = frame_comparer()
    assert [frame.time for frame in frames] == sorted({frame.time for frame in frames})
    pairs = [(one.image, other.image) for one, other in itertools.pairwise(frames)]
    assert not any(np.array_equal(one, other) for one, other in pairs)
    cuts = [number for number, (one, other) in enumerate(pairs, 1) if compare(other, one) == "cut"]
    assert cuts == [6, 12]


def test_samples_of_a_gpu_are_those_since_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    samples = [(1.0, 0.0, 500.0), (2.0, 40.0, 900.0), (3.0, 60.0, 800.0)]
    assert load_figures(samples, 1.5) == {"gpu_%": 50.0, "gpu_%_max": 60.0, "card_MB": 900.0}
    assert load_figures(samples, 9.0) == {}
    with watch_gpu(CPU) as none:
        pass
    assert none == []
    smi = tmp_path / "nvidia-smi"
    smi.write_text('#!/bin/sh\necho "50, [N/A]"\n')
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="a"))
    assert query_gpu(torch.device("cuda"), ("utilization.gpu", "memory.used")) == ["50", "[N/A]"]
    with watch_gpu(torch.device("cuda")) as unknown:
        time.sleep(0.1)
    assert unknown == []
    smi.write_text("#!/bin/sh\nexit 9\n")
    assert query_gpu(torch.device("cuda"), ("utilization.gpu",)) is None


def test_kernels_add_up_and_views_touch_nothing() -> None:
    rows = sum_by_name([("a", 1.0), ("b", 5.0), ("a", 2.0)])
    assert [(row["kernel"], row["count"], row["us"]) for row in rows] == [("b", 1, 5.0), ("a", 2, 3.0)]
    a = torch.ones(100)
    assert touched_bytes(lambda: a.view(10, 10).t()) == 0
    assert touched_bytes(lambda: a.view(10, 10) + 1) == 800
    assert touched_bytes(lambda: a.add_(1)) == 800


def test_the_tests_for_a_gpu_are_found() -> None:
    names = {path.name for path in gpu_test_files(ROOT / "tests")}
    assert {"test_cuda_graphs.py", "test_devices.py", "test_memory_budget.py", "test_raft.py"} <= names
    assert "test_threads.py" not in names


def test_the_dream_alone_needs_no_pyav() -> None:
    code = (
        "import sys; sys.modules['av'] = sys.modules['cv2_enumerate_cameras'] = None; "
        "from dreamvideo.bench.gpu_check.gpu_part import PART_FUNCTIONS, part_function; "
        "[part_function(part) for part in PART_FUNCTIONS if part != 'files']"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
