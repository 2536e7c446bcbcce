"""The process of a live dream: python -m dreamvideo.studio.live_process, see `json_pipes`.

It is the dream of `dreamvideo live`, whose controls come from the parent and whose images go to it. It ends with the
parent, on the control `quit`, and when the camera ends.
"""

from __future__ import annotations

import contextlib
import logging
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator
from dataclasses import asdict, replace
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import DreamVideoError, first_line
from dreamvideo.jobs.guide import load_guide
from dreamvideo.live.app import FrameSink, LiveRequest, run_live_dream
from dreamvideo.live.cameras.browser_camera import BrowserCamera
from dreamvideo.live.controls import KEYS, Controls
from dreamvideo.live.loop import ShownFrame
from dreamvideo.live.named_controls import CONTROLS
from dreamvideo.live.outputs.overlay import with_overlay
from dreamvideo.live.shared_state import SharedState
from dreamvideo.live.web.jpegs import encode_jpeg
from dreamvideo.process import configure_process, responsive_threads
from dreamvideo.settings.live import CameraSettings, LiveSettings
from dreamvideo.studio.chosen_look import read_look, resolve_look
from dreamvideo.studio.film_folder import FilmFolder
from dreamvideo.studio.json_pipes import Message, ParentPipe

log = logging.getLogger("dreamvideo")

STATE_INTERVAL: Final = 0.25  # seconds between messages with the numbers
_STEP: Final = 0.2  # seconds after which the thread of the images looks whether the dream has ended

Send = Callable[[Message], None]


def run_live_process() -> None:
    """Run the live dream that the parent asks for; the last message is `ended` or `error`."""
    pipe = ParentPipe()
    log.addHandler(_Notes(pipe.send))
    spec = pipe.receive()
    if spec is None:
        return
    try:
        run_studio_live(spec, pipe.receive, pipe.send)
        pipe.send({"ended": True})
    except DreamVideoError as error:
        pipe.send({"error": first_line(error)})
    except Exception as error:
        log.exception("a live dream failed")
        pipe.send({"error": f"this failed unexpectedly: {first_line(error)}"})


class _Notes(logging.Handler):
    """Tells the page what a camera warns of."""

    def __init__(self, send: Send) -> None:
        super().__init__(logging.WARNING)
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        self._send({"note": record.getMessage()})


def run_studio_live(spec: Message, receive: Callable[[], Message | None], send: Send) -> None:
    """Dream what a camera sees until the parent or the camera ends it.

    Args:
        spec: `camera`: as for `live.cameras.camera.camera_frames`, None: the browser's; `look`; `root`: the folder, of
            recordings and snapshots, too.
        receive: waits for a message of the parent, see `follow_parent`; None: it has ended.
        send: gets messages for the page.

    Raises:
        DreamVideoError: of the camera, the look or the network.
    """
    look = read_look(spec["look"])
    parts = resolve_look(look, FilmFolder(Path(spec["root"])).find)
    browser = BrowserCamera() if spec["camera"] is None else None
    request = LiveRequest(
        spec["camera"] or "",
        CameraSettings(loop=True),
        LiveSettings(window=False, folder=spec["root"]),
        parts.model,
        parts.objective,
        parts.dream,
        load_guide(parts.objective.guide),
        look.preset,
    )

    @contextlib.contextmanager
    def page(shared: SharedState) -> Generator[FrameSink, None, None]:
        Thread(target=follow_parent, args=(receive, shared, browser), daemon=True).start()
        with contextlib.closing(PageImages(shared, send, browser)) as images:
            yield images.show

    configure_process(request.model)
    with responsive_threads(request.model) as prepare_ascent:
        camera = None if browser is None else browser.frames()
        run_live_dream(request, log.info, prepare_ascent, camera, [page])


def follow_parent(receive: Callable[[], Message | None], shared: SharedState, browser: BrowserCamera | None) -> None:
    """Do what the parent says until it ends, which ends the dream, too.

    Args:
        receive: returns messages: `press`: a key; `set`: name and value of a control; `frame` and `mark` of the
            browser's camera.
        shared: of the dream.
        browser: takes the frames.
    """
    while (message := receive()) is not None:
        try:
            if "press" in message:
                shared.press(message["press"])
            elif "set" in message:
                shared.set(*message["set"])
            elif browser is not None:
                browser.give(b64decode(message["frame"]), message["mark"])
        except DreamVideoError as error:
            shared.say(first_line(error))
    shared.press("q")


class PageImages:
    """Sends the newest image, and the numbers and controls now and then, in a thread that the dream never waits for.

    Args:
        shared: of the dream.
        send: gets `image`, a JPEG in base64, with the `mark` of its frame; and `state`.
        browser: whose frames bear marks; None: another camera.
    """

    def __init__(self, shared: SharedState, send: Send, browser: BrowserCamera | None) -> None:
        self._shared, self._send, self._browser = shared, send, browser
        self._changed = Condition()
        self._newest: tuple[NDArray[np.uint8], float | None] | None = None
        self._ended = Event()
        self._thread = Thread(target=self._run, name="page")
        self._thread.start()

    def show(self, shown: ShownFrame, controls: Controls) -> None:
        """Take a frame to be shown."""
        plain = replace(controls, overlay=False, help=False)
        numbers = replace(self._shared.numbers, message="")  # the page has its own line for it
        image = with_overlay(shown.frame.image, shown.camera, plain, numbers)
        mark = self._browser.mark(shown.frame.time) if self._browser is not None else None
        with self._changed:
            self._newest = image, mark
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        told = 0.0
        while not self._ended.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None, _STEP)
                newest, self._newest = self._newest, None
            if newest is not None:
                self._send({"image": b64encode(encode_jpeg(newest[0])).decode(), "mark": newest[1]})
            if time.monotonic() - told >= STATE_INTERVAL:
                told = time.monotonic()
                self._send({"state": state_of(self._shared)})


def state_of(shared: SharedState) -> dict[str, Any]:
    """Return the numbers and controls of a dream, and what can be chosen, as the page shows them."""
    menu = shared.menu
    return {
        "numbers": asdict(shared.numbers),
        "controls": asdict(shared.controls),
        "menu": {name: getattr(menu, name) for name in ("presets", "layers", "classes", "own")},
        "keys": [{"name": key.name, "switch": key.switch, "what": key.what} for key in KEYS.values()],
        "named": [asdict(control) for control in CONTROLS.values() if control.kind == "number"],
    }


if __name__ == "__main__":
    run_live_process()
