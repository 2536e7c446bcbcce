"""Training pictures, rendered by worker processes into shards: files of some hundred pictures.

Knows no torch, which a worker would take seconds to load.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

PIXELS: Final = 112  # pixels a side in a shard
HELD_OUT: Final = 0  # the number of the shard that is never trained on
_SPARE: Final = 10**5  # seeds per shard


def shard_path(folder: Path, number: int) -> Path:
    """Where a shard is, or will be."""
    return folder / f"shard_{number:05d}.npz"


def class_of(number: int, index: int, rng: np.random.Generator) -> str:
    """The class of a picture of a shard: all in turn, but some only in a share of their turns."""
    from dreamvideo.training.render import CLASSES, MOTIFS

    name = CLASSES[(index + number) % len(CLASSES)]
    if name in MOTIFS and rng.random() > MOTIFS[name].share:
        return str(rng.choice([other for other, motif in MOTIFS.items() if motif.share == 1]))
    return name


def render_shard(folder: Path, number: int, count: int, seed: int) -> None:
    """Write a shard of `count` pictures, unless it is there; the same arguments give the same file."""
    from dreamvideo.training.render import CLASSES, render

    path = shard_path(folder, number)
    if path.exists():
        return
    rng = np.random.default_rng([seed, number])
    images, labels = np.zeros((count, PIXELS, PIXELS, 3), np.uint8), np.zeros(count, np.uint8)
    for index in range(count):
        picture = render((seed * 10**4 + number) * _SPARE + index, class_of(number, index, rng), PIXELS)
        images[index], labels[index] = picture.image, CLASSES.index(picture.name)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez(file, images=images, labels=labels)
    part.replace(path)  # whole, or not there


def _start_worker() -> None:
    import cv2

    cv2.setNumThreads(1)


@contextmanager
def rendering(folder: Path, shards: int, per_shard: int, seed: int, workers: int) -> Iterator[Callable[[], bool]]:
    """Render shards in `workers` processes for as long as the block lasts.

    Yields:
        A function that raises what went wrong in a worker, else says whether all shards are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Spawned: a forked process may inherit a lock that one of torch's threads holds.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker)
    jobs: list[Future[None]] = [pool.submit(render_shard, folder, number, per_shard, seed) for number in range(shards)]

    def all_done() -> bool:
        done = [job for job in jobs if job.done()]
        for job in done:
            job.result()
        return len(done) == len(jobs)

    try:
        yield all_done
    finally:
        pool.shutdown(cancel_futures=True)
