"""The command image."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamvideo.commands.console import Console, exit_code
from dreamvideo.commands.job_report import SummaryRow, failed_row
from dreamvideo.commands.network import load_requested_network
from dreamvideo.commands.options import IMAGE_SETTINGS, Command, CommandLine, add_command, add_look
from dreamvideo.commands.outputs import FilesRequest, add_files, parse_files, plan_outputs
from dreamvideo.commands.signals import outlive_terminal
from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import MaskSettings, PictureSettings, TileSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dreamvideo.models.network import Network


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """Still images to be dreamed."""

    files: FilesRequest
    model: ModelSettings
    objective: ObjectiveSettings
    dream: DreamSettings
    mask: MaskSettings
    tile: TileSettings
    picture: PictureSettings


def add_image_command(commands: Any) -> None:
    """Add the parser of `dreamvideo image`.

    Args:
        commands: what `add_subparsers` returned.
    """
    command = Command(parse_image, run_image, IMAGE_SETTINGS)
    parser = add_command(commands, "image", "dream still pictures", command)
    add_files(parser, "NAME_dream")
    add_look(parser)


def parse_image(line: CommandLine) -> ImageRequest:
    """Make the request of `dreamvideo image`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    return ImageRequest(
        parse_files(line),
        line.settings(ModelSettings),
        line.settings(ObjectiveSettings),
        line.settings(DreamSettings),
        line.settings(MaskSettings),
        line.settings(TileSettings),
        line.settings(PictureSettings),
    )


def run_image(request: ImageRequest, console: Console) -> int:
    """Dream still images, one after another; one that fails does not stop the others.

    Args:
        request: what is to be dreamed.
        console: where progress is shown.

    Returns:
        The exit code.

    Raises:
        DreamVideoError: an output cannot be written, or the options do not go together.
    """
    jobs = plan_outputs(request.files, console, "pictures").jobs
    mask = None
    if request.mask.mask is not None:
        from dreamvideo.media.masks import read_image_mask
        from dreamvideo.media.remote_path import media_path

        mask = read_image_mask(media_path(request.mask.mask))
    load = functools.cache(lambda: load_requested_network(request.model, request.objective))
    failed = 0
    rows: list[SummaryRow] = []
    with outlive_terminal(), console.files_bar(len(jobs)) as count_file:
        for path, output in jobs:
            start = time.monotonic()
            try:
                _dream_image(request, console, load, mask, path, output)
                rows.append(SummaryRow(str(path), str(output), 1, 1, time.monotonic() - start))
            except SettingsError:
                raise
            except DreamVideoError as error:
                failed += 1
                rows.append(failed_row(path, output, error))
                console.error(error)
            count_file()
    console.summary(rows)
    return exit_code(failed, len(jobs))


def _dream_image(
    request: ImageRequest,
    console: Console,
    load: Callable[[], Network],
    mask: NDArray[np.uint8] | None,
    path: Path,
    output: Path,
) -> None:
    from dreamvideo.media.atomic_files import check_name_length, make_folder
    from dreamvideo.media.images import (
        check_image_name,
        check_large_enough,
        encode_dream,
        read_picture,
        write_image_bytes,
    )
    from dreamvideo.media.metadata import settings_comment

    start = time.monotonic()
    check_name_length(output)
    check_image_name(output)
    image, still = read_picture(path, output, request.picture.size)
    if request.dream.iterations:
        check_large_enough(path, image.shape[1], image.shape[0])
        network = load()
        console.network(path, f"{image.shape[1]}x{image.shape[0]}", network)
        from dreamvideo.jobs.dream_file import dream_image

        image = dream_image(image, network, request.dream, request.tile, mask)
    line = settings_comment(request.model, request.objective, request.dream)
    content = encode_dream(image, still, output, line, request.picture.metadata)
    make_folder(output.parent)
    write_image_bytes(content, output, request.files.overwrite)
    console.message(f"{output}: dreamed in {time.monotonic() - start:.1f} s")
