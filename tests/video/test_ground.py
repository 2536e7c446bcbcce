from typing import Any

import numpy as np
import pytest
import torch
from conftest import textured
from torch import Tensor

from dreamvideo.motion.occlusion import remap
from dreamvideo.video.ground import Ground, move_ground, remember_ground, returned_ground

H, W = 48, 80
GROWN = torch.ones(1, 1, H, W)

Remembered = tuple[Ground, Tensor]


def image(seed: int = 0) -> Tensor:
    return torch.from_numpy(textured(H, W, seed)).permute(2, 0, 1)[None] / 255


def dream(seed: int = 0) -> Tensor:
    return torch.randn(1, 3, H, W, generator=torch.Generator().manual_seed(seed)) / 10


def around(rows: slice, columns: slice) -> Tensor:
    near = torch.zeros(1, 1, H, W, dtype=torch.bool)
    near[..., rows, columns] = True
    return near


NOTHING = around(slice(0), slice(0))
FIGURE = np.s_[..., 16:32, 24:48]
BESIDE = around(slice(8, 40), slice(16, 56))


def remember(known: Remembered | None, source: Tensor, residual: Tensor, age: Tensor, near: Tensor) -> Remembered:
    """The ground after a frame, and its dream."""
    ground, learned = remember_ground(None if known is None else known[0], source, age, near)
    return ground, residual if known is None else torch.lerp(known[1], residual, learned)


def covered(source: Tensor) -> Tensor:
    """The image with something black before it."""
    source = source.clone()
    source[FIGURE] = 0
    return source


def test_what_was_covered_comes_back_as_it_was() -> None:
    source = image()
    ground = remember(None, source, dream(), GROWN, NOTHING)
    for seed in range(1, 30):  # dragged along in front of it, another dream each time
        ground = remember(ground, covered(source), dream(seed), GROWN, BESIDE)
    assert torch.equal(ground[1][FIGURE], dream()[FIGURE])
    assert torch.equal(ground[1][..., 60:], dream(29)[..., 60:]), "the rest is learned anew"
    hidden = returned_ground(ground[0], covered(source), BESIDE)
    assert not hidden[..., 18:30, 26:46].any()
    back = returned_ground(ground[0], source, BESIDE)
    assert (back[FIGURE] > 0.99).all(), "from the moment on that it is seen"
    assert not back[..., :4, :].any() and not back[..., 60:].any(), "only near what moved"


def test_what_is_alike_but_far_from_anything_else_may_be_a_plain_thing_that_moves() -> None:
    plain = torch.full((1, 3, H, W), 0.8)
    ground = remember(None, plain, dream(), GROWN, NOTHING)
    assert not returned_ground(ground[0], plain, BESIDE).any()


def test_it_moves_with_the_camera() -> None:
    source = image()
    ground = remember(None, source, dream(), GROWN, NOTHING)
    ground = remember(ground, covered(source), dream(1), GROWN, BESIDE)
    flow = torch.zeros(1, 2, H, W)
    flow[:, 0] = 4  # the ground lies 4 px further right in the frame before: it went to the left
    moved = move_ground(ground[0], flow, remap)
    assert (returned_ground(moved, remap(source, flow), BESIDE)[..., 18:30, 22:42] > 0.99).all()
    assert not returned_ground(moved, source, BESIDE)[..., 18:30, 22:42].all(), "the wrong place shows something else"


def test_what_stands_in_front_for_long_becomes_ground() -> None:
    source, other = image(), covered(image())
    ground = remember(None, source, dream(), GROWN, NOTHING)
    for _ in range(10):
        ground = remember(ground, other, dream(5), GROWN, NOTHING)
    assert torch.equal(ground[1][..., 20:28, 28:44], dream()[..., 20:28, 28:44]), "a pause is not for good"
    for _ in range(40):
        ground = remember(ground, other, dream(5), GROWN, NOTHING)
    assert torch.equal(ground[1][FIGURE], dream(5)[FIGURE])
    assert torch.allclose(ground[0].source, remember(None, other, dream(), GROWN, NOTHING)[0].source)


def test_what_has_not_grown_is_not_worth_remembering() -> None:
    young = GROWN.clone()
    young[FIGURE] = 0.2
    ground = remember(None, image(), dream(), young, NOTHING)
    assert not returned_ground(ground[0], image(), BESIDE)[..., 20:28, 30:42].any()
    ground = remember(ground, image(), dream(1), GROWN, NOTHING)
    assert torch.equal(ground[1][FIGURE], dream(1)[FIGURE]), "but learned as soon as it has"


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (17, 33)])
def test_odd_sizes(size: Any) -> None:
    source, residual, age = torch.rand(1, 3, *size), torch.rand(1, 3, *size), torch.ones(1, 1, *size)
    near = torch.ones(1, 1, *size, dtype=torch.bool)
    ground, _ = remember(remember(None, source, residual, age, ~near), source, residual, age, near)
    assert returned_ground(ground, source, near).shape == (1, 1, *size)
    assert move_ground(ground, torch.ones(1, 2, *size), remap).source.shape == ground.source.shape
