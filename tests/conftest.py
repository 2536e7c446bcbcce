"""What several test files share: small pictures, a small network, streams."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from dreamvideo.frames import Frame
from dreamvideo.models import Network
from dreamvideo.objectives import Objective

torch.set_num_threads(2)


class TinyNet(torch.nn.Module):
    """Two layers, smooth, so that tests of the ascent do not hang on a rounding at a kink."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.first = torch.nn.Conv2d(3, 6, 5, 2, 2)
        self.second = torch.nn.Conv2d(6, 8, 3, 1, 1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
            parameter.requires_grad_(False)

    def forward(self, images):
        first = torch.tanh(self.first(images - 0.5))
        return {"first": first, "second": torch.nn.functional.softplus(self.second(first))}


@pytest.fixture
def tiny_net():
    return TinyNet()


@pytest.fixture
def tiny_network(tiny_net):
    score = Objective(tiny_net, (("first", 1.0), ("second", 0.5)), "log")
    return Network("tiny", score, torch.device("cpu"), torch.float32)


def textured(height, width, seed=0):
    """(H, W, 3) uint8: noise at several scales, as a photograph has it."""
    import cv2

    random = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((4, 90), (12, 60), (40, 40)):
        image += weight * cv2.resize(random.random((cells, cells, 3), np.float32), (width, height), interpolation=2)
    return np.clip(image + 20, 0, 255).astype(np.uint8)


def stream(images, rate=25):
    """A generator of frames of the given pictures."""
    for i, image in enumerate(images):
        yield Frame(image, Fraction(i, rate))
