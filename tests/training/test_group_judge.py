"""The judge of dreams of groups: its measures against cases worked by hand, the sheet, both commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.errors import ModelError, SourceError
from dreamvideo.media.contact_sheet import GAP, line_height
from dreamvideo.media.images import read_image, write_image
from dreamvideo.models.class_groups import GROUPS
from dreamvideo.models.dreamnet.net import DreamNet, fold_network
from dreamvideo.settings.dream import ModelSettings
from dreamvideo.training import group_dreams, group_judge
from dreamvideo.training.calibration import channel_rms, group_divisors
from dreamvideo.training.export import export
from dreamvideo.training.group_dreams import EVERY, GroupDream, dream_groups
from dreamvideo.training.group_judge import group_judge_main
from dreamvideo.training.group_judgement import (
    KINDS,
    animal_probability,
    judge_every,
    judge_groups,
    seen_kinds,
    sees_group,
    window_logits,
)
from dreamvideo.training.group_sheet import group_sheet, group_sheet_main
from dreamvideo.training.judge import SHORT
from dreamvideo.training.judgement import DreamedImage

DOG, CAT, SHIP = GROUPS["dogs"][3], GROUPS["cats"][0], GROUPS["ships"][0]


def gray(value: int, height: int = 128, width: int = 160) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def dreamed(group: str, before: int, after: int, name: str = "hill") -> GroupDream:
    return GroupDream(group, DreamedImage(name, gray(before), gray(after)))


def by_brightness(windows: Tensor) -> Tensor:
    """A classifier that sees a dog where it is bright, a cat where it is middling, and else ships."""
    mean = windows.mean((1, 2, 3))
    seen = torch.where(mean > 0.6, DOG, torch.where(mean > 0.3, CAT, SHIP))
    logits = torch.zeros(len(windows), 1000)
    logits[:, 995:] = 5  # five others come before the rest
    logits[torch.arange(len(windows)), seen] = 20
    return logits


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        net = fold_network(DreamNet(2, ("dogs", "cats"), trainable=True)).requires_grad_(False)
    rms = channel_rms(net, torch.randint(0, 256, (2, 48, 48, 3), generator=torch.Generator().manual_seed(1)).byte())
    path = tmp_path_factory.mktemp("weights") / "two.safetensors"
    export(path, net, ["background", "rose"], rms, {"groups": group_divisors(net, rms["groups"])}, {})
    return path


def test_windows_are_cut_at_every_step() -> None:
    shown: list[Tensor] = []

    def look(windows: Tensor) -> Tensor:
        shown.append(windows)
        return torch.zeros(len(windows), 1000)

    image = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 160, 0).repeat(3, 2)  # brighter to the right
    assert window_logits(image, look).shape == (2 * 3, 1000)
    windows = torch.cat(shown)
    assert windows.shape == (6, 3, 224, 224)
    expected = [(64 + 32 * column - 0.5) / 255 for _ in range(2) for column in range(3)]
    assert windows.mean((1, 2, 3)).tolist() == pytest.approx(expected, abs=1e-3)
    with pytest.raises(SourceError, match="160x100"):
        window_logits(gray(0, 100, 160), look)


def test_a_group_is_seen_among_the_first_five_of_one_window() -> None:
    logits = torch.zeros(2, 1000)
    logits[0, 995:] = 2
    logits[0, DOG] = 1
    logits[1, 990:995] = 3
    assert not sees_group(logits, "dogs")
    logits[1, DOG] = 4
    assert sees_group(logits, "dogs") and not sees_group(logits, "cats")


def test_animals_and_their_kinds() -> None:
    logits = torch.full((2, 1000), -50.0)
    logits[0, DOG], logits[0, SHIP] = 0, 0  # half an animal
    logits[1, CAT] = 0
    assert animal_probability(logits) == pytest.approx(0.75)
    assert seen_kinds(logits) == ["dogs", "cats"]
    logits[0, SHIP] = 0.1
    assert seen_kinds(logits) == ["cats"]
    assert set(KINDS) <= set(GROUPS)


def test_groups_count_if_they_are_seen_on_most_pictures() -> None:
    dreams = [dreamed("dogs", 20, 240, name) for name in "abc"] + [dreamed("dogs", 20, 100, "d")]
    dreams += [dreamed("cats", 20, 100, name) for name in "ab"] + [dreamed("cats", 20, 240, name) for name in "cd"]
    dreams += [dreamed("ships", 20, 30, name) for name in "abcd"] + [dreamed(EVERY, 20, 240)]
    evaluation = judge_groups(dreams, by_brightness)
    assert [(row["group"], row["seen"], row["before"], row["of"]) for row in evaluation.rows] == [
        ("dogs", 3, 0, 4),
        ("cats", 2, 0, 4),
        ("ships", 4, 4, 4),
    ]
    assert evaluation.rows[0]["amplitude"] == (3 * 220 + 80) / 4 and evaluation.rows[0]["not on"] == "d"
    seen, before = evaluation.findings
    assert (seen.value, seen.note, before.value) == (2, "dogs, ships", 1)


def test_dreams_of_no_group_are_judged_by_animals_and_amplitude() -> None:
    dreams = [dreamed(EVERY, 20, 40, "ship"), dreamed(EVERY, 20, 100, "cat"), dreamed("dogs", 20, 240)]
    animals, before, kinds, amplitude = judge_every(dreams, by_brightness).findings
    assert animals.value == pytest.approx(0.5, abs=1e-3) and before.value == pytest.approx(0, abs=1e-3)
    assert (kinds.value, kinds.note) == (1, "cats")
    assert (amplitude.value, amplitude.met) == ((20 + 80) / 2, False)
    assert judge_every(dreams[2:], by_brightness).skipped


def test_each_picture_begins_a_row_of_the_sheet() -> None:
    dreams = [
        dreamed(group, value, value + 50, name)
        for group in ("dogs", "cats", EVERY)
        for name, value in (("a", 10), ("b", 90))
    ]
    sheet = group_sheet(dreams, columns=3)
    line = line_height(160)
    assert sheet.shape == (4 * (128 + line + GAP) + GAP, 3 * (160 + GAP) + GAP, 3)
    down, across = 128 + line + GAP, 160 + GAP
    corners = [int(sheet[GAP + row * down, GAP + column * across, 0]) for row in range(4) for column in range(3)]
    assert [corners[n] for n in (0, 1, 2, 3, 6, 7, 8, 9)] == [10, 60, 60, 60, 90, 140, 140, 140]


def test_groups_are_dreamed_by_the_network_that_has_them(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[tuple[str, ...], float]] = []

    def remember(image: Tensor, score: object, look: object) -> Tensor:
        asked.append((score.layers, look.step_size))  # type: ignore[attr-defined]
        return image * 0.5

    monkeypatch.setattr(group_dreams, "dream", remember)
    model, images = ModelSettings(model="dreamnet", weights=str(weights), device="cpu"), {"a": torch.ones(1, 3, 32, 32)}
    dreams = list(dream_groups(model, ("cats", EVERY), images, 0.02))
    assert asked == [(("group.cats",), 0.02), (("groups",), 0.02)]  # of the groups of animals the strongest
    assert [(each.group, each.amplitude) for each in dreams] == [("cats", 127), (EVERY, 127)]
    asked.clear()
    list(dream_groups(ModelSettings(model="dreamnet-drawn", device="cpu"), (EVERY,), images))
    assert "s16a" in asked[0][0]  # what it dreams by default
    with pytest.raises(ModelError, match="ships"):
        list(dream_groups(model, ("ships",), images))


def test_both_commands(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(group_dreams, "dream", lambda image, score, look: image + 0.8)
    monkeypatch.setattr(group_dreams, "configure_process", lambda model: None)
    monkeypatch.setattr(group_judge, "load_judge", lambda: by_brightness)
    write_image(gray(20), tmp_path / "hill.png")
    words = [str(tmp_path / "hill.png"), "--weights", str(weights), "--groups", "dogs,cats,all"]
    assert group_judge_main([*words, "--json", "-o", str(tmp_path / "sheet.png")]) == SHORT
    found = json.loads(capsys.readouterr().out)
    assert [row["seen"] for row in found["sections"]["groups, each"]["rows"]] == [1, 0]
    assert "groups: groups seen" in found["short"]
    assert group_judge_main(words) == SHORT
    text = capsys.readouterr().out
    assert "groups seen" in text and "short of its aim" in text
    assert group_sheet_main([*words, "-o", str(tmp_path / "same.png")]) == 0
    assert np.array_equal(read_image(tmp_path / "sheet.png"), read_image(tmp_path / "same.png"))
    assert group_judge_main([*words[:-1], "unicorns"]) == 1
    assert group_sheet_main([*words, "-o", str(tmp_path / "none" / "sheet.png")]) == 1
    assert [word in line for word, line in zip(("unicorns", "none"), capsys.readouterr().err.splitlines(), strict=True)]
