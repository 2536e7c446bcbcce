"""prefetch: every item, in order, whatever happens on either side; latest: the newest, and never a wait."""

import logging
import os
import threading
import time
import traceback
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.threads import Latest, latest, prefetch, usable_cores


def counting(count: int, log: Any = None, error: Any = None) -> Generator[Any, None, None]:
    """0, 1, ... count - 1, then `error`; `log` takes what was made and the thread that closed it."""
    try:
        for number in range(count):
            if log is not None:
                log.append(number)
            yield number
        if error is not None:
            raise error
    finally:
        if log is not None:
            log.append(threading.current_thread().name)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


@given(count=st.integers(0, 30), depth=st.integers(1, 5))
def test_keeps_every_item_in_order(count: int, depth: int) -> None:
    assert list(prefetch(counting(count), depth)) == list(range(count))


def test_runs_ahead_but_no_further_than_its_depth() -> None:
    log: list[Any] = []
    frames = prefetch(counting(100, log), depth=3)
    next(frames)
    while len(log) < 5:  # one out, three waiting, one in hand
        time.sleep(0.001)
    time.sleep(0.2)
    assert len(log) == 5
    frames.close()


def test_an_error_comes_after_the_items_before_it_and_with_its_traceback() -> None:
    frames = prefetch(counting(2, error=ValueError("broken")))
    assert [next(frames), next(frames)] == [0, 1]
    with pytest.raises(ValueError, match="broken") as caught:
        next(frames)
    assert "counting" in "".join(traceback.format_tb(caught.tb))


@pytest.mark.parametrize("pulled", [0, 1, 5])
@pytest.mark.parametrize("depth", [1, 2, 8])
def test_closing_closes_the_upstream_in_its_own_thread(pulled: int, depth: int) -> None:
    log: list[Any] = []
    frames = prefetch(counting(1000, log), depth)
    for _ in range(pulled):
        next(frames)
    frames.close()
    assert log[-1].startswith("prefetch")
    assert len(log) < 100


def test_an_interrupted_consumer_does_not_hang() -> None:
    log: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        frames = prefetch(prefetch(counting(1000, log), 2), 2)
        try:
            for number in frames:
                if number == 5:
                    raise KeyboardInterrupt
        finally:
            frames.close()
    assert log[-1].startswith("prefetch")


def test_an_error_while_closing_does_not_hide_the_consumers_own() -> None:
    def stubborn() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            raise RuntimeError("while closing")

    frames = prefetch(stubborn(), 1)
    assert next(frames) == 1
    frames.close()


def test_a_depth_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        prefetch(counting(1), 0)


def stepped(steps: Any, asked: Any) -> Generator[int, None, None]:
    """0, 1, ...: each once `steps` lets it; `asked` is released when the one before it has been handed over."""
    number = 0
    while True:
        asked.release()
        steps.acquire()
        yield number
        number += 1


@given(count=st.integers(0, 200))
def test_the_newest_come_in_order_and_each_item_is_seen_or_counted(count: int) -> None:
    seen = list(latest(counting(count), timeout=300))
    numbers = [one.item for one in seen]
    assert numbers == sorted(set(numbers))
    assert numbers[-1:] == ([count - 1] if count else [])
    assert len(seen) + (seen[-1].dropped if seen else 0) == count


def test_the_newest_takes_the_place_of_those_that_nobody_took() -> None:
    steps, asked = threading.Semaphore(0), threading.Semaphore(0)
    items = latest(stepped(steps, asked), timeout=300)
    asked.acquire()
    for count, newest, dropped in ((1, 0, 0), (3, 3, 2), (1, 4, 2), (100, 104, 101)):
        for _ in range(count):
            steps.release()
            asked.acquire()
        assert next(items) == Latest(newest, dropped)
    steps.release()
    items.close()


def test_it_says_when_nothing_is_new_and_goes_on() -> None:
    steps = threading.Semaphore(0)
    items = latest(stepped(steps, threading.Semaphore(0)), timeout=0.02)
    assert [next(items).item for _ in range(3)] == [None] * 3
    steps.release()
    assert next(one.item for one in items if one.item is not None) == 0
    assert next(items).item is None
    steps.release()
    items.close()


def test_a_none_of_the_upstream_is_nothing_new() -> None:
    def now_and_then() -> Generator[Any, None, None]:
        yield from (None, 1, None, None, 2, None)

    items = list(latest(now_and_then(), timeout=300))
    assert items[-1].item == 2
    assert len(items) + items[-1].dropped == 2


def test_the_last_item_is_seen_before_the_error_however_late_it_is_taken() -> None:
    items = latest(counting(3, error=ValueError("broken")), timeout=300)
    time.sleep(0.1)  # the upstream has ended by now
    assert next(items).item == 2
    with pytest.raises(ValueError, match="broken") as caught:
        next(items)
    assert "counting" in "".join(traceback.format_tb(caught.tb))


@pytest.mark.parametrize("pulled", [0, 1, 5])
def test_closing_the_newest_closes_the_upstream_in_its_own_thread(pulled: int) -> None:
    log: list[Any] = []

    def forever() -> Generator[Any, None, None]:
        try:
            while True:
                time.sleep(0.001)
                yield 1
        finally:
            log.append(threading.current_thread().name)

    items = latest(forever(), timeout=300)
    for _ in range(pulled):
        next(items)
    items.close()
    assert log == ["latest-forever"]


def test_closing_after_the_end_with_its_last_item_never_taken() -> None:
    items = latest(counting(3, error=ValueError("broken")), timeout=300)
    time.sleep(0.05)
    items.close()


def test_a_camera_that_hangs_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    released = threading.Event()

    def hanging() -> Generator[int, None, None]:
        yield 1
        released.wait()

    items = latest(hanging(), timeout=0.02)
    assert next(one.item for one in items if one.item is not None) == 1
    assert next(items).item is None
    with caplog.at_level(logging.DEBUG, "dreamvideo.threads"):
        items.close()  # comes back, although what it closes does not
    assert not released.is_set()
    assert "latest-hanging does not end" in caplog.text
    thread = next(thread for thread in threading.enumerate() if thread.name == "latest-hanging")
    assert thread.daemon
    released.set()
    thread.join(10)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_of_nothing_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        latest(counting(1), timeout)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs cores that a process is pinned to")
def test_cores_are_those_that_the_process_may_run_on() -> None:
    before = os.sched_getaffinity(0)
    assert usable_cores() == len(before)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_where_a_process_cannot_be_pinned_all_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert usable_cores() == 7
