"""What is asked of trained weights, part by part: accuracy, the look of dreams, their motifs, dreams of classes."""

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
from dreamvideo.tensors import resize, to_image, to_tensor
from dreamvideo.training.batches import Batch
from dreamvideo.training.calibration import head_accuracy
from dreamvideo.training.look_metrics import (
    class_probabilities,
    colorfulness,
    hard_share,
    motif_shares,
    raised_classes,
    theme_classes,
    top_classes,
)
from dreamvideo.training.render import BACKGROUND, render
from dreamvideo.training.shards import PIXELS

# The aims of the project.
ACCURACY: Final = 0.95
WORST_CLASS: Final = 0.80
ATTACKED: Final = 0.60
RADIUS: Final = 1.0  # L2 length of the attack's step
COLOR_RATIO: Final = 1.25
COLORED: Final = 15.0  # colorfulness above which a picture counts as colored
RAISED: Final = 8  # classes that are tenfold likelier in some dream
LARGEST_MOTIF: Final = 1 / 3
SEEN: Final = 0.75  # of the classes are seen again in the dream of them

SIZE: Final = 80  # pixels a side of the pictures that are classified
FRESH: Final = 10**15  # the first seed of their renders: training has a thousand millions for each of its own seeds
CLASS_SIDE: Final = 160  # pixels; of the pictures on which classes are dreamed
CLASS_LOOK: Final = DreamSettings(octaves=3)


@dataclass(frozen=True, slots=True)
class Finding:
    """One number and what it should be."""

    what: str
    found: float | None  # None: there was nothing to measure
    aim: float | None = None  # None: for information
    at_most: bool = False  # the aim is an upper limit
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None: there is none, or nothing was measured."""
        if self.aim is None or self.found is None:
            return None
        return self.found <= self.aim if self.at_most else self.found >= self.aim

    def row(self) -> TableRow:
        """As a line of a table."""
        aim = None if self.aim is None else f"{'<=' if self.at_most else '>='} {self.aim:.4g}"
        verdict = {True: "pass", False: "SHORT", None: None}[self.met]
        return {"what": self.what, "found": self.found, "aim": aim, "verdict": verdict, "note": self.note or None}


@dataclass(frozen=True, slots=True)
class DreamedImage:
    """A picture and what became of it; (H, W, 3) uint8 RGB both."""

    name: str
    source: NDArray[np.uint8]
    dreamed: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found of one kind, and the rows of numbers behind it."""

    name: str
    title: str
    findings: tuple[Finding, ...] = ()
    rows: tuple[TableRow, ...] = ()
    skipped: str | None = None


