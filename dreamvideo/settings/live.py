"""TODO"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from dreamvideo.settings.option import (
    Address,
    check,
    option,
    parse_address,
    parse_camera_size,
    parse_seconds,
)


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """What is asked of the camera."""

    size: tuple[int, int] | None = option(
        None,
        "size asked of the camera in pixels; it may give another. A video file is brought to it",
        type=parse_camera_size,
        metavar="WxH",
    )
    camera_fps: float | None = option(None, "pictures a second asked of the camera", type=float, metavar="N")
    loop: bool = option(False, "begin a video file again when it ends", action="store_true")
    reconnect: float = option(
        10.0, "how long to wait for a camera that has gone; 0 = not at all", type=float, metavar="SECONDS"
    )

    def __post_init__(self) -> None:
        check(self.camera_fps is None or self.camera_fps > 0, f"--camera-fps {self.camera_fps}", "more than 0")
        check(self.reconnect >= 0, f"--reconnect {self.reconnect}", "at least 0")


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What is shown while it dreams live, and where."""

    fps: float | None = option(
        None,
        "pictures a second to hold: it dreams smaller when time is short, larger when there is some (default: the "
        "camera's)",
        type=float,
        metavar="N",
    )
    dream_size: int | None = option(
        None, "always dream at this shorter side in pixels, whatever the time it takes", type=int, metavar="N"
    )
    strength: float = option(1.0, "of the dream, over that of the look (keys + and -)", type=float, metavar="X")
    mirror: bool = option(False, "as in a mirror (key m)", action="store_true")
    split: bool = option(False, "the source on the left, the dream on the right (key d)", action="store_true")
    full_screen: bool = option(False, "fill the screen (key f)", action="store_true")
    overlay: bool = option(True, "no numbers over the picture (key o)", flag="--no-overlay", action="store_false")
    duration: Fraction | None = option(None, "end after this time", type=parse_seconds, metavar="TIME")
    record: str | None = option(
        None, "record into this .mkv or .mp4 from the beginning (key r: begin and end)", metavar="FILE"
    )
    codec: str | None = option(None, "video encoder of recordings", metavar="NAME")
    folder: str = option(".", "where snapshots (key s) and recordings without a name go", metavar="FOLDER")
    virtual_camera: bool = option(
        False, "be a camera for other programs, by pyvirtualcam (an extra)", action="store_true"
    )
    serve: Address | None = option(
        None,
        "a page with picture and controls in place of the window, for this machine alone unless a host is given",
        type=parse_address,
        metavar="[HOST:]PORT",
    )
    password: str | None = option(None, "for the page; needed where others can reach it", metavar="WORD")
    window: bool = option(True, "neither window nor page", flag="--no-window", action="store_false")

    def __post_init__(self) -> None:
        check(self.fps is None or self.fps > 0, f"--fps {self.fps}", "more than 0")
        check(self.dream_size is None or self.dream_size >= 32, f"--dream-size {self.dream_size}", "at least 32")
        check(0 <= self.strength <= 3, f"--strength {self.strength}", "0 to 3")
        check(self.duration is None or self.duration > 0, f"--duration {self.duration}", "more than 0")
