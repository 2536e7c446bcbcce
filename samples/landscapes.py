"""What a shot of the sample needs: the shape and color of the land, the light, the camera, what stands and moves."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from noise import Floats, Noise, vector
from terrain import Light
from view import Board

Ground = Callable[[Floats, Floats], tuple[Floats, Floats]]  # (x, y) in meters -> height in meters, wood in [0, 1]

Level = Callable[[Floats | float, Floats | float], Floats]  # (x, y) -> the ground's height, all of one shape


@dataclass(frozen=True)
class Pose:
    """A camera position in meters; `aim` shifts the picture to the right by shares of its width."""

    x: float
    y: float
    z: float
    aim: float = 0.0


@dataclass(frozen=True)
class Landscape:
    """All that a shot needs before a size is chosen. Lengths in meters, times in seconds."""

    light: Light
    ground: Ground
    paint: Callable[[Floats, Floats, Floats, Floats, Floats], Floats]
    near: float
    far: float
    pose: Callable[[float], Pose]  # share of the shot in [0, 1] -> where the camera is
    horizon: float  # share of the height
    focal: float  # share of the width
    zenith: tuple[float, float, float]
    pale: tuple[float, float, float]
    cover: float
    wind: float
    boards: Callable[[np.random.Generator, Level], list[Board]]
    water: tuple[float, float, float] = (0.05, 0.09, 0.09)
    clarity: float = 0.9
    ripple: float = 1.0
    seed: int = 0


def tree_crowns(noise: Noise, x: Floats, y: Floats, size: float) -> Floats:
    """Bumps like tree crowns seen from above, 0 to 1."""
    bumps = noise.at(x / size, y / size) * 0.65 + noise.at(x / size * 2.3 + 7, y / size * 2.3) * 0.35
    return np.clip(bumps * 0.9 + 0.45, 0, 1)


def rgb(*color: float) -> Floats:
    """Linear reflectance as a float32 array."""
    return vector(color)
