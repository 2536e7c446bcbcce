"""Samples of a live dream as it is shown, and what they say of its frame rate and latency."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import torch

from dreamvideo.bench.frame_stamps import read_stamp
from dreamvideo.bench.peak_memory import resident_bytes
from dreamvideo.frames import Frame
from dreamvideo.info.tables import TableRow
from dreamvideo.live.dreaming.ascent_task import Look, LookChoice
from dreamvideo.live.dreaming.ascent_thread import AscentThread
from dreamvideo.live.loop import CPU, ShownFrame, dream_live
from dreamvideo.live.shared_state import LiveNumbers, SharedState
from dreamvideo.motion.flow import live_flow
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.threads import Latest

WARMUP_SECONDS: Final = 6.0  # that are not measured: the size to dream at is still being chosen


@dataclass(frozen=True, slots=True)
class LatencySpan:
    """Which frames the camera shows, and how long they are measured."""

    count: int  # frames, whose numbers are stamped into them, before the first one comes again
    fps: float
    seconds: float
    warmup: float = WARMUP_SECONDS


@dataclass(frozen=True, slots=True)
class LatencySample:
    """A frame that was shown."""

    at: float  # seconds since the measurement began
    fresh: bool  # whether it is a new frame of the camera
    latency: float | None  # seconds since the camera's frame was due; None: its number could not be read
    numbers: LiveNumbers
    memory: int  # bytes that the process occupies


def measure_latency(
    frames: Generator[Latest[Frame], None, None],
    span: LatencySpan,
    shared: SharedState,
    load: Callable[[LookChoice], Look],
    prepare_ascent: Callable[[], None],
    show: Callable[[ShownFrame], None] | None = None,
    device: torch.device = CPU,
) -> list[LatencySample]:
    """Dream live, and return the frames shown in `span.seconds` after `span.warmup`.

    Args:
        frames: of the camera; closed at the end.
        span: what these frames are.
        shared: controls and numbers.
        load, prepare_ascent: as for `AscentThread`.
        show: called with each frame; None: nobody looks.
        device: of the ascent, see `dream_live`.
    """
    samples: list[LatencySample] = []
    with contextlib.ExitStack() as stack:
        ascent = stack.enter_context(contextlib.closing(AscentThread(load, CarrySettings(), prepare_ascent)))
        estimate = live_flow(device)
        dreamed = stack.enter_context(contextlib.closing(dream_live(frames, ascent, shared, estimate, device=device)))
        first: float | None = None  # time of the clip's first frame
        start = time.monotonic()
        for each in dreamed:
            if show is not None:
                show(each)
            now = time.monotonic()
            number = read_stamp(each.frame.image)
            if first is None and number is not None:
                first = float(each.frame.time) - number / span.fps
            latency = (
                None if first is None or number is None else (now - first - number / span.fps) % (span.count / span.fps)
            )
            if now - start > span.warmup:
                samples.append(LatencySample(now - start, each.fresh, latency, shared.numbers, resident_bytes()[0]))
            if now - start > span.warmup + span.seconds:
                break
    return samples


def latency_summary(samples: Sequence[LatencySample]) -> TableRow:
    """Return the figures of one run."""
    seconds = samples[-1].at - samples[0].at
    latencies = sorted(sample.latency for sample in samples if sample.fresh and sample.latency is not None)
    fresh = sum(sample.fresh for sample in samples)
    tenth = max(1, len(samples) // 10)
    before, after = (median(s.memory for s in part) for part in (samples[:tenth], samples[-tenth:]))
    h, w = samples[-1].numbers.working_size
    return {
        "new_frames_fps": fresh / seconds,
        "steps_per_s": sum(s.numbers.steps_per_second for s in samples) / len(samples),
        "latency_ms": 1000 * median(latencies) if latencies else None,
        "latency_p99_ms": 1000 * latencies[int(0.99 * (len(latencies) - 1))] if latencies else None,
        "latency_max_ms": 1000 * latencies[-1] if latencies else None,
        "dropped": samples[-1].numbers.drops - samples[0].numbers.drops,
        "unread": sum(s.latency is None for s in samples),
        "dream": f"{w}x{h}",
        "device": samples[-1].numbers.device,
        "memory_MB": after / 1e6,
        "memory_grew_MB": (after - before) / 1e6,
    }
