"""What `dreamvideo bench cluster` predicts and measures."""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from conftest import run
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dreamvideo.bench import cluster_simulation, many_films
from dreamvideo.bench.cluster_model import ClusterModel, FrameCosts, simulate_cluster
from dreamvideo.bench.cluster_simulation import drawn_shots
from dreamvideo.bench.model_film import ModelFilm, model_film
from dreamvideo.errors import SettingsError
from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.media.segments import MAX_FRAMES, SegmentCounter
from dreamvideo.settings.bench import ScalingSettings
from dreamvideo.settings.job import ClusterSettings

COSTS = FrameCosts(
    skip=0.0,
    dream=0.03,
    join=0.0005,
    finish=0.0,
    report=0.0,
    assign=0.0,
    poll=0.0,
    request=0.0,
    read_bytes=5000,
    written_bytes=5000,
)
EQUAL = model_film([100] * 40, 25)


def seconds(film: ModelFilm, costs: FrameCosts = COSTS, seed: int = 0, **model: Any) -> float:
    return simulate_cluster(film, costs, ClusterModel(**model), seed).seconds


def test_one_worker_takes_the_time_of_all_frames_and_several_share_whole_shots() -> None:
    last = 0.0005 * 100  # the join of the last segment; the others are joined meanwhile
    assert 0 <= seconds(EQUAL, workers=1) - (4000 * 0.03 + last) <= 3 * last  # a request waits for a join
    assert seconds(EQUAL, workers=2, share=0.9) == pytest.approx(2000 * 0.03 / 0.9, abs=30 * last)  # 8 joins in a row
    for workers in (3, 7, 40):
        rounds = math.ceil(40 / workers)
        assert 0 <= seconds(EQUAL, workers=workers) - rounds * 100 * 0.03 <= 40 * last
    assert seconds(model_film([4000], 25), workers=9) == pytest.approx(seconds(model_film([4000], 25), workers=1))


def test_a_long_shot_in_parts_is_dreamed_by_several_workers() -> None:
    film = model_film([5000], 25, every=10)
    assert sorted(film.seams) == [int(25 * (10 * n + 1.5)) + 1 for n in range(1, 20)] and film.cuts[0] == 0
    assert not model_film([210, 90], 25, every=10).seams  # the second shot is young at ten seconds
    whole, alone, four = seconds(model_film([5000], 25), workers=4), seconds(film, workers=1), seconds(film, workers=4)
    assert 1.2 * whole < alone < 1.4 * whole and alone / 4 < four < 0.4 * alone


def test_what_has_to_be_done_in_one_place_is_the_limit() -> None:
    slow = replace(COSTS, join=0.01)
    assert seconds(EQUAL, slow, workers=40) == pytest.approx(3 + 4000 * 0.01)
    assert seconds(EQUAL, replace(COSTS, report=0.5, assign=0.5), workers=40) >= 80 * 0.5
    assert seconds(EQUAL, replace(COSTS, poll=0.01, finish=1.0), workers=40) >= 3 + 40 * 0.01 * 2 + 1.0
    assert seconds(EQUAL, workers=40, bandwidth=1e6) >= 4000 * 0.01
    run = simulate_cluster(EQUAL, replace(slow, join=1.0), ClusterModel(40))
    assert run.scheduling > 0.99 and run.dreaming < 0.01


@given(st.lists(st.integers(1, 900), min_size=1, max_size=30), st.integers(1, 20), st.integers(0, 9))
@hypothesis_settings(max_examples=40, deadline=None)
def test_all_is_dreamed_and_joined_whatever_dies(shots: list[int], workers: int, seed: int) -> None:
    film, costs = model_film(shots, 25), replace(COSTS, skip=0.001, report=0.001, request=0.02)
    run = simulate_cluster(film, costs, ClusterModel(workers, spread=0.2, deaths=200, restart=5, preempted=1.0), seed)
    assert run.deaths or sum(shots) * 0.03 * math.exp(-1) < 2.0 * workers
    assert run.dreaming * run.seconds * workers >= sum(shots) * 0.03 * math.exp(-1)
    ends = [end for first in film.cuts[:1] for end in film.segments(first, film.cuts[-1])]
    assert ends[-1] == film.cuts[-1] and ends == sorted(set(ends))
    assert max(end - first for first, end in pairwise([0, *ends])) <= MAX_FRAMES


