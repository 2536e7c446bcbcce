"""Formats rows of named values as a text table; the one table printer of the package."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

TableValue = str | float | int | bool | None
TableRow = Mapping[str, TableValue]

_NO_FORMATS: Mapping[str, str] = {}


def format_table(
    rows: Sequence[TableRow],
    columns: Sequence[str] | None = None,
    *,
    formats: Mapping[str, str] = _NO_FORMATS,
    indent: str = "",
) -> list[str]:
    """Format rows as aligned lines, the header first.

    A column is left-aligned if all its values are text, else right-aligned.

    Args:
        rows: column name -> value; a missing value counts as None.
        columns: columns to show, in this order, even where all values are None. Default: every column that has a
            value, in the order of first appearance.
        formats: column name -> format specification of its numbers, such as `.1f`; see `format_value`.
        indent: put before every line.

    Returns:
        One line per row after the header, without trailing spaces; underscores in column names become spaces.
    """
    if columns is None:
        named = dict.fromkeys(column for row in rows for column in row)
        columns = [column for column in named if any(row.get(column) is not None for row in rows)]
    lines = [indent] * (len(rows) + 1)
    for column in columns:
        values = [row.get(column) for row in rows]
        cells = [column.replace("_", " "), *(format_value(value, formats.get(column)) for value in values)]
        align = str.ljust if all(value is None or isinstance(value, str) for value in values) else str.rjust
        width = max(map(len, cells))
        lines = [f"{line}{align(cell, width)}  " for line, cell in zip(lines, cells, strict=True)]
    return [line.rstrip() for line in lines]


def format_value(value: TableValue, specification: str | None = None) -> str:
    """Format one value as a table cell.

    Args:
        value: text is taken as it is; None becomes the empty string, a bool `yes` or `no`, a number that is not finite
            `-`.
        specification: format specification of a number. Default: an int in full, a float to three significant digits
            but at most four decimals, with separated thousands.

    Returns:
        The text of the cell.
    """
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not math.isfinite(value):
        return "-"
    if specification is None and isinstance(value, float):
        decimals = 2 - math.floor(math.log10(abs(value))) if value else 1
        specification = f",.{min(max(decimals, 0), 4)}f"
    return format(value, specification or "")
