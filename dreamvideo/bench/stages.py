"""Measures where the time of a carried frame goes: each stage alone on the same clip, and the program end to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from statistics import median

from dreamvideo.ascent.octaves import octave_sizes
from dreamvideo.bench.bench_plan import BenchRun
from dreamvideo.bench.clip_files import write_clip
from dreamvideo.bench.synthetic import RATE, frame_stream
from dreamvideo.bench.timing import time_interleaved
from dreamvideo.bench.video_rate import steady_rate
from dreamvideo.devices import runs_asynchronously
from dreamvideo.frames import Frame, Frames, StreamInfo
from dreamvideo.info.tables import TableRow
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import write_video
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.settings.job import ReadSettings
from dreamvideo.tensors import to_image, to_planes, to_tensor
from dreamvideo.threads import prefetch
from dreamvideo.video.carry import move_carry
from dreamvideo.video.dream_frames import dream_carried_frames, dream_first_frames
from dreamvideo.video.flow_stage import estimate_ahead, motion_estimator
from dreamvideo.video.pipeline import dream_video
from dreamvideo.video.shots import single_input

MOTION, ASCENT, END_TO_END = "cuts, flow both ways, mask", "ascent", "end to end"


def stage_rows(run: BenchRun) -> Iterator[TableRow]:
    """Measure ms per frame of each stage alone and its share of their sum, then of the program with its threads."""
    plan = run.plan
    network = run.load(run.video_network, plan.best_precision)
    clip = plan.settings.clip or run.folder / "clip.mp4"
    if plan.settings.clip is None:
        write_clip(run.clip, clip)
    read = ReadSettings(frames=len(run.clip), size=(plan.width, plan.height))
    end_to_end: list[float] = []  # the program is timed from inside, from its first frame on
    stages = {
        **_stages(run, network, clip, read),
        END_TO_END: (lambda: end_to_end.append(time_end_to_end(run, clip, read, network)), 1),
    }
    calls = {name: call for name, (call, _) in stages.items()}
    times = time_interleaved(calls, plan.rounds, run.device, run.limit)
    ms = {name: 1000 * median(seconds) / stages[name][1] for name, seconds in times.items() if name != END_TO_END}
    total = sum(ms.values())
    rest = total - ms[ASCENT]
    ms |= {"sum": total, "sum without ascent": rest, END_TO_END: 1000 * median(end_to_end[1:])}  # the first warms up
    for name, value in ms.items():
        yield {"stage": name, "ms_per_frame": value, "%_of_sum": 100 * value / total}


def _stages(
    run: BenchRun, network: Network, clip: Path, read: ReadSettings
) -> dict[str, tuple[Callable[[], object], int]]:
    """Stage -> (function that runs it, number of frames that it runs on)."""
    plan, carrying, frames, dreaming = run.plan, CarrySettings(), run.clip, run.plan.dreaming
    _, images = steady_rate(dream_video(frame_stream(frames), network, dreaming, carrying), plan.frames)
    dreamed = [Frame(image, Fraction(i, RATE)) for i, image in enumerate(images)]
    on_device = runs_asynchronously(run.device)
    motion_between = motion_estimator(carrying, run.device, on_device)
    planes = [to_planes(frame.image, run.device) for frame in frames[:2]]
    motion = motion_between(frames[1], frames[0])(planes[1], planes[0])()
    source = to_tensor(frames[1].image, run.device)
    (first,) = dream_first_frames(to_tensor(frames[0].image, run.device), network, dreaming)
    start = move_carry(first, source, motion, carrying.persistence)
    # enough frames for each octave to have its turn
    ascents = 4 * max(1, len(octave_sizes(plan.height, plan.width, dreaming)) - 1)

    def convert() -> None:
        to_tensor(frames[1].image, run.device)
        move_carry(first, source, motion, carrying.persistence)
        to_image(source)

    def ascend() -> None:
        for frame_index in range(1, ascents + 1):
            carry = replace(start, progress=replace(start.progress, frame_index=frame_index))
            dream_carried_frames(source, [carry], network, dreaming, carrying)

    def estimate() -> None:
        with ThreadPoolExecutor(1) as pool:
            inputs = single_input(frame_stream(frames))
            for waiting in estimate_ahead(inputs, carrying, run.device, on_device, pool, lambda _: True):
                waiting.launch(run.device)
                waiting.motion()

    return {
        "decode": (lambda: decode_all(clip, read), len(frames)),
        MOTION: (estimate, len(frames) - 1),
        "conversion, carry": (convert, 1),
        ASCENT: (ascend, ascents),
        "encode": (lambda: write_clip(dreamed, run.folder / "encoded.mp4"), len(dreamed)),
    }


def decode_all(clip: Path, read: ReadSettings) -> None:
    """Decode the whole clip."""
    with open_video(clip, read) as source, closing(source.frames) as frames:
        for _ in frames:
            pass


def time_end_to_end(run: BenchRun, clip: Path, read: ReadSettings, network: Network) -> float:
    """Return seconds per frame of `dreamvideo video`, from file to file, after the first frame."""
    arrivals: list[float] = []

    def record_arrivals(frames: Frames) -> Frames:
        with closing(frames):
            for frame in frames:
                arrivals.append(time.perf_counter())
                yield frame
                if len(arrivals) > run.plan.frames:
                    return

    output = run.folder / "end_to_end.mp4"
    info = StreamInfo(run.plan.width, run.plan.height, Fraction(RATE))
    with open_video(clip, read) as source, closing(prefetch(source.frames)) as frames:
        dreamed = prefetch(dream_video(frames, network, run.plan.dreaming, CarrySettings()))
        with closing(record_arrivals(dreamed)) as first_frames:
            write_video(first_frames, output, info, overwrite=True)
    return (arrivals[-1] - arrivals[0]) / (len(arrivals) - 1)
