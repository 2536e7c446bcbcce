"""A live dream with a camera in memory: shown frames, steps a second, latency, the size that is dreamed."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import count

from dreamvideo.bench.frame_stamps import stamp
from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.bench.gpu_check.gpu_load import load_figures, watch_gpu
from dreamvideo.bench.gpu_check.moving_frames import PERIOD, moving_image
from dreamvideo.bench.live_samples import LatencySpan, latency_summary, measure_latency
from dreamvideo.frames import Frame
from dreamvideo.info.tables import TableRow
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.looks import build_menu, look_loader
from dreamvideo.live.shared_state import SharedState
from dreamvideo.models.registry import find_model
from dreamvideo.process import responsive_threads
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings
from dreamvideo.threads import latest

SIZE, REHEARSED_SIZE = (720, 1280), (120, 160)
# The size to dream at is still being chosen in the first seconds.
SPAN, REHEARSED_SPAN = LatencySpan(PERIOD, 60.0, 12.0, warmup=8.0), LatencySpan(PERIOD, 15.0, 1.0, warmup=1.0)
PATIENCE = 0.05  # seconds without a frame after which the last one is shown again


def live_rate_rows(check: GpuCheck) -> Iterator[TableRow]:
    """Measure 60 frames a second of 1280x720 for some seconds."""
    (height, width), span = check.pick(SIZE, REHEARSED_SIZE), check.pick(SPAN, REHEARSED_SPAN)
    settings = ModelSettings(check.model, device=str(check.device))
    model = find_model(settings.model, settings.weights, settings.scaling)
    shared = SharedState(Controls(), build_menu(model))
    load = look_loader(model, settings, ObjectiveSettings(), check.look, None)
    camera = latest(camera_in_memory(height, width, span), PATIENCE)
    start = time.perf_counter() + span.warmup
    with watch_gpu(check.device) as samples, responsive_threads(settings) as prepare:
        shown = measure_latency(camera, span, shared, load, prepare, device=check.device)
    row = {"camera": f"{width}x{height} at {span.fps:g}", **latency_summary(shown)}
    yield {**row, **load_figures(samples, start), **check.memory()}


def camera_in_memory(height: int, width: int, span: LatencySpan) -> Generator[Frame, None, None]:
    """Yield stamped frames when they are due, without end, with times of `time.monotonic`."""
    images = [stamp(moving_image(height, width, number), number) for number in range(span.count)]
    start = time.monotonic()
    for number in count():
        due = start + number / span.fps
        time.sleep(max(0.0, due - time.monotonic()))
        yield Frame(images[number % span.count], Fraction(due))
