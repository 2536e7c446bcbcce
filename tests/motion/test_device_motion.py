"""The motion in torch, as a GPU computes it, against that of OpenCV, which is the definition."""

from typing import Any

import numpy as np
import pytest
import torch
from conftest import textured
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.motion.device_motion import estimate_flows, motion_on_device
from dreamvideo.motion.flow import dis
from dreamvideo.motion.flow_pair import FlowPair
from dreamvideo.motion.frame_motion import Motion, small_size
from dreamvideo.motion.occlusion import estimate_motion

PLANES = ("backward", "occluded", "trust", "near", "inside", "mismatch")


def planes(image: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None]


def scene(height: int, width: int, pan: int, step: int, light: float, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """(current, previous): ground that pans, a square before it, other light, noise."""
    draw = np.random.default_rng(seed)
    wide, square = textured(height, width + 2 * abs(pan), seed), textured(height // 3, height // 3, seed + 1)
    images = []
    for time in (1, 0):
        left = abs(pan) + pan * time
        image = wide[:, left : left + width].astype(np.float64)
        x = width // 3 + step * time
        image[height // 3 : height // 3 + len(square), x : x + len(square)] = square
        image = image * (light if time else 1) + draw.normal(0, noise, image.shape)
        images.append(planes(np.clip(image, 0, 255).astype(np.uint8)))
    return images[0], images[1]


def both(current: Tensor, previous: Tensor, refined: bool = True) -> tuple[Motion, Motion]:
    part = dis(0) if refined else None
    there = motion_on_device(estimate_flows(current, previous, dis(), part), current, previous)()
    return estimate_motion(current, previous, dis(), part), there


@settings(max_examples=25)
@given(
    st.sampled_from([(96, 160), (131, 99), (270, 270), (64, 270)]),
    st.integers(-4, 4),
    st.integers(-12, 12),
    st.sampled_from([1.0, 0.8, 1.2]),
    st.sampled_from([0.0, 1.5]),
    st.integers(0, 99),
)
def test_at_the_estimators_size_it_is_that_of_the_cpu(
    size: tuple[int, int], pan: int, step: int, light: float, noise: float, seed: int
) -> None:
    here, there = both(*scene(*size, pan, step, light, noise, seed))
    assert (here.camera is None) == (there.camera is None)
    if here.camera is not None:  # the same numbers: RANSAC draws the same places
        np.testing.assert_allclose(here.camera, there.camera)
    for name in PLANES:
        one, other = getattr(here, name).float(), getattr(there, name).float()
        assert one.shape == other.shape and getattr(here, name).dtype == getattr(there, name).dtype, name
        # Sides that are no multiples of 4: OpenCV weighs the pixels at the edges of a cell.
        in_cells = name in ("near", "inside", "mismatch") and any(side % 4 for side in size)
        limit = 0.05 if in_cells else 0.01
        assert (one - other).abs().mean() < limit * (1 + one.abs().mean()), name
    assert there.unseen == pytest.approx(here.unseen, abs=0.01)
    assert there.mismatch_share == pytest.approx(here.mismatch_share, abs=0.03)
    assert there.any_near == bool(there.near.any())


@pytest.mark.parametrize(("pan", "step"), [(0, 9), (5, -9), (0, 0)])
def test_large_images_have_it_from_small_flows(pan: int, step: int) -> None:
    current, previous = scene(540, 720, pan, step, 1.0, 1.0, 3)
    here, there = both(current, previous)
    assert estimate_flows(current, previous, dis()).pair.backward.shape == (1, 2, 270, 360)
    assert here.camera is not None and there.camera is not None
    corners = np.array([[0, 0, 1], [719, 539, 1]]).T
    moved = [(m @ corners)[:2] / (m @ corners)[2] for m in (here.camera, there.camera)]
    assert np.abs(moved[0] - moved[1]).max() < 0.5
    for name in PLANES:
        one, other = getattr(here, name).float(), getattr(there, name).float()
        assert (one - other).abs().mean() < 0.04 * (1 + one.abs().mean()), name


def test_small_copies_have_the_flow_and_the_trust_of_the_whole() -> None:
    current, previous = scene(135, 240, 3, 8, 1.0, 0.0, 1)
    _, there = both(current, previous)
    assert there.small is not None and there.small.shape == (1, 3, *small_size(135, 240)) == (1, 3, 45, 80)
    assert there.small[0, 0].mean().item() == pytest.approx(there.backward[0, 0].mean().item() / 3, rel=1e-3)
    assert there.small[0, 2].mean().item() == pytest.approx(there.trust.mean().item(), rel=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (17, 5), (16, 300)])
def test_tiny_images(size: tuple[int, int]) -> None:
    image = textured(*size)
    motion = motion_on_device(
        estimate_flows(planes(image), planes(image[::-1]), dis()), planes(image), planes(image[::-1])
    )()
    assert all(torch.isfinite(getattr(motion, name).float()).all() for name in PLANES)
    assert motion.trust.shape == (1, 1, *size) and 0 <= motion.unseen <= 1


def test_where_no_camera_is_known_everything_is_near() -> None:
    def nonsense(current: Tensor, previous: Tensor) -> FlowPair:
        draw = torch.Generator().manual_seed(0)
        return FlowPair(*(20 * torch.randn(1, 2, 60, 80, generator=draw) for _ in range(2)))

    image: Any = planes(textured(120, 160))
    motion = motion_on_device(estimate_flows(image, planes(textured(120, 160, 5)), nonsense), image, image)()
    assert motion.camera is None and motion.near.all() and motion.inside.all() and motion.any_near
