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
import unicodedata
from collections.abc import Iterable
from typing import Final

# Control characters, which terminals obey; format characters, some of which reverse what is shown; surrogates, which
# stand for bytes of a file name that are not UTF-8 and cannot be printed; breaks of lines and paragraphs.
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS: Final = "\u200c\u200d"  # of emoji, and of letters in Persian and Indian scripts


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


def printable(text: str, keep: str = "") -> str:
    """Escape the characters of a text that a terminal would not show but act on, as `\\u001b`.

    Names, tags and comments of files may hold any: some change the title or the colors of a terminal, delete what was
    printed before, or type commands into it.

    Args:
        text: what is to be printed.
        keep: characters that are not escaped, such as a line break.

    Returns:
        The text; inside a JSON string it means the same.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(each) if _is_unprintable(each) and each not in keep else each for each in text)


def _is_unprintable(character: str) -> bool:
    return unicodedata.category(character) in _UNPRINTABLE and character not in _JOINERS


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
