"""Renders training images in worker processes, into shards: files of a few hundred images.

Does not import torch, which would cost each worker process seconds to load.
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

PIXELS: Final = 112  # side of the images in a shard; training uses at most 72, measurements up to 96
HELD_OUT: Final = 0  # number of the shard that is never trained on
_SEEDS_PER_SHARD: Final = 10**5  # more than a shard has images


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of a shard, which need not exist yet.

    Args:
        folder: of all shards of a run.
        number: from 0.
    """
    return folder / f"shard_{number:05d}.npz"


def class_at(number: int, index: int, rng: np.random.Generator) -> str:
    """Choose the class of an image.

    The classes take turns, so all are equally frequent; a motif with a `share` below 1 gives the rest of its turns to
    randomly chosen motifs without one.

    Args:
        number: of the shard.
        index: of the image in the shard.
        rng: of the shard.

    Returns:
        The name of the class.
    """
    from dreamvideo.training.render import CLASSES, MOTIFS

    name = CLASSES[(index + number) % len(CLASSES)]
    if name in MOTIFS and rng.random() > MOTIFS[name].share:
        return str(rng.choice([other for other, motif in MOTIFS.items() if motif.share == 1]))
    return name


def render_shard(folder: Path, number: int, count: int, seed: int) -> None:
    """Write a shard unless it exists; the same arguments give the same file.

    Args:
        folder: of all shards of a run.
        number: of this shard.
        count: images in it.
        seed: of the run.
    """
    from dreamvideo.training.render import CLASSES, render

    path = shard_path(folder, number)
    if path.exists():
        return
    rng = np.random.default_rng([seed, number])
    images, labels = np.zeros((count, PIXELS, PIXELS, 3), np.uint8), np.zeros(count, np.uint8)
    for index in range(count):
        rendered = render((seed * 10**4 + number) * _SEEDS_PER_SHARD + index, class_at(number, index, rng), PIXELS)
        images[index], labels[index] = rendered.image, CLASSES.index(rendered.name)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez(file, images=images, labels=labels)
    part.replace(path)  # atomic: readers never see half a shard


def _start_worker() -> None:
    import cv2

    cv2.setNumThreads(1)


@contextmanager
def render_in_background(
    folder: Path, shards: int, per_shard: int, seed: int, workers: int
) -> Iterator[Callable[[], bool]]:
    """Render shards in worker processes while the block runs.

    Args:
        folder: created if it does not exist.
        shards: number of shards, the held-out one included.
        per_shard: images of a shard.
        seed: of the run.
        workers: processes.

    Yields:
        A function that returns whether all shards are rendered, and raises what went wrong in a worker.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Spawned: a forked process may inherit a lock that one of torch's threads holds.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker)
    jobs: list[Future[None]] = [pool.submit(render_shard, folder, number, per_shard, seed) for number in range(shards)]

    def all_rendered() -> bool:
        finished = [job for job in jobs if job.done()]
        for job in finished:
            job.result()
        return len(finished) == len(jobs)

    try:
        yield all_rendered
    finally:
        pool.shutdown(cancel_futures=True)
