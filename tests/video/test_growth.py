from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dreamvideo.ascent.ascend import ascend
from dreamvideo.ascent.octaves import octave_sizes
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.video import growth
from dreamvideo.video.growth import (
    CELL,
    LocalStep,
    choose_windows,
    count_cells,
    covered_by,
    grow,
    plan_local_steps,
    window_side,
)
from dreamvideo.video.octave_turns import local_gains

LOOK = DreamSettings(octaves=3, iterations=4, step_size=0.02, jitter=4, anchor=0.0)
H, W = 120, 160
SIZES = octave_sizes(H, W, LOOK)
SIDE = window_side(SIZES[0])


def spot(rows: slice, columns: slice) -> Tensor:
    need = torch.zeros(1, 1, H, W)
    need[..., rows, columns] = 1
    return need


def planned(need: Tensor, gains: dict[int, float], index: int) -> LocalStep:
    sizes = {octave: SIZES[octave] for octave in gains}
    return LocalStep(index, gains, tuple(choose_windows(count_cells(need).numpy(), sizes, SIDE, 4)))


def test_windows_fit_into_every_octave() -> None:
    assert SIDE % 32 == 0 and min(SIZES[0]) >= SIDE
    assert window_side((135, 240)) == 128
    assert window_side((1080, 1920)) == 128
    assert window_side((20, 90)) == 20


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 19), st.integers(1, 6)), max_size=6), st.integers(1, 4))
def test_windows_lie_inside_and_cover_most_first(spots: list[tuple[int, int, int]], most: int) -> None:
    need = np.zeros((H // CELL, W // CELL), np.float32)
    for row, column, size in spots:
        need[row : row + size, column : column + size] = 1
    windows = choose_windows(need, dict(enumerate(SIZES)), SIDE, most)
    for octave, (height, width) in enumerate(SIZES):
        mine = [window for window in windows if window.octave == octave]
        assert len(mine) <= most
        assert all(0 <= each.top <= height - SIDE and 0 <= each.left <= width - SIDE for each in mine)
        if need.sum() >= 8:
            assert mine, "something has to grow"
    if not need.any():
        assert not windows


def test_a_window_lies_around_what_has_to_grow() -> None:
    need = np.zeros((H // CELL, W // CELL), np.float32)
    need[7:9, 10:13] = 1  # rows 56 to 72, columns 80 to 104
    (window,) = choose_windows(need, {2: SIZES[2]}, SIDE, 4)
    assert abs(window.top + SIDE / 2 - 64) <= 4 and abs(window.left + SIDE / 2 - 92) <= 4


@pytest.mark.parametrize("octaves", range(1, 8))
def test_every_octave_has_its_turn_and_a_finest_that_has_one_already_has_none(octaves: int) -> None:
    calls = [local_gains(octaves, call, finest=True) for call in range(2 * max(1, octaves - 2))]
    assert set().union(*calls) == set(range(octaves))
    assert all(octaves - 1 in gains for gains in calls)
    if octaves > 1:
        assert all(octaves - 1 not in local_gains(octaves, call, finest=False) for call in range(8))


def test_only_what_has_to_grow_changes(tiny_network: Network) -> None:
    sources, residual = torch.rand(1, 3, H, W), torch.zeros(1, 3, H, W)
    need = spot(slice(50, 70), slice(60, 90))
    step = planned(need, {0: 1.0, 2: 1.0}, 5)
    grown = grow(sources, residual, need, tiny_network.score, LOOK, [step])
    covered = covered_by(step, (H, W), LOOK, need.device)
    change = (grown - residual).abs().amax(1, keepdim=True)
    assert change[need > 0].mean() > 0.005
    assert change[..., :30, :].max() < 1e-6 and change[..., 130:].max() < 1e-6
    assert covered[need > 0].all() and covered.sum() == SIDE * SIDE
    assert (sources + grown).amin() >= 0 and (sources + grown).amax() <= 1


def test_where_nothing_has_to_grow_there_are_no_windows() -> None:
    assert not any(
        step.windows for step in plan_local_steps(np.zeros((15, 20), np.float32), (H, W), LOOK, 3, 4, [0] * 3)
    )


def test_a_frame_of_a_batch_grows_as_it_would_alone(tiny_network: Network) -> None:
    sources, residuals = torch.rand(2, 3, H, W), torch.zeros(2, 3, H, W)
    needs = torch.cat([spot(slice(50, 70), slice(60, 90)), spot(slice(10, 40), slice(10, 40))])
    score = tiny_network.score
    steps = [planned(needs[:1], {0: 1.0, 2: 0.8}, 5), planned(needs[1:], {1: 1.0, 2: 0.8}, 9)]
    both = grow(sources, residuals, needs, score, LOOK, steps)
    for row, step in enumerate(steps):
        alone = grow(sources[row : row + 1], residuals[:1], needs[row : row + 1], score, LOOK, [step])
        assert torch.allclose(both[row : row + 1], alone, atol=1e-4)


def test_windows_that_overlap_step_once(tiny_network: Network) -> None:
    sources, residual = torch.rand(1, 3, H, W), torch.zeros(1, 3, H, W)
    need = torch.ones(1, 1, H, W)
    windows = planned(need, {2: 1.0}, 0)
    grown = grow(sources, residual, need, tiny_network.score, LOOK, [windows])
    covered = covered_by(windows, (H, W), LOOK, need.device)
    step = (grown - residual).abs()[covered.expand_as(grown) > 0]
    assert len(windows.windows) > 1 and step.mean() < 1.3 * LOOK.step_size


def test_windows_go_in_batches_that_come_again_where_they_are_recorded(
    tiny_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, residual, need = torch.rand(1, 3, H, W), torch.zeros(1, 3, H, W), torch.ones(1, 1, H, W)
    step = planned(need, {0: 1.0, 1: 1.0, 2: 1.0}, 0)
    at_once = grow(sources, residual, need, tiny_network.score, LOOK, [step])
    sizes = []

    def ascended(images: Tensor, *args: Any) -> Tensor:
        sizes.append(len(images))
        return ascend(images, *args)

    monkeypatch.setattr(growth, "recorded_on", lambda device: True)
    monkeypatch.setattr(growth, "ascend", ascended)
    monkeypatch.setattr(growth, "LARGEST_RECORDED", 4)
    assert torch.allclose(grow(sources, residual, need, tiny_network.score, LOOK, [step]), at_once, atol=1e-5)
    assert sum(sizes) == len(step.windows) > 4 and set(sizes) <= {1, 2, 4}
