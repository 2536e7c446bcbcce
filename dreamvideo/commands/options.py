"""Options of the command line from the fields of settings, and settings from what was typed.

A field that was not typed gets its value from `--preset`, else from `--config`, else from `--like`, else from the look
of the network, else its default.
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dreamvideo.commands.schedules import preset_values, scheduled_type, split_schedules, timeline_values
from dreamvideo.errors import SettingsError
from dreamvideo.schedule.keys import is_schedule
from dreamvideo.settings.addresses import plain_address
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.drives import DriveSettings
from dreamvideo.settings.job import (
    AtlasSettings,
    ClusterSettings,
    EncodeSettings,
    InfoSettings,
    MaskSettings,
    PictureSettings,
    PreviewSettings,
    ReadSettings,
    SequenceSettings,
    TileSettings,
)
from dreamvideo.settings.live import CameraSettings, LiveSettings, StageSettings
from dreamvideo.settings.network_looks import DEFAULT_NETWORK, EMBEDDED_NETWORK, network_look, resolve_network
from dreamvideo.settings.option import option_choices, option_flag
from dreamvideo.settings.schedules import FIXED, TimelineSettings
from dreamvideo.settings.timeline_file import read_timeline
from dreamvideo.settings.toml_file import read_toml
from dreamvideo.settings.zoom import FilmSettings, ZoomSettings

if TYPE_CHECKING:
    from dreamvideo.commands.console import Console

# The settings whose fields are options of a command.
NETWORK_SETTINGS = (ModelSettings, ObjectiveSettings, DreamSettings)
_VIDEO_SETTINGS = (
    ReadSettings,
    *NETWORK_SETTINGS,
    MaskSettings,
    CarrySettings,
    TileSettings,
    EncodeSettings,
    ClusterSettings,
    TimelineSettings,
    DriveSettings,
)
VIDEO_SETTINGS = (PreviewSettings, *_VIDEO_SETTINGS)
FRAMES_SETTINGS = (SequenceSettings, *_VIDEO_SETTINGS)
IMAGE_SETTINGS = (PictureSettings, *NETWORK_SETTINGS, MaskSettings, TileSettings)
ZOOM_SETTINGS = (FilmSettings, ZoomSettings, *NETWORK_SETTINGS, TileSettings, EncodeSettings)
LIVE_SETTINGS = (LiveSettings, CameraSettings, StageSettings, *NETWORK_SETTINGS)
INFO_SETTINGS = (InfoSettings, ReadSettings, *NETWORK_SETTINGS, CarrySettings, EncodeSettings)
ATLAS_SETTINGS = (AtlasSettings, *NETWORK_SETTINGS)

Settings = TypeVar("Settings")
Request = TypeVar("Request")


class CommandLine:
    """A parsed command line, from which a command makes its request.

    Attributes:
        arguments: options that are not fields of settings, such as `inputs`, and fields that were typed.
        words: the command line as typed, without the name of the program.
        timeline: options that have a schedule.
    """

    def __init__(self, arguments: argparse.Namespace, words: Sequence[str], kinds: Sequence[type[Any]]) -> None:
        """Read what `--preset`, `--config` and `--like` name.

        Args:
            arguments: what the parser returned.
            words: what it parsed.
            kinds: the settings of the command, all of which `--config` may set.

        Raises:
            SettingsError: there is no such preset, or a file holds no settings.
            SourceError: the file of `--like` cannot be read.
        """
        self.arguments = arguments
        self.words = tuple(words)
        typed = {name: value for name, value in vars(arguments).items() if name != "preset"}
        values = self._named = {**_look_values(arguments, kinds), **typed}
        if ModelSettings in kinds:
            model = resolve_network(values.get("model", "auto"))
            values = {**network_look(model, values), **values, "model": model}
        self._values, self.timeline = split_schedules(values, typed)

    def settings(self, kind: type[Settings]) -> Settings:
        """Return the settings of one dataclass.

        Args:
            kind: the dataclass.

        Raises:
            SettingsError: a value is invalid.
        """
        names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # any dataclass
        chosen = {name: value for name, value in self._values.items() if name in names}
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()})

    @property
    def network_folder(self) -> Path | None:
        """The current folder if a network of the user's own is named, from which it may be imported; else None."""
        # What the environment names has to be installed: it is not typed with this folder in view.
        names = [self._named.get("model"), getattr(self.arguments, "name", None)]
        return Path.cwd() if any(":" in str(name) for name in names) else None

    def typed(self) -> str:
        """Return the command line as it can be typed again."""
        return shlex.join(["dreamvideo", *map(plain_address, self.words)])

    def resume_hint(self) -> str:
        """Return the command line that resumes what this one began."""
        words = [plain_address(word) for word in self.words if word != "--resume"]
        options_end = words.index("--") if "--" in words else len(words)  # what follows "--" are inputs
        return shlex.join(["dreamvideo", *words[:options_end], "--resume", *words[options_end:]])


