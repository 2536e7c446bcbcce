"""Colors on tensors are those of the CPU's way: every layout, matrix, range, depth and size."""

from typing import Any

import av
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from planes import planes_of, yuv_frame

from dreamvideo.media.color import RgbConverter, source_color
from dreamvideo.tensors import to_uint8
from dreamvideo.yuv.plane_layouts import LAYOUTS
from dreamvideo.yuv.yuv_to_rgb import yuv_to_rgb

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BT2020, PQ, HLG = 9, 16, 18
# Layouts that a decoder in memory returns; those of devices have a test of their own.
PLANAR = sorted(name for name, layout in LAYOUTS.items() if not layout.interleaved)
OF_DEVICES = {"nv12": "yuv420p", "p010le": "yuv420p10le", "p012le": "yuv420p12le"}
SIDES = st.integers(16, 70)  # of less than a filter is long swscale makes something else


def on_tensors(frame: av.VideoFrame, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    image = yuv_to_rgb(planes_of(frame), LAYOUTS[frame.format.name], source_color(frame), size)
    return np.asarray(to_uint8(image).numpy())


def differences(frame: av.VideoFrame, size: tuple[int, int] | None = None) -> tuple[float, int]:
    """Mean and greatest difference of an 8-bit value from the CPU's way."""
    height, width = size or (frame.height, frame.width)
    apart = np.abs(on_tensors(frame, size).astype(int) - RgbConverter(width, height)(frame))
    return float(apart.mean()), int(apart.max())


@QUICK
@given(
    name=st.sampled_from(PLANAR),
    size=st.tuples(SIDES, SIDES),
    matrix=st.sampled_from([0, 1, 2, 4, 5, 6, 7, 9, 10]),
    full=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_frame_has_the_colors_of_the_cpu(
    name: str, size: tuple[int, int], matrix: int, full: bool, seed: int
) -> None:
    frame = yuv_frame(name, size, seed, matrix=matrix, full=full)
    mean, worst = differences(frame)
    interpolated = not (LAYOUTS[name].repeats_chroma or LAYOUTS[name].gray or "444" in name)
    assert worst <= (4 if interpolated else 1)  # swscale's weights have 14 bits, and fewer taps
    assert mean <= 0.3  # by rounding alone: of gray of 10 bits; of others 0.02


@QUICK
@given(
    name=st.sampled_from(["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le"]),
    size=st.tuples(SIDES, SIDES),
    wanted=st.tuples(SIDES, SIDES),
    seed=st.integers(0, 99),
)
def test_a_frame_of_another_size_is_resized_as_on_the_cpu(
    name: str, size: tuple[int, int], wanted: tuple[int, int], seed: int
) -> None:
    frame = yuv_frame(name, size, seed)
    mean, worst = differences(frame, wanted)
    assert worst <= 8  # in a pixel of noise; swscale leaves out taps of little weight
    assert mean <= 0.1


@settings(QUICK)
@given(
    name=st.sampled_from(["yuv420p10le", "yuv420p12le", "yuv444p10le", "yuv420p"]),
    size=st.tuples(SIDES, SIDES),
    transfer=st.sampled_from([PQ, HLG]),
    primaries=st.sampled_from([1, BT2020]),
    full=st.booleans(),
    seed=st.integers(0, 99),
)
def test_high_dynamic_range_is_tone_mapped_as_on_the_cpu(
    name: str, size: tuple[int, int], transfer: int, primaries: int, full: bool, seed: int
) -> None:
    frame = yuv_frame(name, size, seed, matrix=BT2020, full=full, transfer=transfer, primaries=primaries)
    mean, worst = differences(frame)
    assert worst <= 4  # next to black, where the screen's gamma is steep
    assert mean <= 0.05


@pytest.mark.slow  # swscale makes tables of its own
def test_the_primaries_of_bt2020_are_converted_as_on_the_cpu() -> None:
    frame = yuv_frame("yuv420p10le", (60, 80), 3, matrix=BT2020, transfer=14, primaries=BT2020)
    mean, _ = differences(frame)
    assert mean <= 0.1
    as_if_bt709 = yuv_frame("yuv420p10le", (60, 80), 3, matrix=BT2020)
    assert np.abs(on_tensors(as_if_bt709).astype(int) - on_tensors(frame)).mean() > 4


@pytest.mark.parametrize(
    ("name", "planar"), [("nv12", "yuv420p"), ("p010le", "yuv420p10le"), ("p012le", "yuv420p12le")]
)
@pytest.mark.parametrize("size", [(48, 64), (50, 66)], ids=str)
def test_what_a_device_decodes_has_the_colors_of_the_same_frame_in_memory(
    name: str, planar: str, size: tuple[int, int]
) -> None:
    frame = yuv_frame(planar, size, 5)
    luma, blue, red = planes_of(frame)
    shift = LAYOUTS[name].shift
    planes = [(plane.int() << shift).to(plane.dtype) for plane in (luma, torch.stack([blue, red], -1))]
    assert torch.equal(
        yuv_to_rgb(planes, LAYOUTS[name], source_color(frame)),
        yuv_to_rgb([luma, blue, red], LAYOUTS[planar], source_color(frame)),
    )


def test_sixteen_bits_of_a_device_are_those_of_ten() -> None:
    frame = yuv_frame("yuv420p10le", (48, 64), 5)
    luma, blue, red = planes_of(frame)
    planes = [(plane.int() << 6).to(plane.dtype) for plane in (luma, torch.stack([blue, red], -1))]
    assert torch.equal(
        yuv_to_rgb(planes, LAYOUTS["p016le"], source_color(frame)),
        yuv_to_rgb(planes, LAYOUTS["p010le"], source_color(frame)),
    )


def samples(*values: int) -> list[torch.Tensor]:
    return [torch.full((2, 2), value, dtype=torch.uint8) for value in values]


@pytest.mark.parametrize(
    ("yuv", "matrix", "full", "expected"),
    [
        ((16, 128, 128), 1, False, (0, 0, 0)),
        ((235, 128, 128), 1, False, (255, 255, 255)),
        ((255, 255, 128), 9, False, (255, 255, 255)),  # beyond white and blue, where swscale returns black
        ((63, 102, 240), 1, False, (255, 0, 0)),  # red of BT.709
        ((81, 90, 240), 6, False, (255, 0, 0)),  # red of BT.601
        ((76, 85, 255), 6, True, (254, 0, 0)),  # red of JPEG
    ],
)
def test_colors_of_the_standards(yuv: tuple[int, ...], matrix: int, full: bool, expected: tuple[int, ...]) -> None:
    tags = yuv_frame("yuv444p", (2, 2), 0, matrix=matrix, full=full)
    rgb = yuv_to_rgb(samples(*yuv), LAYOUTS["yuv444p"], source_color(tags))
    assert to_uint8(rgb)[0, 0].tolist() == pytest.approx(expected, abs=1)


def test_chroma_to_the_left_is_where_it_belongs() -> None:
    """A step of chroma whose samples lie on the left of two pixels is half a pixel left of where the middle puts it."""
    frame: Any = yuv_frame("yuv422p", (4, 32), 0)
    luma = torch.full((4, 32), 128, dtype=torch.uint8)
    step = torch.full((4, 16), 100, dtype=torch.uint8)
    step[:, 8:] = 156
    ramp = {
        shift: yuv_to_rgb([luma, step, step], LAYOUTS["yuv422p"], source_color(frame), None, (0, shift))[0, 0, 0]
        for shift in (0.0, -0.25)
    }
    # in the middle the two pixels beside the step mirror each other; on the left a pixel lies in its middle
    assert float(ramp[0.0][15] + ramp[0.0][16]) == pytest.approx(2 * float(ramp[0.0].mean()), abs=1e-3)
    assert float(ramp[-0.25][15]) == pytest.approx(float(ramp[0.0].mean()), abs=1e-3)
