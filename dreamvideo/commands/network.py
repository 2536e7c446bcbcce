"""Loads the network that a request names."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamvideo.jobs.job import JobSettings
    from dreamvideo.models.look_networks import LookNetworks
    from dreamvideo.models.network import Network
    from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings

log = logging.getLogger(__name__)


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
    warn_of_unused_card(model)
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
    warn_of_unused_card(settings.model)
    return load_job_networks(settings)


def warn_of_unused_card(model: ModelSettings) -> None:
    """Warn if the device was left to the program, and the CPU dreams beside a card by NVIDIA.

    Args:
        model: which device was asked for.
    """
    from dreamvideo.devices import auto_device
    from dreamvideo.info.checkup import has_nvidia_card

    device, gap = auto_device() if model.device == "auto" else (None, None)
    if device is not None and device.type == "cpu" and gap is None and has_nvidia_card():
        log.warning("dreaming on the CPU: torch does not use the NVIDIA card of this machine; type dreamvideo doctor")
