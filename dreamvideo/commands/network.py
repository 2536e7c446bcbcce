"""Loads the network that a request names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamvideo.jobs.job import JobSettings
    from dreamvideo.models.look_networks import LookNetworks
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


def load_requested_networks(settings: JobSettings) -> Network | LookNetworks:
    """Set up this process for the networks of jobs, then load them.

    Args:
        settings: of the jobs.

    Raises:
        SourceError: the guide cannot be read.
        ModelError, WeightsError, DeviceError: see `load_job_network`.
    """
    from dreamvideo.jobs.job_schedule import load_job_networks
    from dreamvideo.process import configure_process

    configure_process(settings.model)
    return load_job_networks(settings)
