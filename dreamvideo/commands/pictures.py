"""The command image."""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dreamvideo.commands.console import announce_network, one_line, print_error, print_summary, tell
from dreamvideo.commands.exits import exit_code
from dreamvideo.commands.network import load_requested_network
from dreamvideo.commands.options import settings_from
from dreamvideo.commands.plan import plan_outputs
from dreamvideo.commands.summary import SummaryRow
from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import MaskSettings, TileSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dreamvideo.models.network import Network


def run_image(arguments: argparse.Namespace) -> int:
    """dreamvideo image PHOTO..."""
    from dreamvideo.commands.progress import job_bar

    jobs = plan_outputs(arguments, "pictures")
    mask = None
    under = settings_from(arguments, MaskSettings).mask
    if under is not None:
        from dreamvideo.media.masks import still_mask

        mask = still_mask(Path(under))
    load = functools.cache(lambda: load_requested_network(arguments))
    failed = 0
    rows: list[SummaryRow] = []
    with job_bar(len(jobs), arguments.quiet > 0) as passed:
        for path, output in jobs:
            began = time.monotonic()
            try:
                dream_photo(arguments, path, output, load, mask)
                rows.append(SummaryRow(str(path), str(output), 1, 1, time.monotonic() - began))
            except SettingsError:
                raise
            except DreamVideoError as error:
                failed += 1
                rows.append(SummaryRow(str(path), f"failed: {one_line(error)}"))
                print_error(error)
            passed()
    print_summary(arguments, rows)
    return exit_code(failed, len(jobs))


def dream_photo(
    arguments: argparse.Namespace, path: Path, output: Path, load: Callable[[], Network], mask: NDArray[np.uint8] | None
) -> None:
    """Dream one still picture."""
    from dreamvideo.media.images import read_image, write_image
    from dreamvideo.media.metadata import settings_comment

    dreaming = settings_from(arguments, DreamSettings)
    began = time.monotonic()
    image = read_image(path)
    if dreaming.iterations:
        from dreamvideo.ascent.memory_budget import MemoryBudget
        from dreamvideo.ascent.octaves import dream
        from dreamvideo.media.images import check_large_enough

        check_large_enough(path, image.shape[1], image.shape[0])
        from dreamvideo.media.masks import fit_mask
        from dreamvideo.tensors import to_image, to_mask, to_tensor

        network = load()
        announce_network(arguments, path, f"{image.shape[1]}x{image.shape[0]}", network)
        under = None if mask is None else to_mask(fit_mask(mask, *image.shape[:2]), network.device)
        source = to_tensor(image, network.device)
        (image,) = MemoryBudget(settings_from(arguments, TileSettings).tile_side).portions(
            source, network.score, lambda _, score: [to_image(dream(source, score, dreaming, mask=under))]
        )
    model, objective = settings_from(arguments, ModelSettings), settings_from(arguments, ObjectiveSettings)
    write_image(image, output, settings_comment(model, objective, dreaming))
    tell(arguments, f"{output}: dreamed in {time.monotonic() - began:.1f} s")
