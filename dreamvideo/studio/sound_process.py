"""The process that listens to one film for its strip: python -m dreamvideo.studio.sound_process, see `json_pipes`."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from dreamvideo.errors import DreamVideoError, first_line
from dreamvideo.sound.bands import BEATS
from dreamvideo.sound.features import analyze_file
from dreamvideo.sound.sound_strip import column_extremes
from dreamvideo.sound.windows import CURVE_RATE
from dreamvideo.studio.json_pipes import ParentPipe

log = logging.getLogger("dreamvideo")

COLUMNS: Final = 1200  # of the waveform: as many as a wide strip has pixels
LOUDEST: Final = 100  # a sample of 1 in the numbers of the waveform
# Beats take 2 s for a minute of sound, the waveform a tenth of a second.
LONGEST_BEATS: Final = 600.0  # seconds of a film whose beats are found
_YIELDING: Final = 10  # added to the niceness: pictures and jobs come first


def run_sound_process() -> None:
    """Listen to the film that the parent names; the last message is `done` or `error`."""
    pipe = ParentPipe()
    log.addHandler(logging.NullHandler())
    task = pipe.receive()
    if task is None:
        return
    if hasattr(os, "nice"):
        os.nice(_YIELDING)
    try:
        for heard in hear_strip(Path(task["path"]), task["length"]):
            pipe.send(heard)
        pipe.send({"done": True})
    except DreamVideoError as error:
        pipe.send({"error": first_line(error)})
    except Exception as error:
        log.exception("a sound failed")
        pipe.send({"error": f"its sound could not be read: {first_line(error)}"})


def hear_strip(path: Path, length: float) -> Iterator[dict[str, Any]]:
    """Listen to a film.

    Args:
        path: of the film.
        length: seconds that the strip shows; its sound may end before or after.

    Yields:
        `lows` and `highs`: the extremes of each column of the waveform, the loudest of them at `LOUDEST`; empty if
        there is no sound. Then, of a film that is not too long, `beats`, in seconds.

    Raises:
        SourceError: the file cannot be read.
    """
    features = analyze_file(path, ())
    if features.is_silent:
        yield {"lows": [], "highs": []}
        return
    edges = np.linspace(0, length, COLUMNS + 1) * CURVE_RATE
    scale = LOUDEST / features.loudest
    low, high = column_extremes(features.lowest, edges)[0], column_extremes(features.highest, edges)[1]
    yield {"lows": _whole(low * scale), "highs": _whole(high * scale)}
    if length <= LONGEST_BEATS and importlib.util.find_spec("librosa") is not None:
        beats = analyze_file(path, (BEATS,)).beats
        yield {"beats": [] if beats is None else [round(float(beat), 3) for beat in beats if beat <= length]}


def _whole(values: Any) -> list[int]:
    return [int(value) for value in np.rint(values)]


if __name__ == "__main__":
    run_sound_process()
