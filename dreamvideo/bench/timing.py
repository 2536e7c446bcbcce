"""Timing in turn: every contender once per round, so that a drift of the machine's speed meets all of them alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import torch


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A time after which nothing more is begun."""

    minutes: float
    began: float = field(default_factory=time.monotonic)

    def late(self) -> bool:
        return time.monotonic() - self.began > 60 * self.minutes


def time_call(run: Callable[[], object], device: torch.device) -> float:
    """Wall time of one call, everything on `device` done."""
    synchronize(device)
    began = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - began


def synchronize(device: torch.device) -> None:
    """Wait until `device` has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def time_interleaved(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    device: torch.device,
    clock: TimeLimit,
    *,
    least: float = 0.0,
    warm: bool = True,
    once: Sequence[str] = (),
    whole: bool = True,
) -> dict[str, list[float]]:
    """Seconds per call of each contender, one value per round; every other round runs backwards.

    Args:
        least: seconds that one value is taken over, in as many calls as fill them.
        warm: call each once before; False where the caller has done so.
        once: contenders that take part in the first round only.
        whole: end the first round even when it is late; else whoever has no time by then is left out.
    """
    calls = dict.fromkeys(contenders, 1)
    for name, run in contenders.items() if warm else ():
        run()
        if least:
            calls[name] = max(1, math.ceil(least / max(time_call(run, device), 1e-6)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        if number and clock.late():
            break
        order = list(contenders.items())
        for name, run in order if number % 2 == 0 else order[::-1]:
            if not whole and clock.late() and any(times.values()):
                continue
            if number == 0 or name not in once:
                times[name].append(time_call(_repeated(run, calls[name]), device) / calls[name])
    return {name: taken for name, taken in times.items() if taken}


def _repeated(run: Callable[[], object], calls: int) -> Callable[[], None]:
    def repeat() -> None:
        for _ in range(calls):
            run()

    return repeat


def median_speedup(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Median over the rounds that both ran of theirs / ours: how many times faster ours is."""
    return median(a / b for a, b in zip(theirs, ours, strict=False))


def spread_percent(times: Sequence[float]) -> float | None:
    """Largest minus smallest, in percent of the median; None of a single one."""
    return None if len(times) < 2 else 100 * (max(times) - min(times)) / median(times)
