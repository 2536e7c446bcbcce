"""Runs `dreamvideo bench cluster --films N`: many short films on workers, and on processes that share nothing.

The processes take a part of the films each, and know nothing of each other; what workers take longer is what giving out
the films costs. Both are timed from nothing to the last film, so it takes many films for their beginnings not to count.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Final

from dreamvideo.bench.synthetic import frame_stream, synthetic_frames
from dreamvideo.errors import ClusterError
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.info.results import ReportSection, results_table
from dreamvideo.info.tables import TableRow
from dreamvideo.jobs.cluster.scheduler import run_on_cluster
from dreamvideo.jobs.cluster.workers import open_pool
from dreamvideo.jobs.job import Job, JobResult, JobSettings
from dreamvideo.jobs.job_schedule import load_job_networks
from dreamvideo.jobs.observer import Observer
from dreamvideo.jobs.runner import dream_jobs
from dreamvideo.media.video_writer import write_video
from dreamvideo.process import configure_process, network_folder, networks_from
from dreamvideo.settings.bench import ScalingSettings

RATE: Final = 25  # frames per second of a film


def bench_many_films(settings: ScalingSettings, job_settings: JobSettings, quiet: bool) -> int:
    """Measure how much longer workers take for many films than processes that share nothing, and print it.

    Args:
        settings: number of films and workers, size and length of each film.
        job_settings: of the dream, with the address of a cluster.
        quiet: print no progress on stderr.

    Returns:
        The exit code 0; being slow is not an error.

    Raises:
        ClusterError: Ray is missing, no worker works, or a film was not dreamed.
        DreamVideoError: the network or the device cannot be used.
    """
    assert settings.films is not None
    start = time.monotonic()
    times: dict[str, list[float]] = {"processes": [], "workers": []}
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as name:
        folder = Path(name)
        sources = _write_films(folder, settings)
        for number in range(settings.rounds):
            for way, seconds in times.items():
                if not quiet:
                    print(f"{settings.workers} {way} ...", file=sys.stderr, flush=True)
                jobs = [Job(path, folder / f"{way}{number}" / path.name) for path in sources]
                run = _on_processes if way == "processes" else _on_workers
                seconds.append(run(jobs, job_settings, settings.workers))
                shutil.rmtree(folder / f"{way}{number}")
    width, height = settings.size
    title = f"{job_settings.model.model} {width}x{height}, {settings.films} films of {settings.frames} frames"
    rows = tuple(_row(way, seconds, settings.films, times["processes"]) for way, seconds in times.items())
    print(results_table(ReportSection("films", title, rows, time.monotonic() - start)), flush=True)
    return 0


def _row(way: str, times: Sequence[float], films: int, baseline: Sequence[float]) -> TableRow:
    seconds = median(times)
    return {
        "on": way,
        "seconds": seconds,
        "ms_a_film": 1000 * seconds / films,
        "times": seconds / median(baseline),
    }


def _write_films(folder: Path, settings: ScalingSettings) -> list[Path]:
    """One film under many names."""
    assert settings.films is not None
    width, height = settings.size
    drawn = synthetic_frames(height, width, settings.frames, 0)
    frames = [Frame(frame.image, Fraction(number, RATE)) for number, frame in enumerate(drawn)]
    info = StreamInfo(width, height, Fraction(RATE), len(frames), Fraction(1, RATE))
    paths = [folder / f"{number:04}.mp4" for number in range(settings.films)]
    write_video(frame_stream(frames), paths[0], info)
    for path in paths[1:]:
        shutil.copy(paths[0], path)
    return paths


class _Results(Observer):
    def __init__(self) -> None:
        self.done = 0

    def finished(self, result: JobResult) -> None:
        if result.error is not None:
            raise result.error
        self.done += 1


def _on_workers(jobs: Sequence[Job], settings: JobSettings, workers: int) -> float:
    start, results = time.monotonic(), _Results()
    with open_pool(settings, None) as pool:
        run_on_cluster(pool, jobs, settings, results)
    if results.done != len(jobs):
        raise ClusterError(f"{results.done} of {len(jobs)} films were dreamed")
    return time.monotonic() - start


def _on_processes(jobs: Sequence[Job], settings: JobSettings, workers: int) -> float:
    start = time.monotonic()
    parts = [jobs[number::workers] for number in range(workers)]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        done = sum(pool.map(partial(_dream_part, settings=settings, folder=network_folder()), parts))
    if done != len(jobs):
        raise ClusterError(f"{done} of {len(jobs)} films were dreamed")
    return time.monotonic() - start


def _dream_part(jobs: Sequence[Job], settings: JobSettings, folder: Path | None) -> int:
    results = _Results()
    configure_process(settings.model, opencv_threads=True)
    with networks_from(folder):
        dream_jobs(jobs, settings, partial(load_job_networks, settings), results)
    return results.done
