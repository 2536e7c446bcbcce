"""Training from scratch: python -m dreamvideo.training.train --minutes M [--device cpu|cuda] [--out DIR] [--resume]

Plain at first, then against an attack that grows (see `step`). What is kept is a moving average of the weights, its
batch normalization measured anew.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from dreamvideo._version import __version__
from dreamvideo.errors import DeviceError, DreamVideoError, ModelError, OutputError
from dreamvideo.models.dreamnet.net import fold_network
from dreamvideo.models.dreamnet.trained import load_dreamnet
from dreamvideo.training.augment import varied
from dreamvideo.training.batches import Batch, Shards, read_shard
from dreamvideo.training.calibration import (
    Ascend,
    accuracy,
    balanced_divisors,
    channel_rms,
    pictures_to_dream_on,
    recalibrate,
)
from dreamvideo.training.export import export, same_within
from dreamvideo.training.node_sheet import node_sheet
from dreamvideo.training.recipe import Recipe
from dreamvideo.training.render_sheet import write_png
from dreamvideo.training.shards import HELD_OUT, rendering, shard_path
from dreamvideo.training.train_state import State, load_checkpoint, new_state, save_checkpoint
from dreamvideo.training.train_step import train_step

log = logging.getLogger(__name__)

CHECKPOINT: Final = "checkpoint.pt"
WEIGHTS: Final = "dreamnet.safetensors"
SHEET: Final = "sheet.png"
_CHECKPOINT_SECONDS: Final = 60.0
_LOG_STEPS: Final = 50


def train(
    recipe: Recipe,
    folder: Path,
    classes: Sequence[str],
    device: torch.device,
    *,
    workers: int = 1,
    resume: bool = False,
    ascend: Ascend | None = None,
) -> Path:
    """Render, train, and write `folder`/dreamnet.safetensors, whose path is returned, and `folder`/sheet.png.

    Args:
        workers: processes that render.
        resume: go on from the checkpoint in `folder`.
        ascend: dreams, for the balance of the divisors; None: `dreamvideo.ascent.octaves`.

    Raises:
        DreamVideoError: what cannot be resumed, written or read.
    """
    state = new_state(recipe, len(classes), device)
    if (folder / CHECKPOINT).exists() and not resume:
        raise OutputError(f"{folder} holds a checkpoint: add --resume to go on, or choose another --out")
    if resume:
        load_checkpoint(folder / CHECKPOINT, state, recipe)
    began = time.monotonic() - state.seconds
    shards = Shards(folder / f"shards_{recipe.seed}_{recipe.per_shard}")
    with rendering(shards.folder, recipe.shards, recipe.per_shard, recipe.seed, workers) as all_rendered:
        _wait_for(shards, recipe, all_rendered)
        _train_until(recipe.minutes * 60, began, state, shards, recipe, folder / CHECKPOINT, all_rendered)
    return _finish(state, shards, recipe, folder / WEIGHTS, classes, ascend)


def _wait_for(shards: Shards, recipe: Recipe, all_rendered: Callable[[], bool]) -> None:
    """Until there is a shard to train on and the one held out."""
    while not (len(shards) >= recipe.batch and shard_path(shards.folder, HELD_OUT).exists()):
        all_rendered()
        time.sleep(0.2)
        shards.refresh()


def _train_until(
    seconds: float,
    began: float,
    state: State,
    shards: Shards,
    recipe: Recipe,
    checkpoint: Path,
    all_rendered: Callable[[], bool],
) -> None:
    written, losses, rights = time.monotonic(), 0.0, 0.0
    for batch in _endless(state, shards, recipe, all_rendered):
        state.seconds = time.monotonic() - began
        progress = state.seconds / seconds
        if progress >= 1:
            break
        loss, right = train_step(state, batch, progress, recipe)
        losses, rights = losses + loss, rights + right
        if state.step % _LOG_STEPS == 0:
            log.info(
                "%4.0f s  step %d  pictures %d  radius %.2f  loss %.3f  accuracy %.3f  %.0f images/s",
                *(state.seconds, state.step, len(shards), recipe.radius(progress)),
                *(losses / _LOG_STEPS, rights / _LOG_STEPS, state.passes / state.seconds),
            )
            losses = rights = 0.0
        if time.monotonic() - written > _CHECKPOINT_SECONDS:
            save_checkpoint(checkpoint, state, recipe)
            written = time.monotonic()
    save_checkpoint(checkpoint, state, recipe)


def _endless(state: State, shards: Shards, recipe: Recipe, all_rendered: Callable[[], bool]) -> Iterator[Batch]:
    """Batches, epoch after epoch, of all that was rendered when the epoch began."""
    while True:
        all_rendered()
        shards.refresh()
        yield from shards.batches(recipe.batch, np.random.default_rng([recipe.seed, state.epoch]))
        state.epoch += 1


def _finish(
    state: State, shards: Shards, recipe: Recipe, path: Path, classes: Sequence[str], ascend: Ascend | None
) -> Path:
    net = copy.deepcopy(state.average)
    recalibrate(net, _noisy_batches(state, shards, recipe))
    held_out = read_shard(shard_path(shards.folder, HELD_OUT))
    folded = fold_network(net).requires_grad_(False)
    shares = {name: float(right.float().mean()) for name, right in accuracy(folded, held_out).items()}
    log.info("accuracy on %d pictures held out: %s", len(held_out[1]), shares)
    rms = channel_rms(folded, held_out[0])
    divisors = balanced_divisors(folded, rms, pictures_to_dream_on(), ascend)
    history = {
        "recipe": dataclasses.asdict(recipe),
        "seed": recipe.seed,
        "passes": state.passes,
        "accuracy": shares,
        "version": __version__,
    }
    export(path, folded, classes, rms, divisors, history)
    trained = load_dreamnet(path)
    if not same_within(folded, trained.net):
        raise ModelError(f"{path}: half precision does not hold these weights; train longer or with a lower rate")
    write_png(path.with_name(SHEET), node_sheet(trained, pictures_to_dream_on()[:1]))
    log.info("wrote %s, and %s: what every layer dreams", path, SHEET)
    return path


def _noisy_batches(state: State, shards: Shards, recipe: Recipe, count: int = 30) -> Iterator[Tensor]:
    """What the statistics are measured on: noise as strong as the last attack."""
    batches = shards.batches(recipe.batch, np.random.default_rng(recipe.seed))
    for _, (pictures, _) in zip(range(count), batches, strict=False):
        images = varied(pictures.to(state.net.device), 80, state.generator)
        noise = torch.randn(images.shape, generator=state.generator, device=images.device)
        yield images + noise * (recipe.largest_radius / 111)  # 111 = sqrt(3 * 64 * 64)


def _parser() -> argparse.ArgumentParser:
    defaults = Recipe()
    parser = argparse.ArgumentParser(
        prog="python -m dreamvideo.training.train", description="Train DreamNet from scratch, on its own renders."
    )
    parser.add_argument("--minutes", type=float, default=defaults.minutes, metavar="M", help="default: %(default)s")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("dreamnet"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR")
    parser.add_argument("--pictures", type=int, default=defaults.pictures, metavar="N", help="default: %(default)s")
    parser.add_argument("--per-shard", type=int, default=defaults.per_shard, metavar="N", help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=defaults.batch, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=defaults.seed, metavar="N", help="default: %(default)s")
    workers = max(1, (os.cpu_count() or 2) - 1)
    parser.add_argument("--workers", type=int, default=workers, metavar="N", help="rendering processes: %(default)s")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads that train (default: all cores)")
    return parser


def train_main(argv: Sequence[str] | None = None) -> int:
    """Train; 0 done, 1 it could not be, 130 interrupted."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        if args.device == "cuda" and not torch.cuda.is_available():
            raise DeviceError("--device cuda: torch finds no CUDA device; use --device cpu")
        from dreamvideo.training.render import CLASSES

        recipe = Recipe(args.minutes, args.seed, args.pictures, args.per_shard, args.batch)
        device = torch.device(args.device)
        train(recipe, args.out, CLASSES, device, workers=max(1, args.workers), resume=args.resume)
    except DreamVideoError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(train_main())
