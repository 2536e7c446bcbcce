import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from dreamvideo.models.class_odds import FOCUS, TEMPERATURE, class_log_odds, focus_map, focused
from dreamvideo.models.mixed_channels import MIX_CHANNELS, mix_cells
from dreamvideo.models.objectives import (
    FLOOR,
    LAYER_KINDS,
    WINDOW,
    Objective,
    Term,
    guide_similarity,
    term_score,
)

KINDS = [k for k in LAYER_KINDS if k != "mix"]


def activations(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(seed))


def score(activation: Any, kind: Any, *rest: Any) -> Tensor:
    return term_score(activation, Term("layer", kind=kind), *rest)


def test_l2_is_the_logarithm_of_the_mean_square() -> None:
    activation = activations()
    expected = [math.log(sum(v * v for v in row.flatten().tolist()) / 120) for row in activation]
    assert score(activation, "l2").tolist() == pytest.approx(expected, abs=1e-5)


def test_log_averages_the_logarithm_of_the_divided_local_energy() -> None:
    activation, divisor = activations(), torch.tensor([1.0, 2.0, 0.5, 4.0])
    energy = torch.stack([(activation[:, c] / divisor[c]) ** 2 for c in range(4)]).sum(0)  # (B, h, w)
    expected = [(row + FLOOR * row.mean()).log().mean().item() for row in energy]
    assert score(activation, "log", divisor).tolist() == pytest.approx(expected, abs=1e-5)


def test_mean_and_sum_are_plain_and_know_no_divisor() -> None:
    activation = activations()
    assert torch.allclose(score(activation, "mean", torch.full((4,), 9.0)), activation.mean((1, 2, 3)))
    assert torch.allclose(score(activation, "sum"), activation.sum((1, 2, 3)), atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(5, 6), (8, 20), (19, 30)])
def test_l4_averages_the_logarithm_of_the_mean_fourth_power_of_windows(height: int, width: int) -> None:
    activation = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(2))
    side = min(WINDOW, height, width)
    windows = [
        activation[:, :, y : y + side, x : x + side].pow(4).mean().item()
        for y in starts(height, side)
        for x in starts(width, side)
    ]
    floor = FLOOR * sum(windows) / len(windows)
    expected = sum(math.log(power + floor) for power in windows) / len(windows) / 2
    assert score(activation, "l4").item() == pytest.approx(expected, abs=1e-5)


