"""Shows pictures dreamed about groups of classes: python -m dreamvideo.training.group_sheet IMAGE... -o sheet.png

Each row has a picture and its dreams, labeled.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import DreamVideoError
from dreamvideo.media.contact_sheet import contact_sheet
from dreamvideo.training.group_dreams import GroupDream, add_dream_options, checked_output, dreams_asked_for
from dreamvideo.training.render_sheet import write_png

MOST_COLUMNS = 6  # tiles side by side; the dreams of a picture go on in the next row


def group_sheet(dreams: Sequence[GroupDream], columns: int = MOST_COLUMNS) -> NDArray[np.uint8]:
    """Arrange dreams picture by picture.

    Args:
        dreams: at least one; each picture dreamed about the same groups.
        columns: tiles in a row, at most.

    Returns:
        (H, W, 3) uint8 RGB: each picture, then its dreams.
    """
    tiles: list[NDArray[np.uint8]] = []
    labels: list[str] = []
    for name in dict.fromkeys(each.image.name for each in dreams):
        own = [each for each in dreams if each.image.name == name]
        row = [own[0].image.source, *(each.image.dreamed for each in own)]
        names = [name, *(each.group for each in own)]
        columns = min(columns, len(row))
        padding = -len(row) % columns  # so that each picture begins a row
        tiles += [*row, *[np.zeros((1, 1, 3), np.uint8)] * padding]
        labels += [*names, *[""] * padding]
    return contact_sheet(tiles, labels, columns)


def group_sheet_main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments. Default: those of the process.

    Returns:
        The exit code: 0 the sheet was written, 1 an error was printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m dreamvideo.training.group_sheet", description="Show pictures dreamed about groups of classes."
    )
    add_dream_options(parser)
    parser.add_argument("-o", "--output", type=Path, default=Path("groups.png"), metavar="PNG", help="%(default)s")
    args = parser.parse_args(argv)
    try:
        checked_output(args.output)
        write_png(args.output, group_sheet(list(dreams_asked_for(args))))
    except DreamVideoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(group_sheet_main())
