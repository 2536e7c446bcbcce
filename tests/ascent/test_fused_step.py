"""The fused step gives the image that the plain one gives, for every look that it takes."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dreamvideo.ascent import ascend as ascend_module
from dreamvideo.ascent.ascend import ascend
from dreamvideo.ascent.fused_step import suits
from dreamvideo.ascent.step_numbers import numbers_data
from dreamvideo.settings.dream import DreamSettings

plain_ascend = inspect.unwrap(ascend)

LOOKS = {
    "dreamnet's": DreamSettings(),
    "of photographs": DreamSettings(step_size=0.0165, smooth=1.5, decorrelate=True),
    "colors as they are": DreamSettings(color=-1, border="wrap", headroom=0, noise=0.1),
    "neither held nor smoothed": DreamSettings(anchor=0, dream_bars=True, smooth=0),
    "unheld": DreamSettings(anchor=0, headroom=0.3, color=0),
}
HEIGHT, WIDTH = 48, 66
CPU = torch.device("cpu")


def score(images: Tensor) -> Tensor:
    """Smooth, so that a rounded gradient is nearly the same."""
    waves = torch.linspace(0, 9, WIDTH)[None, None, None].sin() * torch.tensor([1.0, -2, 0.5]).view(1, 3, 1, 1)
    return (torch.sin(3 * images) * waves + images.square() * images.roll(3, 2)).mean((1, 2, 3))


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@given(seed=st.integers(0, 1 << 20), extras=st.sets(st.sampled_from(["step_scale", "target_score", "area"])))
@settings(max_examples=6, deadline=None)
def test_the_fused_step_gives_the_image_of_the_plain_one(look: DreamSettings, seed: int, extras: set[str]) -> None:
    images, base = drawn(seed, 2, 3, HEIGHT, WIDTH), drawn(seed + 1, 2, 3, HEIGHT, WIDTH)
    base[0] *= 0.2  # in the dark
    offsets = torch.randint(-11, 12, (2, 2, 2), generator=torch.Generator().manual_seed(seed))
    given_tensors: dict[str, Any] = {
        "step_scale": drawn(seed + 2, 2, 1, HEIGHT, WIDTH),
        "target_score": torch.tensor([1.0, -1.0]),
        "area": drawn(seed + 3, 2, 1, HEIGHT, WIDTH).gt(0.2).float(),
    }
    optional = {name: value if name in extras else None for name, value in given_tensors.items()}
    assert suits(look)
    expected = plain_ascend(images, base, score, look, offsets, **optional)
    actual = ascend_module._ascend_fused(images, base, score, look, offsets, **optional, data=numbers_data(look, CPU))
    assert (expected - images).abs().max() > 1e-3
    torch.testing.assert_close(actual, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("change", [{"space": "imagenet"}, {"normalize": "std"}, {"smoothing": "fixed"}, {"tv": 0.1}])
def test_looks_of_other_programs_are_not_fused(change: dict[str, Any]) -> None:
    assert not suits(DreamSettings(**change))


def test_a_gradient_that_is_not_finite_takes_no_step() -> None:
    images = drawn(0, 1, 3, HEIGHT, WIDTH)

    def broken(images: Tensor) -> Tensor:
        return images.sum((1, 2, 3)) * torch.nan

    look = DreamSettings(anchor=0)
    stepped = ascend_module._ascend_fused(
        images, images, broken, look, torch.tensor([[[3, 4]]]), None, None, None, numbers_data(look, CPU)
    )
    torch.testing.assert_close(stepped, images)
