"""Contact sheet of the renderer's classes: python -m dreamvideo.training.render_sheet [CLASS...] -o sheet.png"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import DreamVideoError, OutputError
from dreamvideo.media.contact_sheet import contact_sheet
from dreamvideo.training.render import CLASSES, render


def class_sheet(
    names: Sequence[str], copies: int = 3, columns: int = 12, seed: int = 0, size: int = 112
) -> NDArray[np.uint8]:
    """Render a labeled contact sheet of classes.

    Args:
        names: classes of the renderer.
        copies: renders of each class, side by side.
        columns: tiles in a row.
        seed: of the first copy; each further copy has the next seed.
        size: side of a tile in pixels, at most 160.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ModelError: a class does not exist.
    """
    tiles = [render(seed + copy, name, size).image for name in names for copy in range(copies)]
    return contact_sheet(tiles, [name for name in names for _ in range(copies)], columns)


def write_png(path: str | Path, image: NDArray[np.uint8]) -> None:
    """Write an image as a PNG file, without metadata.

    Args:
        path: of the file; an existing one is overwritten.
        image: (H, W, 3) uint8 RGB.

    Raises:
        OutputError: the file cannot be written.
    """
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))  # RGB -> BGR
    try:
        Path(path).write_bytes(encoded.tobytes())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def sheet_main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments. Default: those of the process.

    Returns:
        The exit code: 0 the sheet was written, 1 an error was printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m dreamvideo.training.render_sheet", description="Write a contact sheet of the rendered classes."
    )
    parser.add_argument("names", nargs="*", metavar="CLASS", help="classes to show (default: all)")
    parser.add_argument("-o", "--output", default="sheet.png", metavar="PNG", help="default: %(default)s")
    parser.add_argument("--copies", type=int, default=3, metavar="N", help="renders per class (default: 3)")
    parser.add_argument("--columns", type=int, default=12, metavar="N", help="renders side by side (default: 12)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the first render (default: 0)")
    args = parser.parse_args(argv)
    try:
        image = class_sheet(args.names or CLASSES, max(1, args.copies), max(1, args.columns), args.seed)
        write_png(args.output, image)
    except DreamVideoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(sheet_main())