def starts(length: int, side: int) -> list[int]:
    """Where windows begin that overlap by half; the last may be cut off, but begins before what is covered ends."""
    found = [0]
    while found[-1] + side < length:
        found.append(found[-1] + side // 2)
    return found


def test_a_focus_multiplies_what_others_respond_to_by_the_probability_of_classes() -> None:
    activation, logits = activations(), torch.randn(2, 7, 2, 3, generator=torch.Generator().manual_seed(1))

    def features(images: Any) -> dict[str, Any]:
        return {"layer": activation, "classes": logits}

    odds = class_log_odds(logits, (2, 5))
    probability = torch.nn.functional.interpolate(torch.sigmoid(odds).log()[:, None], (5, 6), mode="bilinear").exp()
    for kind in ("l2", "l4", "log"):
        terms = (Term("layer", 2.0, kind), Term("classes", 0.5, "focus", (2, 5)))
        expected = 2 * score(activation * probability ** (0.5 * FOCUS / 4), kind)
        assert torch.allclose(Objective(features, terms)(torch.zeros(2)), expected, atol=1e-5)
    likely, unlikely = (torch.full((2, 7, 2, 3), 0.0) for _ in range(2))
    likely[:, 2], unlikely[:, 2] = 9.0, -9.0
    assert (score(activation, "l2") - focused_score(activation, likely)).abs().max() < 0.01
    assert (focused_score(activation, unlikely) < score(activation, "l2") - 2).all()


def focused_score(activation: Tensor, logits: Tensor) -> Tensor:
    return score(focused(activation, focus_map([(logits, (2,), 1.0)])), "l2")


def test_of_classes_with_weights_of_their_own_the_likelier_counts_at_each_place() -> None:
    activation, logits = torch.ones(1, 1, 1, 3), torch.zeros(1, 4, 1, 3)
    logits[0, 1, 0, 0] = logits[0, 2, 0, 1] = 30.0  # the first place is of class 1, the second of 2, the third of none
    found = focused(activation, focus_map([(logits, (1,), 1.0), (logits, (2,), 0.5)])).flatten()
    assert found[:2].tolist() == pytest.approx([1.0, 0.5 ** (FOCUS / 4)], abs=1e-3)
    assert found[2] < 0.8


def test_a_focus_of_negative_weight_leaves_what_is_not_of_the_classes_and_one_of_none_changes_nothing() -> None:
    activation, logits = torch.ones(1, 1, 1, 2), torch.zeros(1, 4, 1, 2)
    logits[0, 1, 0, 0] = logits[0, 2, 0, 1] = 30.0  # the first place is of class 1, the second of 2

    def factors(*weights: float) -> list[float]:
        focuses = [(logits, (number,), weight) for number, weight in zip((1, 2), weights, strict=False)]
        found: list[float] = focused(activation, focus_map(focuses)).flatten().tolist()
        return found

    assert factors(-1.0) == pytest.approx([0.0, 1.0], abs=0.01)
    assert factors(-1.0, 1.0) == pytest.approx([0.0, 1.0], abs=0.01)
    assert factors(0.0) == [1.0, 1.0]


@pytest.mark.parametrize("kind", ["l2", "l4", "log", "mix"])
def test_twice_the_activation_adds_the_logarithm_of_four(kind: str) -> None:
    gain = score(2 * activations(), kind) - score(activations(), kind)
    assert gain.tolist() == pytest.approx([math.log(4)] * 2, abs=1e-5)


@pytest.mark.parametrize("kind", LAYER_KINDS)
def test_a_black_picture_scores_low_but_finite(kind: Any) -> None:
    silent = torch.zeros(1, 3, 4, 4, requires_grad=True)
    found = score(silent, kind)
    (grad,) = torch.autograd.grad(found.sum(), silent)
    assert torch.isfinite(found).all() and torch.isfinite(grad).all()


@pytest.mark.parametrize("kind", LAYER_KINDS)
def test_large_activations_of_fp16_have_a_finite_score(kind: Any) -> None:
    large = (activations() * 3000).half().requires_grad_()
    found = score(large, kind)
    (grad,) = torch.autograd.grad(found.sum(), large)
    assert torch.isfinite(found).all() and grad.abs().max() > 0


def test_terms_add_up_by_weight() -> None:
    def features(images: Any) -> dict[str, Any]:
        return {"a": images, "b": images[:, :1] * 3}

    images = activations()[:, :3]
    both = Objective(features, (Term("a", 2.0), Term("b", -0.5)))
    expected = 2 * score(images, "l2") - 0.5 * score(images[:, :1] * 3, "l2")
    assert torch.allclose(both(images), expected)
    assert both.layers == ("a", "b")


@pytest.mark.parametrize("kind", KINDS)
def test_picked_channels_alone_are_looked_at(kind: Any) -> None:
    activation, divisor = activations(), torch.tensor([1.0, 2.0, 0.5, 4.0])
    found = term_score(activation, Term("layer", kind=kind, picks=(3, 1)), divisor)
    assert torch.allclose(found, score(activation[:, [3, 1]], kind, divisor[[3, 1]]), atol=1e-5)


def test_a_neuron_is_the_middle_of_its_channel() -> None:
    found = term_score(activations(), Term("layer", kind="mean", picks=(2,), center=True))
    assert found.tolist() == activations()[:, 2, 2, 3].tolist()


def test_a_mix_raises_other_channels_at_every_place() -> None:
    cells = mix_cells(40, torch.device("cpu"))
    assert (cells.sum(1) == MIX_CHANNELS).all()
    assert len(torch.unique(cells.flatten(2)[0].T, dim=0)) > 30  # of 35 places
    big = torch.zeros(1, 40, 50, 70)
    channel = int(cells[0, :, 0, 0].argmax())
    there, elsewhere = big.clone(), big.clone()
    there[0, channel, 2, 2] = 1.0
    elsewhere[0, int(cells[0, :, 0, 0].argmin()), 2, 2] = 1.0
    assert score(there, "mix") > score(elsewhere, "mix") + 5


def test_odds_are_those_of_the_softmax() -> None:
    logits = activations() * 3
    shares = (logits / TEMPERATURE).softmax(1)
    expected = (shares[:, [1, 3]].sum(1) / shares[:, [0, 2]].sum(1)).log() * TEMPERATURE
    assert torch.allclose(class_log_odds(logits, (1, 3)), expected, atol=1e-5)
    assert torch.allclose(class_log_odds(logits, ()), class_log_odds(logits, (1, 2, 3)))
    assert torch.allclose(
        term_score(logits[:, :, 0, 0], Term("fc", kind="class", picks=(2,))),
        class_log_odds(logits[..., :1, :1], (2,)).flatten(),
    )


def test_a_guide_draws_every_place_to_what_it_is_most_like() -> None:
    activation, guide = activations(), torch.randn(4, 7)
    expected = [
        sum(
            max(sum(row[c, y, x] * guide[c, n] for c in range(4)) for n in range(7)) for y in range(5) for x in range(6)
        )
        / 30
        for row in activation
    ]
    assert guide_similarity(activation, guide).tolist() == pytest.approx([float(v) for v in expected], abs=1e-4)
    objective = Objective(
        partial(lambda a, images: {"a": a}, activation), (Term("a", kind="guide"),), guides={"a": guide}
    )
    own = sum(float(guide[c, n]) ** 2 for c in range(4) for n in range(7)) / 7
    scores = [math.asinh(float(v) / own) for v in expected]
    assert objective(torch.zeros(2, 3, 8, 8)).tolist() == pytest.approx(scores, abs=1e-4)


def test_likeness_place_by_place_is_that_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    guide = torch.randn(4, 7)
    plain, chunked = activations().requires_grad_(), activations().requires_grad_()
    monkeypatch.setattr("dreamvideo.models.objectives.PRODUCTS", 3 * 7 * 2)
    every = (plain.flatten(2).transpose(1, 2) @ guide).amax(2).mean(1)
    assert torch.allclose(guide_similarity(chunked, guide), every, atol=1e-5)
    every.sum().backward(), guide_similarity(chunked, guide).sum().backward()
    assert torch.allclose(chunked.grad, plain.grad, atol=1e-6)


def test_rivals_by_hand() -> None:
    """In each window the thing with the largest mean square counts, whatever the others do."""
    activation = torch.randn(2, 3 * 24, 7, 9, generator=torch.Generator().manual_seed(4))
    found = term_score(activation, Term("x", kind="rivals"), torch.full((72,), 2.0))
    for number in range(2):
        windows = []
        for y in range(3):
            for x in range(5):
                part = (activation[number, :, y : y + 5, x : x + 5].double() / 2).square()
                windows.append(max(float(part[24 * thing : 24 * thing + 24].mean()) for thing in range(3)))
        floor = 0.15 * sum(windows) / len(windows)
        assert float(found[number]) == pytest.approx(sum(math.log(each + floor) for each in windows) / 15, abs=1e-4)
    picked = term_score(activation, Term("x", kind="rivals", picks=tuple(range(24, 48))))
    torch.testing.assert_close(picked, term_score(activation[:, 24:48], Term("x", kind="rivals")))
    assert torch.isfinite(term_score(torch.zeros(1, 24, 2, 3), Term("x", kind="rivals"))).all()
