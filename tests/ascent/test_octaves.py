import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference
import torch
from conftest import TinyNet, textured
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.ascent.gaussian import gaussian_blur
from dreamvideo.ascent.gradient_shaping import (
    natural_colors,
    normalize_mean,
    opponent_axes,
    shape_step,
    total_variation_gradient,
)
from dreamvideo.ascent.jitter import jitter_offsets
from dreamvideo.ascent.octaves import dream, octave_sizes
from dreamvideo.errors import SettingsError
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.settings.dream import DreamSettings

SMALL = DreamSettings(octaves=3, iterations=3, jitter=4)


def picture(height: int = 72, width: int = 95, seed: int = 0) -> Any:
    return torch.from_numpy(textured(height, width, seed)).permute(2, 0, 1)[None].float() / 255


def energy(net: torch.nn.Module) -> Objective:
    return Objective(net, (Term("second"),))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"color": -1.0},
        {"smooth": 0.0, "anchor": 0.0, "headroom": 0.0},
        {"border": "wrap"},
        {"octaves": 1, "jitter": 0},
        {"octaves": 2, "octave_scale": 1.8, "step_size": 0.05, "seed": 3},
    ],
)
@pytest.mark.parametrize("start", ["cold", "warm"])
def test_agrees_with_the_literal_version(tiny_net: TinyNet, changes: dict[Any, Any], start: str) -> None:
    settings = replace(SMALL, **changes)
    image = picture()
    residual = (picture(seed=9) - 0.5) * 0.3 if start == "warm" else None
    steps_per_octave, jitter_index = ([2, 0, 1][-settings.octaves :], 5) if start == "warm" else (None, 0)
    actual = dream(
        image,
        energy(tiny_net),
        settings,
        residual=residual,
        steps_per_octave=steps_per_octave,
        jitter_index=[jitter_index],
    )
    literal = reference.dream(
        image[0].double().numpy(),
        energy(tiny_net.double()),
        settings,
        None if residual is None else residual[0].double().numpy(),
        steps_per_octave,
        jitter_index,
    )
    assert np.abs(actual[0].numpy() - literal).max() < 1e-4
    assert (actual - image).abs().mean() > 0.01, "nothing was dreamed"


def test_a_batch_dreams_as_its_rows_alone(tiny_network: Network) -> None:
    images = torch.cat([picture(seed=1), picture(seed=2) * 0.3, picture(seed=3) * 0.1 + 0.8])
    jitter_indices = [0, 7, 7]
    together = dream(images, tiny_network.score, SMALL, jitter_index=jitter_indices)
    for image, row, jitter_index in zip(images, together, jitter_indices, strict=True):
        alone = dream(image[None], tiny_network.score, SMALL, jitter_index=[jitter_index])[0]
        assert (alone - row).abs().max() < 1e-4


def test_the_score_rises_with_every_octave(tiny_network: Network) -> None:
    image = picture(120, 160)
    scores = [tiny_network.score(dream(image, tiny_network.score, replace(SMALL, octaves=n))).item() for n in (1, 2, 3)]
    assert tiny_network.score(image).item() < scores[0] - 0.1
    assert all(a < b for a, b in itertools.pairwise(scores))


def test_strength_does_not_depend_on_resolution_or_contrast_of_the_gradient(tiny_network: Network) -> None:
    def strength(image: Any, weight: Any) -> Any:
        score = replace(tiny_network.score, terms=(Term("first", weight, "log"),))
        dreamed = dream(image, score, replace(SMALL, headroom=0, anchor=0, octaves=1))
        return (dreamed - image).abs().mean().item()

    assert strength(picture(60, 80), 1.0) == pytest.approx(strength(picture(120, 160), 1000.0), rel=0.15)


def test_stays_in_range_and_finite_on_black_white_and_flat(tiny_network: Network) -> None:
    for value in (0.0, 0.5, 1.0):
        dreamed = dream(torch.full((1, 3, 40, 40), value), tiny_network.score, replace(SMALL, step_size=0.2))
        assert torch.isfinite(dreamed).all()
        assert dreamed.min() >= 0
        assert dreamed.max() <= 1


