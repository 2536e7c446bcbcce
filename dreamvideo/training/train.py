"""Trains DreamNet: python -m dreamvideo.training.train --minutes M [--device cpu|cuda] [--out DIR] [--resume]

Training is plain at first, then adversarial with a growing radius (see `train_step`). The exported network is a moving
average of the weights whose batch normalization is measured again at the end.
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
from dreamvideo.training.augment import augment_images
from dreamvideo.training.batches import Batch, ShardReader, read_shard
from dreamvideo.training.calibration import (
    Ascend,
    balanced_divisors,
    calibration_images,
    channel_rms,
    head_accuracy,
    recalibrate,
)
from dreamvideo.training.export import export, outputs_match
from dreamvideo.training.node_sheet import node_sheet
from dreamvideo.training.recipe import Recipe
from dreamvideo.training.render import CLASSES
from dreamvideo.training.render_sheet import write_png
from dreamvideo.training.shards import HELD_OUT, render_in_background, shard_path
from dreamvideo.training.train_state import TrainState, load_checkpoint, new_state, save_checkpoint
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
    """Render, train, and write `folder`/dreamnet.safetensors and `folder`/sheet.png.

    Args:
        recipe: hyperparameters.
        folder: of the shards, the checkpoint and the results; created if it does not exist.
        classes: names, in the order of the logits.
        device: where to train.
        workers: processes that render.
        resume: continue from the checkpoint in `folder`.
        ascend: dreams images while the divisors are balanced. Default: `dreamvideo.ascent.octaves.dream`.

    Returns:
        The path of the weights file.

    Raises:
        OutputError: the folder holds a checkpoint and `resume` is False, or a file cannot be written.
        ModelError: there is no checkpoint to resume, or half precision does not hold the weights.
    """
    state = new_state(recipe, len(classes), device)
    if (folder / CHECKPOINT).exists() and not resume:
        raise OutputError(f"{folder} holds a checkpoint: add --resume to continue it, or choose another --out")
    if resume:
        load_checkpoint(folder / CHECKPOINT, state, recipe)
    started_at = time.monotonic() - state.seconds
    shards = ShardReader(folder / f"shards_{recipe.seed}_{recipe.per_shard}")
    with render_in_background(shards.folder, recipe.shards, recipe.per_shard, recipe.seed, workers) as all_rendered:
        _wait_for(shards, recipe, all_rendered)
        _train_until(recipe.minutes * 60, started_at, state, shards, recipe, folder / CHECKPOINT, all_rendered)
    return _finish(state, shards, recipe, folder / WEIGHTS, classes, ascend)


def _wait_for(shards: ShardReader, recipe: Recipe, all_rendered: Callable[[], bool]) -> None:
    """Wait until a batch and the held-out shard are rendered."""
    while not (len(shards) >= recipe.batch and shard_path(shards.folder, HELD_OUT).exists()):
        all_rendered()
        time.sleep(0.2)
        shards.refresh()


def _train_until(
    seconds: float,
    started_at: float,
    state: TrainState,
    shards: ShardReader,
    recipe: Recipe,
    checkpoint: Path,
    all_rendered: Callable[[], bool],
) -> None:
    saved_at, loss_sum, accuracy_sum = time.monotonic(), 0.0, 0.0
    for batch in _endless(state, shards, recipe, all_rendered):
        state.seconds = time.monotonic() - started_at
        progress = state.seconds / seconds
        if progress >= 1:
            break
        loss, batch_accuracy = train_step(state, batch, progress, recipe)
        loss_sum, accuracy_sum = loss_sum + loss, accuracy_sum + batch_accuracy
        if state.step % _LOG_STEPS == 0:
            log.info(
                "%4.0f s  step %d  images %d  radius %.2f  loss %.3f  accuracy %.3f  %.0f images/s",
                *(state.seconds, state.step, len(shards), recipe.radius(progress)),
                *(loss_sum / _LOG_STEPS, accuracy_sum / _LOG_STEPS, state.passes / state.seconds),
            )
            loss_sum = accuracy_sum = 0.0
        if time.monotonic() - saved_at > _CHECKPOINT_SECONDS:
            save_checkpoint(checkpoint, state, recipe)
            saved_at = time.monotonic()
    save_checkpoint(checkpoint, state, recipe)


def _endless(
    state: TrainState, shards: ShardReader, recipe: Recipe, all_rendered: Callable[[], bool]
) -> Iterator[Batch]:
    """Yield batches forever; each epoch covers the shards that exist when it starts."""
    while True:
        all_rendered()
        shards.refresh()
        yield from shards.batches(recipe.batch, np.random.default_rng([recipe.seed, state.epoch]))
        state.epoch += 1


def _finish(
    state: TrainState, shards: ShardReader, recipe: Recipe, path: Path, classes: Sequence[str], ascend: Ascend | None
) -> Path:
    net = copy.deepcopy(state.average)
    recalibrate(net, _noisy_batches(state, shards, recipe))
    held_out = read_shard(shard_path(shards.folder, HELD_OUT))
    folded = fold_network(net).requires_grad_(False)
    accuracies = {name: float(correct.float().mean()) for name, correct in head_accuracy(folded, held_out).items()}
    log.info("accuracy on %d held-out images: %s", len(held_out[1]), accuracies)
    rms = channel_rms(folded, held_out[0])
    divisors = balanced_divisors(folded, rms, calibration_images(), ascend)
    history = {
        "recipe": dataclasses.asdict(recipe),
        "seed": recipe.seed,
        "passes": state.passes,
        "accuracy": accuracies,
        "version": __version__,
    }
    export(path, folded, classes, rms, divisors, history)
    trained = load_dreamnet(path)
    if not outputs_match(folded, trained.net):
        raise ModelError(f"{path}: half precision does not represent these weights; train longer or with a lower rate")
    write_png(path.with_name(SHEET), node_sheet(trained, calibration_images()[:1]))
    log.info("wrote %s and %s, a dream on every layer", path, SHEET)
    return path


def _noisy_batches(state: TrainState, shards: ShardReader, recipe: Recipe, count: int = 30) -> Iterator[Tensor]:
    """Yield what the batch statistics are measured on: augmented images with noise as strong as the last attack."""
    batches = shards.batches(recipe.batch, np.random.default_rng(recipe.seed))
    for _, (stored, _) in zip(range(count), batches, strict=False):
        images = augment_images(stored.to(state.net.device), 80, state.generator)
        noise = torch.randn(images.shape, generator=state.generator, device=images.device)
        yield images + noise * (recipe.largest_radius / 111)  # 111 = sqrt(3 * 64 * 64): L2 norm to deviation


def _parser() -> argparse.ArgumentParser:
    defaults = Recipe()
    parser = argparse.ArgumentParser(
        prog="python -m dreamvideo.training.train", description="Train DreamNet from scratch on rendered images."
    )
    parser.add_argument("--minutes", type=float, default=defaults.minutes, metavar="M", help="default: %(default)s")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("dreamnet"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in DIR")
    parser.add_argument("--images", type=int, default=defaults.images, metavar="N", help="default: %(default)s")
    parser.add_argument("--per-shard", type=int, default=defaults.per_shard, metavar="N", help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=defaults.batch, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=defaults.seed, metavar="N", help="default: %(default)s")
    workers = max(1, (os.cpu_count() or 2) - 1)
    parser.add_argument("--workers", type=int, default=workers, metavar="N", help="rendering processes: %(default)s")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads that train (default: all cores)")
    return parser


def train_main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments. Default: those of the process.

    Returns:
        The exit code: 0 the weights were written, 1 an error was printed, 130 interrupted.
    """
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        if args.device == "cuda" and not torch.cuda.is_available():
            raise DeviceError("--device cuda: torch finds no CUDA device; use --device cpu")
        recipe = Recipe(args.minutes, args.seed, args.images, args.per_shard, args.batch)
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
