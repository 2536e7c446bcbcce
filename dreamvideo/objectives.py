"""What is ascended: one score per image, from the activations of the chosen layers.

`l2` is the objective of Mordvintsev, Olah, Tyka 2015, the mean square of a layer. Its logarithm is taken here: the
direction of the gradient of one layer is the same, several layers weigh alike whatever the size of their activations,
and a ratio of strengths is a difference of scores.

`log` averages the logarithm of the local energy instead, S(x) = sum over channels of (activation / divisor)^2, so that
flat sky and blurred ground dream too and strong places do not eat everything. The divisors balance the channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

Features = Callable[[Tensor], Mapping[str, Tensor]]  # (B, 3, H, W) RGB in [0, 1] -> layer name -> (B, C, h, w)

# Share of the mean local energy that is added to it before the logarithm, so that an empty place has no infinite
# pull; chosen by eye.
FLOOR = 0.15


@dataclass(frozen=True)
class Objective:
    """A network and what of it is raised; calling it scores images."""

    features: Features
    layers: tuple[tuple[str, float], ...]  # (name, weight)
    kind: str = "log"
    divisors: Mapping[str, Tensor] = field(default_factory=dict)  # layer name -> (C,) float32

    def __call__(self, images: Tensor) -> Tensor:
        """Score per image; raising it by 1 multiplies the energy of a layer of weight 1 by e.

        Args:
            images: (B, 3, H, W) RGB in [0, 1].

        Returns:
            (B,) float32.
        """
        activations = self.features(images)
        score = torch.zeros(len(images), device=images.device)
        for name, weight in self.layers:
            score = score + weight * layer_score(activations[name], self.kind, self.divisors.get(name))
        return score


def layer_score(activation: Tensor, kind: str, divisor: Tensor | None = None) -> Tensor:
    """Score of one layer, per image.

    Args:
        activation: (B, C, h, w), any float type.
        kind: "l2" or "log".
        divisor: (C,) what each channel is divided by; None: 1.

    Returns:
        (B,) float32.
    """
    if activation.dtype == torch.float16:
        activation = activation.float()  # whose squares fp16 cannot hold
    tiny = 1e-12  # a black image must score low, not minus infinity
    if divisor is not None:
        activation = activation / divisor.to(activation)[:, None, None]
    if kind == "l2":
        return (activation.float().square().mean((1, 2, 3)) + tiny).log()
    energy = activation.square().sum(1, dtype=torch.float32)  # (B, h, w)
    floor = FLOOR * energy.detach().mean((1, 2), keepdim=True) + tiny
    return (energy + floor).log().mean((1, 2))
