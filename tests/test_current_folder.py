"""No file of the current folder is executed, but for the module that the command line names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from clips import picture
from conftest import executed, only_line, run

from dreamvideo.live.cameras import webcam
from dreamvideo.live.outputs.window import check_display
from dreamvideo.media.images import write_image
from dreamvideo.models.own_network import call_factory
from dreamvideo.process import child_environment, importing_networks, networks_from, python_child

NETWORK = """
import cv2, its_parts
cv2.resize
net = its_parts.net
"""
PARTS = """
from torch import nn
def net(): return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
"""


@pytest.fixture
def folder(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: hostile, with a network of the user's own."""
    (hostile / "its_network.py").write_text(NETWORK)
    (hostile / "its_parts.py").write_text(PARTS)
    for name in ("its_network", "its_parts"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(hostile)
    return hostile


def test_a_dream_executes_nothing_that_lies_in_the_folder(folder: Path) -> None:
    write_image(picture(0), folder / "photo.png")
    # `python -m` itself imports these from the folder, before it comes to any package; the installed script does not.
    loads = [sys.executable, "-P", "-c", "import runpy, sys; print(*sys.modules)"]
    for name in subprocess.run(loads, stdout=subprocess.PIPE, text=True, check=True).stdout.split():
        (folder / f"{name}.py").unlink(missing_ok=True)
    words = [sys.executable, "-m", "dreamvideo", "image", "photo.png", "--iterations", "1", "--octaves", "1", "-q"]
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, env=child_environment())
    assert (done.returncode, done.stderr, executed(folder)) == (0, "", [])
    assert (folder / "photo_dream.png").exists()


def test_the_check_of_the_display_and_of_cameras_execute_nothing_either(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.setenv("PYTHONPATH", os.pathsep + os.environ.get("PYTHONPATH", ""))  # an empty item: the current folder
    with pytest.raises(OSError, match="no display"):
        check_display()
    webcam._image_format(99)
    assert executed(folder) == []


def test_a_child_finds_the_package_and_not_the_folder(folder: Path) -> None:
    words = python_child("-c", "import sys, dreamvideo.process; print(*sys.path, sep='\\n')")
    printed = subprocess.run(words, env=child_environment(), stdout=subprocess.PIPE, text=True, check=True).stdout
    assert not {"", str(folder)} & set(printed.splitlines())


def test_the_module_that_the_command_line_names_is_imported_from_the_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(sys.path)
    assert run("layers", "--model", "its_network:net") == 0
    assert capsys.readouterr().out.split()[:1] == ["NAME"]
    assert run("models", "its_network:net") == 0
    assert sys.path == before and executed(folder) == []


def test_what_the_environment_names_has_to_be_installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DREAMVIDEO_MODEL", "its_network:net")
    assert run("layers") == 1
    assert "there is no Python module 'its_network'" in only_line(capsys)


def test_the_folder_has_the_first_word_about_the_module_that_is_named_and_about_no_other(folder: Path) -> None:
    (folder / "selenium").mkdir()  # an installed package that is not imported here
    (folder / "selenium" / "__init__.py").write_text("")
    (folder / "selenium" / "mine.py").write_text("from its_network import net")
    sys.modules.pop("selenium", None)
    try:
        with networks_from(folder), networks_from(None), pytest.raises(ValueError, match="no Python module"):
            call_factory("its_network:net")
        with networks_from(folder):
            assert len(list(call_factory("selenium.mine:net").modules())) == 3
        assert Path(sys.modules["selenium"].__file__).parent == folder / "selenium"
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "selenium"]:
            del sys.modules[name]


def test_a_module_that_fails_is_not_kept(folder: Path) -> None:
    (folder / "its_bad.py").write_text("raise RuntimeError('no luck')")
    with networks_from(folder), importing_networks() as import_module, pytest.raises(RuntimeError, match="no luck"):
        import_module("its_bad")
    assert "its_bad" not in sys.modules and str(folder) not in sys.path
