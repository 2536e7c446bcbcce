"""The outputs of a module by name, and the network cut off after some of them, by torch.fx or else by hooks.

A node is an operation, named by torchvision's `feature_extraction` after the module that it belongs to. The name of a
module stands for its last node, so that `layer3` and `features.10` are names of layers too. Of a network that torch.fx
cannot trace, the modules are the nodes, see `hooks`.
"""

from __future__ import annotations

import copy
import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from dreamvideo.errors import ModelError, first_line
from dreamvideo.models import cpu_engine
from dreamvideo.models.gpu_engine.build import fuse_network
from dreamvideo.models.hooks import HookedExtractor, count_calls
from dreamvideo.models.layers import SIDE, WIDER, Layer, describe_layers
from dreamvideo.models.objectives import Features
from dreamvideo.models.path_tracer import PathTracer
from dreamvideo.models.weights import load_needed_weights

log = logging.getLogger(__name__)

# Input scaling of a network for RGB in [0, 1]: (mean, deviation) of each color.
SCALINGS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "lite": ((127 / 255,) * 3, (128 / 255,) * 3),  # EfficientNet-Lite's own
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of a network that have a name."""

    nodes: Mapping[str, str]  # layer -> its node, in the order of the network
    extract: Callable[[Sequence[str]], nn.Module]  # nodes -> (a module: scaled (B, 3, H, W) -> node -> output)


def find_outputs(network: nn.Module, name: str, tried: bool = False) -> Outputs:
    """Name the outputs of a network: the nodes that torch.fx finds, or else those of its modules.

    Args:
        network: any module, in evaluation mode.
        name: its name, for messages.
        tried: torch.fx is known to trace it, and it is known to process RGB images of any size.

    Raises:
        ModelError: the network cannot process RGB images that are not square; many transformers take one size only.
    """
    if tried:
        return traced_outputs(network)
    images = torch.zeros(1, 3, SIDE, SIDE + WIDER, device=weights_device(network))
    with torch.no_grad():
        try:
            network(images)
        except Exception as error:  # of any kind, from a user's code
            raise _image_error(network, name, error) from error
        try:
            outputs = traced_outputs(network)
            # Run, too: an isinstance in `forward` is not True of what torch.fx passes.
            Nodes(outputs, list(outputs.nodes))(images)
        except Exception as error:  # of any kind, from a symbolic run of a user's code
            log.info("%s: torch.fx cannot trace this network (%s); its layers are its modules", name, first_line(error))
            calls = count_calls(network, images)
            return Outputs(
                {module: module for module in calls},
                lambda modules: HookedExtractor(network, {module: calls[module] for module in modules}),
            )
    return outputs


def traced_outputs(network: nn.Module) -> Outputs:
    """Trace a network with torch.fx, which names its nodes and modules.

    Args:
        network: any module, in evaluation mode.

    Raises:
        Exception: torch.fx cannot trace the network.
    """
    # A network has operations of torchvision only if somebody has imported that.
    ops = [torchvision.ops] if (torchvision := sys.modules.get("torchvision")) is not None else []
    kinds = [kind for module in ops for kind in vars(module).values()]
    leaf_modules = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, nn.Module)]
    tracer = PathTracer((math, *ops), leaf_modules)
    graph = tracer.trace(network)
    nodes = {name: node for node, name in tracer.paths.items() if node.op != "placeholder"}
    ends = {}  # module -> its last node
    for node in nodes:
        parts = node.split(".")
        ends.update({".".join(parts[:depth]): node for depth in range(1, len(parts))})
    outputs: dict[str, str] = {}
    for node in nodes:
        outputs[node] = node
        inner = sorted((module for module, last in ends.items() if last == node), key=len, reverse=True)
        outputs.update({module: node for module in inner if module not in nodes})
    return Outputs(outputs, lambda names: _subgraph(network, graph, {name: nodes[name] for name in names}))


def _subgraph(network: nn.Module, graph: fx.Graph, outputs: Mapping[str, fx.Node]) -> fx.GraphModule:
    # What the outputs depend on, and no more. The modules are those of the network.
    needed = set(outputs.values())
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    part = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        if node in needed or node.op == "placeholder":
            copies[node] = part.node_copy(node, copies.__getitem__)
    part.output({name: copies[node] for name, node in outputs.items()})
    return fx.GraphModule(network, part, type(network).__name__)


def weights_device(network: nn.Module) -> torch.device:
    """Return the device of a network's weights; the CPU if it has none."""
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))


