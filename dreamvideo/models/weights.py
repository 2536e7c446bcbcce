"""Weights of networks: read from a file, or downloaded once into the cache of torchvision and held to their hash."""

from __future__ import annotations

import logging
import re
import sys
import zipfile
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from dreamvideo.errors import ModelError, WeightsError, did_you_mean, first_line
from dreamvideo.models.downloads import check_hash, download_file

log = logging.getLogger(__name__)

# Keys of the state dict in a training checkpoint: PyTorch's ImageNet example and Places365, torchvision's references,
# and what many write by hand.
_CHECKPOINT_KEYS = ("state_dict", "model", "model_state_dict")

# How wrappers and old versions change the names of tensors: DataParallel around a network or, in the ImageNet example,
# around its features; torch.compile; and DenseNet's layers before torch 0.4.1, in torchvision's own files to this day.
_OLD_NAMES = (
    (r"^(module\.|_orig_mod\.)+", ""),
    (r"\._orig_mod\.", "."),
    (r"^features\.module\.", "features."),
    (r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2"),
)


def read_weights(path: Path, mapped: bool = False) -> Mapping[str, Tensor]:
    """Read a state dict from a .safetensors or .pth file; no code in the file is executed.

    Args:
        path: the file.
        mapped: leave the values in the file where its format allows it: for names and shapes, in milliseconds. The file
            must not change as long as these tensors live.

    Returns:
        Name -> tensor on the CPU, names without what wrappers added, see `plain_parameter_name`.

    Raises:
        WeightsError: the file is missing, broken, or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return cast(Mapping[str, Tensor], load_file(path))
        mapped = mapped and zipfile.is_zipfile(path)  # torch before 1.6 wrote another format
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such weights file") from None
    except Exception as error:  # of any kind, from parsers of broken files
        raise WeightsError(
            f"{path}: cannot read weights ({first_line(error)}); expected a .safetensors or .pth state dict"
        ) from error
    for key in _CHECKPOINT_KEYS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path}: expected a state dict, got {type(state).__name__}")
    return {plain_parameter_name(key): value for key, value in state.items()}


def plain_parameter_name(key: str) -> str:
    """Return the name of a tensor without what wrappers and old versions added."""
    for old, new in _OLD_NAMES:
        key = re.sub(old, new, key)
    return key


def cache_path(url: str) -> Path:
    """Return the path of a file in torchvision's cache.

    Args:
        url: from where it is downloaded.
    """
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]


def download_weights(url: str, name: str, otherwise: str) -> Mapping[str, Tensor]:
    """Read the state dict at `url` from torchvision's cache, after a download if it is not there.

    Args:
        url: its file name ends in the first digits of its SHA-256.
        name: of the network, for messages.
        otherwise: what a user without a connection can type instead.

    Raises:
        WeightsError: the download failed, or the file in the cache is broken; the message says what to do.
    """
    path = cache_path(url)
    digest = path.stem.rsplit("-", 1)[1]
    if not path.exists():
        log.warning("downloading the weights of %s: %s", name, url)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            bar = log.isEnabledFor(logging.WARNING) and sys.stderr.isatty()
            download_file(url, path, digest, progress=bar)
        except (OSError, ValueError, HTTPException) as error:
            raise WeightsError(
                f"cannot download the weights of {name} ({error}). Offline: fetch {url} elsewhere and put it at "
                f"{path}, or {otherwise}, which needs no download"
            ) from error
    again = "delete this file, and it will be downloaded again"
    try:
        check_hash(path, digest)
        return read_weights(path)
    except WeightsError as error:
        raise WeightsError(f"{error}; {again}") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: {first_line(error)}; {again}") from error


def load_needed_weights(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load weights into a network.

    Args:
        network: it may be cut off.
        state: name -> tensor; more than the network needs is ignored, such as a head for other classes.
        source: file or address of the weights, for messages.

    Raises:
        ModelError: something needed is missing or has another shape.
    """
    for key, value in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        if key not in state:
            raise ModelError(
                f"{source}: these weights have no {key!r}{did_you_mean(key, state)}; are they of this network?"
            )
        if state[key].shape != value.shape:
            got, expected = tuple(state[key].shape), tuple(value.shape)
            raise ModelError(f"{source}: {key!r} has shape {got}, expected {expected}; are they of this network?")
    network.load_state_dict(dict(state), strict=False)
