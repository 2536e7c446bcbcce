"""A live dream as a library call: what it opens and closes, and that it leaves the process as it was."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from clips import make_clip

from dreamvideo.commands.console import DONE, Console
from dreamvideo.commands.live import run_live
from dreamvideo.errors import OutputError
from dreamvideo.live import app
from dreamvideo.live.app import LiveRequest, run_live_dream
from dreamvideo.live.loop import ShownFrame
from dreamvideo.process import SWITCH_INTERVAL, responsive_threads
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.live import CameraSettings, LiveSettings


def switches() -> tuple[float, int, int]:
    return sys.getswitchinterval(), cv2.getNumThreads(), torch.get_num_threads()


def request(folder: Path, **live: Any) -> LiveRequest:
    clip = make_clip(folder / "camera.mp4")
    live_settings = LiveSettings(window=False, folder=str(folder), **live)
    return LiveRequest(
        str(clip), CameraSettings(), live_settings, ModelSettings(), ObjectiveSettings(), DreamSettings(octaves=1)
    )


def undreamed(monkeypatch: pytest.MonkeyPatch, seen: Callable[[], object] = lambda: None) -> None:
    """Show frames of the camera as they are, and call `seen` for each."""

    def dream_live(frames: Any, *rest: Any) -> Iterator[ShownFrame]:
        with closing(frames):
            for latest in frames:
                if latest.item is not None:
                    seen()
                    yield ShownFrame(latest.item, latest.item.image, True)

    monkeypatch.setattr(app, "dream_live", dream_live)


def in_a_thread(call: Any) -> Any:
    """What `call` returns in a thread of its own."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    thread.join()
    return results[0]


def test_a_call_changes_nothing_of_the_process_and_leaves_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, threads = switches(), threading.active_count()
    during: list[Any] = []
    undreamed(monkeypatch, lambda: during.append(switches()))
    prepared: list[str] = []
    run_live_dream(request(tmp_path), print, lambda: prepared.append(threading.current_thread().name))
    assert set(during) == {before}
    assert switches() == before
    assert prepared == ["ascent"]
    assert threading.active_count() == threads


def test_without_a_window_the_command_says_where_it_records_counts_frames_and_how_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counted: list[int] = []
    undreamed(monkeypatch, lambda: counted.append(1))
    monkeypatch.setattr(Console, "_shows_bars", True)
    film = tmp_path / "live.mkv"
    assert run_live(request(tmp_path, record=str(film)), Console()) == DONE
    said = capsys.readouterr().err
    assert said.index("Ctrl-C") < said.index(f"recording {film}") < said.index(f"recorded {film}")
    assert f"live: {len(counted)} frames [" in said
    assert "nothing is shown" not in said
    run_live(request(tmp_path), Console())
    assert "nothing is shown or recorded: add --record" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_reported_first(tmp_path: Path) -> None:
    nowhere = LiveSettings(window=False, folder=str(tmp_path / "nowhere"))
    with pytest.raises(OutputError, match=r"nowhere: no such folder"):
        app.check_capture_paths(nowhere, False)


@pytest.mark.parametrize(("threads", "expected"), [(3, 3), (None, 7)])
def test_responsive_threads_leave_the_main_thread_one(
    monkeypatch: pytest.MonkeyPatch, threads: int | None, expected: int
) -> None:
    monkeypatch.setattr("dreamvideo.process.usable_cores", lambda: 8)
    before = switches()

    def ascent_threads() -> int:
        prepare()
        return torch.get_num_threads()

    with pytest.raises(ZeroDivisionError), responsive_threads(ModelSettings(device="cpu", threads=threads)) as prepare:
        assert switches() == (pytest.approx(SWITCH_INTERVAL), 2, 1)
        assert in_a_thread(ascent_threads) == expected
        assert torch.get_num_threads() == 1
        raise ZeroDivisionError
    assert switches() == before


def test_responsive_threads_leave_the_ascent_one_on_a_gpu() -> None:
    before = switches()
    with responsive_threads(ModelSettings(device="cuda:0", threads=5)) as prepare:
        prepare()
        assert torch.get_num_threads() == 1
    assert switches() == before
