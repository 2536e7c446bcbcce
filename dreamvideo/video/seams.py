"""Seams: a long shot becomes parts that are dreamed independently, and each dissolves into the next.

A seam lies at every multiple of `--split-shots` after the first frame of the shot. The later part begins a little
before it, so that its dream has grown. The earlier part is dreamed on beyond it, and what is shown goes over from one
dream to the other. So frames around a seam are dreamed twice; which ones depends on times since the shot began alone.

A part needs nothing of what was dreamed before its first frame, so parts are dreamed side by side, in lanes. On a
cluster whoever has a shot dreams all its parts: where seams lie is known from the beginning of the shot on.

The later part does not know the ground that was covered when it began, see `ground`: uncovered, that grows anew.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from safetensors.torch import load, save

from dreamvideo.video.lanes import LaneStep

# Seconds that the later part is dreamed before the seam, and the earlier part after it. Chosen by eye, and by
# measurement: docs/cluster.md has the change from frame to frame.
WARMUP_SECONDS = Fraction(1)
OVERLAP_SECONDS = Fraction(3, 2)


@dataclass(frozen=True, slots=True)
class SeamGrid:
    """Where the seams of shots are.

    Attributes:
        every: seconds from one seam to the next, more than a warm-up and an overlap.
    """

    every: Fraction

    def next_seam(self, since: Fraction) -> int:
        """Return the number, from 1, of the first seam whose overlap has not ended.

        Args:
            since: seconds since the shot began.
        """
        return max(1, math.floor((since - OVERLAP_SECONDS) / self.every) + 1)

    def may_begin(self, since: Fraction) -> bool:
        """Return whether a part may begin here, for the next seam.

        Args:
            since: seconds since the shot began.
        """
        seam = self.next_seam(since) * self.every
        return seam - WARMUP_SECONDS <= since < seam

    def later_share(self, since: Fraction) -> float:
        """Return the share of the later part in what is shown, 0 to 1.

        Args:
            since: seconds since the shot began.
        """
        way = (since - self.next_seam(since) * self.every) / OVERLAP_SECONDS
        return float(min(max(way, Fraction(0)), Fraction(1)))


@dataclass(slots=True)
class _Shot:
    """A shot that is being split."""

    start: Fraction  # seconds, time of its first frame
    parts: tuple[int, ...]  # the numbers of the part, and of the later one if that has begun
    begun: int  # the last seam whose later part has begun
    carries: dict[int, bytes]  # part -> what it goes on from, where an earlier run dreamed the frame before


def split_long_shots(steps: Generator[LaneStep, None, None], every: Fraction | None) -> Generator[LaneStep, None, None]:
    """Make parts of long shots, each a shot of its own; around a seam each frame comes twice, the earlier part first.

    Args:
        steps: from `shots.split_shots`; closed at the end.
        every: seconds from one seam to the next; None: shots stay whole.
    """
    with closing(steps):
        if every is None:
            yield from steps
            return
        grid, numbers, number = SeamGrid(Fraction(str(every))), itertools.count(), -1
        for step in steps:
            if step.leads:
                yield step
                continue
            if step.shot != number:
                number, shot = step.shot, _open_shot(step, grid, numbers)
            since = step.frame.time - shot.start
            seam = grid.next_seam(since)
            if seam > shot.begun:
                shot.parts = shot.parts[-1:]
            begins = seam > shot.begun and grid.may_begin(since) and step.previous is not None and not step.held
            if begins:
                shot.parts, shot.begun = (*shot.parts, next(numbers)), seam
            share = grid.later_share(since)
            for part, weight in zip(shot.parts, (1 - share, share), strict=False):
                yield replace(
                    step,
                    shot=part,
                    previous=None if begins and part != shot.parts[0] else step.previous,
                    carry=shot.carries.pop(part, None),
                    share=None if len(shot.parts) == 1 else weight,
                    shot_start=shot.start,
                )


def _open_shot(step: LaneStep, grid: SeamGrid, numbers: Iterator[int]) -> _Shot:
    """The shot of a step that is the first of it, or the first of an input that begins in the middle of it."""
    first = next(numbers)
    if step.carry is not None and step.previous is not None:
        start, stored = unpack_carries(step.carry)
        parts = (first, *(next(numbers) for _ in stored[1:]))
        seam = grid.next_seam(step.previous.time - start)
        return _Shot(start, parts, seam if len(parts) > 1 else seam - 1, dict(zip(parts, stored, strict=True)))
    return _Shot(step.frame.time, (first,), 0, {})


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
