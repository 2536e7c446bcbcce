"""Whose turn it is: the octaves at which a carried frame steps, in the whole image and in windows."""

from __future__ import annotations

# Share of the image that is not yet dreamed like the rest, above which the finest octave is stepped at every frame. By
# measurement: cars before a fixed camera stay below, a hand-held camera does not.
UNSEEN_LIMIT = 0.12

# Sizes of steps over those of a first frame. By measurement: larger ones at once undo each other.
COARSE_GAIN = 1.0
FINE_GAIN = 0.8


def steps_per_octave(
    octaves: int, frame_index: int, iterations: int, much_unseen: bool, local: bool = False
) -> tuple[int, ...]:
    """Return the steps at each octave: `iterations` at those whose turn it is, else 0.

    The finest has its turn every other frame, or every frame where `much_unseen`, or else every fourth where `local`;
    of four frames one is for a coarser octave, each in its turn.

    Args:
        octaves: how many there are.
        frame_index: frames since the shot began.
        iterations: steps of an octave whose turn it is.
        much_unseen: more than `UNSEEN_LIMIT` is newly visible.
        local: windows take the time of every other of its turns.

    Returns:
        Numbers of steps, smallest octave first.
    """
    finest = octaves - 1
    chosen = set()
    if much_unseen or frame_index % (4 if local else 2) == 1:
        chosen.add(finest)
    if frame_index % 4 == 2 and finest:
        chosen.add(finest - 1 - frame_index // 4 % finest)
    return tuple(iterations if octave in chosen else 0 for octave in range(octaves))


def local_gains(octaves: int, call: int, finest: bool) -> dict[int, float]:
    """Return the octaves that step in a call of `grow`, each with the factor on its steps.

    The smallest steps for shape, the finest for the score, and the ones between take turns: by measurement those two
    give three quarters of what all octaves together would.

    Args:
        octaves: how many there are.
        call: number of the call.
        finest: whether the finest has a turn; else the whole image steps there in this frame.
    """
    gains = {0: COARSE_GAIN}
    if octaves > 2 and call % 2:
        gains = {1 + call // 2 % (octaves - 2): COARSE_GAIN}
    if finest:
        gains[octaves - 1] = FINE_GAIN
    return gains
