"""dreamvideo makes video dream.

Public names are loaded when they are first used, so that `--help` does not wait for torch. A file in one call:

    dreamvideo.dream_file("in.mp4", "out.mp4", classes=["owl"])

The same by hand, frame by frame:

    network = load_network(ModelSettings(), ObjectiveSettings(classes=(("owl", 1.0),)))
    with open_video("in.mp4") as source:
        frames = dream_video(prefetch(source.frames), network, network.look, CarrySettings())
        write_video(frames, "out.mp4", source.info)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dreamvideo._version import __version__

if TYPE_CHECKING:
    from dreamvideo.ascent.octaves import dream as dream
    from dreamvideo.errors import Cancelled as Cancelled
    from dreamvideo.errors import ClusterError as ClusterError
    from dreamvideo.errors import DeviceError as DeviceError
    from dreamvideo.errors import DreamVideoError as DreamVideoError
    from dreamvideo.errors import MemoryBudgetError as MemoryBudgetError
    from dreamvideo.errors import ModelError as ModelError
    from dreamvideo.errors import OutputError as OutputError
    from dreamvideo.errors import SettingsError as SettingsError
    from dreamvideo.errors import SourceError as SourceError
    from dreamvideo.errors import WeightsError as WeightsError
    from dreamvideo.frames import Frame as Frame
    from dreamvideo.frames import StreamInfo as StreamInfo
    from dreamvideo.jobs.dream_file import dream_file as dream_file
    from dreamvideo.media.checkpoint import ResumePoint as ResumePoint
    from dreamvideo.media.checkpoint import resume_point as resume_point
    from dreamvideo.media.images import read_image as read_image
    from dreamvideo.media.images import write_image as write_image
    from dreamvideo.media.video_reader import open_video as open_video
    from dreamvideo.media.video_writer import write_video as write_video
    from dreamvideo.models.network import Network as Network
    from dreamvideo.models.network import load_network as load_network
    from dreamvideo.settings.dream import CarrySettings as CarrySettings
    from dreamvideo.settings.dream import DreamSettings as DreamSettings
    from dreamvideo.settings.dream import ModelSettings as ModelSettings
    from dreamvideo.settings.dream import ObjectiveSettings as ObjectiveSettings
    from dreamvideo.settings.drives import DriveSettings as DriveSettings
    from dreamvideo.settings.job import EncodeSettings as EncodeSettings
    from dreamvideo.settings.job import ReadSettings as ReadSettings
    from dreamvideo.settings.job import TileSettings as TileSettings
    from dreamvideo.settings.schedules import TimelineSettings as TimelineSettings
    from dreamvideo.settings.timeline import Moment as Moment
    from dreamvideo.threads import prefetch as prefetch
    from dreamvideo.video.pipeline import dream_video as dream_video

# Public name -> the module that defines it. The imports above repeat it for type checkers.
_MODULES = {
    "Cancelled": "errors",
    "CarrySettings": "settings.dream",
    "ClusterError": "errors",
    "DeviceError": "errors",
    "DreamSettings": "settings.dream",
    "DreamVideoError": "errors",
    "DriveSettings": "settings.drives",
    "EncodeSettings": "settings.job",
    "Frame": "frames",
    "MemoryBudgetError": "errors",
    "ModelError": "errors",
    "ModelSettings": "settings.dream",
    "Moment": "settings.timeline",
    "Network": "models.network",
    "ObjectiveSettings": "settings.dream",
    "OutputError": "errors",
    "ReadSettings": "settings.job",
    "ResumePoint": "media.checkpoint",
    "SettingsError": "errors",
    "SourceError": "errors",
    "StreamInfo": "frames",
    "TileSettings": "settings.job",
    "TimelineSettings": "settings.schedules",
    "WeightsError": "errors",
    "dream": "ascent.octaves",
    "dream_file": "jobs.dream_file",
    "dream_video": "video.pipeline",
    "load_network": "models.network",
    "open_video": "media.video_reader",
    "prefetch": "threads",
    "read_image": "media.images",
    "resume_point": "media.checkpoint",
    "write_image": "media.images",
    "write_video": "media.video_writer",
}

__all__ = ["__version__", *_MODULES]  # noqa: PLE0604  # the names are strings


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'dreamvideo' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dreamvideo.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
