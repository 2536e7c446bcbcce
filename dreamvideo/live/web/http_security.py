"""Decides by their headers which requests the page of a live dream accepts.

Whoever sees the page may press its keys. A page for this machine only therefore answers to names of this machine
(another site could point its own name here: DNS rebinding), a page for other machines asks for a password, and neither
accepts requests from pages of other sites.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from email.message import Message
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

Headers = Message | Mapping[str, str]  # names of the latter in any case

MAX_BODY: Final = 256  # bytes; bodies that the page sends have about 20


class RequestRefused(Exception):
    """A request that is answered with a status and one line of text."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def check_host(headers: Headers, own: str) -> None:
    """Check that the request names this machine as its host.

    Args:
        headers: of the request.
        own: the name under which the page is served, besides localhost and loopback addresses.

    Raises:
        RequestRefused: it names another host.
    """
    with suppress(ValueError):
        name = urlsplit(f"//{headers.get('Host', '')}").hostname or ""
        if name in ("localhost", own.lower()) or ipaddress.ip_address(name).is_loopback:
            return
    raise RequestRefused(HTTPStatus.FORBIDDEN, "this page is for its own machine: open it as http://localhost")


def check_site(headers: Headers, page: bool) -> None:
    """Check that the request does not come from the page of another site.

    Args:
        headers: of the request.
        page: whether it asks for the page itself, to which other sites may link.

    Raises:
        RequestRefused: it does.
    """
    origin = headers.get("Origin")
    posted = origin is not None and origin.partition("://")[2] != headers.get("Host")
    embedded = not page and headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    if posted or embedded:
        raise RequestRefused(HTTPStatus.FORBIDDEN, "this is for the page's own requests, not for those of another site")


def is_authorized(headers: Headers, password: str) -> bool:
    """Whether the request carries the password, under any user name (HTTP Basic, RFC 7617).

    Args:
        headers: of the request.
        password: that is expected.
    """
    scheme, _, code = headers.get("Authorization", "").partition(" ")
    with suppress(ValueError):
        received = base64.b64decode(code).partition(b":")[2]
        return scheme.lower() == "basic" and hmac.compare_digest(received, os.fsencode(password))
    return False


def has_session(headers: Message, name: str, session: str) -> bool:
    """Whether the request carries the cookie `name` with the value `session`."""
    cookies = "; ".join(headers.get_all("Cookie", []))
    expected = f"{name}={session}".encode()
    return any(hmac.compare_digest(os.fsencode(cookie.strip()), expected) for cookie in cookies.split(";"))


def body_length(headers: Message) -> int:
    """Return the length in bytes of the JSON body.

    Raises:
        RequestRefused: the body is not JSON (a form of another site cannot send JSON), or is too long.
    """
    if headers.get_content_type() != "application/json":
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
    length = headers.get("Content-Length", "")
    if not re.fullmatch("[0-9]{1,9}", length) or int(length) > MAX_BODY:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, f"expected a body of at most {MAX_BODY} bytes")
    return int(length)


def json_entries(body: bytes, *names: str) -> dict[str, object]:
    """Return the values of `names` in the JSON object `body`, None for those that it lacks; integers as floats.

    Raises:
        RequestRefused: `body` is not a JSON object.
    """
    with suppress(ValueError):
        content = json.loads(body, parse_int=float)
        if isinstance(content, dict):
            return {name: content.get(name) for name in names}
    raise RequestRefused(HTTPStatus.BAD_REQUEST, f'expected JSON such as {{"{names[0]}": ...}}')


def content_security_policy(page: str) -> dict[str, str]:
    """Headers of every answer: the HTML `page` may use its own script and style, by hash, and no other host."""
    script, style = (_hashed(page, tag) for tag in ("script", "style"))
    return {
        "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
        f"script-src {script}; style-src {style}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def _hashed(page: str, tag: str) -> str:
    content = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
