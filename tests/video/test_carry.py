from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.models.network import Network
from dreamvideo.motion.frame_motion import no_motion
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video.carry import Carry, move_carry
from dreamvideo.video.dream_frames import dream_carried_frames, dream_first_frames
from dreamvideo.video.frame_steps import octave_steps
from dreamvideo.video.octave_turns import steps_per_octave
from dreamvideo.video.progress import GROWN_STEPS, GROWTH_FRAMES, Progress

QUICK = DreamSettings(octaves=1, iterations=4, step_size=0.02, jitter=4, anchor=0.0)


def test_a_residual_is_carried_where_the_motion_is_trusted() -> None:
    residual = torch.arange(12.0).expand(1, 3, 8, 12).clone()
    backward = torch.zeros(1, 2, 8, 12)
    backward[:, 0] = -2
    occluded = torch.zeros(1, 1, 8, 12, dtype=torch.bool)
    occluded[..., :2] = True
    progress = Progress(torch.ones(1, 1, 8, 12), frame_index=6, unseen=0.08)
    last = Carry(residual, torch.ones(1, 1, 1, 1), torch.zeros(1), progress)
    motion = replace(no_motion(8, 12), backward=backward, occluded=occluded, trust=1 - occluded.float(), unseen=2 / 12)
    moved = move_carry(last, torch.rand(1, 3, 8, 12), motion, 0.5)
    assert (moved.residual[..., :2] == 0).all() and (moved.progress.age[..., :2] == 0).all()
    assert torch.allclose(moved.residual[0, 0, 0, 3:], 0.5 * torch.arange(1.0, 10.0), atol=1e-3)
    assert torch.allclose(moved.progress.age[..., 2:], torch.ones(1, 1, 8, 10))
    assert moved.progress.frame_index == 7
    assert moved.progress.unseen == pytest.approx(0.08 * (1 - 1 / GROWTH_FRAMES) + 2 / 12)


@given(st.integers(1, 7), st.integers(0, 50))
def test_every_octave_has_its_turn_the_finest_every_other_frame(octaves: int, start: int) -> None:
    cycle = 4 * max(1, octaves - 1)
    rows = [steps_per_octave(octaves, start + tick, 2, much_unseen=False) for tick in range(cycle)]
    assert all(sum(map(bool, row)) <= 1 and set(row) <= {0, 2} for row in rows)
    visits = [sum(map(bool, column)) for column in zip(*rows, strict=True)]
    assert visits == [1] * (octaves - 1) + [cycle // 2]


def test_much_unseen_ground_takes_a_step_at_every_frame() -> None:
    assert [steps_per_octave(3, tick, 1, much_unseen=True) for tick in range(8, 12)] == [
        (0, 0, 1),
        (0, 0, 1),
        (0, 1, 1),
        (0, 0, 1),
    ]
    assert steps_per_octave(1, 8, 3, much_unseen=True) == (3,)
    start = Progress(torch.zeros(1, 1, 180, 320), frame_index=4)
    assert octave_steps(start, (180, 320), DreamSettings(), CarrySettings()) == (0, 0)
    assert octave_steps(replace(start, unseen=0.2), (180, 320), DreamSettings(), CarrySettings()) == (0, 1)


def test_a_frame_without_a_turn_only_carries(tiny_network: Network) -> None:
    sources = torch.rand(2, 3, 48, 64)
    starts = dream_first_frames(sources, tiny_network, QUICK)
    left = dream_carried_frames(sources, starts, tiny_network, QUICK, CarrySettings(), steps=(0,))
    for before, after in zip(starts, left, strict=True):
        assert torch.allclose(before.residual, after.residual, atol=1e-6)


def test_new_ground_is_dreamed_at_all_sizes_in_every_frame_until_it_is_like_the_rest(tiny_network: Network) -> None:
    look = replace(QUICK, octaves=2, headroom=0.0)
    sources = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    (start,) = dream_first_frames(sources, tiny_network, look)
    residual, age = start.residual.clone(), start.progress.age.clone()
    residual[..., 30:60, 30:60] = age[..., 30:60, 30:60] = 0
    unlimited = torch.full((1, 1, 1, 1), 9.0)
    start = replace(start, residual=residual, strength=unlimited, progress=Progress(age, unseen=0.1))
    carrying = CarrySettings(local_steps=3)
    (left,) = dream_carried_frames(sources, [start], tiny_network, look, carrying, steps=(0, 0))
    change = (left.residual - start.residual).abs()
    assert change[..., 35:55, 35:55].mean() > 3 * look.step_size / 2
    assert change[..., :20, :].max() < 1e-6
    assert left.progress.age[..., 35:55, 35:55].mean() == pytest.approx(3 / GROWN_STEPS)
    for index in range(1, 8):
        left = replace(left, progress=replace(left.progress, frame_index=index))
        (left,) = dream_carried_frames(sources, [left], tiny_network, look, carrying, steps=(0, 0))
    assert (left.progress.age[..., 32:58, 32:58] > 0.99).all()
    strength = left.residual[..., 30:60, 30:60].abs().mean() / left.residual[..., 64:].abs().mean()
    assert 0.6 < strength < 1.6
    off_settings = CarrySettings(local_steps=0)
    (off,) = dream_carried_frames(sources, [start], tiny_network, look, off_settings, steps=(0, 0))
    assert torch.equal(off.progress.age, start.progress.age)


def test_windows_take_the_time_of_every_other_turn_of_the_finest() -> None:
    rows = [steps_per_octave(3, tick, 1, much_unseen=False, local=True) for tick in range(8)]
    assert [row[-1] for row in rows] == [0, 1, 0, 0, 0, 1, 0, 0]
    assert all(steps_per_octave(3, tick, 1, much_unseen=True, local=True)[-1] for tick in range(8))


def test_the_first_dream_is_the_most_that_is_carried(tiny_network: Network) -> None:
    sources = torch.rand(1, 3, 48, 64)
    (start,) = dream_first_frames(sources, tiny_network, QUICK)
    stronger = replace(start, residual=2 * start.residual)
    (left,) = dream_carried_frames(sources, [stronger], tiny_network, QUICK, CarrySettings(), steps=(0,))
    assert left.residual.abs().mean().item() == pytest.approx(start.strength.item(), rel=1e-4)
