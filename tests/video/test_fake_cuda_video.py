"""Films on a CUDA device that is not there: nothing waits, nothing is mixed, and the pictures are those of the CPU."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TinyNet, textured
from fake_cuda import CUDA, Crossing, fake_cuda

from dreamvideo.frames import Frame
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.motion.flow import dis
from dreamvideo.motion.frame_motion import Motion
from dreamvideo.motion.occlusion import estimate_motion
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.tensors import download, place, to_mask, to_tensor
from dreamvideo.video.carry import Carry, learn_ground, move_carry
from dreamvideo.video.carry_bytes import carry_from_bytes, carry_to_bytes
from dreamvideo.video.dream_frames import dream_carried_frames, dream_first_frames
from dreamvideo.video.pipeline import dream_video

CPU = torch.device("cpu")
LOOK = DreamSettings(octaves=2, iterations=1, jitter=8)
HEIGHT, WIDTH = 64, 96


def tiny(device: torch.device) -> Network:
    score = Objective(TinyNet().to(device), (Term("first", kind="log"), Term("second", 0.5, "log")))
    return Network("tiny", score, device, torch.float32)


def scene(count: int, seed: int = 1, speed: int = 6, camera: int = 0) -> list[Any]:
    """Something that moves over a ground, which the camera may pass."""
    ground, mover = textured(HEIGHT, WIDTH, seed), textured(26, 26, seed + 1)
    images = []
    for i in range(count):
        image = np.roll(ground, camera * i, 1).copy()
        image[20:46, 8 + speed * i : 34 + speed * i] = mover
        images.append(image)
    return images


def masked(images: list[Any]) -> Iterator[Frame]:
    for i, image in enumerate(images):
        mask = np.full(image.shape[:2], 255, np.uint8)
        mask[:, : 4 * i] = 100
        mask[:10] = 0
        yield Frame(image, Fraction(i, 25), mask=mask)


def plain(images: list[Any]) -> Iterator[Frame]:
    return (Frame(image, Fraction(i, 25)) for i, image in enumerate(images))


def slow(images: list[Any]) -> Iterator[Frame]:
    """One frame a second: a seam every four."""
    return (Frame(image, Fraction(i)) for i, image in enumerate(images))


def faded(images: list[Any]) -> list[Any]:
    factors = np.interp(range(len(images)), [0, len(images) // 2, len(images) - 1], [0.15, 1.0, 0.3])
    return [(image * factor).astype(np.uint8) for image, factor in zip(images, factors, strict=True)]


def barred(images: list[Any]) -> list[Any]:
    return [np.concatenate([image[:8] * 0 + 3, image[8:-8], image[-8:] * 0 + 3]) for image in images]


ONE = CarrySettings(lanes=1, local_steps=2, flow="dis")  # `auto` takes another flow on CUDA
FILMS: dict[str, tuple[Callable[[], Iterator[Frame]], DreamSettings, CarrySettings]] = {
    "a mover": (lambda: plain(scene(7)), LOOK, ONE),
    "a camera": (lambda: plain(scene(5, camera=2)), LOOK, ONE),
    "two lanes": (lambda: plain([*scene(4, 1), *scene(4, 5)]), LOOK, CarrySettings(lanes=2, local_steps=2, flow="dis")),
    "a seam": (lambda: slow(scene(7)), LOOK, replace(ONE, split_shots=Fraction(4))),
    "seams in lanes": (lambda: slow(scene(9)), LOOK, replace(ONE, split_shots=Fraction(4), lanes=2)),
    "masks": (lambda: masked(scene(4)), LOOK, ONE),
    "fades": (lambda: plain(faded(scene(6))), LOOK, ONE),
    "bars, colors of the source": (lambda: plain(barred(scene(4))), replace(LOOK, keep_colors=True), ONE),
    "a flow that stays on the device": (lambda: plain(scene(5, camera=2)), LOOK, replace(ONE, flow="torch-dis")),
    "frames that dream alone": (lambda: plain(scene(3)), LOOK, CarrySettings(persistence=0, lanes=1)),
}


@cache
def film(name: str) -> tuple[list[str], list[Crossing], float]:
    """What was wrong on the device, what crossed, and by how many gray levels the film differs from that of the CPU."""
    frames, look, carrying = FILMS[name]
    with fake_cuda() as device:
        network = tiny(CUDA)
        device.record.clear()
        there = [frame.image for frame in dream_video(frames(), network, look, carrying)]
        faults, crossings = device.record.faults(first=True), list(device.record.crossings)
    here = [frame.image for frame in dream_video(frames(), tiny(CPU), look, carrying)]
    worst = max(float(abs(one.astype(int) - other).mean()) for one, other in zip(there, here, strict=True))
    return faults, crossings, worst


@pytest.mark.parametrize("name", FILMS)
def test_fake_cuda_films_wait_for_nothing_and_are_those_of_the_cpu(name: str) -> None:
    faults, _, worst = film(name)
    assert faults == []
    assert worst < 0.5  # gray levels in the mean of a frame: motion is found in another way


def test_fake_cuda_films_leave_the_device_once() -> None:
    _, crossings, _ = film("a mover")
    dreams = [each.bytes for each in crossings if not each.up and each.place.startswith("video/dream_shots.py")]
    assert dreams == [3 * HEIGHT * WIDTH] * 7


@pytest.mark.parametrize(
    ("timed", "carrying"),
    [(slow, replace(ONE, split_shots=Fraction(4))), (plain, replace(ONE, seamless=True))],
    ids=["a seam", "the end"],
)
def test_fake_cuda_two_dreams_of_frames_on_the_device_are_dissolved_there(
    timed: Callable[[list[Any]], Iterator[Frame]], carrying: CarrySettings
) -> None:
    images = scene(7)
    with fake_cuda() as device:
        network = tiny(CUDA)
        frames = timed([place(torch.from_numpy(image), CUDA) for image in images])
        device.record.clear()
        dreamed = list(dream_video(frames, network, LOOK, carrying, keep_on_device=True))
        assert device.record.faults(first=True) == []
        assert not [each for each in device.record.crossings if each.place.startswith("video/dissolve.py")]
        assert all(frame.image.is_cuda for frame in dreamed)
        there = [download(frame.image).numpy() for frame in dreamed]
    here = [frame.image for frame in dream_video(timed(images), tiny(CPU), LOOK, carrying)]
    assert max(float(abs(one.astype(int) - other).mean()) for one, other in zip(there, here, strict=True)) < 0.5


def motion(camera: int = 0, frames: int = 1) -> Motion:
    now, before = (torch.from_numpy(scene(frames + 1, camera=camera)[k]).permute(2, 0, 1)[None] for k in (frames, 0))
    return estimate_motion(now, before, dis())


def on_device(moving: Motion, device: torch.device) -> Motion:
    """With its planes where the dream is."""
    names = ("backward", "occluded", "trust", "near", "inside", "mismatch")
    planes: dict[str, Any] = {name: place(getattr(moving, name), device) for name in names}
    return replace(moving, **planes)


def carried(device: torch.device, count: int = 1, masks: bool = False) -> tuple[torch.Tensor, list[Carry]]:
    """Sources of a second frame, and the carries after the first."""
    sources = torch.cat([to_tensor(scene(2, 1 + k)[0], device) for k in range(count)])
    mask = to_mask(scene(1)[0][..., 0], device).expand(count, -1, -1, -1) if masks else None
    carries = dream_first_frames(sources, tiny(device), LOOK, mask)
    following = torch.cat([to_tensor(scene(2, 1 + k)[1], device) for k in range(count)])
    return following, [learn_ground(each, sources[k : k + 1], None) for k, each in enumerate(carries)]


@pytest.mark.parametrize("masks", [False, True])
def test_fake_cuda_dreams_first_frames_as_a_batch(masks: bool) -> None:
    _, here = carried(CPU, 2, masks)
    with fake_cuda() as device:
        network, sources = tiny(CUDA), torch.cat([to_tensor(scene(1, 1 + k)[0], CUDA) for k in (0, 1)])
        mask = to_mask(scene(1)[0][..., 0], CUDA).expand(2, -1, -1, -1) if masks else None
        device.record.clear()
        there = dream_first_frames(sources, network, LOOK, mask)
        assert device.record.faults(first=True) == []
        for one, other in zip(there, here, strict=True):
            assert (download(one.residual) - other.residual).abs().max() < 1 / 255
            assert (download(one.target_score) - other.target_score).abs().max() < 1e-3
            assert (download(one.strength) - other.strength).abs().max() < 1e-4


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("camera", [0, 2])
def test_fake_cuda_moves_a_carry_and_learns_the_ground(camera: int, masks: bool) -> None:
    moving = replace(motion(camera), mismatch_share=0.1)

    def moved(device: torch.device) -> Carry:
        source, (last,) = carried(device)
        mask = to_mask(scene(1)[0][..., 1], device) if masks else None
        there = on_device(moving, device)
        if device == CUDA:
            fake.record.clear()
        start = move_carry(last, source, there, 0.9, mask)
        assert (start.progress.ground is None) == (moving.camera is None)
        return learn_ground(start, source, there)

    def planes(after: Carry) -> list[torch.Tensor]:
        progress = after.progress
        return [after.residual, progress.age, progress.mismatch, progress.ground.weight, after.ground_residual]

    with fake_cuda() as fake:
        after = moved(CUDA)
        assert fake.record.faults(first=True) == []
        there = [download(each) for each in planes(after)]
    after = moved(CPU)
    here = planes(after)
    for one, other in zip(there, here, strict=True):
        assert (one - other).abs().mean() < 0.01  # OpenCV rounds to 1/32 of a pixel


def test_fake_cuda_dreams_calm_carried_frames_as_a_batch() -> None:
    def dreamed(device: torch.device) -> list[Carry]:
        sources, carries = carried(device, 2)
        network, starts = (
            tiny(device),
            [replace(each, progress=replace(each.progress, frame_index=k + 1)) for k, each in enumerate(carries)],
        )
        if device == CUDA:
            fake.record.clear()
        return dream_carried_frames(sources, starts, network, LOOK, ONE, steps=(1, 1))

    with fake_cuda() as fake:
        after = dreamed(CUDA)
        assert fake.record.faults(first=True) == []
        there = [download(each.residual) for each in after]
    for one, other in zip(there, dreamed(CPU), strict=True):
        assert (one - other.residual).abs().max() < 1 / 255


def test_fake_cuda_carries_go_to_bytes_and_back() -> None:
    with fake_cuda() as device:
        source, (last,) = carried(CUDA)
        start = replace(last, progress=replace(last.progress, copy=torch.ones(1, 1, 5, 6)))
        device.record.clear()
        content = carry_to_bytes(start)()
        back, _ = carry_from_bytes(content, CUDA)
        assert device.record.faults() == []
        assert back.residual.is_cuda and back.progress.ground.weight.is_cuda and not back.progress.copy.is_cuda
        assert carry_to_bytes(back)() == content
    assert source.shape == (1, 3, HEIGHT, WIDTH)
