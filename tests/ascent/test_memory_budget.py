from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import run, stream, textured

from dreamvideo.ascent import memory_budget as rooms
from dreamvideo.ascent.memory_budget import MemoryBudget, estimate_bytes, smaller_tile
from dreamvideo.ascent.tiling import TiledScore
from dreamvideo.commands.options import IMAGE_SETTINGS, VIDEO_SETTINGS
from dreamvideo.errors import MemoryBudgetError
from dreamvideo.media.images import write_image
from dreamvideo.models.network import Network, load_network
from dreamvideo.models.objectives import Objective
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import TileSettings
from dreamvideo.tensors import to_tensor
from dreamvideo.video.dream_frames import dream_carried_frames, dream_first_frames
from dreamvideo.video.pipeline import dream_video

CPU = torch.device("cpu")
QUICK = DreamSettings(octaves=1, iterations=2, step_size=0.02)
H, W = 270, 300


class Small:
    """A network on a device that holds so many pixels at once."""

    def __init__(self, features: Any, pixels: Any, error: Any = torch.OutOfMemoryError) -> None:
        self.features, self.pixels, self.error = features, pixels, error
        self.refused = 0

    def __call__(self, images: Any) -> Any:
        if images[:, 0].numel() > self.pixels:
            self.refused += 1
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.features(images)


