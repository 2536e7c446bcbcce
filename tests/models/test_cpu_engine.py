"""The engine against autograd on the plain network: the same activations, the same gradient of the image."""

import gc
import weakref
from functools import partial
from typing import Any

import psutil
import pytest
import torch
import torch.nn.functional as F
from conftest import textured
from small_networks import SMALL
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from dreamvideo.models import cpu_engine
from dreamvideo.models.cpu_engine.executor import make_kernel
from dreamvideo.models.cpu_engine.ops import RELU, AvgPool, Conv, MaxPool, Split
from dreamvideo.models.cpu_engine.passes import build_plan
from dreamvideo.models.cpu_engine.pools import AvgPoolKernel, MaxPoolKernel
from dreamvideo.models.cpu_engine.separable_max_pool import SeparableMaxPoolKernel
from dreamvideo.models.cpu_engine.strip_max_pool import split_into_strips
from dreamvideo.models.cpu_engine.trace import trace_network
from dreamvideo.models.dreamnet.trained import load_dreamnet as load_dreamnet
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.models.registry import build_classifier
from dreamvideo.models.tracing import SCALINGS, ScaledFeatures, fold_batch_norms

BFLOAT16 = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", bool)()


class Dreamnet(nn.Module):
    """The trained network as far as the deepest of `layers`."""

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.net, self.layers = load_dreamnet().net, layers

    def forward(self, images: Any) -> Any:
        return self.net.features(images, self.layers)


def classifier(name: str, *layers: Any) -> Any:
    """A random network of torchvision, its batch norms shaken, cut off and folded."""
    torch.manual_seed(3)
    model = build_classifier(name)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.2, 0.2)
    return ScaledFeatures(
        fold_batch_norms(create_feature_extractor(model, list(layers))), torch.float32, *SCALINGS["imagenet"]
    ).requires_grad_(False)


def small(name: str, *layers: str) -> Any:
    """A small sibling of a network of torchvision, cut off and folded."""
    factory, usual = SMALL[name]
    extractor = fold_batch_norms(create_feature_extractor(factory(), list(layers or usual)))
    return ScaledFeatures(extractor, torch.float32, *SCALINGS["imagenet"]).requires_grad_(False)


NETWORKS: dict[str, Any] = {
    **{name: partial(small, name) for name in SMALL},
    "small_googlenet, inside a block": lambda: small("small_googlenet", "inception1.branch2.0", "inception1.branch4.0"),
    "googlenet": lambda: classifier("googlenet", "inception4c"),
    "googlenet, several": lambda: classifier("googlenet", "conv2", "inception3a", "inception4b"),
    "googlenet, inside a block": lambda: classifier("googlenet", "inception3b.branch2.0", "inception3b.branch4.0"),
    "vgg16": lambda: classifier("vgg16", "features.8", "features.15"),
    "squeezenet": lambda: classifier("squeezenet1_1", "features.0", "features.10"),
    "alexnet": lambda: classifier("alexnet", "features.9"),
    "resnet": lambda: classifier("resnet50", "layer2"),
    "dreamnet": lambda: Dreamnet(("s8b", "s16a")),
    "dreamnet, shallow": lambda: Dreamnet(("c1", "s4b")),
}


# Each has a small sibling above, with the same kinds of layers.
BIG = [name for name in NETWORKS if not name.startswith(("small_", "dreamnet"))]


def pictures(*size: Any, seed: int = 1) -> Any:
    """Smooth pictures: on noise a ReLU or max pool is too often decided by the last bit."""
    small = torch.rand(*size[:2], 9, 9, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(small, size[2:], mode="bicubic").clamp(0, 1)


def run(network: Any, images: Any) -> tuple[dict[Any, Any], Any]:
    """Activations, and the gradient of a sum of them in which no two weigh the same."""
    images = images.clone().requires_grad_()
    layers = network(images)
    score = sum((v.float() * torch.linspace(-1, 2, v.numel()).view(v.shape)).mean() for v in layers.values())
    return {name: value.detach() for name, value in layers.items()}, torch.autograd.grad(score, images)[0]


def assert_same(actual: Any, plain: Any, rounding: float = 1e-4) -> None:
    assert (actual - plain).abs().max() <= rounding * plain.abs().max()


def assert_same_grad(actual: Any, plain: Any, rounding: float = 1e-4) -> None:
    """Equal but for the pixels that see a unit so near to its kink that rounding decides on which side it is."""
    apart = (actual - plain).abs()
    assert apart.quantile(0.8) <= rounding * plain.abs().max()
    assert apart.norm() <= 1e-2 * plain.norm()


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in BIG)) for name in NETWORKS])
@pytest.mark.parametrize("size", [(1, 3, 113, 150), (2, 3, 96, 75)])
def test_activations_and_gradient_are_those_of_autograd(name: Any, size: tuple[int, int, int, int]) -> None:
    network = NETWORKS[name]()
    fast = cpu_engine.compile_network(network)
    assert fast is not None
    images = pictures(*size)
    expected, grad = run(network, images)
    actual, fast_grad = run(fast, images)
    assert list(actual) == list(expected)
    for layer, value in expected.items():
        assert actual[layer].shape == value.shape
        assert_same(actual[layer], value)
    assert_same_grad(fast_grad, grad)
    assert fast_grad.dtype == torch.float32
    with torch.no_grad():
        for layer, value in fast(images).items():
            assert torch.equal(value, actual[layer])


