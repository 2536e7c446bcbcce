"""The hyperparameters of distillation: of the images that it begins with, of the ascents, of the steps; see `distill`.

All were found by trial, in runs of minutes; none was tuned on the pictures that results are judged on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dreamvideo.errors import SettingsError

Range = tuple[float, float]  # lower and upper limit of a uniform distribution


@dataclass(frozen=True, slots=True)
class CropRecipe:
    """How an image to begin with is cut from a photograph or a render, see `random_crop`.

    Args:
        longest_side: pixels to which photographs are shrunk when they are loaded.
        smooth_share: share of images that are smooth random colors: a dream also begins on blurred ground.
        photo_share: share of photographs among all others; the rest are renders.
        scale: side of the square that is cut out, in sides of the result; drawn evenly in its logarithm.
        smallest_side: pixels of that square, at least.
        contrast: factor on the distance from middle gray.
        brightness: what is added, in image units.
        tinted_share: share of images whose channels get a factor each.
        tint: that factor.
    """

    longest_side: int = 1200
    smooth_share: float = 0.1
    photo_share: float = 0.6
    scale: Range = (0.6, 4.0)
    smallest_side: int = 48
    contrast: Range = (0.6, 1.2)
    brightness: Range = (-0.12, 0.12)
    tinted_share: float = 0.3
    tint: Range = (0.7, 1.3)


@dataclass(frozen=True, slots=True)
class AscentRecipe:
    """How the student's and the teachers' ascents make examples, see `examples`.

    Args:
        side: of the images, pixels.
        images: ascents side by side.
        focus_weight: weight of the focus on a group's classes in the teachers' score, see `objectives`.
        odds_weight: weight of the odds of these classes in it.
        steps: of the teachers, which take turns.
        recorded: numbers of the steps before which an image becomes an example.
        step_size: of the teachers, mean absolute change, in image units.
        jitter: largest shift before a step of the teachers, pixels.
        noise: standard deviation of what is added to the image that a teacher sees: an average over noise is smoother
            (Smilkov et al. 2017, SmoothGrad; Kaur et al. 2019).
        sigma: of the Gaussian that the teachers' gradient is blurred by, pixels.
        color_pull: share by which the mean of each channel returns to that of the first image, at every step.
        led_share: share of the images that the student ascends first, so that it learns on what it meets in its dreams.
        led_steps: how many steps, whole numbers.
        led_jitter: largest shift before a step of the student, pixels.
        led_sigmas: of the Gaussian that the student's gradient is blurred by; one is drawn for each step.
        led_step_size: as `step_size`, drawn for each step.
        continued_share: share of the images that go on from the end of an earlier ascent.
        zoomed_share: share of these that are enlarged first, as from octave to octave.
        zoom: side of the square that is enlarged, as a fraction of the whole.
        oldest: ascents that an image goes through, at most.
        kept: ends of ascents that wait to go on, at most; the first ones are dropped.
    """

    side: int = 128
    images: int = 16
    focus_weight: float = 2.0
    odds_weight: float = 0.15
    steps: int = 8
    recorded: tuple[int, ...] = (0, 2, 4)
    step_size: float = 0.012
    jitter: int = 16
    noise: float = 0.05
    sigma: float = 1.2
    color_pull: float = 0.01
    led_share: float = 0.5
    led_steps: tuple[int, int] = (2, 16)
    led_jitter: int = 8
    led_sigmas: tuple[float, ...] = (0.6, 1.0, 1.5)
    led_step_size: Range = (0.006, 0.016)
    continued_share: float = 0.55
    zoomed_share: float = 0.6
    zoom: Range = (0.6, 0.9)
    oldest: int = 6
    kept: int = 400


@dataclass(frozen=True, slots=True)
class DistillRecipe:
    """Hyperparameters of a run of distillation.

    Args:
        minutes: length of the run, in wall-clock time; the learning rate is a function of the fraction that has passed.
        seed: of the new maps, of all choices and of the noise; also of the renders.
        groups: names of `class_groups.GROUPS`, in the order of the maps.
        teachers: names of EfficientNet-Lite; the features of the first are imitated.
        shards: of renders, the held-out one included.
        per_shard: renders of a shard.
        crops: the images that ascents begin with.
        ascents: how examples are made.
        fewest: examples that are there before the first step.
        most: examples that are kept; of the older half, any is dropped.
        steps_per_ascent: steps between two rounds of ascents.
        batch: examples of a step.
        learning_rate: of Adam, at its maximum, see `rate`.
        betas: of Adam.
        warmup_steps: over which the learning rate rises.
        last_rate: learning rate at the end, as a fraction of the largest.
        gradient_norm: to which the gradient of the loss is clipped.
        noises: standard deviation of the noise on the images of a step; one is drawn for each step.
        blurs: sigma of the Gaussians at which the directions are compared, pixels: large shapes are learned first, fine
            lines late.
        direction_weight: of the mean over `blurs` of 1 minus the cosine.
        feature_weight: of the relative squared error of the imitated features.
        scale_weight: of the square of the logarithm of the maps' mean square, which keeps them near 1.
        steps_per_heads: steps between two that also classify renders.
        heads_batch, heads_side: renders classified in such a step, and their side in pixels.
        heads_noise, heads_radius: L2 norms of the noise and of the attack on them, see `train_step`.
        heads_weight: of their cross-entropy.

    Raises:
        SettingsError: a value is out of range.
    """

    minutes: float = 100.0
    seed: int = 1
    groups: tuple[str, ...] = (
        *("dogs", "cats", "birds", "snakes", "fish", "butterflies", "spiders", "apes"),
        *("flowers", "fruit", "mushrooms", "sea", "buildings", "cars", "ships", "instruments"),
    )
    teachers: tuple[str, ...] = ("efficientnet_lite2", "efficientnet_lite1")
    shards: int = 14
    per_shard: int = 500
    crops: CropRecipe = CropRecipe()
    ascents: AscentRecipe = AscentRecipe()
    fewest: int = 320
    most: int = 1100
    steps_per_ascent: int = 6
    batch: int = 16
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    warmup_steps: int = 100
    last_rate: float = 0.04
    gradient_norm: float = 1.0
    noises: tuple[float, ...] = (0.0, 0.02, 0.04)
    blurs: tuple[float, ...] = (1.0, 2.5, 6.0)
    direction_weight: float = 2.0
    feature_weight: float = 0.7
    scale_weight: float = 0.01
    steps_per_heads: int = 2
    heads_batch: int = 32
    heads_side: int = 64
    heads_noise: float = 0.4
    heads_radius: float = 1.0
    heads_weight: float = 0.3

    def __post_init__(self) -> None:
        if not (self.minutes > 0 and math.isfinite(self.minutes)):
            raise SettingsError(f"--minutes {self.minutes}: expected more than 0")
        if self.shards < 2:
            raise SettingsError(f"{self.shards} shards: expected at least 2, one to train on and one held out")
        if self.batch > self.fewest or self.fewest > self.most:
            raise SettingsError(
                f"batch {self.batch}, fewest {self.fewest}, most {self.most}: expected batch <= fewest <= most"
            )

    def rate(self, step: int, progress: float) -> float:
        """Return the learning rate: a short linear rise, then a line down to `last_rate`.

        Args:
            step: optimizer steps so far.
            progress: fraction of the run that has passed, 0 to 1.
        """
        return self.learning_rate * min(1.0, (step + 1) / self.warmup_steps) * max(self.last_rate, 1 - progress)
