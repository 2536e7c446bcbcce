"""A studio without processes and networks: pictures of one color, and jobs that do what a test tells them.

Tests name its fixtures: `root, studio = studio_fakes.root, studio_fakes.studio`.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import numpy as np
import pytest
import torch
from clips import make_clip
from starlette.testclient import TestClient

from dreamvideo.live.web.jpegs import encode_jpeg
from dreamvideo.studio.access import Access
from dreamvideo.studio.film_folder import FilmFolder
from dreamvideo.studio.film_reports import FilmReports
from dreamvideo.studio.film_sounds import FilmSounds
from dreamvideo.studio.job_queue import JobQueue
from dreamvideo.studio.live_child import LiveDream
from dreamvideo.studio.picture_queue import PictureQueue
from dreamvideo.studio.routes import Studio, studio_app
from dreamvideo.studio.uploads import Uploads

SOON: Final = 60.0  # seconds after which what has not come is not coming
JPEG = base64.b64encode(encode_jpeg(np.full((9, 16, 3), 99, np.uint8))).decode()


class FakeDreamer:
    """Answers each task at once, and remembers it."""

    def __init__(self) -> None:
        self.tasks: list[Mapping[str, Any]] = []

    def __call__(self, task: Mapping[str, Any], should_stop: Callable[[], bool]) -> Iterator[Mapping[str, Any]]:
        self.tasks.append(task)
        yield {"jpegs": {"dream": JPEG}}


class FakeJob:
    """A process of a job whose messages a test sends."""

    def __init__(self) -> None:
        self.spec: dict[str, Any] = {}
        self.stopped = self.closed = False
        self.messages: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def send(self, message: dict[str, Any]) -> None:
        self.spec = message

    def receive(self) -> dict[str, Any] | None:
        return self.messages.get()

    def stop(self) -> None:
        self.stopped = True
        self.messages.put({"paused": True})

    def close(self, seconds: float) -> None:
        self.closed = True
        self.messages.put(None)


class FakeSound:
    """A process that has heard a film at once."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = [{"done": True}, {"beats": [0.1]}, {"lows": [-9], "highs": [9]}]

    def send(self, message: dict[str, Any]) -> None:
        assert message.keys() == {"path", "length", "beats"}

    def receive(self) -> dict[str, Any] | None:
        return self._messages.pop()

    def close(self, seconds: float) -> None:
        pass


class FakeStudio:
    """A studio of a folder, and a browser that was let in."""

    def __init__(self, root: Path, access: Access | None = None, most_upload: int = 10**6) -> None:
        self.folder = FilmFolder(root)
        self.dreamer = FakeDreamer()
        self.started: SimpleQueue[FakeJob] = SimpleQueue()
        self.pictures = PictureQueue(self.dreamer)
        self.jobs = JobQueue(self.folder, self._start)
        self.access = access or Access("127.0.0.1", None, 8765)
        self.uploads = Uploads(most_upload)
        self.live = LiveDream(self._start)
        self.sounds = FilmSounds(FakeSound)
        reports = FilmReports()
        studio = Studio(self.folder, self.pictures, self.jobs, self.uploads, reports, self.live, self.sounds)
        self.app = studio_app(studio, self.access)

    def _start(self) -> FakeJob:
        job = FakeJob()
        self.started.put(job)
        return job

    def stranger(self, host: str = "localhost:8765") -> TestClient:
        """A browser that has no cookie."""
        return TestClient(self.app, base_url=f"http://{host}", client=("127.0.0.1", 50000), follow_redirects=False)

    def browser(self) -> TestClient:
        """A browser that has opened the printed address."""
        browser = self.stranger()
        assert browser.get("/", params={"token": self.access.token}).status_code == 303
        return browser

    def close(self) -> None:
        self.live.close()
        self.sounds.close()
        self.jobs.close()
        self.pictures.close()


def film_folder(path: Path) -> Path:
    """A folder with one film of 12 frames with sound."""
    folder = path / "films"
    folder.mkdir()
    make_clip(folder / "film.mp4", audio=[("aac", "eng")])
    return folder


@contextmanager
def fake_studio(root: Path, **keywords: Any) -> Generator[FakeStudio, None, None]:
    fake = FakeStudio(root, **keywords)
    try:
        yield fake
    finally:
        fake.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with one film."""
    return film_folder(tmp_path)


@pytest.fixture
def studio(root: Path) -> Iterator[FakeStudio]:
    """A studio of `root`."""
    with fake_studio(root) as fake:
        yield fake


def until(holds: Callable[[], object]) -> None:
    """Wait for something that happens in another thread or process."""
    end = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@contextmanager
def running_studio(
    folder: Path, *words: str, stderr: int | None = None, **environment: str
) -> Generator[tuple[subprocess.Popen[str], str], None, None]:
    """(process, the address that it prints) of a studio on any port; killed in the end.

    It computes with as many threads as this process: the frames of two runs are the same only if these are.
    """
    command = [sys.executable, "-m", "dreamvideo", "studio", str(folder), "--no-browser", "--at", "0", *words]
    env = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), **environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=env) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()
