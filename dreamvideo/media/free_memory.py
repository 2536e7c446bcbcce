"""How much memory of the system is free, and whether an image fits into it before it is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dreamvideo.errors import SourceError

# Files of a control group with its limit, its usage and the part of that which is only cached: versions 2 and 1.
CGROUP_FILES: Final = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory(root: Path = Path("/")) -> int | None:
    """Return how much memory of the system can be allocated.

    Args:
        root: the directory of /proc and /sys.

    Returns:
        Bytes that the system and control groups, such as a container's, allow; None: unknown.
    """
    kilobytes = _numbers(root / "proc/meminfo").get("MemAvailable")
    system = [] if kilobytes is None else [kilobytes * 1024]
    return min([*system, *_available_to_groups(root)], default=None)


def check_fits(path: Path, width: int, height: int, pixel_bytes: int) -> None:
    """Check that an image of the size that a header promises can be read with the memory that is free.

    Args:
        path: of the file, for the message.
        width: of the image, in pixels.
        height: of the image, in pixels.
        pixel_bytes: that reading it takes for each pixel at its peak.

    Raises:
        SourceError: it takes more than is free.
    """
    needed, free = width * height * pixel_bytes, free_memory()
    if free is None or needed <= free:
        return
    scale = (free / needed) ** 0.5
    raise SourceError(
        f"{path} is {width}x{height}: reading it takes {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free: "
        f"expected at most {int(width * scale)}x{int(height * scale)}"
    )


def _available_to_groups(root: Path) -> Sequence[int]:
    # A group may be below others, each with a limit; inside a container its own may appear as the root.
    available = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, kinds, path = line.split(":", 2)
        for kind, limit, usage, cached in CGROUP_FILES:
            if kind not in kinds.split(","):
                continue
            top = root / "sys/fs/cgroup" / kind
            group = top / path.strip("/")
            for folder in (group, *group.parents):
                most, used = (_text(folder / name).strip() for name in (limit, usage))
                if most.isdecimal() and used.isdecimal():
                    available.append(max(0, int(most) - int(used) + _numbers(folder / "memory.stat").get(cached, 0)))
                if folder == top:
                    break
    return available


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _numbers(path: Path) -> Mapping[str, int]:
    words = (line.replace(":", " ").split() for line in _text(path).splitlines())
    return {name: int(value) for name, value, *_ in words if value.isdecimal()}
