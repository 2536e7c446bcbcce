"""Settings fields that are also command-line options: default, help, choices and kind are written once, in the field.

`commands.options` makes the argparse option of a field, `settings.toml_file` reads the field from a file, and
`media.metadata` and `jobs.fingerprint` ask for its kind.
"""

from __future__ import annotations

from dataclasses import Field, field, fields
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from dreamvideo.errors import SettingsError, did_you_mean
from dreamvideo.settings.field_types import has_type, numbers_in, shortened, type_name

OptionKind = Literal["plain", "file", "machine"]

# Resolving annotations takes longer than all other checks of a settings object.
_HINTS: Final[dict[type[Any], dict[str, Any]]] = {}

# Numbers beyond this are mistakes, and overflow what libraries hold them in; most options have a smaller `most`.
MOST: Final = 10**9
MOST_PIXELS: Final = 1 << 15  # of a side: no encoder takes more than twice that
MOST_STEPS: Final = 10_000  # ascent steps of a kind; hundreds saturate an image


def option(
    default: Any,
    help: str,
    *,
    kind: OptionKind = "plain",
    reach: str | None = None,
    most: float = MOST,
    **argparse_keywords: Any,
) -> Any:
    """Declare a dataclass field that is also a command-line option.

    A field annotated with a `Literal` offers its values as choices, see `option_choices`.

    Args:
        default: the value of the field; also shown in the help.
        help: one line for `--help`.
        kind: `file`: the value is a path; its name is stored in outputs, its content identifies a job, and a cluster
            may have to transfer it. `machine`: it describes where a dream runs and never changes what is dreamed, so it
            is neither stored nor compared when a job is resumed. `plain`: everything else.
        reach: what the option does beyond the dream, such as "opens a page to others"; a TOML file may set it only with
            `--trust-config`.
        most: the largest absolute value of a number, also of those in a tuple.
        argparse_keywords: `flag` replaces the option's name; all others go to `ArgumentParser.add_argument`.

    Returns:
        A `dataclasses.field`.
    """
    return field(
        default=default, metadata={"help": help, "kind": kind, "reach": reach, "most": most, **argparse_keywords}
    )


def option_kind(field: Field[Any]) -> OptionKind:
    """Return the kind of an option.

    Args:
        field: a field of a settings dataclass.
    """
    kind: OptionKind = field.metadata.get("kind", "plain")
    return kind


def option_reach(field: Field[Any], value: Any) -> str | None:
    """Return what a value of an option does beyond the dream; None: nothing.

    Args:
        field: a field of a settings dataclass.
        value: its value.
    """
    if field.name == "model":
        return "runs code" if ":" in str(value) else None
    reach: str | None = field.metadata.get("reach")
    return reach


def option_flag(field: Field[Any]) -> str:
    """Return the option's name on the command line.

    Args:
        field: a field of a settings dataclass.

    Returns:
        The name with its dashes, such as `--step-size` or `--no-audio`.
    """
    flag: str = field.metadata.get("flag", "--" + field.name.replace("_", "-"))
    return flag


def option_choices(settings: type[Any]) -> dict[str, tuple[Any, ...]]:
    """Return the choices of all fields that are annotated with a `Literal`, directly or inside a tuple or union.

    Args:
        settings: a settings dataclass.

    Returns:
        Field name -> the values of its `Literal`, in their order.
    """
    choices = {name: _literal_values(hint) for name, hint in _hints(settings).items()}
    return {name: values for name, values in choices.items() if values}


def _hints(settings: type[Any]) -> dict[str, Any]:
    """Field name -> annotation."""
    if settings not in _HINTS:
        _HINTS[settings] = get_type_hints(settings)
    return _HINTS[settings]


def _literal_values(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(value for argument in get_args(hint) for value in _literal_values(argument))


def check(valid: bool, got: str, expected: str) -> None:
    """Raise a `SettingsError` unless `valid`.

    Args:
        valid: the outcome of the check.
        got: the option and its value, as typed, such as `--crf 90`.
        expected: what is valid, such as `0 to 63`.

    Raises:
        SettingsError: `valid` is False.
    """
    if not valid:
        raise SettingsError(f"{got}: expected {expected}")


def check_fields(settings: Any) -> None:
    """Check the type of every field, the choices of those annotated with a `Literal`, and the size of numbers.

    The values may come from a file that someone else wrote, so they may be anything.

    Args:
        settings: an instance of a settings dataclass.

    Raises:
        SettingsError: a value has another type, is not one of its choices, or is larger than the option's `most`.
    """
    hints, choices = _hints(type(settings)), option_choices(type(settings))
    for each_field in fields(settings):
        name, flag = each_field.name, option_flag(each_field)
        value = getattr(settings, name)
        for each in value if isinstance(value, tuple) else (value,):
            if name in choices and isinstance(each, str) and each not in choices[name]:
                known = [str(choice) for choice in choices[name]]
                nearest = did_you_mean(each, known)
                raise SettingsError(f"{flag} {shortened(each)}: expected one of {', '.join(known)}{nearest}")
        if not has_type(value, hints[name]):
            raise SettingsError(f"{flag} {shortened(value)}: expected {type_name(hints[name])}")
        most = each_field.metadata.get("most", MOST)
        for number in numbers_in(value):
            check(abs(number) <= most, f"{flag} {shortened(number)}", f"at most {most}")
