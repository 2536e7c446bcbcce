"""The thread of the ascents: it always takes the newest frame, one ascent after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread

from dreamvideo.ascent.cuda_graphs import recordings_made
from dreamvideo.ascent.memory_budget import release_memory
from dreamvideo.devices import is_out_of_memory
from dreamvideo.errors import DreamVideoError, MemoryBudgetError
from dreamvideo.live.dreaming.ascent_task import AscentState, AscentTask, Look, LookChoice, run_ascent
from dreamvideo.live.dreaming.camera_stream import after_event
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
        self._carry_settings = carry_settings
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
        try:
            self._prepare()
            while (task := self._next()) is not None:
                if task.look_choice != choice:
                    choice = task.look_choice
                    self.look = self._load_or_keep(choice)
                look = self.look
                assert look is not None
                if not look.settings.iterations or not task.dream.strength:
                    continue
                state = next((each for each in states if each.generation == task.generation), states[-1])
                after, result = _timed_ascent(state, task, look, self._carry_settings)
                states = [*(each for each in states if each.generation != task.generation), after][-FLASH_FRAMES - 1 :]
                if result is not None:
                    with self._changed:
                        self._results.append(result)
        except BaseException as error:
            with self._changed:
                self._error = error

    def _load_or_keep(self, choice: LookChoice) -> Look:
        """Load a look; if that fails, keep the present one and set `message`."""
        try:
            look = self._load_in_memory(choice)
            self.message = ""
            return look
        except DreamVideoError as error:
            if self.look is None:
                raise
            self.message = str(error)
            return self.look

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
    one_off = (recordings_made(), budget.failures) != before
    return after, AscentResult(task, update, steps, time.monotonic() - start, one_off)
