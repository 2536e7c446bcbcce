"""`dreamvideo bench live`: how fast a live dream is shown, and how late: from a camera's picture to its dream.

A file camera plays a drawn clip whose pictures bear their number, which is read back from what is shown. So what is
measured is what a user sees, decoding, dropped pictures and all.
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
from dreamvideo.live.app import KEY_INTERVAL, responsive_threads, window_sink
from dreamvideo.live.cameras.camera import camera_frames
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_thread import AscentThread, Look, LookChoice
from dreamvideo.live.dreaming.looks import build_menu, look_loader
from dreamvideo.live.loop import dream_live
from dreamvideo.live.outputs.window import check_display
from dreamvideo.live.shared_state import LiveNumbers, SharedState
from dreamvideo.media.video_writer import write_video
from dreamvideo.models.registry import CLASSIFIERS, find_model
from dreamvideo.motion.flow import dis
from dreamvideo.settings.bench import LiveBenchSettings
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings
from dreamvideo.settings.live import CameraSettings
from dreamvideo.threads import latest

CLIP_SECONDS: Final = 10  # seconds of the clip, which is looped
WARMUP_SECONDS: Final = 6.0  # seconds in the beginning that do not count: the size is still being found


@dataclass(frozen=True, slots=True)
class LatencySample:
    """One picture that was shown."""

    at: float  # seconds since it began
    fresh: bool  # a new one of the camera
    late: float | None  # seconds from the camera's picture; None: its number could not be read
    numbers: LiveNumbers
    memory: int  # bytes


def bench_live_latency(
    settings: LiveBenchSettings,
    model: ModelSettings,
    objective: ObjectiveSettings,
    dreaming: DreamSettings,
    quiet: bool,
) -> int:
    """0: measured. Slowness is no failure."""

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    if settings.window:
        check_display()
    width, height = settings.size
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as folder:
        if model.model in CLASSIFIERS and model.weights is None:
            # How fast it is does not hang on its weights, which may not be at hand.
            made = make_network(model.model, None, None, Path(folder), pick_device(model.device))
            model = dataclasses.replace(model, weights=made.weights)
        clip = Path(folder) / "camera.mp4"
        say(f"drawing {CLIP_SECONDS} s of {width}x{height} ...")
        count = write_stamped_clip(clip, settings)
        say(f"dreaming live for {settings.seconds:g} s ...")
        began = time.monotonic()
        network = find_model(model.model, model.weights, model.scaling)
        desk = SharedState(Controls(), build_menu(network, model))
        samples = measure_latency(clip, count, settings, desk, look_loader(network, model, objective, dreaming, None))
    title = f"{model.model} {width}x{height}, a camera of {settings.fps:g} fps"
    section = ReportSection("live", title, (latency_summary(samples),), time.monotonic() - began)
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
    """Write the clip that the camera plays; returns its number of pictures."""
    width, height = settings.size
    rate = Fraction(settings.fps).limit_denominator(1001)
    frames = [
        dataclasses.replace(frame, image=stamp(frame.image, number), time=number / rate)
        for number, frame in enumerate(synthetic_frames(height, width, round(CLIP_SECONDS * rate)))
    ]
    info = StreamInfo(width, height, rate, len(frames), 1 / rate)
    return write_video(frame_stream(frames), path, info, EncodeSettings(crf=20))


def measure_latency(
    clip: Path, count: int, settings: LiveBenchSettings, desk: SharedState, load: Callable[[LookChoice], Look]
) -> list[LatencySample]:
    """What was shown, after `WARM` seconds, for as long as `settings` say."""
    samples: list[LatencySample] = []
    with responsive_threads(), contextlib.ExitStack() as stack:
        ascent = stack.enter_context(contextlib.closing(AscentThread(load, CarrySettings())))
        sink = stack.enter_context(window_sink(desk)) if settings.window else None
        pictures = latest(camera_frames(str(clip), CameraSettings(loop=True)), KEY_INTERVAL)
        shown = stack.enter_context(contextlib.closing(dream_live(pictures, ascent, desk, dis())))
        first: float | None = None  # when the clip began
        began = time.monotonic()
        for each in shown:
            if sink is not None:
                sink(each, desk.controls)
            now = time.monotonic()
            number = read_stamp(each.frame.image)
            if first is None and number is not None:
                first = float(each.frame.time) - number / settings.fps
            late = (
                None
                if first is None or number is None
                else (now - first - number / settings.fps) % (count / settings.fps)
            )
            if now - began > WARMUP_SECONDS:
                samples.append(LatencySample(now - began, each.fresh, late, desk.numbers, resident_bytes()[0]))
            if now - began > WARMUP_SECONDS + settings.seconds:
                break
    return samples


def latency_summary(samples: Sequence[LatencySample]) -> TableRow:
    """The figures of one run."""
    seconds = samples[-1].at - samples[0].at
    late = sorted(sample.late for sample in samples if sample.fresh and sample.late is not None)
    fresh = sum(sample.fresh for sample in samples)
    tenth = max(1, len(samples) // 10)
    before, after = (median(s.memory for s in part) for part in (samples[:tenth], samples[-tenth:]))
    h, w = samples[-1].numbers.working_size
    return {
        "new_pictures_fps": fresh / seconds,
        "steps_per_s": sum(s.numbers.steps_per_second for s in samples) / len(samples),
        "late_ms": 1000 * median(late) if late else None,
        "late_p99_ms": 1000 * late[int(0.99 * (len(late) - 1))] if late else None,
        "late_max_ms": 1000 * late[-1] if late else None,
        "dropped": samples[-1].numbers.drops - samples[0].numbers.drops,
        "unread": sum(s.late is None for s in samples),
        "dream": f"{w}x{h}",
        "device": samples[-1].numbers.device,
        "memory_MB": after / 1e6,
        "memory_grew_MB": (after - before) / 1e6,
    }
