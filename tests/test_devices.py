import argparse
import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch

from dreamvideo import devices
from dreamvideo.commands.console import announce_network
from dreamvideo.devices import download, lacking, pick_device, pick_precision, precision_name, upload
from dreamvideo.errors import DeviceError, SettingsError
from dreamvideo.models.network import Network, load_network
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings

CPU = torch.device("cpu")


@pytest.fixture
def fast_bf16(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    def there(yes: Any) -> None:
        monkeypatch.setattr(devices, "has_fast_bf16", lambda device: yes)

    return there


def test_precisions_on_a_cpu(fast_bf16: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    for yes, auto in ((True, torch.bfloat16), (False, torch.float32)):
        fast_bf16(yes)
        assert pick_precision("auto", CPU) == auto
        assert pick_precision("fp32", CPU) == torch.float32
        assert pick_precision("bf16", CPU) == torch.bfloat16
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert pick_precision("tf32", CPU) == torch.float32
    assert [record.message for record in caplog.records] == ["--precision tf32: cpu has none; fp32 instead"]


def test_fp16_on_a_cpu_is_refused_with_what_to_type(fast_bf16: Callable[..., Any]) -> None:
    for yes, other in ((True, "bf16"), (False, "fp32")):
        fast_bf16(yes)
        with pytest.raises(SettingsError, match=f"expected --precision {other}, or another --device"):
            load_network(ModelSettings(device="cpu", precision="fp16"), ObjectiveSettings())


def test_on_cuda_fp32_is_exact_and_tf32_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set, not what it does: that takes a GPU."""
    there = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.version, "hip", None)
    flags = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [place.allow_tf32 for place in flags]
    try:
        for wanted, precision, allowed in (
            ("tf32", torch.float32, True),
            ("fp32", torch.float32, False),
            ("tf32", torch.float32, True),
            ("auto", torch.bfloat16, False),
            ("fp16", torch.float16, False),
        ):
            assert pick_precision(wanted, there) == precision
            assert [place.allow_tf32 for place in flags] == [allowed, allowed]
            assert precision_name(precision, there) == ("bf16" if wanted == "auto" else wanted)
    finally:
        for place, value in zip(flags, before, strict=True):
            place.allow_tf32 = value


def test_an_old_gpu_has_neither_bf16_nor_tf32(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    there = torch.device("cuda")
    assert pick_precision("auto", there) == torch.float32
    with caplog.at_level(logging.WARNING):
        pick_precision("tf32", there)
    assert "cuda has none; fp32 instead" in caplog.text
    assert precision_name(torch.float32, there) == "fp32"
    devices.allow_tf32(False)


def test_the_precision_is_announced(tiny_network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    announce_network(argparse.Namespace(quiet=0), "in.mp4", "64x48", tiny_network)
    assert "fp32, cpu (" in capsys.readouterr().err
    assert [precision_name(kind, CPU) for kind in (torch.bfloat16, torch.float16)] == ["bf16", "fp16"]


def test_a_cpu_lacks_nothing_and_a_gap_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacking(CPU) is None

    def missing(picture: Any) -> None:
        raise NotImplementedError("The operator 'aten::_upsample_bilinear2d_aa.out' is not implemented for MPS")

    monkeypatch.setattr(devices, "TRIALS", {"one thing": lambda picture: picture, "another": missing})
    assert lacking(CPU) == "another"


def test_metal_that_lacks_something_is_left_or_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(devices, "lacking", lambda device: None)
    assert pick_device("auto").type == pick_device("mps").type == "mps"
    monkeypatch.setattr(devices, "lacking", lambda device: "bicubic resizing")
    with caplog.at_level(logging.WARNING):
        assert pick_device("auto").type == "cpu"
    assert "no bicubic resizing on Metal" in caplog.text
    with pytest.raises(DeviceError, match="no bicubic resizing on Metal; update it, set PYTORCH_ENABLE_MPS_FALLBACK=1"):
        pick_device("mps")


def test_on_a_cpu_nothing_is_copied() -> None:
    tensor = torch.rand(4, 5)
    assert upload(tensor, CPU) is tensor
    assert download(tensor) is tensor


@pytest.mark.gpu
def test_uploads_and_downloads_are_whole_and_their_own() -> None:
    there = torch.device("cuda:0")
    given = [torch.randint(0, 256, (720, 1280, 3), dtype=torch.uint8) for _ in range(30)]
    back = [download(upload(tensor, there)) for tensor in given]
    assert all(torch.equal(a, b) for a, b in zip(given, back, strict=True))
    assert all(tensor.is_pinned() for tensor in back)


@pytest.mark.gpu
def test_fp32_is_more_exact_than_tf32() -> None:
    there = torch.device("cuda:0")
    x, weight = torch.randn(1, 64, 60, 80), torch.randn(64, 64, 3, 3)
    exact = torch.nn.functional.conv2d(x.double(), weight.double())
    off = {}
    for precision in ("fp32", "tf32"):
        pick_precision(precision, there)
        made = torch.nn.functional.conv2d(x.to(there), weight.to(there)).cpu()
        off[precision] = ((made - exact).abs().max() / exact.abs().max()).item()
    assert off["fp32"] < 1e-5 < off["tf32"] < 1e-2
    pick_precision("fp32", there)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["auto", "fp32", "tf32", "bf16", "fp16"])
def test_a_network_is_loaded_in_each_precision(precision: str) -> None:
    network = load_network(ModelSettings(device="cuda", precision=precision), ObjectiveSettings())
    picture = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1)).to("cuda")
    kinds = {activation.dtype for activation in network.score.features(picture).values()}
    assert kinds == {network.precision}
    assert network.score(picture).dtype == torch.float32
    assert precision_name(network.precision, network.device) == ("bf16" if precision == "auto" else precision)
