"""Mixed objectives: several objectives, of one network or of several, with shares that change from frame to frame.

The score is the sum of those of the parts, each times its share. So a picture goes from one look to another by
gradients that go from one to the other. The shares are data: a recorded graph reads them where they lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dreamvideo.models.objectives import Features, Objective
from dreamvideo.tensors import place, upload


@dataclass(frozen=True)
class MixedObjective(Objective):
    """Objectives that are raised together, see `mix_objectives`.

    Attributes:
        parts: what is raised; each with the number of its network among those of the parts.
        shares: (parts,) float32, changed in place by `weigh`.
    """

    parts: tuple[tuple[int, Objective], ...] = ()
    shares: Tensor = torch.zeros(0)

    def weigh(self, shares: Sequence[float]) -> None:
        """Set the shares.

        Args:
            shares: of the parts, in their order.
        """
        self.shares.copy_(upload(torch.tensor(shares, dtype=torch.float32), self.shares.device))

    def score_activations(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Score images by their activations.

        Args:
            activations: name of a layer after the number of its network -> (B, C, h, w) or (B, C).

        Returns:
            (B,) float32.
        """
        scores = []
        for number, objective in self.parts:
            own = {name: activations[_numbered(number, name)] for name in objective.layers}
            scores.append(objective.score_activations(own))
        return (torch.stack(scores) * self.shares[:, None]).sum(0)


def mix_objectives(objectives: Sequence[Objective], device: torch.device) -> MixedObjective:
    """Put objectives together.

    Args:
        objectives: those that share their `features` are computed by one pass.
        device: where they are.
    """
    networks = list({id(each.features): each.features for each in objectives}.values())
    numbers = [next(n for n, network in enumerate(networks) if network is each.features) for each in objectives]
    parts = tuple(zip(numbers, objectives, strict=True))
    terms = tuple(replace(term, layer=_numbered(number, term.layer)) for number, each in parts for term in each.terms)
    return MixedObjective(
        _together(networks),
        terms,
        tf32=objectives[0].tf32,
        parts=parts,
        shares=place(torch.full((len(parts),), 1 / len(parts)), device),
    )


def _together(networks: Sequence[Features]) -> Features:
    def features(images: Tensor) -> Mapping[str, Tensor]:
        outputs = [network(images) for network in networks]
        return {_numbered(n, name): tensor for n, output in enumerate(outputs) for name, tensor in output.items()}

    return features


def _numbered(number: int, layer: str) -> str:
    return f"{number}.{layer}"
