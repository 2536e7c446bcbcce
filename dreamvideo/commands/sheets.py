"""What the commands atlas and video --preview share: one sheet of dreams for each input."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

from dreamvideo.commands.console import Console, exit_code
from dreamvideo.commands.outputs import FilesRequest, InputKind, plan_outputs
from dreamvideo.errors import DreamVideoError, SettingsError


def write_sheets(
    request: FilesRequest, console: Console, kind: InputKind, word: str, draw: Callable[[Path, Path], int]
) -> int:
    """Write a sheet NAME_`word`.png for each input; an input that fails does not stop the others.

    Args:
        request: inputs and outputs as typed.
        console: where each sheet is reported.
        kind: what is taken from folders.
        word: the end of the outputs' names.
        draw: (input, output) -> the number of dreams on the sheet that it wrote.

    Returns:
        The exit code.

    Raises:
        DreamVideoError: an output cannot be written, or the options do not go together.
    """
    from dreamvideo.media.images import check_image_name
    from dreamvideo.media.video_writer import default_sheet

    jobs = plan_outputs(request, console, kind, functools.partial(default_sheet, word=word)).jobs
    for _, output in jobs:
        check_image_name(output)
    failed = 0
    for path, output in jobs:
        start = time.monotonic()
        try:
            count = draw(path, output)
            console.message(f"{output}: {count} dreams in {time.monotonic() - start:.1f} s")
        except SettingsError:
            raise
        except DreamVideoError as error:
            failed += 1
            console.error(error)
    return exit_code(failed, len(jobs))
