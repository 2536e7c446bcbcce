"""Loads a network for dreaming: from settings to a score of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dreamvideo.devices import is_out_of_memory, pick_device, pick_precision, pick_tf32, precision_name, tf32_products
from dreamvideo.errors import ModelError, SettingsError, did_you_mean, first_line
from dreamvideo.models.class_groups import find_classes
from dreamvideo.models.model import Model
from dreamvideo.models.objectives import CLASS_KINDS, Features, Objective, Term
from dreamvideo.models.registry import find_model
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.network_looks import network_look
from dreamvideo.tensors import place
from dreamvideo.torch_state import differentiable, plain_torch

TRIAL_SIDES = (16, 32, 48, 64, 80, 96, 128)  # pixels; the smallest that a network can process is found by trial
# Pixels of which sides have to be a multiple, in networks that bring several scales together; found by trial, too.
TRIAL_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Network:
    """A network ready to dream; see `load_network`.

    Attributes:
        name: as in `ModelSettings.model`.
        score: (B, 3, H, W) RGB in [0, 1] on `device` -> (B,) float32, differentiable; what the ascent raises.
        device: where it runs.
        precision: type of its weights and activations. Images, scores and gradients are float32.
    """

    name: str
    score: Objective
    device: torch.device
    precision: torch.dtype

    @property
    def look(self) -> DreamSettings:
        """How this network dreams best, see `settings.network_looks`."""
        return DreamSettings(**network_look(self.name))

    @property
    def precision_name(self) -> str:
        """The name of its arithmetic on the command line, such as `bf16` or `tf32`."""
        return precision_name(self.precision, self.score.tf32)


@plain_torch()
def load_network(
    settings: ModelSettings = ModelSettings(),  # noqa: B008
    objective: ObjectiveSettings = ObjectiveSettings(),  # noqa: B008
    guide: Tensor | None = None,
) -> Network:
    """Load a network onto its device, with the score that the ascent raises.

    Nothing is set for the whole process: `settings.threads` is applied by `process.configure_process` alone; a program
    calls that once, or `torch.set_num_threads` itself.

    Args:
        settings: which network, its weights, device and precision.
        objective: which layers, channels, neurons and classes are raised; all empty: the default of the network.
            Its `guide` is a path and is not opened here.
        guide: (1, 3, H, W) RGB in [0, 1], an image whose features are dreamed, see `tensors.to_guide`; None: no guide.

    Raises:
        ModelError: no such network, layer, channel or class, or weights that do not fit it.
        WeightsError: weights that cannot be read or downloaded.
        DeviceError: the device is not there.
    """
    model = find_model(settings.model, settings.weights, settings.scaling)
    return place_network(model, choose_terms(model, objective, guided=guide is not None), settings, guide)


@plain_torch()
def place_network(
    model: Model, terms: tuple[Term, ...], settings: ModelSettings, guide: Tensor | None = None
) -> Network:
    """Cut a model off after the layers of `terms`, and move it to its device.

    Args:
        model: as from `find_model`.
        terms: what is raised, see `choose_terms`.
        settings: device and precision are read.
        guide: as for `load_network`.

    Raises:
        ModelError, WeightsError, DeviceError: as for `load_network`.
        SettingsError: fp16 on a CPU.
    """
    device = pick_device(settings.device)
    precision = pick_precision(settings.precision, device)
    features = model.cut(list(dict.fromkeys(term.layer for term in terms)), device, precision)
    features = pad_inputs(features, device, model.name)
    check_picks(features, terms, device, model.name)
    divisors = {name: place(value, device) for name, value in model.divisors().items()}
    score = Objective(features, terms, divisors, tf32=pick_tf32(settings.precision, device))
    if guide is not None:
        with torch.no_grad(), tf32_products(score.tf32):
            activations = features(place(differentiable(guide).float(), device))
        score = replace(score, guides={name: guide_columns(activations[name]) for name in score.layers})
    return Network(model.name, score, device, precision)


def pad_inputs(features: Features, device: torch.device, name: str) -> Features:
    """Find the sizes of images that a network can process, and pad others to such a size.

    Args:
        features: the network.
        device: where it runs.
        name: its name, for messages.

    Returns:
        `features` itself if it can process images of 16 px, and of odd sizes.

    Raises:
        ModelError: it cannot process an image of any of `TRIAL_SIDES`, or of any multiple of `TRIAL_MULTIPLES`.
    """
    largest = TRIAL_SIDES[-1]
    problem: str | None = None
    for side in TRIAL_SIDES:
        problem = _trial_problem(features, side, side, device)
        if problem is None:
            break
    else:
        raise ModelError(f"{name} cannot process an image of {largest}x{largest} pixels: {problem}")
    for multiple in TRIAL_MULTIPLES:
        padded = PaddedFeatures(features, side, multiple)
        problem = _trial_problem(padded, largest + 13, largest + 27, device)
        if problem is None:
            return features if (side, multiple) == (TRIAL_SIDES[0], 1) else padded
    raise ModelError(f"{name} cannot process images of any size, as a dream needs: {problem}")


@torch.no_grad()
def _trial_problem(features: Features, height: int, width: int, device: torch.device) -> str | None:
    try:
        features(torch.full((1, 3, height, width), 0.5, device=device))
    except Exception as error:  # of any kind: nothing is left to pool or to convolve, or sizes of branches differ
        if is_out_of_memory(error):
            raise
        return first_line(error)
    return None


class PaddedFeatures(nn.Module):
    """Features of images whose last row and column are repeated up to a size that the network can process.

    Octaves may be as small as 32 pixels; Inception v3 needs 75.

    Args:
        features: the network.
        side: the least height and width, px.
        multiple: height and width become multiples of it, px.
    """

    def __init__(self, features: Features, side: int, multiple: int = 1) -> None:
        super().__init__()
        self.features, self.side, self.multiple = features, side, multiple

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        down, right = (
            -(-max(self.side, length) // self.multiple) * self.multiple - length for length in images.shape[2:]
        )
        # Not by F.pad: on CUDA its gradient is added up in another order each time.
        images = torch.cat([images, images[:, :, -1:].expand(-1, -1, down, -1)], 2) if down else images
        images = torch.cat([images, images[..., -1:].expand(-1, -1, -1, right)], 3) if right else images
        return self.features(images)


@torch.no_grad()
def check_picks(features: Features, terms: Sequence[Term], device: torch.device, name: str) -> None:
    """Check that a network has the channels and classes of terms.

    Args:
        features: the network.
        terms: what is to be raised.
        device: where it runs.
        name: its name, for messages.

    Raises:
        ModelError: it lacks one.
    """
    if not any(term.picks for term in terms):
        return
    activations = features(torch.full((1, 3, TRIAL_SIDES[-1], TRIAL_SIDES[-1]), 0.5, device=device))
    for term in terms:
        count = activations[term.layer].shape[1]
        if term.picks and max(term.picks) >= count:
            what, where = ("class", "") if term.kind in CLASS_KINDS else ("channel", f"{term.layer} of ")
            raise ModelError(f"no {what} {max(term.picks)} in {where}{name}: expected 0 to {count - 1}")


def guide_columns(activation: Tensor) -> Tensor:
    """Return the (C, N) features of the N = h w places of a guide, from its (1, C, h, w) activation."""
    return activation[0].detach().float().flatten(1)


def choose_terms(model: Model, objective: ObjectiveSettings, guided: bool = False) -> tuple[Term, ...]:
    """Turn the settings of an objective into terms.

    Args:
        model: the network.
        objective: layers, channels, neurons and classes; all empty: the network's own terms.
        guided: whether there is a guide; its terms are the layers of `objective`, or the network's own.

    Raises:
        ModelError: there is no such layer, channel or class.
        SettingsError: there is nothing to raise.
    """
    kind = model.kind if objective.objective == "auto" else objective.objective
    layer_kind = "guide" if guided else kind
    terms = [Term(_checked_layer(name, model), weight, layer_kind) for name, weight in objective.layers]
    if guided and not terms:  # a guide needs layers, whatever else is raised
        terms = [replace(term, kind="guide") for term in model.terms if term.kind not in CLASS_KINDS]
    together: dict[tuple[str, float], list[int]] = {}  # channels of one layer and weight share a term
    for name, index, weight in objective.channels:
        together.setdefault((_checked_layer(name, model), weight), []).append(index)
    terms += [Term(name, weight, kind, tuple(picks)) for (name, weight), picks in together.items()]
    terms += [
        Term(_checked_layer(name, model), weight, "mean", (index,), center=True)
        for name, index, weight in objective.neurons
    ]
    classes = _class_terms(objective.classes, model)
    if not terms and (not classes or model.class_kind == "focus"):
        terms = list(model.terms)
        if objective.objective != "auto":
            terms = [term if term.kind in CLASS_KINDS else replace(term, kind=kind) for term in terms]
    if not (terms or classes):
        raise SettingsError(f"{model.name} has no default layer: name one with --layer")
    return (*terms, *classes)


def _class_terms(classes: Sequence[tuple[str, float]], model: Model) -> list[Term]:
    by_weight: dict[float, list[int]] = {}  # classes of one weight share a term: each place chooses among them
    groups: list[Term] = []
    for name, weight in classes:
        if group := model.groups.get(name.lower()):
            groups.append(replace(group, weight=weight))
        else:
            by_weight.setdefault(weight, []).extend(find_classes(name, model.classes, model.name, model.groups))
    single = [
        Term(model.class_node, weight, model.class_kind, tuple(dict.fromkeys(picks)))
        for weight, picks in by_weight.items()
    ]
    return [*groups, *single]


def _checked_layer(layer: str, model: Model) -> str:
    if layer not in model.nodes:
        raise ModelError(
            f"no layer {layer!r} in {model.name}{did_you_mean(layer, model.nodes)}; see: "
            f"dreamvideo layers --model {model.name}"
        )
    return layer
