"""Stills on a CUDA device that is not there: nothing waits, nothing is mixed, and the picture is that of the CPU."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from conftest import TinyNet, textured
from fake_cuda import CUDA, fake_cuda
from torch import Tensor

from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent.octaves import dream, dream_octaves
from dreamvideo.ascent.tiling import Score, TiledScore
from dreamvideo.models.network import guide_columns
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import download, place, to_image, to_mask, to_tensor

CPU = torch.device("cpu")
HEIGHT, WIDTH = 48, 64

LOOK = DreamSettings(octaves=2, iterations=2, jitter=8)
LOOKS = {
    "default": LOOK,
    "decorrelate, tv, noise": replace(LOOK, decorrelate=True, tv=0.4, noise=0.05),
    "colors of the source, deviation, wrapped": replace(LOOK, keep_colors=True, normalize="std", border="wrap"),
    "no division, fixed smoothing, ImageNet": replace(
        LOOK, normalize="none", smoothing="fixed", space="imagenet", color=-1.0
    ),
    "no detail": replace(LOOK, detail=False, anchor=0.0, headroom=0.0),
    "bars dreamed": replace(LOOK, dream_bars=True),
    "no smoothing, no jitter": replace(LOOK, smooth=0.0, jitter=0),
    "no octaves": replace(LOOK, octaves=1),
}
TERMS = {
    "log": (Term("second", kind="log"), Term("first", 0.5, "log")),
    "l2": (Term("second", kind="l2"),),
    "l4": (Term("second", kind="l4"),),
    "mean": (Term("second", kind="mean"),),
    "sum": (Term("second", kind="sum"),),
    "mix": (Term("second", kind="mix"),),
    "channels": (Term("second", 1.0, "l2", (1, 3)), Term("first", -0.2, "l2")),
    "neuron": (Term("second", 1.0, "mean", (3,), center=True),),
    "classes of a map": (Term("second", 1.0, "class", (1, 2)),),
    "classes of a vector": (Term("pooled", 1.0, "class", (1, 2)),),
    "focus": (Term("first", kind="l4"), Term("second", 1.0, "focus", (1,)), Term("second", -0.5, "focus", (2,))),
    "guide": (Term("second", kind="guide"),),
}


class PooledNet(TinyNet):
    """With a vector for the whole image."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = super().forward(images)
        return {**maps, "pooled": maps["second"].mean((2, 3))}


def scored(terms: tuple[Term, ...], device: torch.device) -> Objective:
    net = PooledNet().to(device)
    names = {term.layer for term in terms}
    divisors = {name: place(torch.linspace(0.5, 2, 6 if name == "first" else 8), device) for name in names}
    guides = {}
    if any(term.kind == "guide" for term in terms):
        guides = {"second": guide_columns(net(to_tensor(textured(24, 32, 9), device))["second"])}
    return Objective(net, terms, divisors, guides)


def pictures(device: torch.device, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    return torch.cat([to_tensor(textured(height, width, seed), device) for seed in (1, 2)])


def check(terms: tuple[Term, ...], look: DreamSettings, tile: int | None = None, **others: Tensor) -> None:
    """Dream two pictures three times, on a GPU plainly, recorded and replayed: nothing waits, and it is as on a CPU."""

    def start(device: torch.device) -> tuple[Score, Tensor, dict[str, Any]]:
        score = scored(terms, device)
        given: dict[str, Any] = {name: place(value, device) for name, value in others.items()}
        if tile:
            return TiledScore(score, tile, device), pictures(device, tile, 2 * tile), given
        return score, pictures(device), given

    score, images, given = start(CPU)
    expected = [dream_octaves(images, score, look, jitter_index=[k, k + 1], **given) for k in range(3)]
    with fake_cuda() as device:
        score, images, given = start(CUDA)
        device.record.clear()
        results = [dream_octaves(images, score, look, jitter_index=[0, 1], **given)]
        assert device.record.faults(first=True) == []
        device.record.clear()
        results += [dream_octaves(images, score, look, jitter_index=[k, k + 1], **given) for k in (1, 2)]
        assert device.record.faults() == []
        assert bool(device.record.replays) == (tile is None)
        for one, other in zip(expected, results, strict=True):
            assert (one - download(other)).abs().max() < 1 / 255


@pytest.mark.parametrize("look", LOOKS)
def test_fake_cuda_dreams_every_look(look: str) -> None:
    check(TERMS["log"], LOOKS[look])


@pytest.mark.parametrize("terms", TERMS)
def test_fake_cuda_dreams_every_objective(terms: str) -> None:
    check(TERMS[terms], replace(LOOK, octaves=1))


def test_fake_cuda_dreams_on_a_residual_under_a_mask_towards_a_score() -> None:
    random = torch.Generator().manual_seed(0)
    residual, scale, mask = (torch.rand(2, c, HEIGHT, WIDTH, generator=random) for c in (3, 1, 1))
    check(TERMS["log"], LOOK, residual=residual * 0.1, step_scale=scale, mask=mask.round(), target_score=torch.ones(2))
    check(TERMS["log"], replace(LOOK, detail=False), mask=mask)


def test_fake_cuda_dreams_in_tiles() -> None:
    check((*TERMS["log"], *TERMS["classes of a vector"]), replace(LOOK, octaves=1, iterations=1), tile=64)


def test_fake_cuda_checks_pictures_of_a_program_by_one_copy() -> None:
    with fake_cuda() as device:
        score, images = scored(TERMS["log"], CUDA), pictures(CUDA)
        device.record.clear()
        dream(images, score, replace(LOOK, iterations=0))
        assert device.record.faults(first=True) == []
        assert [(each.up, each.bytes) for each in device.record.crossings] == [(False, 8)]


def test_fake_cuda_leaves_bars_without_a_look_at_them_on_the_cpu() -> None:
    picture = textured(HEIGHT, WIDTH, 3)
    picture[:8] = picture[-8:] = 4
    with fake_cuda() as device:
        score, images, mask = scored(TERMS["log"], CUDA), to_tensor(picture, CUDA), to_mask(picture[..., 0], CUDA)
        device.record.clear()
        dreamed = dream_octaves(images, score, LOOK, mask=mask)
        assert device.record.faults(first=True) == []
        assert (to_image(dreamed)[:8] == picture[:8]).all()
        assert (to_image(dreamed)[8:-8] != picture[8:-8]).any()


def test_fake_cuda_goes_on_plainly_where_a_network_waits() -> None:
    """The fault is the network's own: it stands in the record, and ends the recording of graphs, not the dream."""

    class Waiting(TinyNet):
        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {
                name: each / max(1.0, each.detach().amax().item()) for name, each in super().forward(images).items()
            }

    def dreamed(device: torch.device) -> Tensor:
        score = Objective(Waiting().to(device), TERMS["log"])
        look = replace(LOOK, octaves=1, iterations=1)
        return download(torch.cat([dream_octaves(pictures(device), score, look) for _ in range(3)]))

    with fake_cuda() as device:
        result = dreamed(CUDA)
        assert {operation for operation, _ in device.record.syncs} == {"_local_scalar_dense"}
        assert not device.record.replays
        assert not cuda_graphs._recorders[CUDA].works
    assert (result - dreamed(CPU)).abs().max() < 1 / 255
