"""A script for the camera of a live dream, and an ascent that ends before the next frame comes."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from conftest import TinyNet, textured
from numpy.typing import NDArray

from dreamvideo.frames import Frame
from dreamvideo.live.controls import Controls, Menu
from dreamvideo.live.dreaming.ascent_task import AscentState, AscentTask, Look, run_ascent
from dreamvideo.live.dreaming.ascent_thread import AscentResult, AscentThread
from dreamvideo.live.dreaming.camera_stream import after_event
from dreamvideo.live.loop import ShownFrame, dream_live
from dreamvideo.live.shared_state import SharedState
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.motion.flow import live_flow
from dreamvideo.motion.flow_pair import FlowEstimator
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.threads import Latest

HEIGHT, WIDTH = 90, 130
LOOK = DreamSettings(octaves=2, iterations=2, jitter=6)
FIRST = Controls(layer="first")


@dataclass(frozen=True)
class Shot:
    """Images of the camera under the same controls."""

    images: Sequence[NDArray[np.uint8] | None]
    controls: Controls = FIRST


def script() -> list[Shot]:
    """A fade in, a mover, a pan, a flash, other strengths and looks, a frozen image, another camera, the dark."""
    ground, thing, wide = textured(HEIGHT, WIDTH, 1), textured(30, 30, 9), textured(HEIGHT, WIDTH + 60, 5)
    movers = []
    for x in range(0, 80, 10):
        image = ground.copy()
        image[30:60, 8 + x : 38 + x] = thing
        movers.append(image)
    pan = [np.ascontiguousarray(wide[:, 3 * i : 3 * i + WIDTH]) for i in range(9)]
    white = np.full_like(ground, 255)
    return [
        Shot([(ground * level).astype(np.uint8) for level in (0.1, 0.5, 0.7, 1.0, 1.0, 1.0, 1.0)]),
        Shot(movers),
        Shot([*pan[:6], white, *pan[6:]]),
        Shot([pan[-1], None, pan[-1]], replace(FIRST, strength=1.5)),
        Shot([ground] * 2, replace(FIRST, strength=1.5, frozen=True)),
        Shot([ground] * 4, replace(FIRST, strength=0.0)),
        Shot([ground] * 7, Controls(layer="second", mirror=True)),
        Shot([textured(96, 120, 3)] * 3, Controls(layer="second", mirror=True)),
        Shot([np.zeros((96, 120, 3), np.uint8)] * 2),
        Shot([textured(96, 120, 4)] * 3),
    ]


@dataclass
class PromptAscent:
    """In place of `AscentThread`: each task is done when its result is asked for."""

    device: torch.device
    message: str = ""
    carry: CarrySettings = CarrySettings()
    read_dials = AscentThread.read_dials
    state: AscentState = AscentState()
    task: AscentTask | None = None
    tasks: list[AscentTask] = field(default_factory=list)

    def __post_init__(self) -> None:
        network = TinyNet().to(self.device)
        self.looks = {
            layer: Look(
                Network("tiny", Objective(network, (Term(layer, kind="log"),)), self.device, torch.float32), LOOK
            )
            for layer in ("first", "second")
        }
        self.look = self.looks["first"]

    def offer(self, task: AscentTask) -> None:
        """Take a task."""
        self.task = task
        self.tasks.append(task)

    def results(self) -> tuple[list[AscentResult], int | None]:
        """Do it."""
        task, self.task = self.task, None
        if task is None or not task.dream.strength:
            return [], None
        look = self.looks[task.look_choice.layer or "first"]
        with after_event(task.ready, self.device):
            self.state, update, steps = run_ascent(self.state, task, look, CarrySettings(local_steps=2))
        return ([AscentResult(task, update, steps, 0.01)] if update else []), None


def played(
    shots: Sequence[Shot],
    ascent: Any,
    device: torch.device,
    side: int | None = 80,
    estimate: FlowEstimator | None = None,
) -> list[ShownFrame]:
    """What is shown of a script, along the flow of the device or another one."""
    shared = SharedState(FIRST, Menu((), ("first", "second")))

    def camera() -> Generator[Latest[Frame], None, None]:
        number = 0
        for shot in shots:
            shared.controls = shot.controls
            for image in shot.images:
                number += 1
                yield Latest(None if image is None else Frame(image, Fraction(number, 30)), 0)

    return list(dream_live(camera(), ascent, shared, estimate or live_flow(device), side=side, device=device))


def differences(one: Sequence[ShownFrame], other: Sequence[ShownFrame]) -> Iterator[float]:
    """Mean difference of each image, in gray levels."""
    for here, there in zip(one, other, strict=True):
        assert here.frame.image.shape == there.frame.image.shape and here.fresh == there.fresh
        yield float(np.abs(here.frame.image.astype(float) - there.frame.image).mean())
