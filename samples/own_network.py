"""Dreams a picture with a network of one's own: here a few layers that answer to edges, at random but seeded.

python samples/own_network.py photo.jpg edges.png
dreamvideo image photo.jpg --model own_network:make_network --layer 3 --scaling half    # in the folder samples/
"""

import sys

import torch
from torch import nn

from dreamvideo import ModelSettings, ObjectiveSettings, dream_file


def make_network() -> nn.Module:
    """Any module that takes (B, 3, H, W); it is cut off after the layer that is dreamed, so it may be a classifier."""
    torch.manual_seed(3)
    layers = [nn.Conv2d(3, 24, 7, 2, 3), nn.Conv2d(24, 48, 5, 2, 2), nn.Conv2d(48, 64, 3, 2, 1)]
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))


def main(photo: str, output: str) -> None:
    """Dream the fourth layer of the network."""
    model = ModelSettings("own_network:make_network", scaling="half")
    dream_file(photo, output, model=model, objective=ObjectiveSettings(layers=(("3", 1.0),)), overwrite=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
