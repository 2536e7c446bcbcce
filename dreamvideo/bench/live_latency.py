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
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

import torch

from dreamvideo.bench.frame_stamps import stamp
from dreamvideo.bench.live_samples import LatencySample, LatencySpan, latency_summary, measure_latency
from dreamvideo.bench.networks import make_network
from dreamvideo.bench.synthetic import frame_stream, synthetic_frames
from dreamvideo.bench.system import describe_system
from dreamvideo.devices import pick_device
from dreamvideo.errors import OutputError
from dreamvideo.frames import StreamInfo
from dreamvideo.info.results import Report, ReportSection, results_table, results_to_json
from dreamvideo.live.app import KEY_INTERVAL, window_sink
from dreamvideo.live.cameras.camera import camera_frames
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_task import Look, LookChoice
from dreamvideo.live.dreaming.looks import build_menu, look_loader
from dreamvideo.live.outputs.window import check_display
from dreamvideo.live.shared_state import SharedState
from dreamvideo.media.video_writer import write_video
from dreamvideo.models.registry import CLASSIFIERS, find_model
from dreamvideo.process import responsive_threads
from dreamvideo.settings.bench import LiveBenchSettings
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings
from dreamvideo.settings.live import CameraSettings
from dreamvideo.threads import latest

CLIP_SECONDS: Final = 10  # of the clip, which is looped


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
            samples = _measure(clip, count, settings, shared, load, prepare_ascent, pick_device(model.device))
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


def _measure(
    clip: Path,
    count: int,
    settings: LiveBenchSettings,
    shared: SharedState,
    load: Callable[[LookChoice], Look],
    prepare_ascent: Callable[[], None],
    device: torch.device,
) -> list[LatencySample]:
    frames = latest(camera_frames(str(clip), CameraSettings(loop=True)), KEY_INTERVAL)
    span = LatencySpan(count, settings.fps, settings.seconds)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(window_sink(shared)) if settings.window else None
        show = None if sink is None else lambda each: sink(each, shared.controls)
        return measure_latency(frames, span, shared, load, prepare_ascent, show, device)