def _look_values(arguments: argparse.Namespace, kinds: Sequence[type[Any]]) -> Mapping[str, Any]:
    like, config = getattr(arguments, "like", None), getattr(arguments, "config", None)
    preset = getattr(arguments, "preset", None)
    if like:
        from dreamvideo.media.metadata import settings_in_file
    timeline = getattr(arguments, "timeline_file", None)
    stored = dict(settings_in_file(like)) if like else {}
    schedules = TimelineSettings(stored.pop("timeline", ()))
    if schedules.schedules and TimelineSettings not in kinds:
        raise SettingsError(f"{like} was dreamed with a timeline: expected --like with the commands video and frames")
    filed = timeline_values(read_timeline(timeline)) if timeline else {}
    is_typed = preset is not None
    if not is_typed:
        preset = filed.get("preset")
    elif TimelineSettings not in kinds and is_schedule(str(preset)):
        raise SettingsError("--preset with a schedule: expected one preset, or the commands video and frames")
    return {
        **stored,
        **timeline_values(schedules),
        **(read_toml(config, *kinds, trusted=arguments.trust_config) if config else {}),
        **filed,
        **({"preset": None, FIXED: ""} if is_typed else {}),  # that of an earlier dream does not count
        **preset_values(preset),
    }


@dataclasses.dataclass(frozen=True)
class Command(Generic[Request]):
    """What a command line selects: how to make its request, and what runs it."""

    parse: Callable[[CommandLine], Request]
    run: Callable[[Request, Console], int]
    settings: tuple[type[Any], ...] = ()  # their fields are options


def add_command(
    commands: Any, name: str, help: str, command: Command[Any], description: str | None = None
) -> argparse.ArgumentParser:
    """Add the parser of a command, with the options of its settings.

    Args:
        commands: what `add_subparsers` returned.
        name: of the command.
        help: one line for the list of commands, without a full stop.
        command: what is run.
        description: one paragraph for the command's own help; by default `help` as a sentence.

    Returns:
        The parser, to which the command adds its other options.
    """
    description = description or f"{help[0].upper()}{help[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=description)
    parser.set_defaults(command=command)
    add_verbosity(parser)
    schedules = TimelineSettings in command.settings
    for kind in command.settings:
        if kind is not TimelineSettings:
            add_settings(parser, kind, schedules)
    return parser


def add_settings(parser: argparse.ArgumentParser, settings: type[Any], schedules: bool = False) -> None:
    """Add an option for each field of a settings dataclass, in a group titled by its docstring's first sentence.

    Args:
        parser: what the options are added to.
        settings: a dataclass whose fields were made by `option`.
        schedules: the value of an option may be a schedule.
    """
    choices = option_choices(settings)
    group = parser.add_argument_group((settings.__doc__ or "").split(".")[0].lower())
    for field in dataclasses.fields(settings):
        keywords = {
            name: value for name, value in field.metadata.items() if name not in ("flag", "kind", "reach", "most")
        }
        if field.name in choices:
            keywords["choices"] = choices[field.name]
        if schedules and "type" in keywords:
            keywords["type"] = scheduled_type(field, keywords["type"])
        if keywords.get("type") not in (None, int, float):
            keywords["type"] = _with_message(keywords["type"])
        if field.default not in (None, ()) and keywords.get("action") not in ("store_true", "store_false"):
            keywords["help"] += f" (default: {_default_text(settings, field)})"
        # Suppressed: an option that was not typed is absent, so that a preset or the field's default takes its place.
        group.add_argument(option_flag(field), dest=field.name, default=argparse.SUPPRESS, **keywords)


def _default_text(settings: type[Any], field: dataclasses.Field[Any]) -> str:
    look = network_look(DEFAULT_NETWORK)
    if settings is not DreamSettings or field.name not in look:
        return str(field.default)
    return f"{look[field.name]}; with {EMBEDDED_NETWORK} {field.default}"


def _with_message(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """`parse`, raising what argparse prints; of a ValueError it prints its own message only."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def add_look(parser: argparse.ArgumentParser) -> None:
    """Add the options that set many others: a preset, a file of settings, an earlier dream.

    Args:
        parser: the parser of a command that dreams.
    """
    parser.add_argument("--preset", metavar="NAME", help="a look by name, see presets; other options change it")
    parser.add_argument("--config", type=Path, metavar="TOML", help="settings from a file; other options change them")
    parser.add_argument(
        "--trust-config",
        action="store_true",
        help="let that file also run code (model = module:factory), record, open the page, and use a cluster",
    )
    parser.add_argument("--like", type=Path, metavar="OLD", help="the settings stored in an earlier dream")


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """Add `--quiet` and `--verbose`.

    Args:
        parser: the parser of any command.
    """
    parser.add_argument("-q", "--quiet", action="count", default=0, help="print errors only")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="print details")
