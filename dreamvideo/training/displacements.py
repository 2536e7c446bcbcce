"""Ascents of distillation: how an image moves when several steps raise a score.

The gradient of a classifier is mostly grain: it changes with every shift of the image and with every draw of noise on
it. What several steps add up to, each with a shift and noise of its own, is where they agree, a shape. So a student is
not trained on a teacher's gradient but on the displacement from an image to where the teacher's ascent ends.

The shifts are those of DeepDream's jitter (Mordvintsev, Olah, Tyka 2015); the noise averages gradients as SmoothGrad
(Smilkov et al. 2017) does it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dreamvideo.ascent.gaussian import gaussian_blur
from dreamvideo.training.distill_recipe import AscentRecipe

ImageScore = Callable[[Tensor], Tensor]  # (B, 3, H, W) -> (B,)

_TINY = 1e-12


def shifted_gradient(score: ImageScore, images: Tensor, shift: tuple[int, int], noise: Tensor | None = None) -> Tensor:
    """Return the gradient of a score that sees the images shifted, with the shift undone.

    Args:
        score: differentiable.
        images: (B, 3, H, W).
        shift: pixels downwards and to the right; what leaves comes back at the other side.
        noise: (B, 3, H, W), added to the shifted images; None: none.

    Returns:
        (B, 3, H, W), at the places of `images`.
    """
    moved = images.detach().roll(shift, (2, 3))
    moved = moved if noise is None else moved + noise
    moved = moved.contiguous(memory_format=torch.channels_last).requires_grad_()
    (grad,) = torch.autograd.grad(score(moved).sum(), moved)
    return grad.roll((-shift[0], -shift[1]), (2, 3))


def climb(images: Tensor, grad: Tensor, sigma: float, step_size: float) -> Tensor:
    """Move images along a blurred gradient, each as far as the others.

    Args:
        images: (B, 3, H, W) in [0, 1].
        grad: (B, 3, H, W).
        sigma: of the Gaussian that the gradient is blurred by, pixels.
        step_size: mean absolute change of each image.

    Returns:
        (B, 3, H, W), not clamped.
    """
    smooth = gaussian_blur(grad, sigma)
    return images + step_size * smooth / (smooth.abs().mean((1, 2, 3), keepdim=True) + _TINY)


def teacher_ascent(
    scores: Sequence[ImageScore], images: Tensor, recipe: AscentRecipe, rng: random.Random, generator: torch.Generator
) -> list[Tensor]:
    """Ascend the scores of several teachers, which take turns.

    Args:
        scores: one for each teacher.
        images: (B, 3, H, W) in [0, 1].
        recipe: number and size of the steps, jitter, noise.
        rng: of the shifts.
        generator: of the noise, on the CPU.

    Returns:
        `recipe.steps` + 1 states, (B, 3, H, W) in [0, 1] each: `images` first.
    """
    states, colors = [images], images.mean((2, 3), keepdim=True)
    for number in range(recipe.steps):
        noise = recipe.noise * torch.randn(images.shape, generator=generator).to(images)
        grad = shifted_gradient(scores[number % len(scores)], states[-1], _random_shift(recipe.jitter, rng), noise)
        moved = climb(states[-1], grad, recipe.sigma, recipe.step_size)
        moved = moved + recipe.color_pull * (colors - moved.mean((2, 3), keepdim=True))
        states.append(moved.clamp(0, 1))
    return states


def student_ascent(score: ImageScore, images: Tensor, recipe: AscentRecipe, rng: random.Random) -> Tensor:
    """Ascend the student's own score, for a random number of steps of random size and smoothness.

    Args:
        score: of the student.
        images: (B, 3, H, W) in [0, 1].
        recipe: limits of what is drawn.
        rng: of all choices.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    for _ in range(rng.randint(*recipe.led_steps)):
        grad = shifted_gradient(score, images, _random_shift(recipe.led_jitter, rng))
        sigma, step_size = rng.choice(recipe.led_sigmas), rng.uniform(*recipe.led_step_size)
        images = climb(images, grad, sigma, step_size).clamp(0, 1)
    return images


def _random_shift(most: int, rng: random.Random) -> tuple[int, int]:
    return rng.randint(-most, most), rng.randint(-most, most)
