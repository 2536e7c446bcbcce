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


def sheet(
    names: Sequence[str], copies: int = 3, columns: int = 12, seed: int = 0, size: int = 112
) -> NDArray[np.uint8]:
    """Labeled pictures, `copies` of each class side by side; (H, W, 3) uint8 RGB.

    Raises:
        ModelError: no such class.
    """
    tiles = [render(seed + copy, name, size).image for name in names for copy in range(copies)]
    return contact_sheet(tiles, [name for name in names for _ in range(copies)], columns)


def write_png(path: str | Path, image: NDArray[np.uint8]) -> None:
    """Write (H, W, 3) RGB as a PNG file.

    Raises:
        OutputError: it cannot be written.
    """
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    try:
        Path(path).write_bytes(encoded.tobytes())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def sheet_main(argv: Sequence[str] | None = None) -> int:
    """Write the sheet; 0 done, 1 it could not be."""
    parser = argparse.ArgumentParser(prog="python -m dreamvideo.training.render_sheet", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CLASS", help="classes to show (default: all)")
    parser.add_argument("-o", "--output", default="sheet.png", metavar="PNG", help="default: %(default)s")
    parser.add_argument("--copies", type=int, default=3, metavar="N", help="pictures per class (default: 3)")
    parser.add_argument("--columns", type=int, default=12, metavar="N", help="pictures side by side (default: 12)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other pictures of the same (default: 0)")
    args = parser.parse_args(argv)
    try:
        image = sheet(args.names or CLASSES, max(1, args.copies), max(1, args.columns), args.seed)
        write_png(args.output, image)
    except DreamVideoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(sheet_main())
