"""Stores that fsspec knows, and why one did not do what it was asked, in words that hold no address and no secret."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from dreamvideo.errors import SettingsError
from dreamvideo.settings.addresses import whole_address

log = logging.getLogger(__name__)

Result = TypeVar("Result")

TRIES: Final = 5
WAIT: Final = 0.5  # seconds before the second try, doubled before each further one: 7.5 in all
_LONGEST_WAIT: Final = 30.0  # seconds, also where a server asks for more
_CONNECT, _SILENCE = 20.0, 60.0  # seconds in which a server has to answer, and to go on

_WORDS: Final = {
    400: "the request was refused",
    401: "access denied: credentials come from the environment",
    403: "access denied: credentials come from the environment",
    404: "no such file",
    410: "no such file",
    412: "it has changed meanwhile",
    416: "it has changed meanwhile",
    429: "too many requests",
}
_PASSING: Final = (408, 425, 429)  # and all from 500 on
_SCARCE: Final = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "DefaultCredentialsError")


class StoreError(Exception):
    """A store did not do what it was asked; the message is a reason that may be shown."""

    def __init__(self, reason: str, passing: bool = False, wait: float = 0.0, status: int | None = None) -> None:
        super().__init__(reason)
        self.passing = passing  # it may well do it a little later
        self.wait = wait  # seconds that the server asks for
        self.status = status  # of HTTP


def open_store(shown: str) -> tuple[Any, str]:
    """Return the file system of an address, and the name that it has there, which may be secret.

    Args:
        shown: the address, as `plain_address` returned it.

    Raises:
        SettingsError: nothing that is installed reads addresses of its protocol.
    """
    protocol = shown.partition("://")[0]
    try:
        from fsspec.core import url_to_fs

        file_system, name = url_to_fs(whole_address(shown), **_options(protocol))
    except ImportError:
        extra = "gcsfs" if protocol in ("gs", "gcs") else "'dreamvideo[remote]'"
        raise SettingsError(f"{shown}: {protocol}:// needs another package: pip install {extra}") from None
    except ValueError:
        raise SettingsError(f"{shown}: nothing reads {protocol}://, expected s3://, gs:// or https://") from None
    return file_system, name


def _options(protocol: str) -> dict[str, Any]:
    if protocol not in ("http", "https"):
        return {}
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE)
    return {"client_kwargs": {"timeout": limits, "trust_env": True}}


def persist(ask: Callable[[], Result], tries: int = TRIES) -> Result:
    """Ask a store, again where what went wrong may pass, such as a dropped connection.

    Args:
        ask: does so; it may be called several times.
        tries: how often at most.

    Raises:
        StoreError: it did not work.
    """
    for number in range(tries):
        try:
            return ask()
        except Exception as error:
            reason = explain(error)
            if not reason.passing or number == tries - 1:
                raise reason from None
            log.debug("%s: trying again", reason)
            time.sleep(min(max(WAIT * 2**number, reason.wait), _LONGEST_WAIT))
    raise AssertionError("unreachable")


def explain(error: BaseException) -> StoreError:
    """Return what an error of fsspec, or of what it calls, means.

    Args:
        error: any; its message is not used, since it may hold the whole address.
    """
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, StoreError):
            return cause
        if (status := _status(cause)) is not None:
            return _of_status(status, cause)
    names = {each.__name__ for cause in causes for each in type(cause).__mro__}
    if any(isinstance(cause, FileExistsError) for cause in causes):
        return StoreError("it exists", status=412)
    if any(isinstance(cause, TimeoutError) for cause in causes) or "FSTimeoutError" in names:
        return StoreError("no answer in time", passing=True)
    if names & {"ClientConnectionError", "ClientPayloadError", "ConnectionError", "HTTPClientError", "IncompleteRead"}:
        return StoreError("the connection failed", passing=True)
    if isinstance(error, FileNotFoundError):
        return StoreError(_WORDS[404], status=404)
    if isinstance(error, PermissionError) or names & set(_SCARCE):
        return StoreError(_WORDS[403], status=403)
    if "FileExpired" in names:
        return StoreError(_WORDS[412], status=412)
    if isinstance(error, ValueError) and "range" in str(error).lower():
        return StoreError("its server gives whole files only: download it first")
    return StoreError(f"{type(error).__name__}", passing=isinstance(error, OSError))


def _causes(error: BaseException) -> list[BaseException]:
    """The error and those that led to it."""
    causes = [error]
    while (before := causes[-1].__cause__ or causes[-1].__context__) is not None and before not in causes:
        causes.append(before)
    return causes


def _status(error: BaseException) -> int | None:
    """The status of HTTP that an error of aiohttp or botocore holds."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(error, "status", None)
    return status if isinstance(status, int) and status >= 400 else None


def _of_status(status: int, error: BaseException) -> StoreError:
    headers = getattr(error, "headers", None) or {}
    asked = str(headers.get("Retry-After", ""))
    words = _WORDS.get(status, "the server failed" if status >= 500 else "the request was refused")
    passing = status in _PASSING or status >= 500
    return StoreError(f"{words} ({status})", passing, float(asked) if asked.isdecimal() else 0.0, status)
