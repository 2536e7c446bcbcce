"""Runs `dreamvideo bench cluster`: measures how much faster several workers are than one, and predicts the limit.

One worker and several take turns on the same clip, on workers that are ready. What is done in one place only, splitting
the video, storing segments and joining them, is timed by itself and limits how many workers can be kept busy.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Final

from dreamvideo.bench.synthetic import frame_stream, synthetic_frames
from dreamvideo.errors import Cancelled
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.info.results import ReportSection, results_table
from dreamvideo.info.tables import TableRow
from dreamvideo.jobs.cluster.scheduler import run_on_cluster
from dreamvideo.jobs.cluster.workers import WorkerPool, open_pool
from dreamvideo.jobs.job import Job, JobSettings, open_job
from dreamvideo.jobs.job_output import finish_job
from dreamvideo.jobs.observer import Observer
from dreamvideo.jobs.split import split_into_units
from dreamvideo.media import checkpoint
from dreamvideo.media.segment_content import read_segment, write_segment
from dreamvideo.media.segment_records import finished_segments, record_segment
from dreamvideo.media.video_writer import write_video
from dreamvideo.settings.bench import ScalingSettings
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import ClusterSettings, EncodeSettings, MaskSettings, ReadSettings
from dreamvideo.video.shots import single_input, split_shots

RATE: Final = 25  # frames per second of the clip
PREDICTED_WORKERS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)  # numbers of workers that are predicted
PREDICTED_VIDEO: Final = (1500, 100)  # shots, and frames of each, of the video that is predicted: 100 minutes


@dataclasses.dataclass(frozen=True, slots=True)
class FrameCosts:
    """Seconds and bytes per frame."""

    split: float  # decoding and cut detection, on the machine that distributes the work
    dream: float  # on one worker, everything included
    store: float  # writing a segment that a worker returned
    join: float  # at the end
    returned_bytes: float  # by the worker


def bench_cluster_scaling(
    settings: ScalingSettings, model: ModelSettings, objective: ObjectiveSettings, dreaming: DreamSettings, quiet: bool
) -> int:
    """Measure how much faster several workers are than one, and print the results.

    Args:
        settings: number of workers, and the clip.
        model, objective, dreaming: of the dream.
        quiet: print no progress on stderr.

    Returns:
        The exit code 0; being slow is not an error.

    Raises:
        ClusterError: Ray is missing, or no worker works.
        DreamVideoError: the network or the device cannot be used.
    """

    def print_progress(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    start = time.monotonic()
    job_settings = JobSettings(
        ReadSettings(),
        model,
        objective,
        dreaming,
        CarrySettings(lanes=1),
        MaskSettings(),
        EncodeSettings(),
        cluster=ClusterSettings(cluster="local"),
    )
    times: dict[int, list[float]] = {1: [], settings.workers: []}
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as folder:
        job = Job(Path(folder) / "clip.mp4", Path(folder) / "dream.mp4")
        print_progress(f"drawing {settings.shots} shots of {settings.frames} frames ...")
        count = write_synthetic_shots(job.source, settings)
        for _ in range(settings.rounds):
            for workers in times:
                print_progress(f"{workers} of {settings.workers} workers ...")
                with open_pool(with_workers(job_settings, workers), None) as pool:
                    pool.wait_until_ready()
                    times[workers].append(time_dreaming(pool, job, job_settings))
        costs = measure_frame_costs(job, job_settings, count, median(times[1]))
    width, height = settings.size
    title = f"{model.model} {width}x{height}, {settings.shots} shots of {settings.frames} frames"
    one, several = median(times[1]), median(times[settings.workers])
    measured = ReportSection("workers", title, tuple(_speed_rows(times, count)), time.monotonic() - start)
    per_frame = ReportSection("a frame", "costs, and bytes returned by a worker", (_costs_row(costs),))
    shots, frames = PREDICTED_VIDEO
    efficiency = one / several / settings.workers
    rows = tuple(predict_scaling(costs, workers, shots, frames, efficiency) for workers in PREDICTED_WORKERS)
    predicted = ReportSection("predicted", f"a video of {shots} shots of {frames} frames", rows)
    for section in (measured, per_frame, predicted):
        print(results_table(section), flush=True)
    return 0


def _speed_rows(times: Mapping[int, list[float]], count: int) -> Iterator[TableRow]:
    one = median(times[1])
    for workers, each in times.items():
        seconds = median(each)
        yield {"workers": workers, "seconds": seconds, "fps": count / seconds, "times": one / seconds}


def _costs_row(costs: FrameCosts) -> TableRow:
    seconds = {"split": costs.split, "dream": costs.dream, "store": costs.store, "join": costs.join}
    return {**{f"{name}_ms": 1000 * value for name, value in seconds.items()}, "bytes": costs.returned_bytes}


def with_workers(settings: JobSettings, count: int) -> JobSettings:
    """Return the same settings with another number of workers."""
    return dataclasses.replace(settings, cluster=dataclasses.replace(settings.cluster, workers=count))


def write_synthetic_shots(path: Path, settings: ScalingSettings) -> int:
    """Write the clip of `settings`; returns its number of frames."""
    width, height = settings.size
    shots = (synthetic_frames(height, width, settings.frames, seed) for seed in range(settings.shots))
    count = settings.shots * settings.frames
    images = (frame.image for shot in shots for frame in shot)
    frames = [Frame(image, Fraction(number, RATE)) for number, image in enumerate(images)]
    return write_video(frame_stream(frames), path, StreamInfo(width, height, Fraction(RATE), count, Fraction(1, RATE)))


def time_dreaming(pool: WorkerPool, job: Job, settings: JobSettings) -> float:
    """Return the seconds until all segments of a job are finished; they are not joined."""
    folder = checkpoint.checkpoint_folder(job.output)
    checkpoint.remove_checkpoint(folder)
    with open_job(job, settings) as source:
        units = list(split_into_units(split_shots(single_input(source.frames), alone=False)))
    last = units[-1].segments[-1].number

    class StopWhenDone(Observer):
        def should_stop(self) -> bool:
            return len(finished_segments(folder)) > last

    start = time.monotonic()
    with contextlib.suppress(Cancelled):  # it ends before the segments are joined
        run_on_cluster(pool, [job], settings, StopWhenDone())
    return time.monotonic() - start


def measure_frame_costs(job: Job, settings: JobSettings, count: int, dream_seconds: float) -> FrameCosts:
    """Measure what a frame costs in each place.

    Args:
        job: all of its segments are finished.
        settings: of the job.
        count: frames of the job.
        dream_seconds: time that one worker took for all segments.
    """
    folder = checkpoint.checkpoint_folder(job.output)
    start = time.monotonic()
    with open_job(job, settings) as source:
        for _ in split_into_units(split_shots(single_input(source.frames), alone=False)):
            pass
    split = time.monotonic() - start
    returned_bytes, start = 0, time.monotonic()
    for segment in finished_segments(folder):
        files = read_segment(folder, segment.number)
        returned_bytes += sum(map(len, files.values()))
        write_segment(folder, segment, files, images=False)
        record_segment(folder, segment, None)
    store = time.monotonic() - start
    start = time.monotonic()
    finish_job(job, source, settings, 0)
    join = time.monotonic() - start
    return FrameCosts(split / count, dream_seconds / count, store / count, join / count, returned_bytes / count)


def predict_scaling(costs: FrameCosts, workers: int, shots: int, frames: int, efficiency: float) -> TableRow:
    """Predict the time of a video: that of the workers, of splitting or of storing, whichever is longest; then joining.

    Args:
        costs: per frame.
        workers: how many.
        shots: of the video; a shot stays on one worker.
        frames: of each shot.
        efficiency: measured speed of a worker beside others, over its speed alone.

    Returns:
        A row of the table; `limit` names what takes longest.
    """
    count = shots * frames
    speed = 1.0 if workers == 1 else min(1.0, efficiency)
    rounds = -(-shots // workers)  # of whole shots
    parts = {
        "workers": rounds * frames * costs.dream / speed,
        "splitting": count * costs.split,
        "storing": count * costs.store,
    }
    limit = max(parts, key=lambda name: parts[name])
    seconds = parts[limit] + count * costs.join
    alone = count * (costs.dream + costs.join)
    rate = count * costs.returned_bytes / seconds / 1e6
    return {"workers": workers, "seconds": seconds, "times": alone / seconds, "limit": limit, "MB_per_s": rate}
