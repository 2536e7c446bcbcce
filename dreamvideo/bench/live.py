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
from dreamvideo.bench.video import steady
from dreamvideo.dream import dream
from dreamvideo.models import load_network
from dreamvideo.pipeline import dream_video, to_tensor
from dreamvideo.settings import CarrySettings, DreamSettings, ModelSettings

HEIGHT, WIDTH = 240, 320
SETTINGS = DreamSettings(octaves=2, iterations=1)
STEPS = "2 octaves x 1 step"


def live(bench: Bench) -> Iterator[Row]:
    """In each precision: frames per second of that ascent alone, and of video as it is carried, flow and all."""
    count = 2 * bench.plan.frames
    frames = moving(HEIGHT, WIDTH, count + AHEAD)
    image = to_tensor(frames[0].image, bench.device)
    for precision in bench.plan.precisions:
        network = load_network(ModelSettings(device=str(bench.device), precision=precision), SETTINGS)
        layers = network.score.layers
        residual = torch.zeros_like(image)
        run = partial(dream, image, network.score, SETTINGS, residual=residual)
        alone = median(interleaved({"": run}, bench.plan.rounds, bench.device, bench.clock, least=0.5)[""])
        carried = []
        for _ in range(bench.plan.rounds):
            carried.append(steady(dream_video(stream(frames), network, SETTINGS, CarrySettings()), count)[0])
        loop = median(carried)
        share = bench.peaks.share(precision, dream_flop("dreamnet", layers, HEIGHT, WIDTH, SETTINGS), alone)
        for what, taken, of_peak in ((f"{STEPS}, ascent alone", alone, share), ("as video, whole loop", loop, None)):
            yield {"what": what, "precision": precision, "ms": 1000 * taken, "fps": 1 / taken, "%_of_peak": of_peak}
