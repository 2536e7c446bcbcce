import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamvideo.motion.camera_motion import (
    camera_flow,
    camera_matrix,
    moving_places,
    near_movers,
    speed_against,
)

H, W = 96, 160
FIGURE = np.s_[30:70, 40:72]  # rows and columns of something that moves
NOWHERE = np.zeros((H, W), np.bool_)


def still() -> NDArray[np.float32]:
    return np.zeros((2, H, W), np.float32)


def with_figure(flow: NDArray[np.float32], dx: float, dy: float) -> NDArray[np.float32]:
    flow = flow.copy()
    flow[0][FIGURE], flow[1][FIGURE] = dx, dy
    return flow


def speed(flow: NDArray[np.float32], camera: tuple[float, float] = (0, 0)) -> NDArray[np.float32]:
    return speed_against(flow, np.array([[1, 0, camera[0]], [0, 1, camera[1]], [0, 0, 1.0]]))


def test_a_fixed_camera_is_exactly_fixed_whatever_walks_before_it() -> None:
    matrix = camera_matrix(with_figure(still(), -6, 1))
    assert matrix is not None
    assert np.array_equal(matrix, np.eye(3))
    assert not camera_flow(matrix, (H, W)).any()


@given(st.floats(-6, 6), st.floats(-6, 6), st.floats(-0.05, 0.05), st.floats(0.95, 1.05))
def test_the_motion_of_a_moving_camera_is_found_behind_a_figure(dx: float, dy: float, turn: float, zoom: float) -> None:
    turned = cv2.getRotationMatrix2D((W / 2, H / 2), np.degrees(turn), zoom)
    turned[:, 2] += np.array([dx, dy])
    true = camera_flow(np.vstack([turned, [0, 0, 1]]), (H, W)).numpy()[0]
    matrix = camera_matrix(with_figure(true, 12, -9))
    assert matrix is not None
    assert np.abs(camera_flow(matrix, (H, W)).numpy()[0] - true).max() < 0.5
    if np.square(true).sum(0).min() > 1:  # most of it moves: it is not taken for a fixed camera
        assert np.abs(camera_flow(matrix, (H, W)).numpy()[0] - true).max() < 0.05


def test_what_agrees_with_no_homography_has_no_camera() -> None:
    random = np.random.default_rng(0)
    assert camera_matrix(random.uniform(-20, 20, (2, H, W)).astype(np.float32)) is None


def test_a_walker_is_near_with_a_margin() -> None:
    near, inside = near_movers(speed(with_figure(still(), -6, 0)), NOWHERE)
    assert not (inside & ~near).any()
    assert inside[46:54, 52:60].all() and not inside[:36].any() and not inside[:, :48].any()
    assert near[28:72, 38:74].all()
    assert not near[:20].any() and not near[:, 90:].any()


def test_what_is_lost_is_near_and_noise_is_not() -> None:
    lost = NOWHERE.copy()
    lost[FIGURE] = True
    assert near_movers(speed(still()), lost)[0][FIGURE].all()
    noise = still()
    noise[0, ::8, ::8] = noise[0, 1::8, 1::8] = 5
    assert not near_movers(speed(noise), NOWHERE)[0].any()


def test_with_the_camera_nothing_moves() -> None:
    pan = still() + np.float32(3)
    assert not near_movers(speed(pan, (3, 3)), NOWHERE)[0].any()
    assert not moving_places(speed(pan, (3, 3)), 0.5, (H, W)).any()
    assert moving_places(speed(with_figure(pan, -3, 0), (3, 3)), 0.5, (H, W))[FIGURE].all()


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 3)])
def test_tiny_images_have_no_camera(size: tuple[int, int]) -> None:
    assert camera_matrix(np.zeros((2, *size), np.float32)) is None
    flow = np.full((2, *size), 9, np.float32)
    assert near_movers(speed(flow), np.zeros(size, np.bool_))[0].all()
