"""What can go wrong, as a tree; each error is also the builtin that it resembles.

    DreamVideoError
    ├── SourceError    (OSError)      an input is missing, unreadable, or holds no picture
    ├── OutputError    (OSError)      an output exists, cannot be created, or the disk is full
    ├── SettingsError  (ValueError)   an option's value makes no sense
    ├── ModelError     (ValueError)   no such network or layer, or weights that do not fit it
    ├── WeightsError   (OSError)      weights could not be read or downloaded
    ├── DeviceError    (RuntimeError) the device asked for is not there, or cannot do what a dream needs
    ├── RoomError      (MemoryError)  a picture does not fit into memory, even in tiles
    └── ClusterError   (RuntimeError) a cluster cannot be reached, or its workers fail

A message says what was got, what was expected, and what to type.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DreamVideoError(Exception):
    """Anything a user can mend; the command line prints it as one line."""

    # OSError formats its own str() from errno; ours is always the message.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class SourceError(DreamVideoError, OSError):
    """An input is missing, unreadable, or holds no picture."""


class OutputError(DreamVideoError, OSError):
    """An output exists already, cannot be created, or the disk is full."""


class SettingsError(DreamVideoError, ValueError):
    """An option's value makes no sense."""


class ModelError(DreamVideoError, ValueError):
    """No such network or layer, or weights that do not fit it."""


class WeightsError(DreamVideoError, OSError):
    """Weights could not be read or downloaded."""


class DeviceError(DreamVideoError, RuntimeError):
    """The device asked for is not there, or cannot do what a dream needs."""


class MemoryBudgetError(DreamVideoError, MemoryError):
    """A picture does not fit into memory, even in tiles."""


class ClusterError(DreamVideoError, RuntimeError):
    """A cluster cannot be reached, or its workers fail again and again."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; nearest: NAME` for the end of a message that something is not `known`; empty where nothing is near."""
    found = difflib.get_close_matches(name, list(known), 1, 0.4)
    return f"; nearest: {found[0]}" if found else ""


def first_line(error: BaseException) -> str:
    """What `error` says, in one line; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