def fresh_renders(classes: Sequence[str], per_class: int) -> Batch:
    """`per_class` renders of every class in turn that no training has seen.

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
    """How many renders are recognized: over all, in the worst class, by each head, and under attack."""
    pictures = fresh_renders(trained.classes, per_class)
    plain = head_accuracy(trained.net, pictures, SIZE)
    attacked = head_accuracy(trained.net, pictures, SIZE, RADIUS)[MAPS[-1]]
    right = accuracy_by_class(plain[MAPS[-1]], trained.classes)
    resisted = accuracy_by_class(attacked, trained.classes)
    weakest = sorted(right, key=lambda name: right[name])[:5]
    findings = [
        Finding("mean", true_fraction(plain[MAPS[-1]]), ACCURACY),
        Finding("worst class", right[weakest[0]], WORST_CLASS, note=name_classes(weakest, right)),
        *(Finding(f"head {name}", true_fraction(found)) for name, found in plain.items()),
        Finding(f"attacked by a step of {RADIUS:g}", true_fraction(attacked), ATTACKED),
    ]
    title = f"share recognized of {len(pictures[1])} renders not trained on, {SIZE}x{SIZE}"
    rows: list[TableRow] = [{"class": name, "accuracy": right[name], "attacked": resisted[name]} for name in right]
    return Evaluation("accuracy", title, tuple(findings), tuple(rows))


def accuracy_by_class(right: Tensor, classes: Sequence[str]) -> dict[str, float]:
    """Class -> share that is right, of (classes * N,) bool in the order of `fresh_renders`."""
    shares = right.view(len(classes), -1).float().mean(1).tolist()
    return dict(zip(classes, shares, strict=True))


def true_fraction(right: Tensor) -> float:
    """The share of (N,) bool that is true."""
    return float(right.float().mean())


def name_classes(names: Sequence[str], values: Mapping[str, float]) -> str:
    """`rose 0.75, owl 0.80`."""
    return ", ".join(f"{name} {values[name]:.2f}" for name in names)


def dream_all(weights: str | None, pictures: Mapping[str, Tensor]) -> list[DreamedImage]:
    """Every (1, 3, H, W) picture in [0, 1], dreamed at the default look."""
    look = DreamSettings()
    network = load_network(ModelSettings(weights=weights))
    return [
        DreamedImage(name, to_image(picture), to_image(dream(picture.to(network.device), network.score, look)))
        for name, picture in pictures.items()
    ]


def judge_look(dreams: Sequence[DreamedImage]) -> Evaluation:
    """Whether dreams are more colorful than their pictures, and not more burnt out."""
    colors = {each.name: (colorfulness(each.source), colorfulness(each.dreamed)) for each in dreams}
    hard = {each.name: (hard_share(each.source), hard_share(each.dreamed)) for each in dreams}
    gains = {name: after / before for name, (before, after) in colors.items() if before > COLORED}
    burnt = {name: after - before for name, (before, after) in hard.items()}
    palest, hardest = min(gains, key=gains.__getitem__, default=None), max(burnt, key=burnt.__getitem__)
    if palest is None:
        color = Finding("least gain of colorfulness", None, COLOR_RATIO, note="no picture has color")
    else:
        color = Finding("least gain of colorfulness", gains[palest], COLOR_RATIO, note=palest)
    findings = (color, Finding("largest gain of hard black and white", burnt[hardest], 0.0, True, hardest))
    rows = tuple(
        {
            "picture": name,
            "color": colors[name][0],
            "dreamed": colors[name][1],
            "gain": gains.get(name),
            "hard": hard[name][0],
            "hard_dreamed": hard[name][1],
        }
        for name in colors
    )
    return Evaluation("look", "each picture dreamed at the default look", findings, rows)


def judge_motifs(dreams: Sequence[DreamedImage], looker: Trained, who: str) -> Evaluation:
    """Whether many classes rise in dreams, and none of them is everywhere."""
    cpu = torch.device("cpu")
    before = [class_probabilities(looker.net, to_tensor(each.source, cpu)) for each in dreams]
    after = [class_probabilities(looker.net, to_tensor(each.dreamed, cpu)) for each in dreams]
    background = looker.classes.index(BACKGROUND)
    rose = torch.stack([raised_classes(*pair) for pair in zip(before, after, strict=True)]).any(0)
    rose[background] = False
    shares = motif_shares(after, background)
    largest = int(shares.argmax())
    names = [name for name, risen in zip(looker.classes, rose.tolist(), strict=True) if risen]
    findings = (
        Finding("classes raised tenfold in a dream", len(names), RAISED, note=", ".join(names)),
        Finding("share of the commonest motif", float(shares[largest]), LARGEST_MOTIF, True, looker.classes[largest]),
        Finding("the same motif before", float(motif_shares(before, background)[largest])),
        Finding("share of background, before", float(motif_shares(before)[background])),
        Finding("share of background, dreamed", float(motif_shares(after)[background])),
    )
    return Evaluation("motifs", f"what {who} sees at the places of all dreams", findings)


def judge_class_dreams(weights: str | None, second: Trained, pictures: Sequence[Tensor]) -> Evaluation:
    """Whether `second` sees in the dream of a class that class, or a sibling."""
    model = find_model("dreamnet", weights)
    names = [name for name in model.classes if name != BACKGROUND]
    network = load_network(ModelSettings(weights=weights), ObjectiveSettings(classes=((names[0], 1.0),)))
    rows: list[TableRow] = []
    for number, name in enumerate(names):
        picture = shrink_image(pictures[number % len(pictures)], CLASS_SIDE)
        score = replace(network.score, terms=choose_terms(model, ObjectiveSettings(classes=((name, 1.0),))))
        dreamed = dream(picture.to(network.device), score, CLASS_LOOK)
        seen_before, seen = (best_classes(second, image) for image in (picture, dreamed))
        rows.append(
            {
                "class": name,
                "seen": bool(theme_classes(name) & set(seen)),
                "seen_before": bool(theme_classes(name) & set(seen_before)),
                "best": " ".join(seen),
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


@torch.no_grad()
def best_classes(looker: Trained, image: Tensor) -> list[str]:
    """The three classes besides the background that a network finds in (1, 3, H, W), best first."""
    return top_classes(looker.net(image.to(looker.net.device))[0], looker.classes, 3, BACKGROUND)


def shrink_image(picture: Tensor, shorter: int) -> Tensor:
    """(1, 3, H, W) with a shorter side of at most `shorter` pixels."""
    height, width = picture.shape[2:]
    scale = min(1.0, shorter / min(height, width))
    return resize(picture, (round(height * scale), round(width * scale)))
