"""What the studio answers to each request of its page."""

from __future__ import annotations

import asyncio
import logging
import shlex
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dreamvideo._version import __version__
from dreamvideo.errors import DreamVideoError, SettingsError, first_line, printable
from dreamvideo.live.web.http_security import RequestRefused
from dreamvideo.media.paths import is_image
from dreamvideo.settings.parsers import parse_rate
from dreamvideo.studio.access import Access, Guard, refusal
from dreamvideo.studio.chosen_look import command_words, offered_presets, read_look, resolve_look
from dreamvideo.studio.film_folder import FilmFolder
from dreamvideo.studio.film_reports import FilmReports
from dreamvideo.studio.film_sounds import FilmSounds
from dreamvideo.studio.job_queue import JobQueue
from dreamvideo.studio.knobs import describe_knobs
from dreamvideo.studio.live_child import LiveDream
from dreamvideo.studio.live_routes import live_routes
from dreamvideo.studio.picture_queue import MOST_TASKS, PRIORITY, PictureQueue
from dreamvideo.studio.request_values import json_body, seconds_or_none, whole_number
from dreamvideo.studio.studio_job import unfinished_outputs
from dreamvideo.studio.timeline_routes import check_timeline_fits, describe_look, timeline_routes
from dreamvideo.studio.uploads import Uploads

log = logging.getLogger(__name__)

PAGE: Final = Path(__file__).with_name("page")
WAIT_SECONDS: Final = 20.0  # that a request for events waits for one
POLL_SECONDS: Final = 0.1
# Pixels of the longer side: coarse first, then as large as it is shown on a laptop.
SIDES: Final = {"tiles": (160, 384), "stage": (256, 832), "preview": (480,)}
_KEPT: Final = {"Cache-Control": "private, max-age=3600"}  # of pictures, whose addresses say what they show


@dataclass(frozen=True)
class Studio:
    """What the routes work on."""

    folder: FilmFolder
    pictures: PictureQueue
    jobs: JobQueue
    uploads: Uploads
    reports: FilmReports
    live: LiveDream
    sounds: FilmSounds = field(default_factory=FilmSounds)


def studio_app(studio: Studio, access: Access) -> Guard:
    """Return the ASGI application of the studio.

    Args:
        studio: what it shows.
        access: who may use it.
    """
    routes = _Routes(studio)
    app = Starlette(
        routes=[
            Route("/", routes.page),
            Mount("/page", StaticFiles(directory=PAGE)),
            Route("/api/start", routes.start),
            Route("/api/files", routes.files),
            Route("/api/frame", routes.frame),
            Route("/api/report", routes.report),
            Route("/api/film", routes.film),
            Route("/api/upload", routes.upload, methods=["PUT"]),
            Route("/api/look", routes.look, methods=["POST"]),
            Route("/api/pictures", routes.ask_pictures, methods=["POST"]),
            Route("/api/picture/{key}", routes.picture),
            Route("/api/events", routes.events),
            Route("/api/jobs", routes.add_jobs, methods=["POST"]),
            Route("/api/jobs/{number:int}/frame", routes.job_frame),
            Route("/api/jobs/{number:int}/command", routes.job_command),
            Route("/api/jobs/{number:int}/{action}", routes.change_job, methods=["POST"]),
            *live_routes(studio.live, studio.folder, own_cameras=access.local_name is not None),
            *timeline_routes(studio.folder, studio.sounds),
        ],
        exception_handlers={
            DreamVideoError: _explain,
            RequestRefused: _refuse,
            ClientDisconnect: _refuse,
            Exception: _fail,
        },
    )
    return Guard(app, access)


async def _explain(request: Request, error: Exception) -> Response:
    return PlainTextResponse(printable(first_line(error)), HTTPStatus.BAD_REQUEST)


async def _refuse(request: Request, error: Exception) -> Response:
    return refusal(error) if isinstance(error, RequestRefused) else PlainTextResponse("the connection was lost", 400)


async def _fail(request: Request, error: Exception) -> Response:
    log.error("the studio failed", exc_info=error)
    return PlainTextResponse(f"the studio failed: {first_line(error)}", HTTPStatus.INTERNAL_SERVER_ERROR)


