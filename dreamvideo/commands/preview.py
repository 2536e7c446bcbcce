"""The command video with --preview: a few frames of each video, dreamed, on a sheet."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dreamvideo.commands.console import Console
from dreamvideo.commands.network import load_requested_network
from dreamvideo.commands.options import CommandLine
from dreamvideo.commands.outputs import FilesRequest, parse_files
from dreamvideo.commands.sheets import write_sheets
from dreamvideo.errors import SettingsError
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.drives import DriveSettings
from dreamvideo.settings.job import PreviewSettings, ReadSettings

if TYPE_CHECKING:
    from dreamvideo.models.network import Network

PREVIEW_SIDE: Final = 640  # pixels of the longer side of a frame on a preview: three of them fill a screen


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    """Videos of which a few frames are to be dreamed onto sheets."""

    files: FilesRequest
    read: ReadSettings
    model: ModelSettings
    objective: ObjectiveSettings
    dream: DreamSettings
    carry: CarrySettings
    frames: int


def parse_preview_request(line: CommandLine) -> PreviewRequest:
    """Make the request of `dreamvideo video --preview`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    frames = line.settings(PreviewSettings).preview
    assert frames is not None
    if line.timeline.schedules:
        raise SettingsError("--preview with a schedule: expected the values of one time")
    if line.settings(DriveSettings).drive:
        raise SettingsError("--preview with --drive: expected the values of one time")
    return PreviewRequest(
        parse_files(line),
        line.settings(ReadSettings),
        line.settings(ModelSettings),
        line.settings(ObjectiveSettings),
        line.settings(DreamSettings),
        dataclasses.replace(line.settings(CarrySettings), persistence=0.0),  # each frame is the first of a shot
        frames,
    )


def run_preview(request: PreviewRequest, console: Console) -> int:
    """Write NAME_preview.png for each video.

    Args:
        request: what is to be dreamed.
        console: where progress is shown.

    Returns:
        The exit code.

    Raises:
        DreamVideoError: an output cannot be written, or the options do not go together.
    """
    load = functools.cache(lambda: load_requested_network(request.model, request.objective))
    draw = functools.partial(_draw_preview, request, console, load)
    return write_sheets(request.files, console, "videos", "preview", draw)


def _draw_preview(
    request: PreviewRequest, console: Console, load: Callable[[], Network], path: Path, output: Path
) -> int:
    from dreamvideo.media.atomic_files import make_folder
    from dreamvideo.media.contact_sheet import contact_sheet, shrink_to_side
    from dreamvideo.media.images import check_large_enough, write_image
    from dreamvideo.media.sample_frames import format_time, sample_frames
    from dreamvideo.video.pipeline import dream_video

    source = sample_frames(path, request.read, request.frames)
    info = source.info
    network = None
    if request.dream.iterations:
        check_large_enough(path, info.width, info.height)
        network = load()
        console.network(path, f"{info.frame_count} frames of {info.width}x{info.height}", network)
    dreamed = dream_video(source.frames, network, request.dream, request.carry)
    tiles, labels = [], []
    for frame in console.progress(dreamed, info.frame_count, path.name):
        tiles.append(shrink_to_side(frame.image, PREVIEW_SIDE, info.pixel_aspect))
        labels.append(format_time(frame.time))
    make_folder(output.parent)
    write_image(contact_sheet(tiles, labels), output, overwrite=request.files.overwrite)
    return len(tiles)
