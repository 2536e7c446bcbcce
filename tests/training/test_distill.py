"""Distillation: the teachers' score, displacements, the loss, and a whole run with small networks in place of both."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from dreamvideo.errors import ModelError, OutputError, SettingsError, SourceError
from dreamvideo.media.images import write_image
from dreamvideo.models.class_groups import GROUPS
from dreamvideo.models.dreamnet.net import BLOCKS, GROUP_CHANNELS, MAPS, DreamNet, fold_network
from dreamvideo.models.dreamnet.trained import Trained, load_dreamnet
from dreamvideo.training import distill as distilling
from dreamvideo.training import examples
from dreamvideo.training.crops import Pictures, load_photos, random_crop
from dreamvideo.training.displacements import climb, shifted_gradient, student_ascent, teacher_ascent
from dreamvideo.training.distill import CHECKPOINT_NAME, advance, distill, distill_main
from dreamvideo.training.distill_recipe import AscentRecipe, CropRecipe, DistillRecipe
from dreamvideo.training.distill_state import (
    DistillState,
    begin_distillation,
    resume_distillation,
    save_distillation,
)
from dreamvideo.training.distill_step import blurred_cosine, distill_step
from dreamvideo.training.examples import make_examples, measure_features
from dreamvideo.training.material import Material
from dreamvideo.training.student import Student
from dreamvideo.training.teacher import Teacher, group_score

CPU = torch.device("cpu")
CHANNELS = 6  # of the small teacher's layer
TINY = DistillRecipe(
    minutes=0.001,
    groups=("dogs", "cats"),
    crops=CropRecipe(smallest_side=8),
    ascents=AscentRecipe(side=32, images=4, steps=3, recorded=(0, 2), led_steps=(1, 2), kept=3),
    fewest=12,
    most=20,
    steps_per_ascent=2,
    batch=4,
    blurs=(1.0, 2.0),
    heads_batch=4,
    heads_side=16,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def small_teacher(seed: int) -> Teacher:
    """Two layers with the strides of the real one, of an untrained network."""
    layer, classes = noise(CHANNELS, 3, 16, 16, seed=seed) - 0.5, noise(1000, CHANNELS, 1, 1, seed=seed + 1) - 0.5

    def features(images: Tensor) -> dict[str, Tensor]:
        drawn = F.conv2d(images - 0.5, layer, stride=16).clamp(0, 6)
        return {"drawing": drawn, "classifier": F.conv2d(F.avg_pool2d(drawn, 2), classes)}

    return Teacher(features, "drawing", {"drawing": torch.linspace(0.5, 2, CHANNELS)})


@pytest.fixture(scope="module")
def trained() -> Trained:
    with torch.random.fork_rng([]):
        torch.manual_seed(3)
        net = fold_network(DreamNet(3, trainable=True)).requires_grad_(False)
    return Trained(net, ("background", "rose", "dog"), {}, {})


@pytest.fixture(scope="module")
def material() -> Material:
    rng = np.random.default_rng(1)
    photos = [rng.integers(0, 256, (40, 60, 3), np.uint8)]
    renders, labels = torch.from_numpy(rng.integers(0, 256, (6, 36, 36, 3), np.uint8)), torch.arange(6) % 3
    teachers = [small_teacher(1), small_teacher(5)]
    return Material(teachers, Pictures(photos, renders.numpy()), (renders, labels), (renders, labels))


def begin(trained: Trained, recipe: DistillRecipe = TINY) -> DistillState:
    return begin_distillation(recipe, trained, CHANNELS, CPU)


def test_the_teachers_score_is_the_focused_energy_and_the_odds_of_the_group() -> None:
    teacher, recipe = small_teacher(1), AscentRecipe(focus_weight=2.0, odds_weight=0.15)
    images, groups = noise(3, 3, 64, 96), ("dogs", "fish", "dogs")
    found = group_score(teacher, images, groups, recipe)
    activations = teacher.features(images)
    for number, group in enumerate(groups):  # written out, one image after the other
        logits = activations["classifier"][number].double()
        inside = torch.zeros(1000, dtype=torch.bool)
        inside[list(GROUPS[group])] = True
        odds = 2 * ((logits[inside] / 2).logsumexp(0) - (logits[~inside] / 2).logsumexp(0))
        focus = 0.7 * 2.0 * F.interpolate(F.logsigmoid(odds)[None, None], (4, 6), mode="bilinear")[0, 0]
        drawn = activations["drawing"][number].double() / torch.linspace(0.5, 2, CHANNELS)[:, None, None]
        power = (drawn * (focus / 4).exp()).pow(4).mean(0)[None, None]
        pooled = F.avg_pool2d(power, 4, 2, ceil_mode=True, count_include_pad=False)
        expected = (pooled + 0.15 * pooled.mean()).log().mean() / 2 + 0.15 * odds.mean()
        assert float(found[number]) == pytest.approx(float(expected), abs=2e-3)


def test_a_shift_is_undone_exactly() -> None:
    images, added = noise(2, 3, 12, 20), noise(2, 3, 12, 20, seed=1)

    def half_square(x: Tensor) -> Tensor:  # its gradient is the image that it sees
        return x.square().sum((1, 2, 3)) / 2

    assert torch.equal(shifted_gradient(half_square, images, (5, -7)), images)
    moved = shifted_gradient(half_square, images, (5, -7), added)
    torch.testing.assert_close(moved, images + added.roll((-5, 7), (2, 3)))


def test_every_image_climbs_as_far() -> None:
    images, grad = torch.full((2, 3, 16, 16), 0.5), noise(2, 3, 16, 16) - 0.5
    grad[1] *= 1000
    moved = climb(images, grad, 1.0, 0.01) - images
    torch.testing.assert_close(moved.abs().mean((1, 2, 3)), torch.full((2,), 0.01))


def test_a_displacement_is_the_sum_of_the_steps_of_teachers_in_turn() -> None:
    first, second = torch.zeros(3, 16, 16), torch.zeros(3, 16, 16)
    first[0, 4, 4], second[2, 10, 12] = 1, 1
    scores = [lambda x: (x * first).sum((1, 2, 3)), lambda x: (x * second).sum((1, 2, 3))]
    recipe = AscentRecipe(steps=3, jitter=0, noise=0, color_pull=0, sigma=0.5, step_size=1e-4)
    images = torch.full((1, 3, 16, 16), 0.5)
    states = teacher_ascent(scores, images, recipe, random.Random(0), torch.Generator())
    one, other = (climb(images, each[None], 0.5, 1e-4) - images for each in (first, second))
    assert len(states) == 4 and torch.equal(states[0], images)
    for state, expected in zip(states[1:], (one, one + other, 2 * one + other), strict=True):
        torch.testing.assert_close(state - images, expected, atol=1e-7, rtol=0)


def test_colors_return_to_those_of_the_first_image() -> None:
    def red(x: Tensor) -> Tensor:
        return x[:, 0].sum((1, 2))

    images = torch.full((1, 3, 16, 16), 0.5)
    free, held = (
        teacher_ascent([red], images, AscentRecipe(noise=0, color_pull=pull), random.Random(0), torch.Generator())[-1]
        for pull in (0.0, 0.5)
    )
    assert 0.5 < held[:, 0].mean() < free[:, 0].mean()


def test_the_students_ascent_raises_its_score(trained: Trained) -> None:
    student, groups = Student(trained, ("dogs", "cats"), CHANNELS).requires_grad_(False), torch.tensor([0, 1])
    images = noise(2, 3, 48, 48)
    moved = student_ascent(lambda x: student.score(x, groups), images, AscentRecipe(), random.Random(0))
    assert (student.score(moved, groups) > student.score(images, groups) + 0.1).all()
    assert moved.min() >= 0 and moved.max() <= 1


def test_blurred_cosines_by_hand() -> None:
    def blur(x: np.ndarray, sigma: float) -> np.ndarray:  # one pixel after the other, edges repeated
        radius = round(3 * sigma)
        weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        weights /= weights.sum()
        height, width = x.shape[1:]
        result = np.zeros_like(x)
        for i in range(height):
            for j in range(width):
                rows = np.clip(np.arange(i - radius, i + radius + 1), 0, height - 1)
                columns = np.clip(np.arange(j - radius, j + radius + 1), 0, width - 1)
                result[:, i, j] = np.einsum("crs,r,s->c", x[:, rows][:, :, columns], weights, weights)
        return result

    first, second = noise(2, 3, 9, 11) - 0.5, noise(2, 3, 9, 11, seed=1) - 0.4
    found = blurred_cosine(first, second, 1.5)
    for number in range(2):
        a, b = (blur(each[number].double().numpy(), 1.5) for each in (first, second))
        assert float(found[number]) == pytest.approx((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()), abs=1e-5)
    assert blurred_cosine(first, -first, 1.5).tolist() == pytest.approx([-1, -1])


def test_examples_lead_from_recorded_states_to_the_end(
    trained: Trained, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [noise(4, 3, 32, 32, seed=seed) for seed in range(4)]
    monkeypatch.setattr(examples, "teacher_ascent", lambda *args: states)
    state = begin(trained)
    state.feature_rms = torch.linspace(1, 3, CHANNELS)
    make_examples(state, material.teachers, material.pictures, TINY)
    assert len(state.examples) == 8 and len(state.ends) == TINY.ascents.kept
    for number, example in enumerate(state.examples):
        start, row = states[0 if number < 4 else 2], number % 4
        torch.testing.assert_close(example.image.float(), start[row], atol=1e-3, rtol=0)
        torch.testing.assert_close(example.displacement.float(), (states[3] - start)[row], atol=1e-3, rtol=0)
        seen = material.teachers[0].features(start[row : row + 1])["drawing"][0]
        torch.testing.assert_close(example.features.float(), seen / state.feature_rms[:, None, None], atol=1e-2, rtol=0)
        assert example.group == state.examples[row].group
    last = state.ends[-1]  # what goes on from there keeps its group
    torch.testing.assert_close(last.image.permute(2, 0, 1).float() / 255, states[3][3], atol=1 / 255, rtol=0)
    assert (last.group, last.age) == (state.examples[3].group, 1)


def test_memory_is_bounded_and_old_images_end(trained: Trained, material: Material) -> None:
    recipe = dataclasses.replace(TINY, ascents=dataclasses.replace(TINY.ascents, continued_share=1.0, oldest=2, kept=9))
    state = begin(trained, recipe)
    for _ in range(6):
        make_examples(state, material.teachers, material.pictures, recipe)
        assert len(state.examples) <= recipe.most and all(end.age <= 2 for end in state.ends)
    assert all(torch.isfinite(each.displacement).all() for each in state.examples)


def test_the_gradient_turns_towards_the_displacements(trained: Trained, material: Material) -> None:
    recipe = dataclasses.replace(TINY, learning_rate=3e-3, warmup_steps=1, noises=(0.0,), steps_per_heads=100)
    state = begin(trained, recipe)
    while len(state.examples) < recipe.batch:
        make_examples(state, material.teachers, material.pictures, recipe)
    del state.examples[recipe.batch :]
    reports = [distill_step(state, material.renders, 0.0, recipe) for _ in range(25)]
    assert reports[-1].cosines.mean() > reports[0].cosines.mean() + 0.1
    assert reports[-1].feature_error < reports[0].feature_error
    assert reports[0].heads_loss is not None and reports[1].heads_loss is None


def test_a_resumed_run_goes_on_as_if_its_examples_had_been_made_anew(
    trained: Trained, material: Material, tmp_path: Path
) -> None:
    path, state = tmp_path / "distill.pt", begin(trained)
    for _ in range(3):
        advance(state, material, 0.1, TINY)
    state.seconds = 7.5
    save_distillation(path, state, TINY)
    longer = dataclasses.replace(TINY, minutes=9)
    other = begin(trained, longer)
    resume_distillation(path, other, longer)
    assert (other.seconds, other.step) == (7.5, 3) and not other.examples
    state.examples.clear()
    for _ in range(2):
        mine, its = (advance(each, material, 0.5, longer) for each in (state, other))
        assert torch.equal(mine.cosines, its.cosines) and mine.heads_loss == its.heads_loss
    for one, two in zip(state.student.parameters(), other.student.parameters(), strict=True):
        assert torch.equal(one, two)
    assert state.rng.random() == other.rng.random() and len(state.ends) == len(other.ends)
    with pytest.raises(ModelError, match="same options"):
        resume_distillation(path, other, dataclasses.replace(TINY, batch=3))
    with pytest.raises(ModelError, match="no checkpoint"):
        resume_distillation(tmp_path / "missing.pt", other, TINY)


def test_a_whole_run_ends_with_weights_of_groups(
    trained: Trained, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distilling, "_LOG_STEPS", 1)
    weights = distill(TINY, tmp_path, trained, material, CPU, ascend=lambda images, divisors: images)
    found = load_dreamnet(weights)
    assert found.classes == trained.classes and found.net.group_names == TINY.groups
    assert set(found.rms) == {*BLOCKS, "groups"}
    own = found.divisors["group.cats"]
    assert own.shape == (GROUP_CHANNELS,) and len(set(own.tolist())) == 1
    with safe_open(weights, "pt") as file:
        metadata = file.metadata()
    assert "photographs" in metadata["training_data"] and "efficientnet_lite2" in metadata["training_data"]
    with pytest.raises(OutputError, match="--resume"):
        distill(TINY, tmp_path, trained, material, CPU)
    steps = torch.load(tmp_path / CHECKPOINT_NAME, weights_only=True)["counters"]["step"]
    longer = dataclasses.replace(TINY, minutes=1e9)
    state = begin(trained, longer)
    resume_distillation(tmp_path / CHECKPOINT_NAME, state, longer)
    assert state.step == steps > 0


def test_a_student_begins_as_the_network_that_it_was(trained: Trained) -> None:
    images, student = noise(1, 3, 32, 32), Student(trained, ("dogs", "cats"), CHANNELS)
    for name, value in student.net.features(images, (*BLOCKS, *MAPS)).items():
        torch.testing.assert_close(value, trained.net.features(images, [name])[name], atol=1e-4, rtol=1e-4)
    again = Trained(student.net, trained.classes, {}, {})
    assert torch.equal(Student(again, ("dogs", "cats"), CHANNELS).net.groups.weight, student.net.groups.weight)
    assert not torch.equal(Student(again, ("cats", "dogs"), CHANNELS).net.groups.weight, student.net.groups.weight)
    own, imitated = student.maps(torch.cat([images, images]), torch.tensor([1, 0]))
    cats = student.net.features(images, ["group.cats"])["group.cats"][0]
    torch.testing.assert_close(own[0], cats, atol=1e-5, rtol=1e-4)
    assert own.shape == (2, GROUP_CHANNELS, 2, 2) and imitated.shape == (2, CHANNELS, 2, 2)


def test_features_are_measured_on_crops(material: Material) -> None:
    teacher = material.teachers[0]
    rng, generator = random.Random(1), torch.Generator().manual_seed(1)
    found = measure_features(teacher, material.pictures, TINY, rng, generator)
    rng, generator = random.Random(1), torch.Generator().manual_seed(1)
    crops = torch.stack([random_crop(material.pictures, 32, TINY.crops, rng, generator) for _ in range(96)])
    expected = teacher.features(crops)["drawing"].square().mean((0, 2, 3)).sqrt()
    torch.testing.assert_close(found, expected + 1e-3)


def test_crops_are_cut_from_all_pictures() -> None:
    photo, render = np.full((50, 70, 3), 40, np.uint8), np.full((1, 60, 60, 3), 200, np.uint8)
    plain = CropRecipe(smooth_share=0.0, contrast=(1, 1), brightness=(0, 0), tinted_share=0.0)
    rng, generator = random.Random(0), torch.Generator().manual_seed(0)
    crops = [random_crop(Pictures([photo], render), 16, plain, rng, generator) for _ in range(200)]
    assert all(crop.shape == (3, 16, 16) and crop.max() == crop.min() for crop in crops)
    assert 0.5 < sum(bool(crop[0, 0, 0] < 0.5) for crop in crops) / 200 < 0.7
    smooth = random_crop(Pictures([photo], render), 48, CropRecipe(smooth_share=1.0), rng, generator)
    assert (smooth[:, 1:] - smooth[:, :-1]).abs().max() < 0.15 < smooth.max() - smooth.min()


def test_photographs_are_loaded_in_order_and_icons_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    sizes = {"b/1.png": (120, 300), "a.png": (110, 110), "icon.png": (90, 300)}
    for gray, (name, (height, width)) in enumerate(sizes.items()):
        write_image(np.full((height, width, 3), gray, np.uint8), tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    photos = load_photos(tmp_path, CropRecipe(longest_side=280))
    assert [(photo.shape, int(photo[0, 0, 0])) for photo in photos] == [((110, 110, 3), 1), ((112, 280, 3), 0)]
    with pytest.raises(SourceError, match=r"training\.photographs"):
        load_photos(tmp_path / "b" / "none", CropRecipe())


def test_the_recipe_checks_itself_and_lowers_its_rate() -> None:
    recipe = DistillRecipe()
    assert set(recipe.groups) <= set(GROUPS)
    assert recipe.rate(0, 0) == pytest.approx(1e-5) and recipe.rate(100, 0) == 1e-3
    assert recipe.rate(500, 0.5) == 5e-4 and recipe.rate(500, 0.999) == pytest.approx(4e-5)
    wrong: tuple[dict[str, Any], ...] = ({"minutes": 0}, {"shards": 1}, {"batch": 999}, {"most": 5})
    for values in wrong:
        with pytest.raises(SettingsError):
            dataclasses.replace(recipe, **values)


def test_wrong_arguments_are_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [word for name in ("photos", "renders", "out") for word in (f"--{name}", str(tmp_path / name))]
    (tmp_path / "out").mkdir()
    assert distill_main([*folders, "--minutes", "0"]) == 1
    assert distill_main([*folders, "--groups", "dogs,unicorns"]) == 1
    assert distill_main([*folders, "--resume", "--init", "some.safetensors"]) == 1
    assert distill_main(folders) == 1
    (tmp_path / "out" / CHECKPOINT_NAME).touch()
    assert distill_main(folders) == 1
    messages = capsys.readouterr().err.splitlines()
    words = ("more than 0", "unicorns", "--init", "no photographs", "--resume")
    assert [word in line for word, line in zip(words, messages, strict=True)] == [True] * 5
