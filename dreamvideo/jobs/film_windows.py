"""Windows: the parts of a film that workers dream, begun at points of the grid of `media.segments`.

A worker owns the shots that begin in its window, as a reader of a part of a text file owns the lines that begin in it:
it skips to the first cut at or after the begin, and dreams up to the first cut at or after the end. No frame has to be
decoded to make windows. All functions here are pure; the simulation of `bench.cluster_simulation` calls them too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import zip_longest
from typing import Final, TypeVar

from dreamvideo.media.segment_records import Segment
from dreamvideo.media.segments import PARTS, cell_of

T = TypeVar("T")

# Cells of the grid in a window that is not yet split, for each lane of a worker: a minute. By eye: what is decoded to
# find its first cut is a small part of it.
LONGEST: Final = 30


@dataclass(frozen=True, slots=True)
class FilmIndex:
    """Where windows of a film may begin."""

    cells: int  # grid points up to the end of the film; without a reading of its packets 1
    starts: tuple[int, ...] = ()  # grid points, each soon after a key frame, ascending; not the first of the film
    befores: tuple[int, ...] = ()  # how many frames come before the one that is read first for each of them
    inexact: str | None = None  # why there is none; None: there may be
    last: Fraction | None = None  # time of the last frame, in seconds; None: unknown


@dataclass(frozen=True, slots=True)
class FilmWindow:
    """Consecutive shots of a film."""

    begin: int = 0  # grid point; 0: the first frame of the film, whatever its time
    end: int | None = None  # grid point; None: the film ends
    before: int = 0  # frames before the one that is read first
    after: Segment | None = None  # the finished segment that it goes on after, instead of the search for a cut


def missing_windows(
    segments: Iterable[Segment], grid: Fraction, has_carry: Callable[[Segment], bool], counted: bool = False
) -> list[FilmWindow]:
    """Return what is missing between the finished segments of a film, and after them.

    Args:
        segments: the finished ones that are whole, by number.
        grid: seconds from one grid point to the next.
        has_carry: whether the carry is there that the frame after a segment needs, if it needs one.
        counted: whether segments depend on how many frames are before them, as those of numbered images do.

    Returns:
        Windows, each from the end of a segment, or the first frame, to the cut before another; the last is to the end
        of the film, and may turn out to be empty.
    """
    runs = []
    for run in _runs(segments, counted):
        while run and not has_carry(run[-1]):
            run.pop()
        if run:
            runs.append(run)
    windows = [] if runs and not runs[0][0].number else [FilmWindow(end=cell_of(runs[0][0].number) if runs else None)]
    for run, following in zip_longest(runs, runs[1:]):
        last, end = run[-1], None if following is None else cell_of(following[0].number)
        windows.append(FilmWindow(int(last.end // grid), end, last.through, last))
    return windows


def _runs(segments: Iterable[Segment], counted: bool) -> list[list[Segment]]:
    """Segments that follow each other, each run from a cut on."""
    runs: list[list[Segment]] = []
    for segment in segments:
        last = runs[-1][-1] if runs else None
        through = 0 if last is None else last.through
        follows = segment.number == 0 if last is None else segment.start == last.end
        if follows and not (counted and segment.before != through):
            segment = replace(segment, before=through)
            runs[-1].append(segment) if runs else runs.append([segment])
        elif segment.number % PARTS == 0 and segment.number:
            runs.append([segment])
    return runs


def length_of(window: FilmWindow, index: FilmIndex) -> int:
    """Return how many cells of the grid a window has, at least 1.

    Args:
        window: of the film.
        index: of the film.
    """
    return max(1, (index.cells if window.end is None else window.end) - window.begin)


def halve_window(window: FilmWindow, index: FilmIndex) -> tuple[FilmWindow, FilmWindow] | None:
    """Split a window where another may begin, nearest to its middle; None: there is no such place.

    Args:
        window: of the film.
        index: of the film.
    """
    end = window.begin + length_of(window, index)
    inside = range(bisect_right(index.starts, window.begin), bisect_left(index.starts, end))
    if not inside:
        return None
    place = min(inside, key=lambda number: abs(2 * index.starts[number] - window.begin - end))
    start = index.starts[place]
    return replace(window, end=start), FilmWindow(start, window.end, index.befores[place])


def divide(window: FilmWindow, index: FilmIndex, longest: int) -> list[FilmWindow]:
    """Split a window into parts, in order, none of which is longer if that can be helped.

    Args:
        window: of the film.
        index: of the film.
        longest: cells of the grid.
    """
    halves = halve_window(window, index) if length_of(window, index) > longest else None
    return [window] if halves is None else [part for half in halves for part in divide(half, index, longest)]


def longest_window(cells: int, workers: int, lanes: int) -> int:
    """Return how many cells a window has at first: several windows come to each worker.

    Args:
        cells: of all films.
        workers: how many there are.
        lanes: shots that one of them dreams side by side.
    """
    return max(1, min(LONGEST * lanes, cells // (2 * workers)))


def take_window(
    waiting: list[T], workers: int, length: Callable[[T], int], halves: Callable[[T], tuple[T, T] | None]
) -> T:
    """Take a window for an idle worker: the first; where fewer are left than workers, the later half of the longest.

    Args:
        waiting: windows that have not begun, at least one; the one that is returned leaves it.
        workers: how many there are.
        length: of a window.
        halves: splits a window; None: it cannot be.
    """
    if len(waiting) < workers:
        place = max(range(len(waiting)), key=lambda number: length(waiting[number]))
        if (parts := halves(waiting[place])) is not None:
            waiting[place] = parts[0]
            return parts[1]
        return waiting.pop(place)
    return waiting.pop(0)
