"""One gradient, the unit that every dream is made of: its time and its share of the machine's peak."""

from __future__ import annotations

from collections.abc import Iterator
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
    """The gradient of the pictures' scores."""
    images = images.detach().requires_grad_()
    return torch.autograd.grad(score(images).sum(), images)[0]


def gradient_rows(bench: BenchRun) -> Iterator[TableRow]:
    """Each network at each size in each precision: time of a gradient of one picture, share of the peak."""
    for name in bench.plan.networks:
        subject = bench.subject_of(name)
        for height, width in bench.plan.sizes:
            if bench.clock.late():
                return
            image = synthetic_image(height, width).to(bench.device)
            contenders = {}
            for precision in bench.plan.precisions:
                run = partial(image_gradient, image, bench.network(subject, precision).score)
                contenders[precision] = in_precision(precision, run, bench.device)
            times = time_interleaved(contenders, bench.plan.rounds, bench.device, bench.clock, least=0.3)
            flop = gradient_flop(name, (subject.layer,), height, width)
            for precision, taken in times.items():
                yield {
                    "network": f"{name} {subject.layer}",
                    "size": f"{width}x{height}",
                    "precision": precision,
                    "GFLOP": flop / 1e9,
                    "ms": 1000 * median(taken),
                    "spread_%": spread_percent(taken),
                    "%_of_peak": bench.peaks.share(precision, flop, median(taken)),
                }
