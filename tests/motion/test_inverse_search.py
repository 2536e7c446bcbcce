"""Inverse search in torch: against a literal search of each patch in NumPy, and known motion."""

import math
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import textured
from fake_cuda import fake_cuda
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dreamvideo.motion import inverse_search, variational_flow
from dreamvideo.motion.device_motion import estimate_flows, motion_on_device
from dreamvideo.motion.flow import torch_dis
from dreamvideo.motion.inverse_search import (
    DAMPING,
    PATCH,
    STEPS,
    STRIDE,
    inverse_search_flow,
    search_patches,
)
from dreamvideo.tensors import upload

Plane = NDArray[np.float64]
CPU = torch.device("cpu")


def gray(height: int, width: int, seed: int = 0) -> Plane:
    return textured(height, width, seed).mean(2).astype(np.float64)


def level(plane: Plane) -> Tensor:
    return torch.from_numpy(plane).float()[None, None]


def bilinear(image: Plane, x: float, y: float) -> float:
    h, w = image.shape
    x, y = min(max(x, 0), w - 1), min(max(y, 0), h - 1)
    left, top = min(math.floor(x), max(w - 2, 0)), min(math.floor(y), max(h - 2, 0))
    right, below = min(left + 1, w - 1), min(top + 1, h - 1)
    a, b = x - left, y - top
    over = (1 - a) * image[top, left] + a * image[top, right]
    return float((1 - b) * over + b * ((1 - a) * image[below, left] + a * image[below, right]))


class LiteralSearch:
    """Patch by patch and pixel by pixel."""

    def __init__(self, first: Plane, second: Plane, flow: Plane) -> None:
        self.second = second
        h, w = first.shape
        self.rows, self.columns = (max(0, math.ceil((side - PATCH) / STRIDE)) + 1 for side in (h, w))
        beyond = [(0, PATCH + STRIDE * (self.rows - 1) - h), (0, PATCH + STRIDE * (self.columns - 1) - w)]
        edged = np.pad(first, 1, "edge")
        self.first = np.pad(first, beyond, "edge")
        self.right = np.pad((edged[1:-1, 2:] - edged[1:-1, :-2]) / 2, beyond, "edge")
        self.below = np.pad((edged[2:, 1:-1] - edged[:-2, 1:-1]) / 2, beyond, "edge")
        self.flow = np.stack([np.pad(plane, beyond, "edge") for plane in flow])

    def patch(self, plane: Plane, row: int, column: int) -> Plane:
        return plane[STRIDE * row : STRIDE * row + PATCH, STRIDE * column : STRIDE * column + PATCH]

    def seen(self, row: int, column: int, motion: Plane) -> Plane:
        x, y = STRIDE * column + motion[0], STRIDE * row + motion[1]
        return np.array([[bilinear(self.second, x + j, y + i) for j in range(PATCH)] for i in range(PATCH)])

    def misfit(self, row: int, column: int, motion: Plane) -> float:
        return float(np.var(self.seen(row, column, motion) - self.patch(self.first, row, column)))

    def best(self, motions: Any, row: int, column: int) -> Plane:
        places = [(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)]
        near = [
            motions[min(max(row + i, 0), self.rows - 1)][min(max(column + j, 0), self.columns - 1)] for i, j in places
        ]
        return min(near, key=lambda motion: self.misfit(row, column, motion))

    def searched(self, row: int, column: int, start: Plane, steps: int) -> Plane:
        slopes = np.stack([self.patch(plane, row, column).ravel() for plane in (self.right, self.below)])
        slopes = slopes - slopes.mean(1, keepdims=True)
        curvature = slopes @ slopes.T + DAMPING * np.eye(2)
        motion = start
        for _ in range(steps):
            change = self.seen(row, column, motion) - self.patch(self.first, row, column)
            motion = motion - np.linalg.solve(curvature, slopes @ (change - change.mean()).ravel())
        h, w = self.second.shape
        middle = STRIDE * np.array([column, row]) + (PATCH - 1) / 2 + motion
        left = (middle < -0.5).any() or (middle > np.array([w, h]) - 0.5).any()
        return start if left or np.hypot(*(motion - start)) > PATCH else motion

    def run(self) -> Plane:
        half = PATCH // 2
        every = [(row, column) for row in range(self.rows) for column in range(self.columns)]
        motions: Any = [
            [self.flow[:, STRIDE * row + half, STRIDE * column + half] for column in range(self.columns)]
            for row in range(self.rows)
        ]
        for steps in STEPS:
            starts = {place: self.best(motions, *place) for place in every}
            for row, column in every:
                motions[row][column] = self.searched(row, column, starts[row, column], steps)
        sums = np.zeros((3, *self.first.shape))
        for row, column in every:
            change = self.seen(row, column, motions[row][column]) - self.patch(self.first, row, column)
            weights = 1 / np.maximum(1, np.abs(change))
            place = (slice(STRIDE * row, STRIDE * row + PATCH), slice(STRIDE * column, STRIDE * column + PATCH))
            for plane, factor in zip(sums, (1, *motions[row][column]), strict=True):
                plane[place] += weights * factor
        h, w = self.second.shape
        result: Plane = sums[1:, :h, :w] / sums[0, :h, :w]
        return result


