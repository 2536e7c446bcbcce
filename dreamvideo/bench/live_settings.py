"""What of a live dream is measured, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dreamvideo.errors import SettingsError
from dreamvideo.settings import option, parse_camera_size


@dataclass(frozen=True, slots=True)
class LiveBenchSettings:
    """What is measured, and for how long."""

    seconds: float = option(60.0, "how long it is measured", type=float, metavar="S")
    size: tuple[int, int] = option((640, 480), "size of the camera's pictures", type=parse_camera_size, metavar="WxH")
    fps: float = option(30.0, "pictures a second that the camera gives", type=float, metavar="N")
    window: bool = option(False, "show it in a window, and measure that too", action="store_true")
    json: Path | None = option(None, "write all that was measured to this file", type=Path, metavar="FILE")

    def __post_init__(self) -> None:
        for name in ("seconds", "fps"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"--{name} {getattr(self, name)}: expected more than 0")
        if self.json is not None and not self.json.absolute().parent.is_dir():
            raise SettingsError(f"--json {self.json}: expected a file in a folder that is there")
