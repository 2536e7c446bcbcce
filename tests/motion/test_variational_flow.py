"""Variational refinement: against the energy and its linear equations, written pixel by pixel."""

from typing import Any

import numpy as np
import pytest
import torch
from conftest import textured
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.motion import variational_flow as module
from dreamvideo.motion.variational_flow import (
    EPSILON,
    GRADIENT,
    INTENSITY,
    LEAST_GRADIENT,
    SMOOTHNESS,
    refine_variational,
)
from dreamvideo.motion.warp import warp

Plane = NDArray[np.float64]


def pair(height: int, width: int, shift: int, seed: int = 2) -> tuple[Tensor, Tensor]:
    wide = torch.from_numpy(textured(height, width + shift, seed)).float().mean(2)[None, None]
    return wide[..., shift:].contiguous(), wide[..., :width].contiguous()


def slopes(plane: Plane) -> tuple[Plane, Plane]:
    edged = np.pad(plane, 1, "edge")
    return (edged[1:-1, 2:] - edged[1:-1, :-2]) / 2, (edged[2:, 1:-1] - edged[:-2, 1:-1]) / 2


def constraints(first: Tensor, second: Tensor, flow: Tensor) -> list[tuple[Plane, Plane, Plane]]:
    """(X, Y, Z) of the errors X dx + Y dy + Z of the intensity and its two derivatives, by the formulas."""
    one, other = (each[0, 0].double().numpy() for each in (first, warp(second, flow, "bicubic")))
    u, v = flow[0].double().numpy()
    h, w = u.shape
    y, x = np.mgrid[:h, :w]
    inside = (x + u >= 0) & (x + u <= w - 1) & (y + v >= 0) & (y + v <= h - 1)
    ix, iy = slopes((one + other) / 2)
    zx, zy = slopes(other - one)
    (ixx, ixy), iyy = slopes(ix), slopes(iy)[1]
    found = []
    for a, b, c in ((ix, iy, other - one), (ixx, ixy, zx), (ixy, iyy, zy)):
        scale = inside / np.sqrt(a**2 + b**2 + LEAST_GRADIENT**2)
        found.append((a * scale, b * scale, (c - a * u - b * v) * scale))
    return found


def errors(terms: list[tuple[Plane, Plane, Plane]], flow: Plane) -> tuple[Plane, Plane]:
    each = [(a * flow[0] + b * flow[1] + c) ** 2 for a, b, c in terms]
    return each[0], each[1] + each[2]


def smoothness(flow: Plane) -> Plane:
    """Squared differences to the right and below, of both components."""
    right = np.diff(flow, axis=2, append=flow[:, :, -1:])
    below = np.diff(flow, axis=1, append=flow[:, -1:])
    return (right**2 + below**2).sum(0)  # type: ignore[no-any-return]


def energy(terms: list[tuple[Plane, Plane, Plane]], flow: Plane) -> float:
    intensity, gradient = errors(terms, flow)
    parts = ((INTENSITY, intensity), (GRADIENT, gradient), (SMOOTHNESS, smoothness(flow)))
    return float(sum((factor * np.sqrt(square + EPSILON**2)).sum() for factor, square in parts))


def solved(terms: list[tuple[Plane, Plane, Plane]], flow: Plane) -> Plane:
    """The flow that solves the equations whose robust weights are those at a flow, pixel by pixel."""
    h, w = flow.shape[1:]
    intensity, gradient = errors(terms, flow)
    of_intensity, of_gradient = (
        factor / np.sqrt(square + EPSILON**2) for factor, square in ((INTENSITY, intensity), (GRADIENT, gradient))
    )
    stiffness = SMOOTHNESS / np.sqrt(smoothness(flow) + EPSILON**2)
    matrix, right = np.zeros((2, h, w, 2, h, w)), np.zeros((2, h, w))
    for i in range(h):
        for j in range(w):
            for (a, b, c), weight in zip(terms, (of_intensity, of_gradient, of_gradient), strict=True):
                row = np.array([a[i, j], b[i, j]])
                matrix[:, i, j, :, i, j] += weight[i, j] * np.outer(row, row)
                right[:, i, j] -= weight[i, j] * c[i, j] * row
            for k, m in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if 0 <= k < h and 0 <= m < w:
                    mean = (stiffness[i, j] + stiffness[k, m]) / 2
                    for part in (0, 1):
                        matrix[part, i, j, part, i, j] += mean
                        matrix[part, i, j, part, k, m] -= mean
    size = 2 * h * w
    flat = np.linalg.solve(matrix.reshape(size, size), right.ravel()).astype(np.float64)
    return flat.reshape(2, h, w)


@pytest.mark.parametrize("leaves", [(-1.5, 0.0), (1.5, 0.0), (0.0, -1.5), (0.0, 1.5)])
def test_many_sweeps_solve_the_equations(leaves: tuple[float, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEPS", 200)
    monkeypatch.setattr(module, "WEIGHTINGS", 2)
    first, second = pair(9, 12, 2)
    flow = torch.from_numpy(np.random.default_rng(0).normal(0, 0.5, (1, 2, 9, 12))).float()
    flow += torch.tensor(leaves)[:, None, None]
    terms = constraints(first, second, flow)
    expected = solved(terms, solved(terms, flow[0].double().numpy()))
    found = refine_variational(first, second, flow)[0].double().numpy()
    assert np.abs(expected - flow[0].numpy()).mean() > 0.2
    gap = np.abs(found - expected)
    assert gap.mean() < 2e-3 and gap.max() < 0.05


def test_the_energy_falls_and_so_does_the_error() -> None:
    first, second = pair(48, 64, 2)
    truth = torch.zeros(1, 2, 48, 64)
    truth[:, 0] = 2
    draw = torch.Generator().manual_seed(3)
    start = truth + 0.5 * torch.randn(truth.shape, generator=draw)
    terms = constraints(first, second, start)
    found = refine_variational(first, second, start)
    before, after = (energy(terms, flow[0].double().numpy()) for flow in (start, found))
    assert after < 0.6 * before
    assert (found - truth).norm(dim=1).mean() < 0.3 * (start - truth).norm(dim=1).mean()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2, 2)])
def test_tiny_and_plain_images(size: tuple[int, int]) -> None:
    flow: Any = torch.full((2, 2, *size), 0.25)
    plain = torch.full((2, 1, *size), 90.0)
    found = refine_variational(plain, plain + 1, flow)
    assert size == (1, 1) or (found - flow).abs().max() < 1e-4
    assert found.abs().max() <= 0.2501, "a single pixel is tied to nothing"
    textures = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(1)) * 255
    assert torch.isfinite(refine_variational(textures, textures.flip(0), flow)).all()
