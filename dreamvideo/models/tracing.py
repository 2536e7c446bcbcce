"""Traces a module with torch.fx: its nodes by name, and the network cut off after some of them.

A node is an operation, named by torchvision's `feature_extraction` after the module that it belongs to. The name of a
module stands for its last node, so that `layer3` and `features.10` are names of layers too.
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

# Input scaling of a network for RGB in [0, 1]: (mean, deviation) of each color.
SCALINGS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def traceable_outputs(network: nn.Module, name: str) -> dict[str, str]:
    """Trace a network and list the names of its nodes and modules.

    Args:
        network: any module.
        name: its name, for messages.

    Returns:
        Node or module -> its last node, in the order of the network.

    Raises:
        ModelError: torch.fx cannot trace the network.
    """
    from torchvision.models.feature_extraction import get_graph_node_names

    try:
        graph = get_graph_node_names(network, suppress_diff_warning=True)[1][1:]  # the first is the image
    except Exception as error:  # of any kind, from a symbolic run of a user's code
        raise ModelError(
            f"{name}: torch.fx cannot trace this network ({first_line(error)}); expected a forward(images) whose "
            "control flow does not depend on its input"
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
    """Check that a network can process images that are not square; many transformers take one size only.

    Raises:
        ModelError: it cannot.
    """
    try:
        network(torch.zeros(1, 3, SIDE, SIDE + WIDER))
    except Exception as error:  # of any kind, from a user's code
        raise _size_error(name, error) from error


def _size_error(name: str, error: Exception) -> ModelError:
    return ModelError(f"{name} cannot process images of any size, as a dream needs: {first_line(error)}")


class Nodes(nn.Module):
    """(B, 3, H, W) -> each of `names` -> its output; nothing is folded, scaled or cast."""

    def __init__(self, network: nn.Module, outputs: Mapping[str, str], names: Sequence[str]) -> None:
        super().__init__()
        from torchvision.models.feature_extraction import create_feature_extractor

        self.outputs = {name: outputs[name] for name in names}
        nodes = list(dict.fromkeys(self.outputs.values()))
        self.extractor: nn.Module = create_feature_extractor(network, nodes, suppress_diff_warning=True).eval()

    def forward(self, images: Tensor) -> dict[str, Any]:
        outputs = self.extractor(images)
        return {name: outputs[node] for name, node in self.outputs.items()}


def describe_outputs(whole: Nodes, name: str) -> list[Layer]:
    """Return the nodes that can be dreamed on, see `describe_layers`.

    Raises:
        ModelError: the network cannot process images of any size.
    """
    try:
        return describe_layers(whole)
    except Exception as error:  # of any kind, from a user's code
        raise _size_error(name, error) from error


def finish_features(
    whole: Nodes, layers: Sequence[Layer], scaling: str, device: torch.device, precision: torch.dtype
) -> Features:
    """Make a network that is cut off and has its weights ready to dream: fold batch norms, scale the input, compile.

    Args:
        whole: the network; it is changed.
        layers: its layers, see `describe_outputs`.
        scaling: a key of `SCALINGS`.
        device: where it runs; on a CPU it is compiled if that is possible.
        precision: type of weights and activations.
    """
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
    """(B, 3, H, W) RGB in [0, 1] -> name -> (B, C, h, w) or (B, C), of a network that is cut off.

    Args:
        extractor: scaled (B, 3, H, W) -> node -> output.
        precision: type of weights and activations.
        mean, std: of each color, for the scaling.
        outputs: name -> (node, whether its channels are its last axis); None: all nodes as they are.
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
        scaled = (images - self.mean) / self.std  # in float32, before it is rounded to the weights' type
        scaled = scaled.to(self.precision).contiguous(memory_format=torch.channels_last)
        nodes = cast(dict[str, Tensor], self.extractor(scaled))
        if self.outputs is None:
            return nodes
        return {
            name: nodes[node].movedim(-1, 1) if last else nodes[node] for name, (node, last) in self.outputs.items()
        }


def fold_batch_norms(extractor: nn.Module) -> nn.Module:
    """Return the network in evaluation mode with its batch norms folded into its convolutions."""
    from torch.fx.experimental.optimization import fuse

    return fuse(_out_of_place(extractor.eval()), inplace=True, no_trace=True)


def _out_of_place(extractor: nn.Module) -> nn.Module:
    # An in-place ReLU after a layer that is dreamed on would overwrite it.
    for module in extractor.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    graph_module = cast(torch.fx.GraphModule, extractor)
    for node in graph_module.graph.nodes:
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
    graph_module.recompile()
    return graph_module
