"""Windows lie where their curves say, however the sound comes in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.media.mono_sound import Samples
from dreamvideo.sound.windows import HOP, WindowCutter, equal_blocks

SIZES = [HOP, 512, 2048]


def cut_all(blocks: list[Samples], size: int) -> Samples:
    cutter = WindowCutter(size)
    return np.concatenate([cutter.cut(block) for block in [*blocks, None]])


def literal(sound: Samples, size: int) -> Samples:
    """Window k is what lies around sample k * HOP; beside the sound there is silence."""
    windows = []
    for k in range(len(sound) // HOP + 1):
        places = k * HOP + np.arange(-size // 2, size // 2)
        inside = (places >= 0) & (places < len(sound))
        windows.append(np.where(inside, sound[np.clip(places, 0, max(0, len(sound) - 1))] if len(sound) else 0, 0))
    return np.array(windows, np.float32)


@given(st.lists(st.integers(0, 3 * HOP), max_size=6), st.sampled_from(SIZES))
def test_window_k_is_centered_on_sample_k_times_the_hop(lengths: list[int], size: int) -> None:
    sound = np.arange(1, sum(lengths) + 1, dtype=np.float32)
    blocks = np.split(sound, np.cumsum(lengths)[:-1]) if lengths else []
    assert np.array_equal(cut_all(blocks, size), literal(sound, size))


@pytest.mark.parametrize("lengths", [[], [7], [200_000, 1, 122_880], [122_880, 122_880], [61_440] * 3])
def test_blocks_of_any_length_become_equal_ones(lengths: list[int]) -> None:
    sound = np.arange(sum(lengths), dtype=np.float32)
    blocks = list(equal_blocks(np.split(sound, np.cumsum(lengths)[:-1]) if lengths else []))
    assert np.array_equal(np.concatenate([*blocks, np.empty(0, np.float32)]), sound)
    assert len({len(block) for block in blocks[:-1]}) <= 1 and all(len(block) % HOP == 0 for block in blocks[:-1])
