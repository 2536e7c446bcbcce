"""The networks of several looks: those of one network that need the same layers share its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from torch import Tensor

from dreamvideo.models.mixed_objective import MixedObjective, mix_objectives
from dreamvideo.models.network import Network, check_picks, choose_terms, place_network
from dreamvideo.models.registry import find_model
from dreamvideo.settings.schedules import LookSettings
from dreamvideo.torch_state import plain_torch


class LookNetworks:
    """Networks by the number of their look, and mixtures of them.

    Args:
        networks: one for each look, on one device.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)
        self._mixtures: dict[tuple[int, ...], Network] = {}

    @property
    def main(self) -> Network:
        """The network of the first look."""
        return self._networks[0]

    def mixed(self, shares: Sequence[tuple[int, float]]) -> Network:
        """Return the network whose score is the sum of those of some looks, times their shares.

        Until the next call for the same looks, whose shares it then has.

        Args:
            shares: (number of the look, its share) of each, at least one.
        """
        numbers = tuple(number for number, _ in shares)
        if len(numbers) == 1:
            return self._networks[numbers[0]]
        if numbers not in self._mixtures:
            scores = [self._networks[number].score for number in numbers]
            self._mixtures[numbers] = replace(self.main, score=mix_objectives(scores, self.main.device))
        network = self._mixtures[numbers]
        assert isinstance(network.score, MixedObjective)
        network.score.weigh([share for _, share in shares])
        return network


def main_network(network: Network | LookNetworks | None) -> Network | None:
    """Return the network of the first look, or the only one.

    Args:
        network: of one look, of several, or none.
    """
    return network.main if isinstance(network, LookNetworks) else network


@plain_torch()
def load_looks(looks: Sequence[LookSettings], guide: Tensor | None = None) -> LookNetworks:
    """Load the networks of looks.

    Args:
        looks: what each dreams, and on which device.
        guide: as for `load_network`.

    Raises:
        DreamVideoError: as `load_network`.
    """
    models = cache(find_model)
    placed: dict[tuple[int, frozenset[str]], Network] = {}
    networks = []
    for look in looks:
        model = models(look.model.model, look.model.weights, look.model.scaling)
        terms = choose_terms(model, look.objective, guided=guide is not None)
        key = id(model), frozenset(term.layer for term in terms)
        if key in placed:
            first = placed[key]
            check_picks(first.score.features, terms, first.device, model.name)
            networks.append(replace(first, score=replace(first.score, terms=terms)))
        else:
            placed[key] = place_network(model, terms, look.model, guide)
            networks.append(placed[key])
    return LookNetworks(networks)
