"""Frames on a device that runs asynchronously, on the CPU: motion in torch, what comes next prepared early."""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from conftest import textured

from dreamvideo.ascent import octaves
from dreamvideo.frames import Frame
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video import dream_shots, flow_stage, pipeline
from dreamvideo.video.lanes import choose_batch
from dreamvideo.video.pipeline import dream_video

LOOK = DreamSettings(octaves=2, iterations=2, step_size=0.02, jitter=4)
H, W = 64, 96


@pytest.fixture
def asynchronous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "runs_asynchronously", lambda device: True)


def film() -> list[Frame]:
    """Three shots: something passes before a fixed camera; a pan; a flash, plain frames and a mask."""
    ground, thing, wide = textured(H, W), textured(24, 24, 3), textured(H, W + 60, 5)
    images = []
    for x in range(0, 64, 8):
        image = ground.copy()
        image[20:44, x : x + 24] = thing
        images.append(image)
    images += [np.ascontiguousarray(wide[:, 4 * i : 4 * i + W]) for i in range(9)]
    still = textured(H, W, 7)
    white = np.full_like(still, 255)
    images += [still, still, white, still, still, white, white, white, white, white, still, still]
    mask = np.full((H, W), 255, np.uint8)
    mask[:, :50] = 0
    frames = [Frame(image, Fraction(i, 25)) for i, image in enumerate(images)]
    return [replace(frame, mask=mask) if i > len(frames) - 3 else frame for i, frame in enumerate(frames)]


def dreamed(network: Network, frames: list[Frame], resume: ResumePoint | None = None, **carrying: Any) -> list[Frame]:
    return list(dream_video(iter(frames), network, LOOK, CarrySettings(**carrying), resume=resume))


def difference(one: list[Frame], other: list[Frame]) -> list[float]:
    assert [frame.time for frame in one] == [frame.time for frame in other]
    assert [frame.segment for frame in one] == [frame.segment for frame in other]
    return [np.abs(a.image.astype(float) - b.image).mean() for a, b in zip(one, other, strict=True)]


@pytest.mark.parametrize("carrying", [{}, {"flow": "none"}, {"persistence": 0}, {"local_steps": 2, "lanes": 3}])
def test_a_film_is_dreamed_as_on_the_cpu(
    tiny_network: Network, monkeypatch: pytest.MonkeyPatch, carrying: dict[str, Any]
) -> None:
    frames = film()
    here = dreamed(tiny_network, frames, **{**carrying, "lanes": 1})
    monkeypatch.setattr(pipeline, "runs_asynchronously", lambda device: True)
    there = dreamed(tiny_network, frames, **carrying)
    differences = difference(here, there)
    dream = np.mean([np.abs(a.image.astype(float) - b.image).mean() for a, b in zip(frames, here, strict=True)])
    assert max(differences) < 0.25 * dream and np.mean(differences) < 0.1 * dream, (differences, dream)
    if carrying.get("flow") == "none" or carrying.get("persistence") == 0:
        assert max(differences) < 0.01, "nothing is estimated"


def test_lanes_change_no_picture(tiny_network: Network, asynchronous: None) -> None:
    frames = film()
    assert max(difference(dreamed(tiny_network, frames, lanes=1), dreamed(tiny_network, frames, lanes=3))) < 0.02


def test_it_goes_on_from_a_stored_carry(tiny_network: Network, asynchronous: None) -> None:
    ground, thing = textured(48, 64), textured(16, 16, 3)
    frames = []
    for i in range(160):  # long enough for a segment to end within a shot
        image = ground.copy()
        image[16:32, 2 * i % 48 : 2 * i % 48 + 16] = thing
        frames.append(Frame(image, Fraction(i, 25)))
    whole = dreamed(tiny_network, frames)
    last = next(i for i, frame in enumerate(whole) if frame.carry is not None)
    stored = whole[last].carry
    assert stored is not None
    rest = dreamed(tiny_network, frames[last:], ResumePoint(last + 1, frames[last].time, stored(), segment=0))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(whole[last + 1 :], rest, strict=True))


def test_what_comes_next_is_begun_before_a_batch_is_dreamed(
    tiny_network: Network, asynchronous: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of frame t + 2 the motion, and of frame t + 1 what it takes, are on their way when frame t is dreamed."""
    log: list[tuple[str, int]] = []
    launch, plan, dream = flow_stage.WaitingFrame.launch, dream_shots.ShotDreamer.plan, dream_shots.ShotDreamer.dream

    def launched(self: Any, device: torch.device) -> None:
        if self._motion is None and self.step.previous is not None:
            log.append(("motion", self.step.index))
        launch(self, device)

    def planned(self: Any, waiting: Any) -> Any:
        log.append(("plan", waiting.step.index))
        return plan(self, waiting)

    def dreamed_batch(self: Any, batch: Any) -> Any:
        log.append(("dream", batch[0].planned.step.index))
        return dream(self, batch)

    monkeypatch.setattr(flow_stage.WaitingFrame, "launch", launched)
    monkeypatch.setattr(dream_shots.ShotDreamer, "plan", planned)
    monkeypatch.setattr(dream_shots.ShotDreamer, "dream", dreamed_batch)
    dreamed(tiny_network, film()[:8])
    for t in range(6):
        dream_at = log.index(("dream", t))
        assert log.index(("plan", t + 1)) < dream_at
        assert log.index(("motion", t + 2)) < dream_at
    assert log.index(("dream", 1)) < log.index(("plan", 3)), "and not earlier than that"


def many_shots(count: int) -> Generator[Frame, None, None]:
    draw, index = random.Random(1), 0
    for shot in range(count):
        image = textured(131, 233, shot)
        for _ in range(draw.randint(24, 120)):
            yield Frame(image, Fraction(index, 25))
            index += 1


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [4, 16])
def test_batches_are_full_and_nothing_is_computed_in_vain(
    tiny_network: Network, monkeypatch: pytest.MonkeyPatch, lanes: int
) -> None:
    """A film of many shots through the real pipeline: images of each ascent, over lanes that have a frame."""
    shares: list[float] = []
    pixels: list[int] = []
    heads: list[int] = []
    choose = choose_batch

    def chosen(kinds: Any, most: int) -> list[int]:
        heads.append(min(most, len(kinds)))
        return choose(kinds, most)

    def ascended(images: Any, *args: Any) -> Any:
        if steps := len(args[3]):
            shares.append(len(images) / heads[-1])
            pixels.append(images[:, 0].numel() * steps)
        return images

    monkeypatch.setattr(octaves, "ascend", ascended)
    monkeypatch.setattr(dream_shots, "choose_batch", chosen)

    def run(lanes: int) -> tuple[float, int]:
        shares.clear()
        pixels.clear()
        carrying = CarrySettings(lanes=lanes, flow="none")
        assert sum(1 for _ in dream_video(many_shots(60), tiny_network, DreamSettings(octaves=4), carrying)) > 3000
        return float(np.mean(shares)), sum(pixels)

    share, computed = run(lanes)
    print(f"{lanes} lanes: {share:.2f} of the lanes that have a frame in each ascent")
    assert share > 0.8
    assert computed == run(1)[1], "as many pixels as one image at a time takes"
