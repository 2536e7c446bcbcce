"""The network against a literal second writing of its graph, and the loading of its weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from dreamvideo.errors import ModelError, WeightsError
from dreamvideo.models.dreamnet.net import BLOCKS, NODES, STRIDES, DreamNet, DreamnetFeatures, fold_network
from dreamvideo.models.dreamnet.trained import DRAWN, PHOTO, Trained, load_dreamnet, plain_divisor
from dreamvideo.models.registry import find_model


@pytest.fixture(scope="module")
def trained() -> Trained:
    return load_dreamnet()


def literal_features(x: Tensor, w: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every node, written out from the graph in the weights' metadata with nothing of net.py in it."""

    def conv(name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return F.conv2d(x, w[f"{name}.weight"].float(), w[f"{name}.bias"].float(), stride, padding).clamp(min=0)

    def inception(name: str, x: Tensor, one: int, two: int, three: int) -> Tensor:
        reduced = conv(f"{name}.red", x)
        assert reduced.shape[1] == one + two + three
        padded, there = F.pad(x, (1, 1, 1, 1)), F.pad(torch.ones_like(x), (1, 1, 1, 1))
        pooled = padded.unfold(2, 3, 1).unfold(3, 3, 1).sum((4, 5)) / there.unfold(2, 3, 1).unfold(3, 3, 1).sum((4, 5))
        return torch.cat(
            [
                reduced[:, :one],
                conv(f"{name}.b3", reduced[:, one : one + two], padding=1),
                conv(f"{name}.b5b", conv(f"{name}.b5a", reduced[:, one + two :], padding=1), padding=1),
                conv(f"{name}.bp", pooled),
            ],
            1,
        )

    def halved(x: Tensor) -> Tensor:
        x = x[:, :, : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]
        return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4

    found = {"c1": conv("c1", (x - 0.5) * 4, stride=2, padding=2)}
    found["s4a"] = conv("s4a", halved(found["c1"]), padding=1)
    found["s4b"] = inception("s4b", found["s4a"], 28, 32, 16)
    found["s8a"] = inception("s8a", halved(found["s4b"]), 40, 56, 24)
    found["s8b"] = inception("s8b", found["s8a"], 48, 72, 32)
    found["s16a"] = inception("s16a", halved(found["s8b"]), 72, 88, 40)
    found["s16b"] = inception("s16b", found["s16a"], 80, 104, 48)
    for name in ("s8b", "s16a", "s16b"):
        weight, bias = w[f"heads.{name}.weight"].float(), w[f"heads.{name}.bias"].float()
        found[f"map.{name}"] = torch.einsum("kc,bchw->bkhw", weight, found[name]) + bias[:, None, None]
    found["logits"] = found["map.s16b"].mean((2, 3))
    return found


@pytest.mark.parametrize("size", [(96, 96), (61, 83), (16, 16), (17, 47)])
def test_every_node_agrees_with_a_literal_forward(trained: Trained, size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    found, expected = trained.net.features(x), literal_features(x, load_file(DRAWN))
    for name in NODES:
        error = (found[name] - expected[name]).abs().max() / expected[name].abs().max()
        assert found[name].shape == expected[name].shape
        assert error < 1e-5, f"{name}: {error:.1e}"


def _not_wanted(*_: object) -> None:
    raise AssertionError("a block beyond the deepest was computed")


def test_strides_and_truncation(trained: Trained) -> None:
    x = torch.rand(1, 3, 64, 96)
    for index, name in enumerate(BLOCKS):
        deeper = BLOCKS[index + 1 :]
        broken = {block: getattr(trained.net, block).register_forward_hook(_not_wanted) for block in deeper}
        found = trained.net.features(x, [name])
        for hook in broken.values():
            hook.remove()
        assert tuple(found) == (name,)
        assert found[name].shape[2:] == (64 // STRIDES[name], 96 // STRIDES[name])


def test_gradient_reaches_every_pixel(trained: Trained) -> None:
    x = torch.rand(1, 3, 48, 48, requires_grad=True)
    (gradient,) = torch.autograd.grad(trained.net.features(x, ["s8b"])["s8b"].square().mean(), x)
    assert (gradient.abs().sum(1) > 0).all()
    assert all(not p.requires_grad for p in trained.net.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_channels_last_and_bf16_agree(trained: Trained, dtype: torch.dtype) -> None:
    x = torch.rand(1, 3, 65, 80, generator=torch.Generator().manual_seed(2))
    net = load_dreamnet().net.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = net.features(x.to(dtype).contiguous(memory_format=torch.channels_last))
    for name, expected in trained.net.features(x).items():
        assert found[name].dtype == dtype
        error = (found[name].float() - expected).norm() / expected.norm()
        assert error < (1e-5 if dtype == torch.float32 else 5e-2), f"{name}: {error:.1e}"


def test_folding_keeps_the_trainable_network() -> None:
    generator = torch.Generator().manual_seed(3)
    net = DreamNet(5, trainable=True)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=generator) * 0.1
            module.running_var = torch.rand(module.num_features, generator=generator) + 0.5
            torch.nn.init.uniform_(module.weight, 0.5, 1.5, generator)
            torch.nn.init.normal_(module.bias, 0, 0.2, generator)
    x = torch.rand(2, 3, 64, 64, generator=generator)
    expected, found = net.eval().features(x), fold_network(net).features(x)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("path", [DRAWN, PHOTO])
def test_what_load_gives(path: Path) -> None:
    trained, stored = load_dreamnet(path), load_file(path)
    assert not trained.net.training
    groups = trained.net.group_names
    assert set(trained.rms) == {*BLOCKS, *(("groups",) if groups else ())}
    assert set(trained.divisors) == {*trained.rms, *(f"group.{name}" for name in groups)}
    for name in trained.rms:
        expected = stored.get(f"divisor.{name}", plain_divisor(stored[f"rms.{name}"]))
        torch.testing.assert_close(trained.divisors[name], expected)
        assert trained.divisors[name].ndim == 1 and (trained.divisors[name] > 0).all()


def test_what_the_embedded_files_hold() -> None:
    drawn, photo = load_dreamnet(DRAWN), load_dreamnet(PHOTO)
    assert len(drawn.classes) == len(set(drawn.classes)) == 63 and not drawn.net.group_names
    assert len(photo.net.group_names) >= 8
    assert not torch.equal(drawn.divisors["s8b"], plain_divisor(drawn.rms["s8b"]))
    assert DRAWN.stat().st_size + PHOTO.stat().st_size < 8e6


def test_a_network_of_two_files_gives_what_each_gives() -> None:
    drawn, photo, both = load_dreamnet(DRAWN).net, load_dreamnet(PHOTO).net, find_model("dreamnet")
    assert set(both.nodes) == {*drawn.nodes, *photo.nodes} and both.classes == load_dreamnet(DRAWN).classes
    x, group = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(2)), f"group.{photo.group_names[-1]}"
    found = both.cut(["map.s16b", group, "s8b"], torch.device("cpu"), torch.float32)(x)
    expected = {**drawn.features(x, ["map.s16b", "s8b"]), **photo.features(x, [group])}
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-4, rtol=1e-4)
    one = DreamnetFeatures({**dict.fromkeys(drawn.nodes, drawn), group: photo}, [group])
    assert list(one.nets) == [photo]  # the other is not run


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot read"):
        load_dreamnet(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights here")
    with pytest.raises(WeightsError, match="cannot read"):
        load_dreamnet(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="format"):
        load_dreamnet(tmp_path / "other.safetensors")
    with safe_open(DRAWN, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(DRAWN)
    save_file({k: v for k, v in tensors.items() if k != "heads.s16b.bias"}, tmp_path / "part.safetensors", metadata)
    with pytest.raises(ModelError, match="not the weights"):
        load_dreamnet(tmp_path / "part.safetensors")
    save_file(tensors, tmp_path / "few.safetensors", {**metadata, "classes": json.dumps(["a", "b"])})
    with pytest.raises(ModelError, match="not the weights"):
        load_dreamnet(tmp_path / "few.safetensors")


def test_what_cannot_be_asked(trained: Trained) -> None:
    with pytest.raises(ModelError, match="s16a"):
        trained.net.features(torch.rand(1, 3, 32, 32), ["mixed4c"])
    with pytest.raises(ValueError, match="H and W >= 16"):
        trained.net.features(torch.rand(1, 3, 32, 15))


# torch imports its compiler at the first operation under a dispatch mode that does not forbid it.
LIGHT = """
import sys, torch, dreamvideo.models.dreamnet.trained
assert "cv2" not in sys.modules
from dreamvideo.ascent.memory import measure_peak
from dreamvideo.models.network import load_network
from dreamvideo.ascent.octaves import dream
from dreamvideo.settings.dream import DreamSettings, ModelSettings
measure_peak(lambda: torch.ones(2))
for name in ("dreamnet", "efficientnet_lite2"):  # the latter is the default, where its weights are installed
    network = load_network(ModelSettings(name, device="cpu"))
    dream(torch.rand(1, 3, 64, 64), network.score, DreamSettings(octaves=1, iterations=1))
assert not {"torch._dynamo", "torchvision", "sympy"} & sys.modules.keys()
"""


def test_the_network_needs_neither_opencv_nor_the_compiler_of_torch() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True)
