"""Networks of a user: copied before anything is changed, named by hooks where torch.fx fails, refused in one line."""

import copy
import pickle
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamvideo.errors import ModelError
from dreamvideo.models.hooks import HookedExtractor, count_calls, first_tensor
from dreamvideo.models.layers import describe_layers
from dreamvideo.models.network import load_network
from dreamvideo.models.own_network import copy_network
from dreamvideo.models.registry import find_model
from dreamvideo.models.tracing import SCALINGS
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings

CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32"}


def spec(name: str) -> str:
    return f"{__name__}:{name}"


def load(name: str, *layers: str, **settings: Any) -> Any:
    objective = ObjectiveSettings(layers=tuple((layer, 1.0) for layer in layers))
    return load_network(ModelSettings(spec(name), **CPU, **settings), objective)


def picture(height: int = 48, width: int = 64) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def scaled(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in SCALINGS["imagenet"])
    return (images - mean) / std


def body() -> nn.Sequential:
    torch.manual_seed(1)
    layers = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(True), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(True)
    return nn.Sequential(*layers)


class DropConnect(nn.Module):
    """A residual block that is left out at random while it is trained, as in EfficientNet's published ports."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.conv(x))
        if self.training:
            keep = torch.rand(x.shape[0], 1, 1, 1) < 0.5
            y = y / 0.5 * keep
        return F.dropout(y, 0.9, training=self.training) + x


class RandomDepth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.blocks = nn.ModuleList([DropConnect(8), DropConnect(8), nn.Conv2d(8, 10, 2, 2), DropConnect(10)])
        self.dropout = nn.Dropout(0.9)
        self.head = nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.dropout(x.mean((2, 3))))


class Checks(nn.Module):
    """As most published networks: it looks at what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.late = body(), nn.Conv2d(12, 5, 1)

    def forward(self, x: Tensor) -> Any:
        if x.shape[1] != 3:
            raise ValueError("RGB, please")
        return self.late(self.body(x)).mean((2, 3))


class Catches(Checks):
    def forward(self, x: Tensor) -> Any:
        try:
            return super().forward(x)
        except Exception:
            return self.late(self.late(self.body(x)))


class Unlike(Checks):
    """torch.fx traces it, but what it passes is no tensor: the trace takes the other way."""

    def forward(self, x: Any) -> Any:
        x = x if isinstance(x, Tensor) else x["image"]
        return self.late(self.body(x))


class Keywords(Checks):
    """As those of transformers: a dict, and a block that returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()

    def forward(self, pixel_values: Any = None, return_dict: Any = None) -> Any:
        if pixel_values is None or pixel_values.shape[1] != 3:
            raise ValueError("no pixel_values")
        return {"last_hidden_state": self.pair(self.body(pixel_values)).maps}


@dataclass
class PairOutput:
    loss: Any
    maps: Tensor


class Pair(nn.Module):
    def forward(self, x: Tensor) -> PairOutput:
        return PairOutput(None, 2 * x)


class InPlace(Checks):
    def forward(self, x: Tensor) -> Any:
        if x.shape[1] != 3:
            raise ValueError("RGB, please")
        y = self.body[0](x)
        return self.late(torch.cat([y.mul_(0), y[:, :4]], 1))


class Twice(Checks):
    """One module that is called twice: its name stands for its last call."""

    def forward(self, x: Tensor) -> Any:
        if x.shape[1] != 3:
            raise ValueError("RGB, please")
        x = self.body[0](x)
        return self.body[2](-self.body[2](x - 1) + 1)


class Inside(nn.Module):
    """Wrappers around parts of a network."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.DataParallel(nn.Conv2d(3, 8, 3, 2, 1))
        self.second = torch.compile(nn.Conv2d(8, 12, 3, 2, 1))

    def forward(self, x: Tensor) -> Any:
        return self.second(self.first(x))


class Keeps(Checks):
    """It keeps a result of its last run, as torch.nn.utils.weight_norm does."""

    def forward(self, x: Tensor) -> Any:
        self.kept = super().forward(x)
        return self.kept


def plain() -> nn.Module:
    return body()


def compiled() -> Any:
    return torch.compile(body())


