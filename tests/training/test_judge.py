"""The judge of trained weights: its measures against cases worked by hand, its aims, the command from end to end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dreamvideo.errors import ModelError
from dreamvideo.media.contact_sheet import GAP, line_height
from dreamvideo.models.dreamnet.net import BLOCKS, MAPS, DreamNet, fold_network
from dreamvideo.models.dreamnet.trained import Trained, load_dreamnet, plain_divisor
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.training import judge, judgement, look_metrics
from dreamvideo.training.calibration import channel_rms
from dreamvideo.training.export import export
from dreamvideo.training.judgement import DreamedImage, Evaluation, Finding
from dreamvideo.training.look_metrics import (
    class_probabilities,
    hard_share,
    motif_shares,
    raised_classes,
    rgb_colorfulness,
    theme_classes,
    top_classes,
)
from dreamvideo.training.node_sheet import node_sheet
from dreamvideo.training.render import CLASSES, by_theme

FEW = ("background", "rose", "lily", "dog", "gear")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_weights(path: Path, classes: tuple[str, ...], seed: int) -> Path:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        net = fold_network(DreamNet(len(classes), trainable=True))
    images = torch.randint(0, 256, (2, 48, 48, 3), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    export(path, net, classes, channel_rms(net, images), {}, {})
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / "few.safetensors", FEW, 1)


@pytest.fixture(scope="module")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "ramp.png"
    rows, columns = np.mgrid[0:40, 0:48]
    image = np.stack([rows * 5, columns * 4, 255 - rows * 5], 2).astype(np.uint8)
    cv2.imwrite(str(path), image[..., ::-1])
    return path


def test_colorfulness_by_hand() -> None:
    # Red and green, half each: R - G is +-200 (spread 200, mean 0), (R + G) / 2 - B is 100 everywhere.
    image = np.zeros((2, 4, 3), np.uint8)
    image[0, :, 0] = image[1, :, 1] = 200
    assert rgb_colorfulness(image) == pytest.approx(200 + 0.3 * 100)
    assert rgb_colorfulness(np.full((3, 3, 3), 90, np.uint8)) == 0
    # One blue: R - G is 0, (R + G) / 2 - B is -80: no spread, only an offset.
    assert rgb_colorfulness(np.array([[[0, 0, 80]]], np.uint8)) == pytest.approx(0.3 * 80)


def test_hard_pixels_are_those_beyond_the_limits() -> None:
    grays = np.array([0, 2, 3, 128, 252, 253, 254, 255], np.uint8)
    image = np.repeat(grays[None, :, None], 3, 2)
    assert hard_share(image) == 5 / 8
    assert hard_share(np.array([[[255, 0, 0], [0, 0, 20]]], np.uint8)) == 1 / 2  # pure red is not hard, its luma is 76


def test_a_class_is_raised_by_the_mean_over_places() -> None:
    before = torch.full((1, 3, 2, 2), 0.01)
    after = before.clone()
    after[:, 1, 0, 0] = 0.37  # a mean of 0.1 over four places
    after[:, 2, 0, 0] = 0.36
    assert raised_classes(before, after).tolist() == [False, True, False]
    assert raised_classes(before, after[:, :, :1, :1]).tolist() == [False, True, True]  # places need not be the same
    assert raised_classes(before, after, 1.0).all()


def test_motif_shares_count_places_of_all_images_without_the_background() -> None:
    first = torch.zeros(1, 3, 1, 3)
    first[0, :, 0, 0] = torch.tensor([0.9, 0.06, 0.04])
    first[0, :, 0, 1] = torch.tensor([0.1, 0.8, 0.1])
    first[0, :, 0, 2] = torch.tensor([0.5, 0.1, 0.4])
    second = torch.tensor([0.2, 0.1, 0.7]).view(1, 3, 1, 1)
    assert motif_shares([first, second]).tolist() == [0.5, 0.25, 0.25]
    assert motif_shares([first, second], without=0).tolist() == [0, 0.5, 0.5]
    assert first[0, 0, 0, 0] == pytest.approx(0.9)  # the map is left alone


def test_probabilities_are_the_softmax_of_the_last_map(weights: Path) -> None:
    net, image = load_dreamnet(weights).net, torch.rand(1, 3, 48, 64)
    found = class_probabilities(net, image)
    assert found.shape == (1, len(FEW), 3, 4)
    torch.testing.assert_close(found.sum(1), torch.ones(1, 3, 4))
    logits = net.features(image, [MAPS[-1]])[MAPS[-1]]
    torch.testing.assert_close((found[:, 1] / found[:, 2]).log(), logits[:, 1] - logits[:, 2], rtol=1e-3, atol=1e-4)


def test_top_leaves_the_background_out() -> None:
    assert top_classes(torch.tensor([9.0, 1.0, 3.0, 2.0, 0.0]), FEW, 3, "background") == ["lily", "dog", "rose"]
    assert top_classes(torch.tensor([9.0, 1.0, 3.0, 2.0, 0.0]), FEW, 1) == ["background"]


def test_siblings_are_the_classes_of_one_theme() -> None:
    assert {"rose", "lily", "daisy"} <= theme_classes("rose") and "dog" not in theme_classes("rose")
    assert theme_classes("background") == {"background"}
    for name in CLASSES[1:]:
        assert name in theme_classes(name) and all(
            theme_classes(other) == theme_classes(name) for other in theme_classes(name)
        )
    assert sum(len(motifs) for motifs in by_theme().values()) == len(CLASSES) - 1


@pytest.mark.parametrize(
    ("found", "aim", "at_most", "met", "verdict", "shown"),
    [
        (0.95, 0.95, False, True, "pass", ">= 0.95"),
        (0.94, 0.95, False, False, "SHORT", ">= 0.95"),
        (0.0, 0.0, True, True, "pass", "<= 0"),
        (0.01, 0.0, True, False, "SHORT", "<= 0"),
        (None, 0.5, False, None, None, ">= 0.5"),
        (3.0, None, False, None, None, None),
    ],
)
def test_a_finding_passes_or_falls_short(
    found: float | None, aim: float | None, at_most: bool, met: bool | None, verdict: str | None, shown: str | None
) -> None:
    finding = Finding("it", found, aim, at_most)
    assert finding.met is met
    row = finding.row()
    assert (row["verdict"], row["aim"]) == (verdict, shown)
    assert judge.missed_aims([Evaluation("a", "", (finding,))]) == (["a: it"] if met is False else [])


def test_the_look_is_judged_by_the_worst_image_with_color() -> None:
    gray = np.full((4, 4, 3), 100, np.uint8)
    red = gray.copy()
    red[:2, :, 0] = 200
    redder = gray.copy()
    redder[:2, :, 0] = 250
    burnt = redder.copy()
    burnt[0, 0] = 255
    dreams = [DreamedImage("pale", gray, red), DreamedImage("good", red, redder), DreamedImage("same", red, red)]
    color, hard = judgement.judge_look(dreams).findings
    assert (color.value, color.note, color.met) == (1.0, "same", False)
    assert (hard.value, hard.met) == (0.0, True)
    color, hard = judgement.judge_look([DreamedImage("good", red, redder), DreamedImage("burnt", red, burnt)]).findings
    assert color.met and not hard.met and (hard.value, hard.note) == (1 / 16, "burnt")
    nothing, _ = judgement.judge_look(dreams[:1]).findings
    assert nothing.value is None and nothing.met is None


def seeing(trained: Trained, favorite: int) -> Trained:
    """The same network with a last head that finds one class everywhere."""
    head = trained.net.head("s16b")
    head.weight.zero_()
    head.bias.zero_()[favorite] = 8
    return trained


def test_a_motif_that_is_everywhere_is_found(weights: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (48, 48, 3), np.uint8)
    dreams = [DreamedImage("noise", noise, noise)]
    part = judgement.judge_motifs(dreams, seeing(load_dreamnet(weights), FEW.index("gear")), "it")
    rose, largest, before, *_ = part.findings
    assert (rose.value, rose.met) == (0, False)
    assert (largest.value, largest.note, largest.met, before.value) == (1.0, "gear", False, 1.0)
    *_, background = judgement.judge_motifs(dreams, seeing(load_dreamnet(weights), 0), "it").findings
    assert background.value == 1


def test_what_rises_is_counted_but_not_the_background(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    black, white = np.zeros((48, 48, 3), np.uint8), np.full((48, 48, 3), 255, np.uint8)

    def by_brightness(net: DreamNet, images: torch.Tensor) -> torch.Tensor:
        likely = [0.2, 0.2, 0.2, 0.2, 0.2] if images.mean() > 0.5 else [0.01, 0.01, 0.01, 0.96, 0.01]
        return torch.tensor(likely).view(1, 5, 1, 1)

    monkeypatch.setattr(judgement, "class_probabilities", by_brightness)
    dreams = [
        DreamedImage("same", black, black),
        DreamedImage("lit", black, white),
    ]  # raised in one of the two is enough
    rose, *_ = judgement.judge_motifs(dreams, load_dreamnet(weights), "it").findings
    assert (rose.value, rose.note) == (3, "rose, lily, gear")


def test_accuracy_is_listed_by_class(weights: Path) -> None:
    part = judgement.judge_accuracy(seeing(load_dreamnet(weights), FEW.index("dog")), 2)
    mean, worst, *_, last, attacked = part.findings
    assert mean.value == last.value == attacked.value == pytest.approx(1 / len(FEW))
    assert worst.value == 0 and worst.note.startswith("background 0.00, rose 0.00") and worst.met is False
    assert {row["class"]: row["accuracy"] for row in part.rows} == {name: float(name == "dog") for name in FEW}


def test_a_class_is_seen_if_a_sibling_is(weights: Path) -> None:
    second = load_dreamnet(weights)
    head = second.net.head("s16b")
    head.weight.zero_()
    head.bias.copy_(torch.tensor([5.0, 4, 0, 3, 2]))  # always rose, dog, gear after the background; never lily
    part = judgement.judge_class_dreams(str(weights), second, [torch.rand(1, 3, 33, 40)])
    assert {row["class"]: row["seen"] for row in part.rows} == dict.fromkeys(FEW[1:], True)  # a lily by its sibling
    head.bias.copy_(torch.tensor([5.0, 4, 3, 0, 2]))  # never dog, which has no sibling here
    part = judgement.judge_class_dreams(str(weights), second, [torch.rand(1, 3, 33, 40)])
    assert (part.findings[0].value, part.findings[0].note, part.findings[0].met) == (0.75, "not: dog", True)


def test_fresh_renders_are_the_same_every_time_and_in_order() -> None:
    images, labels = judgement.fresh_renders(FEW, 2)
    again, _ = judgement.fresh_renders(FEW, 2)
    assert torch.equal(images, again) and labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len({image.numpy().tobytes() for image in images}) == 10
    with pytest.raises(ModelError, match="no class 'ghost'"):
        judgement.fresh_renders(("background", "ghost"), 1)


def test_images_are_shrunk_and_keep_their_shape() -> None:
    assert look_metrics.shrink_image(torch.rand(1, 3, 100, 300), 50).shape == (1, 3, 50, 150)
    assert look_metrics.shrink_image(torch.rand(1, 3, 40, 30), 50).shape == (1, 3, 40, 30)


def test_the_whole_command(weights: Path, image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = write_weights(tmp_path / "second.safetensors", FEW, 2)
    options = [str(image_file), "--weights", str(weights), "--renders-per-class", "1"]
    code = judge.judge_main([*options, "--second", str(second), "--json", "-o", str(tmp_path / "sheet.png")])
    found = json.loads(capsys.readouterr().out)
    assert code == judge.SHORT and "accuracy: mean" in found["short"]
    assert list(found["sections"]) == [
        "accuracy",
        "accuracy, each",
        "look",
        "look, each",
        "motifs",
        "class dreams",
        "class dreams, each",
    ]
    assert [row["class"] for row in found["sections"]["class dreams, each"]["rows"]] == list(FEW[1:])
    assert "second network" in found["sections"]["motifs"]["title"]
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 40 + line_height(48) + 2 * GAP, 48 + 2 * GAP, 3)
    np.testing.assert_array_equal(sheet[GAP : GAP + 40, GAP : GAP + 48], cv2.imread(str(image_file)))
    assert judge.judge_main(options) == judge.SHORT
    text = capsys.readouterr().out
    assert "--second" in text and "ramp.png" in text and "dreaming network itself" in text
    assert "short of its aim: accuracy: mean" in text


def test_untrained_weights_of_the_same_shape_fail_without_a_failure(
    weights: Path, image_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [str(image_file), "--weights", str(weights), "--renders-per-class", "1", "--untrained", "--json"]
    assert judge.judge_main(options) == judge.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["untrained"] and "accuracy: mean" in found["short"]


def test_an_untrained_network_has_the_shape_and_divisors_of_its_own(weights: Path, tmp_path: Path) -> None:
    judge.write_untrained(load_dreamnet(weights), tmp_path / "one.safetensors")
    judge.write_untrained(load_dreamnet(weights), tmp_path / "two.safetensors")
    found, again = load_dreamnet(tmp_path / "one.safetensors"), load_dreamnet(tmp_path / "two.safetensors")
    assert found.classes == FEW
    assert torch.equal(found.net.head("s16b").weight, again.net.head("s16b").weight)
    images, _ = judgement.fresh_renders(FEW, 2)
    for name, value in channel_rms(found.net, images).items():
        torch.testing.assert_close(found.divisors[name], plain_divisor(value), rtol=0.05, atol=0.01)


def test_exit_code_0_when_every_aim_is_met(
    weights: Path, image_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Evaluation("a", "", (Finding("it", 1.0, 0.5), Finding("nothing", None, 0.5)))
    monkeypatch.setattr(judge, "judge_weights", lambda *_: iter([(good, ())]))
    assert judge.judge_main([str(image_file), "--weights", str(weights)]) == judge.DONE
    assert "every aim that could be measured is met" in capsys.readouterr().out


def test_wrong_arguments_are_one_line_each(
    weights: Path, image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--weights", str(weights), "--renders-per-class", "1"]
    cv2.imwrite(str(tmp_path / "dot.png"), np.zeros((8, 8, 3), np.uint8))
    other = write_weights(tmp_path / "other.safetensors", ("background", "rose"), 1)
    bare = write_weights(tmp_path / "bare.safetensors", ("rose", "lily"), 1)
    for options, word in (
        (["--renders-per-class", "0"], "at least 1"),
        ([str(tmp_path / "none.png")], "no such file"),
        ([str(tmp_path / "dot.png")], "8x8"),
        ([str(image_file), "--weights", str(tmp_path / "none.safetensors")], "none.safetensors"),
        ([str(image_file), *few, "-o", str(tmp_path / "missing" / "sheet.png")], "is not a directory"),
        ([str(image_file), *few, "--second", str(other)], "has no class 'lily'"),
        ([str(image_file), "--weights", str(bare)], "expected background"),
    ):
        assert judge.judge_main(options) == judge.FAILED
        error = capsys.readouterr().err
        assert word in error and error.count("\n") == 1, error


def test_every_node_has_a_dream_of_its_own_on_the_sheet(weights: Path) -> None:
    image = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(3))
    made = node_sheet(load_dreamnet(weights), image, DreamSettings(octaves=1, iterations=1))
    rows, columns = 48 + line_height(64) + GAP, 64 + GAP
    assert made.shape == (3 * rows + GAP, 4 * columns + GAP, 3)
    corners = [(GAP + r * rows, GAP + c * columns) for r in range(3) for c in range(4)]
    tiles = [made[y : y + 48, x : x + 64] for y, x in corners]
    np.testing.assert_array_equal(tiles[0], (image[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())
    named = tiles[: 1 + len(BLOCKS) + len(MAPS)]
    assert len({tile.tobytes() for tile in named}) == len(named)
