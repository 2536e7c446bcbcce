"""The dream moves with the picture: what is carried, what an ascent adds late, what is not to be seen any more."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import textured
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamvideo.frames import Frame
from dreamvideo.live.controls import Controls, Menu, press
from dreamvideo.live.dreaming.ascent_thread import AscentResult
from dreamvideo.live.dreaming.size_control import Workload
from dreamvideo.live.dreaming.state import (
    MAX_DECAY_SECONDS,
    LiveFrameState,
    apply_results,
    make_task,
    next_state,
    start_dream,
)
from dreamvideo.live.dreaming.tracking import (
    DECAY_PER_SECOND,
    ResidualUpdate,
    apply_update,
    compose_image,
    extend_flow,
    resize_tracked,
    scale_strength,
    source_tensor,
    start_flow,
    track_motion,
    undreamed,
)
from dreamvideo.motion.cuts import Comparison, frame_comparer
from dreamvideo.motion.flow import dis
from dreamvideo.motion.flow_pair import FlowPair
from dreamvideo.motion.frame_motion import Motion, no_motion

pytestmark = pytest.mark.usefixtures("single_thread")

H, W = 48, 64


def shift(dx: Any, dy: Any, hidden: Any = ()) -> Motion:
    """The motion of a picture in which everything has gone `dx` to the right and `dy` down."""
    flow = torch.zeros(1, 2, H, W)
    flow[:, 0], flow[:, 1] = -dx, -dy
    occluded = torch.zeros(1, 1, H, W, dtype=torch.bool)
    for rows, columns in hidden:
        occluded[..., rows, columns] = True
    return replace(
        no_motion(H, W),
        backward=flow,
        occluded=occluded,
        trust=(~occluded).float(),
        unseen=float(occluded.float().mean()),
    )


def spot(x: Any, y: Any) -> torch.Tensor:
    """A dream of one square."""
    residual = torch.zeros(1, 3, H, W)
    residual[..., y : y + 3, x : x + 3] = 0.25
    return residual


def dream_of(residual: Any = None, strength: float = 1.0) -> Any:
    dream = undreamed(source_tensor(textured(H, W), (H, W)), strength)
    return dream if residual is None else replace(dream, carry=replace(dream.carry, residual=residual))


steps = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=5)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_a_flow_is_all_the_motion_since(moves: list[tuple[int, int]]) -> None:
    flow = start_flow(dream_of())
    for dx, dy in moves:
        flow = extend_flow(flow, shift(dx, dy))
    inside = flow.flow[0, :, 16:-16, 16:-16]
    expected = -torch.tensor([sum(axis) for axis in zip(*moves, strict=True)], dtype=torch.float32)
    torch.testing.assert_close(inside, expected[:, None, None].expand_as(inside))


@given(steps, st.integers(0, 2**32 - 1))
def test_the_first_frame_of_a_flow_is_its_motion(moves: list[tuple[int, int]], seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    motion = replace(
        shift(*moves[0], hidden=[(slice(18, 24), slice(28, 34))]),
        backward=8 * torch.randn(1, 2, H, W, generator=random),
        trust=torch.rand(1, 1, H, W, generator=random),
    )
    literal, quick = (extend_flow(flow, motion) for flow in (start_flow(dream_of()), None))
    assert torch.equal(literal.flow, quick.flow) and torch.equal(literal.trust, quick.trust)


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 40), st.integers(1, 70))
def test_an_image_composed_in_bands_is_the_sum_of_the_whole(seed: int, height: int, small: int, width: int) -> None:
    random = np.random.default_rng(seed)
    camera = random.integers(0, 256, (height, width, 3), np.uint8)
    dream = undreamed(source_tensor(camera, (small, small)), 1.0)
    residual = torch.from_numpy(random.normal(0, 0.3, (1, 3, small, small)).astype(np.float32))
    image = compose_image(replace(dream, carry=replace(dream.carry, residual=residual)), camera)
    large = cv2.resize(residual[0].permute(1, 2, 0).numpy().copy(), (width, height), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(image, cv2.add(camera, large.reshape(camera.shape) * 255, dtype=cv2.CV_8U))


@settings(max_examples=25, deadline=None)
@given(steps)
def test_what_comes_late_lands_where_its_place_has_gone(moves: list[tuple[int, int]]) -> None:
    dream, flow = dream_of(), start_flow(dream_of())
    for dx, dy in moves:
        motion = shift(dx, dy)
        dream, flow = track_motion(dream, dream.source, motion, 0.0), extend_flow(flow, motion)
    right, down = (sum(axis) for axis in zip(*moves, strict=True))
    update = ResidualUpdate(spot(30, 20), torch.zeros(1, 1, H, W), 1.0)
    torch.testing.assert_close(
        apply_update(dream, update, flow).carry.residual, spot(30 + right, 20 + down), atol=1e-5, rtol=0
    )


def test_nothing_is_added_where_its_place_was_hidden_since() -> None:
    flow = extend_flow(start_flow(dream_of()), shift(0, 0, hidden=[(slice(18, 24), slice(28, 34))]))
    flow = extend_flow(flow, shift(5, 0))
    update = ResidualUpdate(torch.full((1, 3, H, W), 0.1), torch.ones(1, 1, H, W), 1.0)
    residual = apply_update(dream_of(), update, flow).carry.residual
    assert residual[..., 19:23, 34:38].abs().max() == 0, "hidden, and moved on"
    assert residual[..., 19:23, 24:27].min() > 0.09


def test_what_is_not_renewed_fades() -> None:
    dream = dream_of(spot(30, 20))
    for _ in range(30):
        dream = track_motion(dream, dream.source, no_motion(H, W), 1 / 30)
    assert dream.carry.residual.max() == pytest.approx(0.25 * DECAY_PER_SECOND, rel=1e-3)


def test_strength_acts_at_once_and_on_what_is_under_way() -> None:
    dream = scale_strength(dream_of(spot(30, 20)), 2.0)
    assert dream.carry.residual.max() == pytest.approx(0.5)
    late = apply_update(dream, ResidualUpdate(spot(10, 10), torch.zeros(1, 1, H, W), 1.0), start_flow(dream))
    assert late.carry.residual[..., 11, 11].max() == pytest.approx(0.5)


def test_an_undreamed_picture_is_the_cameras_to_the_last_bit() -> None:
    camera = textured(96, 128)
    np.testing.assert_array_equal(compose_image(undreamed(source_tensor(camera, (48, 64)), 1.0), camera), camera)


def test_a_dream_of_half_the_size_keeps_the_cameras_detail() -> None:
    camera = textured(96, 128)
    dream = undreamed(source_tensor(camera, (48, 64)), 1.0)
    dream = replace(dream, carry=replace(dream.carry, residual=torch.full((1, 3, 48, 64), 10 / 255)))
    np.testing.assert_array_equal(compose_image(dream, camera), np.minimum(camera.astype(int) + 10, 255))


def test_resizing_keeps_the_dream_in_its_place() -> None:
    dream = dream_of(spot(30, 20))
    large = resize_tracked(dream, source_tensor(textured(96, 128), (96, 128)))
    assert large.carry.residual.shape == (1, 3, 96, 128)
    y, x = divmod(int(large.carry.residual[0, 0].argmax()), 128)
    assert abs(x - 2 * 31) <= 2
    assert abs(y - 2 * 21) <= 2


# One picture after the other.


def still(current: Any, previous: Any) -> FlowPair:
    return FlowPair(*(torch.zeros(len(current), 2, *current.shape[2:]) for _ in range(2)))


def never(current: Any, previous: Any) -> Comparison:
    return "alike"


def frame(number: int, image: Any = None) -> Frame:
    return Frame(textured(H, W) if image is None else image, Fraction(number, 30))


def started(controls: Controls = Controls()) -> LiveFrameState:
    return start_dream(frame(0), controls, Workload(H))


def result_of(state: Any, residual: Any, **changes: Any) -> AscentResult:
    task = replace(make_task(state, 1), **changes)
    return AscentResult(task, ResidualUpdate(residual, torch.zeros(1, 1, H, W), 1.0), 1, 0.01)


def test_a_result_finds_its_way_over_pictures_that_came_meanwhile() -> None:
    state = started()
    result = result_of(state, spot(30, 20))
    images = [np.roll(textured(H, W), 2 * i, 1) for i in range(4)]

    def estimate(current: Any, previous: Any) -> FlowPair:
        steps = [i for i in range(4) if np.array_equal(current[0].permute(1, 2, 0).numpy(), images[i])]
        before = [i for i in range(4) if np.array_equal(previous[0].permute(1, 2, 0).numpy(), images[i])]
        flow = torch.zeros(1, 2, H, W)
        flow[:, 0] = -2 * (steps[0] - before[0])
        return FlowPair(flow, -flow)

    for i in (1, 2, 3):
        state = next_state(state, frame(i, images[i]), Controls(), Workload(H), 0, estimate, never)
    state = apply_results(state, [result])
    peak = int(state.dream.carry.residual[0, 0].sum(0).argmax())
    assert peak in range(36, 39)


def test_results_of_another_dream_another_size_or_a_forgotten_picture_are_dropped() -> None:
    state = started()
    for _ in range(2):
        state = next_state(state, frame(1), Controls(), Workload(H), None, still, never)
    for result in (
        result_of(state, spot(5, 5), generation=7),
        result_of(state, spot(5, 5), frame_index=0),
        AscentResult(
            make_task(start_dream(frame(0), Controls(), Workload(24)), 1),
            ResidualUpdate(spot(5, 5), spot(5, 5), 1.0),
            1,
            0.1,
        ),
    ):
        assert apply_results(state, [result]).dream.carry.residual.abs().max() == 0
    assert apply_results(state, [result_of(state, spot(5, 5))]).dream.carry.residual.max() > 0.2


@pytest.mark.parametrize("key", ["0", "m"])
def test_these_keys_begin_a_new_dream_within_a_picture(key: str) -> None:
    state = apply_results(started(), [result_of(started(), spot(30, 20))])
    controls = press(Controls(), key, Menu(), 0.0)
    after = next_state(state, frame(1), controls, Workload(H), 0, still, never)
    assert after.generation == 1
    assert after.dream.carry.residual.abs().max() == 0
    assert apply_results(after, [result_of(state, spot(30, 20))]).dream.carry.residual.abs().max() == 0


@pytest.mark.parametrize("key", ["n", "]", "c", "+", "s", "d", "f", "o", "h", "r", "b", "u", "t"])
def test_these_do_not(key: str) -> None:
    state = apply_results(started(), [result_of(started(), spot(30, 20))])
    controls = press(Controls(), key, Menu(("sea",), ("s8b",), classes=("owls",)), 0.0)
    after = next_state(state, frame(1), controls, Workload(H), 0, still, never)
    assert after.generation == 0
    assert after.dream.carry.residual.max() > 0.2


def test_a_cut_begins_a_new_dream() -> None:
    state = apply_results(started(), [result_of(started(), spot(30, 20))])
    assert next_state(state, frame(1), Controls(), Workload(H), 0, still, lambda *_: "cut").generation == 1


def test_after_a_flash_the_dream_goes_on() -> None:
    state = apply_results(started(), [result_of(started(), spot(30, 20))])
    compare, white = frame_comparer(), np.full((H, W, 3), 255, np.uint8)
    for number, image in enumerate([white, white, None, None], 1):
        state = next_state(state, frame(number, image), Controls(), Workload(H), 0, dis(), compare)
        if image is not None:
            assert state.presence == 0 and not state.dream.carry.residual.any()
            assert (state.generation, state.frame_index) == (number if number == 1 else 1, number)
    assert state.generation == 0 and state.frame_index == 4 and state.before is None
    assert state.dream.carry.residual.max() > 0.2


def test_after_more_than_a_flash_it_begins_anew() -> None:
    state = apply_results(started(), [result_of(started(), spot(30, 20))])
    compare = frame_comparer()
    for number in range(1, 10):
        image = np.zeros((H, W, 3), np.uint8) if number < 6 else None
        state = next_state(state, frame(number, image), Controls(), Workload(H), 0, dis(), compare)
    assert state.generation == 6 and not state.dream.carry.residual.any() and state.presence == 1


def test_a_dream_fades_with_its_picture() -> None:
    state = apply_results(started(), [result_of(started(), spot(30, 20))])
    compare = frame_comparer()
    for number in range(1, 8):
        image = (textured(H, W) * (1 - number / 10)).astype(np.uint8)
        state = next_state(state, frame(number, image), Controls(), Workload(H), 0, dis(), compare)
    assert state.generation == 0 and 0 < state.dream.carry.residual.max() < 0.15


def test_without_a_new_picture_the_dream_goes_on_and_does_not_fade() -> None:
    state = apply_results(started(), [result_of(started(), spot(30, 20))])
    after = next_state(state, None, Controls(), Workload(H), 0, still, never)
    torch.testing.assert_close(after.dream.carry.residual, state.dream.carry.residual)
    assert after.frame_index == 1
    late = apply_results(after, [result_of(started(), spot(10, 10))])
    assert late.dream.carry.residual[..., 11, 11].max() > 0.2


def test_after_a_long_pause_the_dream_is_still_there() -> None:
    state = apply_results(started(), [result_of(started(), spot(30, 20))])
    after = next_state(state, frame(30 * 60), Controls(), Workload(H), 0, still, never)
    assert after.dream.carry.residual.max() == pytest.approx(0.25 * DECAY_PER_SECOND**MAX_DECAY_SECONDS, rel=1e-3)


def test_a_mirror_turns_the_picture() -> None:
    image = textured(H, W)
    state = start_dream(frame(0, image), Controls(mirror=True), Workload(H))
    np.testing.assert_array_equal(state.camera, image[:, ::-1])


def test_another_size_of_dream_keeps_what_was_dreamed() -> None:
    state = apply_results(started(), [result_of(started(), spot(30, 20))])
    after = next_state(state, frame(1), Controls(), Workload(24), 0, still, never)
    assert after.dream.source.shape == (1, 3, 24, 32)
    assert after.dream.carry.residual.max() > 0.1
    assert after.generation == 0
