"""Seams: a long shot becomes parts that are dreamed independently, and each dissolves into the next.

A seam lies at every multiple of `--split-shots` on the film's clock, in the middle of a shot. The later part begins a
little before it, so that its dream has grown. The earlier part is dreamed on beyond it, and what is shown goes over
from one dream to the other; then the later part takes over. So frames around a seam are dreamed twice, and which ones
can be told from a few seconds of the film before it: a worker whose window begins where a part takes over dreams that
part from its beginning, and outputs it from there on. A shot that is young at a seam goes over it undivided.

A part needs nothing of what was dreamed before its first frame, so parts are dreamed side by side, in lanes.

The later part does not know the ground that was covered when it began, see `ground`: uncovered, that grows anew.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from safetensors.torch import load, save

from dreamvideo.video.judged_frames import lead_of
from dreamvideo.video.lanes import LaneStep, PartPlace

# Seconds that the later part is dreamed before the seam, and the earlier part after it. Chosen by eye, and by
# measurement: docs/cluster.md has the change from frame to frame.
WARMUP_SECONDS = Fraction(1)
OVERLAP_SECONDS = Fraction(3, 2)
LEAST_SECONDS = Fraction(2)  # that a shot has lasted where it is split. By eye: a part is worth its warm-up then


@dataclass(frozen=True, slots=True)
class SeamGrid:
    """Where seams are.

    Attributes:
        every: seconds from one seam to the next, more than a warm-up and an overlap.
    """

    every: Fraction

    def next_seam(self, time: Fraction) -> int:
        """Return the number, from 1, of the first seam whose overlap has not ended.

        Args:
            time: in seconds.
        """
        return max(1, math.floor((time - OVERLAP_SECONDS) / self.every) + 1)

    def end_of(self, seam: int) -> Fraction:
        """Return the time, in seconds, at which the later part of a seam takes over.

        Args:
            seam: its number.
        """
        return seam * self.every + OVERLAP_SECONDS

    def crosses(self, time: Fraction) -> bool:
        """Return whether a part may have begun that has not taken over.

        Args:
            time: in seconds.
        """
        return self.warmup(self.next_seam(time)) <= time

    def later_share(self, time: Fraction) -> float:
        """Return the share of the later part in what is shown, 0 to 1.

        Args:
            time: in seconds.
        """
        way = (time - self.next_seam(time) * self.every) / OVERLAP_SECONDS
        return float(min(max(way, Fraction(0)), Fraction(1)))

    def lead(self, seam: int, grid: Fraction) -> Fraction:
        """Return the time of the first frame that is needed to tell where a later part begins, and to dream it.

        Args:
            seam: its number.
            grid: seconds from one grid point of segments to the next.
        """
        return max(Fraction(0), lead_of(int((seam * self.every - LEAST_SECONDS) // grid), grid))

    def seam_of(self, end: Fraction) -> int:
        """Return the number of the seam whose later part takes over at a time.

        Args:
            end: the time, see `end_of`.
        """
        return int((end - OVERLAP_SECONDS) / self.every)

    def warmup(self, seam: int) -> Fraction:
        """Return the time, in seconds, at or after which the later part of a seam begins.

        Args:
            seam: its number.
        """
        return seam * self.every - WARMUP_SECONDS

    def lead_of_window(self, begin: int, grid: Fraction) -> Fraction:
        """Return the time of the first frame that is needed to find where a window begins.

        Args:
            begin: its grid point.
            grid: seconds from one to the next.
        """
        seam = max(1, math.ceil((begin * grid - OVERLAP_SECONDS) / self.every))  # the first that may end in the window
        return min(lead_of(begin, grid), self.lead(seam, grid))


def seam_grid(every: Fraction) -> SeamGrid:
    """Return where seams are.

    Args:
        every: `CarrySettings.split_shots`, which may have come from a file as a word.
    """
    return SeamGrid(Fraction(str(every)))


class SeamTracker:
    """Follows the frames of a film from seam to seam.

    Args:
        every: seconds from one seam to the next.
        last: time of the frame before the first, in seconds, where an earlier run dreamed that; None: there is none.
        carry: after that frame, see `pack_carries`.
    """

    def __init__(self, every: Fraction, last: Fraction | None = None, carry: bytes | None = None) -> None:
        self.grid = seam_grid(every)
        self._start: Fraction | None = None
        self._seam: int | None = None  # whose later part has begun, and the earlier one has not ended
        if last is not None and carry is not None:
            self._start, parts = unpack_carries(carry)
            self._seam = self.grid.next_seam(last) if len(parts) > 1 else None

    def advance(self, time: Fraction, is_cut: bool, goes_on: bool) -> PartPlace:
        """Return the place of the next frame.

        Args:
            time: of the frame, in seconds.
            is_cut: it begins a shot.
            goes_on: it is of the same shot as the frame before, and no flash.
        """
        if is_cut or self._start is None:
            self._start, self._seam = time, None
        seam = self.grid.next_seam(time)
        takes_over = None
        if self._seam is not None and seam > self._seam:
            takes_over, self._seam = self.grid.end_of(self._seam), None
        at = seam * self.grid.every
        is_near = self.grid.warmup(seam) <= time < at and self._start + LEAST_SECONDS <= at
        begins = self._seam is None and goes_on and not is_cut and is_near
        if begins:
            self._seam = seam
        return PartPlace(self._start, self._seam is not None, self.grid.later_share(time), begins, takes_over)


def split_long_shots(steps: Generator[LaneStep, None, None]) -> Generator[LaneStep, None, None]:
    """Make parts of long shots, each a shot of its own; around a seam each frame comes twice, the earlier part first.

    Args:
        steps: from `shots.split_shots`, which says where seams are; closed at the end. Of one that is hidden only the
            later part comes.
    """
    numbers, shot = itertools.count(), -1
    parts: tuple[int, ...] = ()  # the numbers of the part, and of the later one if that has begun
    carries: dict[int, bytes] = {}  # part -> what it goes on from, where an earlier run dreamed the frame before
    with closing(steps):
        for step in steps:
            place = step.place
            if place is None or step.leads:
                yield step
                continue
            if step.shot != shot:
                stored = [] if step.carry is None else unpack_carries(step.carry)[1]
                shot, parts = step.shot, tuple(next(numbers) for _ in stored or [b""])
                carries = dict(zip(parts, stored, strict=False))
            if place.takes_over is not None:
                parts = parts[-1:]
            if place.begins:
                parts = (*parts[-1:], next(numbers))
            for part, weight in zip(parts, (1 - place.share, place.share), strict=False):
                if step.hidden and part != parts[-1]:
                    continue
                yield replace(
                    step,
                    shot=part,
                    previous=None if place.begins and part == parts[-1] else step.previous,
                    carry=carries.pop(part, None),
                    share=weight if len(parts) > 1 and not step.hidden else None,
                )


def pack_carries(shot_start: Fraction, carries: Sequence[bytes]) -> bytes:
    """Put the carries of the parts that a frame belongs to into one.

    Args:
        shot_start: time of the first frame of its shot, in seconds.
        carries: after the frame, of one part, or of the earlier and the later one.
    """
    parts = {f"part.{number}": carry for number, carry in enumerate(carries)} | {"shot_start": str(shot_start).encode()}
    return save({name: torch.frombuffer(bytearray(part), dtype=torch.uint8) for name, part in parts.items()})


def unpack_carries(content: bytes) -> tuple[Fraction, list[bytes]]:
    """Return the start of the shot and the carries, as `pack_carries` got them.

    Args:
        content: what it returned.
    """
    parts = {name: tensor.numpy().tobytes() for name, tensor in load(content).items()}
    start = Fraction(parts.pop("shot_start").decode())
    return start, [parts[name] for name in sorted(parts)]
