"""`dreamvideo bench live`: frames per second of a live dream, and the latency from a camera's frame to its dream.

A video file plays in place of a camera. Its frames carry a number, which is read from what is shown, so that the
measurement covers all that a user sees, decoding and dropped frames included.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Final

from dreamvideo.bench.frame_stamps import read_stamp, stamp
from dreamvideo.bench.networks import make_network
from dreamvideo.bench.peak_memory import resident_bytes
from dreamvideo.bench.synthetic import frame_stream, synthetic_frames
from dreamvideo.bench.system import describe_system
from dreamvideo.devices import pick_device
from dreamvideo.errors import OutputError
from dreamvideo.frames import StreamInfo
from dreamvideo.info.results import Report, ReportSection, results_table, results_to_json
from dreamvideo.info.tables import TableRow
from dreamvideo.live.app import KEY_INTERVAL, window_sink
from dreamvideo.live.cameras.camera import camera_frames
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_task import Look, LookChoice
from dreamvideo.live.dreaming.ascent_thread import AscentThread
from dreamvideo.live.dreaming.looks import build_menu, look_loader
from dreamvideo.live.loop import dream_live
from dreamvideo.live.outputs.window import check_display
from dreamvideo.live.shared_state import LiveNumbers, SharedState
from dreamvideo.media.video_writer import write_video
from dreamvideo.models.registry import CLASSIFIERS, find_model
from dreamvideo.motion.flow import dis
from dreamvideo.process import responsive_threads
from dreamvideo.settings.bench import LiveBenchSettings
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings
from dreamvideo.settings.live import CameraSettings
from dreamvideo.threads import latest

CLIP_SECONDS: Final = 10  # of the clip, which is looped
WARMUP_SECONDS: Final = 6.0  # that are not measured: the size to dream at is still being chosen


@dataclass(frozen=True, slots=True)
class LatencySample:
    """A frame that was shown."""

    at: float  # seconds since the measurement began
    fresh: bool  # whether it is a new frame of the camera
    latency: float | None  # seconds since the camera's frame was due; None: its number could not be read
    numbers: LiveNumbers
    memory: int  # bytes that the process occupies


def bench_live_latency(
    settings: LiveBenchSettings,
    model: ModelSettings,
    objective: ObjectiveSettings,
    dreaming: DreamSettings,
    quiet: bool,
) -> int:
    """Measure, and print the figures as a table.

    Args:
        settings: size and rate of the camera, duration, and the file for the figures.
        model: the network; a classifier without weights gets random ones, as its speed does not depend on them.
        objective: what is dreamed.
        dreaming: how it is dreamed.
        quiet: print no progress.

    Returns:
        0, however slow it is.

    Raises:
        DreamVideoError: the display, the network or the file of figures cannot be used.
    """

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    if settings.window:
        check_display()
    width, height = settings.size
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as folder:
        if model.model in CLASSIFIERS and model.weights is None:
            untrained = make_network(model.model, None, None, Path(folder), pick_device(model.device))
            model = dataclasses.replace(model, weights=untrained.weights)
        clip = Path(folder) / "camera.mp4"
        say(f"drawing {CLIP_SECONDS} s of {width}x{height} ...")
        count = write_stamped_clip(clip, settings)
        say(f"dreaming live for {settings.seconds:g} s ...")
        start = time.monotonic()
        network = find_model(model.model, model.weights, model.scaling)
        shared = SharedState(Controls(), build_menu(network))
        load = look_loader(network, model, objective, dreaming, None)
        with responsive_threads(model) as prepare_ascent:
            samples = measure_latency(clip, count, settings, shared, load, prepare_ascent)
    title = f"{model.model} {width}x{height}, a camera of {settings.fps:g} fps"
    section = ReportSection("live", title, (latency_summary(samples),), time.monotonic() - start)
    print(results_table(section), flush=True)
    if settings.json is not None:
        try:
            head = describe_system(
                pick_device(model.device), dataclasses.asdict(settings), datetime.now(UTC).astimezone()
            )
            settings.json.write_text(results_to_json(Report(head, (section,))))
        except OSError as error:
            raise OutputError(f"--json {settings.json} cannot be written: {error.strerror or error}") from None
    return 0


def write_stamped_clip(path: Path, settings: LiveBenchSettings) -> int:
    """Write the clip that plays in place of a camera, and return its number of frames."""
    width, height = settings.size
    rate = Fraction(settings.fps).limit_denominator(1001)
    frames = [
        dataclasses.replace(frame, image=stamp(frame.image, number), time=number / rate)
        for number, frame in enumerate(synthetic_frames(height, width, round(CLIP_SECONDS * rate)))
    ]
    info = StreamInfo(width, height, rate, len(frames), 1 / rate)
    return write_video(frame_stream(frames), path, info, EncodeSettings(crf=20))


def measure_latency(
    clip: Path,
    count: int,
    settings: LiveBenchSettings,
    shared: SharedState,
    load: Callable[[LookChoice], Look],
    prepare_ascent: Callable[[], None],
) -> list[LatencySample]:
    """Dream live, and return the frames shown in `settings.seconds` after `WARMUP_SECONDS`."""
    samples: list[LatencySample] = []
    with contextlib.ExitStack() as stack:
        ascent = stack.enter_context(contextlib.closing(AscentThread(load, CarrySettings(), prepare_ascent)))
        sink = stack.enter_context(window_sink(shared)) if settings.window else None
        frames = latest(camera_frames(str(clip), CameraSettings(loop=True)), KEY_INTERVAL)
        dreamed = stack.enter_context(contextlib.closing(dream_live(frames, ascent, shared, dis())))
        first: float | None = None  # time of the clip's first frame
        start = time.monotonic()
        for each in dreamed:
            if sink is not None:
                sink(each, shared.controls)
            now = time.monotonic()
            number = read_stamp(each.frame.image)
            if first is None and number is not None:
                first = float(each.frame.time) - number / settings.fps
            latency = (
                None
                if first is None or number is None
                else (now - first - number / settings.fps) % (count / settings.fps)
            )
            if now - start > WARMUP_SECONDS:
                samples.append(LatencySample(now - start, each.fresh, latency, shared.numbers, resident_bytes()[0]))
            if now - start > WARMUP_SECONDS + settings.seconds:
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
