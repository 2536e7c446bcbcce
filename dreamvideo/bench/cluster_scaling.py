"""`dreamvideo bench cluster`: how much faster several workers are than one, and where that ends.

One and many take turns on the same clip, on workers that are ready. What is done in one place only, finding runs,
keeping pieces and joining them, is timed by itself, and says how many workers there is work for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
import time
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
from dreamvideo.jobs.cluster.split import split_into_units
from dreamvideo.jobs.cluster.workers import WorkerPool, open_pool
from dreamvideo.jobs.job import Job, JobSettings, finish_job, open_job
from dreamvideo.jobs.observer import Observer
from dreamvideo.media import checkpoint
from dreamvideo.media.video_writer import write_video
from dreamvideo.settings.bench import ScalingSettings
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import ClusterSettings, EncodeSettings, MaskSettings, ReadSettings
from dreamvideo.video.pipeline import single_input, split_shots

RATE: Final = 25
PREDICTED_WORKERS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)  # that the model is asked about
PREDICTED_VIDEO: Final = (1500, 100)  # shots, and frames of each, of the film that it is asked about: 100 minutes


@dataclasses.dataclass(frozen=True, slots=True)
class FrameCosts:
    """Seconds for a frame, and bytes."""

    find: float  # decoding and looking for cuts, where the jobs are given out
    dream: float  # on one worker, all told
    keep: float  # from a worker's hand onto the disk
    join: float  # at the end
    sent: float  # bytes that come back


def bench_cluster_scaling(
    settings: ScalingSettings, model: ModelSettings, objective: ObjectiveSettings, dreaming: DreamSettings, quiet: bool
) -> int:
    """0: measured. Slowness is no failure."""

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    began = time.monotonic()
    wishes = JobSettings(
        ReadSettings(),
        model,
        objective,
        dreaming,
        CarrySettings(lanes=1),
        MaskSettings(),
        EncodeSettings(),
        cluster=ClusterSettings(cluster="local"),
    )
    taken: dict[int, list[float]] = {1: [], settings.workers: []}
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as folder:
        job = Job(Path(folder) / "clip.mp4", Path(folder) / "dream.mp4")
        say(f"drawing {settings.shots} shots of {settings.frames} frames ...")
        count = write_synthetic_shots(job.source, settings)
        for _ in range(settings.rounds):
            for workers in taken:
                say(f"{workers} of {settings.workers} workers ...")
                with open_pool(with_workers(wishes, workers), None) as crew:
                    crew.wait_until_ready()
                    taken[workers].append(time_dreaming(crew, job, wishes))
        costs = measure_frame_costs(job, wishes, count, median(taken[1]))
    one, many = median(taken[1]), median(taken[settings.workers])
    width, height = settings.size
    title = f"{model.model} {width}x{height}, {settings.shots} shots of {settings.frames} frames"
    measured: list[TableRow] = [
        {"workers": workers, "seconds": median(each), "fps": count / median(each), "times": one / median(each)}
        for workers, each in taken.items()
    ]
    print(results_table(ReportSection("workers", title, tuple(measured), time.monotonic() - began)))
    ms = {f.name + "_ms": 1000 * getattr(costs, f.name) for f in dataclasses.fields(costs) if f.name != "sent"}
    print(results_table(ReportSection("a frame", "costs, and what comes back", ({**ms, "bytes": costs.sent},))))
    shots, frames = PREDICTED_VIDEO
    rows: list[TableRow] = [
        predict_scaling(costs, workers, shots, frames, one / many / settings.workers) for workers in PREDICTED_WORKERS
    ]
    print(
        results_table(ReportSection("foretold", f"a film of {shots} shots of {frames} frames", tuple(rows))), flush=True
    )
    return 0


def with_workers(wishes: JobSettings, count: int) -> JobSettings:
    """The same, by so many workers."""
    return dataclasses.replace(wishes, cluster=dataclasses.replace(wishes.cluster, workers=count))


def write_synthetic_shots(path: Path, settings: ScalingSettings) -> int:
    """Write a clip of as many shots; returns its number of frames."""
    width, height = settings.size
    shots = (synthetic_frames(height, width, settings.frames, seed) for seed in range(settings.shots))
    count = settings.shots * settings.frames
    images = (frame.image for shot in shots for frame in shot)
    frames = [Frame(image, Fraction(number, RATE)) for number, image in enumerate(images)]
    return write_video(frame_stream(frames), path, StreamInfo(width, height, Fraction(RATE), count, Fraction(1, RATE)))


def time_dreaming(crew: WorkerPool, job: Job, wishes: JobSettings) -> float:
    """Seconds until all pieces of a job are there; they are not joined."""
    folder = checkpoint.checkpoint_folder(job.output)
    checkpoint.remove_checkpoint(folder)
    with open_job(job, wishes) as source:
        units = list(split_into_units(split_shots(single_input(source.frames), alone=False)))
    last = units[-1].segments[-1].number

    class StopWhenDone(Observer):
        def should_stop(self) -> bool:
            return len(checkpoint.finished_segments(folder)) > last

    began = time.monotonic()
    with contextlib.suppress(Cancelled):  # it ends before the segments are joined
        run_on_cluster(crew, [job], wishes, StopWhenDone())
    return time.monotonic() - began


def measure_frame_costs(job: Job, wishes: JobSettings, count: int, dreamed: float) -> FrameCosts:
    """What a frame of a job costs, whose pieces are there and took one worker `dreamed` seconds."""
    folder = checkpoint.checkpoint_folder(job.output)
    began = time.monotonic()
    with open_job(job, wishes) as source:
        for _ in split_into_units(split_shots(single_input(source.frames), alone=False)):
            pass
    find = time.monotonic() - began
    sent, began = 0, time.monotonic()
    for piece in checkpoint.finished_segments(folder):
        path = checkpoint.segment_path(folder, piece.number)
        content = path.read_bytes()
        sent += len(content)
        checkpoint.write_atomically(path, content)
        checkpoint.record_segment(folder, piece, None)
    keep = time.monotonic() - began
    began = time.monotonic()
    finish_job(job, source, wishes, 0)
    return FrameCosts(find / count, dreamed / count, keep / count, (time.monotonic() - began) / count, sent / count)


def predict_scaling(costs: FrameCosts, workers: int, shots: int, frames: int, share: float) -> TableRow:
    """How long a film takes: the slowest of workers, the search for runs and the disk; then joining.

    Args:
        share: what of a worker's speed is left beside others, as was measured.
    """
    count = shots * frames
    kept = 1.0 if workers == 1 else min(1.0, share)
    rounds = -(-shots // workers)  # of whole shots
    parts = {
        "workers": rounds * frames * costs.dream / kept,
        "finding runs": count * costs.find,
        "keeping pieces": count * costs.keep,
    }
    slowest = max(parts, key=lambda name: parts[name])
    seconds = parts[slowest] + count * costs.join
    alone = count * (costs.dream + costs.join)
    sent = count * costs.sent / seconds / 1e6
    return {"workers": workers, "seconds": seconds, "times": alone / seconds, "limit": slowest, "MB_per_s": sent}