def test_the_model_has_the_segments_of_a_film() -> None:
    shots = drawn_shots(40, 60, 0.9)
    film, counter, ends = model_film(shots, 25), SegmentCounter(), []
    cuts, number = set(film.cuts), 0
    for n in range(film.cuts[-1]):
        counter.advance(Fraction(n, 25), n in cuts)
        if counter.number != number:
            number = counter.number
            ends.append(n)
    assert list(film.segments(0, film.cuts[-1])) == [*ends, film.cuts[-1]]


def test_drawn_shots_have_the_mean_that_is_asked_for() -> None:
    lengths = drawn_shots(20_000, 100, 0.9)
    assert sum(lengths) / len(lengths) == pytest.approx(100, rel=0.03)
    assert sorted(lengths)[10_000] == pytest.approx(100 * math.exp(-0.405), rel=0.05)


def test_the_simulation_is_a_table_for_each_film(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_simulation, "SHOTS", (30, 50))
    monkeypatch.setattr(cluster_simulation, "WORKERS", (1, 4))
    assert run("bench", "cluster", "--simulate") == 0
    said = capsys.readouterr().out
    assert said.count("equal shots: 30 of 50 frames") == 2 and said.count("log-normal lengths, mean 50") == 2


@pytest.mark.parametrize("name", ["workers", "shots", "frames", "rounds"])
def test_senseless_measurements_are_refused(name: str) -> None:
    settings: dict[str, Any] = {name: 0}
    with pytest.raises(SettingsError, match=f"--{name} 0: expected at least"):
        ScalingSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"films": 1}, "--films 1: expected at least as many as --workers"),
        ({"machines": 3}, "--machines 3: expected a divisor of --workers 2"),
    ],
)
def test_films_and_machines_are_shared_by_workers(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ScalingSettings(**settings)


def test_many_films_on_workers_are_compared_with_processes_that_share_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dreams_in(seconds: float) -> Any:
        def run(jobs: Sequence[Job], settings: JobSettings, workers: int) -> float:
            assert settings.cluster == ClusterSettings("local", workers=workers)
            assert [job.source.exists() for job in jobs] == [True] * 4
            jobs[0].output.parent.mkdir()
            return seconds

        return run

    monkeypatch.setattr(many_films, "_on_processes", dreams_in(2.0))
    monkeypatch.setattr(many_films, "_on_workers", dreams_in(2.5))
    assert run("bench", "cluster", "--films", 4, "--frames", 2, "--size", "32x32", "--rounds", 3, "-q") == 0
    *_, processes, workers = (line.split() for line in capsys.readouterr().out.splitlines() if line.strip())
    assert processes == ["processes", "2.00", "500", "1.00"] and workers == ["workers", "2.50", "625", "1.25"]


@pytest.mark.slow
def test_many_films_are_dreamed_on_two_machines(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    words = ["--films", 5, "--frames", 4, "--rounds", 1, "--machines", 2, "--iterations", 1, "--octaves", 1]
    assert run("bench", "cluster", *words, "--size", "64x64", "-q") == 0
    assert "5 films of 4 frames" in capsys.readouterr().out


@pytest.mark.bench
def test_the_command_measures(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    words = ["--shots", 4, "--frames", 10, "--rounds", 1, "--iterations", 2, "--octaves", 1, "-q"]
    assert run("bench", "cluster", *words) == 0
    said = capsys.readouterr()
    assert said.err == "" or "dreamvideo:" not in said.err
    assert "simulated" in said.out and "skip ms" in said.out
