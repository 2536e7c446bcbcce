"""Sheets of dreams to choose by: the command atlas, and video --preview."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dreamvideo.commands.console import announce_network, print_error, tell
from dreamvideo.commands.exits import exit_code
from dreamvideo.commands.network import load_guide, load_requested_network
from dreamvideo.commands.options import settings_from
from dreamvideo.commands.plan import plan_outputs
from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import AtlasSettings, PreviewSettings, ReadSettings

if TYPE_CHECKING:
    from dreamvideo.models.network import Network
    from dreamvideo.models.registry import Model

PREVIEW_SIDE = 640  # pixels of the larger side of a frame on a preview: three of them fill a screen


def run_atlas(arguments: argparse.Namespace) -> int:
    """dreamvideo atlas PICTURE..."""
    from dreamvideo.models.registry import find_model

    settings = settings_from(arguments, ModelSettings)
    model = functools.cache(lambda: find_model(settings.model, settings.weights, settings.scaling))
    return run_sheets(arguments, "pictures", "atlas", functools.partial(draw_atlas, find=model))


def run_preview(arguments: argparse.Namespace) -> int:
    """dreamvideo video --preview INPUT..."""
    load = functools.cache(lambda: load_requested_network(arguments))
    return run_sheets(arguments, "videos", "preview", functools.partial(draw_preview, load=load))


def run_sheets(
    arguments: argparse.Namespace, kind: str, word: str, draw: Callable[[argparse.Namespace, Path, Path], int]
) -> int:
    """For each input a sheet of pictures, NAME_word.png; `draw` writes one and returns how many pictures are on it."""
    from dreamvideo.media.images import check_image_name
    from dreamvideo.media.video_writer import default_sheet

    jobs = plan_outputs(arguments, kind, functools.partial(default_sheet, word=word))
    for _, output in jobs:
        check_image_name(output)
    failed = 0
    for path, output in jobs:
        began = time.monotonic()
        try:
            count = draw(arguments, path, output)
            tell(arguments, f"{output}: {count} dreams in {time.monotonic() - began:.1f} s")
        except SettingsError:
            raise
        except DreamVideoError as error:
            failed += 1
            print_error(error)
    return exit_code(failed, len(jobs))


def draw_atlas(arguments: argparse.Namespace, path: Path, output: Path, find: Callable[[], Model]) -> int:
    """Dream one picture in many ways, onto a sheet."""
    from dreamvideo.commands.progress import progress
    from dreamvideo.media.contact_sheet import contact_sheet
    from dreamvideo.media.images import write_image
    from dreamvideo.media.sample_frames import read_one_frame

    atlas, dreaming = settings_from(arguments, AtlasSettings), settings_from(arguments, DreamSettings)
    where = settings_from(arguments, ModelSettings)
    image, pixel_aspect = read_one_frame(path, atlas.start)
    from dreamvideo.info.atlas import atlas_dreams, dream_each, fit_image
    from dreamvideo.tensors import to_image

    picture, model = fit_image(image, atlas.tile, pixel_aspect), find()
    objective = settings_from(arguments, ObjectiveSettings)
    guide = load_guide(objective.guide)
    wanted = atlas_dreams(picture, model, atlas, objective, dreaming, where, guide)
    tell(arguments, f"{path}: {len(wanted)} dreams of {picture.shape[3]}x{picture.shape[2]}, {model.name}")
    dreams = dream_each(picture, wanted, model, where, guide)
    tiles = [to_image(picture), *progress(dreams, len(wanted), path.name, arguments.quiet > 0, "dreams")]
    write_image(contact_sheet(tiles, ["source", *(wish.label for wish in wanted)], atlas.columns), output)
    return len(wanted)


def draw_preview(arguments: argparse.Namespace, path: Path, output: Path, load: Callable[[], Network]) -> int:
    """Dream some frames of one video, each as the first of a shot, onto a sheet."""
    from dreamvideo.commands.progress import progress
    from dreamvideo.media.contact_sheet import contact_sheet, shrink_to_side
    from dreamvideo.media.images import check_large_enough, write_image
    from dreamvideo.media.sample_frames import format_time, sample_frames
    from dreamvideo.video.pipeline import dream_video

    dreaming = settings_from(arguments, DreamSettings)
    carrying = dataclasses.replace(settings_from(arguments, CarrySettings), persistence=0.0)  # every frame alone
    count = settings_from(arguments, PreviewSettings).preview
    assert count is not None
    source = sample_frames(path, settings_from(arguments, ReadSettings), count)
    info = source.info
    if dreaming.iterations:
        check_large_enough(path, info.width, info.height)
    network = load() if dreaming.iterations else None
    if network is not None:
        announce_network(arguments, path, f"{info.frame_count} frames of {info.width}x{info.height}", network)
    tiles, labels = [], []
    dreamed = dream_video(source.frames, network, dreaming, carrying)
    for frame in progress(dreamed, info.frame_count, path.name, arguments.quiet > 0):
        tiles.append(shrink_to_side(frame.image, PREVIEW_SIDE, info.pixel_aspect))
        labels.append(format_time(frame.time))
    write_image(contact_sheet(tiles, labels), output)
    return len(tiles)
