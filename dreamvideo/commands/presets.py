"""The command presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dreamvideo.commands.console import DONE, Console
from dreamvideo.commands.options import Command, CommandLine, add_command
from dreamvideo.settings.presets import PRESETS


@dataclass(frozen=True, slots=True)
class PresetsRequest:
    """All presets are to be listed."""


def add_presets_command(commands: Any) -> None:
    """Add the parser of `dreamvideo presets`.

    Args:
        commands: what `add_subparsers` returned.
    """
    add_command(commands, "presets", "list looks by name", Command(parse_presets, run_presets))


def parse_presets(line: CommandLine) -> PresetsRequest:
    """Make the request of `dreamvideo presets`.

    Args:
        line: the parsed command line.
    """
    return PresetsRequest()


def run_presets(request: PresetsRequest, console: Console) -> int:
    """List the presets.

    Args:
        request: empty.
        console: where they are printed.

    Returns:
        The exit code.
    """
    console.results(f"{preset.name:14} {preset.summary}" for preset in PRESETS.values())
    return DONE
