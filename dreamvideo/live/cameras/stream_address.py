"""The address of a stream: checked before anything is opened, and without what is secret as it is shown."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from dreamvideo.errors import SourceError, did_you_mean

SCHEMES: Final = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "udp", "srt")
_LISTEN: Final = ("udp", "srt")  # whose host may be left out: the stream is sent here


def stream_address(text: str) -> tuple[str, str]:
    """Return the address of a stream, and what may be shown of it.

    Args:
        text: as typed, with user and password if the camera needs them.

    Returns:
        The address to open; the same without user, password and query, where passwords and keys are, too.

    Raises:
        SourceError: no stream can have it; what could be a password is not told.
    """
    typed, _, rest = text.partition("://")
    scheme = typed.lower()
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        complete = bool(parts.hostname or scheme in _LISTEN) and (parts.port is None or parts.port > 0)
    except ValueError:
        complete = False
    name = f"{scheme}://" + (f"{parts.netloc.rpartition('@')[2]}{parts.path}" if complete else "...")
    if scheme not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise SourceError(f"{name}: no such protocol{did_you_mean(scheme, SCHEMES)}; expected one of {known}")
    if not complete:
        raise SourceError(
            f"{name}: expected HOST or HOST:PORT, then a path; a user or password has / written as %2F, ? as %3F, "
            "# as %23 and @ as %40"
        )
    return f"{scheme}://{rest}", name
