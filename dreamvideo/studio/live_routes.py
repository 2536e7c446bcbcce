"""What the studio answers to the live part of its page.

Images go both ways in requests of their own, one at a time in each direction: the browser sends its next image when the
last was taken, and asks for the next dream when it has shown one. So nothing waits in a buffer of a socket or a tunnel.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from http import HTTPStatus
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dreamvideo.errors import SettingsError, SourceError
from dreamvideo.live.cameras.webcam import camera_names
from dreamvideo.live.controls import KEYS
from dreamvideo.live.web.http_security import RequestRefused
from dreamvideo.media.paths import is_video
from dreamvideo.settings.field_types import shortened
from dreamvideo.studio.chosen_look import read_look, resolve_look
from dreamvideo.studio.film_folder import FilmFolder
from dreamvideo.studio.live_child import LiveDream
from dreamvideo.studio.request_values import json_body, limited_body, seconds_or_none, whole_number

MOST_FRAME: Final = 2 << 20  # bytes of an image; one of 1920 x 1080 has about 500 kB
FRAME_INTERVAL: Final = 1 / 60  # seconds from one image of a camera to the next; quicker ones wait
IMAGE_SECONDS: Final = 1.0  # that a request for an image waits for one
MOST_VIEWERS: Final = 8  # each is a thread that waits
_OTHERS: Final = "cameras of this machine are not offered on a page that others can open: type dreamvideo live --serve"


def live_routes(live: LiveDream, folder: FilmFolder, *, own_cameras: bool) -> list[Route]:
    """Return the routes of the live part.

    Args:
        live: the dream.
        folder: of films that may take the place of a camera, and of recordings.
        own_cameras: cameras of this machine may be used.
    """
    routes = _LiveRoutes(live, folder, own_cameras)
    return [
        Route("/api/live", routes.state),
        Route("/api/live/cameras", routes.cameras),
        Route("/api/live/image", routes.image),
        Route("/api/live/frame", routes.frame, methods=["PUT"]),
        Route("/api/live/start", routes.start, methods=["POST"]),
        Route("/api/live/stop", routes.stop, methods=["POST"]),
        Route("/api/live/press", routes.press, methods=["POST"]),
        Route("/api/live/set", routes.set, methods=["POST"]),
    ]


class _LiveRoutes:
    def __init__(self, live: LiveDream, folder: FilmFolder, own_cameras: bool) -> None:
        self._live, self._folder, self._own_cameras = live, folder, own_cameras
        self._viewers = 0
        self._next_frame = 0.0  # when the next image of a camera is taken
        self._taking = False

    async def state(self, request: Request) -> Response:
        return JSONResponse(self._live.state())

    async def cameras(self, request: Request) -> Response:
        names = await run_in_threadpool(camera_names) if self._own_cameras else {}
        cameras = [{"camera": index, "name": f"{name} ({index})"} for index, name in names.items()]
        return JSONResponse({"cameras": cameras, "offered": self._own_cameras})

    async def start(self, request: Request) -> Response:
        body = await json_body(request)
        client, look = body.get("client"), read_look(body.get("look"))
        resolve_look(look, self._folder.find_film)
        if not isinstance(client, str) or not 0 < len(client) <= 64:
            raise SettingsError("expected a client")
        camera, name = self._camera(body)
        await run_in_threadpool(self._live.start, camera, name, look, str(self._folder.root), client)
        return JSONResponse(self._live.state())

    def _camera(self, body: dict[str, Any]) -> tuple[str | None, str]:
        """The camera that is asked for, None for the browser's own, and what it is called.

        Raises:
            RequestRefused: it is one of this machine, and others can open the page.
            SourceError, SettingsError: there is no such camera or film.
        """
        if (film := body.get("film")) is not None:
            path = self._folder.find_film(film)
            if not is_video(path):
                raise SourceError(f"{self._folder.name(path)} is not a film")
            return str(path), self._folder.name(path)
        number = body.get("camera")
        if number is None:
            return None, "the camera of a browser"
        if not self._own_cameras:
            raise RequestRefused(HTTPStatus.FORBIDDEN, _OTHERS)
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1000:
            raise SettingsError(f"camera {shortened(number)}: expected the number of one")
        return str(number), f"camera {number}"

    async def stop(self, request: Request) -> Response:
        await json_body(request)
        await run_in_threadpool(self._live.stop)
        return JSONResponse(self._live.state())

    async def press(self, request: Request) -> Response:
        key = (await json_body(request)).get("key")
        if not isinstance(key, str) or key not in KEYS or key == "q":  # what ends it is `stop`
            raise SettingsError("expected the name of a key")
        await run_in_threadpool(self._live.send, {"press": key})
        return JSONResponse({})

    async def set(self, request: Request) -> Response:
        body = await json_body(request)
        name, value = body.get("name"), body.get("value")
        if not isinstance(name, str) or not (value is None or isinstance(value, float | int | str)):
            raise SettingsError("expected the name of a control and its value")
        await run_in_threadpool(self._live.send, {"set": [name[:200], value]})
        return JSONResponse({})

    async def frame(self, request: Request) -> Response:
        """Take an image of a browser's camera; the answer asks for the next one."""
        if request.headers.get("Content-Type", "") != "image/jpeg":
            raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected image/jpeg")
        client, mark = request.query_params.get("client", ""), seconds_or_none(request.query_params.get("mark"))
        if client != self._live.sender:
            raise RequestRefused(HTTPStatus.CONFLICT, "the camera of this browser is not dreamed")
        if self._taking:
            raise RequestRefused(HTTPStatus.TOO_MANY_REQUESTS, "expected one image at a time")
        self._taking = True
        try:
            jpeg = await limited_body(request, MOST_FRAME)
            await asyncio.sleep(self._next_frame - time.monotonic())
            self._next_frame = time.monotonic() + FRAME_INTERVAL
            await run_in_threadpool(self._live.send, {"frame": b64encode(jpeg).decode(), "mark": mark or 0.0})
        finally:
            self._taking = False
        return JSONResponse({})

    async def image(self, request: Request) -> Response:
        """The newest image, once it is newer than the last one of this browser; nothing if none comes in time."""
        after = whole_number(request, "after", 0)
        if self._viewers >= MOST_VIEWERS:
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_VIEWERS} browsers are looking already")
        self._viewers += 1
        try:
            newest = await run_in_threadpool(self._live.image, after, IMAGE_SECONDS)
        finally:
            self._viewers -= 1
        if newest is None:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        headers = {"Live-Number": str(newest.number), "Live-Mark": "" if newest.mark is None else repr(newest.mark)}
        return Response(newest.jpeg, media_type="image/jpeg", headers=headers)
