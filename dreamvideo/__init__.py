"""dreamvideo makes video dream.

The public names are loaded when first used, so that the command line answers `--help` without waiting for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dreamvideo._version import __version__

if TYPE_CHECKING:
    from dreamvideo.errors import DreamVideoError as DreamVideoError
    from dreamvideo.frames import Frame as Frame
    from dreamvideo.frames import StreamInfo as StreamInfo
    from dreamvideo.media.video_reader import open_video as open_video
    from dreamvideo.media.video_writer import write_video as write_video
    from dreamvideo.models.network import load_network as load_network
    from dreamvideo.settings.dream import CarrySettings as CarrySettings
    from dreamvideo.settings.dream import DreamSettings as DreamSettings
    from dreamvideo.settings.dream import ModelSettings as ModelSettings
    from dreamvideo.settings.job import EncodeSettings as EncodeSettings
    from dreamvideo.settings.job import ReadSettings as ReadSettings
    from dreamvideo.video.pipeline import dream_video as dream_video

_HOMES = {
    "CarrySettings": "settings.dream",
    "DreamSettings": "settings.dream",
    "DreamVideoError": "errors",
    "EncodeSettings": "settings.job",
    "Frame": "frames",
    "ModelSettings": "settings.dream",
    "ReadSettings": "settings.job",
    "StreamInfo": "frames",
    "dream_video": "video.pipeline",
    "load_network": "models.network",
    "open_video": "media.video_reader",
    "write_video": "media.video_writer",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dreamvideo' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dreamvideo.{_HOMES[name]}"), name)
