"""Results of measurements as sections of rows: printed as tables, stored as JSON. Used by benchmarks and training."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dreamvideo.info.tables import TableRow, TableValue, format_table


@dataclass(frozen=True, slots=True)
class ReportSection:
    """One table of a report.

    Args:
        name: key of the section in the JSON file.
        title: what is measured, and on what.
        rows: the results, column name -> value.
        seconds: time that the measurement took.
        skipped: why nothing, or not everything, was measured.
    """

    name: str
    title: str
    rows: tuple[TableRow, ...] = ()
    seconds: float = 0.0
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All tables of one run.

    Args:
        about: what it ran on and with which settings; must be serializable as JSON, other objects by `str`.
        sections: the tables, in order.
    """

    about: Mapping[str, Any]
    sections: tuple[ReportSection, ...]


def results_to_json(report: Report) -> str:
    """Serialize a report.

    Args:
        report: names of its sections must differ.

    Returns:
        A JSON object: the entries of `about`, and `sections`: name -> title, seconds, skipped and rows. Numbers that
        are not finite become null.
    """
    sections = {
        s.name: {
            "title": s.title,
            "seconds": round(s.seconds, 3),
            "skipped": s.skipped,
            "rows": [{key: _finite(value) for key, value in row.items()} for row in s.rows],
        }
        for s in report.sections
    }
    return json.dumps({**report.about, "sections": sections}, indent=1, default=str) + "\n"


def _finite(value: TableValue) -> TableValue:
    return None if isinstance(value, float) and not math.isfinite(value) else value  # JSON has no NaN


def results_table(section: ReportSection) -> str:
    """Format a section for people.

    Args:
        section: columns without any value are left out.

    Returns:
        Lines of text: name, title and time, the table, and why something was skipped.
    """
    lines = [f"{section.name}: {section.title}  [{section.seconds:.0f} s]"]
    if any(value is not None for row in section.rows for value in row.values()):
        lines += format_table(section.rows, indent="  ")
    if section.skipped:
        lines.append(f"  skipped: {section.skipped}")
    return "\n".join(lines)
