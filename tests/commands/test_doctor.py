"""`doctor` says in one line what is missing and what to type; `demo` dreams its clip and opens it."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
import torch
from clips import sound_tracks, video_times
from conftest import run

from dreamvideo.commands import demo, doctor
from dreamvideo.errors import OutputError
from dreamvideo.info import checkup
from dreamvideo.info.checkup import CheckResult
from dreamvideo.live.cameras import webcam
from dreamvideo.media import codec_trials
from dreamvideo.media.video_encoder import Container

Lines = Callable[[], list[str]]


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `doctor` on a machine without fault, but for what the test has changed; returns its code and its lines."""

    def fine(check: str) -> Callable[..., list[CheckResult]]:
        return lambda *_: [CheckResult(check, "fine")]

    def run_doctor(*real: str) -> tuple[int, list[str]]:
        for name in {"examine_codecs", "examine_display", "examine_cameras", "run_self_test"} - set(real):
            monkeypatch.setattr(doctor, name, fine(name))
        for name in {"examine_device", "examine_packages"} - set(real):
            monkeypatch.setattr(checkup, name, fine(name))
        return run("doctor"), capsys.readouterr().out.splitlines()

    return run_doctor


def marked(lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines if line.startswith("!")]


def test_a_machine_without_fault_has_no_mark_and_every_codec_works(examine: Any) -> None:
    code, lines = examine("examine_packages", "examine_codecs")
    assert code == 0 and not marked(lines)
    assert lines[-1] == "This machine can dream."
    assert any(line.split()[:2] == ["codecs", "libx264,"] for line in lines)
    assert any(line.split()[:2] == ["torch", torch.__version__.split("+")[0]] for line in lines)


