"""The command layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dreamvideo.commands.console import DONE, Console
from dreamvideo.commands.options import Command, CommandLine, add_command
from dreamvideo.settings.dream import ModelSettings


@dataclass(frozen=True, slots=True)
class LayersRequest:
    """A network whose layers are to be listed."""

    model: ModelSettings


def add_layers_command(commands: Any) -> None:
    """Add the parser of `dreamvideo layers`.

    Args:
        commands: what `add_subparsers` returned.
    """
    add_command(
        commands,
        "layers",
        "list the layers of a network",
        Command(parse_layers, run_layers, (ModelSettings,)),
        "Lists the layers of a network that can be dreamed on: name, stride in pixels, number of channels.",
    )


def parse_layers(line: CommandLine) -> LayersRequest:
    """Make the request of `dreamvideo layers`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    return LayersRequest(line.settings(ModelSettings))


def run_layers(request: LayersRequest, console: Console) -> int:
    """List the layers of a network.

    Args:
        request: which network.
        console: where they are printed.

    Returns:
        The exit code.

    Raises:
        ModelError: there is no such network, or it cannot dream.
        WeightsError: the weights cannot be read.
    """
    from dreamvideo.info.catalog import layer_lines
    from dreamvideo.process import configure_process

    configure_process(request.model)
    console.results(layer_lines(request.model))
    return DONE
