"""Addresses of files elsewhere, such as s3://bucket/film.mp4; what is secret in them stays out of all that is shown.

A password before the host, and what follows a question mark, where signatures are, are kept by this module alone. All
else, such as paths, settings, messages and metadata, holds an address without them; who opens it asks for the whole.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from dreamvideo.errors import SettingsError, printable

_PROTOCOL: Final = r"[A-Za-z][A-Za-z0-9+.-]+://"  # two letters or more: C:// is a drive
_ADDRESS: Final = re.compile(rf"(?P<protocol>{_PROTOCOL})(?P<user>[^/]*@)?(?P<rest>[^?]*)(?P<query>\?.*)?", re.DOTALL)
_IN_TEXT: Final = re.compile(rf"({_PROTOCOL})([^\s/'\"]*@)?([^\s?'\"]*)(\?[^\s'\"]*)?")

_whole: dict[str, str] = {}  # address as it is shown -> as it was typed


def is_address(text: str) -> bool:
    """Return whether a text is an address, such as https://host/film.mp4, and not a path.

    Args:
        text: as typed.
    """
    return _ADDRESS.match(text) is not None


def plain_address(text: str) -> str:
    """Return what may be shown of an address; the rest is remembered for `whole_address`.

    Args:
        text: as typed; a path is returned as it is.

    Returns:
        The address without user, password and query, its slashes single.

    Raises:
        SettingsError: it is one of those that chain protocols.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return text
    if "::" in match["rest"]:
        raise SettingsError(f"{without_secrets(text)}: expected one protocol, got a chain")
    rest = str(PurePosixPath(match["rest"].lstrip("/") or "/")).lstrip("/")
    shown = match["protocol"].lower() + rest
    if text != shown:  # a newer signature replaces an older one
        _whole[shown] = text
    return shown


def whole_address(shown: str) -> str:
    """Return an address as it was typed, to be opened and never to be shown.

    Args:
        shown: as `plain_address` returned it.
    """
    return _whole.get(shown, shown)


def without_secrets(text: str) -> str:
    """Return a text, such as a message, without users, passwords and queries of the addresses in it.

    Args:
        text: any.
    """
    return _IN_TEXT.sub(r"\1\3", text) if "://" in text else text


def public_text(text: str) -> str:
    """Return a text as it may be printed: without what is secret, and without characters that a terminal acts on.

    Args:
        text: any.
    """
    return printable(without_secrets(text))
