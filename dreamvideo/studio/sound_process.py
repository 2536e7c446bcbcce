"""The process that listens to one film for its strip: python -m dreamvideo.studio.sound_process, see `json_pipes`."""

from __future__ import annotations

import logging
import os
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
        pipe.send({**hear_strip(Path(task["path"]), task["length"], task["beats"]), "done": True})
    except DreamVideoError as error:
        pipe.send({"error": first_line(error)})
    except Exception as error:
        log.exception("a sound failed")
        pipe.send({"error": f"its sound could not be read: {first_line(error)}"})


def hear_strip(path: Path, length: float, beats: bool) -> dict[str, Any]:
    """Listen to a film.

    Args:
        path: of the film.
        length: seconds that the strip shows; its sound may end before or after.
        beats: whether to find them, too, which takes twenty times as long, and a library of 300 MB in memory.

    Returns:
        `lows` and `highs`: the extremes of each column of the waveform, the loudest of them at `LOUDEST`; empty if
        there is no sound. With them `beats`, in seconds, if they were wanted.

    Raises:
        SourceError: the file cannot be read.
        SettingsError: beats are wanted without librosa.
    """
    features = analyze_file(path, (BEATS,) if beats else ())
    found = [round(float(beat), 3) for beat in (() if features.beats is None else features.beats) if beat <= length]
    heard: dict[str, Any] = {"beats": found} if beats else {}
    if features.is_silent:
        return {**heard, "lows": [], "highs": []}
    edges = np.linspace(0, length, COLUMNS + 1) * CURVE_RATE
    scale = LOUDEST / features.loudest
    low, high = column_extremes(features.lowest, edges)[0], column_extremes(features.highest, edges)[1]
    return {**heard, "lows": _whole(low * scale), "highs": _whole(high * scale)}


def _whole(values: Any) -> list[int]:
    return [int(value) for value in np.rint(values)]


if __name__ == "__main__":
    run_sound_process()
