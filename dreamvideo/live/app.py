"""The live dream as a whole: opens camera, network and outputs, then shows frames and applies keys until it ends."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from torch import Tensor

from dreamvideo.devices import pick_device
from dreamvideo.errors import OutputError
from dreamvideo.live.cameras.camera import CameraFrames, camera_frames
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_thread import AscentThread
from dreamvideo.live.dreaming.looks import build_menu, look_loader
from dreamvideo.live.hearing.live_drives import LiveDrives
from dreamvideo.live.hearing.microphone import open_microphone
from dreamvideo.live.loop import Heard, ShownFrame, dream_live
from dreamvideo.live.outputs.captures import Captures
from dreamvideo.live.outputs.overlay import with_overlay
from dreamvideo.live.outputs.recorder import check_recording
from dreamvideo.live.outputs.virtual_camera import open_virtual_camera
from dreamvideo.live.outputs.window import LiveWindow, check_display, open_window
from dreamvideo.live.remote.midi_input import open_midi
from dreamvideo.live.remote.osc_server import PREFIX, serve_osc
from dreamvideo.live.shared_state import SharedState
from dreamvideo.live.web.password import page_password
from dreamvideo.live.web.server import serve_page
from dreamvideo.media.metadata import settings_comment
from dreamvideo.models.registry import find_model
from dreamvideo.motion.flow import live_flow
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings
from dreamvideo.settings.live import CameraSettings, LiveSettings, StageSettings
from dreamvideo.settings.parsers import Address
from dreamvideo.threads import latest

KEY_INTERVAL: Final = 0.05  # seconds without a frame after which keys are read nevertheless

FrameSink = Callable[[ShownFrame, Controls], None]
OpenSink = Callable[[SharedState], contextlib.AbstractContextManager[FrameSink]]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """What to dream live, how, and where to show it."""

    where: str  # the camera, see `camera_frames`
    camera: CameraSettings
    live: LiveSettings
    model: ModelSettings
    objective: ObjectiveSettings
    dream: DreamSettings
    guide: Tensor | None = None  # (1, 3, h, w) RGB in [0, 1]
    preset: str | None = None  # of the command line, to name the look
    overwrite: bool = False  # replace the file of the recording, if it exists
    stage: StageSettings = StageSettings()


def run_live_dream(
    request: LiveRequest,
    report: Report,
    prepare_ascent: Callable[[], None] = lambda: None,
    camera: CameraFrames | None = None,
    open_more: Sequence[OpenSink] = (),
) -> None:
    """Dream what a camera sees until a key, the duration or the camera ends it.

    Nothing outside this call is changed. For the least stutter call it inside `process.responsive_threads`.

    Args:
        request: what to dream and where to show it.
        report: is called with lines for the user, such as the address of the page, or the name of a recording.
        prepare_ascent: is called first in the thread of the ascent, see `process.responsive_threads`.
        camera: frames in place of those of `request.where`.
        open_more: more outputs, which get what was shown or sent; each may also change the controls.

    Raises:
        DreamVideoError: of the camera, the network or an output.
    """
    live = request.live
    check_capture_paths(live, request.overwrite)
    camera = camera or camera_frames(request.where, request.camera)
    if live.window and live.serve is None:
        check_display()
    device = pick_device(request.model.device)
    model = find_model(request.model.model, request.model.weights, request.model.scaling)
    shared = SharedState(initial_controls(live), build_menu(model, request.preset), report)
    on_device = replace(request.model, device=str(device))
    load = look_loader(model, on_device, request.objective, request.dream, request.guide)
    estimate = live_flow(device)
    with contextlib.ExitStack() as stack:
        for remote in open_remotes(request.stage, shared, report):
            stack.enter_context(remote)
        heard = stack.enter_context(open_sound(request.stage, shared, report))
        sinks = [stack.enter_context(sink) for sink in open_sinks(request, shared, report)]
        sinks += [stack.enter_context(open_sink(shared)) for open_sink in open_more]
        ascent = stack.enter_context(contextlib.closing(AscentThread(load, CarrySettings(), prepare_ascent)))
        images = latest(camera, KEY_INTERVAL)
        frames = dream_live(images, ascent, shared, estimate, live.fps, live.dream_size, device, heard)
        start = time.monotonic()
        with contextlib.closing(frames):
            for shown in frames:
                controls = shared.controls
                for sink in sinks:
                    sink(shown, controls)
                if live.duration is not None and time.monotonic() - start >= live.duration:
                    return


def open_sinks(
    request: LiveRequest, shared: SharedState, report: Report
) -> Generator[contextlib.AbstractContextManager[FrameSink], None, None]:
    """Yield the outputs that were asked for, each to be opened."""
    live = request.live
    yield captures_sink(request, shared)
    if live.virtual_camera:
        yield virtual_camera_sink(live.fps, report)
    if live.serve is not None:
        yield page_sink(shared, live, report)
    elif live.window:
        yield window_sink(shared)


def open_remotes(
    stage: StageSettings, shared: SharedState, report: Report
) -> Generator[contextlib.AbstractContextManager[None], None, None]:
    """Yield what sets the controls from outside, each to be opened."""
    if stage.osc is not None:
        yield osc_remote(stage.osc, shared, report)
    if stage.midi is not None:
        yield midi_remote(stage.midi, shared, report)


@contextlib.contextmanager
def osc_remote(address: Address, shared: SharedState, report: Report) -> Generator[None, None, None]:
    """OSC packets."""
    with serve_osc(shared, address) as (place, _):
        report(f"OSC at {place}: {PREFIX}NAME, such as {PREFIX}strength")
        yield


@contextlib.contextmanager
def midi_remote(device: str, shared: SharedState, report: Report) -> Generator[None, None, None]:
    """A MIDI device."""
    with open_midi(shared, device) as name:
        learning = shared.learning
        known = len(learning.learned) if learning is not None else 0
        report(f"MIDI from {name}: {known} controls were learned" + ("" if known else "; learn them in the page"))
        yield


@contextlib.contextmanager
def open_sound(stage: StageSettings, shared: SharedState, report: Report) -> Generator[Heard, None, None]:
    """What sound multiplies options by."""
    hears = bool(stage.live_drive) and stage.sound_input != "off"
    drives = LiveDrives(stage.live_drive, hears)
    if not hears:
        yield drives.factors
        return
    with open_microphone(stage.sound_input, drives.hear, shared.say) as name:
        report(f"hears {name}")
        yield drives.factors


@contextlib.contextmanager
def captures_sink(request: LiveRequest, shared: SharedState) -> Generator[FrameSink, None, None]:
    """Recordings and snapshots."""
    live = request.live
    first = Path(live.record) if live.record is not None else None
    signature = settings_comment(request.model, request.objective, request.dream)
    encode = EncodeSettings(live.codec)
    captures = Captures(shared, Path(live.folder), first, request.overwrite, encode, signature)
    with contextlib.closing(captures):
        yield captures.take


@contextlib.contextmanager
def virtual_camera_sink(fps: float | None, report: Report) -> Generator[FrameSink, None, None]:
    """A camera for other programs."""
    with open_virtual_camera(fps=fps or 30) as camera:
        report(f"other programs see this as the camera {camera.name}")

        def send(shown: ShownFrame, _: Controls) -> None:
            if camera.failed is not None:
                raise camera.failed
            camera.send(shown.frame.image)

        yield send


@contextlib.contextmanager
def page_sink(shared: SharedState, live: LiveSettings, report: Report) -> Generator[FrameSink, None, None]:
    """A page in the browser, which has its own numbers and help."""
    assert live.serve is not None
    with serve_page(shared, live.serve, page_password(live)) as url:
        report(f"open {url}")

        def show(shown: ShownFrame, controls: Controls) -> None:
            plain = replace(controls, overlay=False, help=False)
            shared.show(with_overlay(shown.frame.image, shown.camera, plain, shared.numbers))

        yield show


@contextlib.contextmanager
def window_sink(shared: SharedState) -> Generator[FrameSink, None, None]:
    """A window that opens with the first frame, at its size.

    Args:
        shared: holds the numbers to show; keys of the window are applied to it.
    """
    with contextlib.ExitStack() as stack:
        window: LiveWindow | None = None

        def show(shown: ShownFrame, controls: Controls) -> None:
            nonlocal window
            image = with_overlay(shown.frame.image, shown.camera, controls, shared.numbers)
            if window is None:
                window = stack.enter_context(open_window(image.shape[:2]))
            for key in window.show(image, controls.full_screen):
                shared.press(key)

        yield show


def check_capture_paths(live: LiveSettings, overwrite: bool) -> None:
    """Check that recordings and snapshots can be written, before anything is opened.

    Raises:
        OutputError: they cannot.
    """
    if not os.access(live.folder, os.W_OK | os.X_OK):
        raise OutputError(f"--folder {live.folder}: no such folder, or it is read-only")
    if live.record is not None:
        check_recording(Path(live.record), EncodeSettings(live.codec), overwrite)


def initial_controls(live: LiveSettings) -> Controls:
    """The controls that a live dream starts with."""
    return Controls(
        strength=live.strength,
        feedback=live.feedback,
        mirror=live.mirror,
        split=live.split,
        overlay=live.overlay,
        full_screen=live.full_screen,
        recording=live.record is not None,
    )
