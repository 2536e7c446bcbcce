"""Planes of tensors are those of arrays, and an encoder on their device reads them where they are."""

import io
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from clips import video_times
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from planes import colors, planes_of
from torch import Tensor

from dreamvideo.errors import OutputError
from dreamvideo.frames import BT601, BT709, Color, Frame, StreamInfo
from dreamvideo.media import encoder_frames, segments, video_encoder
from dreamvideo.media.checkpoint import resume_point
from dreamvideo.media.codecs import CODECS
from dreamvideo.media.encoder_frames import ArrayFrames, FrameTarget
from dreamvideo.media.video_encoder import CONTAINERS, VideoEncoder
from dreamvideo.media.video_writer import write_video
from dreamvideo.settings.job import EncodeSettings
from dreamvideo.tensors import fetch
from dreamvideo.yuv import encoder_planes
from dreamvideo.yuv.encoder_planes import EncoderPlanes, packed_planes, plane_views
from dreamvideo.yuv.plane_layouts import LAYOUTS

CPU = torch.device("cpu")
LARGE = 100_000  # bytes of an array that counts as one that the processor touches
HEIGHT, WIDTH = 240, 400


def target_of(name: str, size: tuple[int, int], color: Color = BT709, odd: bool = False, **changes: Any) -> FrameTarget:
    """What an encoder takes of (height, width) images, padded to even sides unless it takes `odd` ones."""
    height, width = size
    padded = (width, height) if odd else (width + width % 2, height + height % 2)
    return FrameTarget(
        name, (width, height), (width, height), padded, color, full_range=name.startswith("yuvj"), **changes
    )


def frame_of(image: Any, target: FrameTarget) -> av.VideoFrame:
    frame = EncoderPlanes(CPU)(image, target)()
    assert isinstance(frame, av.VideoFrame)
    return frame


def tags_of(frame: av.VideoFrame) -> tuple[int, ...]:
    return frame.colorspace, frame.color_range, frame.color_trc, frame.color_primaries


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(["yuv420p", "yuvj420p", "nv12"]),
    size=st.tuples(st.integers(2, 90), st.integers(2, 90)),
    color=st.sampled_from([BT601, BT709]),
    odd=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_tensor_gives_the_frame_that_the_array_gives(
    name: str, size: tuple[int, int], color: Color, odd: bool, seed: int
) -> None:
    target = target_of(name, size, color, odd and name != "nv12")
    image = colors(size, seed)
    ours, theirs = frame_of(torch.from_numpy(image), target), ArrayFrames(target)(image)
    assert (ours.format.name, ours.width, ours.height) == (theirs.format.name, theirs.width, theirs.height)
    assert tags_of(ours)[1:] == tags_of(theirs)[1:] and ours.colorspace == color.matrix
    for one, other in zip(planes_of(ours), planes_of(theirs), strict=True):
        assert int((one.int() - other.int()).abs().max()) <= 1


def test_ten_bits_are_the_same_picture() -> None:
    image = torch.from_numpy(colors((40, 60), 1))
    eight, ten = (planes_of(frame_of(image, target_of(name, (40, 60)))) for name in ("nv12", "p010le"))
    for one, other in zip(eight, ten, strict=True):
        assert float((one.float() - other.float() / 256).abs().max()) <= 1


@pytest.mark.parametrize("name", ["yuv422p10le", "rgb24", "pal8", "yuv444p"])
def test_layouts_that_swscale_filters_get_the_image_as_an_array(name: str) -> None:
    image = colors((40, 60), 2)
    made = EncoderPlanes(CPU)(torch.from_numpy(image), target_of(name, (40, 60)))()
    assert isinstance(made, np.ndarray) and np.array_equal(made, image)


def test_an_image_that_is_scaled_is_scaled_as_an_array() -> None:
    image = colors((40, 60), 3)
    made = EncoderPlanes(CPU)(torch.from_numpy(image), replace(target_of("yuv420p", (40, 60)), size=(80, 40)))()
    assert isinstance(made, np.ndarray)


