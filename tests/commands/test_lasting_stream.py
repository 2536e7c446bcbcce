"""A lost terminal or a broken pipe ends no batch, and Ctrl-C no command with a traceback."""

import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clips import make_clip
from conftest import run

from dreamvideo.commands.lasting_stream import LastingStream

THROUGH = ["--iterations", "0"]


class Lost(io.StringIO):
    """A terminal that is gone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def flush(self) -> None:
        raise self.error

    def isatty(self) -> bool:
        return True  # so that bars are drawn


LOSSES = [BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.EIO, "I/O"), ValueError("I/O on closed file")]


@pytest.mark.parametrize("error", LOSSES, ids=["pipe", "terminal", "closed"])
def test_a_batch_goes_on_when_nothing_can_be_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    clips = [make_clip(tmp_path / f"{name}.mp4") for name in "ab"]
    (tmp_path / "bad.mp4").write_text("no video")  # what is wrong with it cannot be told either
    monkeypatch.setattr(sys, "stderr", Lost(error))
    monkeypatch.setattr(sys, "stdout", Lost(error))
    assert run("video", clips[0], tmp_path / "bad.mp4", clips[1], *THROUGH, "-v") == 3
    assert all((tmp_path / f"{name}_dream.mp4").exists() for name in "ab")
    assert run("frames", clips[0], "-o", tmp_path / "frames", *THROUGH) == 0
    assert run("info", clips[0], "--no-time") == 0


def test_what_an_encoding_lacks_is_escaped() -> None:
    raw = io.BytesIO()
    stream = LastingStream(io.TextIOWrapper(raw, "ascii"))
    stream.write("träume \udcff\n")
    stream.flush()
    assert raw.getvalue() == b"tr\\xe4ume \\udcff\n" and not stream.is_lost


def test_a_closed_pipe_is_no_error_at_exit_either(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4")
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "dreamvideo", "video", str(clip), *THROUGH]
    child = subprocess.run(words, stdout=write, stderr=write, check=False)
    os.close(write)
    assert child.returncode == 0 and (tmp_path / "a_dream.mp4").exists()


# Sends itself a signal where the second argument says: while modules are imported, or when the first frame is written.
DRIVER = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background of a shell begins without it
number, where = int(sys.argv[1]), sys.argv[2]
if where == "import":
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "dreamvideo.commands.options":
                os.kill(os.getpid(), number)
    sys.meta_path.insert(0, Finder())
else:
    from dreamvideo.media.concat import VideoSegmentWriter
    plain = VideoSegmentWriter.add
    def add(*words):
        os.kill(os.getpid(), number)
        VideoSegmentWriter.add = plain
        plain(*words)
    VideoSegmentWriter.add = add
from dreamvideo.__main__ import start
sys.argv[1:] = sys.argv[3:]
sys.exit(start())
"""


def signaled(number: int, where: str, *words: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", DRIVER, str(int(number)), where, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_an_interruption_while_the_program_starts_is_one_line(tmp_path: Path) -> None:
    child = signaled(signal.SIGINT, "import", "presets")
    assert (child.returncode, child.stderr) == (130, "dreamvideo: interrupted\n")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="has no terminals that hang up")
def test_a_terminal_that_hangs_up_ends_no_batch(tmp_path: Path) -> None:
    clips = [make_clip(tmp_path / f"{name}.mp4") for name in "ab"]
    child = signaled(signal.SIGHUP, "frame", "video", *clips, *THROUGH)
    assert child.returncode == 0, child.stderr
    assert all((tmp_path / f"{name}_dream.mp4").exists() for name in "ab")