@pytest.fixture
def on_small(tiny_network: Network, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The tiny network on such a device, whose memory nobody can tell."""
    from dataclasses import replace

    monkeypatch.setattr(rooms, "available_bytes", lambda device: None)

    def make(pixels: Any, error: Any = torch.OutOfMemoryError) -> Any:
        features = Small(tiny_network.score.features, pixels, error)
        return replace(tiny_network, score=Objective(features, tiny_network.score.terms))

    return make


def pictures(count: int, height: Any = H, width: Any = W) -> torch.Tensor:
    return torch.cat([to_tensor(textured(height, width, seed), CPU) for seed in range(count)])


def test_the_batch_halves_until_it_fits_and_no_image_is_lost_or_made_twice(
    on_small: Callable[..., Any], tiny_network: Network
) -> None:
    network = on_small(2 * 40 * 50)
    images = pictures(5, 40, 50)
    budget = MemoryBudget()
    made = dream_first_frames(images, network, QUICK, budget=budget)
    assert (budget.rows, budget.tile) == (2, None)
    assert network.score.features.refused == 2  # 5 at once, 3 at once
    halved = MemoryBudget()
    halved.rows = 2
    for one, other in zip(made, dream_first_frames(images, tiny_network, QUICK, budget=halved), strict=True):
        assert torch.equal(one.residual, other.residual)
        assert torch.equal(one.target_score, other.target_score)
    dream_carried_frames(images, made, network, QUICK, CarrySettings(), budget, (1,))
    assert network.score.features.refused == 2  # what was learned is kept


def test_then_come_tiles_and_the_dream_is_that_of_tiles_from_the_start(
    on_small: Callable[..., Any], tiny_network: Network
) -> None:
    network = on_small(256 * 256)
    images = pictures(2)
    budget, tiled = MemoryBudget(), MemoryBudget(256)
    tiled.rows = 1
    made = dream_first_frames(images, network, QUICK, budget=budget)
    assert (budget.rows, budget.tile) == (1, 256)
    for one, other in zip(made, dream_first_frames(images, tiny_network, QUICK, budget=tiled), strict=True):
        assert torch.equal(one.residual, other.residual)
    refused = network.score.features.refused
    (left,) = dream_carried_frames(images[:1], made[:1], network, QUICK, CarrySettings(), budget, (1,))
    assert (left.residual - made[0].residual).abs().mean() > 0
    assert network.score.features.refused == refused


def test_a_video_dreamed_after_running_out_has_every_frame_once(
    on_small: Callable[..., Any], tiny_network: Network
) -> None:
    images = [textured(40, 50, seed=n // 3) for n in range(9)]  # three shots
    carrying = CarrySettings(lanes=3, flow="none")
    network = on_small(2 * 40 * 50)
    made = list(dream_video(stream(images), network, QUICK, carrying))
    expected = list(dream_video(stream(images), tiny_network, QUICK, carrying))
    assert [frame.time for frame in made] == [frame.time for frame in expected]
    assert network.score.features.refused
    for one, other in zip(made, expected, strict=True):
        assert np.abs(one.image.astype(int) - other.image).max() <= 1


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_what_does_not_fit_at_all_is_an_error_of_one_line_with_the_numbers(
    on_small: Callable[..., Any], error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = on_small(200 * 200, error)
    monkeypatch.setattr(rooms, "estimate_bytes", lambda *_: 5_210_000_000)
    with pytest.raises(MemoryBudgetError, match=r"^300x270 pixels need about 5.2 GB .* --tile 256, .*--size 135"):
        dream_first_frames(pictures(1), network, QUICK)


def test_other_errors_go_their_way(tiny_network: Network) -> None:
    def work(*_: Any) -> Any:
        raise RuntimeError("shapes differ")

    budget = MemoryBudget()

    with pytest.raises(RuntimeError, match="shapes differ"):
        budget.run_in_batches(pictures(1, 40, 50), tiny_network.score, work)
    assert budget.rows is None


def test_on_a_cpu_memory_is_looked_at_before_it_is_asked_for(
    tiny_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = tiny_network.score
    whole = estimate_bytes(H, W, None, objective, CPU)
    images = pictures(3)
    for free, rows, tile in ((3.1 * whole, None, None), (1.6 * whole, 1, None)):
        monkeypatch.setattr(rooms, "available_bytes", lambda device, free=free: int(free))
        fresh = MemoryBudget()
        fresh.run_in_batches(images, objective, lambda rows, score: [None] * (rows.stop - rows.start))
        assert (fresh.rows, fresh.tile) == (rows, tile)
    monkeypatch.setattr(rooms, "available_bytes", lambda device: 1000)
    with pytest.raises(MemoryBudgetError, match="0.0 GB free"):
        MemoryBudget().run_in_batches(images, objective, lambda rows, score: pytest.fail("it was begun"))


def test_memory_is_looked_at_once_for_each_size(tiny_network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(rooms, "available_bytes", lambda device: asked.append(device))
    budget = MemoryBudget()
    for height in (40, 40, 50, 40):
        budget.run_in_batches(pictures(1, height, 50), tiny_network.score, lambda rows, score: [None])
    assert len(asked) == 2


def test_a_network_takes_so_many_bytes_a_pixel_and_less_in_tiles() -> None:
    network = load_network(ModelSettings(device="cpu", precision="fp32"), ObjectiveSettings())
    whole, tiled = (estimate_bytes(4320, 7680, tile, network.score, CPU) / (4320 * 7680) for tile in (None, 1024))
    assert 250 < whole < 500
    assert 100 < tiled < 250


def test_tiles_halve_down_to_the_least() -> None:
    sides = [smaller_tile(4320, 7680, None)]
    while sides[-1] is not None:
        sides.append(smaller_tile(4320, 7680, sides[-1]))
    assert sides == [4096, 2048, 1024, 512, 256, None]
    assert smaller_tile(2160, 3840, 700) == 350
    assert smaller_tile(2160, 3840, 300) == 256
    assert smaller_tile(240, 256, None) is None
    assert smaller_tile(240, 320, 4000) == 256


def test_a_tile_that_was_asked_for_is_taken(tiny_network: Network) -> None:
    asked = MemoryBudget(256)
    scores = asked.run_in_batches(pictures(1), tiny_network.score, lambda rows, score: [score])
    assert isinstance(scores[0], TiledScore) and scores[0].side == 256
    assert TileSettings in IMAGE_SETTINGS and TileSettings in VIDEO_SETTINGS


def test_tiles_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "photo.png"
    write_image(textured(60, 300), photo)
    whole, tiled = tmp_path / "whole.png", tmp_path / "tiled.png"
    words = ["image", photo, "--device", "cpu", "--precision", "fp32", "--octaves", 1, "--iterations", 1]
    assert run(*words, "-o", whole, "--tile", "auto") == 0
    assert run(*words, "-o", tiled, "--tile", 256) == 0
    from dreamvideo.media.images import read_image

    one, other = (read_image(path).astype(int) for path in (whole, tiled))
    assert np.abs(one - other).mean() < 0.2
    assert np.abs(one - read_image(photo)).mean() > 1
    capsys.readouterr()
    for wrong in ("255", "big"):
        assert run(*words, "-o", tiled, "-y", "--tile", wrong) == 2
        assert "--tile" in capsys.readouterr().err


@pytest.mark.gpu
def test_on_a_gpu_with_little_memory_every_picture_is_dreamed() -> None:
    device = torch.device("cuda:0")  # without a number `set_per_process_memory_fraction` refuses it
    images = pictures(4, 1080, 1920).to(device)
    plain = load_network(ModelSettings(device="cuda"), ObjectiveSettings())
    expected = dream_first_frames(images, plain, QUICK)
    total = torch.cuda.mem_get_info(device)[1]
    for least in (1.4e9, 0.9e9):  # bytes, whatever the card has: four images take about 2 GB
        rooms.release_memory(device)
        torch.cuda.set_per_process_memory_fraction(least / total, device)
        try:
            network = load_network(ModelSettings(device="cuda"), ObjectiveSettings())
            budget = MemoryBudget()
            made = dream_first_frames(images, network, QUICK, budget=budget)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        print(f"{least / 1e9:.1f} GB: {budget.rows} at once, tiles of {budget.tile}")
        assert budget.rows is not None
        for one, other in zip(made, expected, strict=True):
            assert (one.residual - other.residual).abs().mean() < 1 / 255