@pytest.mark.parametrize("size", [(1080, 1920), (66, 130), (48, 1000)])
@pytest.mark.parametrize("name", ["nv12", "p010le"])
def test_chroma_follows_luma_in_rows_as_long_as_nvenc_expects_it(name: str, size: tuple[int, int]) -> None:
    target, layout = target_of(name, size, reads="cuda"), LAYOUTS[name]
    memory = packed_planes(torch.from_numpy(colors(size, 4)), target, layout)
    luma, chroma = plane_views(memory, target, layout)
    pitch = luma.stride(0) * luma.element_size()
    assert chroma.stride(0) * chroma.element_size() == pitch and pitch % 256 == 0
    assert chroma.data_ptr() - luma.data_ptr() == pitch * size[0]


def test_what_is_fetched_for_the_encoder_is_half_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[int] = []

    def counted(tensor: Tensor) -> Callable[[], Tensor]:
        fetched.append(tensor.nbytes)
        return fetch(tensor)

    monkeypatch.setattr(encoder_planes, "fetch", counted)
    image = torch.from_numpy(colors((1080, 1920), 5))
    frame_of(image, target_of("yuv420p", (1080, 1920)))
    assert len(fetched) == 1 and fetched[0] <= 1.001 * image.nbytes / 2


# An encoder that reads the memory of the device: libx264, given frames as NVENC is.


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> str:
    row = replace(CODECS["libx264"], pixel_formats=("nv12",), reads="cpu")
    monkeypatch.setattr(video_encoder, "CODECS", {**CODECS, "libx264": row})
    monkeypatch.setattr("dreamvideo.media.codecs.CODECS", {**CODECS, "libx264": row})
    return "libx264"


def images(count: int) -> list[NDArray[np.uint8]]:
    return [np.roll(colors((HEIGHT, WIDTH), 6), 3 * number, 1) for number in range(count)]


def encoded(sent: list[Any], maker: EncoderPlanes | None, codec: str, live: bool = False) -> tuple[bytes, list[int]]:
    """The file, and how many packets had come after each image."""
    file, counts = io.BytesIO(), [0]
    with av.open(file, "w", format="matroska") as output:
        info = StreamInfo(WIDTH, HEIGHT, Fraction(25))
        encoder = VideoEncoder(output, CONTAINERS[".mkv"], info, EncodeSettings(codec=codec), live, maker=maker)
        encoder.open()
        for number, image in enumerate(sent):
            packets = encoder.encode(image, Fraction(number * number, 25), Fraction(2 * number + 1, 25))
            output.mux(packets)
            counts.append(counts[-1] + len(packets))
        output.mux(encoder.flush())
    return file.getvalue(), counts[1:]


def decoded(file: bytes) -> list[tuple[int | None, NDArray[Any]]]:
    with av.open(io.BytesIO(file), "r") as source:
        return [(frame.pts, frame.to_ndarray(format="rgb24")) for frame in source.decode(video=0)]


def assert_same_video(one: bytes, other: bytes, apart: float = 2.5) -> None:
    """Images by one encoder from inputs that are 1/255 apart; the next image is 20/255 away."""
    ours, theirs = decoded(one), decoded(other)
    assert [pts for pts, _ in ours] == [pts for pts, _ in theirs]
    for (_, image), (_, expected) in zip(ours, theirs, strict=True):
        assert np.abs(image.astype(int) - expected).mean() <= apart


@pytest.mark.parametrize("kind", ["tensors", "arrays", "both"])
def test_an_encoder_on_the_device_writes_the_video_of_one_in_memory(stand_in: str, kind: str) -> None:
    sent = images(6)
    as_arrays = {"tensors": (), "arrays": range(6), "both": (1, 2, 5)}[kind]
    mixed = [image if number in as_arrays else torch.from_numpy(image) for number, image in enumerate(sent)]
    file, _ = encoded(mixed, EncoderPlanes(CPU), stand_in)
    assert_same_video(file, encoded(sent, None, stand_in)[0])


