"""The error classes, a tree; each is also the built-in exception that it resembles.

    DreamVideoError
    ├── SourceError       (OSError)      an input is missing, unreadable, or holds no image
    ├── OutputError       (OSError)      an output exists, cannot be created, or the disk is full
    ├── SettingsError     (ValueError)   the value of an option is invalid
    ├── ModelError        (ValueError)   no such network or layer, or weights that do not fit it
    ├── WeightsError      (OSError)      weights could not be read or downloaded
    ├── DeviceError       (RuntimeError) the device does not exist, or lacks an operation that a dream needs
    ├── MemoryBudgetError (MemoryError)  an image does not fit into memory, even in tiles
    ├── ClusterError      (RuntimeError) a cluster cannot be reached, or its workers fail
    └── Cancelled                        the caller asked for the end, by should_stop or Ctrl-C

A message says what was got, what was expected, and what to type.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DreamVideoError(Exception):
    """Base class of all errors that a user can fix; the command line prints them as one line."""

    # OSError formats its own str() from errno; these classes always show their message.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class SourceError(DreamVideoError, OSError):
    """An input is missing, unreadable, or holds no image."""


class OutputError(DreamVideoError, OSError):
    """An output exists already, cannot be created, or the disk is full."""


class SettingsError(DreamVideoError, ValueError):
    """The value of an option is invalid."""


class ModelError(DreamVideoError, ValueError):
    """There is no such network or layer, or the weights do not fit it."""


class WeightsError(DreamVideoError, OSError):
    """Weights could not be read or downloaded."""


class DeviceError(DreamVideoError, RuntimeError):
    """The device does not exist, or lacks an operation that a dream needs."""


class MemoryBudgetError(DreamVideoError, MemoryError):
    """An image does not fit into memory, even in tiles."""


class ClusterError(DreamVideoError, RuntimeError):
    """A cluster cannot be reached, or its workers fail repeatedly."""


class Cancelled(DreamVideoError):
    """The call was cancelled by its `should_stop` or its observer; what is finished can be resumed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; nearest: NAME` for the end of an error message.

    Args:
        name: the unknown name.
        known: the names that exist.

    Returns:
        The suffix, or an empty string if no known name is similar.
    """
    matches = difflib.get_close_matches(name, list(known), 1, 0.4)
    return f"; nearest: {matches[0]}" if matches else ""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message.

    Args:
        error: any exception.

    Returns:
        The line, or the name of the exception's type if it has no message.
    """
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
