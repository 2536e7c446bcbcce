"""The ascent beside the camera, in a thread of its own: from the newest scene that there is, one step after the other.

A new dream grows through all octaves, from the coarsest to the finest, as the first frame of a shot is dreamed, but one
step at a time on whatever the scene has become. From then on it goes on as the frames of a shot do, see `carry`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Condition, Thread

import torch
from torch import Tensor

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.ascent.octaves import dream, octave_sizes
from dreamvideo.devices import download, upload
from dreamvideo.errors import DreamVideoError
from dreamvideo.live.dreaming.tracking import FlowedUpdate, TrackedDream
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video.carry import UNSEEN_LIMIT, Carry, dream_carried_frames, steps_per_octave, strength_of

# The least that the dream of a picture may be, over `step_size` times the root of its steps: black pictures, such as
# the first ones of many cameras, hardly dream, and what comes after them should.
MIN_STRENGTH = 0.8

STALE_SHARE = 0.5  # share of the picture that was replaced, at which its score is taken anew


@dataclass(frozen=True, slots=True)
class LookChoice:
    """Which look is wanted, as in `Controls`."""

    preset: str | None = None
    layer: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A network and how it dreams."""

    network: Network
    dreaming: DreamSettings
    budget: MemoryBudget = field(default_factory=MemoryBudget)


@dataclass(frozen=True, slots=True)
class AscentTask:
    """What an ascent begins with."""

    number: int  # of the picture
    dream: int  # how many dreams were begun before it
    wish: LookChoice
    scene: TrackedDream
    steps: int  # of one ascent


@dataclass(frozen=True, slots=True)
class DreamUpdate:
    """What came of a task."""

    task: AscentTask
    gain: FlowedUpdate
    steps: int
    seconds: float  # that it took


@dataclass(frozen=True, slots=True)
class AscentState:
    """Where a dream stands, between two ascents."""

    dream: int = -1
    size: tuple[int, int] = (0, 0)
    grown: int = 0  # steps of its growth that are done
    tick: int = 0  # the last turn after that, see `turns`
    number: int = 0  # of the picture that had it
    unit: Tensor | None = None  # (1, 1, 1, 1) mean |residual| that is not exceeded, at a strength of 1; None: it grows
    goal: Tensor | None = None  # (1,) score to be held; None: the one that is found next
    strength: float = 0.0  # of the dream when that was found
    replaced: float = 0.0  # share of the picture that had been replaced then


