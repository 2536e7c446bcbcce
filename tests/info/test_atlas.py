from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clips import make_clip
from conftest import only_line, run, textured
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.ascent.octaves import dream
from dreamvideo.errors import ModelError, SettingsError
from dreamvideo.info import atlas
from dreamvideo.info.atlas import (
    ALL_CLASSES_LIMIT,
    ATLAS_BATCH,
    AtlasDream,
    atlas_dreams,
    dream_tiles,
    image_to_tile,
    layer_activations,
    layers_to_show,
    strongest_channels,
    strongest_classes,
)
from dreamvideo.media import contact_sheet
from dreamvideo.media.images import read_image, write_image
from dreamvideo.models.layers import Layer, describe_layers
from dreamvideo.models.network import load_network
from dreamvideo.models.objectives import Term
from dreamvideo.models.registry import find_model
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import AtlasSettings
from dreamvideo.settings.presets import Preset
from dreamvideo.tensors import to_image, to_tensor

CPU = ModelSettings(device="cpu", precision="fp32")
QUICK = DreamSettings(octaves=1, iterations=2, step_size=0.02)
DREAMNET = find_model("dreamnet")
LAYERS = [
    *("c1", "s4a", "s4b", "s8a", "s8b", "s16a", "s16b", "map.s8b", "map.s16a", "map.s16b", "groups"),
    *(node for node in DREAMNET.nodes if node.startswith("group.")),
]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    write_image(textured(60, 90), tmp_path / "photo.png")
    return tmp_path / "photo.png"


def gray(number: int, width: int, height: int) -> NDArray[Any]:
    return np.full((height, width, 3), 60 + 10 * number, np.uint8)


def picture(height: int = 48, width: int = 64) -> Tensor:
    return to_tensor(textured(height, width), torch.device("cpu"))


def tiles_of(
    shown: AtlasSettings = AtlasSettings(), objective: ObjectiveSettings = ObjectiveSettings(), image: Any = None
) -> list[AtlasDream]:  # noqa: B008
    return atlas_dreams(picture() if image is None else image, DREAMNET, shown, objective, QUICK, CPU)


