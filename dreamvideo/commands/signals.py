"""Ctrl-C and SIGTERM: the first asks a running job to stop after its frame, the second ends the process. SIGHUP: none.

Signal handlers belong to the process, so only the command installs them. The library is cancelled by `should_stop`.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

# SIGBREAK: on Windows Ctrl-Break, and a console that is closed.
SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGBREAK")


def stopping_signals() -> list[signal.Signals]:
    """Return those of `SIGNALS` that this system has."""
    return [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]


def interrupt_on_sigterm() -> None:
    """Let SIGTERM raise KeyboardInterrupt as SIGINT does, so that files are closed and temporary ones removed."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def outlive_terminal() -> Generator[None, None, None]:
    """Ignore SIGHUP inside the block, so that a terminal that is closed, or a lost connection, ends no batch."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def cancel_on_signals(on_request: Callable[[], None], code: int) -> Generator[Callable[[], bool], None, None]:
    """Handle `SIGNALS` inside the block.

    The second signal ends the process at once: threads may be in the middle of a frame, and what has to survive is
    on the disk. In a thread other than the main one signals cannot be handled, and are left as they are.

    Args:
        on_request: called at the first signal, in the main thread.
        code: the exit code at the second signal.

    Returns:
        A function that is True after the first signal.
    """
    requested = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            os._exit(code)
        requested = True
        on_request()

    if threading.current_thread() is not threading.main_thread():
        yield lambda: requested
        return
    before = {number: signal.signal(number, handle) for number in stopping_signals()}
    try:
        yield lambda: requested
    finally:
        # After a request the process is about to end, and the next signal must still end it at once.
        if not requested:
            for number, old in before.items():
                signal.signal(number, old)
