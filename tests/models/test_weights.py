import itertools
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from dreamvideo.errors import ModelError, WeightsError
from dreamvideo.models import downloads
from dreamvideo.models.downloads import download_file
from dreamvideo.models.weights import download_weights, load_needed_weights, read_weights


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    torch.save({"a": torch.arange(1000.0)}, tmp_path / "made.pth")
    return (tmp_path / "made.pth").read_bytes()


def download(url: str) -> Any:
    return download_weights(url, "a net", "have none")["a"]


def test_weights_are_downloaded_once_and_then_cached(
    publish: Callable[..., str], content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert torch.equal(download(publish("net", content)), torch.arange(1000.0))
        assert torch.equal(download(publish("net", None, content)), torch.arange(1000.0))
    assert [record.message[:38] for record in caplog.records] == ["downloading the weights of a net: http"]


@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_a_bad_download_is_detected_not_kept_and_explained(
    publish: Callable[..., str], content: bytes, tmp_path: Path, damage: str
) -> None:
    served = {"cut": content[:500], "changed": content[:-1] + b"?", "missing": None}[damage]
    url = publish("net", served, content)
    told = r"cannot download the weights of a net .* put it at .*net-.*\.pth, or have none, which needs no download"
    with pytest.raises(WeightsError, match=told):
        download(url)
    assert not list((tmp_path / "cache").rglob("*.p*"))
    assert torch.equal(download(publish("net", content)), torch.arange(1000.0)), "a second try must work"


def test_a_file_that_broke_in_the_cache_is_named(publish: Callable[..., str], content: bytes, tmp_path: Path) -> None:
    url = publish("net", content)
    download(url)
    (cached,) = (tmp_path / "cache").rglob("*.pth")
    cached.write_bytes(content[:500])
    with pytest.raises(WeightsError) as caught:
        download(url)
    assert str(cached) in str(caught.value) and "delete this file" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_file_of_the_same_size_in_the_cache_is_found_at_its_first_use(
    publish: Callable[..., str], content: bytes, tmp_path: Path
) -> None:
    url = publish("net", content)
    download(url)
    (cached,) = (tmp_path / "cache").rglob("*.pth")
    at = content.index(torch.tensor([512.0]).numpy().tobytes())  # still a state dict, with another value
    cached.write_bytes(content[:at] + torch.tensor([513.0]).numpy().tobytes() + content[at + 4 :])
    with pytest.raises(WeightsError, match=r"net-\w+.pth: got SHA-256 .*, expected .*; delete this file"):
        download(url)
    cached.unlink()
    assert torch.equal(download(url), torch.arange(1000.0))


@pytest.fixture
def slow_server() -> Iterator[Callable[[bytes], str]]:
    """A server that sends a head and then one byte every 50 ms: serve(head) -> address."""
    heads: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\n" + heads[-1] + b"\r\n")
                    while not ended.wait(0.05):
                        connection.sendall(b"x")
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield lambda head: heads.append(head) or f"http://127.0.0.1:{listener.getsockname()[1]}/net-01234567.pth"
    ended.set()
    listener.close()


def test_a_download_ends_after_its_time(slow_server: Callable[[bytes], str], tmp_path: Path) -> None:
    seconds = itertools.count(0, 3000)
    with pytest.raises(OSError, match="longer than 3 hours"):
        download_file(slow_server(b""), tmp_path / "net.pth", "01234567", clock=lambda: next(seconds))
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_falls_silent_ends_a_download(
    slow_server: Callable[[bytes], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "SILENCE", 0.01)
    with pytest.raises(OSError, match="timed out"):
        download_file(slow_server(b""), tmp_path / "net.pth", "01234567")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("head", [b"Content-Length: 99999999999\r\n", b""])
def test_a_download_ends_at_its_size(
    slow_server: Callable[[bytes], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(downloads, "LARGEST", 5)
    with pytest.raises(OSError, match="larger than"):
        download_file(slow_server(head), tmp_path / "net.pth", "01234567")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["w.pth", "w.safetensors"])
def test_a_local_file_is_read_and_a_truncated_one_is_one_line(tmp_path: Path, file: str) -> None:
    path, state = (
        tmp_path / file,
        {"module.a": torch.arange(1000.0)} if file == "w.pth" else {"a": torch.arange(1000.0)},
    )
    torch.save(state, path) if file == "w.pth" else save_file(state, path)
    assert torch.equal(read_weights(path)["a"], torch.arange(1000.0))
    for size in (500, 0):
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(WeightsError, match=r"^\S+w\.\w+: cannot read weights [^\n]*\Z"):
            read_weights(path)


def test_more_weights_than_needed_are_taken_others_are_not() -> None:
    network = torch.nn.Linear(2, 3)
    load_needed_weights(network, {"weight": torch.ones(3, 2), "bias": torch.zeros(3), "head": torch.ones(9)}, "x.pth")
    assert torch.equal(network.weight, torch.ones(3, 2))
    with pytest.raises(ModelError, match="x.pth: these weights have no 'bias'; nearest: bia; are they of"):
        load_needed_weights(network, {"weight": torch.ones(3, 2), "bia": torch.zeros(3)}, "x.pth")
    with pytest.raises(ModelError, match=r"x.pth: 'weight' has shape \(2, 2\), expected \(3, 2\)"):
        load_needed_weights(network, {"weight": torch.ones(2, 2)}, "x.pth")
