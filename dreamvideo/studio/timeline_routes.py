"""What the studio answers about the strip of a film and the timeline of a look."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dreamvideo.errors import SettingsError
from dreamvideo.media.paths import is_image
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.settings.job import SequenceSettings
from dreamvideo.settings.parsers import parse_rate
from dreamvideo.settings.schedules import FIXED, FLAGS, TimelineSettings
from dreamvideo.settings.timeline_file import timeline_as_toml, timeline_of_toml
from dreamvideo.studio.chosen_look import ChosenLook, LookParts, look_values, read_look, resolve_look
from dreamvideo.studio.film_folder import FilmFolder
from dreamvideo.studio.film_sounds import FilmSounds
from dreamvideo.studio.film_timeline import (
    describe_rows,
    film_clock,
    open_film_timeline,
    parts_at,
    preset_at,
    stored_timeline,
)
from dreamvideo.studio.look_schedules import read_drives, read_schedules
from dreamvideo.studio.request_values import json_body, seconds_or_none
from dreamvideo.studio.timeline_edits import EditedLook, edit_timeline

_UNKNOWN: Final = 60.0  # seconds of a strip of a film whose length is not known


def timeline_routes(folder: FilmFolder, sounds: FilmSounds) -> list[Route]:
    """Return the routes of the strip.

    Args:
        folder: of the films.
        sounds: of them.
    """
    routes = _TimelineRoutes(folder, sounds)
    return [
        Route("/api/strip", routes.strip),
        Route("/api/sound", routes.sound),
        Route("/api/timeline", routes.edit, methods=["POST"]),
    ]


def describe_look(look: ChosenLook, source: Path, time: float | None, folder: FilmFolder) -> dict[str, Any]:
    """Return what the page shows of a look at a time of a film.

    Args:
        look: as it was chosen.
        source: a film, or a photo, in which nothing changes.
        time: seconds; None: the beginning.
        folder: of both.

    Returns:
        `values` of all options at that time, the `preset`, the `rows` of its timeline, and its `toml`.

    Raises:
        SettingsError: a value is invalid, or a schedule does not fit the film.
    """
    parts, schedules = resolve_look(look, folder.find_film), dict(look.timeline)
    written = TimelineSettings(tuple(pair for pair in parts.timeline.timeline if pair[1]))
    described: dict[str, Any] = {"preset": look.preset, "rows": [], "toml": timeline_as_toml(written)}
    check_is_film(look, source)
    if schedules:
        clock = film_clock(source, parts.sequence)
        timeline = open_film_timeline(parts, clock)
        parts = parts_at(parts, timeline, time or 0.0)
        described["preset"] = preset_at(schedules, timeline, time or 0.0) or look.preset
        described["rows"] = describe_rows(schedules, clock)
    return {"values": look_values(parts), **described}


def check_is_film(look: ChosenLook, source: Path) -> None:
    """Check that a look with a timeline is for a film.

    Args:
        look: as it was chosen.
        source: what is to be dreamed.

    Raises:
        SettingsError: it is a photo.
    """
    if (look.timeline or look.drives) and is_image(source):
        raise SettingsError(f"{source.name} is a photo, in which nothing changes: remove the timeline")


def check_timeline_fits(look: ChosenLook, parts: LookParts, source: Path) -> None:
    """Check that the timeline of a look, if it has one, fits a film.

    Args:
        look, parts: as it was chosen, and what it means.
        source: what is to be dreamed.

    Raises:
        SettingsError: it does not.
        SourceError: the film cannot be read.
    """
    check_is_film(look, source)
    if look.timeline:
        try:
            open_film_timeline(parts, film_clock(source, parts.sequence))
        except SettingsError as error:
            raise SettingsError(f"{source.name}: {error}") from None


class _TimelineRoutes:
    def __init__(self, folder: FilmFolder, sounds: FilmSounds) -> None:
        self._folder, self._sounds = folder, sounds

    async def strip(self, request: Request) -> Response:
        path = self._folder.find_source(request.query_params.get("path"))
        fps = request.query_params.get("fps")
        sequence = SequenceSettings(fps=parse_rate(fps)) if fps else SequenceSettings()
        return JSONResponse(await run_in_threadpool(_strip, path, sequence))

    async def sound(self, request: Request) -> Response:
        path = self._folder.find_source(request.query_params.get("path"))
        if path.is_dir():
            return JSONResponse({"lows": [], "highs": [], "done": True})
        length = (await run_in_threadpool(_strip, path, SequenceSettings()))["length"]
        return JSONResponse(self._sounds.heard(path, length, "beats" in request.query_params))

    async def edit(self, request: Request) -> Response:
        body = await json_body(request)
        source = self._folder.find_source(body.get("path"))
        edit = body.get("edit")
        if not isinstance(edit, dict):
            raise SettingsError("expected a change of the timeline")
        look, time = read_look(body.get("look")), seconds_or_none(body.get("time"))
        return JSONResponse(await run_in_threadpool(self._edited, look, edit, source, time))

    def _edited(self, look: ChosenLook, edit: dict[str, Any], source: Path, time: float | None) -> dict[str, Any]:
        note = None
        if edit.get("do") == "load":
            edited, note = self._loaded(look, edit)
        else:
            is_folder = source.is_dir()
            sequence = resolve_look(look, self._folder.find_film).sequence if is_folder else SequenceSettings()
            edited = edit_timeline(look, edit, _clock_of(source, sequence))
        described = describe_look(edited.look, source, time, self._folder)
        return {"look": edited.look.as_json(), "key": edited.key, "note": note, **described}

    def _loaded(self, look: ChosenLook, edit: dict[str, Any]) -> tuple[EditedLook, str | None]:
        """The look with the timeline of a document, `text`, or of what a `film` was dreamed with."""
        drives: list[str] = []
        if edit.get("film") is not None:
            path = self._folder.find_film(edit["film"])
            settings, found = stored_timeline(path)
            drives = list(found)
            if not settings.schedules and not drives:
                raise SettingsError(f"{path.name} was not dreamed with a timeline: expected a dream that was")
        else:
            name = str(edit.get("name"))[:80]
            settings = timeline_of_toml(str(edit.get("text")).encode(errors="replace"), name)
            if not settings.schedules:
                raise SettingsError(f'{name} has no schedules: expected lines such as step-size = "0:0.004, 2s:0.01"')
        fixed = ", ".join(FLAGS.get(name, name) for name in sorted(settings.fixed))
        schedules = read_schedules(dict(settings.schedules))
        values = tuple(pair for pair in look.values if pair[0] not in dict(schedules))
        preset = None if "preset" in dict(schedules) else look.preset
        loaded = ChosenLook(preset, values, schedules, read_drives(drives))
        return EditedLook(loaded, None), f"{FIXED} = {fixed} is left out: set it by hand" if fixed else None


def _strip(path: Path, sequence: SequenceSettings) -> dict[str, Any]:
    """How long a film is, and whether it was dreamed with a timeline."""
    clock, (stored, drives) = _clock_of(path, sequence), stored_timeline(path)
    return {
        "length": float(clock.length) if clock.length else _UNKNOWN,
        "frame_rate": float(clock.frame_rate) if clock.frame_rate else None,
        "stored": bool(stored.schedules or drives),
    }


def _clock_of(path: Path, sequence: SequenceSettings) -> FilmClock:
    if is_image(path):
        raise SettingsError(f"{path.name} is a photo, in which nothing changes: expected a film")
    return film_clock(path, sequence)
