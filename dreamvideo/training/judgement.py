"""Evaluates trained weights against aims: accuracy, the look of dreams, their motifs, dreams of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.ascent.octaves import dream
from dreamvideo.info.tables import TableRow
from dreamvideo.models.dreamnet.net import MAPS
from dreamvideo.models.dreamnet.trained import Trained
from dreamvideo.models.network import choose_terms, load_network
from dreamvideo.models.registry import find_model
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.network_looks import DRAWN_NETWORK
from dreamvideo.tensors import to_image, to_tensor
from dreamvideo.training.batches import Batch
from dreamvideo.training.calibration import head_accuracy
from dreamvideo.training.look_metrics import (
    best_classes,
    class_probabilities,
    hard_share,
    motif_shares,
    raised_classes,
    rgb_colorfulness,
    shrink_image,
    theme_classes,
)
from dreamvideo.training.render import BACKGROUND, render
from dreamvideo.training.shards import PIXELS

# Aims of the training; the model card lists what the embedded weights reach.
ACCURACY: Final = 0.95  # mean over fresh renders
WORST_CLASS: Final = 0.80
ATTACKED: Final = 0.60  # accuracy under attack
RADIUS: Final = 1.0  # L2 norm of the attack's step, the largest of the training
COLOR_RATIO: Final = 1.25  # colorfulness of a dream over that of its source
COLORED: Final = 15.0  # colorfulness above which an image counts as colored, see `rgb_colorfulness`
RAISED: Final = 8  # classes that become ten times as likely in some dream
LARGEST_MOTIF: Final = 1 / 3  # fraction of the locations, at most
SEEN: Final = 0.75  # fraction of the classes that a second network recognizes in the dream of them

SIZE: Final = 80  # side in pixels at which images are classified
FRESH: Final = 10**15  # first seed of fresh renders; training uses 10**9 seeds for each seed of a run
CLASS_SIDE: Final = 160  # shorter side in pixels of the images on which classes are dreamed
CLASS_LOOK: Final = DreamSettings(octaves=3)  # fits images of that size


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured number and its aim.

    Args:
        what: is measured.
        value: the number; None: there was nothing to measure.
        aim: None: the number is for information.
        at_most: whether the aim is an upper limit. Default: a lower one.
        note: for the last column of the table.
    """

    what: str
    value: float | None
    aim: float | None = None
    at_most: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None: there is no aim, or nothing was measured."""
        if self.aim is None or self.value is None:
            return None
        return self.value <= self.aim if self.at_most else self.value >= self.aim

    def row(self) -> TableRow:
        """Format as a row of a table."""
        aim = None if self.aim is None else f"{'<=' if self.at_most else '>='} {self.aim:.4g}"
        verdict = {True: "pass", False: "SHORT", None: None}[self.met]
        return {"what": self.what, "value": self.value, "aim": aim, "verdict": verdict, "note": self.note or None}


@dataclass(frozen=True, slots=True)
class DreamedImage:
    """An image and its dream, both (H, W, 3) uint8 RGB."""

    name: str
    source: NDArray[np.uint8]
    dreamed: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All findings of one kind.

    Args:
        name: of the kind.
        title: what was measured, and on what.
        findings: the numbers that have aims, and others beside them.
        rows: the single numbers behind the findings.
        skipped: why nothing was measured.
    """

    name: str
    title: str
    findings: tuple[Finding, ...] = ()
    rows: tuple[TableRow, ...] = ()
    skipped: str | None = None


def fresh_renders(classes: Sequence[str], per_class: int) -> Batch:
    """Render images that no training has used.

    Args:
        classes: names, in the order of their indices.
        per_class: images of each class.

    Returns:
        The images of the first class, then those of the second, and so on; and their class indices.

    Raises:
        ModelError: the renderer does not know a class.
    """
    images = [
        torch.from_numpy(render(FRESH + number * 10**6 + copy, name, PIXELS).image)
        for number, name in enumerate(classes)
        for copy in range(per_class)
    ]
    return torch.stack(images), torch.arange(len(classes)).repeat_interleave(per_class)


def judge_accuracy(trained: Trained, per_class: int) -> Evaluation:
    """Measure how many fresh renders are recognized: overall, in the worst class, by each head, and under attack.

    Args:
        trained: the weights.
        per_class: renders of each class.
    """
    renders = fresh_renders(trained.classes, per_class)
    plain = head_accuracy(trained.net, renders, SIZE)
    under_attack = head_accuracy(trained.net, renders, SIZE, RADIUS)[MAPS[-1]]
    accuracy = accuracy_by_class(plain[MAPS[-1]], trained.classes)
    robustness = accuracy_by_class(under_attack, trained.classes)
    weakest = sorted(accuracy, key=lambda name: accuracy[name])[:5]
    findings = [
        Finding("mean", true_fraction(plain[MAPS[-1]]), ACCURACY),
        Finding("worst class", accuracy[weakest[0]], WORST_CLASS, note=name_classes(weakest, accuracy)),
        *(Finding(f"head {name}", true_fraction(correct)) for name, correct in plain.items()),
        Finding(f"attacked by a step of {RADIUS:g}", true_fraction(under_attack), ATTACKED),
    ]
    title = f"fraction of {len(renders[1])} fresh renders that is recognized, {SIZE}x{SIZE}"
    rows: list[TableRow] = [
        {"class": name, "accuracy": accuracy[name], "attacked": robustness[name]} for name in accuracy
    ]
    return Evaluation("accuracy", title, tuple(findings), tuple(rows))


def accuracy_by_class(correct: Tensor, classes: Sequence[str]) -> dict[str, float]:
    """Return class -> fraction that is correct.

    Args:
        correct: (classes * N,) bool, in the order of `fresh_renders`.
        classes: names.
    """
    fractions = correct.view(len(classes), -1).float().mean(1).tolist()
    return dict(zip(classes, fractions, strict=True))


