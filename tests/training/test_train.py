"""Training: its data, its steps, its checkpoint, and the file that it ends with."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from dreamvideo.errors import ModelError, SettingsError
from dreamvideo.media.contact_sheet import GAP, line_height
from dreamvideo.media.images import read_image
from dreamvideo.models.dreamnet.net import BLOCKS, MAPS, DreamNet, fold_network
from dreamvideo.models.dreamnet.trained import Trained, load_dreamnet, plain_divisor
from dreamvideo.training import train as training
from dreamvideo.training.augment import augment_images, to_images
from dreamvideo.training.batches import ShardReader, read_shard
from dreamvideo.training.calibration import (
    balanced_divisors,
    calibration_images,
    channel_rms,
    head_accuracy,
    recalibrate,
)
from dreamvideo.training.export import export, outputs_match
from dreamvideo.training.recipe import Recipe
from dreamvideo.training.render import CLASSES, MOTIFS
from dreamvideo.training.shards import HELD_OUT, class_at, render_in_background, render_shard, shard_path
from dreamvideo.training.train_state import load_checkpoint, new_state, save_checkpoint
from dreamvideo.training.train_step import add_noise, attack, heads_loss, l2_norms, train_step

CPU = torch.device("cpu")
TINY = Recipe(minutes=0.05, images=96, per_shard=32, batch=16)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that wait for each other on a busy machine take ten times as long over such small steps."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for number in range(3):
        render_shard(folder, number, 32, seed=1)
    return folder


@pytest.fixture(scope="module")
def trained() -> Trained:
    return load_dreamnet()


def test_a_shard_is_the_same_every_time(shards: Path, tmp_path: Path) -> None:
    render_shard(tmp_path, 1, 32, seed=1)
    for first, again in zip(read_shard(shard_path(shards, 1)), read_shard(shard_path(tmp_path, 1)), strict=True):
        assert torch.equal(first, again)
    assert not torch.equal(read_shard(shard_path(shards, 1))[0], read_shard(shard_path(shards, 2))[0])
    assert [path.name for path in tmp_path.iterdir()] == ["shard_00001.npz"]


def test_classes_come_in_their_shares() -> None:
    rng = np.random.default_rng(0)
    found = Counter(class_at(number, index, rng) for number in range(50) for index in range(2 * len(CLASSES)))
    assert set(found) == set(CLASSES)
    assert found["background"] == 100
    for name in ("human_eye", "owl", "gear"):
        assert found[name] / 100 == pytest.approx(MOTIFS[name].share, abs=0.15)


def test_workers_render_and_report_failures(tmp_path: Path) -> None:
    with render_in_background(tmp_path / "shards", 2, 2, seed=1, workers=1) as all_done:
        while not all_done():
            time.sleep(0.05)
    assert len(list((tmp_path / "shards").iterdir())) == 2
    with (
        render_in_background(tmp_path / "none", 1, -1, seed=1, workers=1) as all_done,
        pytest.raises(ValueError, match="negative"),
    ):
        while not all_done():
            time.sleep(0.05)


def test_batches_hold_every_image_once_and_spare_the_held_out(shards: Path) -> None:
    reader = ShardReader(shards)
    reader.refresh()
    reader.refresh()
    assert len(reader) == 64
    batches = list(reader.batches(16, np.random.default_rng(3)))
    pictures = torch.cat([pictures for pictures, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    stored = [read_shard(shard_path(shards, number)) for number in (1, 2)]
    expected = {(p.numpy().tobytes(), int(n)) for shard in stored for p, n in zip(*shard, strict=True)}
    assert {(p.numpy().tobytes(), int(n)) for p, n in zip(pictures, labels, strict=True)} == expected
    assert len(batches) == 4 and not torch.equal(labels, torch.cat([shard[1] for shard in stored]))


def test_variations_differ_but_keep_color(shards: Path) -> None:
    pictures, _ = read_shard(shard_path(shards, 1))
    first = augment_images(pictures, 48, torch.Generator().manual_seed(1))
    again = augment_images(pictures, 48, torch.Generator().manual_seed(1))
    other = augment_images(pictures, 48, torch.Generator().manual_seed(2))
    assert first.shape == (32, 3, 48, 48) and torch.equal(first, again) and not torch.equal(first, other)
    assert first.min() >= 0 and first.max() <= 1
    plain = to_images(pictures, 48)
    assert (first - plain).abs().mean() > 0.05
    assert (first.mean((2, 3)) - plain.mean((2, 3))).abs().mean() < 0.08


def test_the_recipe_over_time() -> None:
    recipe = Recipe()
    assert recipe.radius(0.2) == 0 < recipe.radius(0.3) < recipe.radius(0.5) < recipe.radius(1)
    assert recipe.radius(1) == pytest.approx(72 / 64)
    assert recipe.rate(0) < recipe.rate(0.03) > recipe.rate(0.5) > recipe.rate(1)
    for wrong in ({"minutes": 0}, {"images": 900}, {"per_shard": 32}, {"batch": 1}):
        with pytest.raises(SettingsError):
            dataclasses.replace(recipe, **wrong)


def test_the_attack_raises_the_loss_within_its_radius(shards: Path, trained: Trained) -> None:
    pictures, labels = read_shard(shard_path(shards, 1))
    images = to_images(pictures, 64)
    net = trained.net.requires_grad_(True)
    moved, shaken = attack(net, images, labels, 3.0, TINY), add_noise(images, 3.0, torch.Generator().manual_seed(1))
    assert all(p.requires_grad for p in net.parameters())
    net.requires_grad_(False)
    assert (l2_norms(moved - images) <= 3.0 + 1e-4).all()
    torch.testing.assert_close(l2_norms(shaken - images), torch.full((32, 1, 1, 1), 3.0))
    plain, random, worst = (float(heads_loss(net.features(x), labels, TINY)) for x in (images, shaken, moved))
    assert worst > plain + 0.1 and worst > random + 0.1


@pytest.mark.slow
def test_steps_learn_and_a_resumed_checkpoint_takes_the_same_steps(shards: Path, tmp_path: Path) -> None:
    reader = ShardReader(shards)
    reader.refresh()
    batch = next(reader.batches(16, np.random.default_rng(1)))
    state = new_state(TINY, len(CLASSES), CPU)
    losses = [train_step(state, batch, 0.2, TINY)[0] for _ in range(12)]
    assert losses[-1] < losses[0] * 0.8
    assert (state.step, state.passes) == (12, 192)
    save_checkpoint(tmp_path / "checkpoint.pt", state, TINY)
    other = new_state(dataclasses.replace(TINY, minutes=9), len(CLASSES), CPU)
    load_checkpoint(tmp_path / "checkpoint.pt", other, dataclasses.replace(TINY, minutes=9))
    assert train_step(state, batch, 0.5, TINY) == train_step(other, batch, 0.5, TINY)
    for mine, its in zip(state.average.parameters(), other.average.parameters(), strict=True):
        assert torch.equal(mine, its)
    with pytest.raises(ModelError, match="same options"):
        load_checkpoint(tmp_path / "checkpoint.pt", other, dataclasses.replace(TINY, batch=8))
    with pytest.raises(ModelError, match="no checkpoint"):
        load_checkpoint(tmp_path / "missing.pt", other, TINY)


def test_recalibrated_statistics_are_those_of_the_data() -> None:
    net = DreamNet(4, trainable=True)
    batches = [torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    net.features(torch.ones(2, 3, 32, 32))  # what was measured before must not count
    recalibrate(net, batches)
    first = net.get_submodule("c1")
    seen = torch.cat([first.conv((batch - 0.5) * 4) for batch in batches])  # type: ignore[operator]
    torch.testing.assert_close(first.bn.running_mean, seen.mean((0, 2, 3)), rtol=1e-3, atol=1e-5)  # type: ignore[union-attr]
    assert not net.training


def test_the_embedded_weights_know_their_renders(shards: Path, trained: Trained) -> None:
    held_out = read_shard(shard_path(shards, HELD_OUT))
    plain, moved = head_accuracy(trained.net, held_out), head_accuracy(trained.net, held_out, radius=1.0)
    assert set(plain) == set(MAPS)
    assert all(right.shape == (32,) and right.float().mean() > 0.7 for right in plain.values())
    assert 0.4 < moved["map.s16b"].float().mean() <= plain["map.s16b"].float().mean()


def test_the_embedded_rms_is_measured_again(shards: Path, trained: Trained) -> None:
    pictures = torch.cat([read_shard(shard_path(shards, number))[0] for number in range(3)])
    for name, value in channel_rms(trained.net, pictures).items():
        stored = trained.rms[name]
        assert float((value - stored).norm() / stored.norm()) < 0.25, name


def test_balance_holds_back_what_wins(trained: Trained) -> None:
    def loud(images: Tensor, divisors: Mapping[str, Tensor]) -> Tensor:
        assert set(divisors) == {"s8b", "s16a"}
        return images.clamp(0.4, 0.6)

    picture = calibration_images()[3:4]
    balanced = balanced_divisors(trained.net, trained.rms, picture, loud)
    for name, divisor in balanced.items():
        plain = plain_divisor(trained.rms[name])
        energy = trained.net.features(loud(picture, balanced))[name].square().mean((0, 2, 3)).sqrt() / plain
        assert divisor.shape == plain.shape
        ratio = divisor / plain
        assert torch.isclose(ratio[energy.argmax()], ratio.max())
        assert float((divisor / plain).max() / (divisor / plain).min()) > 1.2


def test_what_is_exported_is_loaded(tmp_path: Path) -> None:
    net = fold_network(DreamNet(2, trainable=True))
    rms = {name: torch.rand(net.features(torch.rand(1, 3, 16, 16))[name].shape[1]) for name in BLOCKS}
    divisors = {"s8b": rms["s8b"] + 1}
    export(tmp_path / "net.safetensors", net, ["cat", "dog"], rms, divisors, {"seed": 7, "note": "a test"})
    found = load_dreamnet(tmp_path / "net.safetensors")
    assert found.classes == ("cat", "dog")
    assert torch.equal(found.divisors["s8b"], divisors["s8b"])
    assert torch.equal(found.divisors["s16a"], plain_divisor(rms["s16a"]))
    assert outputs_match(net, found.net) and not outputs_match(net, fold_network(DreamNet(2, trainable=True)))
    with safe_open(tmp_path / "net.safetensors", "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["seed"]) == 7 and metadata["note"] == "a test"


def test_wrong_arguments_are_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert training.train_main(["--minutes", "0", "--out", str(tmp_path)]) == 1
    assert training.train_main(["--resume", "--out", str(tmp_path)]) == 1
    (tmp_path / "checkpoint.pt").touch()
    assert training.train_main(["--out", str(tmp_path)]) == 1
    messages = capsys.readouterr().err.splitlines()
    assert [word in line for word, line in zip(("more than 0", "no checkpoint", "--resume"), messages, strict=True)]
    assert len(messages) == 3


@pytest.mark.slow
def test_a_whole_run_and_its_resumption(tmp_path: Path) -> None:
    options = ["--out", str(tmp_path), "--images", "96", "--per-shard", "32", "--batch", "16", "--workers", "1"]
    assert training.train_main(["--minutes", "0.2", *options]) == 0
    assert load_dreamnet(tmp_path / "dreamnet.safetensors").classes == CLASSES
    rows, columns, side = 3, 4, 160
    height, width = rows * (side + line_height(side) + GAP) + GAP, columns * (side + GAP) + GAP
    assert read_image(tmp_path / "sheet.png").shape == (height, width, 3)
    passes = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["counters"]["passes"]
    assert training.train_main(["--minutes", "0.4", "--resume", *options]) == 0
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["counters"]["passes"] > passes > 0
    with safe_open(tmp_path / "dreamnet.safetensors", "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["recipe"])["batch"] == 16
    assert 0 <= json.loads(metadata["accuracy"])["map.s16b"] <= 1
