"""Finds races between streams of a CUDA device that is not there, by vector clocks (as torch.cuda._sanitizer does).

Every operation has a number on its stream. What a stream has waited for, and what a thread has waited for, is known to
be over. Memory that is read before it is known to be written, or freed while another stream may still read it, is a
race: PyTorch's allocator gives freed memory to the stream that it was allocated on, at once.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from fake_cuda import NO_KERNEL, CudaTensor, FakeCuda, _name, _place, _tensors

Clock = Counter[int]  # stream -> number of its last operation that is known to be over


@dataclass
class Memory:
    """What is known of a tensor's memory."""

    owner: int  # stream that it was allocated on
    writer: tuple[int, int]  # stream and number of the last operation that wrote it
    place: str
    uses: Clock = field(default_factory=Counter)  # stream -> number of the last operation that used it


class StreamWatch:
    """Watches all operations on a device."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.clocks: dict[int, Clock] = {}
        self.over: Clock = Counter()
        self.memory: dict[int, Memory] = {}
        self.local = threading.local()
        self.races: set[str] = set()
        self.waits: list[tuple[str, Clock]] = []  # (thread, what was not over when it began to wait)
        self.streams = 0
        self.crossed = 0  # uses of memory on another stream than its own
        self.default = WatchedStream(self)

    def current(self) -> WatchedStream:
        """The present stream of this thread."""
        entered = getattr(self.local, "entered", [])
        return entered[-1] if entered else self.default

    @contextlib.contextmanager
    def enter(self, stream: WatchedStream) -> Iterator[None]:
        """What `torch.cuda.stream` does."""
        entered = self.local.__dict__.setdefault("entered", [])
        entered.append(stream)
        try:
            yield
        finally:
            entered.pop()

    def ran(self, func: Any, args: Any, result: Any, blocking: bool) -> None:
        """An operation was queued on the present stream."""
        name, stream = _name(func), self.current().number
        made = [each.held for each in _tensors((result,)) if isinstance(each, CudaTensor)]
        if func.is_view or name in NO_KERNEL:
            for held in made:
                self._add(held, Memory(stream, (stream, 0), _place()))
            return
        with self.lock:
            clock = self.clocks[stream]
            clock |= self.over
            clock[stream] += 1
            self.clocks[stream] = clock
            changed = args[0] if func._schema.is_mutable else None
            for tensor in _tensors(args):
                if isinstance(tensor, CudaTensor):
                    self._use(tensor, stream, clock, tensor is changed, name)
            for held in made:
                self._add(held, Memory(stream, (stream, clock[stream]), _place()))
            if blocking:
                self.over |= clock

    def _use(self, tensor: CudaTensor, stream: int, clock: Clock, changes: bool, name: str) -> None:
        memory = self.memory.get(tensor.held.untyped_storage()._cdata)
        if memory is None:
            return
        writer, number = memory.writer
        if clock[writer] < number:
            self.races.add(f"{name} at {_place()} may come before what is written at {memory.place}")
        if changes:
            if any(clock[other] < last for other, last in memory.uses.items()):
                self.races.add(f"{name} at {_place()} changes what may still be read")
            memory.writer = stream, clock[stream]
        memory.uses[stream] = clock[stream]
        self.crossed += stream != memory.owner

    def _add(self, held: torch.Tensor, memory: Memory) -> None:
        storage = held.untyped_storage()
        with self.lock:
            if storage._cdata not in self.memory:
                self.memory[storage._cdata] = memory
                weakref.finalize(storage, self._freed, storage._cdata)

    def _freed(self, key: int) -> None:
        with self.lock:
            memory = self.memory.pop(key)
            known = self.clocks[memory.owner] | self.over
            if any(known[other] < last for other, last in memory.uses.items() if other != memory.owner):
                self.races.add(f"what is made at {memory.place} is freed while another stream may read it")


class WatchedStream:
    """In place of `torch.cuda.Stream`."""

    def __init__(self, watch: StreamWatch) -> None:
        self.watch, self.number = watch, watch.streams
        watch.streams += 1
        watch.clocks[self.number] = Counter()

    def wait_stream(self, other: WatchedStream) -> None:
        """What is queued from now on waits for what is queued there."""
        with self.watch.lock:
            self.watch.clocks[self.number] |= self.watch.clocks[other.number]

    def wait_event(self, event: WatchedEvent) -> None:
        """What is queued from now on waits for an event."""
        with self.watch.lock:
            self.watch.clocks[self.number] |= event.clock


class WatchedEvent:
    """In place of `torch.cuda.Event`."""

    def __init__(self, watch: StreamWatch) -> None:
        self.watch, self.clock = watch, Counter[int]()

    def record(self, stream: WatchedStream) -> None:
        """It happens when all that is queued there is over."""
        with self.watch.lock:
            self.clock = Counter(self.watch.clocks[stream.number])

    def synchronize(self) -> None:
        """Wait for it."""
        with self.watch.lock:
            self.watch.waits.append((threading.current_thread().name, self.clock - self.watch.over))
            self.watch.over |= self.clock


@contextlib.contextmanager
def watched_streams(device: FakeCuda) -> Iterator[StreamWatch]:
    """Watch a `fake_cuda` device inside the block."""
    watch = StreamWatch()
    run = FakeCuda.run

    def watched(self: FakeCuda, func: Any, args: Any, kwargs: Any) -> Any:
        result = run(self, func, args, kwargs)
        tensors = _tensors((*args, *kwargs.values(), result))
        if any(isinstance(each, CudaTensor) for each in tensors):
            crossings = self.record.crossings
            crosses = _name(func) in ("_to_copy", "copy_") and not all(isinstance(each, CudaTensor) for each in tensors)
            watch.ran(func, args, result, crosses and bool(crossings) and crossings[-1].blocking)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeCuda, "run", watched)
        patch.setattr(torch.cuda, "Stream", lambda *args, **kwargs: WatchedStream(watch))
        patch.setattr(torch.cuda, "Event", lambda *args, **kwargs: WatchedEvent(watch))
        patch.setattr(torch.cuda, "current_stream", lambda *args: watch.current())
        patch.setattr(torch.cuda, "default_stream", lambda *args: watch.default)
        patch.setattr(torch.cuda, "stream", watch.enter)
        yield watch
