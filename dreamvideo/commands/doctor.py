"""The command doctor: what this machine has, what is missing, and what to type; its output is part of a bug report."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dreamvideo.commands.console import DONE, FAILED, Console
from dreamvideo.commands.demo import DEMO_CLIP
from dreamvideo.commands.job_report import one_line
from dreamvideo.commands.options import Command, CommandLine, add_command

if TYPE_CHECKING:
    from dreamvideo.info.checkup import CheckResult

_FRAMES: Final = 6  # that the self-test dreams
_LINES: Final = 180  # of each of them


@dataclass(frozen=True, slots=True)
class DoctorRequest:
    """This machine is to be looked over."""


def add_doctor_command(commands: Any) -> None:
    """Add the parser of `dreamvideo doctor`.

    Args:
        commands: what `add_subparsers` returned.
    """
    add_command(
        commands,
        "doctor",
        "look this machine over: what is there, what is missing, what to type",
        Command(parse_doctor, run_doctor),
        "Looks this machine over: versions, device, codecs, cameras, and a dream of a few frames. Lines with an "
        "exclamation mark say what is missing and what to type. Paste all of it into a bug report.",
    )


def parse_doctor(line: CommandLine) -> DoctorRequest:
    """Make the request of `dreamvideo doctor`.

    Args:
        line: the parsed command line.
    """
    return DoctorRequest()


def run_doctor(request: DoctorRequest, console: Console) -> int:
    """Look this machine over.

    Args:
        request: empty.
        console: where the results are printed.

    Returns:
        The exit code; 1 if nothing can be dreamed before something is mended.
    """
    from dreamvideo.info.checkup import examine_device, examine_packages, examine_system, format_checks

    results = [*examine_system(), *examine_packages()]
    if not any(result.needed for result in results):  # the rest imports them all
        for check in (examine_device, examine_codecs, examine_display, examine_cameras):
            results += check()
        results += run_self_test(console)
    console.results(format_checks(results))
    needed = [result for result in results if result.needed]
    missing = sum(bool(result.remedy) for result in results) - len(needed)
    dreams = f"cannot dream yet: {len(needed)} to mend" if needed else "can dream"
    console.results([f"This machine {dreams}{f'; {missing} more may be of use to you' if missing else ''}."])
    return FAILED if needed else DONE


def examine_codecs() -> list[CheckResult]:
    """Return whether what is written by default can be encoded and decoded, a line for each that cannot."""
    from dreamvideo.info.checkup import CheckResult
    from dreamvideo.media.codec_trials import try_codecs

    trials = try_codecs()
    works = [name for name, problem in trials.items() if problem is None]
    remedy = "type pip install --force-reinstall av"
    broken = [
        CheckResult("codec", f"{name} does not work ({problem})", remedy, needed=name in ("libx264", "aac"))
        for name, problem in trials.items()
        if problem is not None
    ]
    return [CheckResult("codecs", ", ".join(works) or "none"), *broken]


def examine_display() -> list[CheckResult]:
    """Return whether the window of a live dream can be opened."""
    from dreamvideo.errors import OutputError
    from dreamvideo.info.checkup import CheckResult
    from dreamvideo.live.outputs import window

    try:
        window.check_display()
    except OutputError as error:
        what, _, remedy = str(error).partition(": ")
        return [CheckResult("window", what, remedy or "type dreamvideo live --serve 8000 for a page in the browser")]
    return [CheckResult("window", "opens")]


def examine_cameras() -> list[CheckResult]:
    """Return the cameras, a line for each."""
    from dreamvideo.info.checkup import CheckResult
    from dreamvideo.live.cameras.webcam import list_cameras

    try:
        lines = list_cameras()
    except Exception as error:  # of the system's own libraries, which raise anything
        return [CheckResult("camera", f"cannot be listed ({one_line(error)})", "type dreamvideo cameras -v")]
    if len(lines) == 1 and lines[0].startswith("no camera"):
        what, _, remedy = lines[0].partition(": ")
        return [CheckResult("camera", what, remedy)]
    closed = "; close the program that uses it, or allow this one to" if sys.platform != "linux" else ""
    return [
        CheckResult("camera", line, f"type dreamvideo live {line.split()[0]} to see why{closed}")
        if "does not open" in line or "does not answer" in line
        else CheckResult("camera", line)
        for line in lines
    ]


def run_self_test(console: Console) -> list[CheckResult]:
    """Dream a few frames of the demo clip into a file, and read that.

    Args:
        console: says that it takes a while.
    """
    from dreamvideo.info.checkup import CheckResult

    console.message("Dreaming a few frames; this takes about ten seconds ...")
    start = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            text = _dream_frames(Path(folder), lambda: time.monotonic() - start)
    except Exception as error:  # whatever it is, it belongs into the report
        kind = type(error).__name__
        remedy = "mend what is marked above, if anything; else report it with these lines"
        return [CheckResult("self-test", f"failed ({kind}: {one_line(error)})", remedy, needed=True)]
    return [CheckResult("self-test", text)]


def _dream_frames(folder: Path, passed: Callable[[], float]) -> str:
    import numpy as np

    from dreamvideo.errors import OutputError
    from dreamvideo.jobs.dream_file import dream_file
    from dreamvideo.media.video_reader import open_video
    from dreamvideo.settings.job import ReadSettings

    read = ReadSettings(frames=_FRAMES, size=(None, _LINES))
    output = dream_file(DEMO_CLIP, folder / "dream.mp4", read=read)
    with open_video(DEMO_CLIP, read) as source, open_video(output) as dream:
        pairs = [(a, b) for a, b in zip(source.frames, dream.frames, strict=True)]
    change = float(np.mean([np.abs(np.subtract(a.image, b.image, dtype=float)).mean() for a, b in pairs]))
    if len(pairs) != _FRAMES or any(a.time != b.time for a, b in pairs):
        raise OutputError(f"wrote {_FRAMES} frames, read {len(pairs)}, or at other times")
    if change < 1:
        raise OutputError(f"the dream differs from its source by {change:.2f} of 255")
    return f"dreamed {_FRAMES} frames in {passed():.1f} s, they changed by {change:.1f} of 255"
