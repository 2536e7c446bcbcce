"""The motion of a zoom: closed forms, and pictures that are moved by it."""

import cmath
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.motion import lanczos_warp
from dreamvideo.motion.lanczos_warp import warp_lanczos
from dreamvideo.motion.similarity import (
    Similarity,
    backward_flow,
    blur_of_sampling,
    inside_share,
    sampled_at,
    zoom_about,
)
from dreamvideo.motion.warp import warp

CPU = torch.device("cpu")


@given(st.floats(-0.05, 0.05), st.floats(-0.1, 0.1), st.integers(1, 40))
def test_many_steps_are_one_zoom_in_closed_form(log_zoom: float, turn: float, count: int) -> None:
    center = complex(31.5, 20.5)
    moved = Similarity()
    for _ in range(count):
        moved = zoom_about(center, log_zoom, turn).after(moved)
    point = complex(3, 50)
    scale = math.exp(count * log_zoom) * cmath.exp(1j * count * turn)
    assert abs(moved.of(point) - (center + scale * (point - center))) < 1e-9
    assert abs(moved.inverse().of(moved.of(point)) - point) < 1e-9


def test_a_quarter_turn_is_clockwise() -> None:
    image = torch.rand(1, 3, 9, 9)
    points = sampled_at(zoom_about(complex(4, 4), 0, math.pi / 2), (9, 9), CPU)
    clockwise = torch.from_numpy(np.rot90(image.numpy(), -1, (2, 3)).copy())
    assert torch.allclose(warp_lanczos(image, points), clockwise, atol=1e-4)


def test_a_zoom_moves_a_point_away_from_the_center_and_the_flow_leads_back() -> None:
    image = torch.zeros(1, 1, 41, 61)
    image[..., 15, 40] = 1
    move = zoom_about(complex(30, 20), math.log(2), 0)
    flow = backward_flow(move, (41, 61), CPU)
    moved = warp(image, flow)
    assert divmod(int(moved.argmax()), 61) == (10, 50)
    assert flow[0, :, 10, 50].tolist() == pytest.approx([-10, 5])


def test_outside_is_what_the_frame_before_did_not_show() -> None:
    points = sampled_at(zoom_about(complex(30, 20), math.log(0.5), 0), (41, 61), CPU)
    inside = inside_share(points, (41, 61))[0, 0]
    assert inside[20, 30] == 1
    assert inside[9].max() == 0 and inside[:, 14].max() == 0
    assert inside_share(sampled_at(Similarity(), (41, 61), CPU), (41, 61))[0, 0, 2:-2, 2:-2].min() == 1


def test_a_picture_zoomed_to_and_fro_for_long_stays_sharp() -> None:
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    image = (0.5 + 0.4 * torch.sin(2 * math.pi * x / 3))[None, None]  # two thirds of the finest that pixels can hold
    there = sampled_at(zoom_about(complex(31.3, 23.6), 0.02, 0.02), (48, 64), CPU)
    back = sampled_at(zoom_about(complex(31.3, 23.6), -0.02, -0.02), (48, 64), CPU)
    lanczos, bicubic = image, image
    still = torch.stack([x, y])[None]
    for _ in range(10):
        lanczos = warp_lanczos(warp_lanczos(lanczos, there), back)
        bicubic = warp(warp(bicubic, there - still, "bicubic"), back - still, "bicubic")
    middle = np.s_[..., 14:-14, 14:-14]
    contrast = image[middle].std()
    assert lanczos[middle].std() > 0.8 * contrast
    assert bicubic[middle].std() < 0.6 * contrast


def test_tap_by_tap_is_as_opencv_but_for_its_table() -> None:
    image = torch.rand(1, 3, 40, 50)
    points = sampled_at(zoom_about(complex(20, 11), 0.03, 0.1), (40, 50), CPU)
    points = (points * 32).round() / 32  # OpenCV has weights for every 32nd of a pixel
    assert (lanczos_warp._sample(image, points) - warp_lanczos(image, points)).abs().max() < 2e-2


def test_sampling_blurs_between_pixels_only() -> None:
    points = torch.tensor([[3.0, 3.5, 3.5], [4.0, 4.0, 4.5]]).view(1, 2, 1, 3)
    assert blur_of_sampling(points).flatten().tolist() == [0, 0.5, 1]
