"""`dreamvideo bench live`: numbers in pictures can be read through a dream, and lateness is what a clock says."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import run, textured
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.bench.frame_stamps import BITS, read_stamp, stamp
from dreamvideo.bench.live_samples import LatencySample, latency_summary
from dreamvideo.live.shared_state import LiveNumbers


@given(st.integers(0, 2**BITS - 1), st.sampled_from([(120, 160), (480, 640)]))
def test_a_number_is_read_back(number: int, size: tuple[int, int]) -> None:
    assert read_stamp(stamp(np.zeros((*size, 3), np.uint8), number)) == number


def test_a_number_is_read_through_a_dream_and_noise() -> None:
    picture = stamp(textured(240, 320), 1234).astype(float)
    picture += np.random.default_rng(1).normal(0, 60, picture.shape)
    assert read_stamp(picture.clip(0, 255).astype(np.uint8)) == 1234


def test_what_is_no_number_is_none() -> None:
    picture = stamp(np.zeros((240, 320, 3), np.uint8), 0b101)
    picture[:10, :10] = 255
    assert read_stamp(picture) is None


def test_the_summary_counts_new_pictures_and_sorts_lateness() -> None:
    numbers = LiveNumbers(steps_per_second=10, working_size=(240, 320), device="cpu")
    samples = [LatencySample(i / 10, i % 2 == 0, 0.001 * i, numbers, 10**9 + i * 10**6) for i in range(101)]
    row = latency_summary(samples)
    assert row["new_frames_fps"] == pytest.approx(5.1)
    assert row["latency_ms"] == pytest.approx(50)
    assert row["latency_max_ms"] == pytest.approx(100)
    assert row["memory_grew_MB"] == pytest.approx(91, abs=1)
    assert row["dream"] == "320x240"


def test_the_command_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "live.json"
    words = ("--seconds", "1", "--size", "160x120", "--fps", "10", "--json", report, "-q")
    assert run("bench", "live", *words) == 0
    (row,) = json.loads(report.read_text())["sections"]["live"]["rows"]
    assert row["latency_ms"] > 0
    assert row["unread"] == 0
    assert "latency p99 ms" in capsys.readouterr().out