class _Routes:
    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._folder = studio.folder

    async def page(self, request: Request) -> Response:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-store"})

    async def start(self, request: Request) -> Response:
        presets = [{"name": each.name, "summary": each.summary, "model": each.model} for each in offered_presets()]
        return JSONResponse(
            {
                "version": __version__,
                "root": str(self._folder.root),
                "knobs": describe_knobs(),
                "presets": presets,
            }
        )

    async def files(self, request: Request) -> Response:
        name = request.query_params.get("folder", "")
        return JSONResponse(await run_in_threadpool(self._list, name))

    def _list(self, name: str) -> dict[str, Any]:
        taken = [job["output"] for job in self._studio.jobs.jobs()]
        found = unfinished_outputs(self._folder, self._folder.find(name), taken)
        return {**self._folder.listing(name), "unfinished": found}

    async def frame(self, request: Request) -> Response:
        path, side = self._source(request), whole_number(request, "side", 16, 1920)
        time = seconds_or_none(request.query_params.get("time"))
        fps = parse_rate(request.query_params.get("fps", "25"))  # pictures per second of a folder
        jpeg = await run_in_threadpool(self._studio.reports.frame, path, time, side, fps)
        return Response(jpeg, media_type="image/jpeg", headers=_KEPT)

    async def report(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._studio.reports.report, self._source(request)))

    async def film(self, request: Request) -> Response:
        path = self._folder.find_film(request.query_params.get("path"))
        return FileResponse(path, filename=path.name if "download" in request.query_params else None)

    def _source(self, request: Request) -> Path:
        return self._folder.find_source(request.query_params.get("path"))

    async def upload(self, request: Request) -> Response:
        name = await self._studio.uploads.receive(request, self._folder)
        return JSONResponse({"name": name})

    async def look(self, request: Request) -> Response:
        body = await json_body(request)
        look, time = read_look(body.get("look")), seconds_or_none(body.get("time"))
        source = self._folder.find_source(body.get("path"))
        described = await run_in_threadpool(describe_look, look, source, time, self._folder)
        words = command_words(look, source, None, is_image(source), self._folder.find_film)
        return JSONResponse({**described, "command": shlex.join(words), "title": look.title})

    async def ask_pictures(self, request: Request) -> Response:
        body = await json_body(request)
        kind, client = body.get("kind"), body.get("client")
        if kind not in PRIORITY or not isinstance(client, str) or not 0 < len(client) <= 64:
            raise SettingsError("expected a client and a kind of pictures")
        tasks: list[tuple[dict[str, Any], dict[str, Any]]]
        if kind == "names":
            model = read_look({"values": {"model": body.get("model")}})
            tasks = [({}, {"do": "names", "model": resolve_look(model, self._folder.find_film).model.model})]
        else:
            tasks = self._tasks(kind, body) if body.get("path") is not None else []
        return JSONResponse({"request": self._studio.pictures.ask(client, kind, tasks)})

    def _tasks(self, kind: str, body: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        path, time = self._folder.find_source(body["path"]), seconds_or_none(body.get("time"))
        looks = body.get("looks")
        if not isinstance(looks, list) or len(looks) * len(SIDES[kind]) > MOST_TASKS:
            raise SettingsError(f"expected a list of at most {MOST_TASKS // len(SIDES[kind])} looks")
        do = "preview" if kind == "preview" else "picture"
        about = {"do": do, "path": str(path), "modified": path.stat().st_mtime_ns, "time": time}
        tasks: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for level, side in enumerate(SIDES[kind]):
            for each in looks:
                look = read_look(each.get("look") if isinstance(each, dict) else None)
                resolve_look(look, self._folder.find_film)
                name = {"id": str(each.get("id"))[:200], "level": level}
                task = {**about, "side": side, "look": look.as_json(), "root": str(self._folder.root)}
                tasks.append((name, task))
        return tasks

    async def picture(self, request: Request) -> Response:
        return _jpeg(self._studio.pictures.picture(request.path_params["key"]), "this picture is no longer kept")

    async def events(self, request: Request) -> Response:
        """What happened since the last time; waits for something to happen."""
        client = request.query_params.get("client", "")[:64]
        after, version = whole_number(request, "after", 0), whole_number(request, "version", 0)
        for _ in range(round(WAIT_SECONDS / POLL_SECONDS)):
            events = self._studio.pictures.events(client, after)
            changed = self._studio.jobs.version != version
            if events or changed or await request.is_disconnected():
                break
            await asyncio.sleep(POLL_SECONDS)
        version = self._studio.jobs.version
        return JSONResponse(
            {"events": events, "jobs": self._studio.jobs.jobs() if changed else None, "version": version}
        )

    async def add_jobs(self, request: Request) -> Response:
        body = await json_body(request)
        if (output := body.get("resume")) is not None:
            source = self._folder.find_film(body.get("source"))
            number = self._studio.jobs.add_unfinished(source, self._folder.find(output))
            return JSONResponse({"numbers": [number]})
        paths = body.get("paths")
        if not isinstance(paths, list) or not paths:
            raise SettingsError("expected the names of films")
        look = read_look(body.get("look"))
        parts = resolve_look(look, self._folder.find_film)
        sources = [self._folder.find_source(path) for path in paths[:1000]]
        for source in sources:
            await run_in_threadpool(check_timeline_fits, look, parts, source)
        return JSONResponse({"numbers": await run_in_threadpool(self._studio.jobs.add, sources, look)})

    async def change_job(self, request: Request) -> Response:
        await json_body(request)
        jobs = self._studio.jobs
        actions = {"pause": jobs.pause, "resume": jobs.resume, "remove": jobs.remove}
        if request.path_params["action"] not in actions:
            raise RequestRefused(HTTPStatus.NOT_FOUND, "nothing here")
        await run_in_threadpool(actions[request.path_params["action"]], request.path_params["number"])
        return JSONResponse({})

    async def job_frame(self, request: Request) -> Response:
        return _jpeg(self._studio.jobs.picture(request.path_params["number"]), "no frame yet")

    async def job_command(self, request: Request) -> Response:
        job = self._studio.jobs.job(request.path_params["number"])
        if job.look is None:
            raise SettingsError("this was begun elsewhere: type the same command again, with --resume")
        source, output = self._folder.find(job.source), self._folder.find(job.output)
        words = command_words(job.look, source, output, is_image(source), self._folder.find_film)
        return JSONResponse({"command": shlex.join(words), "saved": str(output)})


def _jpeg(content: bytes | None, missing: str) -> Response:
    """The response with a picture, which is refused with the message `missing` where there is none."""
    if content is None:
        raise RequestRefused(HTTPStatus.NOT_FOUND, missing)
    return Response(content, media_type="image/jpeg", headers=_KEPT)
