"""The thread of the ascents: it always takes the newest frame, one ascent after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Condition, Thread

from dreamvideo.ascent.cuda_graphs import recordings_made
from dreamvideo.ascent.memory_budget import release_memory
from dreamvideo.devices import is_out_of_memory
from dreamvideo.errors import DreamVideoError, MemoryBudgetError
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_task import AscentState, AscentTask, Look, LookChoice, run_ascent
from dreamvideo.live.dreaming.camera_stream import after_event
from dreamvideo.live.dreaming.dials import Dials, read_dials
from dreamvideo.live.dreaming.look_fade import LookFade, fade_to
from dreamvideo.live.dreaming.tracking import ResidualUpdate
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.video.judged_frames import FLASH_FRAMES


@dataclass(frozen=True, slots=True)
class AscentResult:
    """The outcome of a task."""

    task: AscentTask
    update: ResidualUpdate
    steps: int
    seconds: float  # that it took
    one_off: bool = False  # the next will be faster: a graph was recorded meanwhile, or memory ran out


class AscentThread:
    """A thread that runs ascents: it takes the newest task offered, and no call waits for an ascent but `close`."""

    def __init__(
        self,
        load: Callable[[LookChoice], Look],
        carry_settings: CarrySettings,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the thread.

        Args:
            load: loads a look; called in the thread.
            carry_settings: steps of a dream that has grown.
            prepare: called first in the thread; a program may set its number of threads here.
        """
        self._load = load
        self.carry = carry_settings
        self._prepare = prepare
        self._changed = Condition()
        self._offered: AscentTask | None = None
        self._working_on: int | None = None
        self._results: list[AscentResult] = []
        self._error: BaseException | None = None
        self._closing = False
        self.look: Look | None = None  # the present one; None: the first is being loaded
        self.message = ""  # why the look that was chosen last cannot be loaded
        self._thread = Thread(target=self._work, name="ascent", daemon=True)
        self._thread.start()

    def read_dials(self, controls: Controls, factors: Mapping[str, float]) -> Dials:
        """Return what is in effect with the present look; `factors`: as for `dials.read_dials`."""
        look = self.look
        return read_dials(controls, None if look is None else look.settings, self.carry, factors)

    def offer(self, task: AscentTask) -> None:
        """Replace the task that is waiting, if any."""
        with self._changed:
            self._offered = task
            self._changed.notify()

    def results(self) -> tuple[list[AscentResult], int | None]:
        """Results since the last call, and the frame_index that the running ascent started from.

        Raises:
            DreamVideoError: the error that ended the thread.
        """
        with self._changed:
            if self._error is not None:
                raise self._error
            results, self._results = self._results, []
            return results, self._working_on

    def close(self) -> None:
        """End the thread after the running ascent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _next(self) -> AscentTask | None:
        with self._changed:
            self._working_on = None
            self._changed.wait_for(lambda: self._offered is not None or self._closing)
            if self._closing:
                return None
            task, self._offered = self._offered, None
            self._working_on = task.frame_index if task else None
            return task

    def _work(self) -> None:
        states, choice = [AscentState()] * (FLASH_FRAMES + 1), None  # of the newest dreams: after a flash one goes on
        fade: LookFade | None = None
        try:
            self._prepare()
            while (task := self._next()) is not None:
                if task.look_choice != choice:
                    choice = task.look_choice
                    fade = self._change_look(choice, fade)
                if fade is not None:
                    self.look = fade.look_at(time.monotonic())
                    if self.look.end is None:
                        if fade.changes_network:
                            release_memory(self.look.network.device)  # recordings hold the network before
                        fade = fade.arrived() if self.look.fades else None
                look = self.look
                assert look is not None
                if not look.settings.iterations or not task.dream.strength:
                    continue
                state = next((each for each in states if each.generation == task.generation), states[-1])
                after, result = _timed_ascent(state, task, look, self.carry)
                states = [*(each for each in states if each.generation != task.generation), after][-FLASH_FRAMES - 1 :]
                if fade is not None and fade.begin is not None:
                    fade = replace(fade, ascents=fade.ascents + 1)
                elif fade is not None and after.choice in (None, look.choice):  # goals are known
                    fade = replace(fade, begin=time.monotonic())
                if result is not None:
                    with self._changed:
                        self._results.append(result)
        except BaseException as error:
            with self._changed:
                self._error = error

    def _change_look(self, choice: LookChoice, fade: LookFade | None) -> LookFade | None:
        """Load a look and begin to fade to it; the first is there at once. If that fails, go on and set `message`."""
        try:
            look = self._load_in_memory(choice)
            self.message = ""
        except DreamVideoError as error:
            if self.look is None:
                raise
            self.message = str(error)
            return fade
        if self.look is None or (look is self.look and fade is None):
            self.look = look
            return None
        return fade_to([(self.look, 1.0)] if fade is None else fade.parts(time.monotonic()), look)

    def _load_in_memory(self, choice: LookChoice) -> Look:
        """Load a look; where memory runs out, once more without the recordings of the present one."""
        for _ in range(2):
            try:
                return self._load(choice)
            except (RuntimeError, MemoryError) as error:
                if isinstance(error, DreamVideoError) or not is_out_of_memory(error):
                    raise
            if self.look is not None:
                release_memory(self.look.network.device)
        raise MemoryBudgetError("got no memory for the network of this look: expected a smaller one, or --device cpu")


def _timed_ascent(
    state: AscentState, task: AscentTask, look: Look, carry_settings: CarrySettings
) -> tuple[AscentState, AscentResult | None]:
    """Run one ascent; None: no turn is due yet."""
    budget = look.budget(task.dream.size)
    start, before = time.monotonic(), (recordings_made(), budget.failures)
    with after_event(task.ready, look.network.device):
        after, update, steps = run_ascent(state, task, look, carry_settings)
    if update is None:
        return after, None
    measured = state.choice is not None and after.choice != state.choice  # a frame was dreamed from scratch for it
    one_off = measured or (recordings_made(), budget.failures) != before
    return after, AscentResult(task, update, steps, time.monotonic() - start, one_off)
