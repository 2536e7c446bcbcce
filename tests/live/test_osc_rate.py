"""How fast a live window is while OSC floods it: `pytest -n 0 -m bench -s tests/live/test_osc_rate.py`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from threading import Thread
from typing import Any

import pytest
from test_window import display as display
from test_window import needs_display, still_clip

from dreamvideo.live import app
from dreamvideo.live.app import LiveRequest, run_live_dream
from dreamvideo.live.remote.osc_server import OscCounts, serve_osc
from dreamvideo.live.shared_state import LiveNumbers, SharedState
from dreamvideo.process import responsive_threads
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.live import CameraSettings, LiveSettings, StageSettings
from dreamvideo.settings.parsers import Address

SECONDS = 10.0
SETTLING = 4.0  # seconds before it is measured
RATE = 1000  # messages a second; every fiftieth is malformed

# A process of its own, as any that sends: the port, the rate and the seconds are its arguments.
SENDER = """
import socket, sys, time
from pythonosc.osc_message_builder import OscMessageBuilder
port, rate, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
start, sent, malformed = time.monotonic(), 0, 0
while (passed := time.monotonic() - start) < seconds:
    while sent < passed * rate:
        message = OscMessageBuilder("/dreamvideo/" + ("amount", "persistence", "anchor")[sent % 3])
        message.add_arg((0.8 + 0.2 * (sent % 100) / 100, 1.0, 0.05)[sent % 3])
        packet = message.build().dgram
        if sent % 50 == 49:
            packet, malformed = b"noise" + packet, malformed + 1
        sender.sendto(packet, ("127.0.0.1", port))
        sent += 1
    time.sleep(0.002)
print(sent, malformed)
"""


def measured(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rate: int
) -> tuple[list[LiveNumbers], OscCounts, list[int]]:
    """Numbers of a live window, what OSC counted, and (messages, malformed ones) that were sent."""
    states: list[SharedState] = []
    counts: list[tuple[Address, OscCounts]] = []
    numbers: list[LiveNumbers] = []
    sent = [0, 0]

    class Watched(SharedState):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            states.append(self)

    served = serve_osc

    def watched_osc(*args: Any) -> Any:
        remote = served(*args)
        entered = remote.__enter__

        def enter() -> Any:
            counts.append(entered())
            return counts[0]

        return Opened(enter, remote.__exit__)

    monkeypatch.setattr(app, "SharedState", Watched)
    monkeypatch.setattr(app, "serve_osc", watched_osc)

    def watch() -> None:
        while not states or not states[0].numbers.steps_per_second:
            time.sleep(0.1)
        time.sleep(SETTLING)
        words = [sys.executable, "-c", SENDER, str(counts[0][0].port), str(rate), str(SECONDS)]
        sender = subprocess.Popen(words, stdout=subprocess.PIPE, text=True) if rate else None
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(0.25)
            numbers.append(states[0].numbers)
        if sender is not None:
            sent[:] = map(int, sender.communicate()[0].split())
        time.sleep(0.5)
        states[0].press("q")

    thread = Thread(target=watch)
    thread.start()
    request = LiveRequest(
        str(still_clip(folder)),
        CameraSettings(loop=True),
        LiveSettings(dream_size=120, folder=str(folder)),
        ModelSettings(model="dreamnet", device="cpu"),
        ObjectiveSettings(),
        DreamSettings(),
        stage=StageSettings(osc=Address("127.0.0.1", 0)),
    )
    with responsive_threads(request.model) as prepare:
        run_live_dream(request, lambda line: None, prepare)
    thread.join()
    return numbers, counts[0][1], sent


class Opened:
    """A context manager of two functions."""

    def __init__(self, enter: Callable[[], Any], leave: Callable[..., Any]) -> None:
        self._enter, self._leave = enter, leave

    def __enter__(self) -> Any:
        return self._enter()

    def __exit__(self, *error: Any) -> Any:
        return self._leave(*error)


@pytest.mark.bench
@needs_display
@pytest.mark.usefixtures("display")
def test_a_flood_of_osc_does_not_stall_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for turn in range(4):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with monkeypatch.context() as patch:
            numbers, counts, sent = measured(folder, patch, RATE * (turn % 2))
        print(
            f"\n{sent[0] / SECONDS:.0f} messages/s: shown {fmean(each.shown_fps for each in numbers):.1f} fps, "
            f"{fmean(each.steps_per_second for each in numbers):.1f} steps/s, "
            f"latency {fmean(each.latency_ms for each in numbers):.0f} ms; taken {counts.messages}, "
            f"malformed {counts.malformed} of {sent[1]}, refused {counts.refused}"
        )
        assert counts.malformed <= sent[1] and counts.refused == 0
        assert counts.messages + counts.malformed >= 0.9 * sent[0]
