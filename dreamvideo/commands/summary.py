"""How several inputs went, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """How one input went."""

    input: str
    result: str  # the output, or what went wrong
    frames: int = 0  # in the output
    made: int = 0  # of them in this run
    seconds: float = 0.0  # that it took
    lost: int = 0


HEADS = ("input", "frames", "fps", "lost", "result")
WIDEST = 40  # characters of a name; of a longer one the end is what tells it from others


def format_table(rows: Sequence[SummaryRow]) -> Iterator[str]:
    """Lines of a table with a head: numbers to the right, what is not known or none left out."""
    cells = [HEADS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADS))]
    for first, *numbers, last in cells:
        middle = "  ".join(number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True))
        yield f"{first.ljust(widths[0])}  {middle}  {last}".rstrip()


def _cells(row: SummaryRow) -> tuple[str, ...]:
    name = row.input if len(row.input) <= WIDEST else "..." + row.input[3 - WIDEST :]
    rate = f"{row.made / row.seconds:.1f}" if row.made and row.seconds else ""
    return name, str(row.frames or ""), rate, str(row.lost or ""), row.result
