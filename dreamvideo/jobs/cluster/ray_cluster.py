"""The Ray cluster that workers run on: which devices it can give to them, and the connection to it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from dreamvideo.errors import ClusterError, SettingsError, first_line


def check_cluster_device(device: str) -> None:
    """Check that workers can have a device: Ray gives each a GPU, which is the only one that it sees.

    Args:
        device: as in `ModelSettings`.

    Raises:
        SettingsError: it is one of several GPUs, or one that Ray does not know; the message says what to type.
    """
    if device == "mps":
        raise SettingsError("--device mps with --cluster: Ray distributes no Metal devices; expected --device cpu")
    kind, _, index = device.partition(":")
    if kind == "cuda" and index:
        raise SettingsError(
            f"--device {device} with --cluster: each worker has a GPU of its own; expected --device cuda, with "
            f"CUDA_VISIBLE_DEVICES={index} in front of this command (or of `ray start`) for that GPU alone"
        )


@contextmanager
def connect_ray(address: str) -> Generator[Any, None, None]:
    """Connect to a Ray cluster.

    Args:
        address: as for `ray.init`; `local` starts a cluster of this machine alone, which ends with the block.

    Yields:
        The module `ray`.

    Raises:
        ClusterError: Ray is not installed, or the cluster cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise ClusterError("--cluster needs Ray: pip install 'dreamvideo[cluster]'") from None
    logging.getLogger("ray").setLevel(logging.WARNING)  # such as of a cluster that anyone who reaches it may use
    _check_address(address)
    on_term = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            include_dashboard=None if address != "local" else False,
            log_to_driver=False,
            logging_level=logging.WARNING,
            configure_logging=False,
            **({} if "://" in address else {"job_config": _own_path_job()}),
        )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise _unreachable(address, error) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_term)  # Ray has replaced the handler
    try:
        yield ray
    finally:
        ray.shutdown()


def _own_path_job() -> Any:
    """Return the configuration of a Ray job whose workers do not import from the current folder of this process.

    By itself Ray puts that folder in front of their import path, so that a file such as cv2.py in it would be executed.
    It does not for jobs that a server of its clients started; nothing else depends on this mark, which has no public
    name.
    """
    from ray.job_config import JobConfig

    config = JobConfig()
    config._client_job = True
    return config


def _check_address(address: str) -> None:
    """Raise a ClusterError at once if nothing listens at HOST:PORT; Ray would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():
        return  # a word, such as auto
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str, error: Exception) -> ClusterError:
    return ClusterError(
        f"--cluster {address}: no Ray cluster can be reached there ({first_line(error)}); expected auto, local or "
        f"HOST:PORT of a running one"
    )
