"""prefetch: every item, in order, whatever happens on either side."""

import threading
import time
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.buffers import prefetch


def counting(count, log=None, error=None):
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
def no_thread_stays():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


@given(count=st.integers(0, 30), depth=st.integers(1, 5))
def test_keeps_every_item_in_order(count, depth):
    assert list(prefetch(counting(count), depth)) == list(range(count))


def test_runs_ahead_but_no_further_than_its_depth():
    log = []
    frames = prefetch(counting(100, log), depth=3)
    next(frames)
    time.sleep(0.2)
    assert 3 <= len(log) <= 5  # one out, three waiting, one in hand
    frames.close()


def test_an_error_comes_after_the_items_before_it_and_with_its_traceback():
    frames = prefetch(counting(2, error=ValueError("broken")))
    assert [next(frames), next(frames)] == [0, 1]
    with pytest.raises(ValueError, match="broken") as caught:
        next(frames)
    assert "counting" in "".join(traceback.format_tb(caught.tb))


@pytest.mark.parametrize("pulled", [0, 1, 5])
@pytest.mark.parametrize("depth", [1, 2, 8])
def test_closing_closes_the_upstream_in_its_own_thread(pulled, depth):
    log = []
    frames = prefetch(counting(1000, log), depth)
    for _ in range(pulled):
        next(frames)
    frames.close()
    assert log[-1].startswith("prefetch")
    assert len(log) < 100


def test_an_interrupted_consumer_does_not_hang():
    log = []
    with pytest.raises(KeyboardInterrupt):
        frames = prefetch(prefetch(counting(1000, log), 2), 2)
        try:
            for number in frames:
                if number == 5:
                    raise KeyboardInterrupt
        finally:
            frames.close()
    assert log[-1].startswith("prefetch")


def test_an_error_while_closing_does_not_hide_the_consumers_own():
    def stubborn():
        try:
            while True:
                yield 1
        finally:
            raise RuntimeError("while closing")

    frames = prefetch(stubborn(), 1)
    assert next(frames) == 1
    frames.close()


def test_a_depth_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        prefetch(counting(1), 0)
