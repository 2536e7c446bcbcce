import itertools
from typing import Any

import pytest
import torch
from conftest import TinyNet, textured
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent.ascend import ascend
from dreamvideo.ascent.octaves import dream
from dreamvideo.ascent.tiling import GRID, TiledScore, at_size, tile_windows, tiled_gradient
from dreamvideo.kernels import graph_capture
from dreamvideo.models.network import Network, load_network
from dreamvideo.models.objectives import LAYER_KINDS, Objective, Term
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.tensors import to_tensor

CPU = torch.device("cpu")
H, W = 150, 213  # of no stride a multiple


def picture(height: Any = H, width: Any = W, seed: int = 0) -> Tensor:
    return to_tensor(textured(height, width, seed), CPU)


def agree(objective: Any, images: Any, side: int = 128) -> tuple[Any, Any]:
    """How far the tiles' gradient is from that of whole images, over its mean; and their scores from each other."""
    expected, scores = tiled_gradient(objective, images, 1e4)
    grad, tiled = TiledScore(objective, side, CPU).grad(images, 1e4)
    return ((grad - expected).abs().mean() / expected.abs().mean()).item(), (tiled - scores).abs().max().item()


@given(st.data(), st.integers(0, 4))
def test_windows_cover_a_side_once_on_the_grid_and_see_enough(data: st.DataObject, cells: int) -> None:
    margin = cells * GRID
    side = data.draw(st.integers(2 * margin + 2 * GRID, 2 * margin + 700))
    length = data.draw(st.integers(1, 3000))
    found = tile_windows(length, side, margin)
    assert found[0].start == found[0].core_start == 0
    assert found[-1].stop == found[-1].core_stop == length
    assert len({window.stop - window.start for window in found}) == 1
    assert found[0].stop <= side
    assert all(window.start % GRID == 0 and window.core_start < window.core_stop for window in found)
    for before, after in itertools.pairwise(found):
        assert before.core_stop == after.core_start
        assert min(after.core_start - after.start, before.stop - before.core_stop) >= margin


@pytest.mark.parametrize("kind", LAYER_KINDS)
def test_a_gradient_in_tiles_is_that_of_the_whole_image_whatever_the_objective(tiny_net: TinyNet, kind: Any) -> None:
    terms = Term("first", 0.5, kind), Term("second", 1.0, kind)
    objective = Objective(tiny_net, terms, {"second": torch.ones(8) * 2})
    images = torch.cat([picture(), picture(seed=1)])
    off, score = agree(objective, images)
    assert off < 1e-3
    assert score < 1e-4 * max(1, objective(images).abs().max().item())


@pytest.mark.parametrize(
    "term",
    [
        Term("second", kind="log", picks=(3, 5)),
        Term("second", kind="class", picks=(2,)),
        Term("second", kind="guide"),
        Term("second", kind="mean", picks=(1,), center=True),
    ],
)
def test_channels_classes_guides_and_neurons_see_the_whole_image_too(tiny_net: TinyNet, term: Term) -> None:
    guide = torch.randn(8, 30, generator=torch.Generator().manual_seed(2))
    off, score = agree(Objective(tiny_net, (term,), guides={"second": guide}), picture())
    assert off < 1e-3
    assert score < 1e-4


class Unpadded(nn.Module):
    """Maps that lose their edges, at two strides, and their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.tiny = TinyNet()

    def forward(self, images: Any) -> dict[str, Any]:
        first = torch.tanh(nn.functional.conv2d(images - 0.5, self.tiny.first.weight, stride=2))
        second = nn.functional.conv2d(first, self.tiny.second.weight, stride=2)
        return {"first": first, "second": second, "list": second.mean((2, 3))}


def test_maps_without_padding_and_lists_of_channels_are_put_together_too() -> None:
    objective = Objective(Unpadded(), (Term("first", kind="log"), Term("second", kind="l2")))
    assert agree(objective, picture())[0] < 1e-3
    for terms in ((Term("list", kind="mean"),), (Term("list", kind="mean"), Term("second", kind="mean"))):
        off, score = agree(Objective(Unpadded(), terms), picture())
        assert off < 0.05  # a list is the mean of the tiles': those at an end have lost an edge
        assert score < 0.02


def test_what_fits_into_one_tile_is_not_tiled_and_the_rest_is_not_recorded(
    tiny_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiled = TiledScore(tiny_network.score, 128, CPU)
    assert at_size(tiled, (128, 90)) is tiny_network.score
    assert at_size(tiled, (129, 90)) is tiled
    recorded: list[Any] = []
    monkeypatch.setattr(graph_capture, "recorded_on", lambda device: True)
    monkeypatch.setattr(cuda_graphs, "_recorder", lambda device: recorded)  # has no `run`
    ascend(picture(), picture(), tiled, DreamSettings(), [[(1, 1)]])
    with pytest.raises(AttributeError):
        ascend(picture(), picture(), tiny_network.score, DreamSettings(), [[(1, 1)]])


def test_a_dream_in_tiles_is_the_dream_of_the_whole_image(tiny_network: Network) -> None:
    settings = DreamSettings(octaves=2, iterations=4, step_size=0.02)
    images, target_score = picture(), tiny_network.score(picture()) + 0.1
    whole = dream(images, tiny_network.score, settings, target_score=target_score)
    tiled = dream(images, TiledScore(tiny_network.score, 128, CPU), settings, target_score=target_score)
    assert (whole - images).abs().mean() > 0.02
    assert (whole - tiled).abs().mean() < 1e-4


def test_the_embedded_network_dreams_alike_in_tiles() -> None:
    network = load_network(ModelSettings(device="cpu", precision="fp32"), ObjectiveSettings())
    images = picture(130, 400)
    settings = DreamSettings(octaves=1, iterations=3)
    whole, tiled = (dream(images, score, settings) for score in (network.score, TiledScore(network.score, 384, CPU)))
    assert (whole - images).abs().mean() > 3 / 255
    assert (whole - tiled).abs().mean() < 0.1 / 255


@pytest.mark.slow
def test_a_frame_of_1080_lines_dreams_alike_in_tiles() -> None:
    network = load_network(ModelSettings(device="cpu", precision="fp32"), ObjectiveSettings())
    images, settings = picture(1080, 1920), DreamSettings(octaves=1)
    assert agree(network.score, images, 768)[0] < 1e-5
    # An ascent makes much of the least difference, so the measure is what rounding does to one.
    moved = images + 1e-7 * torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    whole, other = (dream(start, network.score, settings) for start in (images, moved))
    tiled = dream(images, TiledScore(network.score, 768, CPU), settings)
    by_rounding, off = (other - whole).abs().mean(), (tiled - whole).abs().mean(1)[0]  # off: (H, W)
    assert off.mean() < by_rounding
    assert max(off.mean(0).max(), off.mean(1).max()) < 3 * off.mean()  # no seam stands out


@pytest.mark.parametrize(("reach", "margin"), [(5, 32), (32, 32), (40, 64), (100, 64)])
def test_the_margin_is_as_wide_as_a_place_looks_but_at_most_a_quarter_of_a_tile(reach: int, margin: int) -> None:
    class Far(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            padded = torch.nn.functional.pad(images, (reach, reach, reach, reach))
            height, width = images.shape[2:]
            near, far = images, padded[:, :, 2 * reach :, 2 * reach :][:, :, :height, :width]
            return {"layer": torch.cat([near, far], 1)}

    score = TiledScore(Objective(Far(), (Term("layer"),)), 256, torch.device("cpu"))
    assert score.margin == margin
