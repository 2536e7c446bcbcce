"""dreamvideo makes video dream.

The public names are loaded when first used, so that the command line answers `--help` without waiting for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dreamvideo.errors import DreamVideoError as DreamVideoError
    from dreamvideo.frames import Frame as Frame
    from dreamvideo.frames import StreamInfo as StreamInfo
    from dreamvideo.models import load_network as load_network
    from dreamvideo.pipeline import dream_video as dream_video
    from dreamvideo.readers import open_source as open_source
    from dreamvideo.settings import CarrySettings as CarrySettings
    from dreamvideo.settings import DreamSettings as DreamSettings
    from dreamvideo.settings import EncodeSettings as EncodeSettings
    from dreamvideo.settings import ModelSettings as ModelSettings
    from dreamvideo.settings import ReadSettings as ReadSettings
    from dreamvideo.writers import write_video as write_video

_HOMES = {
    "CarrySettings": "settings",
    "DreamSettings": "settings",
    "DreamVideoError": "errors",
    "EncodeSettings": "settings",
    "Frame": "frames",
    "ModelSettings": "settings",
    "ReadSettings": "settings",
    "StreamInfo": "frames",
    "dream_video": "pipeline",
    "load_network": "models",
    "open_source": "readers",
    "write_video": "writers",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dreamvideo' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dreamvideo.{_HOMES[name]}"), name)
