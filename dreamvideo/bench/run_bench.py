"""`dreamvideo bench`: tables on stdout, what is being done on stderr."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from dreamvideo.bench.sections import bench_headline, run_sections, wrong_results
from dreamvideo.errors import OutputError
from dreamvideo.info.results import ReportSection, results_table, results_to_json
from dreamvideo.settings.bench import BenchSettings


def run_benchmarks(settings: BenchSettings, quiet: bool) -> int:
    """0: measured, and right. 1: something dreams what it should not, which is said. Slowness is no failure."""

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    def done(section: ReportSection) -> None:
        print("\n" + results_table(section), flush=True)

    report = run_sections(settings, say, done, datetime.now(UTC).astimezone())
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
