"""Whose turn it is: the octaves at which a live dream that has grown takes its next steps."""

from __future__ import annotations

from dreamvideo.video.octave_turns import UNSEEN_LIMIT, steps_per_octave


def next_turn(
    last: int, frames: int, octaves: int, iterations: int, unseen: float, local: bool = False
) -> tuple[int, tuple[int, ...] | None]:
    """The next turn at which some octave steps.

    A fast machine takes one turn per frame, as for a file. A slow one takes fewer, but leaves none out.

    Args:
        last: index of the last turn.
        frames: that have come since then.
        octaves: number of octaves.
        iterations: steps of an octave whose turn it is.
        unseen: share of newly visible pixels; above `UNSEEN_LIMIT` the finest octave steps at every turn.
        local: windows are dreamed, at every turn.

    Returns:
        (index of the turn, its steps at each octave), or (last, None) if no turn is due yet.
    """
    for turn_index in range(last + 1, last + 1 + frames):
        steps = steps_per_octave(octaves, turn_index, iterations, unseen > UNSEEN_LIMIT, local)
        if any(steps) or local:
            return turn_index, steps
    return last, None
