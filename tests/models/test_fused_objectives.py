"""Objectives by the operations of CUDA, in their plain versions, score and differentiate as by PyTorch's."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from torch import Tensor

from dreamvideo.models import class_odds, objectives
from dreamvideo.models.objectives import Term, term_score


def scored(term: Term, divisor: Tensor | None, fused: bool) -> tuple[Tensor, Tensor]:
    activation = torch.randn(2, 21, 19, 26, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with (
        mock.patch.object(objectives, "fused_on", lambda device: fused),
        mock.patch.object(class_odds, "fused_on", lambda device: fused),
    ):
        score = term_score(activation, term, divisor)
        (grad,) = torch.autograd.grad(score.sum(), activation)
    return score.detach(), grad


@pytest.mark.parametrize("divided", [False, True])
@pytest.mark.parametrize("term", [Term("x", kind=kind) for kind in ("log", "l2", "l4", "mean", "sum")], ids=str)
def test_a_layer_scores_alike(term: Term, divided: bool) -> None:
    divisor = torch.linspace(0.5, 2, 21) if divided else None
    for plain, fused in zip(scored(term, divisor, False), scored(term, divisor, True), strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("picks", [(), (3,), (0, 5, 20)])
def test_classes_score_alike(picks: tuple[int, ...]) -> None:
    term = Term("x", kind="class", picks=picks)
    for plain, fused in zip(scored(term, None, False), scored(term, None, True), strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-7)
