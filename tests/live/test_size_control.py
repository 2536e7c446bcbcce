"""The size that it dreams at follows from measured times: in time, no smaller than need be, and steady."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.live.dreaming.size_control import (
    DREAM_SIDES,
    FIRST_SIDE,
    FIXED_INTERVALS,
    MAX_SHARE,
    MIN_ASCENTS,
    MIN_SAMPLES,
    PATIENCE,
    SETTLING,
    TARGET_SHARE,
    WINDOW,
    MeasuredTimes,
    SizeController,
    Workload,
    adjust_workload,
)

CAMERA = (1080, 1920)


def machine(per_line: Any, fixed: Any, per_ascent: Any, known: float = 0.0) -> Callable[..., Any]:
    """Times of a machine whose work grows like the area, but for a fixed part, and one that is known to be fixed."""
    return lambda workload: MeasuredTimes(
        known + fixed + per_line * workload.side**2, per_ascent * workload.side**2 * workload.steps, known
    )


def settled(times: Any, interval: Any, camera: Any = CAMERA, rounds: int = 40) -> Any:
    workload, workloads = Workload(FIRST_SIDE), []
    for _ in range(rounds):
        workload = adjust_workload(workload, times(workload), interval, camera)
        workloads.append(workload)
    return workloads


costs = st.floats(1e-8, 3e-6)


@given(costs, st.floats(0, 0.02), costs, st.sampled_from([1 / 60, 1 / 30, 1 / 15]), st.floats(0, 0.05))
def test_it_comes_to_rest_in_time_and_as_large_as_may_be(
    per_line: float, fixed: float, per_ascent: float, interval: Any, known: float
) -> None:
    times = machine(per_line, fixed, per_ascent, known)
    workloads = settled(times, interval)
    interval = max(interval, FIXED_INTERVALS * known)
    workload = workloads[-1]
    assert len(set(workloads[-10:])) == 1, "it swings"
    now = times(workload)
    if workload.side > DREAM_SIDES[0]:
        assert now.frame <= MAX_SHARE * interval
        assert now.ascent * MIN_ASCENTS <= 1
    if workload.side < DREAM_SIDES[-1]:
        larger = times(Workload(DREAM_SIDES[DREAM_SIDES.index(workload.side) + 1]))
        least = known + (TARGET_SHARE * interval - known) / 1.4  # the next size has up to 1.4 times the area
        assert larger.frame > least or larger.ascent * MIN_ASCENTS > 0.5, "there was time for more"


@pytest.mark.parametrize("rate", [15, 30, 60])
def test_a_fast_device_dreams_large_whatever_the_cpu_computes_for_each_frame(rate: int) -> None:
    """Beside a processor that takes 22 ms to look at a frame; kernels are launched in 2 ms more."""
    assert settled(machine(2e-9, 0.002, 4e-9, 0.022), 1 / rate)[-1].side == DREAM_SIDES[-1]


def test_what_no_smaller_dream_saves_makes_none_smaller() -> None:
    late = MeasuredTimes(0.14, 0.1, fixed=0.1)
    assert adjust_workload(Workload(600), late, 1 / 30, CAMERA) == Workload(600)
    assert adjust_workload(Workload(600), replace(late, fixed=0.0), 1 / 30, CAMERA).side < 300


def test_too_slow_at_any_size_stays_at_the_smallest() -> None:
    assert settled(machine(1e-4, 0.1, 1e-4), 1 / 30)[-1] == Workload(DREAM_SIDES[0])


def test_a_quick_machine_dreams_at_the_cameras_size_then_takes_more_steps() -> None:
    workload = settled(machine(1e-9, 0, 1e-9), 1 / 30, (480, 640))[-1]
    assert workload.size((480, 640)) == (480, 640)
    assert workload.steps == 2


def test_one_step_too_late_falls_as_far_as_it_must_at_once() -> None:
    slow = machine(4e-7, 0, 4e-6)
    assert adjust_workload(Workload(480), slow(Workload(480)), 1 / 30, CAMERA).side <= 168


@pytest.mark.parametrize(
    ("side", "camera", "size"),
    [
        (240, (480, 640), (240, 320)),
        (240, (640, 480), (320, 240)),
        (480, (120, 160), (120, 160)),
        (144, (145, 3000), (144, 2979)),
    ],
)
def test_sizes_keep_the_cameras_shape(side: int, camera: tuple[int, int], size: tuple[int, int]) -> None:
    assert Workload(side).size(camera) == size


# The controller, with a clock of the test's own.

INTERVAL = 1 / 30
FAST, SLOW = 0.001, 1.0  # seconds of work


def measure(controller: SizeController, now: float, seconds: float, until: float) -> float:
    """Frames and ascents that take `seconds` each, up to the time `until`."""
    while now < until:
        now += INTERVAL
        controller.add_ascents(now, [seconds])
        controller.add_frame(now, seconds)
        controller.update(now, INTERVAL, CAMERA)
    return now


def test_nothing_is_decided_before_a_window_has_been_measured() -> None:
    controller = SizeController(Workload(FIRST_SIDE), 100.0)
    now = measure(controller, 100.0, SLOW, 100.0 + SETTLING + WINDOW - INTERVAL)
    assert controller.workload == Workload(FIRST_SIDE)
    measure(controller, now, SLOW, now + 2 * INTERVAL)
    assert controller.workload == Workload(DREAM_SIDES[0])


def test_few_samples_decide_nothing() -> None:
    controller = SizeController(Workload(FIRST_SIDE), 100.0)
    for n in range(MIN_SAMPLES - 1):
        controller.add_frame(101.0 + n, SLOW)
        controller.add_ascents(101.0 + n, [SLOW])
    controller.update(200.0, INTERVAL, CAMERA)
    assert controller.workload == Workload(FIRST_SIDE)


def test_times_of_work_begun_before_a_change_do_not_count() -> None:
    controller = SizeController(Workload(FIRST_SIDE), 100.0)
    for _ in range(2 * MIN_SAMPLES):
        controller.add_frame(100.0 + SETTLING / 2, SLOW)
        controller.add_ascents(100.0 + SETTLING / 2, [SLOW])
    controller.update(200.0, INTERVAL, CAMERA)
    assert controller.workload == Workload(FIRST_SIDE)


def test_after_shrinking_it_waits_before_it_grows() -> None:
    controller = SizeController(Workload(FIRST_SIDE), 100.0)
    now = measure(controller, 100.0, SLOW, 101.5)
    assert controller.workload.side == DREAM_SIDES[0]
    now = measure(controller, now, FAST, now + PATIENCE - 2.0)
    assert controller.workload.side == DREAM_SIDES[0]
    measure(controller, now, FAST, now + 4.0)
    assert controller.workload.side > DREAM_SIDES[0]


def test_a_controller_beside_a_fast_device_grows_to_the_largest_size() -> None:
    controller, now = SizeController(Workload(FIRST_SIDE), 0.0), 0.0
    for _ in range(30 * 60):
        now += INTERVAL
        area = (controller.workload.side / 1024) ** 2
        controller.add_ascents(now, [0.004 * area])
        controller.add_frame(now, 0.024 + 0.003 * area, 0.022)
        controller.update(now, INTERVAL, CAMERA)
    assert controller.workload == Workload(1024, 2)


def test_a_fixed_workload_stays() -> None:
    controller = SizeController(Workload(FIRST_SIDE), 100.0, fixed=True)
    measure(controller, 100.0, SLOW, 110.0)
    assert controller.workload == Workload(FIRST_SIDE)
