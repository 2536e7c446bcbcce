"""Whether it is quick enough to look at: the embedded network on a small picture, two octaves of one step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median

import torch

from dreamvideo.ascent.octaves import dream
from dreamvideo.bench.bench_plan import BUFFERED_FRAMES, BenchRun
from dreamvideo.bench.flops import dream_flop
from dreamvideo.bench.synthetic import frame_stream, synthetic_frames
from dreamvideo.bench.timing import time_interleaved
from dreamvideo.bench.video_rate import steady_rate
from dreamvideo.info.tables import TableRow
from dreamvideo.models.network import load_network
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings
from dreamvideo.tensors import to_tensor
from dreamvideo.video.pipeline import dream_video

HEIGHT, WIDTH = 240, 320
SETTINGS = DreamSettings(octaves=2, iterations=1)
STEPS = "2 octaves x 1 step"


def live_rows(bench: BenchRun) -> Iterator[TableRow]:
    """In each precision: frames per second of that ascent alone, and of video as it is carried, flow and all."""
    count = 2 * bench.plan.frames
    frames = synthetic_frames(HEIGHT, WIDTH, count + BUFFERED_FRAMES)
    image = to_tensor(frames[0].image, bench.device)
    for precision in bench.plan.precisions:
        network = load_network(ModelSettings(device=str(bench.device), precision=precision))
        layers = network.score.layers
        residual = torch.zeros_like(image)
        run = partial(dream, image, network.score, SETTINGS, residual=residual)
        alone = median(time_interleaved({"": run}, bench.plan.rounds, bench.device, bench.clock, least=0.5)[""])
        carried = []
        for _ in range(bench.plan.rounds):
            carried.append(steady_rate(dream_video(frame_stream(frames), network, SETTINGS, CarrySettings()), count)[0])
        loop = median(carried)
        share = bench.peaks.share(precision, dream_flop("dreamnet", layers, HEIGHT, WIDTH, SETTINGS), alone)
        for what, taken, of_peak in ((f"{STEPS}, ascent alone", alone, share), ("as video, whole loop", loop, None)):
            yield {"what": what, "precision": precision, "ms": 1000 * taken, "fps": 1 / taken, "%_of_peak": of_peak}
