"""`dreamvideo bench coherence`: tables on stdout, curves as a picture, what is being done on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from dreamvideo.bench.coherence.curves import Curve
from dreamvideo.bench.coherence.evaluate import EQUAL_STRENGTH, measure_coherence, method_curve
from dreamvideo.bench.coherence.plot import plot, png
from dreamvideo.errors import OutputError
from dreamvideo.info.results import Report, ReportSection, results_table, results_to_json
from dreamvideo.settings.bench import CoherenceSettings


def bench_coherence(settings: CoherenceSettings, clips: Sequence[Path], quiet: bool) -> int:
    """0: measured."""

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    def done(section: ReportSection) -> None:
        print("\n" + results_table(section), flush=True)

    report = measure_coherence(settings, clips, say, done, datetime.now(UTC).astimezone())
    print(f"\n{coherence_headline(report)}", flush=True)
    if settings.json is not None:
        _write("--json", settings.json, results_to_json(report).encode())
    if settings.plot is not None:
        _write("--plot", settings.plot, png(plot(curve_panels(report))))
    return 0


def curve_panels(report: Report) -> dict[str, dict[str, Curve]]:
    """The curves to draw, by clip and method."""
    found = {}
    for section in report.sections:
        if section.name != EQUAL_STRENGTH:
            methods = dict.fromkeys(str(row["method"]) for row in section.rows)
            found[f"{section.name}: {section.title}"] = {name: method_curve(section, name) for name in methods}
    return found


def coherence_headline(report: Report) -> str:
    """The machine and the versions, in one line."""
    machine, versions = report.about["machine"], report.about["versions"]
    return (
        f"dreamvideo {report.about['dreamvideo']}, torch {versions['torch']}, OpenCV {versions['opencv-python']}, "
        f"{machine['device']}, {machine['threads']} threads, load {machine['load']}; {report.about['date']}"
    )


def _write(option: str, path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(f"{option} {path} cannot be written: {error.strerror or error}") from None
