"""Evaluates dreams of groups of classes: does a classifier that taught nothing see the group in the dream of it?

The classifier is EfficientNet-Lite0; the teachers are its siblings. It sees squares of 128 pixels, enlarged to the size
that it was trained for, so that a thing that fills a part of the picture counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.errors import SourceError
from dreamvideo.info.tables import TableRow
from dreamvideo.models.class_groups import GROUPS
from dreamvideo.models.efficientnet_lite import CLASS_MAP
from dreamvideo.models.network import load_network
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings
from dreamvideo.tensors import to_tensor
from dreamvideo.training.group_dreams import EVERY, GroupDream
from dreamvideo.training.judgement import Evaluation, Finding

JUDGE: Final = "efficientnet_lite0"

# Aims; the model card lists what the embedded weights reach.
SEEN_SHARE: Final = 0.75  # fraction of the pictures on which a group has to be seen, to count
SEEN_GROUPS: Final = 8
ANIMALS: Final = 0.7  # mean probability of all animals, in the dream of no group in particular
ANIMAL_KINDS: Final = 5
AMPLITUDE: Final = 23.0  # mean absolute change by that dream, gray levels of 255, at most

WINDOW_SIDE: Final = 128  # pixels of a picture
WINDOW_STEP: Final = 32
SHOWN_SIDE: Final = 224  # pixels at which the classifier sees a window
KIND_PROBABILITY: Final = 0.5  # of one kind in one window, for the kind to count
FIRST: Final = 5  # classes of a window that count
KINDS: Final = (
    *("fish", "birds", "amphibians", "reptiles", "spiders", "sea", "dogs", "cats", "bears", "insects", "rodents"),
    *("herds", "apes"),
)
_AT_ONCE: Final = 16  # windows, to bound memory

Classify = Callable[[Tensor], Tensor]  # (N, 3, SHOWN_SIDE, SHOWN_SIDE) RGB in [0, 1] -> (N, 1000) logits


def load_judge() -> Classify:
    """Load the classifier that looks.

    Raises:
        ModelError, WeightsError: its package is not installed.
    """
    settings = ModelSettings(model=JUDGE, device="cpu", precision="fp32")
    features = load_network(settings, ObjectiveSettings(classes=(("animals", 1.0),))).score.features
    return lambda windows: features(windows)[CLASS_MAP].mean((2, 3))


@torch.no_grad()
def window_logits(image: NDArray[np.uint8], classify: Classify) -> Tensor:
    """Classify all windows of a picture.

    Args:
        image: (H, W, 3) RGB, at least `WINDOW_SIDE` a side.
        classify: what looks.

    Returns:
        (N, 1000) logits.

    Raises:
        SourceError: the picture is too small.
    """
    height, width = image.shape[:2]
    if min(height, width) < WINDOW_SIDE:
        raise SourceError(f"a picture has {width}x{height} pixels: expected at least {WINDOW_SIDE} a side")
    pixels = to_tensor(image, torch.device("cpu"))[0]
    windows = torch.stack(
        [
            pixels[:, y : y + WINDOW_SIDE, x : x + WINDOW_SIDE]
            for y in range(0, height - WINDOW_SIDE + 1, WINDOW_STEP)
            for x in range(0, width - WINDOW_SIDE + 1, WINDOW_STEP)
        ]
    )
    shown = F.interpolate(windows, (SHOWN_SIDE, SHOWN_SIDE), mode="bicubic", align_corners=False)
    shown = shown.contiguous(memory_format=torch.channels_last)
    return torch.cat([classify(some).float() for some in torch.split(shown, _AT_ONCE)])


def sees_group(logits: Tensor, group: str) -> bool:
    """Tell whether a class of a group is among the first of some window.

    Args:
        logits: (N, 1000), from `window_logits`.
        group: of `GROUPS`.
    """
    return bool(set(logits.topk(FIRST, 1).indices.flatten().tolist()) & set(GROUPS[group]))


def animal_probability(logits: Tensor) -> float:
    """Return the mean probability over windows that an animal is seen, of any kind.

    Args:
        logits: (N, 1000), from `window_logits`.
    """
    return float(logits.softmax(1)[:, list(GROUPS["animals"])].sum(1).mean())


def seen_kinds(logits: Tensor) -> list[str]:
    """Return the kinds of animals that have at least `KIND_PROBABILITY` in some window.

    Args:
        logits: (N, 1000), from `window_logits`.
    """
    probabilities = logits.softmax(1)
    return [kind for kind in KINDS if float(probabilities[:, list(GROUPS[kind])].sum(1).max()) >= KIND_PROBABILITY]


def judge_groups(dreams: Sequence[GroupDream], classify: Classify) -> Evaluation:
    """Measure which groups are seen in the dreams of them.

    Args:
        dreams: of groups, each on the same pictures; those of `EVERY` are left out.
        classify: what looks.
    """
    sources = {each.image.name: window_logits(each.image.source, classify) for each in dreams}
    rows: list[TableRow] = []
    named: list[str] = []
    named_before = 0
    for group in dict.fromkeys(each.group for each in dreams if each.group != EVERY):
        own = [each for each in dreams if each.group == group]
        before = [each.image.name for each in own if sees_group(sources[each.image.name], group)]
        seen = [each.image.name for each in own if sees_group(window_logits(each.image.dreamed, classify), group)]
        if len(seen) >= SEEN_SHARE * len(own):
            named.append(group)
        named_before += len(before) >= SEEN_SHARE * len(own)
        rows.append(
            {
                "group": group,
                "seen": len(seen),
                "before": len(before),
                "of": len(own),
                "amplitude": fmean(each.amplitude for each in own),
                "not on": ", ".join(each.image.name for each in own if each.image.name not in seen) or None,
            }
        )
    findings = (
        Finding("groups seen", len(named), SEEN_GROUPS, note=", ".join(named)),
        Finding("the same before the dream", named_before),
    )
    title = (
        f"groups of which {JUDGE} has a class among the first {FIRST} in some window of {WINDOW_SIDE} px, on "
        f"{SEEN_SHARE:.0%} of the pictures"
    )
    return Evaluation("groups", title, findings, tuple(rows))


def judge_every(dreams: Sequence[GroupDream], classify: Classify) -> Evaluation:
    """Measure how many animals, and of how many kinds, are seen in dreams of no group in particular.

    Args:
        dreams: those of `EVERY` are judged.
        classify: what looks.
    """
    own = [each for each in dreams if each.group == EVERY]
    if not own:
        return Evaluation("all", "not dreamed", skipped=f"--groups does not name {EVERY}")
    before = [window_logits(each.image.source, classify) for each in own]
    after = [window_logits(each.image.dreamed, classify) for each in own]
    rows: list[TableRow] = [
        {
            "image": each.image.name,
            "animals": animal_probability(dreamed),
            "before": animal_probability(source),
            "amplitude": each.amplitude,
            "kinds": ", ".join(seen_kinds(dreamed)) or None,
        }
        for each, source, dreamed in zip(own, before, after, strict=True)
    ]
    kinds = seen_kinds(torch.cat(after))
    findings = (
        Finding("probability of animals", fmean(map(animal_probability, after)), ANIMALS),
        Finding("the same before the dream", fmean(map(animal_probability, before))),
        Finding("kinds of animals", len(kinds), ANIMAL_KINDS, note=", ".join(kinds)),
        Finding("amplitude", fmean(each.amplitude for each in own), AMPLITUDE, at_most=True),
    )
    return Evaluation("all", f"what {JUDGE} sees in dreams of no group in particular", findings, tuple(rows))
