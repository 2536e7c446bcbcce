"""Objectives: the score of an image, a weighted sum of terms over the activations of some layers.

`l2` is the objective of Mordvintsev, Olah, Tyka 2015, the mean square of a layer. Its logarithm is taken here: the
direction of the gradient of one layer is the same, several layers weigh alike whatever the size of their activations,
and a ratio of energies is a difference of scores. `mean` and `sum` are plain, as other programs ascend them.

`log` averages the logarithm of the local energy instead, S(x) = sum over channels of (activation / divisor)^2, so that
flat sky and blurred ground dream too and strong places do not eat everything. The divisors balance the channels.

`l4` averages the logarithm of the mean fourth power over overlapping windows. What responds strongly counts for far
more than what responds a little, so that in each window one thing grows whole and the ground around it stays calm,
where `l2` crowds an image with parts of things. Half of it is taken, so that a difference of scores is a ratio of
energies, too.

`rivals` is of the maps of dreamnet's groups: in each window it raises the group that is strongest there, by its mean
square. So every place becomes what it resembles most, where `l2` would raise all groups everywhere.

`mix` raises other channels at every place, so that one image holds many motifs.

`class` raises, at every place of a map of logits, the odds of some classes against all others. `focus` has no score of
its own: it multiplies what the other terms respond to, place by place, by the probability of some classes. So shapes
are drawn by a layer whose gradients are clean, where and as the classes want them; the gradients of logits alone are
noise for the most part.

`guide` is the guided dream of the 2015 notebook: every place moves towards the feature of the guide that it is most
similar to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.devices import tf32_products
from dreamvideo.kernels.library import fused_on
from dreamvideo.models.class_odds import class_log_odds, focus_map, focused, pick_indices
from dreamvideo.models.dreamnet.net import GROUP_CHANNELS
from dreamvideo.models.gpu_engine.energy import energy_of
from dreamvideo.models.mixed_channels import TINY, mixed_energy
from dreamvideo.torch_state import plain_torch

Features = Callable[[Tensor], Mapping[str, Tensor]]  # (B, 3, H, W) RGB in [0, 1] -> layer name -> (B, C, h, w)

# Share of the mean local energy that is added before the logarithm, so that an empty place has no infinite gradient;
# chosen by eye.
FLOOR = 0.15

WINDOW = 8  # places a side of the windows of `l4`; chosen by eye
RIVAL_WINDOW = 5  # places a side of the windows of `rivals`; chosen by eye

# Largest factors on gradients that do not become smaller as the image grows: of logits of the whole image, which may be
# pooled over it, and of one place.
CLASS_GAIN, NEURON_GAIN = 2.0**8, 2.0**4

PRODUCTS = 1 << 24  # dot products with a guide that are in memory at once: 64 MB

LAYER_KINDS = ("log", "l2", "l4", "mean", "sum", "mix")  # of any layer; `rivals` is of maps of things alone
CLASS_KINDS = ("class", "focus")  # those of a layer of logits
DIVIDED_KINDS = ("log", "l2", "l4", "mix", "rivals")  # those that balance the channels


@dataclass(frozen=True, slots=True)
class Term:
    """One part of an objective: what is raised, or with a negative weight lowered."""

    layer: str  # name of a node of the network
    weight: float = 1.0
    kind: str = "l2"  # of `LAYER_KINDS`, or "rivals", "class", "focus", "guide"
    picks: tuple[int, ...] = ()  # channels, or for `class` and `focus` class numbers; empty: all
    center: bool = False  # only the place in the middle: a neuron instead of a channel


@dataclass(frozen=True)
class Objective:
    """A network and the terms that are raised; calling it scores images.

    Attributes:
        features: the network, cut off after the layers of the terms.
        terms: what is raised.
        divisors: layer name -> (C,) float32 by which its channels are divided, see `term_score`; missing: 1.
        guides: layer name -> (C, N) features of the N places of a guide, for terms of the kind "guide".
        tf32: whether float32 products are rounded to TF32 on CUDA while it runs, see `devices.tf32_products`; None: as
            the process is set.
    """

    features: Features
    terms: tuple[Term, ...]
    divisors: Mapping[str, Tensor] = field(default_factory=dict)
    guides: Mapping[str, Tensor] = field(default_factory=dict)
    tf32: bool | None = None

    @plain_torch()
    def __call__(self, images: Tensor) -> Tensor:
        """Score images. A score higher by 1 means e times the energy of a `log` or `l2` layer of weight 1.

        Args:
            images: (B, 3, H, W) RGB in [0, 1], on the network's device.

        Returns:
            (B,) float32, differentiable with respect to the images.
        """
        with tf32_products(self.tf32):
            return self.score_activations(self.features(images))

    def score_activations(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Score images by their activations.

        Args:
            activations: layer name -> (B, C, h, w) or (B, C), for every layer of the terms.

        Returns:
            (B,) float32.
        """
        first = next(iter(activations.values()))
        score: Tensor | None = None
        focuses = [
            (as_map(activations[term.layer]), term.picks, term.weight) for term in self.terms if term.kind == "focus"
        ]
        focus = focus_map(focuses) if focuses else None
        for term in self.terms:
            if term.kind == "focus":
                continue
            name, activation = term.layer, as_map(activations[term.layer])
            if focus is not None:
                activation = focused(activation, focus)
            raised = term_score(activation, term, self.divisors.get(name), self.guides.get(name))
            raised = raised if term.weight == 1 else term.weight * raised
            score = raised if score is None else score + raised
        return torch.zeros(len(first), device=first.device) if score is None else score

    @property
    def logarithmic(self) -> bool:
        """Whether a difference of scores is a ratio of energies, so that a controller can hold the score."""
        return all(term.kind in (*DIVIDED_KINDS, *CLASS_KINDS) for term in self.terms)

    @property
    def largest_gain(self) -> float:
        """The largest factor on the gradient with which float16 holds it: inf where all terms are means over places."""
        return min((_largest_gain(term) for term in self.terms), default=math.inf)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the terms, each once."""
        return tuple(dict.fromkeys(term.layer for term in self.terms))


def term_score(activation: Tensor, term: Term, divisor: Tensor | None = None, guide: Tensor | None = None) -> Tensor:
    """Score images by one term, without its weight.

    Args:
        activation: (B, C, h, w) or (B, C) of the term's layer, any float type.
        term: what is scored.
        divisor: (C,) by which the channels of `DIVIDED_KINDS` are divided; None: 1.
        guide: (C, N) features of the guide, for the kind "guide".

    Returns:
        (B,) float32.
    """
    activation = as_map(activation)
    if term.kind in ENERGIES and not (term.picks or term.center) and fused_on(activation.device):
        power, score_of_energy = ENERGIES[term.kind]
        return score_of_energy(energy_of(activation, divisor, power), activation.shape[1])
    if activation.dtype == torch.float16:
        activation = activation.float()  # fp16 cannot hold its squares
    if term.center:
        h, w = activation.shape[2:]
        activation = activation[:, :, h // 2 : h // 2 + 1, w // 2 : w // 2 + 1]
    if term.kind == "class":
        return class_log_odds(activation, term.picks).mean((1, 2))
    if term.kind == "guide":
        assert guide is not None
        # Relative to the score of the guide itself, about. asinh is the logarithm of large values, for either sign.
        return torch.asinh(guide_similarity(activation, guide) / (guide.square().sum(0).mean() + TINY))
    if divisor is not None and term.kind in DIVIDED_KINDS:
        activation = activation / divisor.to(activation)[:, None, None]
    if term.kind == "mix":
        return mixed_energy(activation)
    if term.picks:
        activation = activation.index_select(1, pick_indices(term.picks, activation.device))
    return SCORES[term.kind](activation)


def _largest_gain(term: Term) -> float:
    if term.kind == "sum":
        return 1.0
    return NEURON_GAIN if term.center else CLASS_GAIN if term.kind == "class" else math.inf


def as_map(activation: Tensor) -> Tensor:
    """(B, C) or (B, C, h, w) -> (B, C, h, w)."""
    return activation[:, :, None, None] if activation.ndim == 2 else activation


def log_mean_square(activation: Tensor) -> Tensor:
    """Score images by the logarithm of the mean square of a layer.

    Args:
        activation: (B, C, h, w).

    Returns:
        (B,) float32.
    """
    return (activation.float().square().mean((1, 2, 3)) + TINY).log()


def log_window_power(activation: Tensor) -> Tensor:
    """(B,) half the mean over windows of the logarithm of the mean fourth power of (B, C, h, w) in each."""
    return window_score(activation.float().square().square().mean(1, keepdim=True))


def window_score(power: Tensor) -> Tensor:
    """(B,) half the mean over windows of the logarithm of the mean of (B, 1, h, w) in each."""
    side = min(WINDOW, *power.shape[2:])
    power = F.avg_pool2d(power, side, max(1, side // 2), ceil_mode=True, count_include_pad=False)
    floor = FLOOR * power.detach().mean((1, 2, 3), keepdim=True) + TINY
    return (power + floor).log().mean((1, 2, 3)) / 2


def log_local_energy(activation: Tensor) -> Tensor:
    """(B,) mean over places of the logarithm of the energy of (B, C, h, w) there."""
    return place_score(activation.square().sum(1, dtype=torch.float32))


def place_score(energy: Tensor) -> Tensor:
    """(B,) mean over places of the logarithm of (B, h, w) energy."""
    floor = FLOOR * energy.detach().mean((1, 2), keepdim=True) + TINY
    return (energy + floor).log().mean((1, 2))


def _fused_place_score(energy: Tensor) -> Tensor:
    """`place_score` by fewer operations, which round otherwise."""
    floored = energy.add(energy.detach().mean((1, 2), keepdim=True), alpha=FLOOR)
    return (floored + TINY).log().mean((1, 2))


def log_rival_energy(activation: Tensor) -> Tensor:
    """(B,) mean over windows of the logarithm of the strongest thing's mean square.

    Args:
        activation: (B, C, h, w), `GROUP_CHANNELS` in turn for each thing.
    """
    energy = activation.float().square().unflatten(1, (-1, GROUP_CHANNELS)).mean(2)
    side = min(RIVAL_WINDOW, *energy.shape[2:])
    return place_score(F.avg_pool2d(energy, side, 1).amax(1))


def mean_activation(activation: Tensor) -> Tensor:
    """(B,) mean of (B, C, h, w)."""
    return activation.float().mean((1, 2, 3))


def total_activation(activation: Tensor) -> Tensor:
    """(B,) sum of (B, C, h, w)."""
    return activation.float().sum((1, 2, 3))


SCORES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "log": log_local_energy,
    "l2": log_mean_square,
    "l4": log_window_power,
    "mean": mean_activation,
    "sum": total_activation,
    "rivals": log_rival_energy,
}

# Kinds whose score is one of the energy of all channels at each place: its power, and the score of (B, h, w) sums of so
# many channels.
ENERGIES: Mapping[str, tuple[int, Callable[[Tensor, int], Tensor]]] = {
    "log": (2, lambda energy, channels: _fused_place_score(energy)),
    "l2": (2, lambda energy, channels: (energy.mean((1, 2)) / channels + TINY).log()),
    "l4": (4, lambda energy, channels: window_score(energy[:, None] / channels)),
}


def guide_similarity(activation: Tensor, guide: Tensor) -> Tensor:
    """(B,) mean over places of the largest dot product with a feature of the guide.

    Args:
        activation: (B, C, h, w).
        guide: (C, N).
    """
    places = activation.float().flatten(2).transpose(1, 2)  # (B, h w, C)
    guide = guide.to(places)
    with torch.no_grad():  # all products would be kept for the gradient, which needs the largest of each place only
        rows = max(1, PRODUCTS // guide.shape[1] // len(places))
        best = torch.cat([(some @ guide).argmax(2) for some in torch.split(places, rows, 1)], 1)  # (B, h w)
    return (places * guide.T[best]).sum(2).mean(1)
