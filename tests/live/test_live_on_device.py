"""A live dream that is kept on a device which runs asynchronously: on the CPU, on tape, on a CUDA that is not there."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import textured
from fake_cuda import CUDA, CudaRecord, fake_cuda
from hypothesis import given, settings
from hypothesis import strategies as st
from live_script import FIRST, PromptAscent, Shot, differences, played, script
from numpy.typing import NDArray
from tape import plainly
from torch import Tensor

from dreamvideo import tensors
from dreamvideo.ascent.cuda_graphs import GraphRecorder
from dreamvideo.errors import MemoryBudgetError
from dreamvideo.frames import Frame
from dreamvideo.live import loop
from dreamvideo.live.dreaming import shown_image
from dreamvideo.live.dreaming import state as live_state
from dreamvideo.live.dreaming.camera_stream import CameraStream
from dreamvideo.live.dreaming.device_images import compose_planes
from dreamvideo.live.dreaming.size_control import Workload
from dreamvideo.live.dreaming.tracking import compose_image, source_tensor, undreamed
from dreamvideo.live.loop import ShownFrame
from dreamvideo.motion.device_motion import estimate_flows, motion_on_device
from dreamvideo.motion.flow import LARGEST_SIDE, dis, torch_dis
from dreamvideo.motion.host_copy import shrink_planes
from dreamvideo.tensors import to_planes

pytestmark = pytest.mark.usefixtures("single_thread")

CPU = torch.device("cpu")


@pytest.fixture
def asynchronous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "runs_asynchronously", lambda device: True)


@pytest.fixture(scope="module")
def on_cpu() -> tuple[list[ShownFrame], PromptAscent]:
    """The script as OpenCV moves its dream."""
    ascent = PromptAscent(CPU)
    return played(script(), ascent, CPU), ascent


@pytest.fixture(scope="module")
def along_torch() -> tuple[list[ShownFrame], PromptAscent]:
    """The script as OpenCV moves its dream along the flow that a GPU computes."""
    ascent = PromptAscent(CPU)
    return played(script(), ascent, CPU, estimate=torch_dis(CPU, LARGEST_SIDE)), ascent


# Its images.


def shares(full: int, length: int) -> NDArray[np.float64]:
    """(length, full): which share of each new pixel each old one has."""
    scale = full / length
    covered = [
        [max(0.0, min(x + 1, (i + 1) * scale) - max(x, i * scale)) / scale for x in range(full)] for i in range(length)
    ]
    return np.array(covered)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60), st.floats(0.1, 1), st.floats(0.1, 1))
def test_the_device_shrinks_images_as_opencv_does(seed: int, h: int, w: int, down: float, across: float) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (h, w, 3), np.uint8)
    size = max(1, round(h * down)), max(1, round(w * across))
    there = shrink_planes(to_planes(image, CPU), size)[0].permute(1, 2, 0).numpy()
    here = source_tensor(image, size)[0].permute(1, 2, 0).numpy()
    literal = np.einsum("ih,jw,hwc->ijc", shares(h, size[0]), shares(w, size[1]), image.astype(float))
    for made in (there, here):
        assert made.shape == literal.shape
        assert np.abs(made - literal).max() <= 0.5 + 1e-3


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(2, 80), st.integers(2, 80), st.floats(0.3, 1))
def test_the_device_composes_images_as_opencv_does(seed: int, h: int, w: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (h, w, 3), np.uint8)
    size = max(2, round(h * scale)), max(2, round(w * scale))
    residual = torch.from_numpy(random.normal(0, 0.2, (1, 3, *size)).astype(np.float32))
    dream = undreamed(torch.zeros(1, 3, *size, dtype=torch.uint8), 1.0)
    here = compose_image(replace(dream, carry=replace(dream.carry, residual=residual)), image)
    there = compose_planes(residual, to_planes(image, CPU)).numpy()
    assert np.abs(there.astype(int) - here).max() <= 1


def test_the_motion_of_copies_is_that_of_the_images_they_are_copies_of() -> None:
    """The flow is that of the camera's images, and the motion has the size of the dream."""
    wide = textured(200, 340, 3)
    images = [np.ascontiguousarray(wide[:, 4 * i : 4 * i + 320]) for i in range(2)]
    cameras = [source_tensor(image, (200, 320)) for image in images]
    small = [source_tensor(image, (100, 160)) for image in images]
    flows = estimate_flows(cameras[1], cameras[0], dis(), size=(100, 160))
    assert flows.camera is not None
    assert flows.camera[0, 2] == pytest.approx(2.0, abs=0.2)
    motion = motion_on_device(flows, small[1], small[0], (50, 80))()
    assert motion.backward[:, 0].median() == pytest.approx(2.0, abs=0.1)
    assert motion.small is not None and motion.small.shape == (1, 3, 50, 80)


