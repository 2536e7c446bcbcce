"""Machines that this one pretends to be: nodes of a Ray cluster, for tests and benchmarks of several machines."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from dreamvideo.errors import ClusterError


@contextmanager
def pretended_machines(count: int, cores: int = 1) -> Generator[str, None, None]:
    """Start a Ray cluster of several nodes on this machine.

    Args:
        count: of nodes.
        cores: that each of them gives to workers.

    Yields:
        The address of the cluster, as for `--cluster`.

    Raises:
        ClusterError: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        raise ClusterError("several machines need Ray: pip install 'dreamvideo[cluster]'") from None
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cores, "include_dashboard": False})
    try:
        for _ in range(count - 1):
            cluster.add_node(num_cpus=cores)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
