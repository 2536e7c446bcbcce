"""Which arithmetics a device has, and calls made under one of them, whatever was loaded last."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from dreamvideo.devices import has_fast_bf16, tf32_products
from dreamvideo.settings.dream import ModelSettings
from dreamvideo.settings.option import option_choices

T = TypeVar("T")

# Others say nothing of it, and what torch then does on CUDA is to round the numbers of convolutions to tf32.
BASELINE_PRECISIONS = "tf32"


def precisions_of(device: torch.device) -> tuple[str, ...]:
    """Those that a network can be loaded in and that are arithmetic of the hardware."""
    cuda = device.type == "cuda"
    newer = has_fast_bf16(device)  # on CUDA: Ampere or later, which have tf32 too
    there = {"fp32": True, "bf16": newer, "tf32": cuda and newer, "fp16": cuda}
    return tuple(name for name in option_choices(ModelSettings)["precision"] if there.get(name, False))


def in_precision(precision: str, run: Callable[[], T], device: torch.device) -> Callable[[], T]:
    """`run`, with float32 rounded to tf32 or not as `precision` says: on CUDA that is a state of the whole process."""
    if device.type != "cuda":
        return run

    def inside() -> T:
        with tf32_products(precision == "tf32"):
            return run()

    return inside
