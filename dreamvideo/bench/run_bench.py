"""Runs `dreamvideo bench`: tables on stdout, progress on stderr, results as JSON."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from dreamvideo.bench.sections import bench_headline, run_sections, wrong_results
from dreamvideo.errors import OutputError, printable
from dreamvideo.info.results import ReportSection, results_table, results_to_json
from dreamvideo.settings.bench import BenchSettings


def run_benchmarks(settings: BenchSettings, quiet: bool) -> int:
    """Measure how fast this machine dreams, and print the results.

    Args:
        settings: what is measured, and where the results are written.
        quiet: print no progress on stderr.

    Returns:
        The exit code: 0, or 1 if a gradient or dream is wrong. Being slow is not an error.

    Raises:
        OutputError: the result file cannot be written.
        DreamVideoError: a network, a device or a clip cannot be used.
    """

    def print_progress(text: str) -> None:
        if not quiet:
            print(printable(text), file=sys.stderr, flush=True)

    def print_section(section: ReportSection) -> None:
        print("\n" + printable(results_table(section), keep="\n"), flush=True)

    report = run_sections(settings, print_progress, print_section, datetime.now(UTC).astimezone())
    print(f"\n{bench_headline(report)}", flush=True)
    if settings.json is not None:
        try:
            settings.json.write_text(results_to_json(report))
        except OSError as error:
            raise OutputError(f"--json {settings.json} cannot be written: {error.strerror or error}") from None
    wrong = wrong_results(report)
    for line in wrong:
        print(f"dreamvideo: {line}", file=sys.stderr)
    return 1 if wrong else 0
