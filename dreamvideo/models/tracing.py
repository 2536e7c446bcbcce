"""Any module that torch.fx can follow: its nodes by name, and the network cut off after some of them.

A node is an operation, named by torchvision's `feature_extraction` after the module it happens in. A module's own name
stands for the last node in it, so `layer3` and `features.10` can be asked for too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from dreamvideo.errors import ModelError, first_line
from dreamvideo.models import cpu_engine
from dreamvideo.models.layers import SIDE, WIDER, Layer, describe_layers
from dreamvideo.models.objectives import Features

# What a network expects of RGB in [0, 1]: (mean, deviation) of each color.
SCALINGS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def traceable_outputs(network: nn.Module, name: str) -> dict[str, str]:
    """Node or module -> the node that it ends with, in the order of the network.

    Raises:
        ModelError: torch.fx cannot follow the network.
    """
    from torchvision.models.feature_extraction import get_graph_node_names

    try:
        graph = get_graph_node_names(network, suppress_diff_warning=True)[1][1:]  # the first is the picture
    except Exception as error:  # whatever a symbolic run of somebody's code raises
        raise ModelError(
            f"{name}: torch.fx cannot follow this network ({first_line(error)}); expected a forward(images) whose way "
            "does not hang on its input"
        ) from error
    ends = {}  # module -> its last node
    for node in graph:
        parts = node.split(".")
        ends.update({".".join(parts[:depth]): node for depth in range(1, len(parts))})
    outputs: dict[str, str] = {}
    for node in graph:
        outputs[node] = node
        inner = sorted((module for module, last in ends.items() if last == node), key=len, reverse=True)
        outputs.update({module: node for module in inner if module not in graph})
    return outputs


@torch.no_grad()
def check_input_size(network: nn.Module, name: str) -> None:
    """Raise ModelError unless the network sees pictures that are not square; transformers often see one size only."""
    try:
        network(torch.zeros(1, 3, SIDE, SIDE + WIDER))
    except Exception as error:  # whatever somebody's network raises
        raise _one_size(name, error) from error


def _one_size(name: str, error: Exception) -> ModelError:
    return ModelError(f"{name} cannot see pictures of any size, as a dream needs: {first_line(error)}")


class Nodes(nn.Module):
    """(B, 3, H, W) -> each of `names` -> whatever it gives; nothing is folded, scaled or cast."""

    def __init__(self, network: nn.Module, outputs: Mapping[str, str], names: Sequence[str]) -> None:
        super().__init__()
        from torchvision.models.feature_extraction import create_feature_extractor

        self.outputs = {name: outputs[name] for name in names}
        nodes = list(dict.fromkeys(self.outputs.values()))
        self.extractor: nn.Module = create_feature_extractor(network, nodes, suppress_diff_warning=True).eval()

    def forward(self, images: Tensor) -> dict[str, Any]:
        found = self.extractor(images)
        return {name: found[node] for name, node in self.outputs.items()}


def describe_outputs(whole: Nodes, name: str) -> list[Layer]:
    """The nodes that can be dreamed on.

    Raises:
        ModelError: the network does not see pictures of any size.
    """
    try:
        return describe_layers(whole)
    except Exception as error:  # whatever somebody's network raises
        raise _one_size(name, error) from error


def finish_features(
    whole: Nodes, layers: Sequence[Layer], scaling: str, device: torch.device, precision: torch.dtype
) -> Features:
    """A network that is cut off and has its weights, ready to dream on `device`: folded, scaled, and fast on a CPU."""
    extractor = fold_batch_norms(whole.extractor).requires_grad_(False)
    last = {layer.name for layer in layers if layer.axis == 3}
    outputs = {name: (node, name in last) for name, node in whole.outputs.items()}
    if device.type == "cpu":
        plain = ScaledFeatures(extractor, torch.float32, *SCALINGS[scaling], outputs=outputs)
        fast = cpu_engine.compile_network(plain, precision)
        if fast is not None:
            return fast
    return ScaledFeatures(extractor, precision, *SCALINGS[scaling], outputs=outputs).to(device)


class ScaledFeatures(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> name -> (B, C, h, w) or (B, C), of a network cut off, in `precision`.

    `outputs` says of each name which node it is, and whether its channels come last; None: all nodes as they are.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        extractor: nn.Module,
        precision: torch.dtype,
        mean: Sequence[float],
        std: Sequence[float],
        outputs: Mapping[str, tuple[str, bool]] | None = None,
    ) -> None:
        super().__init__()
        self.extractor = extractor.to(precision, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.precision = precision
        self.outputs = outputs
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        scaled = (images - self.mean) / self.std  # scaled before it is rounded to the weights' type
        scaled = scaled.to(self.precision).contiguous(memory_format=torch.channels_last)
        found = cast(dict[str, Tensor], self.extractor(scaled))
        if self.outputs is None:
            return found
        return {
            name: found[node].movedim(-1, 1) if last else found[node] for name, (node, last) in self.outputs.items()
        }


def fold_batch_norms(extractor: nn.Module) -> nn.Module:
    """The same network in evaluation mode with its batch norms folded into its convolutions."""
    from torch.fx.experimental.optimization import fuse

    return fuse(_without_overwriting(extractor.eval()), inplace=True, no_trace=True)


def _without_overwriting(extractor: nn.Module) -> nn.Module:
    # An in-place ReLU behind a layer that is dreamed on would overwrite it.
    for module in extractor.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    graph_module = cast(torch.fx.GraphModule, extractor)
    for node in graph_module.graph.nodes:
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
    graph_module.recompile()
    return graph_module
