"""Ctrl-C and SIGTERM while a job runs: the first asks for an end after the frame under way, the second is one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def cancel_on_signals(tell: Callable[[], None], code: int) -> Generator[Callable[[], bool], None, None]:
    """Inside the block, whether an end was asked for; the first time `tell` is called, the second time it is the end.

    That is with exit code `code` and without another word: threads may be in the midst of a frame, and what has to
    survive is on the disk. In a thread that is not the main one signals are left as they are.
    """
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(code)
        asked = True
        tell()

    if threading.current_thread() is not threading.main_thread():
        yield lambda: asked
        return
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield lambda: asked
    finally:
        if not asked:  # else the program ends, and the next signal still means at once
            for number, old in before.items():
                signal.signal(number, old)
