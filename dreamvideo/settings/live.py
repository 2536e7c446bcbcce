"""What a live dream asks of the camera, and where it shows and records: frozen settings that check themselves."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from dreamvideo.settings.option import MOST_PIXELS, check, check_fields, option
from dreamvideo.settings.parsers import Address, parse_address, parse_camera_size, parse_seconds
from dreamvideo.settings.zoom import Feedback, parse_feedback


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """What is requested of the camera."""

    size: tuple[int, int] | None = option(
        None,
        "size requested of the camera in pixels, which may choose another; a video file is resized to it",
        type=parse_camera_size,
        metavar="WxH",
        most=MOST_PIXELS,
    )
    camera_fps: float | None = option(None, "frame rate requested of the camera", type=float, metavar="N", most=1000)
    loop: bool = option(False, "start a video file again when it ends", action="store_true")
    follow: bool = option(
        False,
        "let a stream lead to other hosts, by a redirection or as a playlist (HLS)",
        reach="lets a stream lead to other hosts",
        action="store_true",
    )
    reconnect: float = option(
        10.0, "how long to wait for a camera that is gone; 0 = do not wait", type=float, metavar="SECONDS"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        check(self.camera_fps is None or self.camera_fps > 0, f"--camera-fps {self.camera_fps}", "more than 0")
        check(self.reconnect >= 0, f"--reconnect {self.reconnect}", "at least 0")


@dataclass(frozen=True, slots=True)
class StageSettings:
    """What controls a live dream from outside."""

    osc: Address | None = option(
        None,
        "take controls by OSC on this UDP port, by python-osc (an extra); of this machine only unless a host is given",
        type=parse_address,
        reach="lets others control the dream",
        metavar="[HOST:]PORT",
    )
    midi: str | None = option(
        None,
        "take controls from this MIDI device, by mido (an extra); knobs are learned in the page of --serve",
        metavar="DEVICE",
    )
    live_drive: tuple[str, ...] = option(
        (),
        "an option, or strength, follows the sound of a microphone or line input, as options of films do, repeatable",
        flag="--drive",
        reach="listens to a microphone",
        action="append",
        metavar="OPTION=audio:FEATURE[*GAIN][+OFFSET][,attack=TIME][,release=TIME]",
    )
    sound_input: str = option(
        "default",
        "what --drive hears: number or name of an input of sounddevice (an extra), or off, for tapped beats alone",
        metavar="DEVICE",
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What a live dream shows, and where."""

    fps: float | None = option(
        None,
        "frame rate to hold: dreams at a smaller size when time is short, at a larger one when there is time (default: "
        "the camera's)",
        type=float,
        metavar="N",
        most=1000,
    )
    dream_size: int | None = option(
        None,
        "always dream at this shorter side in pixels, however long it takes",
        type=int,
        metavar="N",
        most=MOST_PIXELS,
    )
    strength: float = option(
        1.0, "strength of the dream, relative to that of the look (keys + and -)", type=float, metavar="X"
    )
    feedback: Feedback | None = option(
        None,
        "a tunnel: each frame shows the one before it again, zoomed by a factor and turned by degrees",
        type=parse_feedback,
        metavar="zoom=X,rotate=DEG",
    )
    mirror: bool = option(False, "flip the image left to right, as a mirror does (key m)", action="store_true")
    split: bool = option(False, "show the source on the left, the dream on the right (key d)", action="store_true")
    full_screen: bool = option(False, "fill the screen (key f)", action="store_true")
    overlay: bool = option(True, "show no numbers over the image (key o)", flag="--no-overlay", action="store_false")
    duration: Fraction | None = option(None, "end after this time", type=parse_seconds, metavar="TIME")
    record: str | None = option(
        None,
        "record into this .mkv or .mp4 from the start (key r: start and stop)",
        reach="records what the camera sees",
        metavar="FILE",
    )
    codec: str | None = option(None, "video encoder of recordings", metavar="NAME")
    folder: str = option(
        ".", "folder of snapshots (key s) and of recordings without a name", reach="chooses a folder", metavar="FOLDER"
    )
    virtual_camera: bool = option(
        False,
        "be a camera for other programs, with pyvirtualcam (an extra)",
        reach="shows other programs what the camera sees",
        action="store_true",
    )
    serve: Address | None = option(
        None,
        "show image and controls on a page instead of in a window; for this machine only unless a host is given",
        type=parse_address,
        reach="serves what the camera sees",
        metavar="[HOST:]PORT",
    )
    password: str | None = option(
        None,
        "password of the page; other users of this machine can see it here, see --password-file",
        reach="lets in whoever knows it",
        metavar="WORD",
    )
    password_file: str | None = option(
        None,
        "file whose first line is the password of the page, required if other machines can reach it (default: the "
        "environment variable DREAMVIDEO_PASSWORD)",
        reach="lets in whoever knows it",
        metavar="FILE",
    )
    window: bool = option(True, "show neither window nor page", flag="--no-window", action="store_false")

    def __post_init__(self) -> None:
        check_fields(self)
        check(self.fps is None or self.fps > 0, f"--fps {self.fps}", "more than 0")
        check(self.dream_size is None or self.dream_size >= 32, f"--dream-size {self.dream_size}", "at least 32")
        check(0 <= self.strength <= 3, f"--strength {self.strength}", "0 to 3")
        check(self.duration is None or self.duration > 0, f"--duration {self.duration}", "more than 0")
