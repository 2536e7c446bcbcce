"""A file of settings chooses a look and no more, unless the command line trusts it; none makes a traceback."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from conftest import only_line, parsed, run
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.commands.options import LIVE_SETTINGS, VIDEO_SETTINGS
from dreamvideo.errors import SettingsError
from dreamvideo.settings.dream import DreamSettings, ModelSettings
from dreamvideo.settings.job import ClusterSettings
from dreamvideo.settings.live import LiveSettings
from dreamvideo.settings.toml_file import read_toml

REACHING = {
    "model = 'its_network:net'": "runs code",
    "serve = '0.0.0.0:8000'": "serves what the camera sees",
    "serve = 8000": "serves",
    "password = 'known to others'": "lets in whoever knows it",
    "record = '/home/you/.bashrc.mkv'": "records",
    "folder = '/tmp'": "chooses a folder",
    "virtual-camera = true": "shows other programs what the camera sees",
    "[deep.er]\nserve = 8000": "serves",
    "virtual_camera = true": "shows other programs",
    "cluster = 'ray://elsewhere.example:10001'": "runs code that others may send",
    "cluster = 'local'\nship = true": "runs code",
}


def write(folder: Path, text: str) -> Path:
    path = folder / "look.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("text", "reach"), REACHING.items())
def test_what_reaches_beyond_the_dream_is_taken_from_a_trusted_file_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, reach: str
) -> None:
    path = write(tmp_path, text)
    command = "video" if "cluster" in text else "live"
    assert run(command, "nothing.mp4", "--config", path) == 2
    line = only_line(capsys)
    assert reach in line and "--trust-config" in line and "on the command line" in line
    trusted = parsed(command, "nothing.mp4", "--config", path, "--trust-config")
    kinds = (ModelSettings, ClusterSettings) if command == "video" else (ModelSettings, LiveSettings)
    assert any(trusted.settings(kind) != kind("dreamnet") if kind is ModelSettings else kind() for kind in kinds)


def test_the_command_line_and_harmless_values_need_no_trust(tmp_path: Path) -> None:
    path = write(tmp_path, "model = 'vgg16'\nwindow = true\nvirtual-camera = false\niterations = 3")
    line = parsed("live", "--config", path, "--serve", "8000", "--password", "hidden", "--model", "mine:net")
    assert line.settings(LiveSettings).password == "hidden"
    assert line.settings(ModelSettings).model == "mine:net" and line.network_folder == Path.cwd()
    assert line.settings(DreamSettings).iterations == 3
    assert parsed("live", "--config", path).network_folder is None


def test_every_option_that_reaches_further_says_so() -> None:
    fields = {field.name: field for kind in (*VIDEO_SETTINGS, *LIVE_SETTINGS) for field in dataclasses.fields(kind)}
    reaching = {name for name, field in fields.items() if field.metadata["reach"]}
    page = {"serve", "password", "password_file"}
    assert reaching == page | {"live_drive", "osc", "cluster", "ship", "record", "folder", "virtual_camera", "follow"}


def test_code_of_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "its_evil.py").write_text("raise SystemExit(99)")
    path = write(tmp_path, "model = 'its_evil:net'")
    monkeypatch.chdir(tmp_path)
    assert run("image", "photo.png", "--config", path) == 2


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000,
        "a = " + "{b=" * 5000,
        ".".join("a" * 5000) + " = 1",
        "[" + ".".join("a" * 5000) + "]\nb = 1",
        "octaves = 0x" + "f" * 9000,
        "octaves = " + "9" * 9000,
        "layer = [[[['s8b']]]]",
        "threads = 1000000000",
        "iterations = 1000000000",
        "step-size = inf",
        "step-size = nan",
        "step-size = 1e999",
        "octaves = 1979-05-27",
        "seed = '٣'\nfps = '٣'",
        'weights = "w\\u0000.pth"',
        "size = '99999999x99999999'",
        "device = 'cuda:99999999999999999999'",
        "class = ['owl:inf']",
        "start = '" + "9" * 9000 + "'",
        "x = '" + "y" * 300_000 + "'",
        "# " + "y" * 2_000_000,
        "\x00",
    ],
    ids=lambda text: text[:20].encode("unicode_escape").decode(),
)
def test_a_bad_file_is_one_line_of_few_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert run("video", tmp_path / "nothing.mp4", "--config", write(tmp_path, text)) == 2
    assert len(only_line(capsys)) < 600


NAMES = [field.name for kind in VIDEO_SETTINGS for field in dataclasses.fields(kind)]
VALUES = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(max_size=9), st.sampled_from(["1e9", "[]", "a:1"])
)


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(each):08x}" for each in value) + '"'
    return repr(value)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3))
def test_any_value_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("\n".join(f"{name} = {toml(value)}" for name, value in values.items()), encoding="utf-8")
    try:
        read = read_toml(path, *VIDEO_SETTINGS)
        for kind in VIDEO_SETTINGS:
            kind(**{field.name: read[field.name] for field in dataclasses.fields(kind) if field.name in read})
    except SettingsError as error:
        assert "\n" not in str(error)