# The whole loop.


def test_the_script_has_all_that_a_live_dream_does(on_cpu: tuple[list[ShownFrame], PromptAscent]) -> None:
    shown, ascent = on_cpu
    tasks = ascent.tasks
    assert len({task.generation for task in tasks}) >= 6
    assert len({task.dream.strength for task in tasks}) >= 3
    assert len({task.dream.size for task in tasks}) == 2
    assert max(task.dream.renewals for task in tasks) > 0
    assert any(task.dream.carry.progress.grows for task in tasks)
    effect = [np.abs(each.frame.image.astype(float) - each.camera).mean() for each in shown]
    assert max(effect) > 10


def check_alike(
    one: tuple[list[ShownFrame], PromptAscent], other: tuple[list[ShownFrame], PromptAscent], most: float = 2.5
) -> None:
    worst = list(differences(one[0], other[0]))
    assert max(worst) < most and np.mean(worst) < most / 6  # around what moves; a dream changes an image by 5 to 13
    for here, there in zip(one[1].tasks, other[1].tasks, strict=True):
        assert (here.frame_index, here.generation) == (there.frame_index, there.generation)
        assert here.dream.renewals == there.dream.renewals


@pytest.mark.usefixtures("asynchronous")
def test_a_dream_that_is_moved_in_torch_is_close_to_that_of_opencv(
    on_cpu: tuple[list[ShownFrame], PromptAscent], monkeypatch: pytest.MonkeyPatch
) -> None:
    def opencv(*args: Any) -> Any:
        raise AssertionError("moved by OpenCV")

    for name in ("estimate_motion", "source_tensor"):
        monkeypatch.setattr(live_state, name, opencv)
    monkeypatch.setattr(shown_image, "compose_image", opencv)
    ascent = PromptAscent(CPU)
    check_alike(on_cpu, (played(script(), ascent, CPU), ascent))


@pytest.mark.usefixtures("asynchronous")
def test_tape_a_dream_on_the_device_on_tape_is_that_of_plain_calls(tape_recorder: GraphRecorder) -> None:
    shots = [Shot(script()[1].images), Shot(script()[6].images[:3], script()[6].controls)]
    plain = plainly(lambda: played(shots, PromptAscent(CPU), CPU))
    taped = played(shots, PromptAscent(CPU), CPU)
    assert len(tape_recorder.recordings) > 3
    for here, there in zip(plain, taped, strict=True):
        np.testing.assert_array_equal(here.frame.image, there.frame.image)


def test_fake_cuda_a_live_dream_waits_for_nothing_but_what_is_shown(
    along_torch: tuple[list[ShownFrame], PromptAscent],
) -> None:
    with fake_cuda() as device:
        ascent = PromptAscent(CUDA)
        shown = played(script(), ascent, CUDA)
    check_alike(along_torch, (shown, ascent))
    record = device.record
    assert [each for each in record.faults(first=True) if "live_script" not in each] == []
    fetched = Counter(each.place.partition(":")[0] for each in record.crossings if not each.up)
    moved = fetched.pop("motion/device_motion.py")
    assert fetched.pop("live/dreaming/shown_image.py") == len(shown)  # the composed images
    assert moved < 2 * len(shown)  # the grid that the camera is fitted to, and the numbers of the motion
    grid = max(each.bytes for each in record.crossings if each.by == "tensors.fetch" and "device_motion" in each.place)
    assert grid <= 4 * (3 + 3 * 80 * 80)
    uploaded = [each.bytes for each in record.crossings if each.up and each.place.startswith("live/")]
    assert len(uploaded) <= len(shown) and max(uploaded) == 3 * 90 * 130, "each image of the camera once, and no flow"
    assert set(fetched) == {"video/frame_steps.py"}  # what has to grow, in the thread of the ascent


