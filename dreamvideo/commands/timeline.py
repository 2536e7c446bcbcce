"""The command timeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamvideo.commands.console import DONE, Console
from dreamvideo.commands.options import Command, CommandLine, add_command
from dreamvideo.errors import SettingsError
from dreamvideo.settings.drives import DriveSettings
from dreamvideo.settings.parsers import parse_seconds
from dreamvideo.settings.schedules import FLAGS, SCHEDULED_SETS, TimelineSettings

if TYPE_CHECKING:
    from dreamvideo.media.timeline_picture import Image
    from dreamvideo.schedule.curve import Curve
    from dreamvideo.schedule.film_clock import FilmClock
    from dreamvideo.schedule.keyed_sets import KeyedSets
    from dreamvideo.sound.features import SoundFeatures


@dataclass(frozen=True, slots=True)
class TimelineRequest:
    """A timeline that is to be drawn, or written as TOML."""

    path: Path
    output: Path | None
    film: Path | None  # whose length and frame rate count
    length: Fraction | None  # seconds that are drawn
    overwrite: bool
    music: Path | None  # what is heard instead of the sound of the film


def add_timeline_command(commands: Any) -> None:
    """Add the parser of `dreamvideo timeline`.

    Args:
        commands: what `add_subparsers` returned.
    """
    command = Command(parse_timeline, run_timeline)
    parser = add_command(commands, "timeline", "draw what changes over the time of a film", command)
    parser.add_argument("path", type=Path, metavar="FILE", help="a timeline (.toml), or what was dreamed with one")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="image, or .toml for the text (default: NAME_timeline.png)"
    )
    parser.add_argument("--film", type=Path, metavar="FILE", help="the film to be dreamed, whose length counts")
    parser.add_argument("--length", type=parse_seconds, metavar="TIME", help="draw so much of it")
    parser.add_argument("--music", type=Path, metavar="FILE", help="the music that --drive followed, to be drawn below")
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace an existing output")


def parse_timeline(line: CommandLine) -> TimelineRequest:
    """Make the request of `dreamvideo timeline`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    arguments = line.arguments
    if arguments.length is not None and not arguments.length:
        raise SettingsError("--length 0: expected more than 0")
    return TimelineRequest(
        arguments.path,
        arguments.output,
        arguments.film,
        arguments.length,
        arguments.overwrite,
        arguments.music,
    )


def run_timeline(request: TimelineRequest, console: Console) -> int:
    """Draw a timeline, or write it as TOML.

    Args:
        request: which, and where to.
        console: where the output is named.

    Returns:
        The exit code.

    Raises:
        DreamVideoError: there is no timeline, it is wrong, or the output cannot be written.
    """
    from dreamvideo.media.atomic_files import write_atomically
    from dreamvideo.media.images import check_image_name, write_image
    from dreamvideo.media.metadata import settings_in_file
    from dreamvideo.media.timeline_picture import draw_timeline
    from dreamvideo.settings.timeline_file import read_timeline, timeline_as_toml

    is_text = request.path.suffix.lower() == ".toml"
    stored = {} if is_text else settings_in_file(request.path)
    settings = read_timeline(request.path) if is_text else TimelineSettings(stored.get("timeline", ()))
    drives = DriveSettings(stored.get("drive", ()))
    if not settings.schedules and not drives.drive:
        raise SettingsError(
            f'{request.path} has no timeline: expected schedules such as step-size = "0:0.004, 2s:0.01"'
        )
    output = request.output or request.path.with_name(f"{request.path.stem}_timeline.png")
    if output.suffix.lower() == ".toml":
        write_atomically(output, timeline_as_toml(settings).encode(), request.overwrite)
    else:
        check_image_name(output)
        film = request.film or (None if is_text else request.path)
        clock, features = _listen(settings, drives, film, request.music)
        rows, length = _rows(settings, clock, request.length)
        picture = draw_timeline(rows, length)
        if features is not None:
            picture = _with_sound(picture, features, length)
        write_image(picture, output, overwrite=request.overwrite)
    number = len(settings.schedules)
    count = f"{number} schedule{'s' if number != 1 else ''}"
    console.message(f"{output}: {count}, {len(drives.drive)} drives" if drives.drive else f"{output}: {count}")
    return DONE


def _listen(
    settings: TimelineSettings, drives: DriveSettings, film: Path | None, music: Path | None
) -> tuple[FilmClock, SoundFeatures | None]:
    """What is known of the time of a film, and what is heard in it, or in music, where something follows that."""
    from dreamvideo.jobs.job_drives import hear_file, unheard
    from dreamvideo.media.video_reader import open_video
    from dreamvideo.schedule.film_clock import FilmClock

    clock = FilmClock()
    if film is not None:
        with open_video(film) as source:
            clock = FilmClock(source.info.film_length, source.info.frame_rate)
    path = music or film
    if path is None or not (drives.drive or settings.hears):
        return replace(clock, beats=unheard(settings, drives).beats), None
    heard, features = hear_file(path, settings, drives)
    return replace(clock, beats=heard.beats, sections=heard.sections), features


def _rows(
    settings: TimelineSettings, clock: FilmClock, length: Fraction | None
) -> tuple[dict[str, Curve | KeyedSets], Fraction]:
    """The schedule of each option, and the seconds to draw."""
    from dreamvideo.schedule.curve import parse_curve
    from dreamvideo.schedule.keyed_sets import parse_keyed_sets

    clock = replace(clock, length=clock.length or length)
    rows = {
        FLAGS[name].removeprefix("--"): (parse_keyed_sets if name in SCHEDULED_SETS else parse_curve)(
            text, clock, FLAGS[name]
        )
        for name, text in settings.schedules.items()
    }
    last = max((schedule.times[-1] for schedule in rows.values()), default=Fraction(0))
    return rows, length or clock.length or max(last * Fraction(6, 5), Fraction(4))


def _with_sound(picture: Image, features: SoundFeatures, length: Fraction) -> Image:
    """The picture with what is heard below it, on the same axis of time."""
    import numpy as np

    from dreamvideo.media.timeline_picture import LEFT, RIGHT, WIDTH
    from dreamvideo.sound.sound_strip import draw_sound_strip

    strip = draw_sound_strip(features, WIDTH - LEFT - RIGHT, end=float(length))
    return np.concatenate([picture, np.pad(strip, ((8, 0), (LEFT, RIGHT), (0, 0)), constant_values=24)])
