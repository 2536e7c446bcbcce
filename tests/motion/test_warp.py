from typing import Any

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamvideo.motion.occlusion import occlusion_mask, outside_mask, remap
from dreamvideo.motion.warp import warp


def noise(*shape: Any, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def constant(dx: Any, dy: Any, height: int, width: int) -> Any:
    return torch.tensor([dx, dy], dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, height, width)


WARPS = [warp, remap]
MODES = st.sampled_from(["bilinear", "bicubic"])


@pytest.mark.parametrize("move", WARPS)
@given(st.integers(1, 40), st.integers(1, 40), MODES)
def test_zero_flow_is_the_identity(move: Any, height: int, width: int, mode: str) -> None:
    image = noise(2, 3, height, width)
    assert (move(image, torch.zeros(2, 2, height, width), mode) - image).abs().max() < 1e-4


@pytest.mark.parametrize("move", WARPS)
@given(st.integers(-5, 5), st.integers(-5, 5), MODES)
def test_a_whole_pixel_flow_is_a_shift(move: Any, dx: int, dy: int, mode: str) -> None:
    image = noise(1, 2, 20, 24)
    warped = move(image, constant(dx, dy, 20, 24), mode)
    columns = np.clip(np.arange(24) + dx, 0, 23)
    rows = np.clip(np.arange(20) + dy, 0, 19)
    inside = ~outside_mask(constant(dx, dy, 20, 24))
    assert ((warped - image[:, :, rows][..., columns]) * inside).abs().max() < 1e-3


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_remap_is_warp_but_for_a_thirty_second_of_a_pixel(mode: str) -> None:
    image = torch.nn.functional.avg_pool2d(noise(2, 3, 44, 54), 5, 1)  # (2, 3, 40, 50), no jumps
    flow = 6 * noise(2, 2, 40, 50, seed=1) - 3
    steepest = max((image[..., 1:] - image[..., :-1]).abs().max(), (image[..., 1:, :] - image[..., :-1, :]).abs().max())
    assert (remap(image, flow, mode) - warp(image, flow, mode)).abs().max() < 2 * steepest / 32
    with pytest.raises(ValueError, match="expected"):
        remap(image, flow[..., :-1], mode)


def test_bicubic_keeps_detail_that_bilinear_loses() -> None:
    x = torch.arange(64.0)
    image = torch.sin(x * 1.3).expand(1, 1, 64, 64)
    moved = dict.fromkeys(("bilinear", "bicubic"), image)
    for mode in moved:
        for step in range(8):
            moved[mode] = warp(moved[mode], constant(0.5 if step % 2 else -0.5, 0, 64, 64), mode)
    assert moved["bicubic"][..., 16:48].std() > 1.5 * moved["bilinear"][..., 16:48].std()


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got a flow of shape .* expected"):
        warp(noise(1, 3, 8, 8), torch.zeros(1, 2, 8, 9))


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_the_occlusion_mask_agrees_with_the_pixel_by_pixel_check(seed: int) -> None:
    random = np.random.default_rng(seed)
    backward, forward = (random.normal(0, 2, (2, 9, 11)).astype(np.float32) for _ in range(2))
    forward[:, :5] = -backward[:, :5] + 0.01
    actual = occlusion_mask(torch.from_numpy(backward)[None], torch.from_numpy(forward)[None])
    assert actual.dtype == torch.bool
    # A pixel on the edge of the inequality may fall either way in float32.
    assert (actual[0, 0].numpy() != reference.occluded(backward.astype(float), forward.astype(float))).sum() <= 1


def test_a_square_moving_right_uncovers_the_ground_behind_it() -> None:
    backward = torch.zeros(1, 2, 30, 40)
    backward[:, 0, 10:20, 14:24] = -4  # the square is now at 14..23 and was at 10..19
    forward = torch.zeros(1, 2, 30, 40)
    forward[:, 0, 10:20, 10:20] = 4
    occluded = occlusion_mask(backward, forward)[0, 0]
    assert occluded[10:20, 10:14].all()  # uncovered
    assert occluded.sum() == 40
