"""What README.md says is run: its Python example, its commands' options, its links."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dreamvideo
from dreamvideo.cli import build_parser

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: Any) -> Any:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_the_python_example_runs() -> None:
    (example,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines() == ["(2, 3, 64, 96)", "0 (64, 96, 3)", "1/25 (64, 96, 3)", "2/25 (64, 96, 3)"]


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines()])
def test_every_command_parses(line: Any) -> None:
    for command in re.split(r"&&|#.*", line):
        words = command.split()
        if words and words[0].endswith("dreamvideo"):
            build_parser().parse_args(words[1:])


def test_every_option_in_the_text_exists() -> None:
    options = set(re.findall(r"`(--[a-z-]+)", README)) - {"--help"}
    commands = build_parser()._subparsers._group_actions[0].choices
    shown = "".join(commands[name].format_help() for name in ("video", "live", "frames", "info"))
    assert options and not [option for option in options if option not in shown]


def test_links_and_pictures_are_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_first_command_dreams_a_file_that_is_there() -> None:
    first = blocks("sh")[0].split()
    assert (ROOT / first[-1]).is_file()


def test_public_names_are_there_and_others_are_not() -> None:
    for name in dreamvideo.__all__:
        assert getattr(dreamvideo, name) is not None
    with pytest.raises(AttributeError):
        dreamvideo.nonsense  # noqa: B018