def run_ascent(
    before: AscentState, task: AscentTask, look: Look, carrying: CarrySettings
) -> tuple[AscentState, FlowedUpdate | None, int]:
    """Where the dream stands after one ascent, what was gained, and in how many steps; None: it is not yet its turn."""
    scene, dreaming = task.scene, look.dreaming
    size = scene.size
    now = AscentState(task.dream, size) if before.dream != task.dream else before
    if now.size != size:
        now = replace(now, size=size, goal=None)
    octaves = len(octave_sizes(*size, dreaming))
    device = look.network.device
    source = upload(scene.source, device).float() / 255
    residual, maturity = (upload(plane, device) for plane in (scene.carry.residual, scene.carry.maturity))
    growth = octaves * dreaming.iterations
    if now.unit is None and now.grown < growth:
        plan = [task.steps if octave == now.grown // dreaming.iterations else 0 for octave in range(octaves)]
        pace = torch.full_like(maturity, scene.strength)
        made = dream(source, look.network.score, dreaming, residual=residual, pace=pace, plan=plan, ticks=[now.grown])
        gain = FlowedUpdate(download(made - source - residual), torch.zeros_like(scene.carry.maturity), scene.strength)
        return replace(now, grown=now.grown + task.steps), gain, task.steps
    if now.unit is None:
        least = MIN_STRENGTH * dreaming.step_size * math.sqrt(growth)
        unit = (strength_of(residual) / scene.strength).clamp(min=least)
        now = replace(now, unit=unit, number=task.number - 1)
    tick, turn = next_octave(now.tick, task.number - now.number, octaves, task.steps, scene.carry.new)
    if turn is None:
        return now, None, 0
    if _stale(now, scene):
        with torch.no_grad():
            goal = look.network.score((source + residual).clamp(0, 1))
        now = replace(now, goal=goal, strength=scene.strength, replaced=scene.replaced)
    assert now.unit is not None and now.goal is not None
    start = Carry(residual, maturity, now.unit * scene.strength, now.goal, tick, scene.carry.new)
    (after,) = dream_carried_frames(source, [start], turn, look.network, dreaming, carrying, look.budget)
    gain = FlowedUpdate(download(after.residual - residual), download(after.maturity - maturity), scene.strength)
    return replace(now, tick=tick, number=task.number), gain, sum(turn)


def next_octave(last: int, pictures: int, octaves: int, steps: int, new: float) -> tuple[int, tuple[int, ...] | None]:
    """The next turn after `last` at which some octave steps, and its steps; (last, None): it is not yet due.

    There is a turn for each picture, as in a file, if the machine is quick enough: `pictures` have come since `last`.
    On a slow one there are fewer, but none is left out.
    """
    for tick in range(last + 1, last + 1 + pictures):
        turn = steps_per_octave(octaves, tick, steps, new > UNSEEN_LIMIT)
        if any(turn):
            return tick, turn
    return last, None


def _stale(climb: AscentState, scene: TrackedDream) -> bool:
    if climb.goal is None or climb.strength != scene.strength:
        return True
    return scene.replaced - climb.replaced > STALE_SHARE and scene.carry.new < UNSEEN_LIMIT


class AscentThread:
    """The thread: it takes the newest task offered, and never lets anyone wait."""

    def __init__(self, load: Callable[[LookChoice], Look], carrying: CarrySettings) -> None:
        self._load = load
        self._carrying = carrying
        self._changed = Condition()
        self._offered: AscentTask | None = None
        self._working: int | None = None
        self._results: list[DreamUpdate] = []
        self._error: BaseException | None = None
        self._closing = False
        self.look: Look | None = None  # the present one; None: the first is being loaded
        self.message = ""  # why the last wish could not be granted
        self._thread = Thread(target=self._work, name="ascent", daemon=True)
        self._thread.start()

    def offer(self, task: AscentTask) -> None:
        """Put `task` in the place of what was offered before."""
        with self._changed:
            self._offered = task
            self._changed.notify()

    def results(self) -> tuple[list[DreamUpdate], int | None]:
        """(what was finished since the last call, number of the picture that is being worked on).

        Raises:
            DreamVideoError: whatever ended the thread.
        """
        with self._changed:
            if self._error is not None:
                raise self._error
            done, self._results = self._results, []
            return done, self._working

    def close(self) -> None:
        """End the thread, after the ascent that it is at."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _next(self) -> AscentTask | None:
        with self._changed:
            self._working = None
            self._changed.wait_for(lambda: self._offered is not None or self._closing)
            if self._closing:
                return None
            task, self._offered = self._offered, None
            self._working = task.number if task else None
            return task

    def _work(self) -> None:
        climb, wish = AscentState(), None
        try:
            while (task := self._next()) is not None:
                if task.wish != wish:
                    wish = task.wish
                    self.look = self._granted(wish)
                look = self.look
                assert look is not None
                if not look.dreaming.iterations or not task.scene.strength:
                    continue
                began = time.monotonic()
                climb, gain, steps = run_ascent(climb, task, look, self._carrying)
                if gain is not None:
                    with self._changed:
                        self._results.append(DreamUpdate(task, gain, steps, time.monotonic() - began))
        except BaseException as error:
            with self._changed:
                self._error = error

    def _granted(self, wish: LookChoice) -> Look:
        try:
            look = self._load(wish)
            self.message = ""
            return look
        except DreamVideoError as error:
            if self.look is None:
                raise
            self.message = str(error)
            return self.look
