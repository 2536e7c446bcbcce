"""A real window under a display of its own: keys act, the picture dreams, and without a display there is a message."""

import functools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import make_clip
from conftest import only_line, run, textured

from dreamvideo.live.controls import KEYS, Controls
from dreamvideo.live.outputs.overlay import with_overlay
from dreamvideo.live.outputs.window import LiveWindow
from dreamvideo.live.shared_state import LiveNumbers

needs_display = pytest.mark.skipif(
    not all(shutil.which(name) for name in ("Xvfb", "xdotool", "openbox")),
    reason="Xvfb, xdotool or openbox is not installed",
)
# Windows without borders, in the corner. With no window manager at all OpenCV's stay black now and then.
PLAIN = """<openbox_config xmlns="http://openbox.org/3.4/rc"><theme><keepBorder>no</keepBorder></theme><applications>
<application class="*"><decor>no</decor><position force="yes"><x>0</x><y>0</y></position></application>
</applications></openbox_config>"""
H, W = 240, 320


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A screen of its own; `display()` gives what is on it, (600, 800, 3)."""
    (tmp_path / "screen").mkdir()
    read, write = os.pipe()
    server = subprocess.Popen(  # else it starts anew whenever its last client goes, and a client just coming is lost
        [
            "Xvfb",
            "-noreset",
            "-displayfd",
            str(write),
            "-screen",
            "0",
            "800x600x24",
            "-nolisten",
            "tcp",
            "-fbdir",
            "screen",
        ],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    os.close(write)
    with os.fdopen(read) as number:
        monkeypatch.setenv("DISPLAY", f":{number.readline().strip()}")
    (tmp_path / "rc.xml").write_text(PLAIN)
    manager = subprocess.Popen(  # it goes home before it reads: the path must be whole
        ["openbox", "--config-file", str(tmp_path / "rc.xml")], stderr=subprocess.DEVNULL
    )

    def seen() -> Any:
        content = (tmp_path / "screen" / "Xvfb_screen0").read_bytes()  # an XWD file
        header, colors = (int.from_bytes(content[at : at + 4], "big") for at in (0, 76))
        pixels = np.frombuffer(content, np.uint8, 600 * 800 * 4, header + 12 * colors)
        return pixels.reshape(600, 800, 4)[..., 2::-1]

    try:
        eventually(lambda: xdotool("get_num_desktops") != ["0"])  # openbox is there
        yield seen
    finally:
        for process in (manager, server):
            process.terminate()
            process.wait(10)


def still_clip(folder: Path) -> Path:
    path = folder / "camera.mp4"
    make_clip(path, size=(W, H), image=lambda number, width, height: textured(height, width), options={"crf": "10"})
    return path


@pytest.fixture
def live(tmp_path: Path, display: Callable[..., Any]) -> Iterator[tuple[Any, Any]]:
    """`dreamvideo live` on a still picture, in a process of its own."""
    clip = still_clip(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-m", "dreamvideo", "live", str(clip), "--loop", "--no-overlay", "--dream-size", "120"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield child, functools.partial(from_source, display, clip)
    with suppress(ProcessLookupError):
        child.kill()
    child.wait(60)


def xdotool(*words: object) -> Any:
    return subprocess.run(["xdotool", *map(str, words)], capture_output=True, text=True, timeout=20).stdout.split()


def eventually(check: Any, seconds: float = 300) -> Any:
    """Whatever `check` gives, once it is true."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.1)
    return found


def press(key: Any) -> None:
    xdotool("search", "--name", "dreamvideo", "windowactivate", "--sync", "key", key)


