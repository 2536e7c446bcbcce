"""Gradients in fp16 of every objective on large images: finite, and pointing where those in float32 do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from dreamvideo.ascent.ascend import gradient
from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.bench.networks import make_network
from dreamvideo.bench.synthetic import synthetic_image
from dreamvideo.devices import is_out_of_memory
from dreamvideo.info.tables import TableRow
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import ObjectiveSettings
from dreamvideo.settings.option import option_choices

SIZES, REHEARSED_SIZES = ((720, 1280), (2160, 3840)), ((48, 64),)
LOGITS = "googlenet"  # its classes are logits of the whole image; its weights here are random


def gradient_check_rows(check: GpuCheck) -> Iterator[TableRow]:
    """Differentiate every objective at each size; a size that does not fit into memory is said to."""
    images = [synthetic_image(*size).to(check.device) for size in check.pick(SIZES, REHEARSED_SIZES)]
    guide = synthetic_image(48, 64, seed=1)
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as folder:
        for name, objective, model in objectives_to_check(check, images):
            weights = _random_weights(Path(folder)) if model == LOGITS else None
            its_guide = guide if name == "guide" else None
            half = check.load("fp16", objective, its_guide, model=model, weights=weights)
            # In a rehearsal both are the same.
            full = check.load("fp32", objective, its_guide, model=model, weights=weights) if check.on_gpu else half
            for image in images:
                if check.limit.reached():
                    return
                yield {"objective": name, "network": model, **compare_gradients(check, half, full, image)}


def objectives_to_check(check: GpuCheck, images: list[Tensor]) -> Iterator[tuple[str, ObjectiveSettings, str]]:
    """Yield (name, objective, network) of every kind of objective that there is."""
    one_class = ObjectiveSettings(classes=(("3", 1.0),))
    for kind in option_choices(ObjectiveSettings)["objective"]:
        if kind != "auto":
            yield kind, ObjectiveSettings(objective=kind), check.model
    yield "neuron", ObjectiveSettings(neurons=(living_neuron(check, images),)), check.model
    yield "class", one_class, check.model
    yield "guide", ObjectiveSettings(), check.model
    yield "class of logits", one_class, LOGITS


@torch.no_grad()
def living_neuron(check: GpuCheck, images: list[Tensor]) -> tuple[str, int, float]:
    """Return (layer, channel, weight) of the neuron that responds to each image most: a dead one has no gradient."""
    score = check.load("fp32").score
    name = score.layers[0]
    responses = []
    for image in images:
        activation = score.features(image)[name][0].float()
        responses.append(activation[:, activation.shape[1] // 2, activation.shape[2] // 2])
    return name, int(torch.stack(responses).amin(0).argmax()), 1.0


def _random_weights(folder: Path) -> str | None:
    path = folder / f"{LOGITS}.pth"
    return str(path) if path.exists() else make_network(LOGITS, None, None, folder, torch.device("cpu")).weights


def compare_gradients(check: GpuCheck, half: Network, full: Network, image: Tensor) -> TableRow:
    """Return what is known of the gradient of one image.

    Args:
        check: its device.
        half, full: one network in fp16 and in fp32.
        image: (1, 3, H, W) in [0, 1].
    """
    row: dict[str, str | float | bool] = {"size": f"{image.shape[3]}x{image.shape[2]}"}
    if check.on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(check.device)
    try:
        grad, score = gradient(image, half.score, [(0, 0)])
        row["finite"] = bool(grad.isfinite().all() and score.isfinite().all())
        row["largest"] = grad.abs().max().item()
        row["zeros_%"] = 100 * (grad == 0).float().mean().item()
        row |= check.memory()
        exact, _ = gradient(image, full.score, [(0, 0)])
        row["cosine_to_fp32"] = torch.cosine_similarity(grad.double().flatten(), exact.double().flatten(), 0).item()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        row["note"] = "does not fit into memory"
    return row
