"""Distills groups of ImageNet's classes into DreamNet.

    python -m dreamvideo.training.distill --photos DIR --renders DIR --out DIR --minutes M [--resume] [--init WEIGHTS]

A classifier of photographs knows many kinds of things, but its gradients are mostly grain. What several steps of its
ascent add up to is a shape (`displacements`). DreamNet gets a map for each group of classes. The gradient of that map
is trained to point where the classifier's ascent of the group leads (`distill_step`), on images from the dreams of both
networks (`examples`). The run writes a checkpoint every few minutes, and ends with a weights file.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch

from dreamvideo.errors import DeviceError, DreamVideoError, ModelError, OutputError, SettingsError
from dreamvideo.models.class_groups import GROUPS
from dreamvideo.models.dreamnet.trained import DRAWN, Trained, load_dreamnet
from dreamvideo.process import configure_process
from dreamvideo.settings.dream import ModelSettings
from dreamvideo.training.calibration import Ascend
from dreamvideo.training.distill_export import finish_weights
from dreamvideo.training.distill_recipe import DistillRecipe
from dreamvideo.training.distill_state import (
    DistillState,
    begin_distillation,
    resume_distillation,
    save_distillation,
)
from dreamvideo.training.distill_step import StepReport, distill_step
from dreamvideo.training.examples import make_examples, measure_features
from dreamvideo.training.material import Material, gather_material
from dreamvideo.training.render import CLASSES
from dreamvideo.training.step_means import StepMeans

log = logging.getLogger(__name__)

CHECKPOINT_NAME: Final = "distill.pt"
WEIGHTS_NAME: Final = "dreamnet_photo.safetensors"
_CHECKPOINT_SECONDS: Final = 300.0
_LOG_STEPS: Final = 50


def distill(
    recipe: DistillRecipe,
    folder: Path,
    trained: Trained,
    material: Material,
    device: torch.device,
    *,
    resume: bool = False,
    ascend: Ascend | None = None,
) -> Path:
    """Train, and write `folder`/dreamnet_photo.safetensors.

    Args:
        recipe: hyperparameters.
        folder: of the checkpoint and the result; created if it does not exist.
        trained: the weights that the student begins with.
        material: what it learns from.
        device: where to train.
        resume: continue from the checkpoint in `folder`.
        ascend: dreams images while the divisors are balanced. Default: `dreamvideo.ascent.octaves.dream`.

    Returns:
        The path of the weights file.

    Raises:
        OutputError: the folder holds a checkpoint and `resume` is False, or a file cannot be written.
        ModelError: there is no checkpoint to resume, or half precision does not hold the weights.
    """
    first = material.teachers[0]
    state = begin_distillation(recipe, trained, len(first.divisors[first.layer]), device)
    if (folder / CHECKPOINT_NAME).exists() and not resume:
        raise OutputError(f"{folder} holds a checkpoint: add --resume to continue it, or choose another --out")
    if resume:
        resume_distillation(folder / CHECKPOINT_NAME, state, recipe)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        state.feature_rms = measure_features(first, material.pictures, recipe, state.rng, state.generator)
    _distill_until(recipe.minutes * 60, state, material, recipe, folder / CHECKPOINT_NAME)
    finish_weights(state, trained.classes, material, recipe, folder / WEIGHTS_NAME, ascend)
    return folder / WEIGHTS_NAME


def advance(state: DistillState, material: Material, progress: float, recipe: DistillRecipe) -> StepReport:
    """Make examples if it is their turn or too few are there, then take one step.

    Args:
        state: changed in place.
        material: what is learned from.
        progress: fraction of the run that has passed, 0 to 1.
        recipe: hyperparameters.
    """
    if state.step % recipe.steps_per_ascent == 0:
        make_examples(state, material.teachers, material.pictures, recipe)
    while len(state.examples) < recipe.fewest:
        make_examples(state, material.teachers, material.pictures, recipe)
    return distill_step(state, material.renders, progress, recipe)


def _distill_until(
    seconds: float, state: DistillState, material: Material, recipe: DistillRecipe, checkpoint: Path
) -> None:
    started_at = time.monotonic() - state.seconds
    saved_at, means = time.monotonic(), StepMeans()
    while (progress := state.seconds / seconds) < 1:
        means.add(advance(state, material, progress, recipe))
        state.seconds = time.monotonic() - started_at
        if state.step % _LOG_STEPS == 0:
            log.info("%5.0f s  step %d  %s", state.seconds, state.step, means.line(recipe))
            means = StepMeans()
        if time.monotonic() - saved_at > _CHECKPOINT_SECONDS:
            save_distillation(checkpoint, state, recipe)
            saved_at = time.monotonic()
    save_distillation(checkpoint, state, recipe)


def _parser() -> argparse.ArgumentParser:
    defaults = DistillRecipe()
    parser = argparse.ArgumentParser(
        prog="python -m dreamvideo.training.distill",
        description="Teach DreamNet groups of ImageNet's classes: its gradients imitate the ascents of a classifier.",
    )
    parser.add_argument(
        "--photos", type=Path, required=True, metavar="DIR", help="of photographs, see training.photographs"
    )
    parser.add_argument(
        "--renders", type=Path, required=True, metavar="DIR", help="of renders; what is missing is drawn"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="of the checkpoint and the weights")
    parser.add_argument("--minutes", type=float, default=defaults.minutes, metavar="M", help="default: %(default)s")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --out")
    parser.add_argument("--init", metavar="WEIGHTS", help="weights to begin with (default: those of drawings alone)")
    parser.add_argument("--seed", type=int, default=defaults.seed, metavar="N", help="default: %(default)s")
    parser.add_argument("--groups", metavar="A,B", help=f"groups of classes (default: {','.join(defaults.groups)})")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="rendering: %(default)s")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads that train (default: all cores)")
    return parser


def distill_main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments. Default: those of the process.

    Returns:
        The exit code: 0 the weights were written, 1 an error was printed, 130 interrupted.
    """
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        _run(args)
    except DreamVideoError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(args: argparse.Namespace) -> None:
    if args.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device cuda: torch finds no CUDA device; use --device cpu")
    if args.resume and args.init:
        raise SettingsError("--init: --resume continues with the weights of the checkpoint; give one of the two")
    defaults = DistillRecipe()
    groups = tuple(args.groups.split(",")) if args.groups else defaults.groups
    for name in groups:
        if name not in GROUPS:
            raise SettingsError(f"--groups: no group {name!r}; expected some of {', '.join(GROUPS)}")
    recipe = DistillRecipe(args.minutes, args.seed, groups)
    trained = load_dreamnet(args.init or DRAWN)
    if trained.classes != CLASSES:
        raise ModelError(f"--init {args.init}: knows other classes than are rendered; train it again")
    configure_process(ModelSettings(device=args.device, threads=args.threads))
    device = torch.device(args.device)
    if not args.resume and (args.out / CHECKPOINT_NAME).exists():
        raise OutputError(f"{args.out} holds a checkpoint: add --resume to continue it, or choose another --out")
    material = gather_material(args.photos, args.renders, recipe, device, max(1, args.workers))
    distill(recipe, args.out, trained, material, device, resume=args.resume)


if __name__ == "__main__":
    sys.exit(distill_main())
