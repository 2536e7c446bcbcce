"""Cuts a stream of samples into overlapping windows, each centered on a time of the curves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dreamvideo.media.mono_sound import SOUND_RATE, Samples

CURVE_RATE: Final = 100  # values of a curve per second, as in the literature on onsets; a frame of video lasts longer
HOP: Final = SOUND_RATE // CURVE_RATE  # samples

_BLOCK: Final = 512 * HOP  # samples that are worked on at once: 5 s, whose spectra take 10 MB


def equal_blocks(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Cut a stream of samples anew, so that its curves are the same to the last bit, however it was decoded.

    Args:
        blocks: (n,) samples, arrays of any length.

    Yields:
        Arrays of `_BLOCK` samples; the last one is shorter.
    """
    held: list[Samples] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        while count >= _BLOCK:
            whole = np.concatenate(held)
            yield whole[:_BLOCK]
            held, count = [whole[_BLOCK:]], count - _BLOCK
    if count:
        yield np.concatenate(held)


class WindowCutter:
    """Cuts samples that arrive in blocks into windows; window k is centered on sample k * `HOP`.

    Before the first sample and after the last there is silence. n samples have n // `HOP` + 1 windows, whatever their
    size.
    """

    def __init__(self, size: int) -> None:
        """Begin a stream.

        Args:
            size: samples in a window, an even number of at least `HOP`.
        """
        self._size = size
        self._waiting: Samples = np.zeros(size // 2, np.float32)

    def cut(self, block: Samples | None) -> Samples:
        """Add samples to the stream.

        Args:
            block: (n,) the next samples; None: there are no more.

        Returns:
            (windows, size), those that are complete now.
        """
        more = np.zeros(self._size // 2, np.float32) if block is None else block
        samples = np.concatenate([self._waiting, more])
        count = max(0, (len(samples) - self._size) // HOP + 1)
        self._waiting = samples[count * HOP :]
        if not count:
            return np.empty((0, self._size), np.float32)
        return sliding_window_view(samples, self._size)[::HOP][:count]
