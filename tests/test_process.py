"""Process-wide switches: `configure_process` sets them, and nothing else does."""

import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import cv2
import pytest
import torch

from dreamvideo import process
from dreamvideo.ascent.octaves import dream
from dreamvideo.devices import tf32_products
from dreamvideo.models.network import load_network
from dreamvideo.process import configure_process, keep_freed_memory
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings


def switches() -> list[Any]:
    flags = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    return [torch.get_num_threads(), cv2.getNumThreads(), *flags, list(sys.path)]


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[mock.Mock]:
    """Sets all switches back afterwards; the C library's is a mock."""
    threads, opencv_threads, matmul, cudnn, path = switches()
    monkeypatch.setattr(sys, "path", [each for each in path if each])
    keep = mock.Mock()
    monkeypatch.setattr(process, "keep_freed_memory", keep)
    yield keep
    torch.set_num_threads(threads)
    cv2.setNumThreads(opencv_threads)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
    torch.backends.cudnn.deterministic = torch.backends.cudnn.benchmark = False


def test_on_a_cpu_threads_are_set_and_memory_is_kept(restored: mock.Mock) -> None:
    _, opencv_threads, *others = switches()
    configure_process(ModelSettings(device="cpu", threads=1))
    assert switches() == [1, opencv_threads, *others], "and nothing else, the import path included"
    restored.assert_called_once_with()
    configure_process(ModelSettings(device="cpu", threads=3), opencv_threads=True)
    assert switches() == [3, 3, *others]


def test_without_a_number_of_threads_they_are_left_alone(restored: mock.Mock) -> None:
    before = switches()
    configure_process(ModelSettings(device="cpu"), opencv_threads=True)
    assert switches()[:4] == before[:4]


@pytest.mark.parametrize("precision", ["tf32", "fp32", "auto"])
def test_on_cuda_tf32_is_on_only_if_it_was_asked_for(restored: mock.Mock, precision: Any) -> None:
    before = switches()
    configure_process(ModelSettings(device="cuda:7", precision=precision, threads=1))
    assert switches()[:4] == [*before[:2], precision == "tf32", precision == "tf32"]
    restored.assert_not_called()


def test_on_cuda_convolutions_add_in_the_same_order_each_time(restored: mock.Mock) -> None:
    torch.backends.cudnn.benchmark = True
    configure_process(ModelSettings(device="cpu", threads=1))
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == (False, True)
    configure_process(ModelSettings(device="cuda:7", threads=1))
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == (True, False)


def test_the_library_leaves_every_switch_alone() -> None:
    with mock.patch("ctypes.CDLL", side_effect=lambda name: pytest.fail("mallopt")):
        before = switches()
        network = load_network(ModelSettings(device="cpu", threads=1), ObjectiveSettings())
        dream(torch.rand(1, 3, 64, 64), network.score, DreamSettings(octaves=1, iterations=1))
        with tf32_products(True):
            assert switches() != before
        assert switches() == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the switch belongs to glibc")
def test_freed_memory_is_kept_where_the_c_library_can_do_that(monkeypatch: pytest.MonkeyPatch) -> None:
    glibc, calls = mock.Mock(), []
    glibc.mallopt = lambda parameter, size: calls.append((parameter, size)) or 1
    monkeypatch.setattr("ctypes.CDLL", lambda name: glibc)
    assert keep_freed_memory.__wrapped__()
    assert calls == [(-3, 256 * 2**20), (-1, 256 * 2**20)]  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
    monkeypatch.setattr("ctypes.CDLL", lambda name: mock.Mock(spec=["malloc"]))
    assert not keep_freed_memory.__wrapped__()
