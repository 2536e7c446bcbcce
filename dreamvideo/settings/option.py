"""Settings fields that are also command-line options: default, help, choices and kind are written once, in the field.

`commands.options` makes the argparse option of a field, `settings.toml_file` reads the field from a file, and
`media.metadata` and `jobs.fingerprint` ask for its kind.
"""

from __future__ import annotations

from dataclasses import Field, field, fields
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from dreamvideo.errors import SettingsError, did_you_mean

OptionKind = Literal["plain", "file", "machine"]

# Results of `option_choices`: resolving annotations takes longer than all other checks of a settings object.
_CHOICES: Final[dict[type[Any], dict[str, tuple[Any, ...]]]] = {}


def option(
    default: Any, help: str, *, kind: OptionKind = "plain", reach: str | None = None, **argparse_keywords: Any
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
        argparse_keywords: `flag` replaces the option's name; all others go to `ArgumentParser.add_argument`.

    Returns:
        A `dataclasses.field`.
    """
    return field(default=default, metadata={"help": help, "kind": kind, "reach": reach, **argparse_keywords})


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
    if settings not in _CHOICES:
        hints = get_type_hints(settings)
        choices = {field.name: _literal_values(hints[field.name]) for field in fields(settings)}
        _CHOICES[settings] = {name: values for name, values in choices.items() if values}
    return _CHOICES[settings]


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


def check_choices(settings: Any) -> None:
    """Check every field that is annotated with a `Literal`.

    Args:
        settings: an instance of a settings dataclass.

    Raises:
        SettingsError: a value is not one of its choices.
    """
    by_name = {field.name: field for field in fields(settings)}
    for name, choices in option_choices(type(settings)).items():
        value = getattr(settings, name)
        for each in value if isinstance(value, tuple) else (value,):
            # None stands for "not set" where the annotation allows it.
            if each is not None and each not in choices:
                nearest = did_you_mean(str(each), map(str, choices))
                expected = ", ".join(map(str, choices))
                raise SettingsError(f"{option_flag(by_name[name])} {each}: expected one of {expected}{nearest}")
