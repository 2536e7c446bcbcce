"""The network that the options name, and the guide."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dreamvideo.commands.options import settings_from
from dreamvideo.errors import SourceError
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings

if TYPE_CHECKING:
    from torch import Tensor

    from dreamvideo.models.network import Network


def load_requested_network(arguments: argparse.Namespace) -> Network:
    """Load the network, ready to dream as the options say.

    Raises:
        SourceError: the guide cannot be read.
        ModelError, WeightsError, DeviceError: of the network.
    """
    from dreamvideo.models.network import load_network

    objective = settings_from(arguments, ObjectiveSettings)
    return load_network(settings_from(arguments, ModelSettings), objective, load_guide(objective.guide))


def load_guide(path: str | None) -> Tensor | None:
    """(1, 3, h, w) in [0, 1], or None for none.

    Raises:
        SourceError: it cannot be read.
    """
    if path is None:
        return None
    from dreamvideo.media.images import read_image
    from dreamvideo.tensors import to_guide

    try:
        return to_guide(read_image(Path(path)))
    except SourceError as error:
        raise SourceError(f"--guide: {error}") from error
