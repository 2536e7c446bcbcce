import copy
import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import small_networks
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models._api import Weights

from dreamvideo.ascent import octaves as dreaming
from dreamvideo.ascent.ascend import ascend
from dreamvideo.ascent.octaves import dream
from dreamvideo.bench.networks import make_network
from dreamvideo.errors import DeviceError, ModelError, WeightsError
from dreamvideo.models.network import load_network
from dreamvideo.models.objectives import Objective
from dreamvideo.models.registry import CLASSIFIERS, build_classifier
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings

CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32"}


def random_model(name: str, shaken: bool = False) -> Any:
    torch.manual_seed(3)
    model = build_classifier(name)
    for module in model.modules():
        if shaken and isinstance(module, torch.nn.BatchNorm2d):  # statistics that folding could get wrong
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.2, 0.2)
    return model


def saved(model: Any, path: Path, prefix: str = "") -> str:
    state = {key: value.contiguous() for key, value in model.state_dict().items() if key.startswith(prefix)}
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return str(path)


def picture(height: int = 96, width: int = 112) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def imagenet_scaled(images: Any) -> Any:
    return torchvision.transforms.functional.normalize(images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("file", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("name", ["small_googlenet", pytest.param("googlenet", marks=pytest.mark.slow)])
def test_a_cut_off_folded_network_gives_the_activations_of_the_whole_one(tmp_path: Path, file: str, name: str) -> None:
    small = name == "small_googlenet"
    model = small_networks.small_googlenet() if small else random_model("googlenet", shaken=True)
    first, second = ("stem", "inception1") if small else ("inception3b", "inception4c")
    seen = {}
    for layer in (first, second):
        hook = partial(lambda layer, module, args, output: seen.update({layer: output.clone()}), layer)
        model.get_submodule(layer).register_forward_hook(hook)
    spec = f"small_networks:{name}" if small else name
    settings = ModelSettings(spec, weights=saved(model, tmp_path / file), **CPU)
    network = load_network(settings, ObjectiveSettings(layers=((first, 1.0), (second, 2.0))))
    with torch.no_grad():
        model(imagenet_scaled(picture()))
        actual = network.score.features(picture())
    for name, expected in seen.items():
        assert (actual[name] - expected).abs().max() < 1e-4 * expected.abs().max(), name
    features = network.score.features
    assert isinstance(features, torch.nn.Module)
    kept = sum(p.numel() for p in features.parameters())
    assert kept < (0.8 if small else 0.4) * sum(p.numel() for p in model.parameters()), (
        "the rest of the network was not cut off"
    )
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in features.modules())
    assert not any(p.requires_grad for p in features.parameters())


def test_a_layer_before_an_in_place_relu_is_not_overwritten(tmp_path: Path) -> None:
    model = random_model("squeezenet1_1")
    settings = ModelSettings("squeezenet1_1", weights=saved(model, tmp_path / "w.pth"), **CPU)
    network = load_network(settings, ObjectiveSettings(layers=(("features.0", 1.0), ("features.3", 1.0))))
    first = network.score.features(picture())["features.0"]
    assert torch.allclose(first, model.features[0](imagenet_scaled(picture())), atol=1e-4)
    assert first.min() < 0


LIGHT = ("dreamnet", "squeezenet1_1")  # the others take seconds; small networks have the same kinds of layers
SMALL_NAMES = [f"small_networks:{name}" for name in small_networks.SMALL]


@pytest.mark.parametrize(
    "name",
    [
        *SMALL_NAMES,
        *(pytest.param(name, marks=[pytest.mark.slow] * (name not in LIGHT)) for name in ("dreamnet", *CLASSIFIERS)),
    ],
)
def test_the_score_of_every_network_rises_with_every_octave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Any
) -> None:
    small = name in SMALL_NAMES
    weights = None if small else make_network(name, None, None, tmp_path, torch.device("cpu")).weights
    layer = small_networks.SMALL[name.partition(":")[2]][1][1] if small else None
    objective = ObjectiveSettings(layers=((layer, 1.0),)) if layer else ObjectiveSettings()
    network = load_network(ModelSettings(name, weights=weights, **CPU), objective)
    rises = []

    def watched(images: Any, base: Any, score: Objective, *rest: Any) -> Tensor:
        dreamed = ascend(images, base, score, *rest)
        with torch.no_grad():
            rises.append((score(dreamed) - score(images)).item())
        return dreamed

    monkeypatch.setattr(dreaming, "ascend", watched)
    # The ground that random weights make is rough: steps as the gradient has them, and small.
    plain = DreamSettings(octaves=3, octave_scale=1.2, step_size=0.0005, jitter=0, smooth=0, color=-1, anchor=0)
    dream(picture(112, 128), network.score, replace(plain, iterations=3))
    assert len(rises) == 3 and min(rises) > 0, rises


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_dreamnet_dreams_without_a_download(precision: Any) -> None:
    network = load_network(ModelSettings(device="cpu", precision=precision), ObjectiveSettings())
    dreamed = dream(picture(), network.score, DreamSettings(octaves=2, iterations=3, step_size=0.02))
    assert network.score(dreamed).item() > network.score(picture()).item() + 0.5
    assert dreamed.dtype == torch.float32


