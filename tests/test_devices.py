import contextlib
import gc
import logging
import threading
import weakref
from collections.abc import Callable
from concurrent import futures
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
import torch

from dreamvideo import devices, tensors
from dreamvideo.ascent.octaves import dream
from dreamvideo.ascent.tiling import TiledScore
from dreamvideo.commands.console import Console
from dreamvideo.devices import missing_operation, pick_device, pick_precision, pick_tf32, precision_name, tf32_products
from dreamvideo.errors import DeviceError, SettingsError
from dreamvideo.models.network import Network, load_network
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.tensors import download, upload

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
    before = flags()
    for requested, precision, allowed in (
        ("tf32", torch.float32, True),
        ("fp32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("auto", torch.bfloat16, False),
        ("fp16", torch.float16, False),
    ):
        assert pick_precision(requested, there) == precision
        tf32 = pick_tf32(requested, there)
        with tf32_products(tf32):
            assert flags() == (allowed, allowed)
        assert flags() == before
        assert precision_name(precision, tf32) == ("bf16" if requested == "auto" else requested)
    assert pick_tf32("tf32", CPU) is None


def flags() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_none_leaves_the_switch_for_tf32_alone_and_inner_blocks_win() -> None:
    before = flags()
    with tf32_products(None):
        assert flags() == before
        with tf32_products(True):
            with tf32_products(False):
                assert flags() == (False, False)
            assert flags() == (True, True)
    assert flags() == before


def test_threads_share_the_switch_for_tf32_and_one_that_needs_it_otherwise_waits() -> None:
    before, order = flags(), []
    inside, leave = threading.Event(), threading.Event()

    def hold(name: str, allowed: bool) -> None:
        with tf32_products(allowed):
            order.append((name, flags()))
            inside.set()
            assert leave.wait(60)
            order.append((name, flags()))

    with futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(hold, "first", True)]
        assert inside.wait(60)
        with tf32_products(True):  # the same value: side by side, and whoever leaves first changes nothing
            waiting.append(pool.submit(hold, "other", False))
        assert flags() == (True, True)
        assert [name for name, _ in order] == ["first"]
        leave.set()
        for each in waiting:
            each.result(60)
    assert order == [("first", (True, True))] * 2 + [("other", (False, False))] * 2
    assert flags() == before


def test_a_dream_runs_in_the_precision_that_its_network_was_loaded_for(tiny_network: Network) -> None:
    seen = []

    def features(images: torch.Tensor) -> Any:
        seen.append(flags())
        images.register_hook(lambda grad: seen.append(flags())) if images.requires_grad else None
        return tiny_network.score.features(images)

    before = flags()
    settings = DreamSettings(octaves=1, iterations=1)
    image = torch.rand(1, 3, 40, 160)
    for tf32, expected in ((True, (True, True)), (False, (False, False)), (None, before)):
        score = replace(tiny_network.score, features=features, tf32=tf32)
        score(image)
        for way in (score, TiledScore(score, 128, CPU)):
            dream(image, way, settings)
        assert set(seen) == {expected} and len(seen) > 5
        seen.clear()
        assert flags() == before


def test_an_old_gpu_has_neither_bf16_nor_tf32(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    there = torch.device("cuda")
    assert pick_precision("auto", there) == torch.float32
    with caplog.at_level(logging.WARNING):
        pick_precision("tf32", there)
    assert "cuda has none; fp32 instead" in caplog.text
    assert precision_name(torch.float32, pick_tf32("tf32", there)) == "fp32"


def test_the_precision_is_announced(tiny_network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    Console().network("in.mp4", "64x48", tiny_network)
    assert "fp32, cpu (" in capsys.readouterr().err
    assert [precision_name(kind) for kind in (torch.bfloat16, torch.float16)] == ["bf16", "fp16"]


def test_a_cpu_lacks_nothing_and_a_gap_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_operation(CPU) is None

    def missing(picture: Any) -> None:
        raise NotImplementedError("The operator 'aten::_upsample_bilinear2d_aa.out' is not implemented for MPS")

    monkeypatch.setattr(devices, "TRIALS", {"one thing": lambda picture: picture, "another": missing})
    assert missing_operation(CPU) == "another"


def test_metal_that_lacks_something_is_left_or_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(devices, "missing_operation", lambda device: None)
    assert pick_device("auto").type == pick_device("mps").type == "mps"
    monkeypatch.setattr(devices, "missing_operation", lambda device: "bicubic resizing")
    with caplog.at_level(logging.WARNING):
        assert pick_device("auto").type == "cpu"
    assert "no bicubic resizing on Metal" in caplog.text
    with pytest.raises(
        DeviceError, match="no bicubic resizing on Metal; a newer one may, or set PYTORCH_EN.*; --device cpu"
    ):
        pick_device("mps")


def test_a_card_that_torch_has_no_kernels_for_is_left_or_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_kernels(*_: Any, device: torch.device) -> torch.Tensor:
        raise torch.AcceleratorError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (6, 1))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "GeForce GTX 1080")
    monkeypatch.setattr(torch, "ones", no_kernels)
    with caplog.at_level(logging.WARNING):
        assert pick_device("auto") == CPU
    assert "dreaming on the CPU: this version of torch has no kernels for GeForce GTX 1080 (sm_61)" in caplog.text
    with pytest.raises(DeviceError, match="--device cuda: .*sm_61.*--device cpu"):
        pick_device("cuda")

    def busy(*_: Any, device: torch.device) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "ones", busy)
    assert pick_device("auto").type == "cuda"


def test_what_is_fetched_is_held_until_its_copy_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a stand-in of CUDA: no `record_stream`, which leaks after a recording that failed."""
    done = mock.Mock()
    monkeypatch.setattr(tensors, "_copy_stream", lambda device: mock.Mock())
    monkeypatch.setattr(torch.cuda, "Event", lambda blocking: done)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())

    class OnCuda:
        is_cuda, device = True, torch.device("cuda")

        def to(self, where: str, non_blocking: bool) -> str:
            return "copy"

    tensor = OnCuda()
    alive = weakref.ref(tensor)
    wait = tensors.fetch(tensor)  # type: ignore[arg-type]
    del tensor
    gc.collect()
    assert alive() is not None
    assert wait() == wait() == "copy"  # type: ignore[comparison-overlap]
    done.synchronize.assert_called()
    gc.collect()
    assert alive() is None


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
        with tf32_products(pick_tf32(precision, there)):
            made = torch.nn.functional.conv2d(x.to(there), weight.to(there)).cpu()
        off[precision] = ((made - exact).abs().max() / exact.abs().max()).item()
    assert off["fp32"] < 1e-5 < off["tf32"] < 1e-2


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["auto", "fp32", "tf32", "bf16", "fp16"])
def test_a_network_is_loaded_in_each_precision(precision: Any) -> None:
    network = load_network(ModelSettings(device="cuda", precision=precision), ObjectiveSettings())
    picture = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1)).to("cuda")
    kinds = {activation.dtype for activation in network.score.features(picture).values()}
    assert kinds == {network.precision}
    assert network.score(picture).dtype == torch.float32
    assert network.precision_name == ("bf16" if precision == "auto" else precision)
