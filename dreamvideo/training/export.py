"""Writes the weights file: a trained, folded network with its channel statistics and the history of its training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file
from torch import Tensor

from dreamvideo.errors import OutputError
from dreamvideo.models.dreamnet.net import STRIDES, DreamNet, Inception
from dreamvideo.models.dreamnet.trained import FORMAT

_DESCRIPTION: Final = {
    "format": FORMAT,
    "input": "(rgb01 - 0.5) * 4, NCHW; every conv = conv + bias + ReLU (batch-norm folded)",
    "rms": "per-channel RMS of the node output on renders; whitening divisor = rms + 0.25 * mean(rms)",
    "divisor": "recommended whitening divisor: (rms + 0.25 mean rms) x (energy share in own dreams)^0.35",
    "training_data": "procedural renders only",
    "strides": json.dumps(STRIDES),
}


def export(
    path: Path,
    net: DreamNet,
    classes: Sequence[str],
    rms: Mapping[str, Tensor],
    divisors: Mapping[str, Tensor],
    history: Mapping[str, object],
) -> None:
    """Write a folded network as half-precision safetensors, which `load_dreamnet` reads.

    Args:
        path: of the file; an existing one is overwritten.
        net: folded.
        classes: in the order of the logits.
        rms: node -> (C,), from `channel_rms`.
        divisors: node -> (C,), from `balanced_divisors`; may leave out nodes.
        history: further metadata, serializable as JSON: recipe, accuracy, version.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {name: value.detach().half() for name, value in net.state_dict().items()}
    tensors |= {f"rms.{name}": value.float() for name, value in rms.items()}
    tensors |= {f"divisor.{name}": value.float() for name, value in divisors.items()}
    splits = {name: module.splits for name, module in net.named_children() if isinstance(module, Inception)}
    metadata = dict(_DESCRIPTION, classes=json.dumps(list(classes)), splits=json.dumps(splits))
    if net.group_names:
        metadata["groups"] = json.dumps(list(net.group_names))
    metadata |= {name: value if isinstance(value, str) else json.dumps(value) for name, value in history.items()}
    try:
        save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, path, metadata)
    except OSError as error:
        raise OutputError(f"{path}: cannot write the weights ({error})") from error


def outputs_match(first: DreamNet, second: DreamNet, tolerance: float = 5e-3) -> bool:
    """Compare two networks at every node, on noise.

    Args:
        first, second: of the same shape.
        tolerance: largest difference, as a fraction of the largest activation of the node.

    Returns:
        Whether all nodes agree.
    """
    device = first.device
    noise = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad():
        expected, actual = first.features(noise), second.to(device).features(noise)
    return all(
        float((expected[name] - actual[name]).abs().max() / expected[name].abs().max()) < tolerance for name in expected
    )
