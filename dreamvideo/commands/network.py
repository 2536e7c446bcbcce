"""Loads the network that a request names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamvideo.models.network import Network
    from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings


def load_requested_network(model: ModelSettings, objective: ObjectiveSettings) -> Network:
    """Set up this process for a network, then load it.

    Args:
        model: which network, and where it runs.
        objective: what is dreamed.

    Raises:
        SourceError: the guide cannot be read.
        ModelError, WeightsError, DeviceError: see `load_job_network`.
    """
    from dreamvideo.jobs.guide import load_job_network
    from dreamvideo.process import configure_process

    configure_process(model)
    return load_job_network(model, objective)
