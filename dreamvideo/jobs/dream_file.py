"""Dreams one file in one call: the library's way to what `dreamvideo video` and `dreamvideo image` do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dreamvideo.ascent import octaves
from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.errors import Cancelled, SettingsError
from dreamvideo.frames import StreamInfo
from dreamvideo.jobs.earlier_run import check_checkpoint
from dreamvideo.jobs.guide import load_job_network
from dreamvideo.jobs.job import Job, JobResult, JobSettings
from dreamvideo.jobs.job_schedule import check_schedules, load_job_networks
from dreamvideo.jobs.observer import Observer
from dreamvideo.jobs.runner import dream_jobs
from dreamvideo.media.atomic_files import make_folder
from dreamvideo.media.images import (
    check_image_name,
    check_large_enough,
    encode_dream,
    read_picture,
    write_image_bytes,
)
from dreamvideo.media.masks import read_image_mask, resize_mask
from dreamvideo.media.metadata import settings_comment
from dreamvideo.media.paths import is_image
from dreamvideo.media.remote_path import media_path
from dreamvideo.media.video_writer import check_encoder, check_output, default_output, is_complete
from dreamvideo.models.network import Network
from dreamvideo.settings.addresses import plain_address
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.drives import DriveSettings
from dreamvideo.settings.job import EncodeSettings, MaskSettings, ReadSettings, TileSettings
from dreamvideo.settings.network_looks import network_look, resolve_network
from dreamvideo.settings.presets import find_preset
from dreamvideo.settings.schedules import TimelineSettings
from dreamvideo.tensors import to_image, to_mask, to_tensor
from dreamvideo.torch_state import plain_torch

Progress = Callable[[int, int | None], None]  # (frames finished, frames in all or None: unknown)
Settings = TypeVar("Settings")


def dream_file(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    classes: Sequence[str | tuple[str, float]] = (),
    preset: str | None = None,
    model: ModelSettings = ModelSettings(),
    objective: ObjectiveSettings = ObjectiveSettings(),
    dream: DreamSettings = DreamSettings(),
    carry: CarrySettings = CarrySettings(),
    read: ReadSettings = ReadSettings(),
    encode: EncodeSettings = EncodeSettings(),
    mask: str | os.PathLike[str] | None = None,
    tile: TileSettings = TileSettings(),
    timeline: TimelineSettings = TimelineSettings(),
    drive: DriveSettings = DriveSettings(),
    overwrite: bool = False,
    resume: bool = False,
    should_stop: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Dream a video, with its sound, or a still image; works in any thread.

    A video is written in segments beside the output. After a cancelled call, or the end of the process, the same call
    with `resume=True` continues after the last segment and gives the output of an unbroken run.

    Args:
        source: a video, or an image by its suffix; files may be addresses, such as s3://bucket/film.mp4.
        output: the file to be written, its format by its suffix. Default: NAME_dream beside the source.
        classes: what to dream of, by name or (name, weight); short for `ObjectiveSettings(classes=...)`.
        preset: a look by name, for what the settings below leave at its default; the rest is as it suits the network.
        model, objective, dream: which network dreams, what, and how; the image `objective.guide` is read.
        carry, read, encode: how frames follow each other, are read and are written; not for an image.
        mask: an image, or for a video also a video or folder: dream where it is white.
        tile, timeline, drive: how large images are split; schedules; what follows the sound (neither for an image).
        overwrite, resume: replace an existing output, and discard what an earlier run left; continue it, if anything.
        should_stop: asked after each frame, from any thread; True cancels. For an image: before the dream.
        progress: called in this thread with (frames finished, frames in all); the latter may be None or wrong.

    Returns:
        The path of the output.

    Raises:
        Cancelled: `should_stop` returned True.
        DreamVideoError: its subclass tells what to fix, see `errors`.
    """
    path = media_path(source)
    target = default_output(path) if output is None else media_path(output)
    model, objective, dream = with_look(model, _with_classes(objective, classes), dream, preset)
    parts = read, model, objective, dream, carry, _mask_settings(mask), encode
    settings = JobSettings(*parts, tile=tile, timeline=timeline, drive=drive)
    if resume and is_complete(target, resume) and not overwrite:
        return target
    check_output(target, [path], overwrite)
    observer = _FileObserver(should_stop, progress)
    if is_image(path):
        _dream_image_file(path, target, settings, overwrite, observer)
    else:
        _dream_video_file(Job(path, target, overwrite=overwrite), settings, overwrite, resume, observer)
    return target


def _mask_settings(mask: str | os.PathLike[str] | None) -> MaskSettings:
    return MaskSettings(None if mask is None else plain_address(os.fspath(mask)))


def _with_classes(objective: ObjectiveSettings, classes: Sequence[str | tuple[str, float]]) -> ObjectiveSettings:
    if not classes:
        return objective
    return replace(objective, classes=tuple((each, 1.0) if isinstance(each, str) else each for each in classes))


