"""Runs `dreamvideo bench cluster`: measures how much faster several workers are than one, and simulates more of them.

One worker and several take turns on the same clip, on workers that are ready. What skipping to a cut costs, and what is
done in one place only, giving out windows, taking note of segments and joining them, is timed by itself; the simulation
is made of that. What the scheduler does is timed on windows of two seconds that pass through workers undreamed, by the
time of its thread: on a machine that is busy with dreaming that is not more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Final

from dreamvideo.bench.cluster_model import ClusterModel, FrameCosts
from dreamvideo.bench.cluster_simulation import POLL, costs_row, predict_scaling, simulate_films
from dreamvideo.bench.many_films import bench_many_films
from dreamvideo.bench.model_film import model_film
from dreamvideo.bench.pretended_machines import pretended_machines
from dreamvideo.bench.synthetic import frame_stream, synthetic_frames
from dreamvideo.errors import Cancelled
from dreamvideo.frames import Frame, Frames, StreamInfo
from dreamvideo.info.results import ReportSection, results_table
from dreamvideo.info.tables import TableRow
from dreamvideo.jobs.cluster.scheduler import run_on_cluster
from dreamvideo.jobs.cluster.workers import WorkerPool, open_pool
from dreamvideo.jobs.job import Job, JobSettings, open_job
from dreamvideo.jobs.observer import Observer
from dreamvideo.media import checkpoint
from dreamvideo.media.concat import SegmentJoiner
from dreamvideo.media.segment_records import finished_segments, segment_path
from dreamvideo.media.video_writer import write_video
from dreamvideo.settings.bench import ScalingSettings
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import ClusterSettings, EncodeSettings, MaskSettings, ReadSettings
from dreamvideo.video.shots import DreamInput, split_shots

RATE: Final = 25  # frames per second of the clip
SEGMENTS: Final = 300  # of the film on which the scheduler is timed
SCHEDULER_ROUNDS: Final = 3


def bench_cluster_scaling(
    settings: ScalingSettings, model: ModelSettings, objective: ObjectiveSettings, dreaming: DreamSettings, quiet: bool
) -> int:
    """Measure how much faster several workers are than one, or how they do with many films, and print the results.

    Args:
        settings: number of workers, and the clip or films.
        model, objective, dreaming: of the dream.
        quiet: print no progress on stderr.

    Returns:
        The exit code 0; being slow is not an error.

    Raises:
        ClusterError: Ray is missing, or no worker works.
        DreamVideoError: the network or the device cannot be used.
    """

    job_settings = JobSettings(
        ReadSettings(),
        model,
        objective,
        dreaming,
        CarrySettings(lanes=1),
        MaskSettings(),
        EncodeSettings(),
    )
    with _machines(settings, model.threads or 1) as address:
        cluster = ClusterSettings(cluster=address, workers=settings.workers)
        job_settings = dataclasses.replace(job_settings, cluster=cluster)
        if settings.films is not None:
            return bench_many_films(settings, job_settings, quiet)
        return _bench_clip(settings, job_settings, quiet)


@contextlib.contextmanager
def _machines(settings: ScalingSettings, threads: int) -> Iterator[str]:
    """Yield the address of a cluster with cores for all workers."""
    if settings.machines == 1:
        yield "local"
        return
    with pretended_machines(settings.machines, threads * settings.workers // settings.machines) as address:
        yield address


def _bench_clip(settings: ScalingSettings, job_settings: JobSettings, quiet: bool) -> int:
    def print_progress(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    start = time.monotonic()
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
                    times[workers].append(time_dreaming(pool, job, job_settings, count))
        print_progress("giving out many windows ...")
        assign, report = time_scheduler(Path(folder), job_settings)
        costs = measure_costs(job, job_settings, count, median(times[1]), 2)
        costs = dataclasses.replace(costs, assign=assign, report=report)
    width, height = settings.size
    title = f"{job_settings.model.model} {width}x{height}, {settings.shots} shots of {settings.frames} frames"
    share = min(1.0, median(times[1]) / median(times[settings.workers]) / settings.workers)
    measured = ReportSection("workers", title, tuple(_speed_rows(times, count)), time.monotonic() - start)
    costs_section = ReportSection("costs", "of a frame, a segment and a window", (costs_row(costs),))
    shots = (settings.frames,) * settings.shots
    here = predict_scaling(costs, model_film(shots, RATE), ClusterModel(0, share), (1, settings.workers))
    simulated = ReportSection("simulated", "the same clip", here)
    for section in (measured, costs_section, simulated, *simulate_films(costs, ClusterModel(0, share))):
        print(results_table(section), flush=True)
    return 0


def _speed_rows(times: Mapping[int, list[float]], count: int) -> Iterator[TableRow]:
    one = median(times[1])
    for workers, each in times.items():
        seconds = median(each)
        yield {"workers": workers, "seconds": seconds, "fps": count / seconds, "times": one / seconds}


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


def time_dreaming(pool: WorkerPool, job: Job, settings: JobSettings, count: int) -> float:
    """Return the seconds until all segments of a job are finished; they are not joined.

    Args:
        pool: the workers.
        job: what is dreamed into what.
        settings: of the job.
        count: its frames.
    """
    checkpoint.remove_checkpoint(checkpoint.checkpoint_folder(job.output))

    class StopWhenDone(Observer):
        done = 0

        def progress(self, job: Job, frames: int) -> None:
            self.done += frames

        def should_stop(self) -> bool:
            return self.done >= count

    start = time.monotonic()
    with contextlib.suppress(Cancelled):  # it ends before the segments are joined
        run_on_cluster(pool, [job], settings, StopWhenDone())
    return time.monotonic() - start


def time_scheduler(folder: Path, settings: JobSettings) -> tuple[float, float]:
    """Return the seconds of the scheduler's thread for each window and for each segment, Ray's calls included.

    Args:
        folder: for a film of small frames, one a second.
        settings: of the job; nothing is dreamed.
    """
    settings = dataclasses.replace(settings, dream=dataclasses.replace(settings.dream, iterations=0))
    source = folder / "windows.mp4"
    shots = (synthetic_frames(32, 32, 4, seed) for seed in range(SEGMENTS // 2))
    images = (frame.image for shot in shots for frame in shot)
    frames = [Frame(image, Fraction(number)) for number, image in enumerate(images)]
    write_video(frame_stream(frames), source, StreamInfo(32, 32, Fraction(1), len(frames), Fraction(1)))
    few, many = list[tuple[float, int]](), list[tuple[float, int]]()  # seconds and windows of each run
    with open_pool(settings, None) as pool:
        pool.wait_until_ready()
        # As if there were so many workers, windows are as short as can be.
        for workers, runs in [(pool.count, few), (SEGMENTS, many)] * (1 + SCHEDULER_ROUNDS):
            pool.count, before, start = workers, pool.requests, time.thread_time()
            run_on_cluster(pool, [Job(source, folder / f"windows{pool.requests}.mp4")], settings, Observer())
            runs.append((time.thread_time() - start, pool.requests - before))
    (of_few, fewer), (of_many, more) = (_medians(runs[1:]) for runs in (few, many))  # without the first, which loads
    assign = max(0.0, (of_many - of_few) / (more - fewer))  # noise may be more than it is
    return assign, max(0.0, of_few - fewer * assign) / SEGMENTS


def _medians(runs: Sequence[tuple[float, int]]) -> tuple[float, float]:
    return median(seconds for seconds, _ in runs), median(windows for _, windows in runs)


def _beyond_end(frames: Frames, count: int) -> Generator[DreamInput, None, None]:
    """A window in which no shot begins, so that all frames of a film are passed over."""
    yield DreamInput(frames, begin=count)


def measure_costs(job: Job, settings: JobSettings, count: int, dream_seconds: float, requests: int) -> FrameCosts:
    """Measure what a frame costs in each place, and what beginning and ending does.

    Args:
        job: all of its segments are finished.
        settings: of the job.
        count: frames of the job.
        dream_seconds: time that one worker took for all segments.
        requests: how often it began a window.
    """
    folder = checkpoint.checkpoint_folder(job.output)
    start = time.monotonic()
    with open_job(job, settings, late=True) as source:
        opening = time.monotonic() - start
        for _ in split_shots(_beyond_end(source.frames, count), alone=False, for_flow=True):
            raise AssertionError("a shot begins after the end")
    skip = time.monotonic() - start - opening
    stored = finished_segments(folder)
    written = sum(segment_path(folder, segment.number).stat().st_size for segment in stored)
    start = time.monotonic()
    joiner = SegmentJoiner(job.output, source.info, settings.encode, None, stored[-1].last, True)
    begun = time.monotonic()
    for segment in stored:
        joiner.add(segment)
    joined = time.monotonic()
    joiner.finish(overwrite=True)
    checkpoint.remove_checkpoint(folder)
    return FrameCosts(
        skip=skip / count,
        dream=(dream_seconds - requests * opening) / count,
        join=(joined - begun) / count,
        finish=time.monotonic() - joined + begun - start,
        report=0.0,
        assign=0.0,
        poll=POLL,
        request=opening,
        read_bytes=job.source.stat().st_size / count,
        written_bytes=written / count,
    )
