"""Makes the examples of distillation: images on the way of a dream, and where the teachers' ascent leads from them.

A student that learns on photographs alone fails in dreams, which lead away from them. As in DAgger (Ross, Gordon,
Bagnell 2011) it learns on the states that it meets: some images are first moved by its own gradient, and many go on
from the end of an earlier ascent, enlarged as from one octave to the next.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.tensors import to_uint8
from dreamvideo.training.crops import Pictures, random_crop
from dreamvideo.training.displacements import student_ascent, teacher_ascent
from dreamvideo.training.distill_recipe import AscentRecipe, DistillRecipe
from dreamvideo.training.distill_state import AscentEnd, DistillState, Example
from dreamvideo.training.teacher import Teacher, group_score

_MEASURED = 96  # crops on which the teacher's features are measured


def make_examples(state: DistillState, teachers: Sequence[Teacher], pictures: Pictures, recipe: DistillRecipe) -> None:
    """Run one round of ascents and add what it gives to the state's examples and ends.

    Args:
        state: changed in place.
        teachers: take turns; the features of the first are imitated.
        pictures: what new images are cut from.
        recipe: hyperparameters.
    """
    ascents, rng = recipe.ascents, state.rng
    begun, numbers, ages = zip(*(_start(state, pictures, recipe) for _ in range(ascents.images)), strict=True)
    groups, images = torch.tensor(numbers), torch.stack(begun).to(state.device)
    led = round(ascents.led_share * ascents.images)
    images = torch.cat([_led_by_student(state, images[:led], groups[:led], ascents), images[led:]])
    names = [recipe.groups[number] for number in numbers]
    scores = [partial(_teacher_score, teacher=teacher, groups=names, recipe=ascents) for teacher in teachers]
    states = teacher_ascent(scores, images, ascents, rng, state.generator)
    for number in ascents.recorded:
        features = _features(teachers[0], states[number]) / state.feature_rms[:, None, None]
        rows = zip(states[number], states[-1] - states[number], numbers, features, strict=True)
        state.examples += [
            Example(image.cpu().half(), moved.cpu().half(), group, seen.cpu().half())
            for image, moved, group, seen in rows
        ]
    for image, group, age in zip(states[-1], numbers, ages, strict=True):
        if age < ascents.oldest:
            state.ends.append(AscentEnd(to_uint8(image[None]).cpu(), group, age + 1))
    del state.ends[: max(0, len(state.ends) - ascents.kept)]
    while len(state.examples) > recipe.most:
        state.examples.pop(rng.randrange(len(state.examples) // 2))


def measure_features(
    teacher: Teacher, pictures: Pictures, recipe: DistillRecipe, rng: random.Random, generator: torch.Generator
) -> Tensor:
    """Measure how strong each channel of a teacher's features is on random crops.

    Args:
        teacher: whose features.
        pictures: what is cut from.
        recipe: of the crops.
        rng, generator: see `random_crop`.

    Returns:
        (C,) root mean square.
    """
    side, count = recipe.ascents.side, recipe.ascents.images
    crops = [random_crop(pictures, side, recipe.crops, rng, generator) for _ in range(_MEASURED)]
    device = next(iter(teacher.divisors.values())).device
    energies = [_features(teacher, torch.stack(crops[n : n + count]).to(device)) for n in range(0, _MEASURED, count)]
    rms = torch.cat(energies).square().mean((0, 2, 3)).sqrt()
    return rms + 1e-3  # of channels that never respond


def _start(state: DistillState, pictures: Pictures, recipe: DistillRecipe) -> tuple[Tensor, int, int]:
    """An image (3, H, W) in [0, 1] to ascend from, its group, and the ascents that it has been through."""
    ascents, rng = recipe.ascents, state.rng
    if state.ends and rng.random() < ascents.continued_share:
        end = state.ends.pop(rng.randrange(len(state.ends)))
        image = end.image.permute(2, 0, 1).float() / 255
        return _zoomed(image, ascents, rng) if rng.random() < ascents.zoomed_share else image, end.group, end.age
    crop = random_crop(pictures, ascents.side, recipe.crops, rng, state.generator)
    return crop, rng.randrange(len(recipe.groups)), 0


def _zoomed(image: Tensor, ascents: AscentRecipe, rng: random.Random) -> Tensor:
    side = image.shape[-1]
    cut = int(side * rng.uniform(*ascents.zoom))
    y, x = rng.randint(0, side - cut), rng.randint(0, side - cut)
    part = image[None, :, y : y + cut, x : x + cut]
    return F.interpolate(part, (side, side), mode="bicubic", align_corners=False)[0].clamp(0, 1)


def _led_by_student(state: DistillState, images: Tensor, groups: Tensor, ascents: AscentRecipe) -> Tensor:
    groups = groups.to(state.device)
    state.student.requires_grad_(False)  # a backward pass to the images alone costs half
    moved = student_ascent(lambda x: state.student.score(x, groups), images, ascents, state.rng)
    state.student.requires_grad_(True)
    return moved


def _teacher_score(images: Tensor, *, teacher: Teacher, groups: Sequence[str], recipe: AscentRecipe) -> Tensor:
    return group_score(teacher, images, groups, recipe)


@torch.no_grad()
def _features(teacher: Teacher, images: Tensor) -> Tensor:
    return teacher.features(images.contiguous(memory_format=torch.channels_last))[teacher.layer].float()