def test_the_same_seed_dreams_the_same_and_another_does_not(tiny_network: Network) -> None:
    image = picture()
    first, again, other = (dream(image, tiny_network.score, replace(SMALL, seed=s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_weight_gets_a_gradient_and_none_is_left_on(tiny_network: Network, tiny_net: TinyNet) -> None:
    dreamed = dream(picture(), tiny_network.score, SMALL)
    assert not dreamed.requires_grad
    assert all(parameter.grad is None for parameter in tiny_net.parameters())


@given(st.integers(16, 2200), st.integers(16, 4000), st.floats(1.1, 2.5))
def test_octaves_grow_to_the_image_and_none_is_tiny(height: int, width: int, scale: float) -> None:
    sizes = octave_sizes(height, width, DreamSettings(octave_scale=scale))
    assert sizes[-1] == (height, width)
    assert all(a < b for a, b in itertools.pairwise(sizes))
    smallest = min(sizes[0])
    if len(sizes) > 1:
        assert 130 / scale**0.5 <= smallest + 1 and smallest - 1 <= 130 * scale**0.5
    asked = octave_sizes(height, width, DreamSettings(octaves=4, octave_scale=scale))
    assert len(asked) <= 4
    assert len(asked) == 1 or min(asked[0]) >= 32


def test_jitter_is_the_same_for_every_frame_with_as_many_steps_behind_it() -> None:
    settings = DreamSettings(jitter=16)
    assert jitter_offsets(settings, 1, 8, 3, (200, 300)) == jitter_offsets(settings, 1, 8, 3, (200, 300))
    drawn = {jitter_offsets(settings, 0, 1, jitter_index, (200, 300))[0] for jitter_index in range(200)}
    assert len(drawn) > 100
    assert max(max(map(abs, offset)) for offset in drawn) == 16
    assert max(max(map(abs, offset)) for offset in jitter_offsets(settings, 0, 500, 0, (20, 20))) == 5


def test_blur_keeps_the_mean_and_matches_a_full_kernel() -> None:
    plane = picture(33, 47)
    blurred = gaussian_blur(plane, 1.7)
    expected = reference.gaussian_blur(plane[0, 1].double().numpy(), 1.7)
    assert np.abs(blurred[0, 1].numpy() - expected).max() < 1e-5


@pytest.mark.parametrize("color", [-1.0, 0.0, 0.4])
def test_a_shaped_step_has_a_mean_absolute_value_of_one(color: float) -> None:
    step = shape_step(picture(50, 50) - 0.5, DreamSettings(color=color), 0.0, [(0, 0)])
    assert step.abs().mean().item() == pytest.approx(1, rel=1e-4)
    if color == 0:
        assert (step - step.mean(1, keepdim=True)).abs().max() < 1e-5  # gray


def test_a_zero_gradient_moves_nothing() -> None:
    assert torch.equal(normalize_mean(torch.zeros(1, 3, 5, 5)), torch.zeros(1, 3, 5, 5))


def test_a_held_score_makes_steps_larger_below_it_and_smaller_above(tiny_network: Network) -> None:
    image = torch.rand(1, 3, 48, 64)
    settings = DreamSettings(octaves=1, iterations=1, anchor=0.0, headroom=0.0, step_size=0.002, jitter=0)
    with torch.no_grad():
        score = tiny_network.score(image)

    def change(target_score: Any) -> Any:
        return (dream(image, tiny_network.score, settings, target_score=target_score) - image).abs().mean().item()

    free = change(None)
    assert change(score) == pytest.approx(free, rel=0.01)
    assert change(score + 0.1) == pytest.approx(math.exp(0.4) * free, rel=0.02)
    assert change(score - 0.1) == pytest.approx(math.exp(-0.4) * free, rel=0.02)
    assert change(score + 9) < 3 * free  # within limits
    assert change(score - 9) > 0.1 * free


def chroma(image: Any) -> Any:
    """(B, 2, H, W) red-green and yellow-blue."""
    return torch.einsum("ij,bjhw->bihw", opponent_axes(image.device)[1:], image)


@pytest.mark.parametrize("changes", [{}, {"color": -1.0, "space": "imagenet"}, {"detail": False, "tv": 0.3}])
def test_colors_are_kept_where_nothing_clips(tiny_network: Network, changes: dict[Any, Any]) -> None:
    image = picture() * 0.9 + 0.05
    settings = replace(SMALL, step_size=0.02, keep_colors=True, **changes)
    dreamed = dream(image, tiny_network.score, settings)
    inside = ((dreamed > 0) & (dreamed < 1)).all(1, keepdim=True)
    assert inside.float().mean() > 0.5
    assert ((chroma(dreamed) - chroma(image)).abs() * inside).max() < 1 / 255
    assert (dreamed - image).mean(1).abs().mean() > 0.02, "nothing was dreamed"
    with_colors = dream(image, tiny_network.score, replace(settings, keep_colors=False))
    assert (chroma(with_colors) - chroma(image)).abs().max() > 0.05


def test_kept_colors_are_clipped_to_what_can_be_shown(tiny_network: Network) -> None:
    dreamed = dream(
        torch.ones(1, 3, 40, 40) * torch.tensor([1, 0, 0.5]).view(3, 1, 1),
        tiny_network.score,
        replace(SMALL, keep_colors=True, headroom=0.0),
    )
    assert dreamed.min() >= 0 and dreamed.max() <= 1


@pytest.mark.parametrize("step_size", [0.007, 0.03])
def test_total_variation_falls_the_more_of_it_is_asked_for(tiny_network: Network, step_size: float) -> None:
    image = picture()

    def variation(x: Any) -> Any:
        return x.diff(dim=2).abs().mean().item() + x.diff(dim=3).abs().mean().item()

    made = [
        variation(dream(image, tiny_network.score, replace(SMALL, step_size=step_size, tv=tv))) for tv in (0, 0.3, 1, 4)
    ]
    assert made[0] > 1.03 * made[1] > 1.05 * made[2] > 1.06 * made[3]


def test_the_slope_of_total_variation_is_its_derivative() -> None:
    image = torch.rand(1, 2, 7, 9, dtype=torch.float64, requires_grad=True)
    soft = [(image.diff(dim=d).square() + (2 / 255) ** 2).sqrt().sum() for d in (2, 3)]
    (grad,) = torch.autograd.grad(soft[0] + soft[1], image)
    rounded = torch.full((1, 1, 1, 1), 2 / 255, dtype=torch.float64)
    assert torch.allclose(total_variation_gradient(image.detach(), rounded), grad / 4)
    assert total_variation_gradient(torch.full((1, 3, 5, 5), 0.3), rounded).abs().max() == 0


def test_decorrelated_colors_spread_as_in_photographs() -> None:
    noise = torch.randn(1, 3, 200, 200, generator=torch.Generator().manual_seed(0))
    settings = DreamSettings(decorrelate=True, smooth=0.0, normalize="none")
    step = shape_step(noise, settings, 0.0, [(0, 0)])
    lucid = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    covariance = lucid @ lucid.T
    expected = covariance / torch.linalg.matrix_norm(covariance, 2)
    assert (torch.cov(step[0].flatten(1)) - expected).abs().max() < 0.02
    matrix = natural_colors(noise.device)
    assert torch.allclose(matrix, matrix.T) and (torch.linalg.eigvalsh(matrix) > 0).all()
    assert (matrix.argmax(0) == torch.arange(3)).all()  # red stays red


def test_decorrelated_colors_lie_between_gray_and_a_network_s_own(tiny_network: Network) -> None:
    image = picture()

    def colorfulness(**changes: Any) -> Any:
        dreamed = dream(image, tiny_network.score, replace(SMALL, anchor=0.0, headroom=0.0, **changes))
        return ((chroma(dreamed) - chroma(image)).abs().mean() / (dreamed - image).mean(1).abs().mean()).item()

    own, mixed, gray = colorfulness(color=-1.0), colorfulness(decorrelate=True), colorfulness(color=0.0)
    assert gray < 0.1 * mixed and mixed < 0.6 * own


def test_settings_that_do_not_go_together_say_what_to_type() -> None:
    with pytest.raises(SettingsError, match="--keep-colors with --decorrelate: expected one of the two"):
        DreamSettings(keep_colors=True, decorrelate=True)
    with pytest.raises(SettingsError, match="--normalize none with --color 0.65.*expected --color -1"):
        DreamSettings(normalize="none")
    with pytest.raises(SettingsError, match="--tv -1.*expected at least 0"):
        DreamSettings(tv=-1)


def test_noise_is_on_what_the_network_sees_and_moves_under_the_jitter() -> None:
    seen: list[torch.Tensor] = []

    def score(images: torch.Tensor) -> torch.Tensor:
        seen.append(images.detach().clone())
        return images.square().mean((1, 2, 3))

    gray = torch.full((2, 3, 96, 600), 0.5)
    settings = replace(SMALL, octaves=1, iterations=2, step_size=0.0, noise=0.1)
    assert torch.equal(dream(gray, score, settings), gray)
    first, second = (images - 0.5 for images in seen)
    assert torch.equal(first, second)  # in the network's window it stays, so that a recorded graph may hold it
    assert torch.equal(first[0], first[1])  # an image dreams in a batch as alone
    assert first.std().item() == pytest.approx(0.1, rel=0.01)
    assert abs(first.mean().item()) < 0.001
    assert np.corrcoef(first[0, 0, :, 1:].flatten(), first[0, 0, :, :-1].flatten())[0, 1] < 0.02


def test_a_shift_leaves_no_seam_at_the_edges_unless_it_is_circular() -> None:
    noise = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    image = torch.linspace(0.2, 0.8, 96) + 0.02 * noise  # black on the left, white on the right

    def contrast(images: torch.Tensor) -> torch.Tensor:
        return images.diff(dim=3).square().mean((1, 2, 3))

    plain = DreamSettings(octaves=1, iterations=20, step_size=0.002, smooth=0.0, color=-1.0, headroom=0.0, anchor=0.0)
    ratios = {}
    for border in ("reflect", "wrap"):
        change = (dream(image, contrast, replace(plain, border=border)) - image).abs().mean((0, 1, 2))
        ratios[border] = (change[:2].mean() / change[24:-24].mean()).item()
    assert 0.2 < ratios["reflect"] < 1.5, ratios
    assert ratios["wrap"] > 4, ratios
