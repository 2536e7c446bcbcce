"""What was measured, as rows of named values: a table to read, JSON to keep."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ResultValue = str | float | int | bool | None
ResultRow = Mapping[str, ResultValue]


@dataclass(frozen=True, slots=True)
class ReportSection:
    """One table: what it is called, what it says, how long it took."""

    name: str
    title: str
    rows: tuple[ResultRow, ...] = ()
    seconds: float = 0.0
    skipped: str | None = None  # why nothing, or not everything, was measured


@dataclass(frozen=True, slots=True)
class BenchReport:
    """All tables of one run, and what it ran on."""

    about: Mapping[str, Any]
    sections: tuple[ReportSection, ...]


def results_to_json(report: BenchReport) -> str:
    """The report as JSON: `about` and, by name, each section's title, seconds, skipped and rows."""
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


def _finite(value: ResultValue) -> ResultValue:
    return None if isinstance(value, float) and not math.isfinite(value) else value  # JSON knows no NaN


def results_table(section: ReportSection) -> str:
    """The section as lines of text, columns aligned and in the order in which they came up; empty ones left out."""
    lines = [f"{section.name}: {section.title}  [{section.seconds:.0f} s]"]
    columns = list(dict.fromkeys(key for row in section.rows for key in row))
    columns = [column for column in columns if any(row.get(column) is not None for row in section.rows)]
    if columns:
        cells = [[column.replace("_", " ") for column in columns]]
        cells += [[print_results(row.get(column)) for column in columns] for row in section.rows]
        left = [all(isinstance(row.get(c), str | None) for row in section.rows) for c in columns]
        lines += align_columns(cells, left)
    if section.skipped:
        lines.append(f"  skipped: {section.skipped}")
    return "\n".join(lines)


def align_columns(cells: Sequence[Sequence[str]], left: Sequence[bool]) -> list[str]:
    """Lines of the cells, padded to the widest of their column, on the left or the right."""
    widths = [max(len(row[i]) for row in cells) for i in range(len(left))]
    return [
        "  "
        + "  ".join(
            c.ljust(w) if at_left else c.rjust(w) for c, w, at_left in zip(row, widths, left, strict=True)
        ).rstrip()
        for row in cells
    ]


def print_results(value: ResultValue) -> str:
    """A value as a cell: numbers to three digits, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "-"
        digits = 2 - math.floor(math.log10(abs(value))) if value else 1
        return f"{value:,.{min(max(digits, 0), 4)}f}"
    return str(value)
