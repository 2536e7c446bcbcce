"""`media.tonemap` on tensors of any device: the same curves and constants, held together by a test."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from dreamvideo.media.tonemap import BT2020_LUMA, BT2020_TO_BT709, GAMMA, HLG, KNEE, LIGHT, PEAK, WHITE_LIGHT


def tone_map_tensor(signal: Tensor, transfer: int, wide: bool = True) -> Tensor:
    """Tone-map an image, see `media.tonemap.tone_map`.

    Args:
        signal: (3, H, W) RGB as PQ or HLG code values, 0 to 65535.
        transfer: PQ or HLG.
        wide: whether the primaries are those of BT.2020; else BT.709.

    Returns:
        (3, H, W) float32 RGB in [0, 1], with BT.709 primaries and a gamma of 2.2.
    """
    light = _light(transfer, signal.device)[signal.round().clamp(0, 65535).int()]
    if transfer == HLG:
        luma = sum(weight * channel for weight, channel in zip(BT2020_LUMA[0].tolist(), light, strict=True))
        light = light * (luma**0.2 * (1000 / WHITE_LIGHT))
    if wide:
        red, green, blue = light
        light = torch.stack([a * red + b * green + c * blue for a, b, c in BT2020_TO_BT709.tolist()])
    light = light.clamp(min=0)
    brightest = light.amax(0)
    light = light * (_compressed(brightest) / brightest.clamp(min=1e-6))
    return light.clamp(0, 1) ** (1 / GAMMA)


@cache
def _light(transfer: int, device: torch.device) -> Tensor:
    return torch.from_numpy(LIGHT[transfer]).to(device)


def _compressed(light: Tensor) -> Tensor:
    headroom = 1 - KNEE
    above = (light - KNEE).clamp(min=0) / headroom
    peak = (PEAK - KNEE) / headroom
    return light.clamp(max=KNEE) + headroom * above * (1 + above / peak**2) / (1 + above)
