"""Frames that are tensors are dreamed as those that are arrays."""

from collections.abc import Generator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from conftest import stream, textured
from fake_cuda import CPU, CUDA, CudaTensor, fake_cuda

from dreamvideo.ascent import bars, octaves
from dreamvideo.errors import SettingsError
from dreamvideo.frames import Frame, checked_frames
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.tensors import hand_over, to_planes, upload
from dreamvideo.video import dream_stream
from dreamvideo.video.dream_stream import on_own_stream
from dreamvideo.video.pipeline import dream_video

QUICK = DreamSettings(octaves=1, iterations=1)
MOVING = [np.roll(textured(48, 64, seed), 3 * k, 1) for seed in (1, 2) for k in range(3)]
IMAGES = [*MOVING, np.zeros((48, 64, 3), np.uint8)]


def tensors(images: list[Any]) -> Generator[Frame, None, None]:
    return (Frame(torch.from_numpy(image), Fraction(k, 25)) for k, image in enumerate(images))


@pytest.mark.parametrize("keep", [False, True])
def test_tensors_in_memory_give_the_arrays_that_arrays_give(tiny_network: Network, keep: bool) -> None:
    expected = list(dream_video(stream(IMAGES), tiny_network, QUICK, CarrySettings()))
    dreamed = list(dream_video(tensors(IMAGES), tiny_network, QUICK, CarrySettings(), keep_on_device=keep))
    for one, other in zip(dreamed, expected, strict=True):
        assert isinstance(one.image, np.ndarray)
        assert np.array_equal(one.image, other.image)


def test_frames_that_are_tensors_are_checked_and_copied() -> None:
    image = torch.from_numpy(textured(8, 10))
    turned = Frame(image.transpose(0, 1), Fraction(0), mask=np.ones((10, 8), bool))  # type: ignore[arg-type]
    (frame,) = checked_frames([turned])
    assert frame.image.is_contiguous() and frame.nbytes == 240
    assert torch.equal(frame.image, turned.image) and frame.image.data_ptr() != image.data_ptr()
    for wrong, said in ((image.float(), r"torch.float32 \(8, 10, 3\)"), (image[..., 0], r"torch.uint8 \(8, 10\)")):
        with pytest.raises(SettingsError, match=f"got {said}, expected uint8"):
            list(checked_frames([Frame(wrong, Fraction(0))]))


def test_fake_cuda_what_is_on_the_device_is_not_copied_there() -> None:
    with fake_cuda() as device:
        there = upload(torch.from_numpy(IMAGES[0]), CUDA)
        device.record.clear()
        assert to_planes(there, CUDA).shape == (1, 3, 48, 64)
        assert device.record.crossings == []
        assert hand_over(there)() is not there  # its memory is another stream's
        assert device.record.crossings == [] and device.record.faults() == []
    here = torch.zeros(2)
    assert hand_over(here)() is here


class Stream:
    """Stands in for a stream of CUDA."""

    def __init__(self, *arguments: Any) -> None: ...


def test_a_dream_is_queued_on_a_stream_of_its_own_and_its_consumer_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Any] = []

    class Entered:
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def __enter__(self) -> None:
            entered.append(self.stream)

        def __exit__(self, *error: object) -> None:
            entered.pop()

    def work() -> Generator[int, None, None]:
        try:
            for number in range(3):
                assert [type(each) for each in entered] == [Stream]
                yield number
        finally:
            closed.append(True)

    closed: list[bool] = []
    monkeypatch.setattr(torch.cuda, "stream", Entered)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    dream_stream.dream_stream.cache_clear()
    try:
        items = on_own_stream(work(), CUDA)
        assert next(items) == 0 and not entered
        assert list(items) == [1, 2] and not entered and closed
        assert dream_stream.dream_stream(CUDA) is dream_stream.dream_stream(CUDA)
    finally:
        dream_stream.dream_stream.cache_clear()


def test_memory_that_is_handed_over_is_of_the_default_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever had it there is waited for before it is written to."""
    said: list[str] = []

    class Said(Stream):
        def __init__(self, name: str = "event", **how: Any) -> None:
            self.name = name

        def wait_stream(self, other: Any) -> None:
            said.append(f"{self.name} waits for {other.name}")

        def record(self, stream: Any) -> None:
            said.append(f"done on {stream.name}")

        def synchronize(self) -> None:
            said.append("waited")

    class Inside:
        def __init__(self, stream: Any) -> None:
            self.name = stream.name

        def __enter__(self) -> None:
            said.append(f"allocated on {self.name}")

        def __exit__(self, *error: object) -> None: ...

    with fake_cuda() as device:
        there = CudaTensor(torch.arange(4), device)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Said("dream"))
        monkeypatch.setattr(torch.cuda, "default_stream", lambda device: Said("default"))
        monkeypatch.setattr(torch.cuda, "stream", Inside)
        monkeypatch.setattr(torch.cuda, "Event", Said)
        copy = hand_over(there)()
        assert copy.tolist() == [0, 1, 2, 3]
    assert said[:4] == ["allocated on default", "dream waits for default", "done on dream", "waited"]


def test_black_bars_are_looked_for_once_a_frame(tiny_network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    find, seen = bars.picture_area, list[int]()
    monkeypatch.setattr(octaves, "picture_area", lambda images: (seen.append(len(images)), find(images))[1])
    barred = [np.concatenate([image[:8] * 0, image[8:-8], image[-8:] * 0]) for image in MOVING[:5]]
    assert len(list(dream_video(stream(barred), tiny_network, QUICK, CarrySettings()))) == 5
    assert sum(seen) == 5
    assert tiny_network.device == CPU
