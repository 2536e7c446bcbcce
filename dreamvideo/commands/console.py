"""What a command prints, and its exit code: results on stdout; messages, progress bars, errors on stderr."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from dreamvideo.commands.job_report import SummaryRow, one_line, summary_lines
from dreamvideo.errors import printable
from dreamvideo.jobs.observer import Observer
from dreamvideo.settings.addresses import public_text

if TYPE_CHECKING:
    from dreamvideo.frames import StreamInfo
    from dreamvideo.jobs.job import Job, JobResult
    from dreamvideo.models.network import Network

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
SOME_FAILED: Final = 3
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it

T = TypeVar("T")


def exit_code(failed: int, jobs: int) -> int:
    """Return the exit code of a command.

    Args:
        failed: how many of its jobs failed.
        jobs: how many there were.
    """
    if not failed:
        return DONE
    return FAILED if failed == jobs else SOME_FAILED


class Console:
    """Where a command prints.

    Args:
        quiet: print errors and results only: no messages, no bars.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def message(self, text: str) -> None:
        """Print a line on stderr, above the bars if there are any, unless quiet."""
        if not self.quiet:
            self._write(text)

    def error(self, problem: object) -> None:
        """Print what went wrong as one line on stderr, quiet or not."""
        self._write(f"dreamvideo: {one_line(problem)}")

    def _write(self, text: str) -> None:
        tqdm.write(public_text(text), file=sys.stderr)
        sys.stderr.flush()

    def results(self, lines: Iterable[str]) -> None:
        """Print lines on stdout for as long as they are read, such as by `| head`."""
        for line in lines:
            print(printable(line, keep="\n"))
            if getattr(sys.stdout, "is_lost", False):
                return
        sys.stdout.flush()

    def network(self, path: Path | str, size: str, network: Network) -> None:
        """Announce which network dreams an input, and where it runs."""
        from dreamvideo.devices import device_name

        layers = " + ".join(network.score.layers)
        where = f"{network.precision_name}, {device_name(network.device)}"
        self.message(f"{path}: {size}, {network.name} {layers}, {where}")

    def summary(self, rows: Sequence[SummaryRow]) -> None:
        """Print a table if there were several inputs."""
        if len(rows) > 1:
            for line in summary_lines(rows):
                self.message(line)

    @property
    def _shows_bars(self) -> bool:
        return not self.quiet and sys.stderr.isatty()

    @contextlib.contextmanager
    def bar(
        self, count: int | None, label: str, unit: str = "frames", done: int = 0
    ) -> Generator[tqdm[Any], None, None]:
        """Show a progress bar inside the block; hidden if quiet or if stderr is not a terminal.

        Args:
            count: how many there will be; None: unknown.
            label: what stands before the bar.
            unit: what is counted.
            done: how many of `count` were finished before.

        Returns:
            The bar, to be updated.
        """
        shown = self._shows_bars
        with (
            logging_redirect_tqdm([logging.getLogger("dreamvideo")]) if shown else contextlib.nullcontext(),
            tqdm(
                total=count,
                initial=done,
                desc=public_text(label),
                unit=f" {unit}",
                disable=not shown,
                file=sys.stderr,
                dynamic_ncols=True,
                leave=None,  # below another bar it disappears when it is complete
            ) as bar,
        ):
            yield bar

    def progress(
        self, items: Generator[T, None, None], count: int | None, label: str, unit: str = "frames"
    ) -> Generator[T, None, None]:
        """Pass items through while a bar shows how many have passed, their rate and the time that remains.

        Args:
            items: what is counted; closed with the generator returned.
            count: how many there will be; None: unknown. More or fewer are fine.
            label: what stands before the bar.
            unit: what is counted.
        """
        with contextlib.closing(items), self.bar(count, label, unit) as bar:
            for item in items:
                yield item
                bar.update()

    @contextlib.contextmanager
    def files_bar(self, count: int) -> Generator[Callable[[], None], None, None]:
        """Show a bar of files above all others, if there are several.

        Args:
            count: how many files there are.

        Returns:
            A function that counts one more.
        """
        shown = count > 1 and self._shows_bars
        with tqdm(
            total=count, desc="all", unit=" files", disable=not shown, file=sys.stderr, dynamic_ncols=True
        ) as bar:
            yield lambda: bar.update() and None


class ConsoleObserver(Observer):
    """Shows jobs while they run: a bar of frames, a line for each job that ends, a table at the end.

    Use as a context manager, inside which the jobs run.

    Args:
        console: where it is shown.
        jobs: how many jobs there are.
        should_stop: whether to cancel, such as after Ctrl-C.
        one_bar: count the frames of all jobs on one bar, for jobs that run side by side.
    """

    def __init__(self, console: Console, jobs: int, should_stop: Callable[[], bool], *, one_bar: bool = False) -> None:
        self.results: list[JobResult] = []
        self.failed = 0  # jobs
        self.incomplete = 0  # jobs that left out images that could not be read
        self._console, self._count, self._should_stop, self._one_bar = console, jobs, should_stop, one_bar
        self._stack = contextlib.ExitStack()
        self._job_bar = contextlib.ExitStack()
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> ConsoleObserver:
        self._count_file = self._stack.enter_context(self._console.files_bar(self._count))
        if self._one_bar:
            self._bar = self._stack.enter_context(self._console.bar(0, "all"))
        self._stack.push(self._job_bar)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def started(self, job: Job, info: StreamInfo, done: int, network: Network | None) -> None:
        if network is not None:
            self._console.network(job.source, f"{info.width}x{info.height}", network)
        if done:
            self._console.message(f"{job.output}: resuming after {done} frames")
        if self._one_bar:
            assert self._bar is not None
            self._bar.total += info.frame_count or 0
            self._bar.update(done)
        else:
            self._job_bar.close()
            self._bar = self._job_bar.enter_context(self._console.bar(info.frame_count, job.source.name, done=done))

    def progress(self, job: Job, frames: int) -> None:
        if self._bar is not None:
            self._bar.update(frames)

    def message(self, text: str) -> None:
        self._console.message(text)

    def finished(self, result: JobResult) -> None:
        self._job_bar.close()
        self._count_file()
        self.results.append(result)
        self.incomplete += bool(result.lost and result.job.images)
        if result.error is not None:
            self.failed += 1
            self._console.error(result.error)
            return
        lost = f", {result.lost} lost" if result.lost else ""
        rate = f" ({result.dreamed / result.seconds:.1f} fps)" if result.dreamed else ""
        self._console.message(f"{result.job.output}: {result.frames} frames in {result.seconds:.1f} s{rate}{lost}")

    def should_stop(self) -> bool:
        return self._should_stop()

    @property
    def exit_code(self) -> int:
        """Of the command."""
        return exit_code(self.failed, self._count) or (SOME_FAILED if self.incomplete else DONE)
