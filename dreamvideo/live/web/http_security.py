"""Which requests the page of a live dream takes, decided by their headers alone.

Who may see the page may press its keys. So a page for this machine alone answers to this machine's own names, else any
site could lead its own name here (DNS rebinding); a page for others asks for a password; and neither takes anything
from the pages of other sites.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import re
from contextlib import suppress
from email.message import Message
from http import HTTPStatus
from urllib.parse import urlsplit

MAX_BODY = 256  # bytes of a body; those of the page have about 20


class RequestRefused(Exception):
    """A request that is answered by a status and one line."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        self.status = status
        self.why = why


def check_host(headers: Message, own: str) -> None:
    """Raise Refused unless the request names its host `own` or as only this machine can be named."""
    with suppress(ValueError):
        name = urlsplit(f"//{headers.get('Host', '')}").hostname or ""
        if name in ("localhost", own.lower()) or ipaddress.ip_address(name).is_loopback:
            return
    raise RequestRefused(HTTPStatus.FORBIDDEN, "this page is for its own machine: open it as http://localhost")


def check_site(headers: Message, page: bool) -> None:
    """Raise Refused where another site sends the request; `page`: it asks for the page, to which anyone may link."""
    origin = headers.get("Origin")
    posted = origin is not None and origin.partition("://")[2] != headers.get("Host")
    embedded = not page and headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    if posted or embedded:
        raise RequestRefused(HTTPStatus.FORBIDDEN, "this is for the page's own requests, not for those of another site")


def is_authorized(headers: Message, password: str) -> bool:
    """Whether the request carries `password`, under any user name (HTTP Basic, RFC 7617)."""
    scheme, _, code = headers.get("Authorization", "").partition(" ")
    with suppress(ValueError):
        given = base64.b64decode(code).partition(b":")[2]
        return scheme.lower() == "basic" and hmac.compare_digest(given, os.fsencode(password))
    return False


def body_length(headers: Message) -> int:
    """Bytes of JSON that follow the headers.

    Raises:
        Refused: it is something else, which a form of another site can send, or too much.
    """
    if headers.get_content_type() != "application/json":
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
    length = headers.get("Content-Length", "")
    if not re.fullmatch("[0-9]{1,9}", length) or int(length) > MAX_BODY:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, f"expected a body of at most {MAX_BODY} bytes")
    return int(length)


def entry(body: bytes, name: str) -> object:
    """What the object of JSON in `body` holds under `name`, or None; integers as floats.

    Raises:
        Refused: there is no such object.
    """
    with suppress(ValueError):
        found = json.loads(body, parse_int=float)
        if isinstance(found, dict):
            return found.get(name)
    raise RequestRefused(HTTPStatus.BAD_REQUEST, f'expected JSON such as {{"{name}": ...}}')


def content_security_policy(page: str) -> dict[str, str]:
    """Headers of every answer: `page` runs the one script and the one style that it holds, and reaches nobody else."""
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
