from typing import Any

import pytest
import torch
from conftest import textured
from torch import Tensor

from dreamvideo.bench.coherence.moving import (
    COVERED,
    FINE,
    LARGE,
    SETTLED,
    amplitude,
    find_movers,
    lately,
    moving_strength,
    return_likeness,
    smear,
)
from dreamvideo.motion.warp import warp

N, H, W = 24, 40, 64
STILL = torch.zeros(N - 1, 2, H, W)
SIDE = slice(12, 28)  # rows of the figure


def ground(shift: int = 0) -> Tensor:
    """(N, 3, H, W): a texture that moves `shift` pixels to the left each frame."""
    wide = torch.from_numpy(textured(H, W + N * shift)).permute(2, 0, 1).float() / 255
    return torch.stack([wide[..., i * shift : i * shift + W] for i in range(N)])


def places(columns: Any) -> Tensor:
    """(N, 1, H, W): a figure at columns that depend on the frame."""
    mask = torch.zeros(N, 1, H, W, dtype=torch.bool)
    for i in range(N):
        mask[i, :, SIDE, columns(i)] = True
    return mask


def walks(i: int) -> slice:
    """A figure of 16 px from the left to the right and out, 4 px a frame."""
    return slice(max(0, 4 * i - 16), 4 * i)


def dream(seed: int = 0) -> Tensor:
    return torch.randn(1, 3, H, W, generator=torch.Generator().manual_seed(seed)) / 20


def with_figure(sources: Tensor, movers: Tensor) -> Tensor:
    return torch.where(movers, torch.tensor([0.1, 0.9, 0.1]).view(1, 3, 1, 1), sources)


def test_what_the_ground_does_not_explain_moves() -> None:
    movers = places(walks)
    found = find_movers(with_figure(ground(), movers), STILL)
    assert found[5, :, SIDE, 0:4].float().mean() > 0.9 and found[5, :, SIDE, 17:20].float().mean() > 0.9, "both ends"
    assert not found[5, :, :8].any() and not found[0].any()
    pan = STILL.clone()
    pan[:, 0] = 2
    assert not find_movers(ground(2), pan)[..., :-4].any()


def test_lately_is_within_the_last_frames_on_the_same_ground() -> None:
    once = torch.zeros(N, 1, H, W, dtype=torch.bool)
    once[3, :, 10, 40] = True
    recent = lately(once, STILL, 4)
    assert [i for i in range(N) if recent[i, 0, 10, 40]] == [3, 4, 5, 6]
    pan = STILL.clone()
    pan[:, 0] = 2
    assert lately(once, pan, 4)[5, 0, 10, 36] and not lately(once, pan, 4)[5, 0, 10, 40]


def test_strength_is_that_of_the_places_over_a_dream_of_the_frame_alone() -> None:
    sources, where = ground(), places(walks)
    fresh = sources + dream()
    images = torch.where(where, sources + 0.5 * dream(), sources)
    ratios = moving_strength(images, sources, [fresh, fresh], where, lambda x: (x - 0.4).square().mean((1, 2, 3)))
    assert ratios["fine"] == pytest.approx(0.5, rel=0.2), "blurred across its edge"
    assert ratios["score"] < 0.6
    same = moving_strength(fresh, sources, [fresh], where, lambda x: x.mean((1, 2, 3)))
    assert all(value == pytest.approx(1) for value in same.values())
    coarse = sources + 0.1 * torch.sin(torch.arange(W) / 8)
    everywhere = torch.ones_like(where)
    assert amplitude(coarse, sources, everywhere, LARGE) > 0.8 * amplitude(coarse, sources, everywhere, FINE)
    assert amplitude(fresh, sources, everywhere, LARGE) < 0.35 * amplitude(fresh, sources, everywhere, FINE)


@pytest.mark.parametrize("shift", [0, 1])
def test_ground_comes_back_as_alike_as_its_dream(shift: int) -> None:
    flow = STILL.clone()
    flow[:, 0] = shift
    sources, movers = ground(shift), places(walks)
    residuals = [dream()]
    for i in range(1, N):
        residuals.append(warp(residuals[-1], flow[i - 1 : i]))
    kept = torch.cat(residuals)
    covered = with_figure(sources, movers)
    assert return_likeness(covered + kept, covered, flow) == pytest.approx(1, abs=0.02 + 0.2 * shift)
    gone = lately(movers, flow, N)  # what was crossed dreams something else from then on
    other = torch.where(gone, dream(1), kept)
    assert abs(return_likeness(covered + other, covered, flow) or 1) < 0.4, "pixels beside it dream as before"
    assert COVERED < 5 and SETTLED < N / 2


def test_ground_that_nothing_covers_does_not_come_back() -> None:
    assert return_likeness(ground() + dream(), ground(), STILL) is None


def test_smear_is_change_beside_what_moves_and_nowhere_else() -> None:
    sources, movers = ground(), places(walks)
    steady = sources + dream()
    assert smear(steady, sources, movers, STILL) == pytest.approx(0, abs=1e-3)
    dragged = sources + torch.cat([dream(i) for i in range(N)])
    assert smear(dragged, sources, movers, STILL) == pytest.approx(255 * 2**0.5 * 0.8 / 20, rel=0.05)
    far = steady.clone()
    far[:, :, :2] += torch.rand(N, 1, 1, 1)
    assert smear(far, sources, movers, STILL) == pytest.approx(0, abs=1e-3)
    assert smear(steady, sources, torch.zeros_like(movers), STILL) is None
