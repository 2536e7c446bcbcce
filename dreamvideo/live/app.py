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

from dreamvideo.errors import OutputError
from dreamvideo.live.cameras.camera import camera_frames
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_thread import AscentThread
from dreamvideo.live.dreaming.looks import build_menu, look_loader
from dreamvideo.live.loop import ShownFrame, dream_live
from dreamvideo.live.outputs.captures import Captures
from dreamvideo.live.outputs.overlay import with_overlay
from dreamvideo.live.outputs.recorder import check_recording
from dreamvideo.live.outputs.virtual_camera import open_virtual_camera
from dreamvideo.live.outputs.window import LiveWindow, check_display, open_window
from dreamvideo.live.shared_state import LiveState
from dreamvideo.live.web.server import serve_page
from dreamvideo.media.metadata import settings_comment
from dreamvideo.models.registry import find_model
from dreamvideo.motion.flow import dis
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings
from dreamvideo.settings.live import CameraSettings, LiveSettings
from dreamvideo.threads import latest

KEY_INTERVAL = 0.05  # seconds without a picture after which keys are looked at all the same
SWITCH_INTERVAL = (
    0.001  # seconds that one Python thread may keep the others waiting; Python's own 5 ms add up to a stutter
)

FrameSink = Callable[[ShownFrame, Controls], None]


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """All that was asked for."""

    camera: str
    reading: CameraSettings
    live: LiveSettings
    model: ModelSettings
    objective: ObjectiveSettings
    dreaming: DreamSettings
    guide: Tensor | None = None  # (1, 3, h, w) in [0, 1]
    preset: str | None = None  # by which the looks are named
    overwrite: bool = False  # the recording's file


def run_live_dream(wanted: LiveRequest, tell: Callable[[str], None]) -> None:
    """Dream what the camera sees until a key, the duration or the camera ends it; `tell` is told where to look.

    Raises:
        DreamVideoError: of the camera, the network, or what the dream is to be shown on.
    """
    settings = wanted.live
    check_capture_paths(settings, wanted.overwrite)
    camera = camera_frames(wanted.camera, wanted.reading)
    if settings.window and settings.serve is None:
        check_display()
    model = find_model(wanted.model.model, wanted.model.weights, wanted.model.scaling)
    desk = LiveState(initial_controls(settings), build_menu(model, wanted.model, wanted.preset))
    with responsive_threads(), contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(sink) for sink in open_sinks(wanted, desk, tell)]
        ascent = stack.enter_context(
            contextlib.closing(
                AscentThread(
                    look_loader(model, wanted.model, wanted.objective, wanted.dreaming, wanted.guide), CarrySettings()
                )
            )
        )
        shown = dream_live(latest(camera, KEY_INTERVAL), ascent, desk, dis(), settings.fps, settings.dream_size)
        began = time.monotonic()
        with contextlib.closing(shown):
            for each in shown:
                controls = desk.controls
                for sink in sinks:
                    sink(each, controls)
                if settings.duration is not None and time.monotonic() - began >= settings.duration:
                    return


def open_sinks(
    wanted: LiveRequest, desk: LiveState, tell: Callable[[str], None]
) -> Generator[contextlib.AbstractContextManager[FrameSink], None, None]:
    """Where dreamed pictures go, each to be opened."""
    settings = wanted.live
    yield captures_sink(wanted, desk)
    if settings.virtual_camera:
        yield virtual_camera_sink(settings.fps, tell)
    if settings.serve is not None:
        yield page_sink(desk, settings, tell)
    elif settings.window:
        yield window_sink(desk)


@contextlib.contextmanager
def captures_sink(wanted: LiveRequest, desk: LiveState) -> Generator[FrameSink, None, None]:
    """Recordings and snapshots."""
    settings = wanted.live
    first = Path(settings.record) if settings.record is not None else None
    signature = settings_comment(wanted.model, wanted.objective, wanted.dreaming)
    encoding = EncodeSettings(settings.codec)
    kept = Captures(desk, Path(settings.folder), first, wanted.overwrite, encoding, signature)
    with contextlib.closing(kept):
        yield kept.take


@contextlib.contextmanager
def virtual_camera_sink(fps: float | None, tell: Callable[[str], None]) -> Generator[FrameSink, None, None]:
    """A camera for other programs."""
    with open_virtual_camera(fps=fps or 30) as camera:
        tell(f"other programs see this as the camera {camera.name}")

        def send(shown: ShownFrame, _: Controls) -> None:
            if camera.failed is not None:
                raise camera.failed
            camera.send(shown.frame.image)

        yield send


@contextlib.contextmanager
def page_sink(desk: LiveState, settings: LiveSettings, tell: Callable[[str], None]) -> Generator[FrameSink, None, None]:
    """A page in the browser, with numbers and buttons of its own."""
    assert settings.serve is not None
    with serve_page(desk, settings.serve, settings.password) as url:
        tell(f"open {url}")

        def show(shown: ShownFrame, controls: Controls) -> None:
            plain = replace(controls, overlay=False, help=False)
            desk.show(with_overlay(shown.frame.image, shown.camera, plain, desk.numbers))

        yield show


@contextlib.contextmanager
def window_sink(desk: LiveState) -> Generator[FrameSink, None, None]:
    """A window, which opens with the first picture, at its size."""
    with contextlib.ExitStack() as stack:
        opened: list[LiveWindow] = []

        def show(shown: ShownFrame, controls: Controls) -> None:
            picture = with_overlay(shown.frame.image, shown.camera, controls, desk.numbers)
            if not opened:
                opened.append(stack.enter_context(open_window(picture.shape[:2])))
            for key in opened[0].show(picture, controls.full_screen):
                desk.press(key)

        yield show


def check_capture_paths(settings: LiveSettings, overwrite: bool) -> None:
    """Whether recordings and snapshots can be written, decided before anything is opened.

    Raises:
        OutputError: they cannot.
    """
    if not os.access(settings.folder, os.W_OK | os.X_OK):
        raise OutputError(f"--folder {settings.folder}: there is no such folder, or it is read-only")
    if settings.record is not None:
        check_recording(Path(settings.record), EncodeSettings(settings.codec), overwrite)


@contextlib.contextmanager
def responsive_threads() -> Generator[None, None, None]:
    """The main thread without threads of its own, which would wait for those of the ascent; Python in short turns."""
    before = sys.getswitchinterval(), cv2.getNumThreads(), torch.get_num_threads()
    sys.setswitchinterval(SWITCH_INTERVAL)
    cv2.setNumThreads(max(1, (os.cpu_count() or 1) // 4))
    torch.set_num_threads(1)
    try:
        yield
    finally:
        sys.setswitchinterval(before[0])
        cv2.setNumThreads(before[1])
        torch.set_num_threads(before[2])


def initial_controls(settings: LiveSettings) -> Controls:
    """What the keys begin with."""
    return Controls(
        strength=settings.strength,
        mirror=settings.mirror,
        split=settings.split,
        overlay=settings.overlay,
        full_screen=settings.full_screen,
        recording=settings.record is not None,
    )