def with_look(
    model: ModelSettings, objective: ObjectiveSettings, dream: DreamSettings, preset: str | None
) -> tuple[ModelSettings, ObjectiveSettings, DreamSettings]:
    """Fill what has its default with the settings of a preset, and after it with those that suit the network.

    Args:
        model, objective, dream: settings; what they set otherwise stays.
        preset: a look by name; None: none.

    Returns:
        The three, complete.

    Raises:
        SettingsError: there is no such preset.
    """
    values = {} if preset is None else find_preset(preset).values
    model = _with_defaults(model, values)
    model = replace(model, model=resolve_network(model.model))
    chosen = {field.name for field in fields(dream) if getattr(dream, field.name) != field.default} | values.keys()
    values = {**network_look(model.model, chosen), **values}
    return model, _with_defaults(objective, values), _with_defaults(dream, values)


def _with_defaults(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """`settings` with some `values` where a field has its default."""
    changes = {
        field.name: values[field.name]
        for field in fields(settings)  # type: ignore[arg-type]  # any dataclass
        if field.name in values and getattr(settings, field.name) == field.default
    }
    return replace(settings, **changes)  # type: ignore[type-var]  # any dataclass


class _FileObserver(Observer):
    """Keeps the result of one job; calls the caller's functions."""

    def __init__(self, should_stop: Callable[[], bool] | None, progress: Progress | None) -> None:
        self.result: JobResult | None = None
        self._should_stop, self._progress = should_stop, progress
        self._done = 0
        self._count: int | None = None

    def started(self, job: Job, info: StreamInfo, done: int, network: Network | None) -> None:
        self._done, self._count = done, info.frame_count

    def progress(self, job: Job, frames: int) -> None:
        self._done += frames
        self.count(self._done, self._count)

    def count(self, done: int, count: int | None) -> None:
        if self._progress is not None:
            self._progress(done, count)

    def finished(self, result: JobResult) -> None:
        self.result = result

    def should_stop(self) -> bool:
        return self._should_stop is not None and self._should_stop()


def _dream_video_file(job: Job, settings: JobSettings, overwrite: bool, resume: bool, observer: _FileObserver) -> None:
    if settings.encode.codec is not None:
        check_encoder(job.output, settings.encode)
    check_schedules([job], settings)
    check_checkpoint(job, settings, resume, overwrite)
    dream_jobs([job], settings, lambda: load_job_networks(settings), observer, resume)
    if observer.result is not None and observer.result.error is not None:
        raise observer.result.error


def _dream_image_file(
    path: Path, output: Path, settings: JobSettings, overwrite: bool, observer: _FileObserver
) -> None:
    size, metadata = settings.read.size, settings.encode.metadata
    unused = (settings.read, ReadSettings(size=size)), (settings.encode, EncodeSettings(metadata=metadata))
    over_time = (settings.timeline, TimelineSettings()), (settings.drive, DriveSettings())
    for value, expected in (*unused, (settings.carry, CarrySettings()), *over_time):
        if value != expected:
            raise SettingsError(f"{value} with the image {path}: expected a video, or none of these settings")
    check_image_name(output)
    image, still = read_picture(path, output, size)
    if observer.should_stop():
        raise Cancelled(f"{path}: cancelled before it was dreamed")
    if settings.dream.iterations:
        check_large_enough(path, image.shape[1], image.shape[0])
        mask = None if settings.mask.mask is None else read_image_mask(media_path(settings.mask.mask))
        network = load_job_network(settings.model, settings.objective)
        image = dream_image(image, network, settings.dream, settings.tile, mask)
    line = settings_comment(settings.model, settings.objective, settings.dream)
    content = encode_dream(image, still, output, line, metadata)
    make_folder(output.parent)
    write_image_bytes(content, output, overwrite)
    observer.count(1, 1)


@plain_torch()
def dream_image(
    image: NDArray[np.uint8],
    network: Network,
    settings: DreamSettings,
    tile: TileSettings = TileSettings(),
    mask: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Dream one image, in tiles if memory is short.

    Args:
        image: (H, W, 3) RGB.
        network: what dreams it.
        settings: how it is dreamed.
        tile: how it is split.
        mask: (h, w) of any size, resized to the image: 255 dreams, 0 is left alone.

    Returns:
        (H, W, 3) RGB.

    Raises:
        MemoryBudgetError: it does not fit into memory, even in tiles.
    """
    weights = None if mask is None else to_mask(resize_mask(mask, *image.shape[:2]), network.device)
    source = to_tensor(image, network.device)
    (dreamed,) = MemoryBudget(tile.tile_side).run_in_batches(
        source, network.score, lambda _, score: [to_image(octaves.dream_octaves(source, score, settings, mask=weights))]
    )
    return dreamed
