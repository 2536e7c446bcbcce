"""Measures whether a dream can be live: the embedded network on a small image, two octaves of one step."""

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


def live_rows(run: BenchRun) -> Iterator[TableRow]:
    """Measure frames per second in each precision: of that ascent alone, and of carried video including its flow."""
    count = 2 * run.plan.frames
    frames = synthetic_frames(HEIGHT, WIDTH, count + BUFFERED_FRAMES)
    image = to_tensor(frames[0].image, run.device)
    for precision in run.plan.precisions:
        network = load_network(ModelSettings(device=str(run.device), precision=precision))
        layers = network.score.layers
        residual = torch.zeros_like(image)
        ascent = partial(dream, image, network.score, SETTINGS, residual=residual)
        alone = median(time_interleaved({"": ascent}, run.plan.rounds, run.device, run.limit, min_seconds=0.5)[""])
        carried = []
        for _ in range(run.plan.rounds):
            carried.append(steady_rate(dream_video(frame_stream(frames), network, SETTINGS, CarrySettings()), count)[0])
        whole = median(carried)
        share = run.peaks.share(precision, dream_flop(network.name, layers, HEIGHT, WIDTH, SETTINGS), alone)
        for what, seconds, of_peak in ((f"{STEPS}, ascent alone", alone, share), ("as video, whole loop", whole, None)):
            yield {"what": what, "precision": precision, "ms": 1000 * seconds, "fps": 1 / seconds, "%_of_peak": of_peak}
