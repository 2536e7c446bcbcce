"""`dreamvideo live`: opens what was asked for, and passes pictures on and keys back until it ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import torch
from torch import Tensor

from dreamvideo.buffers import latest
from dreamvideo.errors import OutputError
from dreamvideo.flow import dis
from dreamvideo.live.ascent import Ascent
from dreamvideo.live.cameras import camera_frames
from dreamvideo.live.controls import Controls
from dreamvideo.live.desk import Desk
from dreamvideo.live.keepsakes import Keepsakes
from dreamvideo.live.looks import loader, menu_of
from dreamvideo.live.loop import Shown, dream_live
from dreamvideo.live.overlay import with_overlay
from dreamvideo.live.record import check_recording
from dreamvideo.live.serve import serve
from dreamvideo.live.virtual import virtual_camera
from dreamvideo.live.window import Window, check_display, window
from dreamvideo.networks import find_model
from dreamvideo.settings import (
    CameraSettings,
    CarrySettings,
    DreamSettings,
    EncodeSettings,
    LiveSettings,
    ModelSettings,
)
from dreamvideo.signature import sign

TICK = 0.05  # seconds without a picture after which keys are looked at all the same
SWITCH = 0.001  # seconds that one Python thread may keep the others waiting; Python's own 5 ms add up to a stutter

Sink = Callable[[Shown, Controls], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that was asked for."""

    camera: str
    reading: CameraSettings
    live: LiveSettings
    model: ModelSettings
    dreaming: DreamSettings
    guide: Tensor | None = None  # (1, 3, h, w) in [0, 1]
    preset: str | None = None  # by which the looks are named
    overwrite: bool = False  # the recording's file


def live(wanted: Wanted, tell: Callable[[str], None]) -> None:
    """Dream what the camera sees until a key, the duration or the camera ends it; `tell` is told where to look.

    Raises:
        DreamVideoError: of the camera, the network, or what the dream is to be shown on.
    """
    settings = wanted.live
    check_record(settings, wanted.overwrite)
    camera = camera_frames(wanted.camera, wanted.reading)
    if settings.window and settings.serve is None:
        check_display()
    model = find_model(wanted.model.model, wanted.model.weights, wanted.model.scaling)
    desk = Desk(first_controls(settings), menu_of(model, wanted.model, wanted.preset))
    with quick_turns(), contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(sink) for sink in sinks_of(wanted, desk, tell)]
        ascent = stack.enter_context(
            contextlib.closing(Ascent(loader(model, wanted.model, wanted.dreaming, wanted.guide), CarrySettings()))
        )
        shown = dream_live(latest(camera, TICK), ascent, desk, dis(), settings.fps, settings.dream_size)
        began = time.monotonic()
        with contextlib.closing(shown):
            for each in shown:
                controls = desk.controls
                for sink in sinks:
                    sink(each, controls)
                if settings.duration is not None and time.monotonic() - began >= settings.duration:
                    return


def sinks_of(
    wanted: Wanted, desk: Desk, tell: Callable[[str], None]
) -> Generator[contextlib.AbstractContextManager[Sink], None, None]:
    """Where dreamed pictures go, each to be opened."""
    settings = wanted.live
    yield keepsakes(wanted, desk)
    if settings.virtual_camera:
        yield to_virtual_camera(settings.fps, tell)
    if settings.serve is not None:
        yield to_page(desk, settings, tell)
    elif settings.window:
        yield to_window(desk)


@contextlib.contextmanager
def keepsakes(wanted: Wanted, desk: Desk) -> Generator[Sink, None, None]:
    """Recordings and snapshots."""
    settings = wanted.live
    first = Path(settings.record) if settings.record is not None else None
    signature = sign(wanted.model, wanted.dreaming)
    encoding = EncodeSettings(settings.codec)
    kept = Keepsakes(desk, Path(settings.folder), first, wanted.overwrite, encoding, signature)
    with contextlib.closing(kept):
        yield kept.take


@contextlib.contextmanager
def to_virtual_camera(fps: float | None, tell: Callable[[str], None]) -> Generator[Sink, None, None]:
    """A camera for other programs."""
    with virtual_camera(fps=fps or 30) as camera:
        tell(f"other programs see this as the camera {camera.name}")

        def send(shown: Shown, _: Controls) -> None:
            if camera.failed is not None:
                raise camera.failed
            camera.send(shown.frame.image)

        yield send


@contextlib.contextmanager
def to_page(desk: Desk, settings: LiveSettings, tell: Callable[[str], None]) -> Generator[Sink, None, None]:
    """A page in the browser, with numbers and buttons of its own."""
    assert settings.serve is not None
    with serve(desk, settings.serve, settings.password) as url:
        tell(f"open {url}")

        def show(shown: Shown, controls: Controls) -> None:
            plain = replace(controls, overlay=False, help=False)
            desk.show(with_overlay(shown.frame.image, shown.camera, plain, desk.numbers))

        yield show


@contextlib.contextmanager
def to_window(desk: Desk) -> Generator[Sink, None, None]:
    """A window, which opens with the first picture, at its size."""
    with contextlib.ExitStack() as stack:
        opened: list[Window] = []

        def show(shown: Shown, controls: Controls) -> None:
            picture = with_overlay(shown.frame.image, shown.camera, controls, desk.numbers)
            if not opened:
                opened.append(stack.enter_context(window(picture.shape[:2])))
            for key in opened[0].show(picture, controls.full_screen):
                desk.press(key)

        yield show


def check_record(settings: LiveSettings, overwrite: bool) -> None:
    """Whether recordings and snapshots can be written, decided before anything is opened.

    Raises:
        OutputError: they cannot.
    """
    if not os.access(settings.folder, os.W_OK | os.X_OK):
        raise OutputError(f"--folder {settings.folder}: there is no such folder, or it is read-only")
    if settings.record is not None:
        check_recording(Path(settings.record), EncodeSettings(settings.codec), overwrite)


@contextlib.contextmanager
def quick_turns() -> Generator[None, None, None]:
    """The main thread without threads of its own, which would wait for those of the ascent; Python in short turns."""
    before = sys.getswitchinterval(), cv2.getNumThreads(), torch.get_num_threads()
    sys.setswitchinterval(SWITCH)
    cv2.setNumThreads(max(1, (os.cpu_count() or 1) // 4))
    torch.set_num_threads(1)
    try:
        yield
    finally:
        sys.setswitchinterval(before[0])
        cv2.setNumThreads(before[1])
        torch.set_num_threads(before[2])


def first_controls(settings: LiveSettings) -> Controls:
    """What the keys begin with."""
    return Controls(
        strength=settings.strength,
        mirror=settings.mirror,
        split=settings.split,
        overlay=settings.overlay,
        full_screen=settings.full_screen,
        recording=settings.record is not None,
    )