def from_source(display: Any, clip: Any) -> tuple[Any, Any]:
    """How far the left and the right half of the window are from the clip's picture, in gray levels."""
    with av.open(str(clip)) as file:
        source = next(file.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    far = abs(display()[:H, :W].astype(int) - source)
    return far[:, : W // 2 - 2].mean(), far[:, W // 2 + 2 :].mean()


def until_shown(apart: Any) -> None:
    """Wait for a window that shows something like the clip; a black one is further away.

    On a busy machine one of twenty windows of OpenCV never learns that it is visible, and stays black; a loop of
    `imshow` alone shows that, too. Then it is taken off the screen and put back, as a person does.
    """
    (window, *_) = eventually(lambda: xdotool("search", "--name", "dreamvideo"))
    for _ in range(10):
        with suppress(AssertionError):
            eventually(lambda: max(apart()) < 60, 20)
            return
        xdotool("windowunmap", "--sync", window, "windowmap", "--sync", window)
    raise AssertionError("the window stayed black")


@needs_display
def test_a_window_dreams_and_its_keys_act(live: tuple[Any, Any]) -> None:
    child, apart = live
    until_shown(apart)
    eventually(lambda: min(apart()) > 5)
    press("d")
    eventually(lambda: apart()[0] < 3 < apart()[1])
    press("d")
    eventually(lambda: press("minus") or max(apart()) < 3)
    press("h")
    eventually(lambda: apart()[0] > 5)
    press("Escape")
    assert child.wait(300) == 0
    assert "Traceback" not in child.stderr.read()


@needs_display
@pytest.mark.slow
def test_a_snapshot_and_a_recording_are_kept(live: tuple[Any, Any], tmp_path: Path) -> None:
    child, apart = live
    until_shown(apart)
    press("s")
    eventually(lambda: list(tmp_path.glob("dream_*.png")))
    press("r")
    time.sleep(1.5)
    press("r")
    (film,) = eventually(lambda: list(tmp_path.glob("dream_*.mkv")))
    press("q")
    assert child.wait(300) == 0
    with av.open(str(film)) as file:
        times = [float(frame.time) for frame in file.decode(video=0)]
    assert len(times) > 5
    assert times == sorted(times)


# Imports each module in a fork of a process that has imported torch, which takes the longest.
IMPORTS = """
import importlib, os, sys, torch
for first in sys.argv[1:]:
    if not (child := os.fork()):
        importlib.import_module("dreamvideo." + first)
        print(first, *[name for name in sys.modules if name in ("av", "cv2")], flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_opencv_is_imported_before_pyav() -> None:
    """In the other order a window hangs when it is opened."""
    modules = ["media.video_reader", "live.app", "live.cameras.network_camera", "commands.video"]
    done = subprocess.run([sys.executable, "-c", IMPORTS, *modules], capture_output=True, text=True, check=True)
    imported = {module: names for module, *names in map(str.split, done.stdout.splitlines())}
    assert list(imported) == modules
    assert all(names[:1] != ["av"] for names in imported.values()), imported


def test_without_a_display_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert run("live", still_clip(tmp_path)) == 1
    assert "no display" in only_line(capsys)


def test_a_display_that_is_not_there_is_no_abort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", ":4711")
    assert run("live", still_clip(tmp_path)) == 1
    assert "no display" in only_line(capsys)


@pytest.fixture
def no_window(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """OpenCV's window as a list of keys that are pressed, by code, and whether it stays open."""
    codes: list[Any] = []
    open_ = [1.0]
    monkeypatch.setattr(cv2, "imshow", lambda *_: None)
    monkeypatch.setattr(cv2, "pollKey", lambda: codes.pop(0) if codes else -1)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: open_[0])
    return codes, open_


def test_keys_have_the_names_of_the_controls(no_window: tuple[Any, Any]) -> None:
    codes, _ = no_window
    codes += [ord(character) for character in " \x1bq=+-_[]n0h"]
    keys = LiveWindow("any").show(textured(H, W), False)
    assert keys == ["space", "q", "q", "+", "+", "-", "-", "[", "]", "n", "0", "h"]
    assert set(keys) <= set(KEYS)


def test_closing_the_window_with_the_mouse_ends_it(no_window: tuple[Any, Any]) -> None:
    _, open_ = no_window
    window = LiveWindow("any")
    assert window.show(textured(H, W), False) == []
    open_[0] = 0.0
    assert window.show(textured(H, W), False) == ["q"]


# What the window shows.


def test_the_overlay_says_every_number() -> None:
    picture, camera = textured(H, W), textured(H, W, 1)
    plain = with_overlay(picture, camera, Controls(overlay=False), LiveNumbers())
    np.testing.assert_array_equal(plain, picture)
    told = with_overlay(picture, camera, Controls(), LiveNumbers(camera_size=(480, 640), working_size=(240, 320)))
    assert told[:60, :100].mean() < picture[:60, :100].mean() * 0.7
    np.testing.assert_array_equal(told[-100:], picture[-100:])


def test_a_message_is_shown_even_without_the_overlay() -> None:
    picture = textured(H, W)
    told = with_overlay(picture, picture, Controls(overlay=False), LiveNumbers(message="no picture for 3 s"))
    assert (told != picture).any()


@pytest.mark.parametrize("size", [(90, 120), (120, 90), (1080, 1920), (2160, 3840)])
def test_help_fits_into_small_and_large_pictures(size: tuple[int, int]) -> None:
    picture = textured(*size)
    helped = with_overlay(picture, picture, Controls(overlay=False, help=True), LiveNumbers())
    assert helped.shape == picture.shape
    assert (helped != picture).any(axis=2).mean() > 0.02
    assert len(KEYS) > 10


def test_the_split_view_has_the_source_on_the_left() -> None:
    picture, camera = textured(H, W), textured(H, W, 1)
    both = with_overlay(picture, camera, Controls(overlay=False, split=True), LiveNumbers())
    np.testing.assert_array_equal(both[:, : W // 2 - 2], camera[:, : W // 2 - 2])
    np.testing.assert_array_equal(both[:, W // 2 + 2 :], picture[:, W // 2 + 2 :])
