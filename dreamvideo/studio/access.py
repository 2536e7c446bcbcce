"""Who may use the studio: whoever has the token that was printed, or the password; no page of another site."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamvideo.live.web.guesses import GuessLimit
from dreamvideo.live.web.http_security import RequestRefused, check_host, check_site, is_authorized
from dreamvideo.live.web.places import network_of
from dreamvideo.studio.connections import Connections

TOO_MANY_GUESSES_DELAY: Final = 1.0  # seconds until a guess that is not looked at is answered

POLICY: Final = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' blob: data:; media-src 'self'; connect-src 'self'; "
    "script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Access:
    """What lets a browser in.

    Attributes:
        local_name: the host name of a studio for this machine only; None: other machines may open it.
        password: lets in, too; None: only the token does.
        port: browsers send cookies of all ports of a host, so the name of ours holds it.
        connections: which of them have been let in; None: all are (in tests).
        token: in the address that is printed.
        session: the value of the cookie of those who were let in.
    """

    local_name: str | None
    password: str | None
    port: int
    connections: Connections | None = None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    session: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    guesses: GuessLimit = field(default_factory=GuessLimit)

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        return f"dreamvideo_studio_{self.port}"


class Guard:
    """ASGI middleware that answers for `app` where a request is not accepted, and adds the headers of `POLICY`."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # there are no web sockets
        request = Request(scope, receive)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in POLICY.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            answer = await self._check(request)
        except RequestRefused as refused:
            answer = refusal(refused)
        await (answer or self._app)(scope, receive, send_guarded)

    async def _check(self, request: Request) -> Response | None:
        """Return the answer of a request that was let in just now; None: the request is for the app.

        Raises:
            RequestRefused: it is not accepted.
        """
        access, headers = self._access, request.headers
        if access.local_name is not None:
            check_host(headers, access.local_name)
        check_site(headers, request.url.path == "/")
        if not self._has_session(request):
            answer = await self._let_in(request, headers)
            if answer is not None:
                return answer
        client = (request.client.host, request.client.port) if request.client else ("", 0)
        if access.connections is not None and not access.connections.admit(client):
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
        return None

    def _has_session(self, request: Request) -> bool:
        value = request.cookies.get(self._access.cookie, "")
        return hmac.compare_digest(value.encode(), self._access.session.encode())

    async def _let_in(self, request: Request, headers: Headers) -> Response | None:
        access = self._access
        token = request.query_params.get("token") if request.url.path == "/" else None
        if token is None and not (access.password is not None and "Authorization" in headers):
            if access.password is not None:
                raise RequestRefused(HTTPStatus.UNAUTHORIZED, "expected the password, with any user name")
            raise RequestRefused(
                HTTPStatus.FORBIDDEN, "open the address that the studio has printed: it holds a token that lets you in"
            )
        network = network_of(request.client.host) if request.client else ""
        if not access.guesses.allows(network):
            await asyncio.sleep(TOO_MANY_GUESSES_DELAY)
            raise RequestRefused(HTTPStatus.TOO_MANY_REQUESTS, "too many guesses: wait some seconds")
        if token is not None and hmac.compare_digest(token.encode(), access.token.encode()):
            return self._with_cookie(RedirectResponse("/", HTTPStatus.SEE_OTHER))
        if access.password is not None and is_authorized(headers, access.password):
            return self._with_cookie(RedirectResponse("/", HTTPStatus.SEE_OTHER)) if request.url.path == "/" else None
        await asyncio.sleep(access.guesses.add(network))
        status = HTTPStatus.UNAUTHORIZED if access.password is not None else HTTPStatus.FORBIDDEN
        raise RequestRefused(status, "this is not the token, or the password, of this studio")

    def _with_cookie(self, answer: Response) -> Response:
        answer.set_cookie(self._access.cookie, self._access.session, httponly=True, samesite="strict", path="/")
        return answer


def refusal(refused: RequestRefused) -> Response:
    """Return the answer to a request that is refused: its status and one line."""
    challenge = {"WWW-Authenticate": 'Basic realm="dreamvideo", charset="UTF-8"'}
    headers = challenge if refused.status == HTTPStatus.UNAUTHORIZED else None
    return PlainTextResponse(f"{refused.reason}\n", refused.status, headers)