def test_the_bf16_gradient_points_where_the_fp32_gradient_does() -> None:
    grads = []
    for precision in ("fp32", "bf16"):
        network = load_network(ModelSettings(device="cpu", precision=precision), ObjectiveSettings())
        image = picture().requires_grad_()
        (grad,) = torch.autograd.grad(network.score(image).sum(), image)
        grads.append(grad.flatten())
    assert torch.cosine_similarity(grads[0], grads[1], dim=0) > 0.98


def small_mobile() -> nn.Module:
    torch.manual_seed(3)
    depthwise = nn.Conv2d(8, 8, 3, 2, 1, groups=8)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU6(), depthwise, nn.ReLU6(), nn.Conv2d(8, 12, 1), nn.ReLU())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["dreamnet", *SMALL_NAMES, f"{__name__}:small_mobile"])
def test_a_used_network_can_be_copied_pickled_and_saved(name: str, precision: Any) -> None:
    network = load_network(ModelSettings(name, device="cpu", precision=precision))
    image = picture(64, 80).requires_grad_()
    (expected,) = torch.autograd.grad(network.score(image).sum(), image)
    file = io.BytesIO()
    torch.save(network, file)
    file.seek(0)
    others = copy.deepcopy(network), pickle.loads(pickle.dumps(network)), torch.load(file, weights_only=False)
    for other in others:
        (grad,) = torch.autograd.grad(other.score(image).sum(), image)
        assert torch.equal(grad, expected)
        assert type(other.score.features) is type(network.score.features) and other.precision == network.precision


@pytest.mark.parametrize(
    ("settings", "layers", "message"),
    [
        ({"model": "dreamnest"}, (), "no network 'dreamnest'; nearest: dreamnet; one of: dreamnet, "),
        ({}, (("s8c", 1.0),), "no layer 's8c' in dreamnet; nearest: s8"),
        ({"model": "googlenet"}, (("inception4x", 1.0),), "no layer 'inception4x' in googlenet; nearest: inception4"),
    ],
)
def test_a_wrong_name_suggests_the_nearest(settings: dict[Any, Any], layers: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_network(ModelSettings(**settings, **CPU), ObjectiveSettings(layers=layers))


def test_weights_that_do_not_fit_say_which_tensor(tmp_path: Path) -> None:
    settings = ModelSettings("googlenet", weights=saved(random_model("squeezenet1_1"), tmp_path / "w.pth"), **CPU)
    with pytest.raises(ModelError, match=r"w\.pth: these weights have no 'conv1\.conv\.weight'"):
        load_network(settings, ObjectiveSettings())


def test_a_broken_weights_file_is_one_line(tmp_path: Path) -> None:
    for name, content in (("a.pth", b"nonsense"), ("b.safetensors", b"\xff" * 40), ("c.pth", None)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            load_network(ModelSettings("googlenet", weights=str(tmp_path / name), **CPU), ObjectiveSettings())
        assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str, str]]:
            return (open, (str(tmp_path / "pwned"), "w"))

    torch.save({"x": Evil()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError):
        load_network(ModelSettings("googlenet", weights=str(tmp_path / "w.pth"), **CPU), ObjectiveSettings())
    assert not (tmp_path / "pwned").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_cuda_is_an_error_and_auto_falls_back() -> None:
    with pytest.raises(DeviceError, match="--device cuda: 0 CUDA devices found"):
        load_network(ModelSettings(device="cuda"), ObjectiveSettings())
    assert load_network(ModelSettings(), ObjectiveSettings()).device.type in ("cpu", "mps")


def test_without_weights_a_user_is_told_what_to_fetch_and_what_else_to_type(
    publish: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = publish("net", None)
    weights = SimpleNamespace(__members__={"IMAGENET1K_V1": Weights(url, None, {})})
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: weights)
    with pytest.raises(WeightsError) as caught:
        load_network(ModelSettings("squeezenet1_1", **CPU), ObjectiveSettings())
    for part in (
        "cannot download the weights of squeezenet1_1",
        f"fetch {url} elsewhere and put it at {tmp_path / 'cache'}",
        "or give --weights FILE, or use --model dreamnet, which needs no download",
    ):
        assert part in str(caught.value)
