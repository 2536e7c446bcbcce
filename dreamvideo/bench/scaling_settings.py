"""What of a cluster is measured."""

from __future__ import annotations

from dataclasses import dataclass

from dreamvideo.errors import SettingsError
from dreamvideo.settings import option, parse_camera_size


@dataclass(frozen=True, slots=True)
class ScalingSettings:
    """What is measured, with how many workers."""

    workers: int = option(2, "workers, against one; each has --threads (1) cores", type=int, metavar="N")
    shots: int = option(12, "shots of the drawn clip", type=int, metavar="N")
    frames: int = option(60, "frames of each shot", type=int, metavar="N")
    size: tuple[int, int] = option((320, 180), "size of its pictures", type=parse_camera_size, metavar="WxH")
    rounds: int = option(2, "how often one and many take turns", type=int, metavar="N")

    def __post_init__(self) -> None:
        for name, least in (("workers", 2), ("shots", 2), ("frames", 2), ("rounds", 1)):
            if getattr(self, name) < least:
                raise SettingsError(f"--{name} {getattr(self, name)}: expected at least {least}")
