import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import make_clip
from conftest import parsed
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dreamvideo.cli import main
from dreamvideo.commands.console import FAILED, USAGE
from dreamvideo.commands.options import VIDEO_SETTINGS
from dreamvideo.errors import SettingsError
from dreamvideo.media.images import read_image, write_image
from dreamvideo.media.metadata import comment_with_settings, image_with_settings, settings_comment, settings_in_file
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings, ReadSettings
from dreamvideo.settings.network_looks import network_look
from dreamvideo.settings.toml_file import read_toml

LAYERS = st.lists(st.tuples(st.sampled_from(["s8b", "a.b"]), st.floats(-4, 4)), max_size=3).map(tuple)


def png(tmp_path: Path, line: str, suffix: str = ".png") -> Path:
    path = tmp_path / f"a{suffix}"
    write_image(np.full((20, 30, 3), 90, np.uint8), path, line)
    return path


@hypothesis_settings(deadline=None)
@given(
    LAYERS,
    st.lists(st.tuples(st.just("s8b"), st.integers(0, 9), st.floats(-1, 1))).map(tuple),
    st.floats(0, 0.4),
    st.integers(0, 2**40),
    st.floats(0, 1),
)
def test_settings_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, layers: Any, channels: Any, headroom: float, seed: int, persistence: float
) -> None:
    dream = DreamSettings(headroom=headroom, seed=seed)
    objective = ObjectiveSettings(layers=layers, channels=channels)
    carry = CarrySettings(persistence=persistence, flow="none")
    model = ModelSettings("vgg16", device="cpu", threads=3)
    path = png(tmp_path_factory.mktemp("signed"), settings_comment(model, objective, dream, carry))
    values = settings_in_file(path)
    assert DreamSettings(**{k: v for k, v in values.items() if k in DreamSettings.__slots__}) == dream
    assert ObjectiveSettings(**{k: v for k, v in values.items() if k in ObjectiveSettings.__slots__}) == objective
    assert CarrySettings(**{k: v for k, v in values.items() if k in CarrySettings.__slots__}) == carry
    assert ModelSettings(**{k: v for k, v in values.items() if k in ModelSettings.__slots__}) == ModelSettings("vgg16")


def test_neither_code_nor_files_are_opened_because_an_image_names_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = settings_comment(
        ModelSettings("evil.module:factory", weights="some/where/w.pth"),
        ObjectiveSettings(guide="/home/me/g.png"),
        DreamSettings(octaves=2, **network_look("evil.module:factory")),
    )
    assert "some/where" not in line and "/home" not in line
    assert settings_in_file(png(tmp_path, line)) == {"octaves": 2}
    assert "--weights w.pth: give this option too" in caplog.text
    assert "--guide g.png: give this option too" in caplog.text
    assert "--model evil.module:factory: give this option too" in caplog.text


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_settings_in_an_image_leave_its_pixels_alone(tmp_path: Path, suffix: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    write_image(image, tmp_path / f"plain{suffix}")
    write_image(image, tmp_path / f"signed{suffix}", settings_comment(DreamSettings(octaves=2)))
    plain, signed = (read_image(tmp_path / f"{name}{suffix}") for name in ("plain", "signed"))
    assert np.array_equal(plain, signed)
    assert cv2.imread(str(tmp_path / f"signed{suffix}")) is not None
    assert settings_in_file(tmp_path / f"signed{suffix}") == {"octaves": 2}
    assert image_with_settings(b"BM..", "x") == b"BM.."


def test_the_comment_of_the_source_stays_and_older_settings_go() -> None:
    first = comment_with_settings(settings_comment(DreamSettings(octaves=2)), "holiday\nin spring")
    second = comment_with_settings(settings_comment(DreamSettings(octaves=3)), first)
    assert second.splitlines()[:2] == ["holiday", "in spring"] and len(second.splitlines()) == 3
    assert json.loads(second.splitlines()[2])["octaves"] == 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm", ".avi"])
def test_a_video_says_how_it_was_dreamed(tmp_path: Path, suffix: str) -> None:
    source, first, again = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", tmp_path / f"c{suffix}"
    make_clip(source)
    look = ["--iterations", "0", "--octaves", "2", "--class", "owl", "--class", "frog:0.5", "--persistence", "0.9"]
    assert main(["video", str(source), "-o", str(first), "-q", *look]) == 0
    classes = (("owl", 1.0), ("frog", 0.5))
    expected = {"model": "dreamnet", "iterations": 0, "octaves": 2, "classes": classes, "persistence": 0.9}
    assert settings_in_file(first) == expected
    assert main(["video", str(first), "-o", str(again), "-q", "--like", str(first), "--octaves", "3"]) == 0
    assert settings_in_file(again) == {**expected, "octaves": 3}
    with av.open(str(again)) as container:
        (comment,) = [v for k, v in container.metadata.items() if k.lower() == "comment"]
    assert comment.count("{") == 1


def test_a_file_without_settings_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = png(tmp_path, None)
    assert main(["image", str(picture), "-o", str(tmp_path / "b.png"), "--like", str(picture)]) == USAGE
    assert main(["image", str(picture), "-o", str(tmp_path / "b.png"), "--like", str(tmp_path / "no.mp4")]) == FAILED
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "does not say how it was dreamed" in lines[0] and "no.mp4 cannot be read" in lines[1]


def test_a_file_of_settings(tmp_path: Path) -> None:
    file = tmp_path / "look.toml"
    file.write_text(
        'model = "googlenet"\nlayer = ["inception4c:0.5", "inception3b"]\n'
        '[dream]\nstep_size = 0.02\noctave-scale = 1.5\n[encode]\naudio = false\ncrf = 20\n[read]\nsize = "320x240"\n'
    )
    line = ["video", "a.mp4", "--config", str(file), "--crf", "30", "--preset", "notebook2015"]
    found: dict[Any, Any] = {kind: parsed(*line).settings(kind) for kind in VIDEO_SETTINGS}
    assert found[ReadSettings].size == (320, 240)
    assert found[ModelSettings].model == "googlenet"
    assert found[ObjectiveSettings].layers == (("inception4c", 1.0),), "the preset goes before the file"
    assert found[DreamSettings].octave_scale == 1.4 and found[DreamSettings].step_size == pytest.approx(1.5 / 255)
    assert found[EncodeSettings] == EncodeSettings(crf=30, audio=False)
    assert read_toml(file, *VIDEO_SETTINGS)["layers"] == (("inception4c", 0.5), ("inception3b", 1.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("octavse = 3", "no setting 'octavse'; nearest: octaves"),
        ("octaves = 'three'", "octaves = 'three': expected N"),
        ("octaves = [3]", r"octaves = \[3\]: expected N"),
        ("audio = 1", "audio = 1: expected true or false"),
        ("objective = 'lot'", "objective = 'lot'; nearest: log; expected one of: auto, log"),
        ("= 3", "is not valid TOML"),
    ],
)
def test_a_wrong_file_of_settings_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "look.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_toml(file, *VIDEO_SETTINGS)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_toml(tmp_path / "no.toml", *VIDEO_SETTINGS)
