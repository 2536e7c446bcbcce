"""What commands say: what was asked for on stdout, how it goes on stderr."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dreamvideo.commands.exits import DONE
from dreamvideo.commands.summary import SummaryRow, format_table

if TYPE_CHECKING:
    from dreamvideo.models.network import Network


def tell(arguments: argparse.Namespace, text: str) -> None:
    """A line on stderr, unless --quiet."""
    from dreamvideo.commands.progress import print_message

    if not arguments.quiet:
        print_message(text)


def announce_network(arguments: argparse.Namespace, path: Path, size: str, network: Network) -> None:
    """What is dreamed with what, on which device."""
    from dreamvideo.devices import device_name, precision_name

    layers = " + ".join(network.score.layers)
    precision = precision_name(network.precision, network.device)
    tell(arguments, f"{path}: {size}, {network.name} {layers}, {precision}, {device_name(network.device)}")


def print_summary(arguments: argparse.Namespace, rows: Sequence[SummaryRow]) -> None:
    """A table of several inputs."""
    if len(rows) > 1:
        for line in format_table(rows):
            tell(arguments, line)


def print_error(problem: object) -> None:
    """What went wrong, as one line on stderr, --quiet or not."""
    from dreamvideo.commands.progress import print_message

    print_message(f"dreamvideo: {one_line(problem)}")


def one_line(problem: object) -> str:
    """The text of an error without its line breaks."""
    return " ".join(str(problem).split())


def print_lines(lines: Iterable[str]) -> int:
    """Lines on stdout, as long as somebody reads them."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; Python would complain once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE
