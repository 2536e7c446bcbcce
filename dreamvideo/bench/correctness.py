"""Checks that what is timed is right: gradient and dream, compared with the plain network in float64 on the CPU."""

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
from dreamvideo.models.objectives import log_mean_square
from dreamvideo.settings.dream import DreamSettings

SIDES = 96, 128  # height, width; small because float64 is slow
STEPS = 4

# Smallest cosine to the float64 gradient, and largest relative deviation of the objective reached. Lower precisions
# flip some maxima and signs, most of all in networks of random weights; a wrong gradient has a cosine near 0.
LEAST_COSINE = {"fp32": 0.999, "tf32": 0.97, "fp16": 0.97, "bf16": 0.85}
MOST_DEVIATION = {"fp32": 0.02, "tf32": 0.1, "fp16": 0.1, "bf16": 0.25}


def check_rows(run: BenchRun) -> Iterator[TableRow]:
    """Measure each network in each precision: cosine of the gradient, objective after some steps over float64's."""
    names = dict.fromkeys((*run.plan.networks, run.plan.settings.video_model))
    image = synthetic_image(*SIDES)
    settings = DreamSettings(octaves=1, iterations=STEPS)
    for name in names:
        network = run.network(name)
        exact = _float64_score(network)
        true_grad = image_gradient(image.double(), exact).flatten()
        true_rise = _relative_objective(network, image, dream(image, exact, settings))
        for precision in run.plan.precisions:
            score = run.load(network, precision).score
            on_device = image.to(run.device)
            grad = in_precision(precision, partial(image_gradient, on_device, score), run.device)()
            dreamed = in_precision(precision, partial(dream, on_device, score, settings), run.device)()
            cosine = torch.nn.functional.cosine_similarity(grad.double().cpu().flatten(), true_grad, dim=0).item()
            reached = _relative_objective(network, image, dreamed) / true_rise
            right = cosine >= LEAST_COSINE[precision] and abs(reached - 1) <= MOST_DEVIATION[precision]
            yield {
                "network": f"{name} {network.layer}",
                "precision": precision,
                "gradient_cosine": cosine,
                f"objective_after_{STEPS}_against_float64": reached,
                "right": right,
            }


def _relative_objective(network: BenchNetwork, image: Tensor, dreamed: Tensor) -> float:
    device = next(network.whole.parameters()).device
    return measure_objective(network, dreamed.float().to(device)) / measure_objective(network, image.to(device))


def _float64_score(network: BenchNetwork) -> Score:
    whole = copy.deepcopy(network.whole).double().cpu().requires_grad_(False)

    def score(images: Tensor) -> Tensor:
        with capture_output(whole, network.module) as outputs:
            run_until(whole, to_imagenet(images.double()), network.module)
        return log_mean_square(outputs[network.module])

    return score
