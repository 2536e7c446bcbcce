"""A bar ends where the frames end, whatever was promised, and promises nothing that is not known."""

import io
import sys
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import pytest

from dreamvideo.commands.console import Console


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a terminal would show."""
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: True)
    # capturing puts its own in the place of sys.stderr when the test begins
    monkeypatch.setattr("dreamvideo.commands.console.sys", SimpleNamespace(stderr=shown))
    return shown


def numbers(count: int) -> Generator[Any, None, None]:
    yield from range(count)


def test_a_bar_of_what_was_promised(screen: Any) -> None:
    assert list(Console().progress(numbers(4), 4, "clip")) == [0, 1, 2, 3]
    last = screen.getvalue().split("\r")[-1]
    assert "clip" in last and "100%" in last and "4/4" in last


def test_a_bar_ends_with_the_frames_though_more_were_promised(screen: Any) -> None:
    assert list(Console().progress(numbers(6), 745, "clip")) == [0, 1, 2, 3, 4, 5]
    last = screen.getvalue().split("\r")[-1]
    assert "6/745" in last and last.endswith("\n")


def test_more_frames_than_promised_come_through(screen: Any) -> None:
    assert list(Console().progress(numbers(9), 3, "clip")) == list(range(9))


def test_an_unknown_count_has_a_rate_and_no_percentage(screen: Any) -> None:
    assert list(Console().progress(numbers(5), None, "clip")) == list(range(5))
    last = screen.getvalue().split("\r")[-1]
    assert "%" not in screen.getvalue()
    assert "5 frames" in last and "frames/s" in last


def test_nothing_is_shown_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    assert list(Console().progress(numbers(3), 3, "clip")) == [0, 1, 2]
    assert shown.getvalue() == ""


def test_a_bar_that_is_left_closes_what_it_counts(screen: Any) -> None:
    closed = []

    def counted() -> Generator[Any, None, None]:
        try:
            yield from range(9)
        finally:
            closed.append(True)

    bar = Console().progress(counted(), 9, "clip")
    next(bar)
    bar.close()
    assert closed == [True]
