"""The network that the options name, and the guide."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dreamvideo.errors import SourceError
from dreamvideo.options import settings_from
from dreamvideo.settings import DreamSettings, ModelSettings, TileSettings

if TYPE_CHECKING:
    from torch import Tensor

    from dreamvideo.models import Network


def network_of(arguments: argparse.Namespace) -> Network:
    """Load the network, ready to dream as the options say.

    Raises:
        SourceError: the guide cannot be read.
        ModelError, WeightsError, DeviceError: of the network.
    """
    from dreamvideo.models import load_network

    dreaming, tile = settings_from(arguments, DreamSettings), settings_from(arguments, TileSettings).tile_side
    return load_network(settings_from(arguments, ModelSettings), dreaming, guide_of(dreaming.guide), tile)


def guide_of(path: str | None) -> Tensor | None:
    """(1, 3, h, w) in [0, 1], or None for none.

    Raises:
        SourceError: it cannot be read.
    """
    if path is None:
        return None
    from dreamvideo.pipeline import to_guide
    from dreamvideo.readers import read_image

    try:
        return to_guide(read_image(Path(path)))
    except SourceError as error:
        raise SourceError(f"--guide: {error}") from error