def test_an_atlas_shows_the_source_and_every_layer_and_neighbors_differ(
    photo: Path, sheets: list[tuple[list[Any], list[Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("atlas", photo, "--tile", 64, "--octaves", 1, "--iterations", 4) == 0
    ((tiles, labels),) = sheets
    assert labels == ["source", *LAYERS]
    assert {tile.shape for tile in tiles} == {(43, 64, 3)}
    assert np.array_equal(tiles[0], to_image(image_to_tile(textured(60, 90), 64)))
    trained = [(label, tile) for label, tile in zip(labels, tiles, strict=True) if label != "map.s16a"]
    for (one, a), (other, b) in zip(trained, trained[1:], strict=False):
        assert np.abs(a.astype(int) - b).mean() > 1, (one, other)
    for label, tile in trained:
        hard = ((tile == 0) | (tile == 255)).all(2).mean()
        assert hard < 0.02, label
    written = read_image(photo.with_name("photo_atlas.png"))
    assert np.array_equal(written, contact_sheet.contact_sheet(tiles, labels))
    said = capsys.readouterr().err.splitlines()
    assert (
        f"{len(LAYERS)} dreams of 64x43, dreamnet" in said[0] and f"photo_atlas.png: {len(LAYERS)} dreams in" in said[1]
    )


def test_a_tile_is_what_typing_its_label_gives() -> None:
    image, asked = picture(), AtlasSettings(channels_of="s8b", count=ATLAS_BATCH + 1)  # more than one batch
    several = [*tiles_of(asked, image=image), *tiles_of(image=image)[3:5]]
    for tile, dreamed in zip(several, dream_tiles(image, several, DREAMNET, CPU), strict=True):
        layer, _, number = tile.label.partition(":")
        typed = {"channels": ((layer, int(number), 1.0),)} if number else {"layers": ((layer, 1.0),)}
        alone = dream(image, load_network(CPU, ObjectiveSettings(**typed)).score, QUICK)
        assert np.abs(dreamed.astype(int) - to_image(alone)).max() <= 2, tile.label


def test_channels_are_the_strongest_of_the_picture_by_their_divisors() -> None:
    image = picture()
    activation = load_network(CPU, ObjectiveSettings(layers=(("s8a", 1.0),))).score.features(image)["s8a"]
    means = activation.mean((0, 2, 3)) / DREAMNET.divisors()["s8a"]
    expected = sorted(range(len(means)), key=lambda channel: -means[channel])[:5]
    found = tiles_of(AtlasSettings(channels_of="s8a", count=5), image=image)
    assert [tile.label for tile in found] == [f"s8a:{channel}" for channel in expected]
    assert [tile.terms for tile in found] == [(Term("s8a", 1.0, "log", (channel,)),) for channel in expected]
    assert len(tiles_of(AtlasSettings(channels_of="s8a"))) == 24
    assert len(tiles_of(AtlasSettings(channels_of="c1", count=999))) == 32  # all that there are


def test_classes_are_all_of_a_few_and_the_likeliest_of_many() -> None:
    found = tiles_of(AtlasSettings(all_classes=True))
    assert [tile.label for tile in found] == [name for name in DREAMNET.classes if name != "background"]
    assert found[3].terms == (Term("map.s16b", 1.0, "class", (DREAMNET.classes.index(found[3].label),)),)
    likely = layer_activations(picture(), (Term("map.s16b", kind="class"),), DREAMNET, CPU)
    few = tiles_of(AtlasSettings(all_classes=True, count=3))
    best = [DREAMNET.classes[number] for number in strongest_channels(likely, 4)]
    assert [tile.label for tile in few] == [name for name in best if name != "background"][:3]
    many = replace(DREAMNET, classes=tuple(f"c{n // 2}" if n < 4 else f"c{n}" for n in range(ALL_CLASSES_LIMIT + 1)))
    strongest = strongest_classes(
        many, torch.arange(ALL_CLASSES_LIMIT + 1.0) * torch.tensor([1.0, 500.0, *[1.0] * (ALL_CLASSES_LIMIT - 1)]), None
    )
    assert strongest[:2] == [(1, "1"), (100, "c100")]  # two classes are called c0: the number tells which
    assert len(strongest) == 24


def test_what_is_named_is_shown_each_for_itself(photo: Path, sheets: list[tuple[list[Any], list[Any]]]) -> None:
    words = ["--layer", "s8b:-0.5", "--layer", "s4a", "--channel", "s8b:17", "--neuron", "s8a:3", "--class", "owl"]
    assert run("atlas", photo, "--tile", 48, "--octaves", 1, "--iterations", 1, "-q", *words) == 0
    assert sheets[0][1] == ["source", "s8b:-0.5", "s4a", "s8b:17", "s8a:3", "owl"]
    negative = tiles_of(objective=ObjectiveSettings(layers=(("s8b", -0.5),)))
    assert negative[0].terms == (Term("s8b", -0.5, "log"),)


def test_presets_are_tiles_with_settings_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"classes": (("human_eye", 1.0), ("owl", 1.0))}
    some = (
        Preset("eyes", "", "dreamnet", values, {"step_size": 0.05}),
        Preset("other", "", "vgg16", {"layers": (("features.22", 1.0),)}),
        Preset("calm", "", "dreamnet", {"layers": (("s4b", 1.0),)}),
    )
    monkeypatch.setattr(atlas, "PRESETS", {preset.name: preset for preset in some})
    eyes, calm = tiles_of(AtlasSettings(presets=True))
    assert (eyes.label, calm.label) == ("eyes", "calm")
    assert eyes.settings == replace(QUICK, step_size=0.05) and calm.settings == QUICK
    assert len(eyes.terms[0].picks) == 2 and calm.layers == ("s4b",)
    with pytest.raises(SettingsError, match="expected one of dreamnet, vgg16"):
        atlas_dreams(
            picture(), replace(DREAMNET, name="alexnet"), AtlasSettings(presets=True), ObjectiveSettings(), QUICK, CPU
        )


def test_a_long_list_of_layers_is_thinned_to_blocks() -> None:
    inner = [f"layer{stage}.{block}.{node}" for stage in range(4) for block in range(4) for node in ("conv", "relu")]
    names = ["mul", "conv1", *inner, *[f"layer4.0.part{n}" for n in range(9)], "fc"]
    strides = {"fc": None}
    layers = [Layer(name, 3 if name == "mul" else 64, strides.get(name, 8.0)) for name in names]
    blocks = ["conv1", *[f"layer{stage}.{block}" for stage in range(4) for block in range(4)], "layer4.0"]
    assert layers_to_show(layers) == blocks
    assert layers_to_show(layers[:20]) == names[1:20]
    flat = [Layer(f"n{number}", 8, 2.0) for number in range(100)]
    assert len(layers_to_show(flat)) == 39


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("googlenet", marks=pytest.mark.slow),
        pytest.param("resnet50", marks=pytest.mark.slow),
        "squeezenet1_1",
    ],
)
def test_the_blocks_of_known_networks_can_be_asked_for(name: str) -> None:
    model = find_model(name)
    shown = layers_to_show(describe_layers(model.whole))
    assert 12 <= len(shown) < 40 and set(shown) <= set(model.nodes)
    assert {"googlenet": "inception4c", "resnet50": "layer3.5", "squeezenet1_1": "features.10"}[name] in shown


@pytest.mark.parametrize("name", ["dreamnet", "squeezenet1_1"])
def test_a_model_that_was_cut_is_what_it_was(name: str, tmp_path: Path) -> None:
    from dreamvideo.models.registry import build_classifier

    weights = tmp_path / "w.pth"
    torch.save(build_classifier("squeezenet1_1").state_dict(), weights)
    model = find_model(name, None if name == "dreamnet" else str(weights))
    before = model.whole(picture())
    model.cut([model.terms[0].layer], torch.device("cpu"), torch.float16)  # which the engine leaves to torch
    after = model.whole(picture())
    shapes = {node: value.dtype for node, value in after.items()}
    assert set(shapes.values()) == {torch.float32} and shapes.keys() == before.keys()


def test_of_a_video_the_middle_or_the_frame_at_start_is_shown(
    tmp_path: Path, sheets: list[tuple[list[Any], list[Any]]]
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", image=gray)
    words = ["--tile", 64, "--layer", "c1", "--iterations", 0, "-q"]
    assert run("atlas", clip, *words) == 0
    assert run("atlas", clip, "--start", "0.12", "-o", tmp_path / "early.jpg", *words) == 0
    levels = [tiles[0].mean() for tiles, _ in sheets]
    assert levels == [pytest.approx(60 + 10 * number, abs=4) for number in (6, 3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "clip_atlas.png", "early.jpg"]


def test_a_picture_of_any_shape_becomes_a_tile_that_can_be_dreamed() -> None:
    assert image_to_tile(textured(500, 300), 100).shape == (1, 3, 100, 60)
    assert image_to_tile(textured(20, 30), 90).shape == (1, 3, 60, 90)
    assert image_to_tile(textured(16, 640), 100).shape == (1, 3, 32, 1280)
    assert image_to_tile(textured(60, 60), 90, Fraction(3, 2)).shape == (1, 3, 60, 90)  # pixels that are not square


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--channels", "s8x"], 1, "no layer 's8x' in dreamnet; nearest: s8"),
        (["--channel", "s8b:999"], 1, "no channel 999 in s8b of dreamnet"),
        (["--class", "unicorn"], 1, "no class 'unicorn'"),
        (["--channels", "s8b", "--classes"], 2, "--channels with --classes: expected one of them"),
        (["--classes", "--layer", "s8b"], 2, "s8b with --channels, --classes or --presets: expected one of them"),
        (["--count", "0"], 2, "--count 0: expected at least 1"),
        (["--tile", "8"], 2, "--tile 8: expected at least 32"),
        (["-o", "dreams.mp4"], 1, "expected a name ending in .png"),
        (["--model", "dreamnett"], 1, "nearest: dreamnet"),
    ],
)
def test_what_cannot_be_shown_is_one_line_and_no_file(
    photo: Path, words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("atlas", photo, "-q", *words) == code
    assert said in only_line(capsys)
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


def test_inputs_that_cannot_be_read_and_existing_outputs_are_reported(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ["--layer", "c1", "--tile", 48, "--iterations", 1, "-q"]
    (tmp_path / "text.mp4").write_text("no video at all\n" * 9)
    assert run("atlas", tmp_path / "text.mp4", *quick) == 1
    assert "text.mp4 cannot be opened as a video" in only_line(capsys)
    assert run("atlas", tmp_path / "text.mp4", photo, *quick) == 3
    assert run("atlas", tmp_path / "none.png", *quick) == 1
    capsys.readouterr()
    assert run("atlas", photo, *quick) == 1
    assert "--overwrite (-y)" in only_line(capsys)
    assert run("atlas", photo, "-y", *quick) == 0


def test_an_unknown_layer_is_refused_by_an_atlas_too() -> None:
    with pytest.raises(ModelError, match="nearest: s16"):
        tiles_of(objective=ObjectiveSettings(layers=(("s16x", 1.0),)))
