"""Runs `dreamvideo bench coherence`: tables on stdout, progress on stderr, results as JSON and as a plot."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dreamvideo.bench.coherence.curves import Curve
from dreamvideo.bench.coherence.evaluate import EQUAL_STRENGTH, measure_coherence, method_curve
from dreamvideo.bench.coherence.plot import plot_curves
from dreamvideo.errors import OutputError, printable
from dreamvideo.info.results import Report, ReportSection, results_table, results_to_json
from dreamvideo.settings.bench import CoherenceSettings


def bench_coherence(settings: CoherenceSettings, clips: Sequence[Path], quiet: bool) -> int:
    """Measure how strongly and how steadily each method dreams, and print the results.

    Args:
        settings: what is measured, and where the results are written.
        clips: videos to measure in addition to the rendered shots.
        quiet: print no progress on stderr.

    Returns:
        The exit code 0.

    Raises:
        SettingsError: there is nothing to measure.
        OutputError: a result file cannot be written, or matplotlib is missing for `settings.plot`.
        DreamVideoError: the network, the device or a clip cannot be used.
    """

    def print_progress(text: str) -> None:
        if not quiet:
            print(printable(text), file=sys.stderr, flush=True)

    def print_section(section: ReportSection) -> None:
        print("\n" + printable(results_table(section), keep="\n"), flush=True)

    if settings.plot is not None:
        plot_curves({})  # fails before anything is measured if matplotlib is missing
    report = measure_coherence(settings, clips, print_progress, print_section, datetime.now(UTC).astimezone())
    print("\n" + printable(coherence_headline(report), keep="\n"), flush=True)
    if settings.json is not None:
        _write("--json", settings.json, results_to_json(report).encode())
    if settings.plot is not None:
        png = io.BytesIO()
        plot_curves(curve_panels(report)).savefig(png, format="png")
        _write("--plot", settings.plot, png.getvalue())
    return 0


def curve_panels(report: Report) -> Mapping[str, Mapping[str, Curve]]:
    """Collect the curves to plot: title of the clip -> method -> curve."""
    panels = {}
    for section in report.sections:
        if section.name != EQUAL_STRENGTH:
            methods = dict.fromkeys(str(row["method"]) for row in section.rows)
            panels[f"{section.name}: {section.title}"] = {name: method_curve(section, name) for name in methods}
    return panels


def coherence_headline(report: Report) -> str:
    """Describe the machine and the versions in one line."""
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
