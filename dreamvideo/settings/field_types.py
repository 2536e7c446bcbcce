"""Whether a value has the type that a settings field is annotated with; values from files may have any."""

from __future__ import annotations

import math
import types
from collections.abc import Iterator
from fractions import Fraction
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

_LONGEST: Final = 80  # characters of a wrong value in a message

_NAMES: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    Fraction: "a finite number",
    str: "text without a NUL character",
    Path: "a path",
    type(None): "nothing",
}


def has_type(value: Any, hint: Any) -> bool:
    """Tell whether a value may stand in a field.

    Args:
        value: anything.
        hint: the annotation of the field, resolved: built from classes, `Literal`, unions and tuples.

    Returns:
        Whether it fits. A number is never a bool, and always finite; text holds no NUL, which no path may.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(type(value) is type(each) and value == each for each in arguments)
    if origin in (Union, types.UnionType):
        return any(has_type(value, each) for each in arguments)
    if origin is tuple:
        if arguments[1:] == (...,):
            return isinstance(value, tuple) and all(has_type(each, arguments[0]) for each in value)
        fits = isinstance(value, tuple) and len(value) == len(arguments)
        return fits and all(has_type(each, one) for each, one in zip(value, arguments, strict=True))
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if hint in (float, Fraction):
        return isinstance(value, Real) and not isinstance(value, bool) and _is_finite(value)
    if hint in (str, Path):
        return isinstance(value, hint) and "\0" not in str(value)
    return isinstance(value, hint)


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def type_name(hint: Any) -> str:
    """Describe the values that `has_type` accepts, for the end of an error message.

    Args:
        hint: as for `has_type`.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join(type_name(each) for each in arguments if each is not type(None))
    if origin is tuple:
        if arguments[1:] == (...,):
            return f"a list of {type_name(arguments[0])}"
        return f"({', '.join(type_name(each) for each in arguments)})"
    return _NAMES.get(hint, f"{hint.__name__}")


def shortened(value: Any, quoted: bool = False) -> str:
    """Return a value as text of at most a line; the text of a value from a file may have any length.

    Args:
        value: anything.
        quoted: put text in quotes, as Python writes it.
    """
    try:
        text = value if isinstance(value, str) and not quoted else repr(value)
    except (RecursionError, ValueError):  # lists in lists, a number of thousands of digits
        return f"a {type(value).__name__}"
    text = text.replace("\n", "\\n")  # else a message would have two lines
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def numbers_in(value: Any) -> Iterator[Any]:
    """Yield the numbers in a value, also inside tuples.

    Args:
        value: of a field, of the right type.
    """
    if isinstance(value, tuple):
        for each in value:
            yield from numbers_in(each)
    elif isinstance(value, Real) and not isinstance(value, bool):
        yield value
