"""Times one gradient, the unit of work of every dream, and its share of the machine's peak."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import torch
from torch import Tensor

from dreamvideo.ascent.tiling import Score
from dreamvideo.bench.bench_plan import BenchRun
from dreamvideo.bench.flops import gradient_flop
from dreamvideo.bench.precisions import in_precision
from dreamvideo.bench.synthetic import synthetic_image
from dreamvideo.bench.timing import spread_percent, time_interleaved
from dreamvideo.info.tables import TableRow


def image_gradient(images: Tensor, score: Score) -> Tensor:
    """Return the gradient of the sum of the scores of (B, 3, H, W) images, of the same shape."""
    images = images.detach().requires_grad_()
    return torch.autograd.grad(score(images).sum(), images)[0]


def gradient_rows(run: BenchRun) -> Iterator[TableRow]:
    """Measure each network at each size in each precision: time of a gradient of one image, share of the peak."""
    for name in run.plan.networks:
        network = run.network(name)
        for height, width in run.plan.sizes:
            if run.limit.reached():
                return
            image = synthetic_image(height, width).to(run.device)
            contenders: dict[str, Callable[[], object]] = {}
            for precision in run.plan.precisions:
                gradient = partial(image_gradient, image, run.load(network, precision).score)
                contenders[precision] = in_precision(precision, gradient, run.device)
            times = time_interleaved(contenders, run.plan.rounds, run.device, run.limit, min_seconds=0.3)
            flop = gradient_flop(name, (network.layer,), height, width)
            for measured, seconds in times.items():
                yield {
                    "network": f"{name} {network.layer}",
                    "size": f"{width}x{height}",
                    "precision": measured,
                    "GFLOP": flop / 1e9,
                    "ms": 1000 * median(seconds),
                    "spread_%": spread_percent(seconds),
                    "%_of_peak": run.peaks.share(measured, flop, median(seconds)),
                }
