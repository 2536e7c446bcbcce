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

from dreamvideo import leftovers
from dreamvideo.bench.pictures import moving, stream
from dreamvideo.bench.report import Row, Section, table
from dreamvideo.bench.scaling_settings import ScalingSettings
from dreamvideo.cluster.crew import Crew, hired
from dreamvideo.cluster.drive import drive
from dreamvideo.cluster.runs import runs_of
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.jobs import Job, Wishes, finished, open_job
from dreamvideo.pipeline import only, shots_of
from dreamvideo.settings import (
    CarrySettings,
    ClusterSettings,
    DreamSettings,
    EncodeSettings,
    MaskSettings,
    ModelSettings,
    ReadSettings,
)
from dreamvideo.writers import write_video

RATE: Final = 25
WORKERS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)  # that the model is asked about
FILM: Final = (1500, 100)  # shots, and frames of each, of the film that it is asked about: 100 minutes


@dataclasses.dataclass(frozen=True, slots=True)
class Costs:
    """Seconds for a frame, and bytes."""

    find: float  # decoding and looking for cuts, where the jobs are given out
    dream: float  # on one worker, all told
    keep: float  # from a worker's hand onto the disk
    join: float  # at the end
    sent: float  # bytes that come back


def bench_scaling(settings: ScalingSettings, model: ModelSettings, dreaming: DreamSettings, quiet: bool) -> int:
    """0: measured. Slowness is no failure."""

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    began = time.monotonic()
    wishes = Wishes(
        ReadSettings(), model, dreaming, CarrySettings(lanes=1), MaskSettings(), EncodeSettings(),
        cluster=ClusterSettings(cluster="local"),
    )  # fmt: skip
    taken: dict[int, list[float]] = {1: [], settings.workers: []}
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as folder:
        job = Job(Path(folder) / "clip.mp4", Path(folder) / "dream.mp4")
        say(f"drawing {settings.shots} shots of {settings.frames} frames ...")
        count = draw(job.source, settings)
        for _ in range(settings.rounds):
            for workers in taken:
                say(f"{workers} of {settings.workers} workers ...")
                with hired(with_workers(wishes, workers), None) as crew:
                    crew.gather()
                    taken[workers].append(dream_only(crew, job, wishes))
        costs = costs_of(job, wishes, count, median(taken[1]))
    one, many = median(taken[1]), median(taken[settings.workers])
    width, height = settings.size
    title = f"{model.model} {width}x{height}, {settings.shots} shots of {settings.frames} frames"
    measured: list[Row] = [
        {"workers": workers, "seconds": median(each), "fps": count / median(each), "times": one / median(each)}
        for workers, each in taken.items()
    ]
    print(table(Section("workers", title, tuple(measured), time.monotonic() - began)))
    ms = {f.name + "_ms": 1000 * getattr(costs, f.name) for f in dataclasses.fields(costs) if f.name != "sent"}
    print(table(Section("a frame", "costs, and what comes back", ({**ms, "bytes": costs.sent},))))
    shots, frames = FILM
    rows: list[Row] = [foretold(costs, workers, shots, frames, one / many / settings.workers) for workers in WORKERS]
    print(table(Section("foretold", f"a film of {shots} shots of {frames} frames", tuple(rows))), flush=True)
    return 0


def with_workers(wishes: Wishes, count: int) -> Wishes:
    """The same, by so many workers."""
    return dataclasses.replace(wishes, cluster=dataclasses.replace(wishes.cluster, workers=count))


def draw(path: Path, settings: ScalingSettings) -> int:
    """Write a clip of as many shots; returns its number of frames."""
    width, height = settings.size
    shots = (moving(height, width, settings.frames, seed) for seed in range(settings.shots))
    count = settings.shots * settings.frames
    images = (frame.image for shot in shots for frame in shot)
    frames = [Frame(image, Fraction(number, RATE)) for number, image in enumerate(images)]
    return write_video(stream(frames), path, StreamInfo(width, height, Fraction(RATE), count, Fraction(1, RATE)))


def dream_only(crew: Crew, job: Job, wishes: Wishes) -> float:
    """Seconds until all pieces of a job are there; they are not joined."""
    folder = leftovers.folder_of(job.output)
    leftovers.remove(folder)
    with open_job(job, wishes) as source:
        runs = list(runs_of(shots_of(only(source.frames), alone=False)))
    last = runs[-1].spans[-1].number

    def done() -> bool:
        return len(leftovers.finished(folder)) > last

    began = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):  # that is how a job is stopped
        drive(crew, [job], wishes, lambda *_: None, lambda _: None, lambda _: None, done, hidden=True)
    return time.monotonic() - began


def costs_of(job: Job, wishes: Wishes, count: int, dreamed: float) -> Costs:
    """What a frame of a job costs, whose pieces are there and took one worker `dreamed` seconds."""
    folder = leftovers.folder_of(job.output)
    began = time.monotonic()
    with open_job(job, wishes) as source:
        for _ in runs_of(shots_of(only(source.frames), alone=False)):
            pass
    find = time.monotonic() - began
    sent, began = 0, time.monotonic()
    for piece in leftovers.finished(folder):
        path = leftovers.packets_of(folder, piece.number)
        content = path.read_bytes()
        sent += len(content)
        leftovers.write_whole(path, content)
        leftovers.keep(folder, piece, None)
    keep = time.monotonic() - began
    began = time.monotonic()
    finished(job, source, wishes, 0)
    return Costs(find / count, dreamed / count, keep / count, (time.monotonic() - began) / count, sent / count)


def foretold(costs: Costs, workers: int, shots: int, frames: int, share: float) -> Row:
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