def parallel() -> nn.Module:
    return nn.DataParallel(body())


def averaged() -> nn.Module:
    return torch.optim.swa_utils.AveragedModel(body())


def gray() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU())


def rgbd() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU())


def scripted() -> Any:
    return torch.jit.trace(body().eval(), picture())  # type: ignore[no-untyped-call]


class Locked(Checks):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


mine: Any = None


def test_every_layer_of_a_network_of_random_depth_can_be_dreamed_on() -> None:
    layers = [layer.name for layer in describe_layers(find_model(spec("RandomDepth")).whole)]
    network, image = load("RandomDepth", *layers), picture().requires_grad_()
    default = load("RandomDepth").score.layers
    assert {"blocks.0", "blocks.1", "blocks.3", *default} <= set(layers)
    found, own = network.score.features(image), RandomDepth().eval()
    assert torch.allclose(found["blocks.3"], own.blocks[3](own.blocks[2](found["blocks.1"])), atol=1e-5)
    assert torch.equal(network.score(image), network.score(image))
    for layer in layers:
        (grad,) = torch.autograd.grad(found[layer].square().sum(), image, retain_graph=True)
        assert grad.abs().max() > 0, layer


@pytest.mark.parametrize("name", ["RandomDepth", "Checks"])
def test_no_part_of_a_copied_network_is_in_training_mode(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("dreamvideo.models.cpu_engine.compile_network", lambda *network: None)
    extractor = load(name).score.features.extractor
    assert not [part for part, module in extractor.named_modules() if module.training]


def test_layers_of_a_network_that_cannot_be_traced_are_its_modules() -> None:
    found = {layer.name: (layer.channels, layer.stride) for layer in describe_layers(find_model(spec("Checks")).whole)}
    assert found == {
        **{f"body.{i}": (8, 2) for i in range(3)},
        **{f"body.{i}": (12, 4) for i in (3, 4)},
        "body": (12, 4),
        "late": (5, 4),
        "output": (5, None),
    }
    model = find_model(spec("Checks"))
    assert (model.terms[0].layer, model.class_node) == ("late", "output")


@pytest.mark.parametrize("name", ["Checks", "Catches", "Unlike"])
def test_hooks_give_the_activations_and_the_gradient_of_the_network(name: str) -> None:
    own, image, other = globals()[name]().eval(), picture().requires_grad_(), picture().requires_grad_()
    found = load(name, "body.0", "body").score.features(image)
    first = own.body[0](scaled(other))
    expected = {"body.0": first, "body": own.body[1:](first.clone())}
    for layer, value in expected.items():
        assert torch.allclose(found[layer], value, atol=1e-5), layer
    for outputs, x in ((found, image), (expected, other)):
        torch.stack([value.square().mean() for value in outputs.values()]).sum().backward()
        assert x.grad is not None
    assert torch.allclose(image.grad, other.grad, atol=1e-6)


def test_a_run_ends_after_the_last_module_that_is_asked_for() -> None:
    ran = []
    network = Checks().eval()
    network.late.register_forward_hook(lambda *args: ran.append("late"))
    extractor = HookedExtractor(network, {"body.1": 1, "body.3": 1})
    before = len(network.body[3]._forward_hooks)
    image = picture().requires_grad_()
    found = extractor(image)
    assert set(found) == {"body.1", "body.3"} and not ran
    assert torch.autograd.grad(found["body.3"].sum(), image)[0].abs().max() > 0
    assert len(network.body[3]._forward_hooks) == before == 0


def test_modules_may_return_a_dict_a_tuple_or_a_dataclass() -> None:
    one = torch.ones(1)
    assert first_tensor({"loss": None, "logits": (None, one)}) is one
    assert first_tensor(PairOutput(None, one)) is one and first_tensor([3, "x"]) is None
    found = load("Keywords", "body", "pair", "output").score.features(picture())
    assert torch.allclose(found["pair"], 2 * found["body"]) and torch.equal(found["output"], found["pair"])


def test_what_follows_in_place_does_not_change_a_layer() -> None:
    found = load("InPlace", "body.0", "output").score.features(picture())
    expected = Checks().body[0](scaled(picture()))
    assert torch.allclose(found["body.0"], expected, atol=1e-5) and found["body.0"].abs().max() > 0


def test_the_name_of_a_module_stands_for_its_last_call() -> None:
    assert count_calls(Twice().eval(), picture())["body.2"] == 2
    network = Twice().eval()
    found = load("Twice", "body.2").score.features(picture())["body.2"]
    assert torch.allclose(found, network(scaled(picture())), atol=1e-5)


def test_two_threads_may_run_one_hooked_network() -> None:
    score = load("Checks", "body.2", "body").score
    images = [picture(48 + 16 * i, 64) for i in range(2)]
    expected = [score(image) for image in images]
    wrong: list[int] = []

    def run(i: int) -> None:
        wrong.extend(i for _ in range(50) if not torch.equal(score(images[i]), expected[i]))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("name", ["compiled", "parallel", "averaged"])
def test_wrappers_are_taken_off(name: str) -> None:
    layers = ("2", "4")
    found, expected = load(name, *layers).score.features(picture()), load("plain", *layers).score.features(picture())
    for layer in layers:
        assert torch.allclose(found[layer], expected[layer], atol=1e-6)


def test_wrappers_inside_a_network_are_taken_off() -> None:
    assert {"first", "second"} <= set(find_model(spec("Inside")).nodes)
    assert load("Inside", "second").score(picture()).isfinite()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gray", r":gray expects images of 1 channel \(gray\), got 3 channels; expected a network of RGB images"),
        ("rgbd", ":rgbd expects images of 4 channels, got 3 channels; expected a network of RGB images"),
        ("scripted", "got a torch.jit.ScriptModule, whose layers cannot be reached; expected the torch.nn.Module"),
        ("Locked", "expected a network that copy.deepcopy can copy and .*, got TypeError: cannot pickle"),
    ],
)
def test_what_cannot_dream_is_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [plain, Checks])
def test_a_network_of_the_user_is_not_changed(monkeypatch: pytest.MonkeyPatch, make: Callable[[], nn.Module]) -> None:
    network = make().double().train()
    next(network.parameters()).requires_grad_(False)
    next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d)).eval()
    network.register_forward_pre_hook(lambda module, args: None)
    monkeypatch.setattr(sys.modules[__name__], "mine", network)
    state = copy.deepcopy(network.state_dict())

    def look() -> list[Any]:
        modules = [(m.training, getattr(m, "inplace", None), len(m._forward_hooks)) for m in network.modules()]
        tensors = [(p.requires_grad, p.dtype, p.device, p.stride()) for p in network.parameters()]
        return [*modules, *tensors, len(network._forward_pre_hooks), *vars(network)]

    before = look()
    image = picture().requires_grad_()
    load("mine").score(image).sum().backward()
    assert look() == before
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    network(picture().double()).sum().backward()  # it can still be trained


def test_a_network_that_keeps_a_result_is_copied() -> None:
    network: Any = Keeps()
    network(picture())
    copied: Any = copy_network(network)
    assert torch.equal(copied.kept, network.kept) and network.kept.requires_grad


@pytest.mark.parametrize("name", ["Checks", "RandomDepth", "Keywords"])
def test_a_used_network_of_a_user_can_be_copied_and_pickled(name: str) -> None:
    network, image = load(name), picture().requires_grad_()
    (expected,) = torch.autograd.grad(network.score(image).sum(), image)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        (grad,) = torch.autograd.grad(other.score(image).sum(), image)
        assert torch.equal(grad, expected)


class TwoScales(nn.Module):
    """As networks of several scales: the halves of an odd side do not fit together again."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.fine, self.coarse = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        return fine + F.interpolate(self.coarse(fine), scale_factor=4.0)


def test_a_network_whose_sides_have_to_be_multiples_sees_images_continued() -> None:
    score, image = load("TwoScales", "add").score, picture(49, 66).requires_grad_()
    padded = F.pad(image, (0, 6, 0, 7), mode="replicate")
    assert torch.equal(score(image), score(padded))
    assert torch.autograd.grad(score(image).sum(), image)[0].abs().max() > 0
