"""A film for the model of a cluster: where shots begin and segments end, and where its packets let a window begin."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from dreamvideo.jobs.film_index import index_of
from dreamvideo.jobs.film_windows import FilmIndex
from dreamvideo.media.segments import GRID, MAX_FRAMES
from dreamvideo.media.video_reader import SEEK_MARGIN
from dreamvideo.video.judged_frames import lead_of
from dreamvideo.video.seams import LEAST_SECONDS, OVERLAP_SECONDS, WARMUP_SECONDS, SeamGrid

KEY_FRAMES = 250  # the most from one key frame to the next, as x264 has it; each shot begins with one


@dataclass(frozen=True, slots=True)
class ModelFilm:
    """A film: where shots begin, and what the packets say."""

    cuts: tuple[int, ...]  # number of the first frame of each shot, and of the end
    keys: tuple[int, ...]
    rate: int  # frames per second
    index: FilmIndex
    seams: frozenset[int] = frozenset()  # of the cuts: those at which a part of a long shot takes over
    seam_grid: SeamGrid | None = None  # None: shots stay whole

    def head(self, first: int) -> int:
        """Return the frames before one that are dreamed again, as it is the first of a part."""
        return int((WARMUP_SECONDS + OVERLAP_SECONDS) * self.rate) if first in self.seams else 0

    def first_cut(self, cell: int) -> int:
        """Return the first frame of the first shot at or after a grid point; of the end, if there is none."""
        return self.cuts[min(bisect_left(self.cuts, cell * GRID * self.rate), len(self.cuts) - 1)]

    def key_before(self, time: Fraction) -> int:
        """Return the frame from which a seek to a time decodes."""
        return self.keys[max(0, bisect_right(self.keys, (time - SEEK_MARGIN) * self.rate) - 1)]

    def lead_of_window(self, begin: int) -> Fraction:
        """Return the time, in seconds, of the first frame that is needed to find where a window begins."""
        return lead_of(begin, GRID) if self.seam_grid is None else self.seam_grid.lead_of_window(begin, GRID)

    def segments(self, first: int, end: int) -> Generator[int, None, None]:
        """Yield the frames after each segment of the shots from one frame to another."""
        while first < end:
            border = min(self.first_cut(int(Fraction(first, self.rate) // GRID) + 1), end)
            yield from range(first + MAX_FRAMES, border, MAX_FRAMES)
            yield border
            first = border


def model_film(shots: Sequence[int], rate: int, every: int | None = None) -> ModelFilm:
    """Return a film.

    Args:
        shots: frames of each.
        rate: frames per second.
        every: seconds from one seam of a long shot to the next; None: shots stay whole.
    """
    cuts = (0, *accumulate(shots))
    keys = tuple(key for first, end in pairwise(cuts) for key in range(first, end, KEY_FRAMES))
    index = index_of([Fraction(n, rate) for n in range(cuts[-1])], [Fraction(n, rate) for n in keys], GRID)
    ends = () if every is None else range(math.ceil((every + OVERLAP_SECONDS) * rate), cuts[-1], every * rate)
    least = (LEAST_SECONDS + OVERLAP_SECONDS) * rate
    seams = frozenset(end for end in ends if cuts[bisect_right(cuts, end) - 1] + least <= end)
    grid = None if every is None else SeamGrid(Fraction(every))
    return ModelFilm(tuple(sorted({*cuts, *seams})), keys, rate, index, seams, grid)
