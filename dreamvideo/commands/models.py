"""The command models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dreamvideo.commands.console import DONE, Console
from dreamvideo.commands.options import Command, CommandLine, add_command
from dreamvideo.settings.dream import ModelSettings
from dreamvideo.settings.option import check


@dataclass(frozen=True, slots=True)
class ModelsRequest:
    """Networks to be listed."""

    name: str | None = None  # None: all
    classes: bool = False  # list the classes of the network instead

    def __post_init__(self) -> None:
        check(
            not self.classes or self.name is not None,
            "--classes",
            "the name of a network, such as dreamvideo models dreamnet --classes",
        )


def add_models_command(commands: Any) -> None:
    """Add the parser of `dreamvideo models`.

    Args:
        commands: what `add_subparsers` returned.
    """
    parser = add_command(
        commands,
        "models",
        "list the networks",
        Command(parse_models, run_models),
        "Lists the networks, what they dream of by default, and where their weights come from.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="this one only; any classifier of torchvision")
    parser.add_argument("--classes", action="store_true", help="list the names of its classes instead, from number 0")


def parse_models(line: CommandLine) -> ModelsRequest:
    """Make the request of `dreamvideo models`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: classes are requested of no network.
    """
    return ModelsRequest(line.arguments.name, line.arguments.classes)


def run_models(request: ModelsRequest, console: Console) -> int:
    """List networks, or the classes of one.

    Args:
        request: which.
        console: where they are printed.

    Returns:
        The exit code.

    Raises:
        ModelError: there is no such network, or its classes have no names.
    """
    from dreamvideo.info.catalog import class_lines, model_line, model_lines
    from dreamvideo.process import configure_process

    configure_process(ModelSettings(device="cpu"))
    if request.name is None:
        console.results(model_lines())
    else:
        console.results(class_lines(request.name) if request.classes else [model_line(request.name)])
    return DONE
