"""A look as code: birds that grow, by a function that gives the settings at each time of a film.

python samples/look.py film.mp4 dream.mp4
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from dreamvideo import (
    CarrySettings,
    DreamSettings,
    ModelSettings,
    ObjectiveSettings,
    dream_video,
    load_network,
    open_video,
    prefetch,
    write_video,
)

BIRDS = ObjectiveSettings(classes=(("birds", 0.7),))


def growing(look: DreamSettings, seconds: float) -> Callable[[Fraction], DreamSettings]:
    """A function of the time: a hint at first, after `seconds` twice the usual strength."""

    def settings(time: Fraction) -> DreamSettings:
        share = min(float(time) / seconds, 1.0)
        return replace(look, step_size=look.step_size * (0.3 + 1.7 * share))

    return settings


def main(film: str, output: str) -> None:
    """Dream a film of birds that grow."""
    network = load_network(ModelSettings(), BIRDS)
    with open_video(film) as source:
        dreamed = dream_video(prefetch(source.frames), network, growing(network.look, 4.0), CarrySettings())
        write_video(dreamed, output, source.info, overwrite=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
