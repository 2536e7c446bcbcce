"""With their settings the engine does what two ancestors do, step by step and over all octaves."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import reference
import small_networks
import torch
from conftest import TinyNet, textured
from torch import nn
from torchvision.models import vgg16
from torchvision.models.feature_extraction import create_feature_extractor

from dreamvideo.ascent.ascend import ascend
from dreamvideo.ascent.gradient_shaping import shape_step
from dreamvideo.ascent.jitter import jitter_offsets
from dreamvideo.ascent.octaves import dream, octave_sizes
from dreamvideo.models.network import Network, load_network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.models.registry import build_classifier
from dreamvideo.models.tracing import SCALINGS
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings

BARE = DreamSettings(color=-1.0, anchor=0.0, headroom=0.0, jitter=32, border="wrap")

# JitheshPavan/deep_dream; its sigma is (iterations + 1) / iterations * 2 + 0.5, whatever the step.
PAVAN = replace(
    BARE,
    octaves=4,
    octave_scale=1.8,
    iterations=10,
    step_size=0.005,
    smooth=2.7,
    smoothing="fixed",
    detail=False,
    normalize="none",
    space="imagenet",
)

NOTEBOOK = replace(BARE, octaves=4, octave_scale=1.4, iterations=10, step_size=1.5 / 255, smooth=0.0)

MEAN, DEVIATION = (torch.tensor(v).view(1, 3, 1, 1) for v in SCALINGS["imagenet"])


def vgg() -> Any:
    """VGG16 as far as relu4_3, with weights by chance, of such a size that a rate of 0.005 shows, and no more.

    At 20 times the size two runs of the literal version lie 0.0025 apart if their pictures differ in the last bit: a
    few of its millions of units stand at the kink of their ReLU.
    """
    torch.manual_seed(5)
    features = vgg16(weights=None).features[:23]
    features[21].weight.data *= 1.5
    return features.requires_grad_(False)


def small_vgg() -> Any:
    """Two blocks of a small VGG, its weights of such a size that a rate of 0.005 shows, and no more; see `vgg`."""
    features: Any = small_networks.small_vgg().features
    features[7].weight.data *= 20
    return features.requires_grad_(False)


def small_googlenet() -> Any:
    return small_networks.small_googlenet().requires_grad_(False)


def googlenet() -> Any:
    torch.manual_seed(3)
    network = build_classifier("googlenet")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.2, 0.5)
    return network.requires_grad_(False)


def picture(height: int, width: int, seed: int = 0) -> Any:
    return torch.from_numpy(textured(height, width, seed)).permute(2, 0, 1)[None].float() / 255


def both(image: Any, score: Objective, net: Any, settings: Any) -> tuple[Any, Any, Any]:
    """What the engine and the literal version make of an image, and the image merely resized as they do."""
    sizes = octave_sizes(image.shape[2], image.shape[3], settings)
    offsets = [jitter_offsets(settings, k, settings.iterations, 0, size) for k, size in enumerate(sizes)]
    literal = reference.pavan(
        image, net, offsets, len(sizes), settings.octave_scale, settings.iterations, settings.step_size
    )
    actual, still = dream(image, score, settings), dream(image, lambda x: 0 * x.sum((1, 2, 3)), settings)
    return actual, literal, still


def test_pavan_over_all_octaves_on_a_network_without_kinks(tiny_net: TinyNet) -> None:
    settings = replace(PAVAN, octaves=3, step_size=0.02)
    score = Objective(tiny_net, (Term("second", kind="sum"),))
    actual, literal, still = both(
        picture(110, 145), score, lambda x: tiny_net(x * DEVIATION + MEAN)["second"], settings
    )
    assert (actual - literal).abs().max() < 1e-4
    assert (literal - still).abs().mean() > 0.03, "nothing was dreamed"


@pytest.mark.parametrize(
    ("factory", "layer", "height", "width", "levels"),
    [
        (small_vgg, "8", 96, 128, 2),
        (small_vgg, "8", 150, 200, 4),
        pytest.param(vgg, "22", 96, 128, 2, marks=pytest.mark.slow),
        pytest.param(vgg, "22", 240, 320, 4, marks=pytest.mark.slow),
    ],
)
def test_pavan_over_all_octaves_on_vgg16(
    factory: Callable[[], nn.Module], layer: str, height: int, width: int, levels: int
) -> None:
    settings = replace(PAVAN, octaves=levels)
    objective = ObjectiveSettings(layers=((layer, 1.0),), objective="sum")
    model = ModelSettings(f"{__name__}:{factory.__name__}", precision="fp32", device="cpu")
    network = load_network(model, objective)
    actual, literal, still = both(picture(height, width), network.score, factory(), settings)
    assert (actual - literal).abs().max() < 1e-4
    assert (literal - still).abs().mean() > 0.001, "nothing was dreamed"


@pytest.mark.parametrize(
    ("factory", "layer"),
    [(small_googlenet, "inception2"), pytest.param(googlenet, "inception4c", marks=pytest.mark.slow)],
)
def test_the_steps_of_the_notebook_of_2015_on_googlenet(factory: Callable[[], nn.Module], layer: str) -> None:
    # The plain network, not the engine, which rounds otherwise and so sees some kinks from the other side.
    walk = create_feature_extractor(factory(), [layer])

    def features(image: Any) -> Any:
        return walk((image - MEAN) / DEVIATION)

    score = Objective(features, (Term(layer, kind="l2"),))
    x = 255 * (picture(128, 160) ** 2 - MEAN)
    for dy, dx in jitter_offsets(NOTEBOOK, 0, 6, 0, (128, 160)):
        before = x / 255 + MEAN
        x = reference.notebook2015_step(x, lambda x: features(x / 255 + MEAN)[layer], dy, dx)
        literal = x / 255 + MEAN
        actual = ascend(before, before, score, NOTEBOOK, [[(dy, dx)]])
        assert (actual - literal).abs().max() < 1e-4
        assert (literal - before).abs().mean() == pytest.approx(1.5 / 255, rel=0.1)
    assert (literal < 1e-6).sum() > 10, "nothing had to be held to black"


def test_shifts_in_a_tensor_are_those_in_a_list(tiny_net: TinyNet) -> None:  # as CUDA graphs have them
    image = torch.cat([picture(48, 64), picture(48, 64, 1)])
    score = Objective(tiny_net, (Term("second", kind="sum"),))
    offsets = [[(5, -3), (-20, 9)], [(0, 1), (2, 2)]]
    settings = replace(PAVAN, step_size=0.02, tv=0.1)
    by_list = ascend(image, image, score, settings, offsets)
    assert torch.equal(by_list, ascend(image, image, score, settings, torch.tensor(offsets)))
    alone = ascend(image[1:], image[1:], score, settings, [row[1:] for row in offsets])
    assert torch.allclose(by_list[1:], alone, atol=1e-5)


def test_the_picture_itself_is_enlarged_without_detail(tiny_network: Network) -> None:
    image = picture(96, 128)
    plain = dream(image, tiny_network.score, replace(PAVAN, octaves=2, step_size=0.0))
    kept = dream(image, tiny_network.score, replace(PAVAN, octaves=2, step_size=0.0, detail=True))
    assert torch.equal(kept, image)
    assert sharpness(plain) < 0.8 * sharpness(image)


def sharpness(image: Any) -> Any:
    return image.diff(dim=3).square().mean()


def test_sizes_without_detail_are_cut_to_whole_pixels() -> None:
    assert octave_sizes(1080, 1920, PAVAN) == [(185, 329), (333, 592), (600, 1066), (1080, 1920)]
    assert octave_sizes(1080, 1920, replace(PAVAN, detail=True))[2] == (600, 1067)


@pytest.mark.parametrize("normalize", ["mean", "std", "none"])
def test_what_a_gradient_is_divided_by(normalize: Any) -> None:
    grad = 0.01 * torch.randn(2, 3, 20, 30, generator=torch.Generator().manual_seed(1)) + 0.003
    step = shape_step(grad, replace(BARE, smooth=0.0, normalize=normalize), 0.0, [(0, 0)] * 2)
    for each, raw in zip(step, grad, strict=True):
        if normalize == "mean":
            assert each.abs().mean() == pytest.approx(1)
        elif normalize == "std":
            assert each.mean() == pytest.approx(0, abs=1e-5) and each.std() == pytest.approx(1, rel=1e-5)
        else:
            assert torch.equal(each, raw)


def test_the_size_of_a_gradient_counts_where_nothing_divides_it(tiny_net: TinyNet) -> None:
    image = picture(64, 80)
    settings = replace(PAVAN, octaves=1, iterations=1, step_size=1e-5)

    def change(weight: Any, height: int = 64) -> Any:
        score = Objective(tiny_net, (Term("second", weight, "sum"),))
        return (dream(image[:, :, :height], score, settings) - image[:, :, :height]).abs().mean().item()

    assert change(2.0) == pytest.approx(2 * change(1.0), rel=1e-3)
    assert change(1.0, 48) == pytest.approx(change(1.0), rel=0.2)  # a sum: a pixel's gradient knows no picture's size
