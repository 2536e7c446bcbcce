"""A video dreamed by several workers is the video that one machine makes, even if workers die meanwhile."""

import errno
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np
import pytest
from clips import make_clip, video_times
from conftest import executed, make_tiny_network, run, textured
from numpy.typing import NDArray
from test_resume import digest

from dreamvideo.errors import Cancelled, ClusterError, OutputError, SettingsError, SourceError
from dreamvideo.frames import StreamInfo
from dreamvideo.jobs import film_index, task
from dreamvideo.jobs.cluster import cluster_job, scheduler, workers
from dreamvideo.jobs.cluster.cluster_job import ClusterJob
from dreamvideo.jobs.cluster.job_window import JobWindow
from dreamvideo.jobs.cluster.scheduler import _Scheduler, run_on_cluster
from dreamvideo.jobs.cluster.transfer import StoredFile, fetch_file, replace_files, store_file
from dreamvideo.jobs.cluster.workers import TaskResult, WorkerPool
from dreamvideo.jobs.film_windows import FilmWindow
from dreamvideo.jobs.job import Job, JobResult, JobSettings, open_job
from dreamvideo.jobs.observer import Observer
from dreamvideo.jobs.plan_frames import plan_frames
from dreamvideo.jobs.runner import dream_jobs
from dreamvideo.jobs.task import (
    ClusterTask,
    FinishedSegment,
    FinishedTask,
    Report,
    dream_tasks,
    open_for_workers,
)
from dreamvideo.media import segments, video_reader, video_writer
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.concat import SegmentJoiner
from dreamvideo.media.decode import decode_frames
from dreamvideo.media.segment_records import Segment, remove_folder
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.worker_folder import WorkerFolder
from dreamvideo.models.look_networks import LookNetworks
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import ClusterSettings, EncodeSettings, MaskSettings, ReadSettings, SequenceSettings
from dreamvideo.video import shots as video_shots
from dreamvideo.video.seams import unpack_carries
from dreamvideo.video.window_begin import from_begin

LENGTH = 25  # frames of a shot


def shots(number: int, width: int, height: int) -> NDArray[Any]:
    """A pan over another place every `LENGTH` frames."""
    place, step = divmod(number, LENGTH)
    wide = textured(height, width + 2 * LENGTH, place)
    return np.ascontiguousarray(wide[:, 2 * step : 2 * step + width])


def clip_of_shots(path: Path, count: int = 6) -> Path:
    times = [Fraction(n, 25) for n in range(count * LENGTH)]
    return make_clip(path, times=times, size=(96, 64), audio=[("aac", "eng")], options={"g": "10"}, image=shots)


def one_shot(path: Path, frames: int, rate: int = 25) -> Path:
    wide = textured(64, 96 + 2 * frames, 5)
    return make_clip(
        path,
        [Fraction(n, rate) for n in range(frames)],
        size=(96, 64),
        options={"g": "25"},
        image=lambda n, w, h: np.ascontiguousarray(wide[:, 2 * n : 2 * n + 96]),
    )


# Tasks, without a cluster.


def job_settings(**changes: Any) -> JobSettings:
    parts = {
        "read": ReadSettings(),
        "model": ModelSettings(threads=1),
        "objective": ObjectiveSettings(),
        "dream": DreamSettings(octaves=1, iterations=2, step_size=0.03),
        "carry": CarrySettings(),
        "mask": MaskSettings(),
        "encode": EncodeSettings(),
    }
    return JobSettings(**{**parts, **changes})


def segment_files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.iterdir() if path.stem.isdigit() and path.suffix not in (".json", ".carry")]
    return {path.name: path.read_bytes() for path in paths}


def shorten_segments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(segments, "MAX_FRAMES", 9)
    patch.setattr(segments, "GRID", Fraction(4, 25))
    for place in (video_reader, film_index):  # clips are short
        patch.setattr(place, "SEEK_MARGIN", Fraction(1, 25))


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_segments(monkeypatch)


def finished_by(
    tasks: list[ClusterTask], settings: JobSettings, network: Network | LookNetworks, folder: Path
) -> list[FinishedSegment]:
    reports = list(dream_tasks(tasks, settings, network, folder))
    assert [each.task for each in reports if isinstance(each, FinishedTask)] == list(range(len(tasks)))
    return [each for each in reports if isinstance(each, FinishedSegment)]


def contents(finished: list[FinishedSegment]) -> dict[str, bytes]:
    return {name: content for each in finished for name, content in each.files.items()}


@pytest.mark.parametrize("points", [[1], [6, 7, 8, 9, 12]])
def test_windows_make_the_segments_of_the_whole_video_wherever_they_begin(
    tmp_path: Path, tiny_network: Network, short_segments: None, monkeypatch: pytest.MonkeyPatch, points: list[int]
) -> None:
    expected: dict[str, bytes] = {}
    monkeypatch.setattr(video_writer, "remove_checkpoint", lambda folder: expected.update(segment_files(folder)))
    job = Job(clip_of_shots(tmp_path / "clip.mp4", 2), tmp_path / "out.mp4")
    dream_jobs([job], job_settings(), lambda: tiny_network)
    assert len(expected) == 6
    windows = [FilmWindow(begin, end) for begin, end in zip([0, *points], [*points, None], strict=True)]
    tasks = [ClusterTask(job, window) for window in windows]
    opened = mock.Mock(side_effect=open_job)
    monkeypatch.setattr(task, "open_job", opened)
    finished = finished_by(tasks, job_settings(), tiny_network, tmp_path)
    assert contents(finished) == expected
    assert opened.call_count == len(tasks)  # who looks for a cut dreams from it
    assert [each.segment.start for each in finished[1:]] == [each.segment.end for each in finished[:-1]]
    # The rest of a window, as after a worker died with one segment finished.
    first = finished[0]
    assert first.carry is not None
    rest = FilmWindow(0, windows[0].end, after=replace(first.segment, carry="a hash"))
    again = finished_by([ClusterTask(job, rest, first.carry)], job_settings(), tiny_network, tmp_path)
    assert [each.segment for each in again] == [each.segment for each in finished if each.task == 0][1:]
    assert contents(again).items() <= expected.items()


