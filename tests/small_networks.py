"""Small random networks with the same kinds of layers as the classifiers of torchvision, for tests that run always.

Each is a factory: `small_networks:small_vgg` is a name for `--model`. Their big siblings are tested with `-m slow`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int | None = None) -> nn.Sequential:
    """Convolution, batch norm and ReLU, as in GoogLeNet."""
    padding = kernel // 2 if padding is None else padding
    layers = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)
    return nn.Sequential(*layers)


class Inception(nn.Module):
    """Four branches of GoogLeNet: 1x1 | 1x1-3x3 | 1x1-3x3 | max pool-1x1."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch1 = conv(inputs, 8, 1)
        self.branch2 = nn.Sequential(conv(inputs, 6, 1), conv(6, 10, 3))
        self.branch3 = nn.Sequential(conv(inputs, 4, 1), conv(4, 6, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), conv(inputs, 6, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Residual(nn.Module):
    """A block of ResNet with a shortcut that is a convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            conv(inputs, outputs, 3, stride),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.inner(x) + self.shortcut(x))


class Fire(nn.Module):
    """A block of SqueezeNet."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.squeeze, self.one, self.three = nn.Conv2d(inputs, 6, 1), nn.Conv2d(6, 8, 1), nn.Conv2d(6, 8, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.one(x)), torch.relu(self.three(x))], 1)


class Classifier(nn.Module):
    """Stages of a network, then the mean over places and a linear head for 7 classes."""

    def __init__(self, width: int, **stages: nn.Module) -> None:
        super().__init__()
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.stages = tuple(stages)
        self.head = nn.Linear(width, 7)

    def forward(self, x: Tensor) -> Tensor:
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return self.head(x.mean((2, 3)))


def shaken(network: nn.Module) -> nn.Module:
    """Statistics of batch norms that folding could get wrong."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network.eval()


def small_googlenet() -> nn.Module:
    torch.manual_seed(3)
    stem = nn.Sequential(conv(3, 8, 7, 2, 3), nn.MaxPool2d(3, 2, ceil_mode=True), conv(8, 8, 1), conv(8, 12, 3))
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    return shaken(Classifier(30, stem=stem, inception1=Inception(12), pool=pool, inception2=Inception(30)))


def small_vgg() -> nn.Module:
    torch.manual_seed(5)

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        layers = nn.Conv2d(inputs, outputs, 3, 1, 1), nn.ReLU(True), nn.Conv2d(outputs, outputs, 3, 1, 1), nn.ReLU(True)
        return [*layers, nn.MaxPool2d(2, 2)]

    return Classifier(12, features=nn.Sequential(*block(3, 8), *block(8, 12)[:4])).eval()


def small_resnet() -> nn.Module:
    torch.manual_seed(3)
    stem = nn.Sequential(conv(3, 8, 7, 2, 3), nn.MaxPool2d(3, 2, 1))
    return shaken(Classifier(16, stem=stem, layer1=Residual(8, 8, 1), layer2=Residual(8, 16, 2)))


def small_squeezenet() -> nn.Module:
    torch.manual_seed(3)
    first = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(True), nn.MaxPool2d(3, 2, ceil_mode=True))
    return Classifier(16, first=first, fire1=Fire(8), fire2=Fire(16)).eval()


def small_alexnet() -> nn.Module:
    torch.manual_seed(3)
    first = nn.Sequential(nn.Conv2d(3, 8, 11, 4, 2), nn.ReLU(True), nn.MaxPool2d(3, 2))
    return Classifier(12, first=first, second=nn.Sequential(nn.Conv2d(8, 12, 5, 1, 2), nn.ReLU(True))).eval()


# Name of the factory -> it, and a layer of each kind to look at.
SMALL: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "small_googlenet": (small_googlenet, ("inception1", "inception2")),
    "small_vgg": (small_vgg, ("features.3", "features.8")),
    "small_resnet": (small_resnet, ("layer1", "layer2")),
    "small_squeezenet": (small_squeezenet, ("first.0", "fire2")),
    "small_alexnet": (small_alexnet, ("first", "second")),
}
