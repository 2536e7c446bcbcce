"""Two threads of a live dream on one CUDA device: nothing is used or freed too early, no image waits for an ascent."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from conftest import textured
from fake_cuda import CUDA, fake_cuda
from live_script import PromptAscent, Shot, played, script
from numpy.typing import NDArray
from stream_races import StreamWatch, watched_streams

from dreamvideo import tensors
from dreamvideo.kernels import graph_capture
from dreamvideo.live.dreaming import ascent_thread
from dreamvideo.live.dreaming.ascent_task import AscentTask, run_ascent
from dreamvideo.live.dreaming.ascent_thread import AscentThread
from dreamvideo.live.dreaming.camera_stream import CameraStream
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.video import frame_steps

pytestmark = pytest.mark.usefixtures("single_thread")

HANG = 300.0


def threads(monkeypatch: pytest.MonkeyPatch, ascent_first: bool = True) -> StreamWatch:
    """A live dream of two threads, each of which has queued work that is not over when the other queues its own.

    Args:
        monkeypatch: patches the ascent.
        ascent_first: whether the ascent is queued when a frame is moved; else the frame when the ascent is queued.
    """
    queued, go = threading.Semaphore(0), threading.Semaphore(0)
    paused = threading.Event()

    def pause() -> None:
        if not paused.is_set():
            paused.set()
            queued.release()
            assert not ascent_first or go.acquire(timeout=HANG)

    def pausing_fetch(*args: Any) -> Any:
        wait = tensors.fetch(*args)
        return lambda: (pause(), wait())[1]  # type: ignore[func-returns-value]

    def pausing_ascent(*args: Any) -> Any:
        paused.clear()
        outcome = run_ascent(*args)
        pause()
        return outcome

    def camera(images: list[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        yield images[0]
        for image in images[1:]:
            assert not ascent_first or queued.acquire(timeout=HANG)
            yield image
            go.release()
        go.release(9)

    class Offering(AscentThread):
        def offer(self, task: AscentTask) -> None:
            super().offer(task)
            assert ascent_first or queued.acquire(timeout=HANG)

    monkeypatch.setattr(ascent_thread, "run_ascent", pausing_ascent)
    monkeypatch.setattr(frame_steps, "fetch", pausing_fetch)
    movers, pan = script()[1].images, [textured(90, 130, 4)] * 5
    with fake_cuda() as device, watched_streams(device) as watch, graph_capture.enabled(False):
        looks = PromptAscent(CUDA).looks
        ascent = Offering(lambda choice: looks[choice.layer or "first"], CarrySettings(local_steps=2))
        with contextlib.closing(ascent):
            shown = played([Shot(camera([*movers, *pan]))], ascent, CUDA, 64)  # type: ignore[arg-type, list-item]
    assert len(shown) == 13
    return watch


def waits_of_the_camera(watch: StreamWatch) -> list[Any]:
    """Waits of the main thread for something on the stream of the ascent."""
    ascent = watch.default.number
    return [clock for thread, clock in watch.waits if thread == "MainThread" and clock[ascent]]


@pytest.mark.parametrize("ascent_first", [True, False])
def test_fake_cuda_threads_of_a_live_dream_use_no_memory_too_early(
    ascent_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = threads(monkeypatch, ascent_first)
    assert watch.races == set()
    assert waits_of_the_camera(watch) == []
    assert watch.crossed > 50, watch.crossed


def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def at_once(event: Any, device: torch.device) -> Iterator[None]:
        torch.cuda.current_stream(device).wait_event(event)
        yield

    monkeypatch.setattr(ascent_thread, "after_event", at_once)


def no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CameraStream, "mark", lambda self: None)


@pytest.mark.parametrize(("fault", "ascent_first"), [(no_wait, True), (no_event, False)])
def test_fake_cuda_streams_see_what_is_used_too_early(
    fault: Callable[[pytest.MonkeyPatch], None], ascent_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    assert threads(monkeypatch, ascent_first).races


def one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CameraStream, "run", lambda self, work, *args: work(*args))


def one_copy_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    streams: list[Any] = []

    def shared(device: torch.device) -> Any:
        streams.append(streams[0] if streams else torch.cuda.Stream(device))  # type: ignore[no-untyped-call]
        return streams[0]

    monkeypatch.setattr(tensors, "_copy_stream", shared)


@pytest.mark.parametrize("fault", [one_stream, one_copy_stream])
def test_fake_cuda_streams_see_an_image_that_waits_for_an_ascent(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    assert waits_of_the_camera(threads(monkeypatch))
