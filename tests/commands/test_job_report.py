"""How many inputs ended: a table, a file of JSON, also after Ctrl-C; and outputs that are planned for many."""

import json
import os
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from clips import make_clip
from conftest import only_line, run
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.commands.console import SOME_FAILED, USAGE, Console
from dreamvideo.commands.job_report import SummaryRow, failed_row, job_rows, status_counts, summary_lines, write_report
from dreamvideo.commands.outputs import FilesRequest, plan_outputs
from dreamvideo.errors import OutputError, SourceError
from dreamvideo.jobs.job import Job, JobResult
from dreamvideo.media import video_writer

PLAIN = ["--iterations", "0", "--encoder-preset", "ultrafast", "-q"]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_clip(path, [Fraction(n, 25) for n in range(8)], size=(32, 32))


@pytest.fixture
def films(film: Path, tmp_path: Path) -> Path:
    """A folder of three films, the second of which is none."""
    folder = tmp_path / "films"
    folder.mkdir()
    for name in "ac":
        shutil.copy(film, folder / f"{name}.mp4")
    (folder / "b.mp4").write_text("no film")
    return folder


def ends(report: Path) -> dict[str, tuple[str, int]]:
    """Input -> its status, and frames."""
    content = json.loads(report.read_text())
    rows = {Path(row["input"]).name: (row["status"], row["frames"]) for row in content["inputs"]}
    assert {status: sum(row[0] == status for row in rows.values()) for status, _ in rows.values()} == {
        status: content[status] for status in ("done", "failed", "unfinished", "skipped") if content[status]
    }
    return rows


def test_each_input_is_in_the_report_and_one_that_fails_ends_alone(films: Path, tmp_path: Path) -> None:
    report = tmp_path / "new" / "report.json"
    assert run("video", films, "-o", f"{tmp_path}/out/", "--report", report, *PLAIN) == SOME_FAILED
    assert ends(report) == {"a.mp4": ("done", 8), "b.mp4": ("failed", 0), "c.mp4": ("done", 8)}
    rows = json.loads(report.read_text())["inputs"]
    assert rows[0]["output"] == str(tmp_path / "out" / "a_dream.mp4") and rows[0]["error"] is None
    assert rows[0]["dreamed"] == 8 and rows[0]["fps"] == pytest.approx(8 / rows[0]["seconds"])
    assert str(films / "b.mp4") in rows[1]["error"] and rows[1]["fps"] is None
    os.remove(tmp_path / "out" / "c_dream.mp4")
    assert run("video", films, "-o", f"{tmp_path}/out/", "--report", report, "--resume", *PLAIN) == SOME_FAILED
    assert ends(report) == {"a.mp4": ("skipped", 0), "b.mp4": ("failed", 0), "c.mp4": ("done", 8)}
    assert sorted(os.listdir(tmp_path / "new")) == ["report.json"]


def test_a_cancelled_command_says_what_is_unfinished(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = iter(range(1000))
    monkeypatch.setattr("dreamvideo.commands.console.ConsoleObserver.should_stop", lambda self: next(frames) >= 12)
    report = tmp_path / "report.json"
    assert run("video", films, "-o", f"{tmp_path}/out/", "--report", report, *PLAIN[:-1]) == 130
    assert ends(report) == {"a.mp4": ("done", 8), "b.mp4": ("failed", 0), "c.mp4": ("unfinished", 0)}
    told = capsys.readouterr().err.splitlines()
    assert told[-2] == "3 inputs: 1 done, 1 failed, 1 unfinished" and "resume with: " in told[-1]


def test_a_report_that_cannot_be_written_changes_no_film(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.json").mkdir()
    assert run("video", film, "-o", tmp_path / "out.mp4", "--report", tmp_path / "report.json", *PLAIN) == 1
    assert f"--report {tmp_path}/report.json cannot be written" in only_line(capsys)
    assert (tmp_path / "out.mp4").exists()


def test_a_report_replaces_no_film_and_needs_a_folder(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("video", film, "-o", tmp_path / "out.mp4", "--report", film, *PLAIN) == USAGE
    assert "expected a name that ends in .json" in only_line(capsys)
    assert run("video", film, "-o", tmp_path / "out.mp4", "--report", film / "report.json", *PLAIN) == 1
    assert f"{film} is not a folder" in only_line(capsys)
    assert not (tmp_path / "out.mp4").exists()


NAMES = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=20)
ROWS = st.builds(
    SummaryRow,
    NAMES,
    NAMES,
    frames=st.integers(0, 1 << 40),
    dreamed=st.integers(0, 1 << 40),
    seconds=st.floats(0, 1e9),
    error=st.none() | NAMES,
    status=st.sampled_from(["done", "failed", "unfinished", "skipped"]),
)


@given(rows=st.lists(ROWS, max_size=5))
def test_a_report_can_be_read_again_whatever_names_are_in_it(tmp_path_factory: Any, rows: list[SummaryRow]) -> None:
    path = tmp_path_factory.getbasetemp() / "report.json"
    secret = failed_row(Path("a"), Path("b"), SourceError("https://me:geheim@host/film.mp4?X-Signature=geheim is gone"))
    write_report(path, [*rows, secret])
    stored = json.loads(path.read_bytes())["inputs"]
    assert stored[-1]["error"] == "https://host/film.mp4 is gone"
    fields = ("frames", "dreamed", "seconds", "status")
    assert [[row[name] for name in fields] for row in stored[:-1]] == [
        [getattr(row, name) for name in fields] for row in rows
    ]
    plain = [(row, each) for row, each in zip(rows, stored, strict=False) if "://" not in row.input + row.output]
    assert all((row.input, row.output) == (each["input"], each["output"]) for row, each in plain)


def test_what_failed_is_last_in_the_table_and_what_was_there_is_counted() -> None:
    jobs = [Job(Path(f"{name}.mp4"), Path(f"{name}_dream.mp4")) for name in "abcd"]
    results = [JobResult(jobs[2], 4, 4, 2.0), JobResult(jobs[0], error=SourceError("gone")), JobResult(jobs[3], 4)]
    rows = job_rows(jobs, results, [(Path("e.mp4"), Path("e_dream.mp4"))])
    assert status_counts(rows) == {"done": 2, "failed": 1, "unfinished": 1, "skipped": 1}
    assert [line.split()[0] for line in summary_lines(rows)] == ["input", "c.mp4", "d.mp4", "b.mp4", "a.mp4", "5"]


def test_an_output_is_compared_with_the_inputs_that_it_could_be_only(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [tmp_path / f"{number}.mp4" for number in range(30)]
    for path in inputs:
        path.touch()
    compared = []
    plain = video_writer._same_file
    monkeypatch.setattr(video_writer, "_same_file", lambda *paths: compared.append(paths) or plain(*paths))
    request = FilesRequest(tuple(inputs), tmp_path / "out", into_folder=True)
    assert len(plan_outputs(request, Console(True), "videos").jobs) == 30 and not compared
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "7_dream.mp4").symlink_to(inputs[8])
    with pytest.raises(OutputError, match="7_dream.mp4 is the input itself"):
        plan_outputs(FilesRequest(tuple(inputs), tmp_path / "out", overwrite=True), Console(True), "videos")
    assert len(compared) == 1
