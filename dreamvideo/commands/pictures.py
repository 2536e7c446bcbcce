"""The command image."""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dreamvideo.commands.exits import exit_code
from dreamvideo.commands.network import network_of
from dreamvideo.commands.plan import plan
from dreamvideo.commands.talk import announce, complain, one_line, summarise, tell
from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.options import settings_from
from dreamvideo.settings import DreamSettings, MaskSettings, ModelSettings
from dreamvideo.summary import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dreamvideo.models import Network


def run_image(arguments: argparse.Namespace) -> int:
    """dreamvideo image PHOTO..."""
    from dreamvideo.progress import tally

    jobs = plan(arguments, "pictures")
    mask = None
    under = settings_from(arguments, MaskSettings).mask
    if under is not None:
        from dreamvideo.masks import still_mask

        mask = still_mask(Path(under))
    load = functools.cache(lambda: network_of(arguments))
    failed = 0
    rows: list[Row] = []
    with tally(len(jobs), arguments.quiet > 0) as passed:
        for path, output in jobs:
            began = time.monotonic()
            try:
                dream_photo(arguments, path, output, load, mask)
                rows.append(Row(str(path), str(output), 1, 1, time.monotonic() - began))
            except SettingsError:
                raise
            except DreamVideoError as error:
                failed += 1
                rows.append(Row(str(path), f"failed: {one_line(error)}"))
                complain(error)
            passed()
    summarise(arguments, rows)
    return exit_code(failed, len(jobs))


def dream_photo(
    arguments: argparse.Namespace, path: Path, output: Path, load: Callable[[], Network], mask: NDArray[np.uint8] | None
) -> None:
    """Dream one still picture."""
    from dreamvideo.readers import read_image
    from dreamvideo.signature import sign
    from dreamvideo.writers import write_image

    dreaming = settings_from(arguments, DreamSettings)
    began = time.monotonic()
    image = read_image(path)
    if dreaming.iterations:
        from dreamvideo.dream import dream
        from dreamvideo.stills import check_large_enough

        check_large_enough(path, image.shape[1], image.shape[0])
        from dreamvideo.masks import fit
        from dreamvideo.pipeline import to_image, to_mask, to_tensor

        network = load()
        announce(arguments, path, f"{image.shape[1]}x{image.shape[0]}", network)
        under = None if mask is None else to_mask(fit(mask, *image.shape[:2]), network.device)
        source = to_tensor(image, network.device)
        (image,) = network.room.portions(
            source, network.score, lambda _, score: [to_image(dream(source, score, dreaming, mask=under))]
        )
    write_image(image, output, sign(settings_from(arguments, ModelSettings), dreaming))
    tell(arguments, f"{output}: dreamed in {time.monotonic() - began:.1f} s")
