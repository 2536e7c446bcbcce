from pathlib import Path
from typing import Any

import pytest
from conftest import parsed

from dreamvideo.cli import main
from dreamvideo.commands.console import USAGE
from dreamvideo.errors import ModelError
from dreamvideo.models.class_groups import GROUPS, find_classes
from dreamvideo.models.efficientnet_lite import imagenet_classes
from dreamvideo.models.network import choose_terms
from dreamvideo.models.registry import CLASSIFIERS, DEFAULT_CLASSES, find_model
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.network_looks import network_look
from dreamvideo.settings.presets import PRESETS, find_preset
from dreamvideo.training.render import CLASSES


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_every_preset_holds_valid_settings_of_things_that_exist(preset: Any) -> None:
    objective = ObjectiveSettings(**preset.objective)
    DreamSettings(**{**network_look(preset.model), **preset.dream})
    assert preset.values and "\n" not in preset.summary
    assert objective.classes or objective.layers
    model = find_model(preset.model)
    assert choose_terms(model, objective)
    assert all(name in model.groups or find_classes(name, model.classes, model.name) for name, _ in objective.classes)
    if preset.model in CLASSIFIERS:
        assert objective.layers == ((CLASSIFIERS[preset.model].layer, 1.0),)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lion", "lion"),
        ("Lion", "lion"),
        ("291", "lion"),
        ("owl", "great grey owl"),
        ("owls", "great grey owl"),
        ("bird", "cock"),
        ("birds", "cock"),
        ("dogs", "Chihuahua"),
    ],
)
def test_classes_are_found_by_name_number_group_and_word(name: str, expected: str) -> None:
    names = imagenet_classes()
    assert expected in [names[number] for number in find_classes(name, names, "network")]


def test_groups_hold_what_they_are_called() -> None:
    names, sizes = imagenet_classes(), {name: len(numbers) for name, numbers in GROUPS.items()}
    assert sizes["dogs"] == 118 and sizes["animals"] == 398
    examples = {
        "fish": "goldfish", "birds": "flamingo", "amphibians": "tree frog", "reptiles": "green mamba", "cats": "tiger",
        "snakes": "green mamba", "spiders": "tarantula", "sea": "jellyfish", "dogs": "Samoyed", "wolves": "red fox",
        "bears": "giant panda", "insects": "ladybug", "butterflies": "monarch", "rodents": "hamster",
        "herds": "zebra", "apes": "gorilla", "animals": "snail", "buildings": "castle", "cars": "sports car",
        "vehicles": "steam locomotive", "ships": "yawl", "instruments": "violin", "food": "pizza", "fruit": "pineapple",
        "vegetables": "broccoli", "flowers": "daisy", "mushrooms": "agaric", "landscapes": "volcano",
    }  # fmt: skip
    assert set(examples) == set(GROUPS)
    for group, example in examples.items():
        assert names.index(example) in GROUPS[group] and len(set(GROUPS[group])) == len(GROUPS[group]) > 4


def test_a_class_that_is_not_there_is_one_line_with_the_nearest_and_what_lists_all() -> None:
    with pytest.raises(
        ModelError, match=r"no class 'tigger' in lite; nearest: tiger.*; see: .* models lite --classes$"
    ):
        find_classes("tigger", imagenet_classes(), "lite")
    with pytest.raises(ModelError, match="nearest: butterflies"):
        find_classes("buterflies", imagenet_classes(), "lite")
    with pytest.raises(ModelError, match="expected 0 to 999"):
        find_classes("1000", imagenet_classes(), "lite")
    with pytest.raises(ModelError, match="no class 'birds' in dreamnet"):
        find_classes("birds", ("fish",), "dreamnet")


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
    assert main(["image", str(picture), "--preset", "reptile"]) == USAGE
    said = capsys.readouterr().err
    assert said == "dreamvideo: no preset 'reptile'; nearest: reptiles; see: dreamvideo presets\n"
    with pytest.raises(ValueError, match="nearest: glass"):
        find_preset("glas")


def test_presets_are_listed_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PRESETS)
