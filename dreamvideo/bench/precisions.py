"""Which arithmetics a device has, and calls made under one of them, whatever was loaded last."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator
from typing import TypeVar

import torch

from dreamvideo.devices import has_fast_bf16
from dreamvideo.settings.dream import ModelSettings

T = TypeVar("T")

# Others say nothing of it, and what torch then does on CUDA is to round the numbers of convolutions to tf32.
BASELINE_PRECISIONS = "tf32"


def precisions_of(device: torch.device) -> tuple[str, ...]:
    """Those that a network can be loaded in and that are arithmetic of the hardware."""
    field = next(field for field in dataclasses.fields(ModelSettings) if field.name == "precision")
    cuda = device.type == "cuda"
    newer = has_fast_bf16(device)  # on CUDA: Ampere or later, which have tf32 too
    there = {"fp32": True, "bf16": newer, "tf32": cuda and newer, "fp16": cuda}
    return tuple(name for name in field.metadata["choices"] if there.get(name, False))


def in_precision(precision: str, run: Callable[[], T], device: torch.device) -> Callable[[], T]:
    """`run`, with float32 rounded to tf32 or not as `precision` says: on CUDA that is a state of the whole process."""
    if device.type != "cuda":
        return run

    def inside() -> T:
        with tf32(precision == "tf32"):
            return run()

    return inside


@contextlib.contextmanager
def tf32(allowed: bool) -> Generator[None, None, None]:
    """Float32 on CUDA rounded to tf32 or not; as it was afterwards."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
