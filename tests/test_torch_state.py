"""A dream is the same whatever a program has set in torch: inference mode, autocast, default type and device."""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dreamvideo import (
    CarrySettings,
    DreamSettings,
    Frame,
    ModelSettings,
    Network,
    ObjectiveSettings,
    StreamInfo,
    dream,
    dream_file,
    dream_video,
    open_video,
    read_image,
    write_image,
    write_video,
)
from dreamvideo import load_network as load
from dreamvideo.errors import SettingsError
from dreamvideo.jobs.dream_file import dream_image
from dreamvideo.models.mixed_channels import mix_cells
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.tensors import checked_images
from dreamvideo.torch_state import in_plain_torch, plain_torch

FAST = DreamSettings(octaves=1, iterations=2)


@contextmanager
def default_type(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


STATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "float64": lambda: default_type(torch.float64),
    "bfloat16": lambda: default_type(torch.bfloat16),
    "another device": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


def in_state(name: str) -> AbstractContextManager[Any]:
    return STATES[name]()


def picture() -> Tensor:
    generator = torch.Generator("cpu").manual_seed(0)
    return torch.rand(1, 3, 64, 96, generator=generator, dtype=torch.float32, device="cpu")


def load_network() -> Network:
    return load(ModelSettings(device="cpu"), ObjectiveSettings(classes=(("owl", 1.0),)))


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network()


@pytest.fixture(scope="module")
def expected(network: Network) -> Tensor:
    return dream(picture(), network.score, FAST)


def film(network: Network) -> list[Any]:
    ramp = np.broadcast_to(np.linspace(0, 200, 96).astype(np.uint8)[None, :, None], (64, 96, 3))
    frames = [Frame(np.roll(ramp, 2 * number, 1), Fraction(number, 25)) for number in range(3)]
    return [frame.image for frame in dream_video(frames, network, FAST, CarrySettings())]


@pytest.mark.parametrize("name", STATES)
def test_a_dream_is_the_same_in_every_state(name: str, network: Network, expected: Tensor) -> None:
    with in_state(name):
        state = torch.get_default_dtype(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
        dreamed = dream(picture(), network.score, FAST)
        assert state == (
            torch.get_default_dtype(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
        )
    assert dreamed.dtype == torch.float32 and torch.equal(dreamed, expected) and not dreamed.is_inference()


@pytest.mark.parametrize("name", STATES)
def test_a_score_of_plain_autograd_is_ascended_the_same_in_every_state(name: str) -> None:
    layer = torch.nn.Conv2d(3, 4, 3)
    objective = Objective(lambda images: {"layer": layer(images).relu()}, (Term("layer"),))
    network = Network("own", objective, torch.device("cpu"), torch.float32)
    image = (picture()[0].permute(1, 2, 0) * 255).byte().numpy()

    def dreams() -> list[Any]:
        return [dream(picture(), objective, FAST).numpy(), dream_image(image, network, FAST), *film(network)]

    plain = dreams()
    with in_state(name):
        changed = dreams()
    assert all(np.array_equal(*pair) for pair in zip(plain, changed, strict=True))


@pytest.mark.parametrize("name", STATES)
def test_a_film_is_the_same_in_every_state(name: str, network: Network) -> None:
    plain = film(network)
    with in_state(name):
        assert np.array_equal(film(network), plain)


@pytest.mark.parametrize("name", ["inference mode", "bfloat16", "another device"])
def test_a_network_loaded_in_any_state_dreams_the_same(name: str, expected: Tensor) -> None:
    with in_state(name):
        loaded = load_network()
    assert torch.equal(dream(picture(), loaded.score, FAST), expected)


def test_nothing_kept_from_inference_mode_breaks_a_later_dream(network: Network, expected: Tensor) -> None:
    mix = load(ModelSettings(device="cpu"), ObjectiveSettings(objective="mix"))
    mix_cells.cache_clear()
    with torch.inference_mode():
        for loaded in (network, mix):
            loaded.score(picture())
        mask, image = torch.ones(1, 1, 64, 96), picture()
    assert torch.isfinite(dream(image, mix.score, FAST)).all()
    assert torch.equal(dream(image, network.score, FAST, mask=mask), expected)


@pytest.mark.parametrize("name", ["inference mode", "bfloat16", "another device"])
def test_files_are_dreamed_the_same_in_every_state(name: str, tmp_path: Path) -> None:
    image = (picture()[0].permute(1, 2, 0) * 255).byte().numpy()
    write_image(image, tmp_path / "guide.png")
    write_image(image, tmp_path / "photo.png")
    write_video([Frame(image, Fraction(n, 25)) for n in range(3)], tmp_path / "clip.mkv", StreamInfo(96, 64))
    objective = ObjectiveSettings(guide=str(tmp_path / "guide.png"))
    for path in (tmp_path / "photo.png", tmp_path / "clip.mkv"):
        outputs = [tmp_path / f"{state}{path.suffix}" for state in ("plain", "changed")]
        dream_file(path, outputs[0], objective=objective, dream=FAST)
        with in_state(name):
            dream_file(path, outputs[1], objective=objective, dream=FAST)
        plain, changed = (images_of(output) for output in outputs)
        assert np.array_equal(plain, changed) and not np.array_equal(plain[0], image)


def images_of(path: Path) -> list[Any]:
    if path.suffix == ".png":
        return [read_image(path)]
    with open_video(path) as source:
        return [frame.image for frame in source.frames]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_images_of_any_float_type_are_dreamed(dtype: torch.dtype, network: Network) -> None:
    image = picture().to(dtype)
    assert torch.equal(dream(image, network.score, FAST), dream(image.float(), network.score, FAST))


@pytest.mark.parametrize(
    "images, message",
    [
        (picture()[0], r"got images of shape \(3, 64, 96\), expected \(B, 3, H, W\): type images\[None\]"),
        (picture()[:, :1], r"got images of shape \(1, 1, 64, 96\).*expand"),
        (picture().permute(0, 2, 3, 1), r"got images of shape \(1, 64, 96, 3\).*permute"),
        (picture()[:, :, :0], r"expected \(B, 3, H, W\)"),
        ((picture() * 255).byte(), r"got torch.uint8 images, expected floats in \[0, 1\]: type images / 255"),
        (picture() * 255, "expected 0 to 1: type images / 255"),
        (picture() * 2 - 1, r"expected 0 to 1: type \(images \+ 1\) / 2"),
        (picture() * torch.nan, "values from nan to nan"),
        (picture().numpy(), "got images as ndarray, expected a tensor"),
    ],
)
def test_an_odd_image_is_one_clear_error(images: Any, message: str, network: Network) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        dream(images, network.score, FAST)
    assert "\n" not in str(caught.value)


@given(st.floats(-3, 300, width=32), st.floats(-3, 300, width=32))
def test_images_are_in_range_or_refused(first: float, second: float) -> None:
    images = torch.tensor([first, second]).expand(1, 3, 1, 2)
    try:
        checked = checked_images(images)
    except SettingsError:
        assert min(first, second) < -0.05 or max(first, second) > 1.05
    else:
        assert (checked - images).abs().max() < 0.11 and checked.min() >= 0 and checked.max() <= 1


@pytest.mark.parametrize("name", ["float64", "bfloat16"])
def test_the_default_type_is_hidden_from_all_that_makes_tensors(name: str) -> None:
    with in_state(name), plain_torch(), plain_torch():
        integers = torch.arange(4)
        for made in (
            *(torch.zeros(2), torch.ones(2), torch.eye(2), torch.linspace(0, 1, 3), torch.rand(2), torch.empty(1)),
            *(torch.tensor([1, 0.1]), torch.full((2,), 0.1), torch.arange(0, 1, 0.1), torch.as_tensor([0.1])),
            *(integers / 3, integers * 0.1, torch.sqrt(integers), (integers > 1) * 0.5),
            *torch.nn.Linear(2, 2).parameters(),
        ):
            assert made.dtype == torch.float32
        assert integers.dtype == torch.tensor([1]).dtype == torch.full((2,), 1).dtype == torch.int64
        assert torch.zeros(2, dtype=torch.float64).dtype == integers.double().dtype == torch.float64
        assert torch.tensor([1, 0.1])[1] == np.float32(0.1)
    with in_state(name):
        assert torch.zeros(1).dtype == torch.get_default_dtype() != torch.float32


def test_the_consumer_of_frames_keeps_its_own_state() -> None:
    def modes() -> Generator[bool, None, None]:
        while True:
            yield torch.is_inference_mode_enabled()

    with torch.inference_mode():
        for inside in in_plain_torch(modes()):
            assert not inside and torch.is_inference_mode_enabled()
            break
