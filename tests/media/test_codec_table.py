"""The table of codecs: what hardware encodes where, as the documentation says it, and how --crf is read by each."""

from pathlib import Path

import av
import pytest
import torch

from dreamvideo import devices
from dreamvideo.media.accelerators import accelerator_for
from dreamvideo.media.codecs import CODECS, HARDWARE_ENCODERS

TABLE = Path(__file__).parents[2] / "docs" / "architecture.md"


def documented() -> dict[str, list[str]]:
    """Device -> the other cells of its row."""
    text = TABLE.read_text().split("## What runs where")[1].split("\n## ")[0]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {cells[0]: cells[1:] for cells in rows[2:]}


def test_the_documentation_has_a_row_for_each_kind_of_device() -> None:
    assert documented().keys() == HARDWARE_ENCODERS.keys() == {"cpu", "cuda", "mps", "rocm"}


@pytest.mark.parametrize("kind", sorted(HARDWARE_ENCODERS))
def test_a_device_has_the_encoder_and_decoder_that_are_documented(kind: str) -> None:
    decoder, encoder, memory, _, _ = documented()[kind]
    name = HARDWARE_ENCODERS[kind].get("libx264", "libx264")
    assert encoder == name.removeprefix("lib")
    assert memory == ("the GPU" if CODECS[name].reads == kind else "memory")
    assert (accelerator_for(kind) is None) == (decoder == "libavcodec")


def test_hardware_has_a_row_of_its_own() -> None:
    names = {name for encoders in HARDWARE_ENCODERS.values() for name in encoders.values()}
    assert names and names <= CODECS.keys()


def test_encoders_on_a_gpu_get_the_layout_that_from_dlpack_takes_there() -> None:
    rows = {name: row for name, row in CODECS.items() if row.reads is not None}
    assert set(rows) == {"h264_nvenc", "hevc_nvenc", "av1_nvenc"}
    assert all(row.pixel_formats == ("nv12",) for row in rows.values())


@pytest.mark.parametrize("name", ["h264_nvenc", "hevc_nvenc", "av1_nvenc"])
def test_the_wheel_has_nvenc_and_it_takes_frames_of_cuda(name: str) -> None:
    if name not in av.codecs_available:
        pytest.skip("not in this wheel")
    assert {"nv12", "cuda"} <= {each.name for each in av.codec.Codec(name, "w").video_formats or ()}


@pytest.mark.parametrize(
    ("name", "crf", "expected"),
    [
        ("libx264", 16, {"crf": "16"}),
        ("libvpx-vp9", 16, {"crf": "12"}),
        ("libvpx-vp9", 0, {"crf": "0"}),
        ("h264_nvenc", 16, {"cq": "16"}),
        ("h264_nvenc", 0, {"cq": "1"}),  # 0 leaves the choice to the encoder
        ("h264_nvenc", 63, {"cq": "51"}),
        ("av1_nvenc", 63, {"cq": "63"}),
        ("h264_videotoolbox", 16, {"global_quality": str(68 * 118)}),
        ("h264_videotoolbox", 63, {"global_quality": "0"}),
        ("ffv1", 16, {}),
    ],
)
def test_quality_on_the_scale_of_each_encoder(name: str, crf: int, expected: dict[str, str]) -> None:
    assert CODECS[name].quality_options(crf) == expected


def test_amds_devices_are_not_taken_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", None)
    assert devices.device_kind(torch.device("cuda:1")) == "cuda"
    monkeypatch.setattr(torch.version, "hip", "7.0")
    assert devices.device_kind(torch.device("cuda:1")) == "rocm"
    assert devices.device_kind(torch.device("cpu")) == "cpu"
