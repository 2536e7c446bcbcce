"""A look as the page sends it, a preset and options that change it: what it means, and the command that says the same.

Values that nobody set come from the preset, else from the look of the network, else from the option's default, as on
the command line; a test holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from dreamvideo.errors import SettingsError
from dreamvideo.media.video_writer import default_output
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.drives import DriveSettings
from dreamvideo.settings.field_types import shortened
from dreamvideo.settings.job import EncodeSettings, MaskSettings, ReadSettings, SequenceSettings
from dreamvideo.settings.network_looks import (
    DEFAULT_NETWORK,
    DRAWN_NETWORK,
    EMBEDDED_NETWORK,
    network_look,
    resolve_network,
    weights_folder,
)
from dreamvideo.settings.option import option_flag, option_kind
from dreamvideo.settings.presets import PRESETS, Preset, find_preset
from dreamvideo.settings.schedules import FLAGS, TimelineSettings
from dreamvideo.settings.toml_file import typed_values
from dreamvideo.studio.look_schedules import check_drive_texts, first_preset, job_timeline, read_drives, read_schedules
from dreamvideo.studio.option_labels import option_label

PHOTO_KINDS: Final = (ModelSettings, ObjectiveSettings, DreamSettings, MaskSettings)  # those that a photo has, too
LOOK_KINDS: Final = (*PHOTO_KINDS, CarrySettings, ReadSettings, EncodeSettings, SequenceSettings)
# What the page does not offer: files outside of the folder, folders as outputs, and what only a developer needs.
_HIDDEN: Final = frozenset(
    ["weights", "scaling", "flow_weights", "codec", "encoder_threads", "frames", "lanes", "independent", "format"]
)
MOST_VALUES: Final = 64  # of a look, and of a value that is a list


@dataclass(frozen=True, slots=True)
class LookParts:
    """All settings of a look."""

    model: ModelSettings
    objective: ObjectiveSettings
    dream: DreamSettings
    mask: MaskSettings
    carry: CarrySettings
    read: ReadSettings
    encode: EncodeSettings
    sequence: SequenceSettings
    timeline: TimelineSettings = TimelineSettings()
    drive: DriveSettings = DriveSettings()

    @property
    def changes(self) -> bool:
        """Whether anything changes over the time of a film."""
        return bool(self.timeline.schedules or self.drive.drive)


@dataclass(frozen=True, slots=True)
class ChosenLook:
    """A look as it was chosen.

    Attributes:
        preset: its name; None: none.
        values: (field, value) of options that were set; values as in a TOML file.
        timeline: (field, schedule) of options that change over the time of a film; their values do not count.
        drives: options that follow the sound, as typed.
    """

    preset: str | None = None
    values: tuple[tuple[str, Any], ...] = ()
    timeline: tuple[tuple[str, str], ...] = ()
    drives: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what `read_look` reads."""
        values = {name: _listed(value) for name, value in self.values}
        return {
            "preset": self.preset,
            "values": values,
            "timeline": dict(self.timeline),
            "drives": list(self.drives),
        }

    @property
    def title(self) -> str:
        """A few words for it, such as `birds, largest shapes 3`."""
        keyed = dict(self.timeline)
        words = [self.preset] if self.preset and "preset" not in keyed else []
        for name, value in self.values:
            if name in keyed:
                continue
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is True else str(value)
            words.append(
                shown if name in ("classes", "layers", "channels") else f"{option_label(name).lower()} {shown}".strip()
            )
        driven = (text.partition("=")[0].strip().replace("-", "_") for text in self.drives)
        changing = [option_label(name).lower() for name in (*keyed, *driven)]
        words += [f"{', '.join(changing)} over time"] if changing else []
        return ", ".join(words) or "default look"


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def offered_fields() -> dict[str, tuple[type[Any], Field[Any]]]:
    """Return the options that the page offers: field -> (settings dataclass, field)."""
    return {
        field.name: (kind, field)
        for kind in LOOK_KINDS
        for field in fields(kind)
        if field.name not in _HIDDEN and option_kind(field) != "machine"
    }


_FLAGS: Final = {name: option_flag(field) for name, (_, field) in offered_fields().items()}


def read_look(content: Any) -> ChosenLook:
    """Read a look from JSON that a browser sent.

    Args:
        content: {"preset": name or null, "values": {field: value}, "timeline": {field: schedule}, "drives": [text]};
            all but the first may be missing.

    Raises:
        SettingsError: it is anything else, or names an option that the page does not offer.
    """
    if not isinstance(content, dict):
        raise SettingsError(f"got {shortened(content)} as a look: expected a preset and values")
    preset, values = content.get("preset"), content.get("values") or {}
    if preset is not None:
        find_preset(preset if isinstance(preset, str) else shortened(preset))
    if not isinstance(values, dict) or len(values) > MOST_VALUES:
        raise SettingsError(f"got {shortened(values)} as the values of a look: expected at most {MOST_VALUES} options")
    offered = offered_fields()
    pairs = []
    for name, value in values.items():
        if name not in offered:
            raise SettingsError(f"no option {shortened(name)} on this page")
        if isinstance(value, list) and len(value) > MOST_VALUES:
            raise SettingsError(f"{_FLAGS[name]}: got {len(value)} values, expected at most {MOST_VALUES}")
        if value is None or value == [] or value == "" or _is_unset_flag(offered[name][1], value):
            continue
        pairs.append((name, tuple(value) if isinstance(value, list) else value))
    timeline, drives = read_schedules(content.get("timeline")), read_drives(content.get("drives"))
    return ChosenLook(preset, tuple(pairs), timeline, drives)


