"""Dreams groups of classes on pictures, for judging and for sheets, and the options of both commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from torch import Tensor

from dreamvideo.ascent.octaves import dream
from dreamvideo.errors import OutputError, SettingsError
from dreamvideo.models.class_groups import GROUPS
from dreamvideo.models.network import load_network
from dreamvideo.models.registry import ANIMALS, find_model
from dreamvideo.process import configure_process
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings
from dreamvideo.tensors import to_image
from dreamvideo.training.distill_recipe import DistillRecipe
from dreamvideo.training.judge import load_images
from dreamvideo.training.judgement import DreamedImage

EVERY: Final = "all"  # names the dream of no group in particular
PICTURE_SIDE: Final = 300  # pixels of the shorter side; larger pictures are shrunk


@dataclass(frozen=True, slots=True)
class GroupDream:
    """The dream of a group, or of `EVERY`, on a picture."""

    group: str
    image: DreamedImage

    @property
    def amplitude(self) -> float:
        """Mean absolute change, gray levels."""
        difference = self.image.dreamed.astype(np.float32) - self.image.source.astype(np.float32)
        return float(np.abs(difference).mean())


def dream_groups(
    model: ModelSettings,
    groups: Sequence[str],
    images: Mapping[str, Tensor],
    step_size: float | None = None,
) -> Iterator[GroupDream]:
    """Dream every group on every picture.

    Args:
        model: the network that dreams.
        groups: names, as `--class` takes them, or `EVERY`: animals if the network has groups of them, else what it
            dreams by default.
        images: name -> (1, 3, H, W) in [0, 1].
        step_size: in place of that of the network's look.

    Yields:
        The dreams, group by group.

    Raises:
        ModelError, WeightsError: there is no such network or group.
    """
    has_animals = ANIMALS in find_model(model.model, model.weights).groups
    for group in groups:
        named = ANIMALS if group == EVERY and has_animals else group
        settings = ObjectiveSettings() if named == EVERY else ObjectiveSettings(classes=((named, 1.0),))
        network = load_network(model, settings)
        look = network.look if step_size is None else replace(network.look, step_size=step_size)
        for name, image in images.items():
            dreamed = dream(image.to(network.device), network.score, look)
            yield GroupDream(group, DreamedImage(name, to_image(image), to_image(dreamed)))


def add_dream_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is dreamed, and by which network.

    Args:
        parser: changed in place.
    """
    groups = ",".join((*DistillRecipe().groups, EVERY))
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="pictures to dream on")
    parser.add_argument("--weights", metavar="FILE", help="weights that dream (default: the embedded ones)")
    parser.add_argument("--model", default="dreamnet", metavar="NAME", help="network that dreams: %(default)s")
    parser.add_argument("--groups", default=groups, metavar="A,B", help="default: %(default)s")
    parser.add_argument("--step-size", type=float, metavar="X", help="of the dream (default: that of the network)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")


def dreams_asked_for(args: argparse.Namespace) -> Iterator[GroupDream]:
    """Dream what the options of `add_dream_options` ask for.

    Args:
        args: parsed options.

    Raises:
        SettingsError: a group does not exist.
        SourceError: a picture cannot be read.
        ModelError, WeightsError: there is no such network or group.
    """
    groups = args.groups.split(",")
    for name in groups:
        if name != EVERY and name not in GROUPS:
            raise SettingsError(f"--groups: no group {name!r}; expected some of {', '.join((*GROUPS, EVERY))}")
    model = ModelSettings(model=args.model, weights=args.weights, device="cpu", threads=args.threads)
    configure_process(model)
    images = load_images(args.images, PICTURE_SIDE)
    yield from dream_groups(model, groups, images, args.step_size)


def checked_output(path: Path | None) -> None:
    """Fail early where a file cannot be written.

    Args:
        path: of the file; None: none is asked for.

    Raises:
        OutputError: its folder does not exist.
    """
    if path is not None and not path.parent.is_dir():
        raise OutputError(f"{path}: {path.parent} is not a directory")
