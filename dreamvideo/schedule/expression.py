"""Expressions in the time of a film, such as `0.008 * (1 + 0.5 * sin(2 * pi * t / 4))`.

Python's parser reads the text, and only numbers, named values, arithmetic and a few functions are taken from the tree;
nothing is evaluated by Python itself. All numbers are floats, so that no power takes long.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dreamvideo.errors import SettingsError, did_you_mean

LONGEST: Final = 500  # characters of an expression
DEEPEST: Final = 100  # levels of its tree

Variables = Mapping[str, float]
Evaluate = Callable[[Variables], float]

VARIABLES: Final = ("t", "frame", "beat")  # seconds and frames since the beginning of the film; beats of its music
CONSTANTS: Final[Mapping[str, float]] = {"pi": math.pi, "e": math.e}
# Name -> the function, and how many arguments it takes, at least and at most.
FUNCTIONS: Final[Mapping[str, tuple[Callable[..., float], int, int]]] = {
    "sin": (math.sin, 1, 1),
    "cos": (math.cos, 1, 1),
    "tan": (math.tan, 1, 1),
    "exp": (math.exp, 1, 1),
    "log": (math.log, 1, 1),
    "sqrt": (math.sqrt, 1, 1),
    "abs": (abs, 1, 1),
    "floor": (math.floor, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "round": (round, 1, 1),
    "min": (min, 2, 20),
    "max": (max, 2, 20),
    "clip": (lambda value, low, high: min(max(value, low), high), 3, 3),
}
_OPERATORS: Final[Mapping[type[ast.AST], Callable[..., float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A number that depends on the time of a film."""

    text: str
    evaluate: Evaluate
    names: frozenset[str]  # of `VARIABLES`, those that it has

    def __call__(self, variables: Variables) -> float:
        """Return its value; NaN where it has none, such as the root of a negative number.

        Args:
            variables: name -> value, for all of `names`.
        """
        try:
            value = self.evaluate(variables)
            return float(value) if not isinstance(value, complex) else math.nan
        except (ArithmeticError, ValueError, TypeError):  # a power may be complex
            return math.nan


def parse_expression(text: str) -> Expression:
    """Parse an expression.

    Args:
        text: numbers, `VARIABLES`, `CONSTANTS`, `FUNCTIONS`, `+ - * / % **` and parentheses.

    Raises:
        SettingsError: the text holds something else.
    """
    number = _plain_number(text)
    if number is not None:
        return Expression(text, lambda _: number, frozenset())
    names: set[str] = set()
    return Expression(text, _build(_tree(text), text, names, 0), frozenset(names))


def _plain_number(text: str) -> float | None:
    """Most values of long schedules are plain numbers, which need no parser."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _tree(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise SettingsError(f"{_shown(text)}: expected an expression of at most {LONGEST} characters")
    if not text.strip():
        raise SettingsError("an empty value: expected a number or an expression")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's opinion of what it reads
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SettingsError(f"{_shown(text)}: expected a number or an expression, such as 0.01*(1+sin(t))") from None


def _build(node: ast.expr, text: str, names: set[str], depth: int) -> Evaluate:
    """The function that evaluates a part of the tree; the variables that it has are added to `names`."""
    if depth > DEEPEST:
        raise SettingsError(f"{_shown(text)}: expected a shorter expression, of at most {DEEPEST} levels")
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            try:
                value = float(number)
            except OverflowError:
                value = math.inf
            return lambda _: value
        case ast.Name(id=name):
            return _build_name(name, text, names)
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _OPERATORS:
            change, inner = _OPERATORS[type(sign)], _build(operand, text, names, depth + 1)
            return lambda variables: change(inner(variables))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            combine = _OPERATORS[type(sign)]
            first, second = _build(left, text, names, depth + 1), _build(right, text, names, depth + 1)
            return lambda variables: combine(first(variables), second(variables))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            function = _function(name, len(arguments), text)
            parts = [_build(each, text, names, depth + 1) for each in arguments]
            return lambda variables: float(function(*(part(variables) for part in parts)))
    part = ast.get_source_segment(text.strip(), node) or text
    raise SettingsError(
        f"{_shown(text)}: {_shown(part)} is not allowed: expected numbers, {', '.join(VARIABLES)}, "
        f"+ - * / % ** and functions such as sin, min and floor"
    )


def _build_name(name: str, text: str, names: set[str]) -> Evaluate:
    if name in CONSTANTS:
        constant = CONSTANTS[name]
        return lambda _: constant
    if name in VARIABLES:
        names.add(name)
        return lambda variables: variables[name]
    known = [*VARIABLES, *CONSTANTS, *FUNCTIONS]
    raise SettingsError(
        f"{_shown(text)}: no name {_shown(name)}: expected {', '.join((*VARIABLES, *CONSTANTS))} or a function"
        f"{did_you_mean(name, known)}"
    )


def _function(name: str, count: int, text: str) -> Callable[..., float]:
    if name not in FUNCTIONS:
        nearest = did_you_mean(name, FUNCTIONS)
        raise SettingsError(f"{_shown(text)}: no function {_shown(name)}{nearest}; there are {', '.join(FUNCTIONS)}")
    function, least, most = FUNCTIONS[name]
    if not least <= count <= most:
        expected = str(least) if least == most else f"{least} or more"
        raise SettingsError(f"{_shown(text)}: {name} of {count} numbers: expected {expected}")
    return function


def _shown(text: str) -> str:
    """Text in quotes, of at most a line."""
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