@pytest.mark.skipif(not BFLOAT16, reason="no bfloat16 convolutions on this processor")
def test_the_bf16_gradient_points_where_the_fp32_gradient_does() -> None:
    image = torch.from_numpy(textured(180, 240)).permute(2, 0, 1)[None].float() / 255
    layers = (("s8b", 1.0), ("s16a", 1.0))
    grads = []
    for precision in (torch.float32, torch.bfloat16):
        fast = cpu_engine.compile_network(Dreamnet(("s8b", "s16a")), precision)
        x = image.clone().requires_grad_()
        score = Objective(fast, tuple(Term(name, weight, "log") for name, weight in layers), load_dreamnet().divisors)(
            x
        )
        grads.append(torch.autograd.grad(score.sum(), x)[0].flatten())
    assert torch.cosine_similarity(grads[0], grads[1], dim=0) >= 0.99


@pytest.mark.parametrize("name", ["small_googlenet", "dreamnet", pytest.param("googlenet", marks=pytest.mark.slow)])
def test_a_batch_equals_its_rows_alone(name: str) -> None:
    fast = cpu_engine.compile_network(NETWORKS[name]())
    images = torch.cat([pictures(1, 3, 101, 130, seed=seed) for seed in range(3)])

    def grad(images: Any) -> Any:
        images = images.clone().requires_grad_()
        score: Any = sum(layer.square().mean((1, 2, 3)).sum() for layer in fast(images).values())
        return torch.autograd.grad(score, images)[0]

    for row, image in zip(grad(images), images, strict=True):
        assert_same_grad(row, grad(image[None])[0])


def test_a_gradient_of_one_layer_of_several() -> None:
    network = small("small_googlenet")
    images = [pictures(1, 3, 90, 90).requires_grad_() for _ in range(2)]
    grads = [
        torch.autograd.grad(features(image)["inception1"].sum(), image)[0]
        for features, image in zip((network, cpu_engine.compile_network(network)), images, strict=True)
    ]
    assert_same_grad(*grads)


def test_a_second_gradient_of_one_run_is_an_error() -> None:
    image = pictures(1, 3, 64, 64).requires_grad_()
    score = cpu_engine.compile_network(Dreamnet(("c1",)))(image)["c1"].sum()
    score.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="run it again"):
        score.backward()


def test_the_gradient_that_comes_in_is_left_alone() -> None:
    image = pictures(1, 3, 64, 64).requires_grad_()
    layer = cpu_engine.compile_network(Dreamnet(("s4a",)))(image)["s4a"]
    given = torch.ones_like(layer)
    layer.backward(given)
    assert (given == 1).all()


