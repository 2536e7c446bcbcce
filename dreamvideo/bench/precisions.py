"""Which precisions a device has in hardware, and calls that run in one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeVar

import torch

from dreamvideo.devices import has_fast_bf16, tf32_products
from dreamvideo.settings.dream import ModelSettings
from dreamvideo.settings.option import option_choices

Precision = Literal["fp32", "tf32", "bf16", "fp16"]

T = TypeVar("T")

# The baselines set no precision; PyTorch's default on CUDA is to round the factors of convolutions to TF32.
BASELINE_PRECISION: Final = "tf32"


def precisions_of(device: torch.device) -> tuple[Precision, ...]:
    """Return the precisions that a network can be loaded in and that the hardware of `device` computes in."""
    cuda = device.type == "cuda"
    newer = has_fast_bf16(device)  # on CUDA: Ampere or later, which have TF32 too
    available = {"fp32": True, "bf16": newer, "tf32": cuda and newer, "fp16": cuda}
    return tuple(name for name in option_choices(ModelSettings)["precision"] if available.get(name, False))


def in_precision(precision: str, run: Callable[[], T], device: torch.device) -> Callable[[], T]:
    """Wrap `run` so that it rounds float32 to TF32 if and only if `precision` is "tf32".

    Args:
        precision: name of a precision, as in `ModelSettings`.
        run: function to wrap; returned unchanged unless `device` is a CUDA device.
        device: where it runs.
    """
    if device.type != "cuda":
        return run

    def run_in_precision() -> T:
        with tf32_products(precision == "tf32"):
            return run()

    return run_in_precision
