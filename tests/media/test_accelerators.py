"""A hardware decoder is named for a device, and where it is missing the CPU decodes, with a word."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from av.codec.hwaccel import HWAccel
from clips import make_clip

from dreamvideo.errors import SourceError
from dreamvideo.media.accelerators import accelerator_for
from dreamvideo.media.video_reader import open_video

MISSING = "4095"  # no machine has as many


@contextmanager
def ours_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Have warnings of this package in `caplog`, not those of libav, which older versions of torchvision turn on."""
    with caplog.at_level(logging.CRITICAL + 1, "libav"), caplog.at_level(logging.WARNING):
        yield


@pytest.mark.parametrize(("device", "number", "stays"), [("cuda", 0, True), ("cuda:1", 1, True), ("mps", 0, False)])
def test_a_device_has_a_decoder(device: str, number: int, stays: bool) -> None:
    found = accelerator_for(device)
    assert found is not None
    assert (found.device_id, found.is_hw_owned) == (number, stays)


def test_a_cpu_has_none() -> None:
    assert accelerator_for("cpu") is None


def test_without_the_hardware_the_cpu_decodes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = make_clip(tmp_path / "a.mp4")
    missing = HWAccel("cuda", device=MISSING, allow_software_fallback=True, is_hw_owned=True)
    with open_video(path) as source:
        expected = [frame.image for frame in source.frames]
    with ours_logged(caplog), open_video(path, accelerator=missing) as source:
        images = [frame.image for frame in source.frames]
    assert np.array_equal(images, expected)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} is decoded on the CPU: the hardware decoder cannot be opened"
    ]


def test_a_file_that_is_no_video_is_to_blame_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(b"no video " * 999)
    missing = HWAccel("cuda", device=MISSING, allow_software_fallback=True, is_hw_owned=True)
    missed = pytest.raises(SourceError, match="cannot be opened as a video")
    with ours_logged(caplog), missed, open_video(path, accelerator=missing):
        pass
    assert not caplog.records


def test_interlaced_video_is_deinterlaced_on_the_cpu_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_clip(tmp_path / "fields.mp4", options={"flags": "+ilme+ildct", "x264-params": "tff=1"})
    missing = HWAccel("cuda", device=MISSING, allow_software_fallback=True, is_hw_owned=True)
    for accelerator, where in ((None, ""), (missing, ", on the CPU")):
        caplog.clear()
        with caplog.at_level(logging.WARNING), open_video(path, accelerator=accelerator) as source:
            assert len(list(source.frames)) == 12
        said = [record.getMessage() for record in caplog.records if "is interlaced" in record.getMessage()]
        assert said == [f"{path} is interlaced: it is deinterlaced frame for frame{where}"]