def test_windows_make_the_parts_of_one_long_shot(
    tmp_path: Path, tiny_network: Network, short_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a part takes over a window begins, and so may the rest of one; all segments are those of one machine."""
    expected: dict[str, bytes] = {}
    monkeypatch.setattr(video_writer, "remove_checkpoint", lambda folder: expected.update(segment_files(folder)))
    job = Job(one_shot(tmp_path / "clip.mp4", 44, rate=4), tmp_path / "out.mp4")
    settings = job_settings(carry=CarrySettings(split_shots=Fraction(4)))
    dream_jobs([job], settings, lambda: tiny_network)
    takes_over = Fraction(11, 2)  # a second and a half after the first seam
    windows = [FilmWindow(0, 31), FilmWindow(31, 40, 19), FilmWindow(40, None, 24)]  # from 4.96 and 6.4 seconds
    finished = finished_by([ClusterTask(job, window) for window in windows], settings, tiny_network, tmp_path)
    assert contents(finished) == expected
    starts = {each.segment.start: each.task for each in finished if each.task}
    assert starts == {takes_over: 1, Fraction(31, 4): 1, Fraction(19, 2): 2}
    last = next(each.segment for each in finished if each.segment.end == takes_over)
    assert last.carry is None
    rest = FilmWindow(31, None, after=last)
    again = finished_by([ClusterTask(job, rest)], settings, tiny_network, tmp_path)
    assert [each.segment for each in again] == [each.segment for each in finished if each.task]
    assert contents(again).items() <= expected.items()


def test_a_worker_that_cannot_read_the_carry_that_it_needs_says_so(tmp_path: Path, tiny_network: Network) -> None:
    job = Job(clip_of_shots(tmp_path / "clip.mp4", 1), tmp_path / "out.mp4")
    after = Segment(0, 0, 9, 1, Fraction(0), Fraction(8, 25), Fraction(9, 25), "", carry="a hash")
    with pytest.raises(ClusterError, match="the checkpoint of .*out.mp4 cannot be read on"):
        list(dream_tasks([ClusterTask(job, FilmWindow(after=after))], job_settings(), tiny_network, tmp_path))


def test_seeking_leads_to_the_frames_that_decoding_from_the_start_does(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "long.mp4", [Fraction(n, 25) for n in range(150)], options={"g": "20"}, image=shots)
    for number in (3, 31, 60, 149):
        start = Fraction(number, 25)
        with open_video(clip, resume=start) as decoded, open_video(clip, resume=start, jump=True) as sought:
            for a, b in zip(decoded.frames, sought.frames, strict=True):
                assert a.time == b.time and np.array_equal(a.image, b.image)
                assert a.time >= start
    for jump in (True, False):
        with open_video(clip, resume=Fraction(1, 3), jump=jump) as between:  # no frame has this time: the one shown
            assert next(between.frames).time == Fraction(8, 25)


def test_a_file_arrives_as_it_was_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamvideo.jobs.cluster.transfer.PART_BYTES", 1000)
    (tmp_path / "a clip.mp4").write_bytes(os.urandom(2500))
    store: list[bytes] = []

    def put(part: bytes) -> int:
        store.append(part)
        return len(store) - 1

    stored = store_file(tmp_path / "a clip.mp4", put)
    assert [len(part) for part in store] == [1000, 1000, 500]
    (tmp_path / "there").mkdir()
    copy = fetch_file(stored, tmp_path / "there", store.__getitem__)
    assert copy.name == "a clip.mp4" and copy.read_bytes() == (tmp_path / "a clip.mp4").read_bytes()
    with pytest.raises(SettingsError, match="got a folder"):
        store_file(tmp_path, put)


def test_weights_and_masks_are_replaced_by_local_files_and_a_guide_is_not() -> None:
    settings = job_settings(
        mask=MaskSettings(mask="/x/m.png"),
        model=ModelSettings(weights="w.pth"),
        carry=CarrySettings(flow="raft", flow_weights="/x/f.pth"),
        objective=ObjectiveSettings(guide="/x/g.png"),
    )
    moved = replace_files(settings, lambda path: Path("/new") / path.name)
    assert (moved.mask.mask, moved.model.weights) == ("/new/m.png", "/new/w.pth")
    assert (moved.carry.flow_weights, moved.objective.guide) == ("/new/f.pth", "/x/g.png")
    assert replace_files(job_settings(), lambda path: Path("/new")) == job_settings()


# The scheduler, with workers in this process.


class FakePool:
    """Workers without Ray: a request runs while its results are asked for, the latest one first.

    Args:
        fault: (request, finished segments of it) -> the error with which its worker dies; None: it goes on.
        shared: workers see the checkpoint.
    """

    on_gpus = False

    def __init__(
        self,
        settings: JobSettings,
        network: Network,
        folder: Path,
        count: int = 2,
        fault: Callable[[int, int], Exception | None] = lambda request, finished: None,
        shared: bool = True,
    ) -> None:
        self.count, self.requests, self.stored = count, dict[int, list[ClusterTask]](), list[bytes]()
        self.opened, self.sent = list[Job](), list[int]()  # the latter: bytes of each report
        self._settings, self._network, self._folder, self._fault = settings, network, folder, fault
        self._shared = shared
        self._running: dict[int, tuple[Generator[Report, None, None], list[Report]]] = {}
        self._number = 0
        folder.mkdir()

    @property
    def free(self) -> int:
        return self.count - len(self._running)

    @property
    def busy(self) -> bool:
        return bool(self._running)

    def put(self, content: bytes) -> int:
        self.stored.append(content)
        return len(self.stored) - 1

    def open_jobs(self, jobs: Sequence[tuple[Job, WorkerFolder]], files: Mapping[Path, StoredFile]) -> int:
        self.opened += [job for job, _ in jobs]

        def opened() -> Generator[Report, None, None]:
            for job, folder in jobs:
                try:
                    yield open_for_workers(job, self._settings, self._shared and folder.is_visible())
                except SourceError as error:
                    yield error

        return self._start(opened())

    def submit(self, tasks: list[ClusterTask], files: Mapping[Path, StoredFile]) -> int:
        self.requests[self._number + 1] = tasks
        folder = self._folder / str(self._number)
        folder.mkdir()
        for path, stored in files.items():
            local = fetch_file(stored, folder, self.stored.__getitem__)
            assert local.read_bytes() == path.read_bytes()
        assert all((task.folder is not None) == self._shared for task in tasks)
        return self._start(dream_tasks(tasks, self._settings, self._network, folder))

    @property
    def asked(self) -> int:
        """Requests so far."""
        return self._number

    def _start(self, stream: Generator[Report, None, None]) -> int:
        self._number += 1
        self._running[self._number] = stream, []
        return self._number

    def results(self, seconds: float) -> Iterator[TaskResult]:
        if not self._running:
            return
        request = max(self._running)
        stream, reports = self._running[request]
        finished = sum(isinstance(report, FinishedSegment) for report in reports)
        try:
            if (error := self._fault(request, finished)) is not None:
                raise error
            reports.append(next(stream))
            self.sent.append(len(pickle.dumps(reports[-1])))
            yield TaskResult(request, reports[-1])
        except StopIteration:
            del self._running[request]
            yield TaskResult(request)
        except Exception as error:
            stream.close()
            del self._running[request]
            yield TaskResult(request, error=error)


class Recorder(Observer):
    """Remembers what is reported, and stops after so many frames."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.done: dict[Job, int] = {}
        self.frames = 0
        self.messages: list[str] = []
        self.results: list[JobResult] = []
        self._stop_after = stop_after

    def started(self, job: Job, info: StreamInfo, done: int, network: Network | None) -> None:
        assert job not in self.done
        self.done[job] = done

    def progress(self, job: Job, frames: int) -> None:
        self.frames += frames

    def message(self, text: str) -> None:
        self.messages.append(text)

    def finished(self, result: JobResult) -> None:
        self.results.append(result)

    def should_stop(self) -> bool:
        return self._stop_after is not None and self.frames >= self._stop_after


def run_with(pool: FakePool, jobs: list[Job], settings: JobSettings, observer: Observer, resume: bool = False) -> None:
    run_on_cluster(cast(Any, pool), jobs, settings, observer, resume)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two videos of two and three shots."""
    folder = tmp_path_factory.mktemp("sources")
    return [clip_of_shots(folder / f"{name}.mp4", count) for name, count in (("a", 2), ("b", 3))]


@pytest.fixture
def jobs(sources: list[Path], tmp_path: Path) -> list[Job]:
    """Jobs of both."""
    (tmp_path / "cluster").mkdir()
    clips = [Path(shutil.copy(source, tmp_path)) for source in sources]
    return [Job(clip, tmp_path / "cluster" / clip.name) for clip in clips]


@pytest.fixture(scope="module")
def dreamed(sources: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What `dream_jobs` makes of them."""
    folder = tmp_path_factory.mktemp("local")
    local = [Job(source, folder / source.name) for source in sources]
    with pytest.MonkeyPatch.context() as patch:
        shorten_segments(patch)
        dream_jobs(local, job_settings(), make_tiny_network)
    return [digest(job.output) for job in local]


@pytest.fixture
def expected(dreamed: list[Any], short_segments: None) -> list[Any]:
    return dreamed


@pytest.mark.parametrize(("lanes", "shared"), [(1, True), (2, False)])
def test_the_scheduler_makes_what_one_machine_makes(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path, lanes: int, shared: bool
) -> None:
    settings = job_settings(carry=CarrySettings(lanes=lanes))
    pool, observer = FakePool(settings, tiny_network, tmp_path / "workers", shared=shared), Recorder()
    run_with(pool, jobs, settings, observer)
    assert [digest(job.output) for job in jobs] == expected
    assert sorted(path.name for path in (tmp_path / "cluster").iterdir()) == ["a.mp4", "b.mp4"]
    assert observer.messages == ["2 workers, each with 1 threads"]
    assert {result.job: (result.frames, result.dreamed, result.error) for result in observer.results} == {
        jobs[0]: (2 * LENGTH, 2 * LENGTH, None),
        jobs[1]: (3 * LENGTH, 3 * LENGTH, None),
    }
    assert observer.frames == 5 * LENGTH and observer.done == {jobs[0]: 0, jobs[1]: 0}
    windows = {
        job: [task.window for tasks in pool.requests.values() for task in tasks if task.job == job] for job in jobs
    }
    assert len(windows[jobs[0]]) > 2 and len(windows[jobs[1]]) > 3
    assert (max(pool.sent) < 1000) == shared  # bytes of a report


def test_the_work_of_a_worker_that_dies_is_continued_by_another(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path
) -> None:
    killed = RuntimeError("the worker was killed")
    pool = FakePool(
        job_settings(),
        tiny_network,
        tmp_path / "workers",
        fault=lambda request, finished: killed if request in (3, 4) and finished == 1 else None,
    )
    observer = Recorder()
    run_with(pool, jobs, job_settings(), observer)
    assert [digest(job.output) for job in jobs] == expected
    assert observer.frames == 5 * LENGTH
    rests = [task.window.after for tasks in pool.requests.values() for task in tasks if task.window.after is not None]
    assert [after.carry is not None for after in rests] == [True, True]
    assert sum("is repeated (the worker was killed)" in text for text in observer.messages) == 2
    assert sorted(path.name for path in (tmp_path / "cluster").iterdir()) == ["a.mp4", "b.mp4"]


def test_a_failed_task_is_repeated_alone_and_a_job_fails_by_itself(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path
) -> None:
    settings = job_settings(carry=CarrySettings(lanes=2))

    def fault(request: int, finished: int) -> Exception | None:
        first = pool.requests.get(request, [ClusterTask(jobs[0], FilmWindow())])[0]
        return RuntimeError("out of memory") if first.job == jobs[1] and first.window.begin == 0 else None

    pool, observer = FakePool(settings, tiny_network, tmp_path / "workers", fault=fault), Recorder()
    run_with(pool, jobs, settings, observer)
    failed, finished = sorted(observer.results, key=lambda result: result.error is None)
    assert failed.job == jobs[1] and finished.job == jobs[0]
    tries = [tasks for tasks in pool.requests.values() if tasks[0].job == jobs[1] and tasks[0].window.begin == 0]
    assert len(tries) == 3 and [len(tasks) for tasks in tries[1:]] == [1, 1]
    assert str(failed.error).startswith(f"{jobs[1].source}, 0:00 to ")
    assert str(failed.error).endswith("failed 3 times: out of memory")
    assert digest(jobs[0].output) == expected[0] and not jobs[1].output.exists()


def test_a_worker_that_dies_while_it_opens_a_film_is_replaced_three_times(
    jobs: list[Job], tiny_network: Network, tmp_path: Path
) -> None:
    killed = RuntimeError("killed")
    for deaths in (2, 3):
        fault: Callable[[int, int], Exception | None] = lambda request, _: killed if request <= deaths else None  # noqa: B023, E731
        pool, observer = FakePool(job_settings(), tiny_network, tmp_path / str(deaths), fault=fault), Recorder()
        run_with(pool, jobs[:1], job_settings(), observer)
        assert pool.opened == [jobs[0]] * 3
        (result,) = observer.results
        assert (result.error is None) == (deaths == 2)
        jobs[0].output.unlink(missing_ok=True)
    assert str(result.error) == f"{jobs[0].source} cannot be opened by a worker: killed"
    assert list((tmp_path / "cluster").iterdir()) == []


def test_an_input_that_cannot_be_read_fails_and_the_others_go_on(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path
) -> None:
    bad = Job(tmp_path / "bad.mp4", tmp_path / "cluster" / "bad.mp4")
    bad.source.write_text("no video")
    pool, observer = FakePool(job_settings(), tiny_network, tmp_path / "workers"), Recorder()
    run_with(pool, [jobs[0], bad, jobs[1]], job_settings(), observer)
    errors = {result.job: result.error for result in observer.results}
    assert isinstance(errors.pop(bad), SourceError)
    assert errors == {jobs[0]: None, jobs[1]: None} and bad not in observer.done
    assert [digest(job.output) for job in jobs] == expected


def test_many_short_films_are_opened_and_dreamed_in_few_requests_and_one_that_fails_ends_alone(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", [Fraction(n, 25) for n in range(4)], size=(32, 32))
    jobs = [Job(Path(shutil.copy(clip, tmp_path / f"{n}.mp4")), tmp_path / "out" / f"{n}.mp4") for n in range(20)]
    jobs[3].source.write_text("no video")

    def fault(request: int, finished: int) -> Exception | None:
        tasks = pool.requests.get(request, [])
        return RuntimeError("killed") if any(task.job == jobs[7] for task in tasks) else None

    settings = job_settings(dream=DreamSettings(iterations=0))
    pool, observer = FakePool(settings, cast(Any, None), tmp_path / "workers", 1, fault), Recorder()
    run_with(pool, jobs, settings, observer)
    assert len(pool.opened) == 20 and pool.asked - len(pool.requests) < 6
    sizes = [len(tasks) for tasks in pool.requests.values()]
    assert sizes[0] == 9 and len(sizes) < 19
    errors = {result.job: str(result.error) for result in observer.results if result.error is not None}
    assert sorted(errors, key=jobs.index) == [jobs[3], jobs[7]] and len(observer.results) == 20
    assert errors[jobs[7]] == f"{jobs[7].source}, 0:00 to its end, failed 3 times: killed"
    digests = [digest(job.output) for job in jobs if job not in errors]
    assert digests.count(digests[0]) == 18
    left = {path.name for path in (tmp_path / "out").iterdir()} - {job.output.name for job in jobs}
    assert left == {"7.mp4.checkpoint"}


def test_cancelled_jobs_resume_without_dreaming_a_segment_twice(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path
) -> None:
    pool, observer = FakePool(job_settings(), tiny_network, tmp_path / "first"), Recorder(stop_after=30)
    with pytest.raises(Cancelled):
        run_with(pool, jobs, job_settings(), observer)
    assert not observer.results and not any(job.output.exists() for job in jobs)
    dreamed = observer.frames
    assert 30 <= dreamed < 5 * LENGTH
    pool, observer = FakePool(job_settings(), tiny_network, tmp_path / "second"), Recorder()
    run_with(pool, jobs, job_settings(), observer, resume=True)
    assert [digest(job.output) for job in jobs] == expected
    assert sum(observer.done.values()) == dreamed and observer.frames == 5 * LENGTH - dreamed
    assert sum(result.dreamed for result in observer.results) == 5 * LENGTH - dreamed


def test_a_worker_that_outlives_a_killed_command_does_not_hinder_the_next(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes into its folder while that is deleted."""
    with pytest.raises(Cancelled):
        run_with(FakePool(job_settings(), tiny_network, tmp_path / "1"), jobs[:1], job_settings(), Recorder(10))
    late = checkpoint_folder(jobs[0].output) / "0123abcd.worker"
    late.mkdir()
    remove = remove_folder

    def hindered(folder: Path) -> None:
        remove(folder)
        late.mkdir()
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(cluster_job, "remove_folder", hindered)
    observer = Recorder()
    run_with(FakePool(job_settings(), tiny_network, tmp_path / "2"), jobs[:1], job_settings(), observer, resume=True)
    assert observer.results[0].error is None and digest(jobs[0].output) == expected[0]
    assert [path.name for path in (tmp_path / "cluster").iterdir()] == ["a.mp4"]


def test_a_stop_before_anything_is_given_out_cancels(jobs: list[Job], tiny_network: Network, tmp_path: Path) -> None:
    pool, observer = FakePool(job_settings(), tiny_network, tmp_path / "workers"), Recorder(stop_after=0)
    with pytest.raises(Cancelled):
        run_with(pool, jobs, job_settings(), observer)
    assert not pool.requests and not pool.opened and not observer.results


def test_an_input_that_changes_meanwhile_fails(jobs: list[Job], tiny_network: Network, tmp_path: Path) -> None:
    def fault(request: int, finished: int) -> None:
        os.utime(jobs[0].source, ns=(0, 0))

    pool, observer = FakePool(job_settings(), tiny_network, tmp_path / "workers", fault=fault), Recorder()
    run_with(pool, jobs[:1], job_settings(), observer)
    (result,) = observer.results
    assert isinstance(result.error, SourceError) and "has changed" in str(result.error)


def test_inputs_are_shipped_to_workers_but_folders_of_images_are_not(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path
) -> None:
    settings = job_settings(cluster=ClusterSettings(cluster="local", ship=True))
    pool, observer = FakePool(settings, tiny_network, tmp_path / "workers"), Recorder()
    run_with(pool, jobs, settings, observer)
    assert [digest(job.output) for job in jobs] == expected
    assert sorted(map(len, pool.stored)) == sorted(job.source.stat().st_size for job in jobs)
    images = Job(tmp_path / "images", tmp_path / "dreams", (write_image_file(tmp_path / "0.png"),), to_folder=True)
    run_with(pool, [images], settings, observer)
    assert isinstance(observer.results[-1].error, SettingsError) and "--ship" in str(observer.results[-1].error)


def write_image_file(path: Path) -> Path:
    import cv2

    cv2.imwrite(str(path), textured(64, 96))
    return path


def test_folders_of_images_are_those_of_one_machine(
    tiny_network: Network, tmp_path: Path, short_segments: None
) -> None:
    clip = clip_of_shots(tmp_path / "clip.mp4", 2)
    settings = job_settings()
    outputs = []
    for name in ("one", "several"):
        job = plan_frames(
            [clip], tmp_path / name, settings.read, SequenceSettings(), lambda text: None, False, False, False
        )
        assert job is not None
        if name == "one":
            dream_jobs([job], settings, lambda: tiny_network)
        else:
            run_with(FakePool(settings, tiny_network, tmp_path / "workers"), [job], settings, Recorder())
        outputs.append({path.name: path.read_bytes() for path in job.output.iterdir()})
    one, several = outputs
    assert several == one and len(one) == 2 * LENGTH
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "one", "several", "workers"]


def test_workers_make_the_parts_of_long_shots_that_one_machine_makes(
    tiny_network: Network, tmp_path: Path, short_segments: None
) -> None:
    """One worker that dies in the middle of a dissolve is continued by another."""
    wide = [textured(64, 96 + 60, place) for place in range(2)]
    times = [Fraction(n, 4) for n in range(60)]
    clip = make_clip(
        tmp_path / "clip.mp4",
        times,
        size=(96, 64),
        options={"g": "10"},
        image=lambda n, w, h: np.ascontiguousarray(wide[n // 30][:, 2 * (n % 30) : 2 * (n % 30) + 96]),
    )
    settings = job_settings(carry=CarrySettings(split_shots=Fraction(4)))
    one, several = (Job(clip, tmp_path / name) for name in ("one.mp4", "several.mp4"))
    dream_jobs([one], settings, lambda: tiny_network)

    def fault(request: int, finished: int) -> Exception | None:
        is_first_try = all(task.window.after is None for task in pool.requests.get(request, ()))
        return RuntimeError("the worker was killed") if finished == 2 and is_first_try else None

    pool = FakePool(settings, tiny_network, tmp_path / "workers", fault=fault, shared=False)
    run_with(pool, [several], settings, Recorder())
    assert digest(several.output) == digest(one.output)
    tasks = [task for tasks in pool.requests.values() for task in tasks]
    rests = [(task.window.after.last, task.carry) for task in tasks if task.window.after is not None]
    # One was dissolving, half a second after the seam at four seconds; the second shot is young at the one at eight.
    assert [(last, carry and len(unpack_carries(carry)[1])) for last, carry in sorted(rests)] == [
        (times[17], 2),
        (times[38], 1),
    ]


def test_the_scheduler_decodes_no_frame(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever decodes calls `decode_frames` while it opens a film; workers open one by `task.open_job`."""
    local, by_workers = threading.local(), list[bool]()
    decode, plain_open = decode_frames, open_job

    def watched_decode(*words: Any) -> Any:
        by_workers.append(getattr(local, "opens", False))
        return decode(*words)

    @contextmanager
    def worker_open(*words: Any, **more: Any) -> Iterator[Any]:
        opened = plain_open(*words, **more)
        local.opens = True
        source = opened.__enter__()
        local.opens = False
        try:
            yield source
        finally:
            opened.__exit__(None, None, None)

    monkeypatch.setattr(video_reader, "decode_frames", watched_decode)
    monkeypatch.setattr(task, "open_job", worker_open)
    pool = FakePool(job_settings(), tiny_network, tmp_path / "workers")
    run_with(pool, jobs, job_settings(), Recorder())
    assert [digest(job.output) for job in jobs] == expected
    assert len(by_workers) > 6 and all(by_workers)


def test_segments_are_joined_in_order_while_others_are_dreamed(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[int] = []

    class WatchedJoiner(SegmentJoiner):
        def add(self, segment: Segment) -> None:
            joined.append(observer.frames)
            super().add(segment)

    monkeypatch.setattr(cluster_job, "SegmentJoiner", WatchedJoiner)
    monkeypatch.setattr(cluster_job, "finish_job", mock.Mock(side_effect=AssertionError("all is joined at the end")))
    pool, observer = FakePool(job_settings(), tiny_network, tmp_path / "workers"), Recorder()
    run_with(pool, jobs[1:], job_settings(), observer)
    assert digest(jobs[1].output) == expected[1]
    assert joined == sorted(joined) and joined[0] < 75
    assert [path.name for path in (tmp_path / "cluster").iterdir()] == ["b.mp4"]


def test_windows_that_do_not_meet_are_dreamed_again_as_one(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker finds another first cut than the one before it, as where seeking leads to other frames."""
    plain, wrong = from_begin, [True]

    def shifted(*words: Any) -> Iterator[Any]:
        for each in plain(*words):
            is_passed_over, wrong[0] = wrong[0], False
            if not is_passed_over:
                yield each

    monkeypatch.setattr(video_shots, "from_begin", shifted)
    pool, observer = FakePool(job_settings(), tiny_network, tmp_path / "workers"), Recorder()
    run_with(pool, jobs[:1], job_settings(), observer)
    assert not wrong[0]
    assert digest(jobs[0].output) == expected[0]
    assert "is repeated by one worker" in observer.messages[-1]


def test_a_window_that_is_split_for_an_idle_worker_is_not_missed_at_the_end(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "longest_window", lambda cells, workers, lanes: cells)
    pool, observer = FakePool(job_settings(), tiny_network, tmp_path / "workers", count=3), Recorder()
    run_with(pool, jobs[1:], job_settings(), observer)
    assert digest(jobs[1].output) == expected[1]
    windows = [task.window for tasks in pool.requests.values() for task in tasks]
    assert len(windows) > 3 and len({window.begin for window in windows}) == len(windows)
    assert observer.frames == 3 * LENGTH and len(observer.messages) == 1


def test_a_late_worker_that_was_given_up_writes_over_nobody(
    jobs: list[Job], expected: list[Any], tiny_network: Network, tmp_path: Path
) -> None:
    """It goes on after its work was given to another, until the end."""

    class LatePool(FakePool):
        def results(self, seconds: float) -> Iterator[TaskResult]:
            for result in super().results(seconds):
                if isinstance(result.report, FinishedSegment) and not late and result.request in self.requests:
                    stream, _ = self._running.pop(result.request)
                    late.append(stream)
                    yield TaskResult(result.request, error=RuntimeError("its machine does not answer"))
                else:
                    yield result
                    if late:
                        with suppress(StopIteration, OutputError):
                            next(late[0])

    late: list[Any] = []
    pool, observer = LatePool(job_settings(), tiny_network, tmp_path / "workers"), Recorder()
    run_with(pool, jobs, job_settings(), observer)
    assert late and any("its machine does not answer" in text for text in observer.messages)
    assert [digest(job.output) for job in jobs] == expected
    assert sorted(path.name for path in (tmp_path / "cluster").iterdir()) == ["a.mp4", "b.mp4"]


def scheduler_with(window: FilmWindow, job: Job, observer: Observer) -> Any:
    class Busy:
        count, free, on_gpus = 1, 1, False
        requests = 0

        def submit(self, tasks: object, files: object) -> int:
            self.requests += 1
            return self.requests

    scheduler = _Scheduler(cast(Any, Busy()), job_settings(), observer, resume=False)
    active = ClusterJob(job, job_settings(), mock.Mock(), (0, 0), open_windows=1)
    scheduler._failed.append(JobWindow(active, window))
    return scheduler


def test_what_fails_repeatedly_is_reported_with_its_time() -> None:
    job, observer = Job(Path("film.mp4"), Path("out.mp4")), Recorder()
    scheduler = scheduler_with(FilmWindow(32, 34), job, observer)
    for request in (1, 2):
        scheduler._give_out()
        error = RuntimeError("CUDA error: an illegal memory access\nmore")
        scheduler._receive(TaskResult(request, error=error))
        assert not observer.results and len(scheduler._failed) == 1
    assert "1:04 to 1:08 is repeated (CUDA error: an illegal memory access)" in observer.messages[0]
    scheduler._give_out()
    scheduler._receive(TaskResult(3, error=RuntimeError("killed")))
    assert not scheduler._failed
    assert str(observer.results[0].error) == "film.mp4, 1:04 to 1:08, failed 3 times: killed"


def test_an_error_that_would_occur_again_is_not_tried_again() -> None:
    job, observer = Job(Path("film.mp4"), Path("out.mp4")), Recorder()
    scheduler = scheduler_with(FilmWindow(), job, observer)
    scheduler._give_out()
    scheduler._receive(TaskResult(1, error=SourceError("mask.png: no such file")))
    assert str(observer.results[0].error) == "film.mp4, 0:00 to its end, failed once: mask.png: no such file"


# The pool, without Ray.


def pool_on(resources: dict[str, float], **model: Any) -> tuple[WorkerPool, mock.Mock]:
    """A pool on a cluster with these resources, and what stands for Ray."""
    ray = mock.MagicMock()
    ray.cluster_resources.return_value = resources
    return WorkerPool(ray, job_settings(model=ModelSettings(**model)), None), ray


@pytest.mark.parametrize("device", ["cuda:0", "cuda:1", "mps"])
def test_a_device_that_ray_does_not_distribute_is_refused_before_anything_starts(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers, "connect_ray", mock.Mock(side_effect=AssertionError("started")))
    clip = make_clip(tmp_path / "clip.mp4", [Fraction(n, 25) for n in range(2)])
    for more in ([], ["--resume"]):
        words = ["-o", tmp_path / "x.mp4", "-q", "--cluster", "--device", device, *more]
        assert run("video", clip, *words) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert f"--device {device} with --cluster: " in line
        wanted = "expected --device cpu" if device == "mps" else f"CUDA_VISIBLE_DEVICES={device[-1]} in front"
        assert wanted in line
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_worker_that_has_a_gpu_takes_the_only_one_that_it_sees(device: str) -> None:
    pool, ray = pool_on({"CPU": 8, "GPU": 2}, device=device)
    assert pool.on_gpus and pool.count == 2
    ray.remote().options.assert_called_with(num_gpus=1)
    assert ray.remote().options().remote.call_args.args[0].model.device == device


@pytest.mark.parametrize("resources", [{"CPU": 4}, {"CPU": 4, "GPU": 2}])
def test_workers_on_cpu_cores_take_no_gpu_that_they_may_see(resources: dict[str, float]) -> None:
    device = "cpu" if "GPU" in resources else "auto"
    pool, ray = pool_on(resources, device=device)
    assert not pool.on_gpus and pool.count == 4
    ray.remote().options.assert_called_with(num_cpus=1)
    assert ray.remote().options().remote.call_args.args[0].model.device == "cpu"


def test_gpus_that_are_asked_for_where_ray_has_none_are_one_line() -> None:
    with pytest.raises(ClusterError, match="--device cuda: Ray has no GPU .* expected --device cpu"):
        pool_on({"CPU": 4}, device="cuda")


# A real cluster of two workers.

WORDS = ["--iterations", "6", "--octaves", "2", "--threads", "1"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")
    for attempt in range(10):  # Ray gives a node 30 seconds to start, which a busy machine may not make
        try:
            cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
            break
        except Exception as error:
            if attempt == 9 or "timed out during startup" not in str(error):
                raise
    yield cluster.address
    cluster.shutdown()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_of_shots(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="module")
def alone(clip: Path) -> Any:
    """What one machine makes of it."""
    assert run("video", clip, "-o", clip.with_name("alone.mp4"), *WORDS, "-q") == 0
    return digest(clip.with_name("alone.mp4"))


def start_video(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dreamvideo", "video", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def error_output(child: subprocess.Popen[str]) -> str:
    assert child.stderr is not None
    return child.stderr.read()


def dreaming_workers() -> list[Any]:
    """The workers of this test's cluster that dream now: Ray names a process after what it runs."""
    psutil = pytest.importorskip("psutil")
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            found += [process] if process.cmdline()[:1] == ["ray::ClusterWorker.dream"] else []
    return found


def wait_until(check: Callable[[], bool], child: subprocess.Popen[str]) -> None:
    while not check():
        assert child.poll() is None, error_output(child)
        time.sleep(0.02)


def records(output: Path) -> list[Path]:
    return list(checkpoint_folder(output).glob("0*.json"))


def test_several_workers_make_the_video_of_one_and_run_nothing_that_lies_in_the_folder(
    clip: Path,
    alone: Any,
    address: str,
    tmp_path: Path,
    hostile: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(hostile)
    assert run("video", clip, "-o", tmp_path / "out.mp4", *WORDS, "--cluster", address) == 0
    printed = capsys.readouterr().err
    assert executed(hostile) == []
    assert "2 workers" in printed and f"{6 * LENGTH} frames in" in printed
    assert digest(tmp_path / "out.mp4") == alone
    assert sorted(path.name for path in tmp_path.iterdir()) == [hostile.name, "out.mp4"]


@pytest.mark.slow
def test_workers_import_the_network_that_is_named_from_the_folder_of_the_command(
    address: str, tmp_path: Path, hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = "from torch import nn\nimport cv2\ndef net(): return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())"
    (hostile / "its_net.py").write_text(network)
    clip = clip_of_shots(tmp_path / "short.mp4", 1)
    monkeypatch.chdir(hostile)
    words = [*WORDS, "--model", "its_net:net", "-q", "-o", tmp_path / "out.mp4"]
    assert run("video", clip, *words, "--cluster", address) == 0
    assert video_times(tmp_path / "out.mp4") == video_times(clip)
    assert executed(hostile) == []


@pytest.mark.slow
def test_what_ray_warns_of_is_shown(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    clip = clip_of_shots(tmp_path / "short.mp4", 1)
    words = [sys.executable, "-m", "dreamvideo", "video", str(clip), "--iterations", "0", "-q", "--cluster"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
    done = subprocess.run(words, env={**environment, "HOME": str(tmp_path)}, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    assert "Token authentication is enabled" in done.stderr


@pytest.mark.slow
def test_workers_that_die_are_replaced_and_nothing_shows(clip: Path, alone: Any, address: str, tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    output = tmp_path / "out.mp4"
    child = start_video(clip, "-o", output, *WORDS, "--cluster", address)
    for _ in range(2):
        wait_until(lambda: bool(dreaming_workers()), child)
        victim = dreaming_workers()[0]
        victim.send_signal(signal.SIGKILL)
        psutil.wait_procs([victim])
    _, printed = child.communicate()
    assert child.returncode == 0, printed
    assert "is repeated" in printed
    assert digest(output) == alone
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.slow
def test_a_command_that_was_killed_is_resumed(clip: Path, alone: Any, address: str, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    words = [clip, "-o", output, *WORDS, "--cluster", address]
    child = start_video(*words)
    wait_until(lambda: len(records(output)) >= 1, child)
    child.kill()
    child.communicate()
    assert not output.exists()
    before = {path.name: path.stat().st_mtime_ns for path in records(output)}
    child = start_video(*words, "--resume")
    wait_until(lambda: len(records(output)) > len(before) or output.exists(), child)
    for name, written in before.items():
        if (checkpoint_folder(output) / name).exists():
            assert (checkpoint_folder(output) / name).stat().st_mtime_ns == written  # not dreamed again
    _, printed = child.communicate()
    assert child.returncode == 0, printed
    assert digest(output) == alone


@pytest.mark.slow
def test_many_videos_are_shipped_and_a_bad_one_stops_no_other(
    clip: Path, alone: Any, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    short = clip_of_shots(tmp_path / "short.mp4", 1)
    (tmp_path / "out").mkdir()
    words = ["-o", tmp_path / "out", *WORDS, "--cluster", address, "--ship"]
    assert run("video", short, tmp_path / "bad.mp4", clip, *words) == 3
    assert "bad.mp4" in capsys.readouterr().err
    assert digest(tmp_path / "out" / "clip_dream.mp4") == alone
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip_dream.mp4", "short_dream.mp4"]


def test_no_cluster_is_one_line(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    assert run("video", clip, "-o", tmp_path / "x.mp4", "-q", "--cluster", "127.0.0.1:1") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "no Ray cluster can be reached" in line
    assert run("video", clip, "-o", tmp_path / "x.mp4", "-q", "--ship") == 2


@pytest.mark.slow
def test_folders_of_images_go_to_workers_too(clip: Path, address: str, tmp_path: Path) -> None:
    assert run("frames", clip, "-o", tmp_path / "frames", "--iterations", 0, "--frames", 60, "-q") == 0
    words = ["frames", tmp_path / "frames", *WORDS, "-q"]
    assert run(*words, "-o", tmp_path / "one") == 0
    assert run(*words, "-o", tmp_path / "several", "--cluster", address) == 0
    one, several = ({path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("one", "several"))
    assert several == one and len(one) == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "one", "several"]


@pytest.mark.slow
def test_workers_split_a_long_shot_as_one_machine_does(address: str, tmp_path: Path) -> None:
    clip = one_shot(tmp_path / "one.mp4", 300)
    words = [*WORDS, "-q", "--split-shots", "4"]
    assert run("video", clip, "-o", tmp_path / "one.mp4.mp4", *words) == 0
    assert run("video", clip, "-o", tmp_path / "several.mp4", *words, "--cluster", address) == 0
    assert digest(tmp_path / "several.mp4") == digest(tmp_path / "one.mp4.mp4")
