"""Names of the numbers that standards use for colors, rotations and containers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import av

# ITU-T H.273. 0, 2 and 3 are reserved or unspecified; a matrix of 0 is RGB and has no name.
MATRICES = {1: "BT.709", 4: "FCC", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 8: "YCgCo", 9: "BT.2020", 10: "BT.2020"}
TRANSFERS = {
    1: "BT.709",
    4: "gamma 2.2",
    5: "gamma 2.8",
    6: "BT.601",
    7: "SMPTE 240M",
    8: "linear",
    13: "sRGB",
    14: "BT.2020",
    15: "BT.2020",
    16: "PQ",
    18: "HLG",
}
PRIMARIES = {
    1: "BT.709",
    4: "BT.470M",
    5: "BT.601",
    6: "BT.601",
    7: "SMPTE 240M",
    8: "film",
    9: "BT.2020",
    10: "XYZ",
    11: "DCI-P3",
    12: "Display P3",
}

# The entries of a display matrix, as `rotation.display_matrix` returns it.
ROTATIONS = {
    (0, 1, -1, 0): "a quarter clockwise",
    (0, -1, 1, 0): "a quarter counter-clockwise",
    (-1, 0, 0, -1): "by half",
    (-1, 0, 0, 1): "mirrored left to right",
    (1, 0, 0, -1): "mirrored top to bottom",
    (0, 1, 1, 0): "mirrored on the diagonal",
    (0, -1, -1, 0): "mirrored on the other diagonal",
}

_CONTAINERS = {"matroska,webm": "Matroska", "avi": "AVI", "gif": "GIF", "mpegts": "MPEG-TS", "asf": "WMV", "flv": "FLV"}


def color_name(names: Mapping[int, str], number: int) -> str | None:
    """Return the name of a number of H.273.

    Args:
        names: `MATRICES`, `TRANSFERS` or `PRIMARIES`.
        number: as stored in the stream.

    Returns:
        The name, `H.273 N` for a number that has none here, or None if the number is reserved or unspecified.
    """
    return names.get(number) or (None if number in (0, 2, 3) else f"H.273 {number}")


def container_name(container: av.container.InputContainer, path: Path) -> str:
    """Return the usual name of a container format.

    Args:
        container: the open file.
        path: its path; the suffix tells WebM from Matroska.
    """
    name = container.format.name
    if name.startswith("mov,"):
        return "QuickTime" if container.metadata.get("major_brand", "qt  ") == "qt  " else "MP4"
    if name == "matroska,webm" and path.suffix.lower() == ".webm":
        return "WebM"
    return _CONTAINERS.get(name, container.format.long_name)
