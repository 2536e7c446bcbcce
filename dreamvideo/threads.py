"""A thread between two stages: `prefetch` runs ahead and keeps every item, `latest` keeps the newest. Cores for all."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

from dreamvideo.frames import as_generator

T = TypeVar("T")
log = logging.getLogger(__name__)

# Seconds that closing `latest` waits for its thread: a camera may hang in a read forever. By eye.
_PATIENCE = 1.0


class _End:
    """The last item of the queue: why the generator ended."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


@dataclass(frozen=True, slots=True)
class Latest(Generic[T]):
    """What `latest` yields."""

    item: T | None  # None: nothing new in time
    dropped: int  # items since the beginning that newer ones replaced


def usable_cores() -> int:
    """Return how many cores this process may run on: fewer than there are in a container, or where it is pinned.

    More threads than that would wait for each other: OpenMP's in a convolution until the last of them had its turn.
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prefetch(frames: Iterable[T], depth: int = 4) -> Generator[T, None, None]:
    """Run a generator ahead in a thread of its own, and yield the same items in the same order.

    What it raises is raised here, after the items before. Closing this generator closes it, in its thread, and returns
    when that thread has ended: after the item that it is working on.

    Args:
        frames: runs in the thread. Several of its items are in memory at once, so they must not share a buffer.
        depth: items that may wait, at least 1.

    Raises:
        ValueError: `depth` is less than 1.
    """
    if depth < 1:
        raise ValueError(f"depth {depth}: expected at least 1")
    stream = _prefetch(as_generator(frames), depth)
    next(stream)  # past its first yield, so that close() reaches the thread even if nothing is ever pulled
    return stream  # type: ignore[return-value]


def latest(frames: Generator[T | None, None, None], timeout: float) -> Generator[Latest[T], None, None]:
    """Run a generator in a thread of its own that never waits for its consumer, and yield its newest item each time.

    What it raises is raised here, after the last item. Closing this generator closes it, in its thread, and waits for
    that about a second at most: a thread that hangs is left alone.

    Args:
        frames: runs in the thread; may yield None, which is ignored but lets it be closed while it has nothing new.
        timeout: seconds after which an item of None is yielded if nothing new came, so that the consumer goes on while
            a camera stalls; above 0.

    Raises:
        ValueError: `timeout` is not above 0.
    """
    if not timeout > 0:
        raise ValueError(f"timeout {timeout}: expected more than 0 seconds")
    stream = _latest(frames, timeout)
    next(stream)  # as in prefetch
    return stream  # type: ignore[return-value]


def _prefetch(frames: Generator[T, None, None], depth: int) -> Generator[T | None, None, None]:
    queue: Queue[T | _End] = Queue(depth)
    stop = Event()
    thread = _started("prefetch", frames, queue.put, stop)
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
        _empty(queue)
        thread.join()


def _latest(frames: Generator[T | None, None, None], timeout: float) -> Generator[Latest[T] | None, None, None]:
    queue: Queue[T | _End] = Queue(1)
    stop = Event()
    dropped = 0

    def put(item: T | None | _End) -> None:
        nonlocal dropped
        if item is None:
            return
        if not isinstance(item, _End):  # the end waits until the last item is taken
            with suppress(Empty):
                queue.get_nowait()
                dropped += 1
        queue.put(item)

    thread = _started("latest", frames, put, stop)
    try:
        yield None
        while True:
            try:
                item = queue.get(timeout=timeout)
            except Empty:
                yield Latest(None, dropped)
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield Latest(item, dropped)
            del item
    finally:
        stop.set()
        _empty(queue)
        thread.join(_PATIENCE)
        if thread.is_alive():
            log.debug("%s does not end and is left alone", thread.name)


def _started(name: str, frames: Generator[T, None, None], put: Callable[[T | _End], None], stop: Event) -> Thread:
    """A thread that puts every item of `frames`, then its end, until `stop` is set; it closes `frames`."""

    def work() -> None:
        end = _End(None)
        try:
            with closing(frames):
                for item in frames:
                    put(item)
                    del item  # else one more frame stays in memory while the next is made
                    if stop.is_set():
                        break
        except BaseException as error:
            end.error = error
        if not stop.is_set():
            put(end)
        elif end.error is not None:
            log.debug("the upstream failed while it was closed", exc_info=end.error)

    thread = Thread(target=work, name=f"{name}-{getattr(frames, '__name__', 'frames')}", daemon=True)
    thread.start()
    return thread


def _empty(queue: Queue[T]) -> None:
    # The thread may wait for room: what it puts after stop is set it puts once, and there is room for that.
    with suppress(Empty):
        while True:
            queue.get_nowait()
