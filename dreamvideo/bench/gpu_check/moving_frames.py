"""Frames that move, made once and shown for ever: a pan over a synthetic image, with a part of it moving against it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import count

import numpy as np
from numpy.typing import NDArray

from dreamvideo.bench.synthetic import RATE, synthetic_image
from dreamvideo.frames import Frame, Frames
from dreamvideo.tensors import to_image

PERIOD = 96  # frames after which a shot begins anew, without a jump


def endless_shot(height: int, width: int) -> Frames:
    """Return frames of one shot without end, all of which are drawn before the first is taken.

    Args:
        height, width: in pixels.
    """
    images = [moving_image(height, width, number) for number in range(PERIOD)]
    return (Frame(images[number % PERIOD], Fraction(number, RATE)) for number in count())


def film(height: int, width: int, shots: int, length: int) -> Iterator[Frame]:
    """Yield frames of several shots, each over a background of its own.

    Args:
        height, width: in pixels.
        shots: how many.
        length: frames of each.
    """
    for shot in range(shots):
        for number in range(length):
            image = moving_image(height, width, number, seed=shot + 1)
            yield Frame(image, Fraction(shot * length + number, RATE))


def moving_image(height: int, width: int, number: int, seed: int = 0) -> NDArray[np.uint8]:
    """Draw a frame of a shot.

    Args:
        height, width: in pixels.
        number: of the frame; it moves by at most a hundredth of the width to the next.
        seed: of the background.

    Returns:
        (H, W, 3) uint8.
    """
    background = _background(height * 5 // 4, width * 5 // 4, seed)
    turn = 2 * math.pi * number / PERIOD
    top = round((background.shape[0] - height) * (1 + math.sin(turn)) / 2)
    left = round((background.shape[1] - width) * (1 + math.cos(turn)) / 2)
    image = background[top : top + height, left : left + width].copy()
    side = height // 4
    y, x = height // 3, round((width - side) * (1 - math.cos(turn)) / 2)
    image[y : y + side, x : x + side] = background[side::-1, side::-1][:side, :side]
    return image


@cache
def _background(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    return to_image(synthetic_image(height, width, seed))
