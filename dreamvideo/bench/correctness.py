"""Whether what is timed is right: gradient and dream against the plain network in float64 on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from dreamvideo.ascent.octaves import dream
from dreamvideo.ascent.tiling import Score
from dreamvideo.bench.bench_plan import BenchRun
from dreamvideo.bench.gradient_time import image_gradient
from dreamvideo.bench.networks import BenchNetwork, capture_output, measure_objective, run_until, to_imagenet
from dreamvideo.bench.precisions import in_precision
from dreamvideo.bench.synthetic import synthetic_image
from dreamvideo.info.tables import TableRow
from dreamvideo.models.objectives import mean_square
from dreamvideo.settings.dream import DreamSettings

SIDES = 96, 128  # small, for float64 is slow
STEPS = 4

# Least cosine to the float64 gradient, and most departure of the objective reached. The lesser arithmetics turn some
# maxima and signs the other way, most of all in networks of random weights; a wrong gradient has a cosine near 0.
LEAST_COSINE = {"fp32": 0.999, "tf32": 0.97, "fp16": 0.97, "bf16": 0.85}
MOST_DEPARTURE = {"fp32": 0.02, "tf32": 0.1, "fp16": 0.1, "bf16": 0.25}


def check_rows(bench: BenchRun) -> Iterator[TableRow]:
    """Each network in each precision: cosine of the gradient, and the objective after some steps against float64's."""
    names = dict.fromkeys((*bench.plan.networks, bench.plan.settings.video_model))
    image = synthetic_image(*SIDES)
    settings = DreamSettings(octaves=1, iterations=STEPS)
    for name in names:
        subject = bench.subject_of(name)
        exact = _exact(subject)
        true_slope = image_gradient(image.double(), exact).flatten()
        true_rise = _rise(subject, image, dream(image, exact, settings))
        for precision in bench.plan.precisions:
            score = bench.network(subject, precision).score
            here = image.to(bench.device)
            slope = (
                in_precision(precision, partial(image_gradient, here, score), bench.device)().double().cpu().flatten()
            )
            dreamed = in_precision(precision, partial(dream, here, score, settings), bench.device)()
            cosine = torch.nn.functional.cosine_similarity(slope, true_slope, dim=0).item()
            reached = _rise(subject, image, dreamed) / true_rise
            right = cosine >= LEAST_COSINE[precision] and abs(reached - 1) <= MOST_DEPARTURE[precision]
            yield {
                "network": f"{name} {subject.layer}",
                "precision": precision,
                "gradient_cosine": cosine,
                f"objective_after_{STEPS}_against_float64": reached,
                "right": right,
            }


def _rise(subject: BenchNetwork, image: Tensor, dreamed: Tensor) -> float:
    device = next(subject.whole.parameters()).device
    return measure_objective(subject, dreamed.float().to(device)) / measure_objective(subject, image.to(device))


def _exact(subject: BenchNetwork) -> Score:
    """The score of the plain network in float64."""
    whole = copy.deepcopy(subject.whole).double().cpu().requires_grad_(False)

    def score(images: Tensor) -> Tensor:
        with capture_output(whole, subject.module) as heard:
            run_until(whole, to_imagenet(images.double()), subject.module)
        return mean_square(heard[subject.module])

    return score
