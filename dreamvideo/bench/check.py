"""Whether what is timed is right: gradient and dream against the plain network in float64 on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from dreamvideo.bench.arithmetic import under
from dreamvideo.bench.gradient import slope_of
from dreamvideo.bench.pictures import still
from dreamvideo.bench.plan import Bench
from dreamvideo.bench.report import Row
from dreamvideo.bench.subjects import Subject, judge, listening, to_imagenet, walk
from dreamvideo.dream import dream
from dreamvideo.objectives import mean_square
from dreamvideo.settings import DreamSettings
from dreamvideo.tiles import Score

SIDES = 96, 128  # small, for float64 is slow
STEPS = 4

# Least cosine to the float64 gradient, and most departure of the objective reached. The lesser arithmetics turn some
# maxima and signs the other way, most of all in networks of random weights; a wrong gradient has a cosine near 0.
LEAST_COSINE = {"fp32": 0.999, "tf32": 0.97, "fp16": 0.97, "bf16": 0.85}
MOST_DEPARTURE = {"fp32": 0.02, "tf32": 0.1, "fp16": 0.1, "bf16": 0.25}


def check(bench: Bench) -> Iterator[Row]:
    """Each network in each precision: cosine of the gradient, and the objective after some steps against float64's."""
    names = dict.fromkeys((*bench.plan.networks, bench.plan.settings.video_model))
    image = still(*SIDES)
    settings = DreamSettings(octaves=1, iterations=STEPS)
    for name in names:
        subject = bench.subject_of(name)
        exact = _exact(subject)
        true_slope = slope_of(image.double(), exact).flatten()
        true_rise = _rise(subject, image, dream(image, exact, settings))
        for precision in bench.plan.precisions:
            score = bench.network(subject, precision).score
            here = image.to(bench.device)
            slope = under(precision, partial(slope_of, here, score), bench.device)().double().cpu().flatten()
            dreamed = under(precision, partial(dream, here, score, settings), bench.device)()
            cosine = torch.nn.functional.cosine_similarity(slope, true_slope, dim=0).item()
            reached = _rise(subject, image, dreamed) / true_rise
            right = cosine >= LEAST_COSINE[precision] and abs(reached - 1) <= MOST_DEPARTURE[precision]
            yield {"network": f"{name} {subject.layer}", "precision": precision, "gradient_cosine": cosine,
                   f"objective_after_{STEPS}_against_float64": reached, "right": right}  # fmt: skip


def _rise(subject: Subject, image: Tensor, dreamed: Tensor) -> float:
    device = next(subject.whole.parameters()).device
    return judge(subject, dreamed.float().to(device)) / judge(subject, image.to(device))


def _exact(subject: Subject) -> Score:
    """The score of the plain network in float64."""
    whole = copy.deepcopy(subject.whole).double().cpu().requires_grad_(False)

    def score(images: Tensor) -> Tensor:
        with listening(whole, subject.module) as heard:
            walk(whole, to_imagenet(images.double()), subject.module)
        return mean_square(heard[subject.module])

    return score
