"""What one frame hands the next, as bytes that a later run can go on from, to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from safetensors.torch import load, save
from torch import Tensor

from dreamvideo.devices import fetch, upload
from dreamvideo.video.carry import Carry

NUMBERS = ("tick", "new")


def carry_to_bytes(carry: Carry) -> Callable[[], bytes]:
    """Waits for `carry`, on its way from the device when this returns, and gives it as a safetensors file."""
    tensors = {name: fetch(tensor.clone()) for name, tensor in _tensors(carry).items()}
    numbers = {name: torch.tensor(getattr(carry, name), dtype=torch.float64) for name in NUMBERS}
    return lambda: save({name: tensor().contiguous() for name, tensor in tensors.items()} | numbers)


def carry_from_bytes(state: bytes, device: torch.device) -> Carry:
    """The carry that `saved` made `state` of, on `device`."""
    tensors = load(state)
    numbers = {name: tensors.pop(name).item() for name in NUMBERS}
    moved = {name: upload(tensor, device) for name, tensor in tensors.items()}
    return Carry(**moved, tick=int(numbers["tick"]), new=numbers["new"])


def _tensors(carry: Carry) -> dict[str, Tensor]:
    named = {name: getattr(carry, name) for name in ("residual", "maturity", "strength", "goal", "mask")}
    return {name: tensor for name, tensor in named.items() if tensor is not None}
