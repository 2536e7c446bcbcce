"""Planes made on tensors are those that the encoder gets on the CPU, and give the picture back."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import VideoReformatter
from hypothesis import given, settings
from hypothesis import strategies as st
from planes import colors, planes_of
from torch import Tensor

from dreamvideo.frames import BT601, BT709, Color, StreamInfo
from dreamvideo.media.chroma import subsample_chroma
from dreamvideo.media.color import FULL, SCALING, SourceColor
from dreamvideo.media.video_encoder import CONTAINERS, VideoEncoder
from dreamvideo.settings.job import EncodeSettings
from dreamvideo.yuv.plane_layouts import LAYOUTS
from dreamvideo.yuv.rgb_to_yuv import rgb_to_yuv
from dreamvideo.yuv.yuv_to_rgb import yuv_to_rgb

SIZES = st.tuples(st.integers(2, 70), st.integers(2, 70))
ENCODABLE = st.tuples(st.integers(24, 70), st.integers(24, 70))  # by ffv1
PLANAR = {"nv12": "yuv420p", "p010le": "yuv420p10le", "p012le": "yuv420p12le"}


def as_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def apart(ours: list[Tensor], theirs: list[Tensor]) -> int:
    return max(int((a.int() - b.int()).abs().max()) for a, b in zip(ours, theirs, strict=True))


def encoded_planes(image: np.ndarray, color: Color) -> list[Tensor]:
    """What a lossless encoder got of an image by the writer."""
    file = io.BytesIO()
    height, width, _ = image.shape
    with av.open(file, "w", format="matroska") as output:
        info = StreamInfo(width, height, color=color)
        encoder = VideoEncoder(output, CONTAINERS[".mkv"], info, EncodeSettings(codec="ffv1"))
        encoder.open()
        output.mux(encoder.encode(image, Fraction(0), None))
        output.mux(encoder.flush())
    file.seek(0)
    with av.open(file, "r") as stored:
        frame = next(stored.decode(video=0))
        assert frame.format.name == "yuv420p"
        return [plane.clone() for plane in planes_of(frame)]


@settings(max_examples=20, deadline=None)
@given(
    size=ENCODABLE,
    color=st.sampled_from([BT601, BT709]),
    seed=st.integers(0, 99),
)
def test_an_encoder_gets_what_it_gets_on_the_cpu(size: tuple[int, int], color: Color, seed: int) -> None:
    image = colors(size, seed)
    ours = rgb_to_yuv(as_tensor(image), LAYOUTS["yuv420p"], color.matrix)
    assert apart(ours, encoded_planes(image, color)) <= 1


@settings(max_examples=20, deadline=None)
@given(size=SIZES, matrix=st.sampled_from([1, 6]), seed=st.integers(0, 99))
def test_full_range_is_what_swscale_makes_of_it(size: tuple[int, int], matrix: int, seed: int) -> None:
    image = colors(size, seed)
    number = {1: 1, 6: 5}[matrix]
    whole = VideoReformatter().reformat(
        av.VideoFrame.from_ndarray(image, format="rgb24"),
        format="yuvj444p",
        src_colorspace=number,
        dst_colorspace=number,
        src_color_range=FULL,
        dst_color_range=FULL,
        interpolation=SCALING,
    )
    theirs = planes_of(subsample_chroma(whole, "yuvj420p"))
    assert apart(rgb_to_yuv(as_tensor(image), LAYOUTS["yuvj420p"], matrix), theirs) <= 1


@pytest.mark.parametrize(
    ("name", "planar"), [("nv12", "yuv420p"), ("p010le", "yuv420p10le"), ("p012le", "yuv420p12le")]
)
def test_interleaved_planes_hold_the_same(name: str, planar: str) -> None:
    image = as_tensor(colors((49, 67), 1))
    luma, chroma = rgb_to_yuv(image, LAYOUTS[name], 1)
    shift = LAYOUTS[name].shift
    assert apart([luma.int() >> shift, *(chroma.int() >> shift).unbind(-1)], rgb_to_yuv(image, LAYOUTS[planar], 1)) == 0


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(sorted(name for name, layout in LAYOUTS.items() if layout.repeats_chroma)),
    size=SIZES,
    matrix=st.sampled_from([1, 4, 6, 7, 9]),
    full=st.booleans(),
    seed=st.integers(0, 99),
)
def test_what_was_decoded_is_encoded_as_it_was(
    name: str, size: tuple[int, int], matrix: int, full: bool, seed: int
) -> None:
    """Chroma is repeated and averaged, so a second pass makes what the first did."""
    smooth = colors(size, seed) // 2 + 64  # no color that YUV of less chroma takes out of RGB
    layout, color = LAYOUTS[name], SourceColor(matrix, full, 1, False)
    once = rgb_to_yuv(as_tensor(smooth), layout, matrix, full)
    again = rgb_to_yuv(yuv_to_rgb(once, layout, color), layout, matrix, full)
    assert apart([plane.int() >> layout.shift for plane in once], [plane.int() >> layout.shift for plane in again]) <= 1


@pytest.mark.parametrize("bits", [8, 10])
def test_floats_and_bytes_are_one_picture(bits: int) -> None:
    image = as_tensor(colors((40, 60), 2))
    layout = LAYOUTS["nv12" if bits == 8 else "p010le"]
    assert apart(rgb_to_yuv(image, layout, 1), rgb_to_yuv(image.float() / 255, layout, 1)) <= 1 << layout.shift


def test_white_black_and_red() -> None:
    def codes(*rgb: int, name: str = "yuv444p", matrix: int = 1) -> list[int]:
        image = torch.tensor(rgb, dtype=torch.uint8).reshape(1, 3, 1, 1)
        return [int(plane[0, 0]) for plane in rgb_to_yuv(image, LAYOUTS[name], matrix)]

    assert codes(0, 0, 0) == [16, 128, 128]
    assert codes(255, 255, 255) == [235, 128, 128]
    assert codes(255, 0, 0) == [63, 102, 240]
    assert codes(255, 0, 0, matrix=6) == [81, 90, 240]
    assert codes(255, 255, 255, name="yuv444p10le") == [940, 512, 512]
    assert codes(255, 255, 255, name="yuvj444p") == [255, 128, 128]