@pytest.mark.parametrize(("name", "layer"), [("mobilenet_v3_large", "features.4"), ("efficientnet_b0", "features.2")])
def test_an_unknown_operation_leaves_the_plain_way(name: str, layer: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dreamvideo.models.cpu_engine")
    assert cpu_engine.compile_network(classifier(name, layer)) is None
    assert "the network runs by plain autograd" in caplog.text


@pytest.mark.parametrize("broken", ["missing", "wrong"])
def test_a_private_operator_that_is_missing_or_wrong_leaves_the_plain_way(
    broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dreamvideo.models.cpu_engine")
    network = Dreamnet(("s4b",))
    genuine = torch.ops.mkldnn._convolution_pointwise
    with monkeypatch.context() as patch:
        if broken == "missing":
            patch.delattr(torch.ops.mkldnn, "_convolution_pointwise")
            patch.setattr(type(torch.ops.mkldnn), "__getattr__", lambda self, name: getattr({}, name))
        else:
            patch.setattr(torch.ops.mkldnn, "_convolution_pointwise", lambda *args: 1.01 * genuine(*args).flip(3))
        assert cpu_engine.compile_network(network) is None
    assert "the network runs by plain autograd" in caplog.text
    assert cpu_engine.compile_network(network) is not None


class Odd(nn.Module):
    """Does something before, beside or after its convolutions that the engine must notice."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind, self.first, self.second = kind, nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.requires_grad_(False)

    def forward(self, images: Any) -> dict[str, Any]:
        x = images.square() if self.kind == "curved input" else F.avg_pool2d(images, 2)
        x = images if self.kind not in ("curved input", "shrunk input") else x
        y = self.first(x)
        if self.kind == "image comes back":
            y = torch.cat([y[:, :5], images], 1)
        if self.kind == "tanh":
            y = torch.tanh(y)
        if self.kind == "broadcast":
            y = y + y.mean((2, 3), keepdim=True)
        return {"second": self.second(y)}


@pytest.mark.parametrize("kind", ["curved input", "image comes back", "tanh", "broadcast"])
def test_what_cannot_be_told_apart_from_the_known_is_refused(kind: str) -> None:
    assert cpu_engine.compile_network(Odd(kind)) is None
    assert cpu_engine.compile_network(Odd("nothing odd")) is not None


class Pooled(nn.Module):
    """An average pool before a 1x1 convolution, beside another."""

    def __init__(self, padded: Any) -> None:
        super().__init__()
        self.padded = padded
        self.first, self.beside, self.after = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1)
        self.requires_grad_(False)

    def forward(self, images: Any) -> dict[str, torch.Tensor]:
        x = F.relu(self.first(images))
        pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=self.padded)
        return {"both": torch.cat([F.relu(self.beside(x)), F.relu(self.after(pooled))], 1)}


@pytest.mark.parametrize("padded", [True, False])
def test_an_average_pool_goes_after_a_convolution_only_where_that_is_the_same(padded: bool) -> None:
    network = Pooled(padded)
    steps = build_plan(trace_network(network, torch.rand(1, 3, 32, 32))).steps
    assert len([step for step in steps if isinstance(step, Conv)]) == (3 if padded else 2)
    images = pictures(1, 3, 40, 50)
    (expected, grad), (actual, fast_grad) = (
        run(features, images) for features in (network, cpu_engine.compile_network(network))
    )
    assert_same(actual["both"], expected["both"])
    assert_same_grad(fast_grad, grad)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_result_whose_gradient_is_never_asked_for_is_freed_at_once(precision: Any) -> None:
    if precision == torch.bfloat16 and not BFLOAT16:
        pytest.skip("no bfloat16 convolutions on this processor")
    layers = ("inception1", "inception2.branch4.0")  # a max pool reads the one, and makes the other
    fast = cpu_engine.compile_network(small("small_googlenet", *layers), precision)
    images = pictures(1, 3, 64, 64).requires_grad_()
    gc.collect()
    gc.disable()  # it would find a cycle some time later
    try:
        for layer in layers:
            held = weakref.ref(fast(images)[layer].grad_fn)
            assert held() is None
    finally:
        gc.enable()


def test_sibling_branches_are_merged_and_relus_fused() -> None:
    networks = (
        (classifier("googlenet", "inception3a"), (64, 96, 16)),
        (small("small_googlenet", "inception1"), (8, 6, 4)),
    )
    for network, sizes in networks:
        steps = build_plan(trace_network(network, torch.rand(1, 3, 64, 64))).steps
        convs = [step for step in steps if isinstance(step, Conv)]
        assert len(convs) == 3 + 4  # 1x1 of three branches as one, two 3x3, the 1x1 of the pool
        assert all(conv.bounds == RELU for conv in convs)
        assert [step.sizes for step in steps if isinstance(step, Split)] == [sizes]


WINDOWS = [(3, 2, 0, True), (3, 2, 0, False), (3, 2, 1, False), (3, 1, 1, False), (2, 2, 0, False), (5, 1, 2, True)]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("height", [60, 61, 62, 63, 89])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_a_max_pool_in_strips_is_a_max_pool(
    window: tuple[int, int, int, bool], height: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, stride, padding, ceil = window
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr("dreamvideo.models.cpu_engine.strip_max_pool._LEAST", 0)
    split_into_strips.cache_clear()
    pool = MaxPoolKernel(MaxPool((0,), (1,), (kernel,) * 2, (stride,) * 2, (padding,) * 2, ceil))
    x = torch.randn(1, 5, height, 41).contiguous(memory_format=torch.channels_last).requires_grad_()
    expected = F.max_pool2d(x, kernel, stride, padding, 1, ceil)
    g = torch.randn_like(expected)
    with torch.no_grad():
        (actual,), memo = pool.forward(x)
        (grad,) = pool.backward(memo, g.clone())
    assert torch.equal(actual, expected)
    assert torch.allclose(grad, torch.autograd.grad(expected, x, g)[0], atol=1e-6)


def assert_pools_as_torch(pool: Any, x: Any, expected: Any) -> None:
    """Values and gradient, bit for bit."""
    g = torch.randint_like(expected, -3, 4)
    with torch.no_grad():
        (actual,), memo = pool.forward(x)
        (grad,) = pool.backward(memo, g.clone())
    assert torch.equal(actual, expected)
    assert torch.equal(grad, torch.autograd.grad(expected, x, g)[0])


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("size", [(1, 5, 61, 42), (2, 3, 12, 17), (3, 2, 6, 5)])
def test_of_equal_values_the_first_gets_the_gradient_as_in_torch(
    window: tuple[int, int, int, bool],
    precision: Any,
    positive: bool,
    size: tuple[int, int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel, stride, padding, ceil = window
    monkeypatch.setattr("dreamvideo.models.cpu_engine.strip_max_pool._LEAST", 0)
    split_into_strips.cache_clear()
    pool = make_kernel(MaxPool((0,), (1,), (kernel,) * 2, (stride,) * 2, (padding,) * 2, ceil, positive), precision)
    by_sides = positive and precision == torch.bfloat16 and window == (3, 1, 1, False)
    assert isinstance(pool, SeparableMaxPoolKernel) == by_sides
    # Few values, so that most windows hold their maximum several times; small integers, so that every sum is exact.
    x = torch.randint(0 if positive else -4, 4, size).to(precision, memory_format=torch.channels_last).requires_grad_()
    assert_pools_as_torch(pool, x, F.max_pool2d(x, kernel, stride, padding, 1, ceil))


@pytest.mark.parametrize("size", [(1, 1, 1, 1), (1, 3, 1, 9), (2, 3, 9, 1), (1, 3, 2, 2), (2, 4, 3, 8)])
def test_a_max_pool_by_sides_of_few_rows_or_columns(size: tuple[int, int, int, int]) -> None:
    pool = SeparableMaxPoolKernel()
    x = torch.randint(0, 4, size).to(torch.bfloat16, memory_format=torch.channels_last).requires_grad_()
    assert_pools_as_torch(pool, x, F.max_pool2d(x, 3, 1, 1))


def test_a_pool_worth_it_is_taken_apart() -> None:
    pool = MaxPool((0,), (1,), (3, 3), (2, 2), (0, 0), True)
    assert split_into_strips(pool, torch.Size((1, 64, 180, 320)), 2) is not None
    assert split_into_strips(pool, torch.Size((2, 64, 180, 320)), 2) is None  # two images keep two threads busy
    assert split_into_strips(pool, torch.Size((1, 64, 180, 320)), 1) is None
    assert split_into_strips(pool, torch.Size((1, 64, 20, 30)), 2) is None


@pytest.mark.parametrize("window", [(3, 1, 1), (2, 2, 0), (3, 2, 1), (3, 3, 0)])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("size", [(12, 18), (13, 17)])
def test_the_gradient_of_an_average_pool(window: tuple[int, int, int], padded: bool, size: tuple[int, int]) -> None:
    kernel, stride, padding = window
    pool = AvgPoolKernel(AvgPool((0,), (1,), (kernel,) * 2, (stride,) * 2, (padding,) * 2, False, padded))
    x = torch.randn(2, 4, *size).requires_grad_()
    expected = F.avg_pool2d(x, kernel, stride, padding, False, padded)
    g = torch.randn_like(expected)
    with torch.no_grad():
        (actual,), memo = pool.forward(x)
        (grad,) = pool.backward(memo, g)
    assert torch.allclose(actual, expected, atol=1e-6)
    assert torch.allclose(grad, torch.autograd.grad(expected, x, g)[0], atol=1e-6)


def grown(steps: Any) -> Any:
    """MiB by which the process has grown over `steps` gradients at changing sizes."""
    fast = cpu_engine.compile_network(Dreamnet(("s8b",)))
    resident = psutil.Process().memory_info
    for step in range(30 + steps):
        if step == 30:
            gc.collect()
            before = resident().rss
        run(fast, pictures(1, 3, 64 + step % 5, 80))
    return (resident().rss - before) / 2**20


def test_no_memory_grows() -> None:
    assert grown(60) < 20


@pytest.mark.slow
def test_no_memory_grows_over_thousands_of_steps() -> None:
    assert grown(2000) < 20
