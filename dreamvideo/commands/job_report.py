"""How the inputs of a command ended: a table for people, and a file of JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from dreamvideo._version import __version__
from dreamvideo.errors import OutputError
from dreamvideo.info.tables import TableRow, format_table
from dreamvideo.settings.addresses import without_secrets

if TYPE_CHECKING:
    from dreamvideo.jobs.job import Job, JobResult

Status = Literal["done", "failed", "unfinished", "skipped"]

WIDEST: Final = 40  # characters of an input's name in the table; chosen by eye


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """How one input ended."""

    input: str
    output: str
    frames: int = 0  # in the output
    dreamed: int = 0  # of them in this run
    seconds: float = 0.0  # that this run took
    lost: int = 0  # frames that could not be decoded
    error: str | None = None  # what went wrong, as one line
    status: Status = "done"  # unfinished: the command ended before; skipped: the output was there

    @property
    def fps(self) -> float | None:
        """Frames that were dreamed per second of this run; None: none were."""
        return self.dreamed / self.seconds if self.dreamed and self.seconds else None


def one_line(problem: object) -> str:
    """Return the text of an error without its line breaks.

    Args:
        problem: an exception, or anything with a `str`.
    """
    return " ".join(str(problem).split())


def failed_row(source: Path, output: Path, error: Exception) -> SummaryRow:
    """Return the row of an input that failed.

    Args:
        source: the input.
        output: what was to be made of it.
        error: why it was not.
    """
    return SummaryRow(str(source), str(output), error=one_line(error), status="failed")


def job_rows(
    jobs: Sequence[Job], results: Iterable[JobResult], skipped: Iterable[tuple[Path, Path]] = ()
) -> list[SummaryRow]:
    """Return a row for each job, those that did not end included.

    Args:
        jobs: what was to be dreamed, in order.
        results: of those that ended, in any order.
        skipped: (input, output) of what was not to be dreamed, as its output was there.
    """
    by_job = {result.job: result for result in results}
    rows = [SummaryRow(str(source), str(output), status="skipped") for source, output in skipped]
    for job in jobs:
        result = by_job.get(job)
        if result is None:
            rows.append(SummaryRow(str(job.source), str(job.output), status="unfinished"))
        elif result.error is not None:
            rows.append(failed_row(job.source, job.output, result.error))
        else:
            counts = result.frames, result.dreamed, result.seconds, result.lost
            rows.append(SummaryRow(str(job.source), str(job.output), *counts))
    return rows


def summary_lines(rows: Sequence[SummaryRow]) -> list[str]:
    """Format how several inputs ended: a table without those that were skipped, the failed last, and a line of all.

    Args:
        rows: one per input.
    """
    columns = ("input", "frames", "fps", "lost", "result")
    last: dict[Status, int] = {"unfinished": 1, "failed": 2}
    told = [row for row in rows if row.status != "skipped"]
    ordered = sorted(told, key=lambda row: last.get(row.status, 0))
    table = format_table([_summary_cells(row) for row in ordered], columns, formats={"fps": ".1f"})
    counts = [f"{count} {status}" for status, count in status_counts(rows).items() if count]
    return [*table, f"{len(rows)} inputs: {', '.join(counts)}"]


def _summary_cells(row: SummaryRow) -> TableRow:
    # The end of a long name is what tells it from others.
    name = row.input if len(row.input) <= WIDEST else "..." + row.input[3 - WIDEST :]
    result = {"done": row.output, "failed": f"failed: {row.error}"}
    return {
        "input": name,
        "frames": row.frames or None,
        "fps": row.fps,
        "lost": row.lost or None,
        "result": result.get(row.status, row.status),
    }


def status_counts(rows: Iterable[SummaryRow]) -> dict[Status, int]:
    """Count the rows of each status.

    Args:
        rows: one per input.
    """
    counts: dict[Status, int] = {"done": 0, "failed": 0, "unfinished": 0, "skipped": 0}
    for row in rows:
        counts[row.status] += 1
    return counts


def write_report(path: Path, rows: Sequence[SummaryRow]) -> None:
    """Write how each input ended, without what is secret in an address, in place of an earlier report.

    Args:
        path: of the file; its folder is made.
        rows: one per input.

    Raises:
        OutputError: it cannot be written.
    """
    from dreamvideo.media.atomic_files import make_folder, write_atomically

    inputs = [{**asdict(row), "fps": row.fps} for row in rows]
    counts = {str(status): count for status, count in status_counts(rows).items()}
    content = {"dreamvideo": __version__, **counts, "inputs": inputs}
    make_folder(path.parent)
    try:
        write_atomically(path, without_secrets(json.dumps(content, indent=1)).encode())
    except OSError as error:
        raise OutputError(f"--report {path} cannot be written: {error.strerror or error}") from None
