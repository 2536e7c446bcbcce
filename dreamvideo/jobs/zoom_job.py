"""Runs jobs that make a zoom film of a photo: like other jobs they store segments and can be resumed."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.devices import pick_device
from dreamvideo.errors import OutputError, SourceError
from dreamvideo.frames import Frames, Source, StreamInfo
from dreamvideo.jobs.job import Job, JobResult, JobSettings
from dreamvideo.jobs.job_output import finish_job, job_result, write_job
from dreamvideo.jobs.observer import Observer
from dreamvideo.media.checkpoint import resume_point
from dreamvideo.media.checkpoint_lock import CheckpointLock
from dreamvideo.media.images import check_large_enough, read_image
from dreamvideo.media.resize import output_size
from dreamvideo.media.video_writer import check_absent
from dreamvideo.models.network import Network
from dreamvideo.settings.zoom import (
    FilmSettings,
    ZoomSettings,
    parse_center,
    parse_turn_rate,
    parse_zoom_curve,
    parse_zoom_rate,
)
from dreamvideo.tensors import to_tensor
from dreamvideo.threads import prefetch
from dreamvideo.video.endless_photo import endless_photo
from dreamvideo.video.zoom_film import ZoomFilm, dream_zoom
from dreamvideo.video.zoom_path import ZoomPath, zoom_path

MOST_SIDE = 1280  # pixels of the longer side of a film, where its size is left open


def dream_zooms(
    jobs: Sequence[Job],
    settings: JobSettings,
    load: Callable[[], Network],
    observer: Observer | None = None,
    resume: bool = False,
) -> None:
    """Run jobs in order. A photo that cannot be read, or a film that cannot be written, ends its own job only.

    Args:
        jobs: photos, and the films that are made of them.
        settings: of all of them; `film` and `zoom` are set.
        load: loads the network; called once, when the first photo was read, and not if nothing is to be dreamed.
        observer: watches and may cancel.
        resume: go on after the finished segments of earlier runs.

    Raises:
        Cancelled: the observer said so; the film in progress can be resumed.
        SettingsError: the path makes no loop.
        DreamVideoError: of the network or its device.
    """
    observer = observer or Observer()
    load = functools.cache(load)
    for job in jobs:
        try:
            check_absent(job.output, job.overwrite)
            lock = CheckpointLock(job.output)
        except OutputError as error:
            observer.finished(JobResult(job, error=error))
            continue
        try:
            observer.finished(_dream_job(job, settings, load, observer, resume, lock.run))
        except (SourceError, OutputError) as error:
            observer.finished(JobResult(job, error=error))
        finally:
            lock.release()


def _dream_job(
    job: Job, settings: JobSettings, load: Callable[[], Network], observer: Observer, resume: bool, run: str
) -> JobResult:
    assert settings.film is not None and settings.zoom is not None
    photo = read_image(job.source)
    width, height = film_size(photo.shape[1], photo.shape[0], settings.film.size)
    check_large_enough(job.source, width, height)
    film_path = path_of_film(settings.zoom, settings.film, width, height)
    film_path.repeats(settings.zoom.seamless)  # an impossible loop shows before a network is loaded
    rate, count = settings.film.frame_rate, settings.film.count
    info = StreamInfo(width, height, rate, count, 1 / rate)
    point = resume_point(job.output) if resume else None
    done = 0 if point is None else point.frames
    if done >= count:
        return finish_job(job, Source(info, (_ for _ in ())), settings, done, should_stop=observer.should_stop)
    network = load() if settings.dream.iterations else None
    device = pick_device("cpu") if network is None else network.device
    film = open_film(photo, film_path, settings, device)
    observer.started(job, info, done, network)
    began = time.monotonic()
    frames = dream_zoom(film, network, settings.dream, MemoryBudget(settings.tile.tile_side), point)
    frames = _with_progress(prefetch(frames), job, observer)  # dream in a thread, encode in this one
    written = write_job(frames, job, info, settings, run, done if point else None, observer.should_stop)
    return job_result(job, Source(info, frames), written, done, time.monotonic() - began)


def film_size(width: int, height: int, size: tuple[int | None, int] | None) -> tuple[int, int]:
    """Return the (width, height) of a film, even numbers.

    Args:
        width, height: of the photo, px.
        size: that was asked for; None: that of the photo, at most `MOST_SIDE` a side.
    """
    if size is None:
        shrink = min(1.0, MOST_SIDE / max(width, height))
        return max(2, 2 * round(width * shrink / 2)), max(2, 2 * round(height * shrink / 2))
    new_width, new_height, _ = output_size(width, height, StreamInfo(width, height).pixel_aspect, size)
    return new_width, new_height


def path_of_film(zoom: ZoomSettings, film: FilmSettings, width: int, height: int) -> ZoomPath:
    """Return the path of a film.

    Args:
        zoom: its speeds and center.
        film: its length and frame rate.
        width, height: of the film, px.
    """
    fps = float(film.frame_rate)
    log_zoom = parse_zoom_curve(zoom.rate, lambda *key: parse_zoom_rate(*key).per_second(fps), film.clock, "--rate")
    degrees = parse_zoom_curve(zoom.rotate, lambda *key: parse_turn_rate(*key).per_second(fps), film.clock, "--rotate")
    place = parse_zoom_curve(zoom.center, parse_center, film.clock, "--center")

    def center(seconds: float) -> complex:
        at = place(seconds)
        return complex(at.real * width - 0.5, at.imag * height - 0.5)

    return zoom_path(log_zoom, lambda seconds: math.radians(degrees(seconds)), center, fps, film.count)


def open_film(photo: NDArray[np.uint8], path: ZoomPath, settings: JobSettings, device: torch.device) -> ZoomFilm:
    """Make a film of a photo.

    Args:
        photo: (H, W, 3) RGB; cropped to the proportions of the film.
        path: of the film.
        settings: `film` and `zoom` are set.
        device: where it is dreamed.
    """
    assert settings.film is not None and settings.zoom is not None
    width, height = film_size(photo.shape[1], photo.shape[0], settings.film.size)
    cropped = crop_to_shape(photo, width, height)
    endless = endless_photo(to_tensor(cropped, device), path, (height, width), settings.zoom.seamless)
    return ZoomFilm(endless, path, settings.film.frame_rate, settings.zoom.seamless)


def crop_to_shape(photo: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return the middle of a photo, of the proportions of a film.

    Args:
        photo: (H, W, 3).
        width, height: of the film.
    """
    own_height, own_width = photo.shape[:2]
    scale = min(own_width / width, own_height / height)
    rows, columns = min(own_height, round(scale * height)), min(own_width, round(scale * width))
    top, left = (own_height - rows) // 2, (own_width - columns) // 2
    return np.ascontiguousarray(photo[top : top + rows, left : left + columns])


def _with_progress(frames: Frames, job: Job, observer: Observer) -> Frames:
    with closing(frames):
        for frame in frames:
            yield frame
            observer.progress(job, 1)