def true_fraction(flags: Tensor) -> float:
    """Return the fraction of a bool tensor that is True.

    Args:
        flags: (N,) bool.
    """
    return float(flags.float().mean())


def name_classes(names: Sequence[str], values: Mapping[str, float]) -> str:
    """Format classes with their values: `rose 0.75, owl 0.80`.

    Args:
        names: classes, in order.
        values: class -> value.
    """
    return ", ".join(f"{name} {values[name]:.2f}" for name in names)


def dream_all(weights: str | None, images: Mapping[str, Tensor]) -> list[DreamedImage]:
    """Dream images with the default look.

    Args:
        weights: path of a weights file. Default: the embedded weights.
        images: name -> (1, 3, H, W) in [0, 1].
    """
    look = DreamSettings()
    network = load_network(ModelSettings(model=DRAWN_NETWORK, weights=weights))
    return [
        DreamedImage(name, to_image(image), to_image(dream(image.to(network.device), network.score, look)))
        for name, image in images.items()
    ]


def judge_look(dreams: Sequence[DreamedImage]) -> Evaluation:
    """Measure whether dreams are more colorful than their sources, and not more clipped.

    Args:
        dreams: at least one; color is judged on those whose source has color.
    """
    colors = {each.name: (rgb_colorfulness(each.source), rgb_colorfulness(each.dreamed)) for each in dreams}
    hard = {each.name: (hard_share(each.source), hard_share(each.dreamed)) for each in dreams}
    gains = {name: after / before for name, (before, after) in colors.items() if before > COLORED}
    clipping = {name: after - before for name, (before, after) in hard.items()}
    palest, hardest = min(gains, key=gains.__getitem__, default=None), max(clipping, key=clipping.__getitem__)
    if palest is None:
        color = Finding("least gain of colorfulness", None, COLOR_RATIO, note="no image has color")
    else:
        color = Finding("least gain of colorfulness", gains[palest], COLOR_RATIO, note=palest)
    findings = (color, Finding("largest gain of hard black and white", clipping[hardest], 0.0, True, hardest))
    rows = tuple(
        {
            "image": name,
            "color": colors[name][0],
            "dreamed": colors[name][1],
            "gain": gains.get(name),
            "hard": hard[name][0],
            "hard_dreamed": hard[name][1],
        }
        for name in colors
    )
    return Evaluation("look", "each image dreamed with the default look", findings, rows)


def judge_motifs(dreams: Sequence[DreamedImage], judge: Trained, judge_name: str) -> Evaluation:
    """Measure whether many classes appear in dreams, and none of them everywhere.

    Args:
        dreams: at least one.
        judge: the network that looks at them.
        judge_name: what the table calls it.
    """
    cpu = torch.device("cpu")
    before = [class_probabilities(judge.net, to_tensor(each.source, cpu)) for each in dreams]
    after = [class_probabilities(judge.net, to_tensor(each.dreamed, cpu)) for each in dreams]
    background = judge.classes.index(BACKGROUND)
    is_raised = torch.stack([raised_classes(*pair) for pair in zip(before, after, strict=True)]).any(0)
    is_raised[background] = False
    shares = motif_shares(after, background)
    largest = int(shares.argmax())
    names = [name for name, raised in zip(judge.classes, is_raised.tolist(), strict=True) if raised]
    findings = (
        Finding("classes raised tenfold in a dream", len(names), RAISED, note=", ".join(names)),
        Finding("share of the commonest motif", float(shares[largest]), LARGEST_MOTIF, True, judge.classes[largest]),
        Finding("the same motif before", float(motif_shares(before, background)[largest])),
        Finding("share of background, before", float(motif_shares(before)[background])),
        Finding("share of background, dreamed", float(motif_shares(after)[background])),
    )
    return Evaluation("motifs", f"what {judge_name} recognizes at the locations of all dreams", findings)


def judge_class_dreams(weights: str | None, second: Trained, images: Sequence[Tensor]) -> Evaluation:
    """Measure whether another network recognizes a class, or one of its theme, in the dream of that class.

    Args:
        weights: path of the weights file that dreams. Default: the embedded weights.
        second: the network that looks.
        images: (1, 3, H, W) in [0, 1] each; the classes are dreamed on them in turn.
    """
    model = find_model(DRAWN_NETWORK, weights)
    names = [name for name in model.classes if name != BACKGROUND]
    drawn = ModelSettings(model=DRAWN_NETWORK, weights=weights)
    network = load_network(drawn, ObjectiveSettings(classes=((names[0], 1.0),)))
    rows: list[TableRow] = []
    for number, name in enumerate(names):
        image = shrink_image(images[number % len(images)], CLASS_SIDE)
        score = replace(network.score, terms=choose_terms(model, ObjectiveSettings(classes=((name, 1.0),))))
        dreamed = dream(image.to(network.device), score, CLASS_LOOK)
        best_before, best = (best_classes(second, each) for each in (image, dreamed))
        rows.append(
            {
                "class": name,
                "seen": bool(theme_classes(name) & set(best)),
                "seen_before": bool(theme_classes(name) & set(best_before)),
                "best": " ".join(best),
            }
        )
    unseen = [str(row["class"]) for row in rows if not row["seen"]]
    missed = f"not: {', '.join(unseen)}" if unseen else ""
    findings = (
        Finding("share of the classes seen", 1 - len(unseen) / len(names), SEEN, note=missed),
        Finding("the same before the dream", sum(bool(row["seen_before"]) for row in rows) / len(names)),
    )
    title = "whether the second network has a dreamed class, or one of its theme, among its first three"
    return Evaluation("class dreams", title, findings, tuple(rows))
