"""A thread between two stages: `prefetch` runs the upstream ahead of its consumer and keeps every item."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import closing
from queue import Empty, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)


class _End:
    """The last thing in the queue: why the upstream ended."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetch(frames: Generator[T, None, None], depth: int = 4) -> Generator[T, None, None]:
    """The same items in the same order, made in a thread that runs up to `depth` items ahead.

    What the upstream raises is raised here, after the items before it. Closing this generator closes `frames`, in the
    thread that ran it, and returns when that thread has ended: after the item that it is working on.

    Raises:
        ValueError: `depth` is less than 1.
    """
    if depth < 1:
        raise ValueError(f"depth {depth}: expected at least 1")
    stream = _prefetch(frames, depth)
    next(stream)  # past its first yield, so that close() reaches the thread even if nothing is ever pulled
    return stream  # type: ignore[return-value]


def _prefetch(frames: Generator[T, None, None], depth: int) -> Generator[T | None, None, None]:
    queue: Queue[T | _End] = Queue(depth)
    stop = Event()

    def work() -> None:
        end = _End(None)
        try:
            with closing(frames):
                for item in frames:
                    queue.put(item)
                    del item  # else one more frame stays in memory while the next is made
                    if stop.is_set():
                        break
        except BaseException as error:
            end.error = error
        if not stop.is_set():
            queue.put(end)
        elif end.error is not None:
            log.debug("the upstream failed while it was closed", exc_info=end.error)

    thread = Thread(target=work, name=f"prefetch-{getattr(frames, '__name__', 'frames')}", daemon=True)
    thread.start()
    try:
        yield None
        while True:
            try:
                item = queue.get(timeout=1)  # not for ever: on Windows that would hold back Ctrl-C
            except Empty:
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
            del item
    finally:
        stop.set()
        # The thread may wait for room: what it puts after this it puts once, and there is room for that.
        while True:
            try:
                queue.get_nowait()
            except Empty:
                break
        thread.join()
