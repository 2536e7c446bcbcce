"""Frames per second of carried video, how busy the GPU is meanwhile, and what it costs the processor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import torch

from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.bench.gpu_check.gpu_load import load_figures, watch_gpu
from dreamvideo.bench.gpu_check.moving_frames import endless_shot, film
from dreamvideo.bench.synthetic import frame_stream
from dreamvideo.bench.timing import synchronize
from dreamvideo.frames import Frames
from dreamvideo.info.tables import TableRow, TableValue
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.video.pipeline import dream_video

SIZES, REHEARSED_SIZES = ((720, 1280), (1080, 1920)), ((64, 96), (72, 128))


@dataclass(frozen=True, slots=True)
class Span:
    """How long a stream is measured."""

    warmup: int  # frames before it: kernels are chosen, graphs recorded
    seconds: float
    most: int = 1_000_000  # frames, at most


# All octaves have had their turns several times by then, alone and where others step beside them.
CARRIED_SPAN, REHEARSED_SPAN = Span(200, 8.0), Span(2, 0.5, 6)

FILM, REHEARSED_FILM = (360, 640, 24, 24), (64, 96, 2, 3)  # height, width, shots, frames of each
LANES, REHEARSED_LANES = (1, 4, 16), (1, 2)


def timed_frames(check: GpuCheck, frames: Frames, span: Span, figures: dict[str, TableValue]) -> Frames:
    """Pass frames on, and time them once they have warmed up.

    Args:
        check: its device and limit.
        frames: closed at the end.
        span: how many frames are passed on.
        figures: at the end fps, processor milliseconds of all threads per frame, and figures of the GPU.
    """
    start = begin = cpu = 0.0
    count = 0
    with watch_gpu(check.device) as samples, closing(frames):
        called = time.perf_counter()
        for number, frame in enumerate(frames):
            now = time.perf_counter()
            if number == 0:
                start = now
            if number == span.warmup:
                begin, cpu = now, time.process_time()
            count = number - span.warmup
            yield frame
            if count > 0 and (now - begin > span.seconds or count >= span.most or check.limit.reached()):
                break
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    if count < 1:
        figures["note"] = f"got {span.warmup + count + 1} frames, expected more than {span.warmup + 1}"
        return
    figures.update({"fps": count / seconds, "ms": 1000 * seconds / count, "cpu_ms": 1000 * cpu / count})
    figures.update({"frames": count, "first_frame_s": start - called})
    figures.update({**load_figures(samples, begin), **check.memory()})


def carried_rows(check: GpuCheck) -> Iterator[TableRow]:
    """Measure `dream_video` on frames in memory, at 720 and 1080 lines."""
    network = check.load()
    for height, width in check.pick(SIZES, REHEARSED_SIZES):
        if check.limit.reached():
            return
        if check.on_gpu:
            torch.cuda.reset_peak_memory_stats(check.device)
        figures: dict[str, TableValue] = {}
        dreamed = dream_video(endless_shot(height, width), network, check.look, CarrySettings())
        for _ in timed_frames(check, dreamed, check.pick(CARRIED_SPAN, REHEARSED_SPAN), figures):
            pass
        yield {"dream_alone": f"{network.name} {network.precision_name}", "size": f"{width}x{height}", **figures}


def lane_rate_rows(check: GpuCheck) -> Iterator[TableRow]:
    """Measure a film of many shots with several numbers of lanes; the second time all graphs are there."""
    network = check.load()
    height, width, shots, length = check.pick(FILM, REHEARSED_FILM)
    frames = list(film(height, width, shots, length))
    for lanes in check.pick(LANES, REHEARSED_LANES):
        if check.on_gpu:
            torch.cuda.reset_peak_memory_stats(check.device)
        for again in ("first", "second"):
            if check.limit.reached():
                return
            dreamed = dream_video(frame_stream(frames), network, check.look, CarrySettings(lanes=lanes))
            start, cpu = time.perf_counter(), time.process_time()
            with watch_gpu(check.device) as samples, closing(dreamed):
                count = sum(1 for _ in dreamed)
                synchronize(check.device)
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            yield {
                "lanes": lanes,
                "run": again,
                "film": f"{shots} shots of {length} frames, {width}x{height}",
                "fps": count / seconds,
                "cpu_ms": 1000 * cpu / count,
                **load_figures(samples, start),
                **check.memory(),
            }
