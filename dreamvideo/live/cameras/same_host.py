"""Opens a stream on the network without letting it lead elsewhere, by a redirection or by a playlist.

Otherwise the server of a stream could have this computer open any address, also of devices in its own network, and show
what they answer.
"""

from __future__ import annotations

import base64
import errno
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import av

_LISTS: Final = frozenset({"hls", "dash", "concat", "imf", "sdp", "rtsp", "ffmetadata"})  # formats that name addresses
_MOST_REDIRECTIONS: Final = 5


def open_stream(
    url: str, follow: bool, options: dict[str, str], timeout: tuple[float, float]
) -> av.container.InputContainer:
    """Open a stream.

    Args:
        url: its address.
        follow: it may lead to other hosts.
        options: of libav.
        timeout: seconds for opening, and for each read.

    Raises:
        av.error.FFmpegError, ValueError: it cannot be opened, or leads to another host.
    """
    if follow or not url.lower().startswith(("http://", "https://")):
        return _open(url, timeout, options)
    plain = ",".join(sorted(av.formats_available - _LISTS))
    for _ in range(_MOST_REDIRECTIONS):
        try:
            return _open(url, timeout, {**options, "max_redirects": "0", "format_whitelist": plain})
        except (av.error.FFmpegError, ValueError) as error:
            number = getattr(error, "errno", None)
            if number == errno.EINVAL:  # a format that is not on the list
                raise _refusal("it is a playlist, which may lead to other hosts: --follow opens it") from None
            if number != errno.EIO or (target := _redirection(url, timeout[0])) is None:
                raise
            host = urlsplit(target).hostname
            if host != urlsplit(url).hostname or not target.startswith(("http://", "https://")):
                raise _refusal(f"it leads to another host, {host}: give that address, or --follow") from None
            url = target
    raise _refusal("it redirects again and again")


def _refusal(reason: str) -> av.error.FFmpegError:
    return av.error.PermissionError(errno.EPERM, reason)


def _open(url: str, timeout: tuple[float, float], options: dict[str, str]) -> av.container.InputContainer:
    # Two timeouts: a single number would count for opening only.
    return av.open(url, options=dict(options), timeout=timeout, metadata_errors="replace")


class _NoRedirection(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _redirection(url: str, timeout: float) -> str | None:
    """Return where an address redirects to, with the user and password of the address; None: nowhere."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    request = Request(parts._replace(netloc=host).geturl())
    if at:
        request.add_header("Authorization", f"Basic {base64.b64encode(unquote(user).encode()).decode()}")
    try:
        with build_opener(_NoRedirection).open(request, None, timeout):
            return None
    except HTTPError as error:
        place = error.headers.get("Location") if 300 <= error.code < 400 else None
        if place is None:
            return None
        target = urlsplit(urljoin(request.full_url, place))
        return target._replace(netloc=f"{user}{at}{target.netloc.rpartition('@')[2]}").geturl()
    except (OSError, ValueError):
        return None
