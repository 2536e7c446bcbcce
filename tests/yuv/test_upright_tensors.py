"""A reader that makes tensors gives the frames of one that makes arrays, wherever its decoder leaves them."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from clips import UNEVEN, make_clip, set_display_matrix
from device_frames import DeviceFrame, DevicePlane, left_on_device

from dreamvideo.errors import MemoryBudgetError
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.media import video_reader
from dreamvideo.media.decode import decode_frames
from dreamvideo.media.upright import ConverterFactory, UprightConverter
from dreamvideo.media.video_reader import open_video
from dreamvideo.settings.job import ReadSettings
from dreamvideo.yuv.frame_planes import frame_planes, layout_of
from dreamvideo.yuv.upright_tensors import UprightTensors


@pytest.fixture(params=["memory", "device"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """Switch to a decoder that leaves frames in memory, or on a device; returns the numbers of planes read of these."""
    seen: list[int] = []

    def switch() -> list[int]:
        if request.param == "device":
            monkeypatch.setattr(video_reader, "decode_frames", left_on_device(seen))
        return seen

    return switch


def read(
    path: Path, tensors: bool, resume: Fraction | None = None, jump: bool = False, **settings: Any
) -> tuple[StreamInfo, list[Frame], int]:
    make: ConverterFactory = partial(UprightTensors, device=torch.device("cpu")) if tensors else UprightConverter
    with open_video(path, ReadSettings(**settings), resume, jump, converter=make) as source:
        return source.info, list(source.frames), source.lost


def same(ours: list[Frame], theirs: list[Frame], mean: float = 0.05, worst: int = 1) -> None:
    assert [(f.time, f.duration) for f in ours] == [(f.time, f.duration) for f in theirs]
    for our, their in zip(ours, theirs, strict=True):
        image: Any = our.image
        assert image.dtype == torch.uint8
        assert image.is_contiguous()
        apart = np.abs(image.numpy().astype(int) - their.image)
        assert apart.mean() <= mean
        assert apart.max() <= worst


CLIPS: dict[str, dict[str, Any]] = {
    "a.mp4": {},
    "uneven.mkv": {"times": UNEVEN},
    "vp9.webm": {},
    "ten_bits.mkv": {"pixels": "yuv420p10le"},
    "odd.mkv": {"size": (61, 47), "codec": "ffv1"},
    "whole_chroma.mp4": {"pixels": "yuv444p"},
    "gray.mkv": {"pixels": "gray", "codec": "ffv1"},
    "full.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "drawn.gif": {"times": [Fraction(n, 10) for n in range(6)]},
    "wide.mp4": {"aspect": Fraction(4, 3)},
}
Decoder = Callable[[], list[int]]


@pytest.mark.parametrize("name", CLIPS)
def test_frames_are_those_of_the_cpu(name: str, tmp_path: Path, decoder: Decoder) -> None:
    path = make_clip(tmp_path / name, **CLIPS[name])
    info, frames, lost = read(path, tensors=False)
    decoder()
    our_info, ours, our_lost = read(path, tensors=True)
    assert (our_info, our_lost) == (info, lost)
    same(ours, frames)


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (0, -1, 1, 0), (-1, 0, 0, -1), (-1, 0, 0, 1), (0, 1, 1, 0)], ids=str)
def test_a_turned_video_is_upright(matrix: tuple[int, int, int, int], tmp_path: Path, decoder: Decoder) -> None:
    path = make_clip(tmp_path / "turned.mp4")
    set_display_matrix(path, matrix)
    info, frames, _ = read(path, tensors=False)
    decoder()
    our_info, ours, _ = read(path, tensors=True)
    assert our_info == info
    same(ours, frames)


@pytest.mark.parametrize(
    "part",
    [
        {"start": Fraction(1, 5)},
        {"duration": Fraction(1, 5)},
        {"frames": 3},
        {"resume": Fraction(6, 25)},
        {"resume": Fraction(6, 25), "jump": True},
    ],
    ids=str,
)
def test_a_part_is_the_same_part(part: dict[str, Any], tmp_path: Path, decoder: Decoder) -> None:
    path = make_clip(tmp_path / "a.mp4")
    frames = read(path, tensors=False, **part)[1]
    decoder()
    same(read(path, tensors=True, **part)[1], frames)


def test_frames_of_another_size_are_resized(tmp_path: Path, decoder: Decoder) -> None:
    path = make_clip(tmp_path / "a.mp4")
    frames = read(path, tensors=False, size=(40, 30))[1]
    decoder()
    ours = read(path, tensors=True, size=(40, 30))[1]
    assert ours[0].image.shape == (30, 40, 3)
    same(ours, frames, worst=2)


def test_interlaced_frames_are_deinterlaced_in_memory(tmp_path: Path, decoder: Decoder) -> None:
    path = make_clip(tmp_path / "fields.mp4", options={"flags": "+ilme+ildct", "x264-params": "tff=1"})
    frames = read(path, tensors=False)[1]
    seen = decoder()
    same(read(path, tensors=True)[1], frames)
    assert not seen


def test_a_frame_on_a_device_is_read_through_its_planes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = make_clip(tmp_path / "a.mp4"), list[int]()
    monkeypatch.setattr(
        video_reader, "decode_frames", lambda *a: (DeviceFrame(frame, seen) for frame in decode_frames(*a))
    )
    monkeypatch.setattr("dreamvideo.media.upright.in_memory", lambda frame: pytest.fail("a copy to memory"))
    assert len(read(path, tensors=True)[1]) == 12
    assert set(seen) == {2}


def test_planes_share_the_memory_of_the_frame() -> None:
    frame: Any = av.VideoFrame(64, 48, "nv12")
    luma, chroma = frame_planes(frame)
    assert (luma.shape, chroma.shape) == ((48, 64), (24, 32, 2))
    luma[3, 5] = 77
    assert memoryview(frame.planes[0])[3 * frame.planes[0].line_size + 5] == 77


class Stream:
    """Stands in for a CUDA stream: says what waits for it."""

    def __init__(self, name: str, waits: list[str]) -> None:
        self.name, self._waits, self.cuda_stream = name, waits, 7

    def wait_stream(self, other: "Stream") -> None:
        self._waits.append(f"{self.name} waits for {other.name}")


def test_a_gpu_reads_a_frame_after_its_decoder_and_before_its_next_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV exports planes of CUDA without waiting, and takes their memory back when they are dropped."""
    waits: list[str] = []

    class CudaPlane(DevicePlane):
        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 1

        def __dlpack__(self, *, stream: int | None = None) -> Any:
            waits.append("exported")
            return super().__dlpack__(stream=stream)

    frame: Any = DeviceFrame(av.VideoFrame(64, 48, "yuv420p"), [])
    monkeypatch.setattr(DeviceFrame, "planes", property(lambda self: [CudaPlane(each) for each in self._frame.planes]))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream(f"reader {device}", waits))
    monkeypatch.setattr(torch.cuda, "default_stream", lambda device: Stream(f"decoder {device}", waits))
    UprightTensors(frame, StreamInfo(64, 48), None, 255, torch.device("cpu"))(frame)
    assert waits == ["reader 1 waits for decoder 1", "exported", "exported", "decoder 1 waits for reader 1"]


def test_a_device_without_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    frame: Any = av.VideoFrame(64, 48, "yuv420p")
    monkeypatch.setattr("dreamvideo.yuv.upright_tensors.yuv_to_rgb", full)
    with pytest.raises(MemoryBudgetError, match="on cpu: expected a smaller --size, or --hwaccel none"):
        UprightTensors(frame, StreamInfo(64, 48), None, 255, torch.device("cpu"))(frame)


def test_odd_sizes_of_interleaved_chroma_are_not_taken() -> None:
    """PyAV exports half the size rounded down: the last column would have no color."""
    odd: Any = av.VideoFrame(65, 48, "nv12")
    assert frame_planes(odd)[1].shape == (24, 32, 2)
    assert layout_of(odd) is None
    planar: Any = av.VideoFrame(65, 48, "yuv420p")
    assert layout_of(planar) is not None


def test_arrays_are_made_of_frames_on_a_device_too(tmp_path: Path, decoder: Decoder) -> None:
    path = make_clip(tmp_path / "a.mp4")
    frames = read(path, tensors=False)[1]
    decoder()
    for our, their in zip(read(path, tensors=False)[1], frames, strict=True):
        assert np.array_equal(our.image, their.image)
