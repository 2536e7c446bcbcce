"""A carry as bytes, from which a later run resumes bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from safetensors.torch import load, save

from dreamvideo.tensors import fetch, upload
from dreamvideo.video.carry import Carry
from dreamvideo.video.ground import Ground

TENSORS = ("residual", "age", "strength", "target_score", "mask", "copy")
GROUND = ("source", "residual", "weight", "covered")
NUMBERS = ("frame_index", "unseen", "visible")


def carry_to_bytes(carry: Carry) -> Callable[[], bytes]:
    """Start fetching a carry from its device.

    Args:
        carry: may change afterwards.

    Returns:
        A function that waits for it and returns a safetensors file.
    """
    present = {name: getattr(carry, name) for name in TENSORS}
    if carry.ground is not None:
        present |= {f"ground.{name}": getattr(carry.ground, name) for name in GROUND}
    tensors = {name: fetch(tensor.clone()) for name, tensor in present.items() if tensor is not None}
    numbers = {name: torch.tensor(getattr(carry, name), dtype=torch.float64) for name in NUMBERS}
    return lambda: save({name: wait().contiguous() for name, wait in tensors.items()} | numbers)


def carry_from_bytes(content: bytes, device: torch.device) -> Carry:
    """Load a carry.

    Args:
        content: what `carry_to_bytes` returned.
        device: where it goes.
    """
    tensors = load(content)
    numbers = {name: tensors.pop(name).item() for name in NUMBERS}
    copy = tensors.pop("copy", None)  # stays on the CPU
    uploaded = {name: upload(tensor, device) for name, tensor in tensors.items()}
    ground = None
    if "ground.source" in uploaded:
        ground = Ground(*(uploaded[f"ground.{name}"] for name in GROUND))
    frame_index, unseen, visible = (numbers[name] for name in NUMBERS)
    residual, age, strength, target_score = (uploaded[name] for name in TENSORS[:4])
    return Carry(
        residual,
        age,
        strength,
        target_score,
        int(frame_index),
        unseen,
        uploaded.get("mask"),
        copy,
        visible,
        ground=ground,
    )
