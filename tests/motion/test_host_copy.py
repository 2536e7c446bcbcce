"""What the processor reads of an image on a device is what it would read of the image."""

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import textured
from fake_cuda import CUDA, fake_cuda

from dreamvideo.frames import Frame, HostCopy
from dreamvideo.motion.cuts import copy_comparer, frame_comparer
from dreamvideo.motion.device_motion import estimate_flows, motion_on_device
from dreamvideo.motion.flow import dis
from dreamvideo.motion.host_copy import begin_host_copy, copy_size, host_copy, shrink_planes, with_host_copy
from dreamvideo.motion.picture import contrast_of
from dreamvideo.tensors import place, to_planes
from dreamvideo.video.fading import picture_copy

SIZES = [(180, 320), (203, 330), (720, 331)]
CPU = torch.device("cpu")


def copied(image: Any, for_flow: bool = False) -> HostCopy:
    with fake_cuda() as device:
        there = place(torch.from_numpy(image), CUDA)
        device.record.clear()
        copy = begin_host_copy(there, for_flow)()
        assert device.record.faults() == []
        assert len(device.record.crossings) == 1
    return copy


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("for_flow", [False, True])
def test_a_copy_is_the_image_shrunk(size: tuple[int, int], for_flow: bool) -> None:
    image = textured(*size, 4)
    copy = copied(image, for_flow)
    height, width = copy_size(*size, for_flow)
    expected = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    assert copy.image.shape == expected.shape
    assert abs(copy.image.astype(int) - expected).max() <= 1


def test_copies_have_at_most_540_lines_or_160_pixels() -> None:
    assert copy_size(1080, 1920, True) == (540, 960)
    assert copy_size(1080, 1920, False) == (90, 160)
    assert copy_size(1920, 1080, False) == (160, 90)
    assert copy_size(60, 80, True) == copy_size(60, 80, False) == (60, 80)


@pytest.mark.parametrize("noise", [0, 30])
@pytest.mark.parametrize("size", SIZES)
def test_contrast_and_fades_are_those_of_the_image(size: tuple[int, int], noise: int) -> None:
    random = np.random.default_rng(3)
    image = np.clip(textured(*size, 4) + random.normal(0, noise, (*size, 3)), 0, 255).astype(np.uint8)
    copy = copied(image)
    assert copy.noise is not None
    assert contrast_of(copy.image, copy.noise) == pytest.approx(contrast_of(image), rel=0.03)
    small, expected = picture_copy(copy.image, size), picture_copy(image)
    assert small.shape == expected.shape
    assert (small - expected).abs().mean() < 0.5


def test_cuts_are_those_of_the_images() -> None:
    images = [np.roll(textured(180, 320, seed), 5 * k, 1) for seed in (1, 2) for k in range(2)]
    images += [images[-1] // 30, np.full_like(images[0], 9)]
    copies = [copied(image) for image in images]
    by_image, by_copy = frame_comparer(), copy_comparer()
    pairs = [(one, other) for one in range(len(images)) for other in range(len(images))]
    found = [by_copy(copies[one], copies[other]) for one, other in pairs]
    assert found == [by_image(images[one], images[other]) for one, other in pairs]
    assert {*found} == {"alike", "unlike", "cut"}


def test_a_flow_of_copies_has_its_parts_where_the_image_moves() -> None:
    """The parts are cut out of the copies."""
    ground, mover = textured(720, 960, 1), textured(160, 160, 2)
    images = []
    for k in range(2):
        image = ground.copy()
        image[300:460, 400 + 20 * k : 560 + 20 * k] = mover
        images.append(image)
    now, before = (to_planes(image, CPU) for image in images[::-1])
    halved = [shrink_planes(each, (540, 720)) for each in (now, before)]
    whole = estimate_flows(now, before, dis(), dis(0))
    copies = estimate_flows(halved[0], halved[1], dis(), dis(0), (720, 960))
    assert whole.parts and copies.parts
    inside = np.s_[0, 0, 340:420, 460:540]
    for flows in (whole, copies):
        motion = motion_on_device(flows, now, before)()
        assert motion.backward[inside].median() == pytest.approx(-20, abs=0.5)


def test_an_image_in_memory_is_read_as_it_is() -> None:
    image = textured(40, 60)
    for each in (image, torch.from_numpy(image)):
        frame = Frame(each, Fraction(0))
        assert with_host_copy(frame, True) is frame
        assert np.shares_memory(host_copy(frame).image, image)
        assert host_copy(frame).noise is None
