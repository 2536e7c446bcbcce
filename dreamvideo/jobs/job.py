"""A job: one video, or images, to be dreamed into a video or a folder; what all ways of running one share."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import torch

from dreamvideo.errors import DreamVideoError, SourceError
from dreamvideo.frames import Frame, Frames, Source
from dreamvideo.jobs.decoding import CPU, converter_of, decoder_of, late_converter_of
from dreamvideo.jobs.fingerprint import fingerprint
from dreamvideo.media import segments
from dreamvideo.media.encoder_choice import kept_codec
from dreamvideo.media.image_sequence import ImagePaths, open_sequence
from dreamvideo.media.images import check_large_enough
from dreamvideo.media.masks import with_masks
from dreamvideo.media.metadata import settings_comment
from dreamvideo.media.remote_path import media_path
from dreamvideo.media.video_reader import open_video
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.drives import DriveSettings
from dreamvideo.settings.job import (
    ClusterSettings,
    EncodeSettings,
    MaskSettings,
    ReadSettings,
    SequenceSettings,
    TileSettings,
)
from dreamvideo.settings.schedules import TimelineSettings
from dreamvideo.settings.zoom import FilmSettings, ZoomSettings

log = logging.getLogger(__name__)

_FREE = ("audio", "metadata")  # settings of a job that never show in a frame


@dataclass(frozen=True, slots=True)
class Job:
    """What is dreamed into what."""

    source: Path  # a video; of images: what they are called together
    output: Path
    images: ImagePaths = ()  # empty: `source` is a video
    to_folder: bool = False  # the output is a folder of images
    overwrite: bool = False  # replace what exists under the names of the output, once the new one is complete


@dataclass(frozen=True, slots=True)
class JobSettings:
    """All settings of the jobs of one command."""

    read: ReadSettings
    model: ModelSettings
    objective: ObjectiveSettings
    dream: DreamSettings
    carry: CarrySettings
    mask: MaskSettings
    encode: EncodeSettings
    sequence: SequenceSettings = SequenceSettings()
    cluster: ClusterSettings = ClusterSettings()
    tile: TileSettings = TileSettings()
    timeline: TimelineSettings = TimelineSettings()
    drive: DriveSettings = DriveSettings()
    flow: str | None = None  # that `carry` leaves to the device, see `flow_choice`; None: not chosen yet
    film: FilmSettings | None = None  # with `zoom`: the input is a photo, of which a zoom film is made
    zoom: ZoomSettings | None = None

    @property
    def comment(self) -> str:
        """The line for the comment of a video or image, from which its settings can be read again."""
        zoom = filter(None, [self.zoom])
        return settings_comment(self.model, self.objective, self.dream, self.carry, self.timeline, self.drive, *zoom)

    @property
    def carrying(self) -> CarrySettings:
        """`carry` with the flow that was chosen."""
        return self.carry if self.flow is None else replace(self.carry, flow=cast(Any, self.flow))

    @property
    def hardware(self) -> bool:
        """Whether decoders and encoders of hardware are wanted."""
        return self.read.hwaccel != "none"

    def codec_of(self, job: Job, before: Mapping[str, Any] | None = None) -> str | None:
        """Return libav's name of the encoder of a job; None: it makes images.

        Args:
            job: what is dreamed into what.
            before: the record of the job that is resumed, with the encoder that was chosen; None: there is none.
        """
        if job.to_folder:
            return None
        return kept_codec(job.output, self.encode, (before or {}).get("codec"), self.hardware)

    def record(self, job: Job, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what must be the same for a job to be resumed: the input files, and all settings that show in a frame.

        Whether there is sound, the name of the output, and its container may change, as long as its encoder does not.

        Args:
            job: its inputs are read.
            before: the record of the job that is resumed: what is left to the hardware stays as it was chosen then;
                None: there is none.

        Raises:
            SourceError: an input cannot be read.
        """
        images = [path for path in job.images if path is not None and os.access(path, os.R_OK)]
        zoom = () if self.zoom is None or self.film is None else (self.film, self.zoom)
        settings = (
            self.read,
            self.model,
            self.objective,
            self.dream,
            self.carrying,
            self.mask,
            self.encode,
            self.sequence,
            self.cluster,
            self.timeline,
            self.drive,
            *zoom,
        )
        record = fingerprint(images or [job.source], *settings)
        for name in _FREE:
            record.pop(name, None)
        if before is not None and record["flow"] == "auto":
            record["flow"] = before.get("flow")
        return {**record, "codec": self.codec_of(job, before), "segments": segments.RULE}


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended."""

    job: Job
    frames: int = 0  # of the output
    dreamed: int = 0  # of them in this run
    seconds: float = 0.0  # of this run; 0: nothing was left to dream
    lost: int = 0  # packets, frames or images that could not be decoded
    error: DreamVideoError | None = None  # None: the output is complete


def segment_grid(job: Job, settings: JobSettings) -> Fraction:
    """Return the seconds from one grid point to the next, at which segments may end, see `media.segments`."""
    alone = job.to_folder and settings.sequence.independent
    return segments.INDEPENDENT_FRAMES / settings.sequence.fps if alone else segments.GRID


@contextmanager
def open_job(
    job: Job,
    settings: JobSettings,
    resume: Fraction | None = None,
    jump: bool = False,
    device: torch.device = CPU,
    late: bool = False,
) -> Generator[Source, None, None]:
    """Open the input of a job.

    Args:
        job: a video or images.
        settings: which part, what size, the rate of images.
        resume: time in seconds of the first frame that is needed; None: from the beginning.
        jump: search for it in the file instead of decoding all frames before it.
        device: where the frames of a video are wanted, see `decoding.frames_device`.
        late: many frames of a video are passed over: the image is made by `Frame.whole`, if cuts can be found without.

    Raises:
        SourceError: it cannot be read, or its frames are too small to be dreamed.
    """
    with (
        open_sequence(job.images, settings.read, settings.sequence, not job.to_folder, resume)
        if job.images
        else open_video(
            job.source,
            settings.read,
            resume,
            jump,
            accelerator=decoder_of(device),
            converter=late_converter_of(device) if late else converter_of(device),
        )
    ) as source:
        if settings.dream.iterations:
            check_large_enough(job.source, source.info.width, source.info.height)
        if settings.drive.music is not None:
            source.info = replace(source.info, music=Path(settings.drive.music))
        yield source


def masked(frames: Frames, settings: JobSettings, before: int) -> Frames:
    """Add the masks that the settings name to frames, if they name any.

    Args:
        frames: of a job.
        settings: of the job.
        before: how many frames come before these.
    """
    if settings.mask.mask is None:
        return frames
    return with_masks(frames, media_path(settings.mask.mask), settings.read, before=before)


def first_frame(job: Job, settings: JobSettings, device: torch.device) -> Frame:
    """Read the first frame of the part of its input that a job dreams.

    Args:
        job: a video or images.
        settings: of the job.
        device: where it is wanted, see `decoding.frames_device`.

    Raises:
        SourceError: it cannot be read.
    """
    with open_job(job, settings, device=device) as source, closing(masked(source.frames, settings, 0)) as frames:
        for frame in frames:
            return frame
    raise SourceError(f"{job.source} has no frames any more: restore it, and use --resume")


def encodes_on_device(jobs: Sequence[Job], settings: JobSettings, network: Network | None) -> bool:
    """Return whether what is dreamed stays on its device, where its encoder's planes are made.

    Args:
        jobs: what is dreamed into what; images of a folder are encoded on the CPU.
        settings: of the jobs.
        network: what dreams; None: frames pass through.
    """
    on_gpu = network is not None and network.device.type == "cuda" and settings.hardware
    return on_gpu and not any(job.to_folder for job in jobs)


def source_state(job: Job) -> tuple[int, int]:
    """Return (bytes, modification time in ns) of the input of a job, by which a change shows; (0, 0) of images."""
    try:
        about = job.source.stat()
    except OSError:
        return 0, 0
    return (0, 0) if job.images else (about.st_size, about.st_mtime_ns)


def check_unchanged(job: Job, state: tuple[int, int]) -> None:
    """Check that the input of a job is what it was when it was opened.

    Args:
        job: what is dreamed into what.
        state: what `source_state` returned then.

    Raises:
        SourceError: it is not.
    """
    if source_state(job) != state:
        raise SourceError(f"{job.source} has changed while it was dreamed: restore it, and use --resume")
