"""A command line becomes one frozen request; stored settings that no field is named after are warned of."""

import argparse
import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import parsed

from dreamvideo.commands.frames import FramesRequest
from dreamvideo.commands.image import ImageRequest
from dreamvideo.commands.preview import PreviewRequest
from dreamvideo.commands.video import VideoRequest
from dreamvideo.errors import SettingsError
from dreamvideo.media.images import write_image
from dreamvideo.media.metadata import settings_comment
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings, ReadSettings
from dreamvideo.settings.network_looks import network_look
from dreamvideo.settings.toml_file import read_toml

LINES = [
    ["video", "a.mp4", "b.mp4", "--resume"],
    ["video", "a.mp4", "--preview", "3"],
    ["frames", "shot", "--independent"],
    ["image", "a.png", "--class", "owl"],
    ["atlas", "a.png", "--count", "3"],
    ["info", "a.mp4", "--json"],
    ["live", "0", "--mirror"],
    ["cameras"],
    ["demo", "--no-open", "--preset", "glass"],
    ["doctor"],
    ["timeline", "film.toml"],
    ["video", "a.mp4", "--step-size", "0:0.004, 2s:0.01", "--preset", "0:sea, 2:birds"],
    ["presets"],
    ["studio", "films", "--at", "9000"],
    ["models", "dreamnet", "--classes"],
    ["layers", "--model", "vgg16"],
    ["bench", "--quick"],
    ["bench", "coherence", "a.mp4"],
    ["bench", "cluster"],
    ["bench", "live"],
    ["bench", "gpu", "--only", "leak"],
]


def request_of(*words: str) -> Any:
    line = parsed(*words)
    return line.arguments.command.parse(line)


def parts(value: Any) -> list[Any]:
    """A request and all that it holds."""
    if dataclasses.is_dataclass(value):
        held = [getattr(value, field.name) for field in dataclasses.fields(value)]
    else:
        held = list(value) if isinstance(value, tuple) else []
    return [value, *(part for each in held for part in parts(each))]


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_command_line_becomes_a_frozen_request_of_settings_and_plain_values(line: list[str]) -> None:
    request = request_of(*line)
    hash(request)
    for part in parts(request):
        assert not isinstance(part, argparse.Namespace) and not callable(part)
        if dataclasses.is_dataclass(part) and dataclasses.fields(part):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(part, dataclasses.fields(part)[0].name, None)


def test_options_stand_where_the_request_says() -> None:
    video = request_of("video", "a.mp4", "-y", "--class", "owl", "--frames", "5", "--crf", "20")
    assert isinstance(video, VideoRequest)
    assert video.files.inputs == (Path("a.mp4"),) and video.files.overwrite and not video.files.resume
    assert video.settings.objective == ObjectiveSettings(classes=(("owl", 1.0),))
    assert video.settings.read == ReadSettings(frames=5) and video.settings.encode == EncodeSettings(crf=20)
    frames = request_of("frames", "shot", "--independent")
    assert isinstance(frames, FramesRequest) and frames.settings.carry.persistence == 0
    with pytest.raises(SettingsError, match="--independent with --seamless: expected one of the two"):
        request_of("frames", "shot", "--independent", "--seamless")
    preview = request_of("video", "a.mp4", "--preview")
    assert isinstance(preview, PreviewRequest) and preview.frames == 9 and preview.carry.persistence == 0
    image = request_of("image", "a.png", "--preset", "notebook2015", "--octaves", "2")
    assert isinstance(image, ImageRequest)
    assert image.model == ModelSettings("googlenet") and image.dream.octaves == 2 and image.dream.jitter == 32


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (["video", "a b.mp4"], "dreamvideo video 'a b.mp4' --resume"),
        (["video", "a.mp4", "--resume", "-q"], "dreamvideo video a.mp4 -q --resume"),
        (["video", "--", "-a.mp4"], "dreamvideo video --resume -- -a.mp4"),
        (["frames", "shot"], "dreamvideo frames shot --resume"),
        (["frames", "shot", "-n"], "dreamvideo frames shot -n"),
    ],
)
def test_the_line_that_resumes_is_one_that_can_be_typed(line: list[str], hint: str) -> None:
    assert request_of(*line).resume_hint == hint
    again = request_of(*hint.replace("'a b.mp4'", "a_b.mp4").split()[1:])
    assert again.files.resume == ("--resume" in hint)


def test_stored_settings_with_unknown_names_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = json.loads(settings_comment(DreamSettings(octaves=2)))
    old |= {"colour": 0.9, "keep_colours": True}
    write_image(np.full((20, 30, 3), 90, np.uint8), tmp_path / "old.png", json.dumps(old))
    with caplog.at_level(logging.WARNING, "dreamvideo"):
        request = request_of("image", "a.png", "--like", str(tmp_path / "old.png"))
    assert request.dream == DreamSettings(**{**network_look("dreamnet"), "octaves": 2})
    assert "old.png: ignoring the unknown setting colour = 0.9; nearest: color" in caplog.text
    assert "old.png: ignoring the unknown setting keep_colours = true; nearest: keep_colors" in caplog.text
    assert len(caplog.records) == 2
    (tmp_path / "old.toml").write_text("colour = 0.9")
    with pytest.raises(SettingsError, match="no setting 'colour'; nearest: color"):
        read_toml(tmp_path / "old.toml", DreamSettings)
