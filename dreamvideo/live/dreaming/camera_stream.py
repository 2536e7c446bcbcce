"""The device of a live dream while two threads use it: the camera's, which moves and shows, and the ascent's.

What is queued on one stream of CUDA runs in the order in which it was queued. On a common one each image would wait for
the ascents before it, however long they are. So the camera's thread has a stream of its own, of high priority: its
kernels run before what is left of those of the ascent, which stays on the default stream.

Tensors that one thread makes and the other reads:

- A dream that is offered. The ascent begins when the stream of the camera has come to an event that was recorded after
  the dream (`CameraStream.mark`). The dream is held by its task until the device has ended the ascent.
- What an ascent adds. It is handed over when the device has ended the ascent (`after_event` waits), and is held until
  the image that it went into has arrived from the device.

So no memory is used again, or read, too early. `Tensor.record_stream` would see to the first as well, but after a
recording that failed some versions of torch never free what went through it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import torch

from dreamvideo.devices import is_out_of_memory
from dreamvideo.errors import MemoryBudgetError
from dreamvideo.kernels.graph_capture import while_nothing_is_recorded

T = TypeVar("T")

HIGH_PRIORITY = -1  # the highest that PyTorch has streams of


class CameraStream:
    """What the thread of the camera computes on: a stream of its own on CUDA, else nothing in particular."""

    def __init__(self, device: torch.device) -> None:
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device, priority=HIGH_PRIORITY)  # type: ignore[no-untyped-call]

    def run(self, work: Callable[..., T], *args: Any) -> T:
        """Do some work on the stream; where memory runs out, once more without what PyTorch has kept for later.

        Args:
            work: queues it; done twice it is as if done once.
            args: of `work`.

        Returns:
            What `work` returns.

        Raises:
            MemoryBudgetError: there is no memory for it on the device.
        """
        if self._stream is None:
            return work(*args)
        with torch.cuda.stream(self._stream):
            for _ in range(2):
                try:
                    return work(*args)
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                # Outside of the except clause: the error's traceback kept the tensors alive. Recordings are left alone:
                # the other thread may be replaying one.
                with while_nothing_is_recorded():
                    torch.cuda.empty_cache()
        raise MemoryBudgetError("got no memory to move a dream: expected a smaller --dream-size, or --device cpu")

    def mark(self) -> torch.cuda.Event | None:
        """Return an event that happens when all that was queued on the stream is done; None: it is done."""
        if self._stream is None:
            return None
        event = torch.cuda.Event()
        event.record(self._stream)
        return event


@contextlib.contextmanager
def after_event(event: torch.cuda.Event | None, device: torch.device) -> Generator[None, None, None]:
    """Queue work on a device after an event, and wait at the end of the block until the device has done it.

    Args:
        event: of another stream; None: nothing has to be waited for.
        device: on whose present stream the work is queued.
    """
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.current_stream(device)
    if event is not None:
        stream.wait_event(event)
    try:
        yield
    finally:
        done = torch.cuda.Event(blocking=True)  # the thread sleeps, instead of keeping a core busy
        done.record(stream)
        done.synchronize()
