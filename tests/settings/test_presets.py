from pathlib import Path
from typing import Any

import pytest
from conftest import parsed

from dreamvideo.cli import main
from dreamvideo.commands.console import USAGE
from dreamvideo.models.dreamnet.net import NODES
from dreamvideo.models.registry import CLASSIFIERS, DEFAULT_CLASSES
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.presets import PRESETS, find_preset
from dreamvideo.training.render import CLASSES


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_every_preset_holds_valid_settings_of_things_that_exist(preset: Any) -> None:
    model, objective = ModelSettings(preset.model), ObjectiveSettings(**preset.objective)
    DreamSettings(**preset.dream)
    assert preset.values and "\n" not in preset.summary
    assert {name for name, _ in objective.classes} <= set(CLASSES)
    if model.model == "dreamnet":
        assert {name for name, _ in objective.layers} <= set(NODES)
        assert objective.classes or objective.layers
    else:
        assert objective.layers == ((CLASSIFIERS[model.model].layer, 1.0),)


def test_the_default_look_is_made_of_classes_that_exist() -> None:
    assert set(DEFAULT_CLASSES) <= set(CLASSES) and len(set(DEFAULT_CLASSES)) == len(DEFAULT_CLASSES)


def test_no_two_presets_are_alike() -> None:
    assert len({str(sorted(preset.values.items())) for preset in PRESETS.values()}) == len(PRESETS) >= 8


def test_what_is_given_goes_before_the_preset_and_the_preset_before_the_default() -> None:
    line = ["image", "a.png", "--preset", "notebook2015", "--octaves", "2", "--layer", "inception3b"]
    dream, objective = parsed(*line).settings(DreamSettings), parsed(*line).settings(ObjectiveSettings)
    assert parsed(*line).settings(ModelSettings) == ModelSettings(model="googlenet")
    assert dream.octaves == 2
    assert objective == ObjectiveSettings(layers=(("inception3b", 1.0),), objective="l2")
    assert dream.jitter == 32 and dream.step_size == pytest.approx(1.5 / 255)
    assert dream.seed == DreamSettings().seed


def test_a_wrong_preset_is_one_line_with_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "a.png"
    assert main(["image", str(picture), "--preset", "creature"]) == USAGE
    said = capsys.readouterr().err
    assert said == "dreamvideo: no preset 'creature'; nearest: creatures; see: dreamvideo presets\n"
    with pytest.raises(ValueError, match="nearest: glass"):
        find_preset("glas")


def test_presets_are_listed_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PRESETS)
