"""`dreamvideo bench coherence`: tables on stdout, curves as a picture, what is being done on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from dreamvideo.bench.coherence.curves import Curve
from dreamvideo.bench.coherence.plot import plot, png
from dreamvideo.bench.coherence.run import EQUAL, curve_of, run
from dreamvideo.bench.coherence.settings import CoherenceSettings
from dreamvideo.bench.report import Report, Section, table, to_json
from dreamvideo.errors import OutputError


def coherence(settings: CoherenceSettings, clips: Sequence[Path], quiet: bool) -> int:
    """0: measured."""

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    def done(section: Section) -> None:
        print("\n" + table(section), flush=True)

    report = run(settings, clips, say, done, datetime.now(UTC).astimezone())
    print(f"\n{headline(report)}", flush=True)
    if settings.json is not None:
        _write("--json", settings.json, to_json(report).encode())
    if settings.plot is not None:
        _write("--plot", settings.plot, png(plot(panels(report))))
    return 0


def panels(report: Report) -> dict[str, dict[str, Curve]]:
    """The curves to draw, by clip and method."""
    found = {}
    for section in report.sections:
        if section.name != EQUAL:
            methods = dict.fromkeys(str(row["method"]) for row in section.rows)
            found[f"{section.name}: {section.title}"] = {name: curve_of(section, name) for name in methods}
    return found


def headline(report: Report) -> str:
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
