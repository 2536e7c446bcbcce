"""The numbers of a step as data: a recorded graph reads them where they lie, so that a change is not recorded anew.

Whether a number is zero, and the sign of `color`, decide which operations there are; those are part of the recording.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import upload

Number: TypeAlias = "float | Tensor"  # a tensor has no dimensions


class StepNumbers(NamedTuple):
    """Fields of `DreamSettings` whose values steps are computed with, by their names."""

    step_size: Number
    color: Number
    headroom: Number
    anchor: Number
    noise: Number
    tv: Number


COLOR, HEADROOM, ANCHOR = (StepNumbers._fields.index(name) for name in ("color", "headroom", "anchor"))  # in the data


def step_numbers(settings: DreamSettings, data: Tensor | None) -> StepNumbers:
    """Return the numbers of a look.

    Args:
        settings: the look.
        data: as of `numbers_data`; None: the numbers are those of the settings.
    """
    if data is None:
        return StepNumbers(*_values(settings))
    return StepNumbers(*data.unbind())


def numbers_data(settings: DreamSettings, device: torch.device) -> Tensor:
    """Return the numbers of a look as (6,) float32, on their way to a device.

    Args:
        settings: the look.
        device: where they are read.
    """
    return upload(torch.tensor(_values(settings)), device)


@functools.lru_cache(256)
def without_numbers(settings: DreamSettings) -> DreamSettings:
    """Return settings with the same operations as these, whatever their numbers are.

    Args:
        settings: a look.
    """
    plain = DreamSettings()
    return replace(
        settings,
        step_size=1.0,
        color=-1.0 if settings.color < 0 else plain.color,
        headroom=plain.headroom if settings.headroom else 0.0,
        anchor=plain.anchor if settings.anchor else 0.0,
        noise=1.0 if settings.noise else 0.0,
        tv=1.0 if settings.tv else 0.0,
    )


def _values(settings: DreamSettings) -> tuple[float, ...]:
    return tuple(getattr(settings, name) for name in StepNumbers._fields)
