"""Whatever is killed (kill -9) at any moment: the film is that of an unbroken run, nothing is dreamed twice or left.

Ten moments each: a worker and a node of a cluster, while a command goes on; the command that distributes the work, and
the server that holds the films, after which the command is resumed.
"""

import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest
from clips import make_clip
from conftest import run, textured
from numpy.typing import NDArray
from s3_bucket import expect_s3_at, make_bucket
from test_cluster import Recorder, dreaming_workers, error_output, job_settings, start_video
from test_resume import digest

from dreamvideo.jobs.cluster.scheduler import run_on_cluster
from dreamvideo.jobs.cluster.workers import open_pool
from dreamvideo.jobs.job import Job
from dreamvideo.jobs.job_schedule import load_job_networks
from dreamvideo.jobs.runner import dream_jobs
from dreamvideo.media import remote_source
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.segment_records import stored_segments
from dreamvideo.settings.dream import DreamSettings, ModelSettings
from dreamvideo.settings.job import ClusterSettings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SHOTS, LENGTH, RATE = 16, 10, 5  # each shot is a segment
FRAMES = SHOTS * LENGTH
MOMENTS = range(10)
WORDS = ["--model", "dreamnet", "--iterations", "4", "--octaves", "1", "--threads", "1"]


def shots(number: int, width: int, height: int) -> NDArray[Any]:
    place, step = divmod(number, LENGTH)
    return np.ascontiguousarray(textured(height, width + 2 * LENGTH, place)[:, 2 * step : 2 * step + width])


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    times = [Fraction(n, RATE) for n in range(FRAMES)]
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_clip(path, times, size=(96, 64), audio=[("aac", "eng")], options={"g": "10"}, image=shots)


