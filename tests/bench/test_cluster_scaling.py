"""What `dreamvideo bench cluster` predicts and measures."""

from typing import Any

import pytest
from conftest import run

from dreamvideo.bench.cluster_scaling import FrameCosts, predict_scaling
from dreamvideo.errors import SettingsError
from dreamvideo.settings.bench import ScalingSettings

COSTS = FrameCosts(split=0.001, dream=0.03, store=0.0001, join=0.0005, returned_bytes=5000)


def test_workers_share_whole_shots_until_splitting_takes_longer() -> None:
    one, two, three, many = (predict_scaling(COSTS, count, 10, 100, 0.9) for count in (1, 2, 3, 1000))
    assert one["seconds"] == pytest.approx(1000 * (0.03 + 0.0005)) and one["times"] == pytest.approx(1)
    assert two["seconds"] == pytest.approx(500 * 0.03 / 0.9 + 0.5)
    assert three["seconds"] == pytest.approx(400 * 0.03 / 0.9 + 0.5)  # of ten shots one has four
    assert [row["limit"] for row in (one, two, three)] == ["workers"] * 3
    assert many["seconds"] == pytest.approx(100 * 0.03 / 0.9 + 0.5) and many["limit"] == "workers"  # one long shot
    long_video = predict_scaling(COSTS, 1000, 1000, 100, 0.9)
    assert long_video["limit"] == "splitting" and long_video["seconds"] == pytest.approx(100_000 * 0.0015)
    assert long_video["MB_per_s"] == pytest.approx(100_000 * 5000 / 150 / 1e6)


@pytest.mark.parametrize("name", ["workers", "shots", "frames", "rounds"])
def test_senseless_measurements_are_refused(name: str) -> None:
    settings: dict[str, Any] = {name: 0}
    with pytest.raises(SettingsError, match=f"--{name} 0: expected at least"):
        ScalingSettings(**settings)


@pytest.mark.bench
def test_the_command_measures(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    words = ["--shots", 4, "--frames", 10, "--rounds", 1, "--iterations", 2, "--octaves", 1, "-q"]
    assert run("bench", "cluster", *words) == 0
    said = capsys.readouterr()
    assert said.err == "" or "dreamvideo:" not in said.err
    assert "predicted" in said.out and "split ms" in said.out
