"""The embedded network's dreams over time, measured on rendered shots whose true flow is known."""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dreamvideo.bench.coherence.metrics import dream_strength, layer_energies
from dreamvideo.frames import Frame
from dreamvideo.models.network import Network, load_network
from dreamvideo.motion.warp import warp
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.presets import find_preset
from dreamvideo.tensors import to_tensor
from dreamvideo.video.pipeline import dream_video

sys.path.insert(0, str(Path(__file__).parents[2] / "samples"))

PEARLS = find_preset("pearls").objective


@pytest.fixture(scope="module")
def dreamnet() -> Network:
    return load_network(ModelSettings(device="cpu"), ObjectiveSettings())


def shot(name: str, count: int, width: int = 144, height: int = 81) -> list[Any]:
    from render_sample import render

    return [truth for truth, _ in zip(render(width, height, shots=(name,)), range(count), strict=False)]


def dreamed(images: Any, network: Network, carrying: Any) -> list[Any]:
    frames = (Frame(image, Fraction(i, 24)) for i, image in enumerate(images))
    return [frame.image for frame in dream_video(frames, network, DreamSettings(octaves=2), carrying)]


def warping_error(images: Any, truths: Any) -> float:
    """Lai et al. 2018: mean squared change along the true flow, outside what is occluded; images in 0..1."""
    errors = []
    for now, before, truth in zip(images[1:], images[:-1], truths[1:], strict=True):
        now, before = (torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 for image in (now, before))
        change = (warp(before, torch.from_numpy(truth.flow)[None]) - now).square().mean(1)[0]
        errors.append(change[torch.from_numpy(~truth.occluded)].mean().item())
    return float(np.mean(errors))


def test_the_carried_dream_is_far_steadier_along_the_true_flow(dreamnet: Network) -> None:
    truths = shot("valley", 6)
    sources = [truth.image for truth in truths]
    carried = dreamed(sources, dreamnet, CarrySettings())
    alone = dreamed(sources, dreamnet, CarrySettings(persistence=0, flow="none"))
    errors = [warping_error(images, truths) for images in (sources, carried, alone)]
    assert errors[1] < 0.6 * errors[2], errors
    strengths = [np.abs(images[-1].astype(float) - sources[-1]).mean() for images in (carried, alone)]
    assert strengths[0] > 0.85 * strengths[1], "steady because it hardly dreams"


@pytest.mark.slow  # test_pipeline.py has its small sibling: a still shot settles
def test_300_equal_frames_do_not_drift(dreamnet: Network) -> None:
    source = shot("lake", 1, 256, 144)[0].image
    out = dreamed([source] * 300, dreamnet, CarrySettings())
    assert out[-1].mean() == pytest.approx(out[30].mean(), rel=0.05)
    assert out[-1].std() == pytest.approx(out[30].std(), rel=0.05)
    colorful = [np.ptp(image.astype(int), axis=2).mean() for image in out]
    assert max(colorful) < 1.25 * colorful[0]


def second(images: Any, sources: Any, which: Any, network: Network) -> NDArray[Any]:
    """(strength, mean, contrast) of one second of a dream at 24 frames a second, the latter two over the source's."""
    here = slice(24 * which - 24, 24 * which)
    made, given = (torch.cat([to_tensor(i, torch.device("cpu")) for i in some[here]]) for some in (images, sources))
    strong = dream_strength(layer_energies(made, network), layer_energies(given, network)).mean().item()
    return np.array([strong, (made.mean() / given.mean()).item(), (made.std() / given.std()).item()])


@pytest.mark.slow
@pytest.mark.parametrize(("pixels", "look", "strength_held"), [(0, {}, 0.10), (1, {}, 0.25), (1, PEARLS, 0.10)])
def test_a_minute_of_one_shot_stays_as_it_was_after_five_seconds(pixels: int, look: Any, strength_held: float) -> None:
    # What is held is the whole score. Under the default look class odds grow over a pan, and energy gives way to them.
    dreamnet = load_network(ModelSettings(device="cpu"), ObjectiveSettings(**look))
    still = shot("lake", 1, 256, 144)[0].image[:, : 220 if pixels else None]
    wide = np.concatenate([still, still[:, ::-1]] * 2, 1)  # seamless; 55 seconds later it shows the same again
    sources = [np.ascontiguousarray(wide[:, i % 440 * pixels :][:, :256]) for i in range(1440)]
    out = dreamed(sources, dreamnet, CarrySettings())
    early, late = (second(out, sources, which, dreamnet) for which in (5, 60))
    assert abs(late / early - 1)[0] < strength_held, (early, late)
    assert (abs(late / early - 1)[1:] < 0.05).all(), (early, late)


def test_the_first_frame_after_a_cut_is_that_of_a_clip_of_its_own(dreamnet: Network) -> None:
    before, after = (frame.image for name in ("valley", "lake") for frame in shot(name, 1))
    joined = dreamed([before] * 3 + [after] * 2, dreamnet, CarrySettings())
    assert np.array_equal(joined[3], dreamed([after], dreamnet, CarrySettings())[0])
