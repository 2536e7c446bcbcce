"""A network before it is cut off: its nodes by name, what it dreams of by default, and how it is cut off."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

from dreamvideo.errors import ModelError
from dreamvideo.models.layers import AllLayers, default_layer
from dreamvideo.models.objectives import Features, Term
from dreamvideo.models.tracing import Nodes, describe_outputs, find_outputs, finish_features

CutFunction = Callable[[Sequence[str], torch.device, torch.dtype], Features]


@dataclass(frozen=True)
class Model:
    """A network before it is cut off."""

    name: str
    nodes: tuple[str, ...]  # names of layers, in the order of the network
    cut: CutFunction  # (names, device, precision) -> the network as far as the deepest of these nodes
    whole: AllLayers  # all nodes at once; its weights may not be loaded, or be on the device "meta"
    find_terms: Callable[[], tuple[Term, ...]]  # see `terms`
    kind: str = "l2"  # the default objective of a layer, see `objectives`
    classes: tuple[str, ...] = ()  # names, in the order of the logits; empty: the classes have none
    class_node: str = ""  # the node of the logits
    groups: Mapping[str, Term] = field(default_factory=dict)  # name of a group of classes -> what raises it, weight 1
    class_kind: str = "class"  # how classes are dreamed, see `objectives`: "class" or "focus"
    divisors: Callable[[], Mapping[str, Tensor]] = dict  # see `Objective`; needs the weights

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The default objective; the network is run to find it if it is not in the table."""
        return self.find_terms()


def traced_model(
    name: str,
    network: nn.Module,
    layer: str | None,
    fetch_state: Callable[[], Mapping[str, Tensor]],
    source: str,
    classes: tuple[str, ...],
    scaling: str,
) -> Model:
    """Make a `Model` of a module."""
    outputs = find_outputs(network.requires_grad_(False), name, tried=layer is not None)
    whole = Nodes(outputs, tuple(outputs.nodes))

    def cut(names: Sequence[str], device: torch.device, precision: torch.dtype) -> Features:
        # A copy: it is cast and moved, and the original may be cut again. A copy by torch.fx is in training mode.
        part = copy.deepcopy(Nodes(outputs, names)).eval()
        layers = describe_outputs(part, name)
        for missing in set(names) - {layer.name for layer in layers}:
            raise ModelError(f"{missing!r} of {name} is not a map of channels; see: dreamvideo layers --model {name}")
        part.load(fetch_state(), source)
        return finish_features(part, layers, scaling, device, precision)

    def find_terms() -> tuple[Term, ...]:
        chosen = layer or default_layer(describe_outputs(whole, name))
        return () if chosen is None else (Term(chosen),)

    nodes = outputs.nodes
    return Model(name, tuple(nodes), cut, whole, find_terms, "l2", classes, list(nodes.values())[-1])
