"""Reads what a request of the page holds: JSON within limits of size and time, and numbers of its query."""

from __future__ import annotations

import asyncio
import json
import math
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request

from dreamvideo.errors import SettingsError
from dreamvideo.live.web.http_security import RequestRefused

MOST_BODY: Final = 64 << 10  # bytes of JSON; a look has some hundred
BODY_SECONDS: Final = 10.0  # for it to arrive


async def json_body(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request holds.

    Args:
        request: of the page.

    Raises:
        RequestRefused: it holds something else, or too much; a form of another site cannot send JSON.
    """
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
    body = await limited_body(request, MOST_BODY)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "expected a JSON object")
    return content


async def limited_body(request: Request, most: int) -> bytes:
    """Return the body of a request.

    Args:
        request: of the page.
        most: bytes.

    Raises:
        RequestRefused: it is longer, or does not arrive in time.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {most} bytes")
    except TimeoutError:
        raise RequestRefused(HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time") from None
    return bytes(body)


def whole_number(request: Request, name: str, least: int, most: int = 10**12) -> int:
    """Return a number in the query of a request.

    Args:
        request: of the page.
        name: of the number.
        least, most: its limits.

    Raises:
        SettingsError: there is none, or it is outside of them.
    """
    text = request.query_params.get(name, "")
    if not text.isascii() or not text.isdecimal() or not least <= int(text[:20]) <= most:
        raise SettingsError(f"{name}: expected a number from {least} to {most}")
    return int(text)


def seconds_or_none(value: Any) -> float | None:
    """Return a time that the page sent; None: it sent none.

    Args:
        value: as JSON or a query has it.

    Raises:
        SettingsError: it is no time.
    """
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if isinstance(value, bool) or not 0 <= seconds <= 10**7:
        raise SettingsError("time: expected seconds, such as 12.5")
    return seconds