@torch.no_grad()
def _image_error(network: nn.Module, name: str, error: Exception) -> ModelError:
    # Of a network that cannot process RGB images: does it expect another number of channels?
    channels = next((m.in_channels for m in network.modules() if isinstance(m, nn.Conv2d)), 3)
    if channels != 3:
        try:
            network(torch.zeros(1, channels, SIDE, SIDE + WIDER, device=weights_device(network)))
        except Exception:  # of any kind, from a user's code; the first one says more
            pass
        else:
            gray = " (gray)" if channels == 1 else ""
            return ModelError(
                f"{name} expects images of {channels} channel{'s' * (channels > 1)}{gray}, got 3 channels; expected a "
                "network of RGB images: give it a first layer that makes its channels of RGB"
            )
    return _size_error(name, error)


def _size_error(name: str, error: Exception) -> ModelError:
    return ModelError(f"{name} cannot process images of any size, as a dream needs: {first_line(error)}")


class Nodes(nn.Module):
    """(B, 3, H, W) -> each of `names` -> its output; nothing is folded, scaled or cast.

    Args:
        outputs: of the network, see `find_outputs`.
        names: of the layers; the network is cut off after the deepest.
    """

    def __init__(self, outputs: Outputs, names: Sequence[str]) -> None:
        super().__init__()
        self.outputs = {name: outputs.nodes[name] for name in names}
        self.extractor = outputs.extract(list(dict.fromkeys(self.outputs.values()))).eval()

    def forward(self, images: Tensor) -> dict[str, Any]:
        # Not called, since a graph of torch.fx prints the code around an error.
        outputs = self.extractor.forward(images.to(weights_device(self)))
        return {name: outputs[node] for name, node in self.outputs.items()}

    def load(self, state: Mapping[str, Tensor], source: str) -> None:
        """Load weights, see `load_needed_weights`. If they were on no device, they are on the CPU now."""
        if weights_device(self).type == "meta":
            self.to_empty(device="cpu")
            for name, buffer in self.named_buffers():
                if name.endswith("num_batches_tracked"):
                    buffer.zero_()
        network = self.extractor.network if isinstance(self.extractor, HookedExtractor) else self.extractor
        load_needed_weights(network, state, source)


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
    network = copy.deepcopy(ScaledFeatures(extractor, torch.float32, *SCALINGS[scaling], outputs=outputs))
    placed = ScaledFeatures(extractor, precision, *SCALINGS[scaling], outputs=outputs).to(device)
    return fuse_network(network, placed, device, precision)


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
        nodes = cast(dict[str, Tensor], self.extractor.forward(scaled))  # as in `Nodes`
        if self.outputs is None:
            return nodes
        return {
            name: nodes[node].movedim(-1, 1) if last else nodes[node] for name, (node, last) in self.outputs.items()
        }


def fold_batch_norms(extractor: nn.Module) -> nn.Module:
    """Return the network in evaluation mode, nothing in place, with the batch norms of a graph in its convolutions."""
    from torch.fx.experimental.optimization import fuse

    # An in-place ReLU after a layer that is dreamed on would overwrite it.
    for module in extractor.eval().modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    if not isinstance(extractor, fx.GraphModule):
        return extractor
    for node in extractor.graph.nodes:
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
    extractor.recompile()
    return fuse(extractor, inplace=True, no_trace=True).eval()
