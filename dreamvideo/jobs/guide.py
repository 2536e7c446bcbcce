"""Networks of a job, with the guide image that their objective names."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from dreamvideo.errors import SourceError
from dreamvideo.media.images import read_image
from dreamvideo.models.network import Network, load_network
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings
from dreamvideo.tensors import to_guide


def load_guide(path: str | None) -> Tensor | None:
    """Read a guide image.

    Args:
        path: of the image; None: no guide.

    Returns:
        (1, 3, H, W) RGB in [0, 1], reduced as `tensors.to_guide` does; None without a guide.

    Raises:
        SourceError: the image cannot be read.
    """
    if path is None:
        return None
    try:
        return to_guide(read_image(Path(path)))
    except SourceError as error:
        raise SourceError(f"--guide: {error}") from error


def load_job_network(model: ModelSettings, objective: ObjectiveSettings) -> Network:
    """Load a network, and the guide that its objective names.

    Args:
        model: which network, and where it runs.
        objective: what is dreamed; the file `objective.guide` is read.

    Raises:
        SourceError: the guide cannot be read.
        ModelError: there is no such network, layer, channel or class.
        WeightsError: the weights cannot be read or downloaded.
        DeviceError: the device does not exist.
    """
    return load_network(model, objective, load_guide(objective.guide))
