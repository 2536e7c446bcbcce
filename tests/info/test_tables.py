import math

import pytest

from dreamvideo.info.tables import TableRow, TableValue, format_table, format_value


def test_text_is_aligned_left_numbers_right_and_empty_columns_are_left_out() -> None:
    rows: list[TableRow] = [
        {"name": "a", "ms_per_frame": 1234.5, "note": None, "right": True},
        {"name": "long name", "ms_per_frame": 0.01234, "x": math.nan},
    ]
    assert format_table(rows, indent="  ") == [
        "  name       ms per frame  right  x",
        "  a                 1,234    yes",
        "  long name        0.0123         -",
    ]


def test_named_columns_are_shown_in_their_order_even_if_empty() -> None:
    rows: list[TableRow] = [
        {"fps": 12.345, "input": "b.mp4", "result": "failed"},
        {"input": "long.mp4", "fps": None, "result": ""},
    ]
    lines = format_table(rows, ("input", "fps", "lost", "result"), formats={"fps": ".1f"})
    assert lines == ["input      fps  lost  result", "b.mp4     12.3        failed", "long.mp4"]
    assert format_table([], ("input", "fps")) == ["input  fps"]
    assert format_table([]) == [""]


@pytest.mark.parametrize(
    ("value", "specification", "text"),
    [
        (None, None, ""),
        ("text", ".1f", "text"),
        (False, None, "no"),
        (1234567, None, "1234567"),
        (1234567, ",", "1,234,567"),
        (1234.5, None, "1,234"),
        (12.345, None, "12.3"),
        (0.000012, None, "0.0000"),
        (0.0, None, "0.0"),
        (math.inf, ".1f", "-"),
        (8.0, "g", "8"),
    ],
)
def test_a_value_is_formatted_by_its_kind(value: TableValue, specification: str | None, text: str) -> None:
    assert format_value(value, specification) == text
