"""The tunnel of a live dream: what was shown comes again, zoomed, and the camera comes back."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from conftest import textured

from dreamvideo.frames import Frame
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_thread import AscentResult
from dreamvideo.live.dreaming.shown_image import compose_frame
from dreamvideo.live.dreaming.size_control import Workload
from dreamvideo.live.dreaming.state import (
    LiveFrameState,
    apply_results,
    make_task,
    next_state,
    start_dream,
)
from dreamvideo.live.dreaming.tracking import ResidualUpdate
from dreamvideo.live.dreaming.tunnel import tunnel_motion
from dreamvideo.settings.zoom import Feedback

pytestmark = pytest.mark.usefixtures("single_thread")

H, W = 48, 64
TUNNEL = Controls(feedback=Feedback(1.1, 0.0))
CPU = torch.device("cpu")
PLAIN = np.where(np.arange(W)[None, :, None] < W // 2, 100, 140).astype(np.uint8).repeat(H, 0).repeat(3, 2)


def never(*_: Any) -> Any:
    return "other"


def unasked(*_: Any) -> Any:
    raise AssertionError("the motion of a tunnel is known")


def after(state: LiveFrameState, number: int, image: Any = PLAIN) -> LiveFrameState:
    frame = Frame(np.ascontiguousarray(image), Fraction(number, 30))
    return next_state(state, frame, TUNNEL, Workload(H), 0, unasked, never)


def started(device: torch.device | None = None) -> LiveFrameState:
    state = start_dream(Frame(PLAIN, Fraction(0)), TUNNEL, Workload(H), device=device)
    spot = torch.zeros(1, 3, H, W)
    spot[..., 18:21, 40:43] = 0.5
    task = make_task(state, 1)
    return apply_results(state, [AscentResult(task, ResidualUpdate(spot, spot[:, :1] * 0, 1.0), 1, 0.1)])


def brightest(state: LiveFrameState) -> tuple[float, float]:
    """(y, x) of the middle of the spot."""
    image = compose_frame(state)()[..., 0].astype(float)
    weight = np.clip(image - 160, 0, None)
    return float((weight.sum(1) @ np.arange(H)) / weight.sum()), float((weight.sum(0) @ np.arange(W)) / weight.sum())


@pytest.mark.parametrize("device", [None, CPU])
def test_what_was_shown_moves_away_from_the_middle(device: torch.device | None) -> None:
    state = started(device)
    assert brightest(state) == pytest.approx((19, 41), abs=0.3)
    for number in (1, 2, 3):
        state = after(state, number)
    expected = (23.5 + 1.1**3 * (19 - 23.5), 31.5 + 1.1**3 * (41 - 31.5))
    assert brightest(state) == pytest.approx(expected, abs=0.5)


def test_the_picture_of_the_camera_goes_into_the_tunnel_too() -> None:
    state = started()
    bright = PLAIN.copy()
    bright[20:28, 36:44] = 250
    for number in range(1, 60):
        state = after(state, number, bright)
    seen = compose_frame(state)()
    assert seen[24, 46, 0] > 160  # the camera shows 140 there, and the bright square beside it
    for number in range(60, 63):
        state = after(state, number)
    assert compose_frame(state)()[24, 52, 0] > 150
    for number in range(63, 180):
        state = after(state, number)
    assert np.abs(compose_frame(state)().astype(int) - PLAIN).mean() < 12


def test_a_result_that_comes_late_lands_where_its_place_has_gone() -> None:
    state = start_dream(Frame(PLAIN, Fraction(0)), TUNNEL, Workload(H))
    task = make_task(state, 1)
    spot = torch.zeros(1, 3, H, W)
    spot[..., 18:21, 40:43] = 0.5
    for number in (1, 2):
        state = after(state, number)
    state = apply_results(state, [AscentResult(task, ResidualUpdate(spot, spot[:, :1] * 0, 1.0), 1, 0.1)])
    assert brightest(state) == pytest.approx((23.5 + 1.21 * (19 - 23.5), 31.5 + 1.21 * (41 - 31.5)), abs=0.5)


def test_a_tunnel_that_shrinks_shows_the_camera_at_its_borders() -> None:
    motion = tunnel_motion(Feedback(0.9, 0.0), (H, W), CPU)
    assert bool(motion.occluded[0, 0, 0].all()) and not bool(motion.occluded[0, 0, H // 2, W // 2])
    assert 0.1 < motion.unseen < 0.3
    controls = replace(TUNNEL, feedback=Feedback(0.9, 0.0))
    state = start_dream(Frame(PLAIN, Fraction(0)), controls, Workload(H))
    new = textured(H, W)
    shown = compose_frame(next_state(state, Frame(new, Fraction(1, 30)), controls, Workload(H), 0, unasked, never))()
    assert np.abs(shown[0].astype(int) - new[0]).max() <= 1
    assert np.abs(shown[20:28, 28:36].astype(int) - new[20:28, 28:36]).mean() > 10
