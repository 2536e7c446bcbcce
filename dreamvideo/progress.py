"""A bar on stderr that frames pass by; silent where stderr is no terminal."""

from __future__ import annotations

import contextlib
import logging
import sys

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from dreamvideo.frames import Frames


def progress(frames: Frames, count: int | None, label: str, hidden: bool = False) -> Frames:
    """The same frames; meanwhile a bar shows how many of `count` have passed, their rate and the time left."""
    shown = not hidden and sys.stderr.isatty()
    with (
        contextlib.closing(frames),
        logging_redirect_tqdm([logging.getLogger("dreamvideo")]) if shown else contextlib.nullcontext(),
        tqdm(total=count, desc=label, unit=" frames", disable=not shown, file=sys.stderr, dynamic_ncols=True) as bar,
    ):
        for frame in frames:
            yield frame
            bar.update()
