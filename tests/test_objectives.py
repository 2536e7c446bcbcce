import math

import pytest
import torch

from dreamvideo.objectives import FLOOR, Objective, layer_score


def activations(seed=0):
    return torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(seed))


def test_l2_is_the_logarithm_of_the_mean_square():
    activation = activations()
    expected = [math.log(sum(v * v for v in row.flatten().tolist()) / 120) for row in activation]
    assert layer_score(activation, "l2").tolist() == pytest.approx(expected, abs=1e-5)


def test_log_averages_the_logarithm_of_the_divided_local_energy():
    activation, divisor = activations(), torch.tensor([1.0, 2.0, 0.5, 4.0])
    energy = sum((activation[:, c] / divisor[c]) ** 2 for c in range(4))  # (B, h, w)
    expected = [(row + FLOOR * row.mean()).log().mean().item() for row in energy]
    assert layer_score(activation, "log", divisor).tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["l2", "log"])
def test_twice_the_activation_adds_the_logarithm_of_four(kind):
    gain = layer_score(2 * activations(), kind) - layer_score(activations(), kind)
    assert gain.tolist() == pytest.approx([math.log(4)] * 2, abs=1e-5)


@pytest.mark.parametrize("kind", ["l2", "log"])
def test_a_black_picture_scores_low_but_finite(kind):
    silent = torch.zeros(1, 3, 4, 4, requires_grad=True)
    score = layer_score(silent, kind)
    (slope,) = torch.autograd.grad(score.sum(), silent)
    assert torch.isfinite(score).all() and torch.isfinite(slope).all()


@pytest.mark.parametrize("kind", ["l2", "log"])
def test_large_activations_of_fp16_have_a_finite_score(kind):
    large = (activations() * 3000).half().requires_grad_()
    score = layer_score(large, kind)
    (slope,) = torch.autograd.grad(score.sum(), large)
    assert torch.isfinite(score).all() and slope.abs().max() > 0


def test_layers_add_up_by_weight():
    def features(images):
        return {"a": images, "b": images[:, :1] * 3}

    images = activations()[:, :3]
    both = Objective(features, (("a", 2.0), ("b", -0.5)), "l2")(images)
    expected = 2 * layer_score(images, "l2") - 0.5 * layer_score(images[:, :1] * 3, "l2")
    assert torch.allclose(both, expected)
