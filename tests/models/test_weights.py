import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from dreamvideo.errors import ModelError, WeightsError
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
