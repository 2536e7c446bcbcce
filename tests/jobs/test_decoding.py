"""Where frames are wanted, and what decodes them there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import make_tiny_network
from fake_cuda import fake_cuda

from dreamvideo.jobs import decoding
from dreamvideo.jobs.decoding import converter_of, decoder_of, frames_device
from dreamvideo.jobs.fingerprint import fingerprint
from dreamvideo.media.upright import UprightConverter
from dreamvideo.settings.dream import DreamSettings, ModelSettings
from dreamvideo.settings.job import ReadSettings

AUTO, NONE, DREAM = ReadSettings(), ReadSettings(hwaccel="none"), DreamSettings()


@pytest.mark.parametrize("requested", ["auto", "cpu", "cuda", "cuda:3", "mps"])
def test_without_a_gpu_frames_are_wanted_in_memory(requested: str) -> None:
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("needs a machine without a GPU")
    assert frames_device(AUTO, DREAM, ModelSettings(device=requested)).type == "cpu"


def test_fake_cuda_frames_are_wanted_where_they_are_dreamed() -> None:
    with fake_cuda():
        for requested, expected in (("auto", "cuda"), ("cuda:0", "cuda"), ("cuda:1", "cpu"), ("cpu", "cpu")):
            assert frames_device(AUTO, DREAM, ModelSettings(device=requested)).type == expected
        on_gpu = ModelSettings(device="cuda")
        assert frames_device(NONE, DREAM, on_gpu).type == "cpu"
        assert frames_device(AUTO, replace(DREAM, iterations=0), on_gpu).type == "cpu"
        assert frames_device(AUTO, DREAM, on_gpu, make_tiny_network()).type == "cpu"  # where it is, not was to be


@pytest.mark.parametrize(
    ("device", "hip", "decoder", "tensors"),
    [
        ("cpu", None, None, False),
        ("cuda:1", None, 1, True),
        ("cuda", "6.4", None, True),  # ROCm
        ("mps", None, 0, False),
    ],
)
def test_each_device_has_its_decoder_and_its_images(
    device: str, hip: Any, decoder: int | None, tensors: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "hip", hip)
    found = decoder_of(torch.device(device))
    assert (None if found is None else found.device_id) == decoder
    assert (converter_of(torch.device(device)) is not UprightConverter) == tensors
    assert decoding.CPU.type == "cpu"


def test_where_frames_are_decoded_is_no_part_of_a_job() -> None:
    source = Path(__file__)
    assert fingerprint([source], AUTO) == fingerprint([source], NONE)
