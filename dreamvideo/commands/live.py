"""The command live."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from dreamvideo.commands.console import DONE, Console
from dreamvideo.commands.options import LIVE_SETTINGS, Command, CommandLine, add_command, add_look
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.live import CameraSettings, LiveSettings, StageSettings

if TYPE_CHECKING:
    from dreamvideo.live.app import FrameSink, LiveRequest


def add_live_command(commands: Any) -> None:
    """Add the parser of `dreamvideo live`.

    Args:
        commands: what `add_subparsers` returned.
    """
    parser = add_command(commands, "live", "dream what a camera sees", Command(parse_live, run_live, LIVE_SETTINGS))
    parser.add_argument(
        "camera",
        nargs="?",
        default="0",
        metavar="CAMERA",
        help="number, device path, URL, or a video file instead of a camera (default: 0; see cameras)",
    )
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace an existing recording")
    add_look(parser)


def parse_live(line: CommandLine) -> LiveRequest:
    """Make the request of `dreamvideo live`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
        SourceError: the guide cannot be read.
    """
    camera, live = line.settings(CameraSettings), line.settings(LiveSettings)
    model, objective = line.settings(ModelSettings), line.settings(ObjectiveSettings)
    dream = line.settings(DreamSettings)
    from dreamvideo.jobs.guide import load_guide
    from dreamvideo.live.app import LiveRequest

    return LiveRequest(
        line.arguments.camera,
        camera,
        live,
        model,
        objective,
        dream,
        load_guide(objective.guide),
        line.arguments.preset,
        line.arguments.overwrite,
        line.settings(StageSettings),
    )


def run_live(request: LiveRequest, console: Console) -> int:
    """Dream what a camera sees until it ends or the user ends it.

    Args:
        request: which camera, and how it is dreamed and shown.
        console: where the address of the page, names of recordings, and the rate without a window are printed.

    Returns:
        The exit code.

    Raises:
        DreamVideoError: the camera, the network, or what the dream is shown on cannot be used.
    """
    from dreamvideo.live.app import run_live_dream
    from dreamvideo.process import configure_process, responsive_threads

    configure_process(request.model)
    more = () if request.live.window or request.live.serve is not None else (lambda _: frame_counter(request, console),)
    with responsive_threads(request.model) as prepare_ascent:
        run_live_dream(request, console.message, prepare_ascent, open_more=more)
    return DONE


@contextlib.contextmanager
def frame_counter(request: LiveRequest, console: Console) -> Generator[FrameSink, None, None]:
    """Count frames on a bar inside the block, for a dream that neither a window nor a page shows; say how to end it.

    Args:
        request: where the dream goes.
        console: where it is counted.

    Yields:
        An output that counts one more.
    """
    live = request.live
    if not (live.record or live.virtual_camera):
        console.message("nothing is shown or recorded: add --record FILE, --serve 8000 or --virtual-camera")
    ends = "" if live.duration is None else f"ends after {float(live.duration):g} s; "
    console.message(f"{ends}press Ctrl-C to stop")
    with console.bar(None, "live") as bar:
        yield lambda shown, controls: bar.update()
