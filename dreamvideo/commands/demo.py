"""The command demo: dreams the clip that comes with the program, and opens it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dreamvideo.commands.console import DONE, Console
from dreamvideo.commands.jobs import parse_job_settings, run_jobs
from dreamvideo.commands.options import NETWORK_SETTINGS, Command, CommandLine, add_command, add_look

if TYPE_CHECKING:
    from dreamvideo.jobs.job import JobSettings

# 2.5 seconds of the sample, see samples/README.md: 640x360, with sound.
DEMO_CLIP: Final = Path(__file__).resolve().parents[1] / "media" / "valley.mp4"


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """The demo clip to be dreamed."""

    output: Path
    overwrite: bool
    opens: bool  # in the system's player
    settings: JobSettings
    resume_hint: str  # the command line that resumes this one: itself


def add_demo_command(commands: Any) -> None:
    """Add the parser of `dreamvideo demo`.

    Args:
        commands: what `add_subparsers` returned.
    """
    parser = add_command(
        commands,
        "demo",
        "dream a clip that comes with the program, and open it",
        Command(parse_demo, run_demo, NETWORK_SETTINGS),
        "Dreams a clip of 2.5 seconds that comes with the program, with its sound, and opens it in your player.",
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("valley_dream.mp4"), metavar="FILE", help="output")
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace an existing output")
    parser.add_argument("--no-open", action="store_true", help="write the file only")
    add_look(parser)


def parse_demo(line: CommandLine) -> DemoRequest:
    """Make the request of `dreamvideo demo`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    typed = line.arguments
    return DemoRequest(typed.output, typed.overwrite, not typed.no_open, parse_job_settings(line), line.typed())


def run_demo(request: DemoRequest, console: Console) -> int:
    """Dream the demo clip, and open the dream where there is a display. A demo that was interrupted goes on.

    Args:
        request: how it is dreamed, and where to.
        console: where progress is shown.

    Returns:
        The exit code.

    Raises:
        Cancelled: after Ctrl-C.
        DreamVideoError: the output cannot be written, or the network cannot be used.
    """
    from dreamvideo.jobs.earlier_run import check_checkpoint
    from dreamvideo.jobs.job import Job
    from dreamvideo.media.video_writer import check_output

    check_output(request.output, [DEMO_CLIP], request.overwrite)
    job = Job(DEMO_CLIP, request.output, overwrite=request.overwrite)
    check_checkpoint(job, request.settings, True, request.overwrite)
    code = run_jobs([job], request.settings, True, request.resume_hint, console)
    if code != DONE:
        return code
    if request.opens and not open_in_player(request.output):
        console.message(f"There is no display to show it on: open {request.output.resolve()} in any player.")
    console.message("Your own film: dreamvideo video FILE. Other looks: dreamvideo presets.")
    return code


def open_in_player(path: Path) -> bool:
    """Open a file in the program that the system has for it, without waiting for that.

    Args:
        path: of a file that exists.

    Returns:
        False: there is no display, or no such program.
    """
    if sys.platform == "win32":
        try:
            os.startfile(path)
        except OSError:
            return False
        return True
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    has_display = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not has_display or shutil.which(opener) is None:
        return False
    silent = subprocess.DEVNULL
    # A path that begins with a dash would be an option.
    subprocess.Popen([opener, path.resolve()], stdin=silent, stdout=silent, stderr=silent, start_new_session=True)
    return True