@pytest.mark.parametrize(("size", "shift"), [((24, 28), (1.6, -0.7)), ((13, 22), (3.2, 2)), ((8, 8), (0.5, 0))])
def test_each_patch_is_searched_as_the_literal_search_does(size: tuple[int, int], shift: tuple[float, float]) -> None:
    h, w = size
    wide = gray(h + 16, w + 16, 3)
    first = wide[8:-8, 8:-8]
    second = np.array([[bilinear(wide, x + 8 - shift[0], y + 8 - shift[1]) for x in range(w)] for y in range(h)])
    second[: h // 3, : w // 3] = gray(h, w, 9)[: h // 3, : w // 3]  # something else, where patches are lost
    start = np.random.default_rng(0).normal(0, 1, (2, h, w))
    expected = LiteralSearch(first, second, start).run()
    found = search_patches(level(first), level(second), torch.from_numpy(start).float()[None])[0].double().numpy()
    assert np.abs(expected - start).mean() > 0.3
    gap = np.abs(found - expected)
    assert np.median(gap) < 1e-3 and gap.mean() < 0.02, "rounding, but for a patch that goes another way by it"


def moved(image: Any, dx: float, dy: float, zoom: float = 1.0) -> Any:
    h, w = image.shape[:2]
    matrix = np.array([[zoom, 0, dx + (1 - zoom) * (w - 1) / 2], [0, zoom, dy + (1 - zoom) * (h - 1) / 2]], np.float32)
    return cv2.warpAffine(image, matrix, (w, h), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def planes(image: Any) -> Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None]


@settings(max_examples=12)
@given(st.floats(-9, 9), st.floats(-6, 6), st.floats(0.94, 1.06), st.integers(0, 99))
def test_known_translations_and_zooms(dx: float, dy: float, zoom: float, seed: int) -> None:
    h, w = 100, 140
    image = textured(h, w, seed)
    backward, forward = torch_dis(CPU)(planes(moved(image, dx, dy, zoom)), planes(image))
    y, x = torch.meshgrid(torch.arange(h) - (h - 1) / 2, torch.arange(w) - (w - 1) / 2, indexing="ij")
    back = torch.stack([(x - dx) / zoom - x, (y - dy) / zoom - y])
    there = torch.stack([x * zoom + dx - x, y * zoom + dy - y])
    for flow, truth in ((backward, back), (forward, there)):
        error = (flow[0] - truth).norm(dim=0)[20:-20, 20:-20]
        assert error.mean() < 0.15 and error.quantile(0.95) < 0.5


@pytest.mark.parametrize("height", [269, 560])
def test_large_images_are_shrunk(height: int) -> None:
    image = textured(height, height * 4 // 3)
    backward, _ = torch_dis(CPU)(planes(moved(image, 6, -4)), planes(image))
    size = (min(height, 540), round(height * 4 // 3 * min(1, 540 / height)))
    assert backward.shape == (1, 2, *size)
    inner = backward[0, :, 50:-50, 50:-50].mean((1, 2)) * height / size[0]
    assert inner.tolist() == pytest.approx([-6, 4], rel=0.03)


def test_a_batch_gives_the_flows_of_its_rows_and_both_directions_are_alike() -> None:
    first, second = textured(64, 80, 1), textured(64, 80, 2)
    estimate = torch_dis(CPU)
    pairs = [(planes(moved(first, 2, 0)), planes(first)), (planes(moved(second, 0, 3)), planes(second))]
    together = estimate(torch.cat([now for now, _ in pairs]), torch.cat([before for _, before in pairs]))
    for row, (now, before) in enumerate(pairs):
        alone, back = estimate(now, before), estimate(before, now)
        for flow, other in zip(together, alone, strict=True):
            torch.testing.assert_close(flow[row : row + 1], other, atol=1e-3, rtol=0)
        torch.testing.assert_close(back.forward, alone.backward, atol=1e-3, rtol=0)
        torch.testing.assert_close(back.backward, alone.forward, atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (15, 15), (16, 17), (17, 300), (300, 9), (24, 128)])
def test_tiny_pictures_have_a_finite_flow(size: tuple[int, int]) -> None:
    image = textured(*size)
    for flow in torch_dis(CPU)(planes(image), planes(image[::-1])):
        assert flow.shape == (1, 2, *size) and flow.dtype == torch.float32
        assert torch.isfinite(flow).all()


@pytest.mark.parametrize(("one", "other"), [(0, 0), (255, 255), (0, 255), (90, 91)])
def test_plain_pictures_do_not_move(one: int, other: int) -> None:
    now, before = (torch.full((1, 3, 61, 90), value, dtype=torch.uint8) for value in (one, other))
    for flow in torch_dis(CPU)(now, before):
        assert flow.abs().max() < 1e-3


def test_what_is_elsewhere_altogether_moves_no_further_than_the_image() -> None:
    draw = torch.Generator().manual_seed(0)
    now, before = (torch.randint(0, 256, (1, 3, 90, 120), generator=draw, dtype=torch.uint8) for _ in range(2))
    for flow in torch_dis(CPU)(now, before):
        assert torch.isfinite(flow).all() and flow.abs().max() < 120


KERNELS = 3 * 180 + 2 * 260  # searches, and refinements


class Counted(TorchDispatchMode):
    """Counts operations that are no views."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernels = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.kernels += not func.is_view and "empty" not in func._schema.name
        return func(*args, **(kwargs or {}))


def test_kernels_are_few() -> None:
    """Of two pairs of images that are searched at three scales; each takes a GPU microseconds, whatever its size."""
    images = torch.rand(2, 2, 1, 128, 256)
    inverse_search_flow(*images)  # constants
    with Counted() as counted:
        inverse_search_flow(*images)
    assert 300 < counted.kernels <= KERNELS


def test_fake_cuda_only_the_grid_that_the_camera_is_fitted_to_leaves_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inverse_search, "STEPS", (1,))  # all are alike
    monkeypatch.setattr(variational_flow, "WEIGHTINGS", 1)
    with fake_cuda(values=False) as device, torch.no_grad():
        now, before = (torch.zeros(1, 3, 720, 1280, dtype=torch.uint8) for _ in range(2))
        cuda = torch.device("cuda")
        there = upload(now, cuda), upload(before, cuda)
        for first in (True, False):
            device.record.clear()
            flows = estimate_flows(now, before, torch_dis(cuda))
            assert flows.pair.backward.is_cuda and flows.pair.forward.is_cuda
            motion_on_device(flows, *there)()
            assert device.record.faults(first) == []
        crossed = [(each.up, each.bytes) for each in device.record.crossings]
    image, grid = 3 * 720 * 1280, 2 * 4 * 45 * 80
    assert crossed[:3] == [(True, image), (True, image), (False, grid)]
    assert [up for up, _ in crossed[3:]] == [False], "the numbers of the motion"
