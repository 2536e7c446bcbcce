"""Odds of classes over a map of logits, and the focus that they give to other layers, see `objectives`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.kernels.library import fused_on
from dreamvideo.models.gpu_engine.energy import log_odds_of
from dreamvideo.tensors import place
from dreamvideo.torch_state import plain_torch

TEMPERATURE = 2.0  # of class odds: above 1, a place moves towards all likely classes, not the likeliest alone

MOST_CLASSES = 4096  # of which one kernel holds a place's

FOCUS = 0.7  # exponent of the probability of classes at weight 1; chosen by eye


def class_log_odds(logits: Tensor, picks: Sequence[int]) -> Tensor:
    """(B, h, w) logarithm of the odds of the classes `picks` against all others.

    Args:
        logits: (B, classes, h, w).
        picks: class numbers; empty: all but the first, which is the background.
    """
    raised = tuple(picks) or tuple(range(1, logits.shape[1]))
    others = tuple(sorted(set(range(logits.shape[1])) - set(raised)))
    if raised and others and logits.shape[1] <= MOST_CLASSES and fused_on(logits.device):
        return log_odds_of(logits, _chosen(raised, logits.shape[1], logits.device), TEMPERATURE)
    logits = logits.float() / TEMPERATURE
    chosen, rest = (logits.index_select(1, pick_indices(p, logits.device)).logsumexp(1) for p in (raised, others))
    return TEMPERATURE * (chosen - rest)


def focus_map(focuses: Sequence[tuple[Tensor, Sequence[int], float]]) -> Tensor:
    """Return the logarithm of the factor by which a focus multiplies the fourth power of activations.

    Args:
        focuses: (B, classes, h, w) logits, class numbers and a weight, each. At every place the likeliest counts, its
            probability first multiplied by its weight over the largest, which times `FOCUS` is the exponent of the
            probability. Those of negative weight multiply by the probability of all other classes.

    Returns:
        (B, 1, h, w) float32.
    """
    odds = [(class_log_odds(logits, picks), weight) for logits, picks, weight in focuses]
    total = torch.zeros_like(odds[0][0])
    raised = [(each, weight) for each, weight in odds if weight > 0]
    if raised:
        largest = max(weight for _, weight in raised)
        likely = [F.logsigmoid(each) + math.log(weight / largest) for each, weight in raised]
        total = largest * torch.stack(likely).amax(0)
    for each, weight in odds:
        if weight < 0:
            total = total - weight * F.logsigmoid(-each)
    return FOCUS * total[:, None]


def focused(activation: Tensor, focus: Tensor) -> Tensor:
    """Multiply (B, C, h, w) activations by a focus, see `focus_map`, of any size; float32."""
    if focus.shape[2:] != activation.shape[2:]:
        # By matrices: the gradient of `F.interpolate` is added up in another order each time, on CUDA.
        down, across = (
            _interpolation(*lengths, focus.device)
            for lengths in zip(focus.shape[2:], activation.shape[2:], strict=True)
        )
        focus = down @ (focus @ across.T)
    return activation.float() * (focus / 4).exp()


@cache  # forever, see `pick_indices`
@plain_torch()
def _interpolation(length: int, other: int, device: torch.device) -> Tensor:
    """(other, length) matrix that resizes one side bilinearly."""
    units = torch.eye(length).view(length, 1, length, 1)
    return place(F.interpolate(units, (other, 1), mode="bilinear")[:, 0, :, 0].T.contiguous(), device)


@cache  # forever, see `pick_indices`
def _chosen(picks: tuple[int, ...], count: int, device: torch.device) -> Tensor:
    """(count,) float32, 1 at `picks`, else 0."""
    return place(torch.zeros(count).index_fill(0, torch.tensor(picks), 1), device)


@cache  # forever: a recorded graph points to those that it was recorded with
def pick_indices(picks: tuple[int, ...], device: torch.device) -> Tensor:
    """(N,) int64 tensor of `picks`."""
    return place(torch.tensor(picks), device)
