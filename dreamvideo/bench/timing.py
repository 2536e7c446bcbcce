"""Interleaved timing: every contender runs once per round, so that a drift of the machine's speed affects all alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import torch

from dreamvideo.kernels.graph_capture import while_nothing_is_recorded


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A time after which no further measurement starts."""

    minutes: float
    start: float = field(default_factory=time.monotonic)

    def reached(self) -> bool:
        return time.monotonic() - self.start > 60 * self.minutes

    def remaining(self) -> float:
        """Seconds until then; 0 if it is reached."""
        return max(0.0, 60 * self.minutes - (time.monotonic() - self.start))


def time_call(run: Callable[[], object], device: torch.device) -> float:
    """Return the wall time of one call in seconds, including all work that it queues on `device`."""
    synchronize(device)
    start = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device: torch.device) -> None:
    """Wait until all work queued on `device` is done."""
    if device.type == "cuda":
        with while_nothing_is_recorded():  # flow may be, in a thread of its own
            torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def time_interleaved(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    device: torch.device,
    limit: TimeLimit,
    *,
    min_seconds: float = 0.0,
    warm_up: bool = True,
    once: Sequence[str] = (),
    complete_first_round: bool = True,
) -> dict[str, list[float]]:
    """Time contenders in turn; every other round runs in reverse order.

    Args:
        contenders: name -> function to time.
        rounds: how often each is timed.
        device: where they run; it is synchronized before and after each measurement.
        limit: no round after the first starts once it is reached.
        min_seconds: repeat the calls of one measurement until they fill this time.
        warm_up: call each once before; False if the caller has done so.
        once: contenders that are timed in the first round only.
        complete_first_round: finish the first round even beyond the limit; else those that have no time by then are
            left out.

    Returns:
        Name -> seconds per call, one value per round.
    """
    calls = dict.fromkeys(contenders, 1)
    for name, run in contenders.items() if warm_up else ():
        run()
        if min_seconds:
            calls[name] = max(1, math.ceil(min_seconds / max(time_call(run, device), 1e-6)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for round_index in range(rounds):
        if round_index and limit.reached():
            break
        order = list(contenders.items())
        for name, run in order if round_index % 2 == 0 else order[::-1]:
            if not complete_first_round and limit.reached() and any(times.values()):
                continue
            if round_index == 0 or name not in once:
                times[name].append(time_call(_repeat(run, calls[name]), device) / calls[name])
    return {name: values for name, values in times.items() if values}


def _repeat(run: Callable[[], object], calls: int) -> Callable[[], None]:
    def repeat() -> None:
        for _ in range(calls):
            run()

    return repeat


def median_speedup(baseline: Sequence[float], ours: Sequence[float]) -> float:
    """Return how many times faster ours is: the median of baseline / ours over the rounds that both ran."""
    return median(a / b for a, b in zip(baseline, ours, strict=False))


def spread_percent(times: Sequence[float]) -> float | None:
    """Return largest minus smallest in percent of the median; None for a single value."""
    return None if len(times) < 2 else 100 * (max(times) - min(times)) / median(times)