def test_extras_that_are_missing_are_one_line_without_a_mark(examine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package in ("ray", "mido"):
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(checkup, "version", version)
    code, lines = examine("examine_packages")
    (line,) = [" ".join(line.split()) for line in lines if line.split()[0] == "extras"]
    names = "cluster (several machines), midi (controls by MIDI)"
    assert line == f'extras not installed: {names}; type pip install "dreamvideo[NAME]" for one of them'
    assert code == 0 and not marked(lines)
    asked_for = " ".join(requires("dreamvideo") or ()).replace('"', "'")
    for extra, (package, _) in checkup.EXTRAS.items():
        assert re.search(f"{package}[^ ]*; (.* and )?extra == '{extra}'", asked_for), extra


def test_the_self_test_dreams_a_few_frames(examine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_FRAMES", 2)
    monkeypatch.setattr(doctor, "_LINES", 64)
    code, lines = examine("run_self_test")
    assert code == 0 and any("dreamed 2 frames in" in line for line in lines)


@pytest.mark.parametrize("codec, code", [("libx264", 1), ("libvpx-vp9", 0), ("aac", 1), ("libopus", 0)])
def test_a_broken_codec_is_one_line(examine: Any, monkeypatch: pytest.MonkeyPatch, codec: str, code: int) -> None:
    real_video, real_sound = codec_trials._try_video, codec_trials._try_sound

    def video(container: Container) -> None:
        if container.codec == codec:
            raise OutputError("no such encoder\nin this build")
        real_video(container)

    def sound(name: str) -> None:
        if name == codec:
            raise OutputError("no such encoder\nin this build")
        real_sound(name)

    monkeypatch.setattr(codec_trials, "_try_video", video)
    monkeypatch.setattr(codec_trials, "_try_sound", sound)
    found, lines = examine("examine_codecs")
    why = f"! codec {codec} does not work (no such encoder in this build)"
    assert found == code and marked(lines) == [f"{why}: type pip install --force-reinstall av"]
    assert lines[-1] == (
        "This machine cannot dream yet: 1 to mend." if code else "This machine can dream; 1 more may be of use to you."
    )


def test_an_image_that_comes_back_otherwise_is_a_broken_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    images = iter(range(0, 1000, 40))
    real = codec_trials._image
    monkeypatch.setattr(codec_trials, "_image", lambda number: real(number + next(images)))
    assert "differ" in str(codec_trials.try_codecs()["libx264"])


def test_a_missing_camera_is_one_line(examine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webcam, "_cameras", list)
    code, lines = examine("examine_cameras")
    remedy = "plug one in, or give a URL such as rtsp://HOST/PATH, or a video file"
    assert code == 0 and marked(lines) == [f"! camera no camera found: {remedy}"]


def test_a_camera_that_does_not_open_is_marked_and_one_that_does_is_not(
    examine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = ["0   /dev/video0  Front  640x480, 30 fps", "2   /dev/video2  (does not open: no permission, or in use)"]
    monkeypatch.setattr(webcam, "list_cameras", lambda: listed)
    _, lines = examine("examine_cameras")
    assert [line.split(": type")[1].split(" to")[0] for line in marked(lines)] == [" dreamvideo live 2"]
    assert sum("camera" in line.split()[0:2] for line in lines) == 2


def test_an_opencv_without_windows_is_one_line(examine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    refused = subprocess.CompletedProcess([], 1, "", "error: The function is not implemented. Rebuild the library")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: refused)
    _, lines = examine("examine_display")
    assert len(marked(lines)) == 1 and "type pip uninstall -y opencv-python-headless, then" in marked(lines)[0]


def pretend_card(monkeypatch: pytest.MonkeyPatch, folder: Path, system: str) -> None:
    """A card by NVIDIA, as `system` shows it, beside a torch that is built for the CPU."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    if system == "win32":
        (folder / "System32").mkdir()
        (folder / "System32" / "nvcuda.dll").touch()
        monkeypatch.setenv("SYSTEMROOT", str(folder))
        return
    for slot, vendor, kind in (("0", "0x8086", "0x030000"), ("1", "0x10de", "0x030200"), ("2", "0x10de", "0x040300")):
        (folder / slot).mkdir()
        (folder / slot / "vendor").write_text(f"{vendor}\n")
        (folder / slot / "class").write_text(f"{kind}\n")
    monkeypatch.setattr(checkup, "_PCI", folder)


CUDA_TORCH = {
    "linux": r"type pip install --force-reinstall torch torchvision$",
    "win32": r"type pip install --force-reinstall --no-deps torch torchvision --index-url https://download.pytorch.org/whl/cu\d+$",
}


@pytest.mark.parametrize("system", CUDA_TORCH)
def test_a_torch_for_the_cpu_beside_a_card_is_one_line(
    system: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    monkeypatch.setattr(checkup, "requires", lambda name: ['cuda-toolkit[cublas]==13.2.2; platform_system == "Linux"'])
    pretend_card(monkeypatch, tmp_path, system)
    (line,) = checkup.format_checks(checkup.examine_device())
    assert line.startswith("! device") and "an NVIDIA card is not used: " in line
    assert re.search(CUDA_TORCH[system], line)


def test_the_index_is_not_guessed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend_card(monkeypatch, tmp_path, "win32")
    monkeypatch.setattr(checkup, "requires", lambda name: ["filelock"])
    assert checkup.cuda_remedy(None).endswith("(see https://pytorch.org/get-started/locally/)")
    assert "nvidia-smi" in checkup.cuda_remedy("13.2")


@pytest.mark.parametrize("system", ["linux", "win32", "darwin"])
def test_without_a_card_there_is_nothing_to_type(system: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(checkup, "_PCI", tmp_path)
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert not checkup.has_nvidia_card()
    assert [result.remedy for result in checkup.examine_device()] == [""]


def test_a_dream_that_leaves_a_card_idle_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from dreamvideo.commands.network import warn_of_unused_card
    from dreamvideo.settings.dream import ModelSettings

    pretend_card(monkeypatch, tmp_path, "linux")
    warn_of_unused_card(ModelSettings(device="cpu"))
    assert not caplog.messages
    warn_of_unused_card(ModelSettings())
    assert len(caplog.messages) == 1 and "dreamvideo doctor" in caplog.messages[0]


def test_a_package_that_cannot_be_imported_ends_the_checks_that_need_it(
    examine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> Any:
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file\n")
        return real(name)

    real = importlib.import_module
    monkeypatch.setattr("importlib.import_module", broken)
    monkeypatch.setattr(doctor, "run_self_test", lambda *_: pytest.fail("it needs OpenCV"))
    monkeypatch.setattr(checkup, "examine_device", lambda: pytest.fail("it needs all of them"))
    code, lines = examine("examine_packages", "examine_device", "run_self_test")
    assert code == 1 and len(marked(lines)) == 1
    assert marked(lines)[0].endswith("then pip install opencv-python-headless, which has no windows")


def test_a_command_without_a_library_names_the_doctor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(request: object, console: object) -> int:
        raise ModuleNotFoundError("No module named 'av'", name="av")

    monkeypatch.setattr(webcam, "list_cameras", lambda: missing(None, None))
    assert run("cameras") == 1
    assert capsys.readouterr().err == (
        "dreamvideo: No module named 'av': type dreamvideo doctor to see what is missing\n"
    )


QUICK = ["--iterations", "1", "--octaves", "1", "-q"]


def test_the_demo_dreams_its_clip_with_its_sound_and_opens_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[Any] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("subprocess.Popen", lambda words, **_: opened.append(words))
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    assert run("demo", *QUICK) == 0
    dream = tmp_path / "valley_dream.mp4"
    assert video_times(dream) == video_times(demo.DEMO_CLIP)
    assert sound_tracks(dream) == sound_tracks(demo.DEMO_CLIP) and len(sound_tracks(dream)) == 1
    assert opened == [["xdg-open", dream]]
    assert run("demo", *QUICK) == 1 and "-y" in capsys.readouterr().err  # nothing is overwritten
    assert run("demo", "--no-open", "-y", *QUICK, "--iterations", "0") == 0 and len(opened) == 1


def test_without_a_display_nothing_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("there is no display"))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not demo.open_in_player(tmp_path / "dream.mp4")


@pytest.mark.parametrize("system, opener", [("darwin", "open"), ("win32", "startfile")])
def test_other_systems_open_files_in_their_own_way(
    system: str, opener: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("subprocess.Popen", lambda words, **_: opened.append(words[0]))
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("os.startfile", lambda path: opened.append("startfile"), raising=False)
    assert demo.open_in_player(tmp_path / "dream.mp4") and opened == [opener]
