"""The command atlas: one picture dreamed in many ways, on a sheet to choose from."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamvideo.commands.console import Console
from dreamvideo.commands.options import ATLAS_SETTINGS, Command, CommandLine, add_command, add_look
from dreamvideo.commands.outputs import FilesRequest, add_files, parse_files
from dreamvideo.commands.sheets import write_sheets
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import AtlasSettings

if TYPE_CHECKING:
    from dreamvideo.models.model import Model


@dataclass(frozen=True, slots=True)
class AtlasRequest:
    """Pictures of which an atlas is to be made."""

    files: FilesRequest
    atlas: AtlasSettings
    model: ModelSettings
    objective: ObjectiveSettings
    dream: DreamSettings


def add_atlas_command(commands: Any) -> None:
    """Add the parser of `dreamvideo atlas`.

    Args:
        commands: what `add_subparsers` returned.
    """
    help = "dream a picture in many ways, on a sheet to choose from"
    parser = add_command(commands, "atlas", help, Command(parse_atlas, run_atlas, ATLAS_SETTINGS))
    add_files(parser, "NAME_atlas.png")
    add_look(parser)


def parse_atlas(line: CommandLine) -> AtlasRequest:
    """Make the request of `dreamvideo atlas`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    return AtlasRequest(
        parse_files(line),
        line.settings(AtlasSettings),
        line.settings(ModelSettings),
        line.settings(ObjectiveSettings),
        line.settings(DreamSettings),
    )


def run_atlas(request: AtlasRequest, console: Console) -> int:
    """Write NAME_atlas.png for each picture.

    Args:
        request: what is to be dreamed.
        console: where progress is shown.

    Returns:
        The exit code.

    Raises:
        DreamVideoError: an output cannot be written, or the options do not go together.
    """
    from dreamvideo.models.registry import find_model
    from dreamvideo.process import configure_process

    configure_process(request.model)
    settings = request.model
    find = functools.cache(lambda: find_model(settings.model, settings.weights, settings.scaling))
    draw = functools.partial(_draw_atlas, request, console, find)
    return write_sheets(request.files, console, "pictures", "atlas", draw)


def _draw_atlas(request: AtlasRequest, console: Console, find: Callable[[], Model], path: Path, output: Path) -> int:
    from dreamvideo.media.atomic_files import make_folder
    from dreamvideo.media.contact_sheet import contact_sheet
    from dreamvideo.media.images import write_image
    from dreamvideo.media.sample_frames import read_one_frame

    image, pixel_aspect = read_one_frame(path, request.atlas.start)  # an unreadable input fails before torch is loaded
    from dreamvideo.info.atlas import atlas_dreams, dream_tiles, image_to_tile
    from dreamvideo.jobs.guide import load_guide
    from dreamvideo.tensors import to_image

    source, model = image_to_tile(image, request.atlas.tile, pixel_aspect), find()
    guide = load_guide(request.objective.guide)
    dreams = atlas_dreams(source, model, request.atlas, request.objective, request.dream, request.model, guide)
    console.message(f"{path}: {len(dreams)} dreams of {source.shape[3]}x{source.shape[2]}, {model.name}")
    images = dream_tiles(source, dreams, model, request.model, guide)
    tiles = [to_image(source), *console.progress(images, len(dreams), path.name, "dreams")]
    sheet = contact_sheet(tiles, ["source", *(each.label for each in dreams)], request.atlas.columns)
    make_folder(output.parent)
    write_image(sheet, output, overwrite=request.files.overwrite)
    return len(dreams)
