"""The stream of CUDA that a dream has: the default one is left to decoders and encoders, which work on no other.

On one stream with the dream, a frame that is decoded would come after all that the dream has queued before it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import cache
from typing import TypeVar

import torch

T = TypeVar("T")


def on_own_stream(items: Generator[T, None, None], device: torch.device) -> Generator[T, None, None]:
    """Pass items on; on CUDA, what makes them is queued on the stream of dreams.

    Args:
        items: closed with the generator returned.
        device: of the dream.
    """
    stream = dream_stream(device) if device.type == "cuda" else None
    with closing(items):
        while True:
            with torch.cuda.stream(stream):  # None: no other than before
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item
            del item


@cache
def dream_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream of the dreams of a device: one for all, so that what one has left is there for the next."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
