"""Many of a kind put into a landscape: woods and flocks."""

import numpy as np
import sprites
from noise import Floats
from view import Board


def wood_of(
    rng: np.random.Generator, trees: list[Floats], xs: Floats, ys: Floats, zs: Floats, heights: tuple[float, float]
) -> list[Board]:
    """Trees of all kinds at the given places; `zs` may be longer than the others."""
    out = []
    for x, y, z in zip(xs.tolist(), ys.tolist(), zs.tolist(), strict=False):
        tree = trees[int(rng.integers(0, len(trees)))]
        out.append(Board(tree, x, y, z, float(rng.uniform(*heights))))
    return out


def flock(
    rng: np.random.Generator,
    count: int,
    at: tuple[float, float, float],
    speed: tuple[float, float, float],
    size: float,
) -> list[Board]:
    """Birds that keep together; each shows its wing pictures in turn, eight a second."""
    wings = [sprites.bird(lift) for lift in (-0.5, 0.35, 0.95)]
    out = []
    for number in range(count):
        lag = abs(number - count // 2)
        x = at[0] + 5.0 * lag + float(rng.uniform(-1.5, 1.5))
        y = at[1] + 5.0 * (number - count / 2) + float(rng.uniform(-2, 2))
        z = at[2] + 1.6 * (number - count / 2) + float(rng.uniform(-0.8, 0.8))
        phase = int(rng.integers(0, 4))
        for picture, turns in zip(wings, ((0,), (1, 3), (2,)), strict=True):

            def visible(t: float, phase: int = phase, turns: tuple[int, ...] = turns) -> bool:
                return (int(t * 8) + phase) % 4 in turns

            def moves(t: float) -> tuple[float, float, float]:
                return speed[0] * t, speed[1] * t, speed[2] * t

            out.append(Board(picture, x, y, z, size, moves, True, visible))
    return out
