"""Loads trained weights from one file: the network, the names of its classes, and the scale of each channel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dreamvideo.errors import ModelError, WeightsError
from dreamvideo.models.dreamnet.net import BLOCKS, GROUPS_NODE, DreamNet, group_node

DRAWN: Final = Path(__file__).with_name("dreamnet_drawn.safetensors")  # what drawings taught: classes
PHOTO: Final = Path(__file__).with_name("dreamnet_photo.safetensors")  # what photographs taught: groups
FORMAT: Final = "dreamnet3"

_STATISTICS: Final = ("rms.", "divisor.", "color.")


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network, frozen, and its statistics."""

    net: DreamNet  # folded, evaluation mode, no gradients to its parameters
    classes: tuple[str, ...]  # in the order of the logits
    divisors: dict[str, Tensor]  # node -> (C,) by which its channels are divided, so that all weigh alike in a dream
    rms: dict[str, Tensor]  # node -> (C,) root mean square of its channels on the training images


def plain_divisor(rms: Tensor) -> Tensor:
    """Compute the divisors of a node.

    The floor, a quarter of the mean, keeps channels that hardly respond from being amplified without limit.

    Args:
        rms: (C,) root mean square of its channels.

    Returns:
        (C,).
    """
    return rms + 0.25 * rms.mean()


def load_dreamnet(path: str | Path = DRAWN) -> Trained:
    """Load trained weights.

    Args:
        path: a .safetensors file.

    Raises:
        WeightsError: the file is missing, or is not a safetensors file.
        ModelError: the file holds something else than a DreamNet.
    """
    path = Path(path)
    tensors, metadata = _read(path)
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"{path}: got format {metadata.get('format')!r}, expected {FORMAT!r}: these are not weights of a DreamNet"
        )
    try:
        classes = tuple(str(name) for name in json.loads(metadata["classes"]))
        net = DreamNet(len(classes), json.loads(metadata.get("groups", "[]")))
        net.load_state_dict({k: v.float() for k, v in tensors.items() if not k.startswith(_STATISTICS)})
        rms = {name: tensors[f"rms.{name}"] for name in (*BLOCKS, *([GROUPS_NODE] if net.group_names else []))}
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"{path}: not the weights of a DreamNet: {str(error).splitlines()[0]}") from error
    divisors = {name: tensors.get(f"divisor.{name}", plain_divisor(rms[name])) for name in rms}
    for name in net.group_names:
        divisors[group_node(name)] = divisors[GROUPS_NODE][list(net.group_channels(name))]
    return Trained(net.eval().requires_grad_(False), classes, divisors, rms)


def _read(path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            return {key: torch.as_tensor(file.get_tensor(key)) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot read weights ({error}); expected a .safetensors file") from error