@pytest.fixture(scope="module")
def unbroken(film: Path) -> Any:
    """What a run makes that nothing disturbs."""
    assert run("video", film, "-o", film.with_name("unbroken.mp4"), *WORDS, "-q") == 0
    return digest(film.with_name("unbroken.mp4"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two machines of one core each, and one without that holds them together."""
    utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")
    nodes = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    yield nodes
    nodes.shutdown()


def kill_a_worker(cluster: Any, chance: random.Random) -> None:
    while not (workers := dreaming_workers()):
        time.sleep(0.01)
    chance.choice(workers).send_signal(signal.SIGKILL)


def kill_a_node(cluster: Any, chance: random.Random) -> None:
    cluster.remove_node(chance.choice(sorted(cluster.worker_nodes, key=id)), allow_graceful=False)


@pytest.mark.parametrize("kill", [kill_a_worker, kill_a_node])
def test_a_command_goes_on_without_what_was_killed(
    film: Path, cluster: Any, tmp_path: Path, kill: Callable[[Any, random.Random], None]
) -> None:
    settings = job_settings(
        model=ModelSettings("dreamnet", threads=1),
        dream=DreamSettings(octaves=1, iterations=4),
        cluster=ClusterSettings(cluster=cluster.address),
    )
    here = Job(film, tmp_path / "here.mp4")
    dream_jobs([here], settings, partial(load_job_networks, settings))
    repeated, unbroken = 0, digest(here.output)
    with open_pool(settings, None) as pool:
        pool.wait_until_ready()
        for moment in MOMENTS:
            chance, observer = random.Random(moment), Recorder()
            after, wait = chance.randrange(FRAMES - 3 * LENGTH), chance.uniform(0, 0.3)

            def strike(
                chance: random.Random = chance, observer: Recorder = observer, after: int = after, wait: float = wait
            ) -> None:
                while observer.frames < after:
                    time.sleep(0.005)
                time.sleep(wait)
                kill(cluster, chance)

            striker = threading.Thread(target=strike)
            striker.start()
            print(f"moment {moment}: after {after} frames and {wait:.2f} s", flush=True)
            job = Job(film, tmp_path / f"{moment}.mp4")
            run_on_cluster(pool, [job], settings, observer)
            striker.join()
            while len(cluster.worker_nodes) < 2:
                cluster.add_node(num_cpus=1)
            (result,) = observer.results
            assert result.error is None, (moment, result.error)
            assert observer.frames == result.dreamed == FRAMES
            assert digest(job.output) == unbroken, moment
            repeated += any("is repeated" in text for text in observer.messages)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*(f"{moment}.mp4" for moment in MOMENTS), "here.mp4"]
    assert repeated >= 5  # others died when they had nothing to do


def finished_below(folder: Path) -> int:
    """How many segments checkpoints below a folder have."""
    with suppress(FileNotFoundError):  # it is deleted meanwhile
        return sum(path.stem.isdigit() and path.parent.suffix == ".checkpoint" for path in folder.rglob("*.json"))
    return 0


def wait_for_segments(folder: Path, chance: random.Random, child: subprocess.Popen[str]) -> None:
    """Wait until a checkpoint below a folder has so many segments, and a little longer, or the child has ended."""
    after, wait = chance.randrange(SHOTS // 2), chance.uniform(0, 0.2)
    while child.poll() is None and finished_below(folder) < after:
        time.sleep(0.01)
    time.sleep(wait)


def dreamed_in(report: Path) -> int:
    """Frames that were dreamed in a run that finished the film; none where it was finished before."""
    (row,) = json.loads(report.read_text())["inputs"]
    assert row["status"] == "skipped" or (row["status"] == "done" and row["frames"] == FRAMES)
    return int(row["dreamed"])


def test_a_command_whose_scheduler_was_killed_is_resumed(
    film: Path, unbroken: Any, cluster: Any, tmp_path: Path
) -> None:
    """By turns on the cluster and without."""
    before = []
    for moment in MOMENTS:
        chance, output = random.Random(moment), tmp_path / f"{moment}.mp4"
        folder, report = checkpoint_folder(output), tmp_path / "report.json"
        words = [film, "-o", output, *WORDS, "--report", report]
        child = start_video(*words, "--cluster", cluster.address)
        wait_for_segments(folder.parent, chance, child)
        child.kill()
        child.communicate()
        done = FRAMES if output.exists() else sum(segment.frames for segment in stored_segments(folder))
        before.append(done)
        print(f"moment {moment}: killed after {done} of {FRAMES} frames", flush=True)
        assert run("video", *words, "-q", "--resume", *(["--cluster", cluster.address] if moment % 2 else [])) == 0
        assert dreamed_in(report) <= FRAMES - done, moment  # workers that outlived it may have finished more
        assert digest(output) == unbroken, moment
        report.unlink()
        assert sorted(path.name for path in tmp_path.iterdir()) == [f"{each}.mp4" for each in range(moment + 1)]
    assert len(set(before) - {0, FRAMES}) > 2


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A free one, at which the environment expects S3."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = int(server.getsockname()[1])
    expect_s3_at(port, tmp_path / "cache", monkeypatch)
    return port


def start_store(port: int, film: Path) -> tuple[subprocess.Popen[bytes], Any]:
    """A server that keeps the film in memory: one that is killed has lost all that it held."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        with suppress(URLError, OSError):
            urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=10).close()
            break
        assert server.poll() is None
        time.sleep(0.1)
    store = make_bucket()
    store.put_file(str(film), "bucket/in/film.mp4")
    remote_source._sources.clear()
    return server, store


def test_a_command_whose_storage_was_killed_is_resumed(film: Path, unbroken: Any, port: int, tmp_path: Path) -> None:
    failed = 0
    for moment in MOMENTS:
        chance, report = random.Random(moment), tmp_path / "report.json"
        words = ["s3://bucket/in/film.mp4", "-o", "s3://bucket/out/film.mp4", *WORDS, "--report", report]
        server, store = start_store(port, film)
        child = start_video(*words)
        cache = tmp_path / "cache"
        wait_for_segments(cache, chance, child)
        server.kill()
        server.wait()
        printed = error_output(child)
        if child.wait() != 0:
            failed += 1
            assert [line for line in printed.splitlines() if line.startswith("dreamvideo: ")], printed
        done = sum(segment.frames for path in cache.rglob("*.checkpoint") for segment in stored_segments(path))
        print(f"moment {moment}: the command ended with {done} of {FRAMES} frames", flush=True)
        report.unlink(missing_ok=True)
        server, store = start_store(port, film)
        try:
            assert run("video", *words, "-q", "--resume") == 0, printed
            assert dreamed_in(report) == FRAMES - done, moment
            here = tmp_path / "here.mp4"
            store.get_file("bucket/out/film.mp4", str(here))
            assert digest(here) == unbroken, moment
            assert store.find("bucket") == ["bucket/in/film.mp4", "bucket/out/film.mp4"]
            assert [path for path in cache.rglob("*") if path.is_file()] == []
        finally:
            server.kill()
            server.wait()
    assert failed >= 5
