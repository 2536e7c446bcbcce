"""Whether it is quick enough to look at: the embedded network on a small picture, two octaves of one step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median

import torch

from dreamvideo.bench.flops import dream_flop
from dreamvideo.bench.pictures import moving, stream
from dreamvideo.bench.plan import AHEAD, Bench
from dreamvideo.bench.report import Row
from dreamvideo.bench.timing import interleaved
from dreamvideo.bench.video import steady, warm_dream
from dreamvideo.models import load_network
from dreamvideo.pipeline import dream_video, to_tensor
from dreamvideo.settings import CarrySettings, DreamSettings, ModelSettings

HEIGHT, WIDTH = 240, 320
SETTINGS = DreamSettings(octaves=2, iterations=1)
CARRYING = CarrySettings(warm_iterations=1)


def live(bench: Bench) -> Iterator[Row]:
    """In each precision: frames per second of the ascent alone, and of the loop with flow, carry and conversion."""
    frames = moving(HEIGHT, WIDTH, 2 * bench.plan.frames + AHEAD)
    image = to_tensor(frames[0].image, bench.device)
    for precision in bench.plan.precisions:
        network = load_network(ModelSettings(device=str(bench.device), precision=precision), SETTINGS)
        layers = tuple(name for name, _ in network.score.layers)
        residual = torch.zeros_like(image)
        run = partial(warm_dream, image, residual, network, SETTINGS, CARRYING)
        alone = median(interleaved({"": run}, bench.plan.rounds, bench.device, bench.clock, least=0.5)[""])
        loops = []
        for _ in range(bench.plan.rounds):
            loops.append(steady(dream_video(stream(frames), network, SETTINGS, CARRYING), 2 * bench.plan.frames)[0])
        flop = dream_flop("dreamnet", layers, HEIGHT, WIDTH, SETTINGS)
        for what, taken in (("ascent", alone), ("whole loop, no camera or window", median(loops))):
            yield {
                "what": what,
                "precision": precision,
                "ms": 1000 * taken,
                "fps": 1 / taken,
                "%_of_peak": bench.peaks.share(precision, flop, taken),
            }