@pytest.mark.gpu
def test_a_live_dream_on_a_gpu_is_close_to_that_of_the_cpu(along_torch: tuple[list[ShownFrame], PromptAscent]) -> None:
    ascent = PromptAscent(CUDA)
    check_alike(along_torch, (played(script(), ascent, CUDA), ascent), most=5)  # another order of sums, other rounding


@pytest.mark.gpu
def test_an_image_does_not_wait_for_what_is_queued_on_the_stream_of_the_ascent() -> None:
    stream, planes = CameraStream(CUDA), torch.zeros(1, 3, 64, 64, dtype=torch.uint8, device=CUDA)
    square = torch.randn(4096, 4096, device=CUDA)
    compose = functools.partial(compose_planes, torch.zeros(1, 3, 32, 32, device=CUDA), planes)
    for _ in range(2):  # the first time kernels are loaded
        torch.cuda.synchronize()
        for _ in range(200):
            torch.mm(square, square)
        queued = torch.cuda.Event()
        queued.record(torch.cuda.default_stream())  # type: ignore[no-untyped-call]
        stream.run(lambda: tensors.fetch(compose()))()
        earlier = not queued.query()
    torch.cuda.synchronize()
    assert earlier


# Bytes of a picture.

CAMERA = 270, 480


def crossed(side: int) -> tuple[CudaRecord, list[int]]:
    """Eight pictures of a camera, and the bytes up and down of each of the last two."""
    wide = cv2.resize(textured(270, 480), (CAMERA[1] + 32, CAMERA[0]))
    images = [np.ascontiguousarray(wide[:, 4 * i : 4 * i + CAMERA[1]]) for i in range(8)]
    with fake_cuda() as device:
        ascent = PromptAscent(CUDA)
        before: list[int] = []

        def camera() -> Iterator[np.ndarray[Any, Any]]:
            for number, image in enumerate(images):
                if number == 6:
                    before.append(len(device.record.crossings))
                yield image

        played([Shot(camera(), FIRST)], ascent, CUDA, side)  # type: ignore[arg-type]
        last = [each for each in device.record.crossings[before[0] :] if each.by != "tensors.place"]
    return device.record, [sum(each.bytes for each in last if each.up == up) // 2 for up in (True, False)]


@pytest.mark.parametrize("side", [90, 256])
def test_fake_cuda_bytes_of_a_picture_do_not_hang_on_the_size_of_the_dream(side: int) -> None:
    record, (up, down) = crossed(side)
    image = CAMERA[0] * CAMERA[1] * 3
    assert image <= up < image + 2000  # and the shifts of the ascent; the flow is computed there
    small = 3 * 45 * 80 * 4
    assert image + small <= down < image + small + 8000 + (-(-side // 8) * -(-round(side * 16 / 9) // 8) * 4)
    assert [each for each in record.faults(first=True) if "live_script" not in each] == []


# Memory.


def test_fake_cuda_a_camera_without_memory_is_tried_again_and_then_an_error_of_one_line() -> None:
    calls: list[int] = []

    def work(fails: int) -> Callable[[], str]:
        def call() -> str:
            calls.append(fails)
            if calls.count(fails) <= fails:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return "moved"

        return call

    with fake_cuda():
        stream = CameraStream(CUDA)
        assert stream.run(work(1)) == "moved"
        with pytest.raises(MemoryBudgetError, match="^got no memory to move a dream: expected .*--dream-size"):
            stream.run(work(2))
        with pytest.raises(RuntimeError, match="another"):
            stream.run(lambda: (_ for _ in ()).throw(RuntimeError("another")))
    assert (calls.count(1), calls.count(2)) == (2, 2)


def test_on_the_cpu_an_error_stays_what_it_is() -> None:
    def work() -> Tensor:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="^out of memory$"):
        CameraStream(CPU).run(work)
    assert CameraStream(CPU).mark() is None


def test_a_frame_of_another_size_is_begun_on_the_device(asynchronous: None) -> None:
    frames = [Frame(textured(60, 80), Fraction(0)), Frame(textured(64, 90), Fraction(1, 30))]
    state = live_state.start_dream(frames[0], FIRST, Workload(40), device=CPU)
    after = live_state.next_state(state, frames[1], FIRST, Workload(40), None, dis(), lambda *_: "cut")
    assert after.planes is not None and after.planes.shape == (1, 3, 64, 90)
    assert after.generation == 1 and after.dream.is_zero