@pytest.mark.parametrize("codec", ["ffv1", "mjpeg", "libvpx-vp9"])
def test_tensors_and_arrays_keep_their_order(codec: str) -> None:
    sent = images(5)
    mixed = [torch.from_numpy(image) if number in (0, 1, 3) else image for number, image in enumerate(sent)]
    file, _ = encoded(mixed, EncoderPlanes(CPU), codec)
    assert_same_video(file, encoded(sent, None, codec)[0])


def test_planes_are_made_one_image_ahead_but_not_live() -> None:
    sent = [torch.from_numpy(image) for image in images(3)]
    assert encoded(sent, EncoderPlanes(CPU), "ffv1")[1] == [0, 1, 2]
    assert encoded(sent, EncoderPlanes(CPU), "ffv1", live=True)[1] == [1, 2, 3]


def test_the_processor_touches_no_large_array(stand_in: str, monkeypatch: pytest.MonkeyPatch) -> None:
    touched: list[str] = []

    def spy(place: Any, name: str) -> None:
        original = getattr(place, name)

        def counted(*args: Any, **keywords: Any) -> Any:
            made = original(*args, **keywords)
            for each in (*args, made):
                if getattr(each, "nbytes", 0) > LARGE:
                    touched.append(name)
            return made

        monkeypatch.setattr(place, name, counted)

    for name in ("numpy", "cpu", "tolist", "__array__"):
        spy(Tensor, name)
    spy(encoder_planes, "fetch")
    spy(encoder_planes, "plane_samples")
    spy(encoder_planes, "upload")
    spy(np, "ascontiguousarray")
    spy(np, "pad")
    spy(encoder_frames, "subsample_chroma")
    tensors = [torch.from_numpy(image) for image in images(4)]
    encoded(tensors, EncoderPlanes(CPU), stand_in)
    assert touched == []
    monkeypatch.setattr(video_encoder, "CODECS", CODECS)  # the same by an encoder in memory is seen
    encoded(tensors, EncoderPlanes(CPU), stand_in)
    assert touched.count("fetch") >= 4


def test_a_resumed_video_of_tensors_is_that_of_an_unbroken_run(
    stand_in: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "MAX_FRAMES", 4)
    tensors: list[Any] = [torch.from_numpy(image) for image in images(11)]
    sent = [Frame(tensor, Fraction(number, 25)) for number, tensor in enumerate(tensors)]
    monkeypatch.setattr("dreamvideo.media.video_writer.checked_frames", lambda frames: (each for each in frames))
    info = StreamInfo(WIDTH, HEIGHT, Fraction(25))

    def write(path: Path, frames: list[Frame], **changes: Any) -> int:
        return write_video(
            iter(frames), path, info, EncodeSettings(codec=stand_in), maker=EncoderPlanes(CPU), **changes
        )

    write(tmp_path / "whole.mkv", sent)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out.mkv", _broken_after(sent, 9))
    point = resume_point(tmp_path / "out.mkv")
    assert point is not None and point.frames == 4
    assert write(tmp_path / "out.mkv", sent[4:], resume=True) == 11
    assert video_times(tmp_path / "out.mkv") == video_times(tmp_path / "whole.mkv")
    assert_same_video((tmp_path / "out.mkv").read_bytes(), (tmp_path / "whole.mkv").read_bytes(), 0)


@pytest.mark.gpu
@pytest.mark.parametrize("codec", ["h264_nvenc", "hevc_nvenc"])
def test_nvenc_reads_planes_on_the_gpu(codec: str) -> None:
    device = torch.device("cuda")
    sent = images(6)
    try:
        expected = encoded(sent, None, codec)[0]
    except OutputError as error:  # such as an H100 has none
        pytest.skip(str(error))
    tensors = [torch.from_numpy(image).to(device) for image in sent]
    torch.cuda.synchronize()
    assert_same_video(encoded(tensors, EncoderPlanes(device), codec)[0], expected)


def _broken_after(frames: list[Frame], count: int) -> Any:
    yield from frames[:count]
    raise KeyboardInterrupt
