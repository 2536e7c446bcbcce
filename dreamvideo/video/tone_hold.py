"""Holds the tone of a dream over any number of frames: how strong it is at each size of detail, and its mean color.

A feedback loop multiplies: what a frame loses or gains by one percent is gone or burnt after some hundred. So the
energies of the bands of a Laplacian pyramid (Burt, Adelson 1983), of lightness and of color apart, are brought back
towards those of the first dream by a gain near 1 for each band. Sharpness is the finest band.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dreamvideo.tensors import enlarge, resize

BANDS = 5  # each twice as coarse as the one before
CHANGE = 0.1  # the most that the gain of a band differs from 1 in a frame; by measurement, a zoom of 1.5/s needs 0.06
STEEPNESS = 1.5  # exponent of the gain over what a band lacks; from 2 on it would swing from frame to frame
MEAN_PULL = 0.04  # share of the difference in mean color that a frame brings back
FINEST = 0.88  # of the energy of the finest band of a still photo: what a moving picture keeps, by measurement
UNBLURRED = 0.3  # share of its gain that the finest band gets where resampling did not blur


@dataclass(frozen=True, slots=True)
class Tone:
    """The tone of an image."""

    energies: Tensor  # (BANDS, 2) deviation of lightness and of color in each band, finest first
    mean: Tensor  # (1, 3, 1, 1)


def measure_tone(image: Tensor) -> Tone:
    """Return the tone that later images are to have.

    Args:
        image: (1, 3, H, W), the first.
    """
    bands, _ = _split(image)
    energies = torch.stack([_energy(band) for band in bands])
    energies[0] *= FINEST
    return Tone(energies, image.mean((2, 3), keepdim=True))


def hold_tone(image: Tensor, tone: Tone, blurred: Tensor) -> Tensor:
    """Bring an image a little nearer to a tone.

    Args:
        image: (1, 3, H, W) in [0, 1].
        tone: to be held.
        blurred: (1, 1, H, W) in [0, 1], how much the last resampling blurred each place. Where it did not, fine detail
            is not strengthened: it would grow there, frame after frame, at the cost of all other places.

    Returns:
        (1, 3, H, W) in [0, 1].
    """
    bands, rest = _split(image)
    held, still = rest, torch.ones_like(blurred)
    for band, energy in zip(reversed(bands), reversed(tone.energies), strict=True):
        gains = (energy / _energy(band).clamp(min=1e-6)) ** STEEPNESS
        gains = gains.clamp(1 - CHANGE, 1 + CHANGE).view(2, 1, 1, 1)
        if band.shape[2:] == blurred.shape[2:]:
            gains = torch.where(gains > 1, 1 + (gains - 1) * torch.lerp(UNBLURRED * still, still, blurred), gains)
        light_gain, color_gain = gains
        light = band.mean(1, keepdim=True)
        if held.shape != band.shape:
            held = enlarge(held, (band.shape[2], band.shape[3]))
        held = held + light * light_gain + (band - light) * color_gain
    missing = tone.mean - image.mean((2, 3), keepdim=True)
    return (held + MEAN_PULL * missing).clamp(0, 1)


def _split(image: Tensor) -> tuple[list[Tensor], Tensor]:
    """Bands, finest first, and what is coarser."""
    bands = []
    for _ in range(BANDS):
        height, width = image.shape[2:]
        small = resize(image, (max(1, height // 2), max(1, width // 2)))
        bands.append(image - enlarge(small, (height, width)))
        image = small
    return bands, image


def _energy(band: Tensor) -> Tensor:
    """(2,) deviation of the lightness and of the color of a band."""
    light = band.mean(1, keepdim=True)
    return torch.stack([light.square().mean(), (band - light).square().mean()]).sqrt()
