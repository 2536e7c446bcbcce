from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import textured

from dreamvideo.motion.flow import BOX_MARGIN, LARGEST_SIDE, boxes_around, dis, estimate_part, part_weight
from dreamvideo.motion.flow_pair import enlarge_flow


def planes(image: Any) -> Any:
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def moved(image: Any, dx: Any, dy: Any) -> Any:
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("height", [120, LARGEST_SIDE * 2])
def test_finds_where_pixels_lay_in_the_previous_picture(height: Any) -> None:
    image = textured(height, height * 4 // 3)
    dx, dy = 3.5 * height / 120, -2 * height / 120
    pair = dis()(planes(moved(image, dx, dy)), planes(image))  # what moved right lay to the left: dx < 0
    flow, forward = (enlarge_flow(each, height, height * 4 // 3) for each in pair)
    assert flow.shape == (1, 2, height, height * 4 // 3)
    inner = flow[0, :, height // 5 : -height // 5, height // 5 : -height // 5]
    assert inner.mean((1, 2)).tolist() == pytest.approx([-dx, -dy], rel=0.06)
    assert forward[0, :, height // 2, height // 2].tolist() == pytest.approx([dx, dy], rel=0.1)


def test_a_batch_gives_the_flows_of_its_rows() -> None:
    first, second = textured(64, 80, 1), textured(64, 80, 2)
    estimate = dis()
    pairs = [(moved(first, 2, 0), first), (moved(second, 0, 3), second)]
    together = estimate(*(torch.cat([planes(pair[i]) for pair in pairs]) for i in (0, 1)))
    for row, (now, before) in enumerate(pairs):
        for flow, alone in zip(together, estimate(planes(now), planes(before)), strict=True):
            assert torch.equal(flow[row : row + 1], alone)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (15, 15), (16, 16), (17, 300), (300, 9), (24, 128)])
def test_tiny_pictures_have_a_finite_flow(size: tuple[int, int]) -> None:
    image = textured(*size)
    for flow in dis()(planes(image), planes(image[::-1].copy())):
        assert flow.shape == (1, 2, *size)
        assert torch.isfinite(flow).all()


def test_the_same_pair_has_the_same_flow_whatever_came_before() -> None:
    estimate, image = dis(), textured(64, 80)
    now, before = planes(moved(image, 2, 1)), planes(image)
    first = estimate(now, before)
    estimate(planes(textured(64, 80, 5)), before)
    assert all(map(torch.equal, estimate(now, before), first))


def test_boxes_lie_around_what_moves_unless_that_is_most_of_the_image() -> None:
    moving = np.zeros((90, 160), np.bool_)
    moving[20:40, 30:50] = moving[70:, 140:] = True
    assert boxes_around(moving) == [
        (slice(20 - BOX_MARGIN, 40 + BOX_MARGIN), slice(30 - BOX_MARGIN, 50 + BOX_MARGIN)),
        (slice(70 - BOX_MARGIN, 90), slice(140 - BOX_MARGIN, 160)),
    ]
    assert boxes_around(np.zeros_like(moving)) == []
    assert boxes_around(np.ones_like(moving)) == []


def test_the_flow_of_a_part_is_taken_around_what_moves_and_fades_from_there() -> None:
    moving = np.zeros((60, 80), np.bool_)
    moving[28:32, 38:42] = True
    weight = part_weight(moving, 16)[0, 0].numpy()
    assert (weight[20:40, 38:42] == 1).all() and not weight[:12].any() and not weight[:, 58:].any()
    assert weight[30, 53] == pytest.approx(0.5, abs=0.01), "12 px away"
    assert not weight[16, 26], "16 px or more away, across a corner of the box"
    assert not part_weight(np.zeros_like(moving)).any()


def test_the_weight_is_the_same_each_time_to_the_last_bit() -> None:
    random = np.random.default_rng(5)
    for height, width in ((56, 48), (92, 112), (64, 60), (88, 172), (120, 128)):
        moving = random.random((height, width)) < 0.002
        kept = [(part_weight(moving), np.empty(200 + 36 * turn, np.uint8)) for turn in range(60)]  # elsewhere in memory
        assert len({weight.numpy().tobytes() for weight, _ in kept}) == 1


def test_a_part_is_estimated_again_at_its_own_size() -> None:
    image = textured(540, 720)
    now, before = planes(moved(image, 2.5, 0)), planes(image)
    pair = estimate_part(now, before, slice(100, 300), slice(200, 420), dis(0))
    for flow, dx in zip(pair, (-2.5, 2.5), strict=True):
        assert flow.shape == (1, 2, 200, 220)
        assert flow[0, :, 30:170, 30:190].mean((1, 2)).tolist() == pytest.approx([dx, 0], abs=0.1)


def test_a_part_of_a_large_image_is_shrunk() -> None:
    image = textured(1080, 1440)
    now, before = planes(moved(image, 6, 0)), planes(image)
    flow = estimate_part(now, before, slice(200, 600), slice(400, 840), dis(0)).backward
    assert flow.shape == (1, 2, 200, 220)
    assert flow[0, :, 30:170, 30:190].mean((1, 2)).tolist() == pytest.approx([-3, 0], abs=0.1)
