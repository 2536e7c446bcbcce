"""A bar on stderr that frames, or other things, pass by; silent where stderr is no terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

T = TypeVar("T")


@contextlib.contextmanager
def job_bar(count: int, hidden: bool = False, unit: str = "files") -> Generator[Callable[[], None], None, None]:
    """A bar above others: the function that is given counts one thing more. Of one thing alone there is no bar."""
    shown = count > 1 and not hidden and sys.stderr.isatty()
    with tqdm(total=count, desc="all", unit=f" {unit}", disable=not shown, file=sys.stderr, dynamic_ncols=True) as bar:
        yield lambda: bar.update() and None


def print_message(text: str) -> None:
    """Print a line on stderr, above the bars if there are any."""
    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()


def progress(
    items: Generator[T, None, None],
    count: int | None,
    label: str,
    hidden: bool = False,
    unit: str = "frames",
    before: int = 0,
) -> Generator[T, None, None]:
    """The same items; meanwhile a bar shows how many of `count` have passed, their rate and the time left.

    Of `count`, `before` passed earlier.
    """
    with contextlib.closing(items), counter(count, label, hidden, unit, before) as bar:
        for item in items:
            yield item
            bar.update()


@contextlib.contextmanager
def counter(
    count: int | None, label: str, hidden: bool = False, unit: str = "frames", before: int = 0
) -> Generator[tqdm[Any], None, None]:
    """A bar to be updated."""
    shown = not hidden and sys.stderr.isatty()
    with (
        logging_redirect_tqdm([logging.getLogger("dreamvideo")]) if shown else contextlib.nullcontext(),
        tqdm(
            total=count,
            initial=before,
            desc=label,
            unit=f" {unit}",
            disable=not shown,
            file=sys.stderr,
            dynamic_ncols=True,
            leave=None,  # below another bar it goes when it is done
        ) as bar,
    ):
        yield bar
