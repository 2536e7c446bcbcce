"""Public functions, and those that another folder of the package imports, say what their parameters are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import dreamvideo

PACKAGE = Path(__file__).parents[1] / "dreamvideo"

Place = tuple[str, str]  # a module, dotted, and a name in it


def trees() -> dict[str, ast.Module]:
    """Dotted name of a module, without `dreamvideo.`, -> its syntax tree."""
    paths = {path: path.relative_to(PACKAGE).with_suffix("").parts for path in sorted(PACKAGE.rglob("*.py"))}
    return {
        ".".join(part for part in parts if part != "__init__"): ast.parse(path.read_text(encoding="utf-8"))
        for path, parts in paths.items()
    }


TREES = trees()


@cache
def imported_elsewhere() -> frozenset[Place]:
    """What a module of one folder takes out of a module of another, as a name or as an attribute of the module."""
    places = set()
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dreamvideo")):
                continue
            origin = node.module.removeprefix("dreamvideo").removeprefix(".")
            for alias in node.names:
                if (inner := f"{origin}.{alias.name}".strip(".")) in TREES:  # a module: its attributes are used
                    name = alias.asname or alias.name
                    places |= {(inner, a.attr) for a in attributes_of(tree, name) if is_far(module, inner)}
                elif is_far(module, origin):
                    places.add((origin, alias.name))
    return frozenset(places)


def attributes_of(tree: ast.Module, name: str) -> Iterator[ast.Attribute]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name:
            yield node


def is_far(module: str, other: str) -> bool:
    return module.split(".")[0] != other.split(".")[0]


def public() -> frozenset[Place]:
    """The home of every name in `dreamvideo.__all__`."""
    names = [getattr(dreamvideo, name) for name in dreamvideo.__all__ if name != "__version__"]
    return frozenset((named.__module__.removeprefix("dreamvideo."), named.__name__) for named in names)


def definitions(places: frozenset[Place]) -> Iterator[tuple[Place, ast.FunctionDef | ast.ClassDef]]:
    for module, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (module, node.name) in places:
                yield (module, node.name), node


def undocumented(function: ast.FunctionDef) -> list[str]:
    """Parameters that the section `Args:` of a function does not name; one line of it may name several."""
    lines = re.findall(r"^ +([\w*]+(?:, [\w*]+)*): ", args_section(ast.get_docstring(function) or ""), re.M)
    documented = {name.strip("*") for line in lines for name in line.split(", ")}
    a = function.args
    every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *([a.vararg] if a.vararg else []), *([a.kwarg] if a.kwarg else [])]
    return [argument.arg for argument in every if argument.arg not in documented]


def args_section(text: str) -> str:
    """The lines below `Args:`, up to the next section."""
    _, _, rest = text.partition("Args:\n")
    return re.split(r"^\S", rest, maxsplit=1, flags=re.M)[0]


def test_what_another_folder_imports_is_seen() -> None:
    assert ("frames", "Frame") in imported_elsewhere() and ("tensors", "to_tensor") in imported_elsewhere()
    assert all(("video.lanes", name) not in imported_elsewhere() for name in ("_Lane", "_lane"))


def test_a_parameter_that_is_not_named_is_found() -> None:
    lines = ["Do.", "", "Args:", "    a: one.", "    c, d: others.", "", "b: not in the section."]
    source = "def f(a, b, *c, d=1, **e):\n    " + repr("\n".join(lines))
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert undocumented(function) == ["b", "e"]


@pytest.mark.parametrize("places", [public(), imported_elsewhere()], ids=["public", "imported by another folder"])
def test_has_a_docstring_and_every_parameter_in_it(places: frozenset[Place]) -> None:
    problems = []
    for (module, name), node in definitions(places):
        if ast.get_docstring(node) is None:
            problems.append(f"{module}.{name}: no docstring")
        elif isinstance(node, ast.FunctionDef) and (missing := undocumented(node)):
            problems.append(f"{module}.{name}: Args: lacks {', '.join(missing)}")
    assert not problems, "\n".join(problems)