def _is_unset_flag(field: Field[Any], value: Any) -> bool:
    """Whether the value of a switch is that without it: the command line has no word for that."""
    return isinstance(value, bool) and value == field.default


def installed_networks() -> tuple[str, ...]:
    """Return the networks that dream without a download."""
    lite = [DEFAULT_NETWORK, *(f"efficientnet_lite{number}" for number in (0, 1))]
    return (*(name for name in lite if weights_folder(name) is not None), EMBEDDED_NETWORK, DRAWN_NETWORK)


def offered_presets() -> tuple[Preset, ...]:
    """Return the presets whose network is installed; those of the default network come first."""
    networks = installed_networks()
    presets = [preset for preset in PRESETS.values() if preset.model in networks]
    return tuple(sorted(presets, key=lambda preset: networks.index(preset.model)))


def resolve_look(look: ChosenLook, find: Callable[[str], Path]) -> LookParts:
    """Return all settings of a look.

    Args:
        look: as it was chosen.
        find: name of a file in the folder of the studio -> its path; raises a `DreamVideoError` for any other name.

    Raises:
        SettingsError: a value is invalid, or the network is not installed.
    """
    keyed = dict(look.timeline)
    pairs = [(_key(name), _plain(value)) for name, value in look.values if name not in keyed]
    typed = dict(typed_values(pairs, *LOOK_KINDS, origin="look"))
    for name in typed:
        if option_kind(offered_fields()[name][1]) == "file" and typed[name] is not None:
            typed[name] = str(find(typed[name]))
    preset = first_preset(keyed) or look.preset
    values: dict[str, Any] = {**({} if preset is None else find_preset(preset).values), **typed}
    model = _installed(values.get("model", "auto"))
    values = {**network_look(model, {**values, **keyed}), **values, "model": model}
    plain = {name: value for name, value in values.items() if name not in keyed}
    check_drive_texts(look.drives)
    timeline = job_timeline(keyed, typed)
    parts = LookParts(*(_made(kind, plain) for kind in LOOK_KINDS))
    return replace(parts, timeline=timeline, drive=DriveSettings(look.drives))


def _installed(network: str) -> str:
    """The name of a network that dreams without a download."""
    model = resolve_network(network)
    if model not in installed_networks():
        known = ", ".join(installed_networks())
        raise SettingsError(f"{shortened(model)} is not installed: expected {known}, or the command line")
    return model


def _key(name: str) -> str:
    return _FLAGS[name].removeprefix("--").removeprefix("no-")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _made(kind: type[Any], values: Mapping[str, Any]) -> Any:
    return kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})


def look_values(parts: LookParts) -> dict[str, Any]:
    """Return the values of all options that the page offers, as it shows them.

    Args:
        parts: of a look.
    """
    offered = offered_fields()
    shown = {}
    for part in (getattr(parts, field.name) for field in fields(parts)):
        for field in fields(part):
            if field.name in offered:
                shown[field.name] = _as_typed(getattr(part, field.name))
    return shown


def _as_typed(value: Any) -> Any:
    """A value as it is typed: of a list, each as text, without a weight of 1."""
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return [_joined(each[:-1] if each[-1] == 1 else each) for each in value]
    if isinstance(value, tuple):
        return "x".join(str(side) for side in value if side is not None)
    return value if value is None or isinstance(value, bool | int | float | str) else f"{float(value):g}"


def _joined(parts: tuple[Any, ...]) -> str:
    return ":".join(f"{part:g}" if isinstance(part, float) else str(part) for part in parts)


def command_words(
    look: ChosenLook, source: Path, output: Path | None, is_photo: bool, find: Callable[[str], Path]
) -> list[str]:
    """Return the command line that dreams a file with a look.

    Args:
        look: as it was chosen.
        source: what is dreamed.
        output: the name of the dream; None: the default.
        is_photo: it is a photo, not a film; options of films are left out.
        find: as for `resolve_look`.
    """
    is_folder = source.is_dir()
    words = ["dreamvideo", "image" if is_photo else "frames" if is_folder else "video", str(source)]
    output = default_output(source) if is_folder and output is None else output  # without it: a folder
    words += [] if output is None else ["-o", str(output)]
    keyed = {} if is_photo else dict(look.timeline)
    words += [] if look.preset is None or "preset" in keyed else ["--preset", look.preset]
    offered = offered_fields()
    for name, value in look.values:
        kind, field = offered[name]
        is_other = (is_photo and kind not in PHOTO_KINDS) or (kind is SequenceSettings and not is_folder)
        if is_other or name in keyed:
            continue
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, bool):
                words.append(_FLAGS[name])
            elif str(each).startswith("-"):
                words.append(f"{_FLAGS[name]}={each}")
            else:
                words += [_FLAGS[name], str(find(each) if option_kind(field) == "file" else each)]
    for name, text in keyed.items():
        words += [f"{FLAGS[name]}={text}"] if text.startswith("-") else [FLAGS[name], text]
    for text in () if is_photo else look.drives:
        words += ["--drive", text]
    return words
