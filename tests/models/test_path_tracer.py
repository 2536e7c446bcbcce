"""Names of nodes are those of torchvision's feature extraction."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import NodePathTracer

from dreamvideo.models.efficientnet_lite import VARIANTS, EfficientNetLite, imagenet_classes
from dreamvideo.models.path_tracer import PathTracer
from dreamvideo.models.tracing import traced_outputs

OPERATIONS = [each for each in vars(torchvision.ops).values() if isinstance(each, type) and issubclass(each, nn.Module)]


class Odd(nn.Module):
    """Modules that are called twice, whose names end in numbers, and functions between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_1, self.conv_12 = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)
        self.inner = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Conv2d(3, 4, 3)))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv_1(x)) + F.relu(self.conv_12(self.conv_1(x)))
        return F.relu(self.inner(x) * math.sqrt(2) + 1).mean((2, 3)).relu()


def network(name: str) -> nn.Module:
    with torch.device("meta"):
        if name in VARIANTS:
            return EfficientNetLite(VARIANTS[name]).eval()
        return Odd() if name == "odd" else torchvision.models.get_model(name, weights=None).eval()


@pytest.mark.parametrize(
    "name", ["odd", "efficientnet_lite0", "googlenet", "resnet18", "mobilenet_v2", "squeezenet1_1", "convnext_tiny"]
)
def test_paths_are_those_of_torchvision(name: str) -> None:
    whole = network(name)
    expected: Any = NodePathTracer(autowrap_modules=(math, torchvision.ops), leaf_modules=OPERATIONS)
    graph = expected.trace(whole)
    tracer = PathTracer((math, torchvision.ops), OPERATIONS)
    assert [str(node) for node in tracer.trace(whole).nodes] == [str(node) for node in graph.nodes]
    assert list(tracer.paths.values()) == list(expected.node_to_qualname.values())
    assert len(traced_outputs(whole).nodes) > 5


def test_classes_are_those_of_torchvision() -> None:
    weights = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1
    assert imagenet_classes() == tuple(weights.meta["categories"])
