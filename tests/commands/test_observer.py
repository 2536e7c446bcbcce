"""What is shown of jobs while they run: bars, a line for each that ends, a table at the end, an exit code."""

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from dreamvideo.commands.console import FAILED, SOME_FAILED, Console, ConsoleObserver
from dreamvideo.commands.job_report import failed_row, job_rows, summary_lines
from dreamvideo.errors import SourceError
from dreamvideo.frames import StreamInfo
from dreamvideo.jobs.job import Job, JobResult

JOBS = [Job(Path(f"{name}.mp4"), Path(f"{name}_dream.mp4")) for name in "ab"]
INFO = StreamInfo(64, 48, frame_count=4)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal would show."""
    shown = io.StringIO()
    shown.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("dreamvideo.commands.console.sys", SimpleNamespace(stderr=shown))
    return shown


def observed(work: Callable[[ConsoleObserver], None], jobs: int = 2, one_bar: bool = False, quiet: bool = False) -> int:
    with ConsoleObserver(Console(quiet), jobs, lambda: False, one_bar=one_bar) as observer:
        work(observer)
    Console(quiet).summary(job_rows(JOBS[:jobs], observer.results))
    return observer.exit_code


def one_after_another(observer: ConsoleObserver) -> None:
    for job in JOBS:
        observer.started(job, INFO, 0, None)
        for _ in range(4):
            observer.progress(job, 1)
        observer.finished(JobResult(job, 4, 4, 2.0))


def test_each_job_has_its_bar_and_its_line_and_all_have_a_table(screen: io.StringIO) -> None:
    assert observed(one_after_another) == 0
    shown = screen.getvalue()
    assert "\ra.mp4: " in shown and "\rb.mp4: " in shown and "all: 100%" in shown
    assert "a_dream.mp4: 4 frames in 2.0 s (2.0 fps)\n" in shown
    table = shown[shown.index("input") :].splitlines()
    assert [line.split() for line in table] == [
        ["input", "frames", "fps", "lost", "result"],
        ["a.mp4", "4", "2.0", "a_dream.mp4"],
        ["b.mp4", "4", "2.0", "b_dream.mp4"],
        ["2", "inputs:", "2", "done"],
    ]


def test_jobs_side_by_side_share_a_bar_that_counts_what_was_finished_earlier(screen: io.StringIO) -> None:
    def work(observer: ConsoleObserver) -> None:
        observer.started(JOBS[0], INFO, 3, None)
        observer.started(JOBS[1], INFO, 0, None)
        observer.progress(JOBS[1], 4)
        observer.progress(JOBS[0], 1)
        for job in JOBS:
            observer.finished(JobResult(job, 4, 4, 2.0))

    assert observed(work, one_bar=True) == 0
    shown = screen.getvalue()
    assert "8/8" in shown and "a.mp4: 100%" not in shown
    assert "a_dream.mp4: resuming after 3 frames" in shown


def test_a_job_that_fails_is_a_line_and_an_exit_code(screen: io.StringIO) -> None:
    def work(observer: ConsoleObserver) -> None:
        observer.finished(JobResult(JOBS[0], error=SourceError("a.mp4 is\nmissing")))
        observer.started(JOBS[1], INFO, 0, None)
        observer.finished(JobResult(JOBS[1], 4, 4, 2.0, lost=1))

    assert observed(work) == SOME_FAILED
    assert "dreamvideo: a.mp4 is missing\n" in screen.getvalue()
    assert "4 frames in 2.0 s (2.0 fps), 1 lost\n" in screen.getvalue()
    assert observed(lambda observer: observer.finished(JobResult(JOBS[0], error=SourceError("gone"))), jobs=1) == FAILED


def test_images_that_were_left_out_show_in_the_exit_code(screen: io.StringIO) -> None:
    folder = Job(Path("shot"), Path("shot_dream"), (Path("shot/1.png"), Path("shot/2.png")), to_folder=True)
    assert observed(lambda observer: observer.finished(JobResult(folder, 1, 1, 1.0, lost=1)), jobs=1) == SOME_FAILED


def test_quiet_shows_errors_only(screen: io.StringIO) -> None:
    observed(one_after_another, quiet=True)
    assert screen.getvalue() == ""
    observed(lambda observer: observer.finished(JobResult(JOBS[0], error=SourceError("gone"))), quiet=True)
    assert screen.getvalue() == "dreamvideo: gone\n"


def test_a_long_name_is_shown_by_its_end_and_unknown_cells_are_empty() -> None:
    head, row, _ = summary_lines([failed_row(Path("folder/" * 8 + "clip.mp4"), Path("o.mp4"), SourceError("gone"))])
    assert row.startswith("...") and "clip.mp4" in row and row.endswith("failed: gone") and len(row.split()) == 3
    assert head.index("result") == row.index("failed")
