"""The queue: jobs one after the other, pause, resume, cancel, a restart."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import studio_fakes
from clips import make_clip
from studio_fakes import JPEG, SOON, FakeStudio, fake_studio, until

from dreamvideo.media.checkpoint import checkpoint_folder, create_checkpoint
from dreamvideo.studio import studio_job
from dreamvideo.studio.studio_job import QUEUE_FILE

root, studio = studio_fakes.root, studio_fakes.studio


def add(studio: FakeStudio, *names: str, look: Any = None) -> Any:
    body = {"paths": list(names), "look": look or {"preset": "eyes"}}
    return studio.browser().post("/api/jobs", json=body)


def act(studio: FakeStudio, number: int, action: str) -> int:
    return studio.browser().post(f"/api/jobs/{number}/{action}", json={}).status_code


def states(studio: FakeStudio) -> list[str]:
    return [job["state"] for job in studio.jobs.jobs()]


def test_a_job_runs_and_its_progress_is_told(studio: FakeStudio) -> None:
    assert add(studio, "film.mp4").json() == {"numbers": [1]}
    job = studio.started.get(timeout=SOON)
    until(lambda: job.spec)
    assert job.spec["source"].endswith("films/film.mp4") and job.spec["output"].endswith("films/film_dream.mp4")
    assert job.spec["look"] == {"preset": "eyes", "values": {}, "timeline": {}, "drives": []}
    job.messages.put({"frames": 3, "count": 12, "fps": 2.5, "left": 3.6})
    job.messages.put({"picture": JPEG})
    until(lambda: studio.jobs.jobs()[0]["drawn"] == 1)
    (about,) = studio.browser().get("/api/events", params={"after": 0, "version": 0}).json()["jobs"]
    assert (about["state"], about["frames"], about["count"], about["fps"]) == ("running", 3, 12, 2.5)
    assert studio.browser().get("/api/jobs/1/frame").content.startswith(b"\xff\xd8")
    job.messages.put({"finished": True})
    until(lambda: states(studio) == ["done"] and job.closed)
    words = studio.browser().get("/api/jobs/1/command").json()["command"]
    assert words == f"dreamvideo video {job.spec['source']} -o {job.spec['output']} --preset eyes"


def test_jobs_run_one_after_the_other_with_outputs_of_their_own(studio: FakeStudio) -> None:
    add(studio, "film.mp4", "film.mp4")
    add(studio, "film.mp4")
    names = []
    for done in range(3):
        job = studio.started.get(timeout=SOON)
        assert studio.started.empty() and states(studio)[done:] == ["running", *["waiting"] * (2 - done)]
        until(partial(getattr, job, "spec"))
        names.append(Path(job.spec["output"]).name)
        job.messages.put({"finished": True})
    assert names == ["film_dream.mp4", "film_2_dream.mp4", "film_3_dream.mp4"]


def test_a_job_is_paused_and_resumed(studio: FakeStudio) -> None:
    add(studio, "film.mp4", "film.mp4")
    job = studio.started.get(timeout=SOON)
    assert act(studio, 2, "pause") == act(studio, 1, "pause") == 200
    until(lambda: states(studio) == ["paused", "paused"])
    assert job.stopped
    assert act(studio, 1, "resume") == 200
    again = studio.started.get(timeout=SOON)
    until(lambda: again.spec)
    assert again.spec == job.spec


def test_a_job_that_fails_says_why_and_can_be_tried_again(studio: FakeStudio) -> None:
    add(studio, "film.mp4")
    studio.started.get(timeout=SOON).messages.put({"error": "the disk is full"})
    until(lambda: states(studio) == ["failed"])
    assert studio.jobs.jobs()[0]["error"] == "the disk is full"
    act(studio, 1, "resume")
    studio.started.get(timeout=SOON).messages.put(None)  # its process has died
    until(lambda: "has ended" in str(studio.jobs.jobs()[0]["error"]) and states(studio) == ["failed"])


def test_a_job_that_is_cancelled_leaves_nothing(studio: FakeStudio, root: Path) -> None:
    add(studio, "film.mp4")
    job = studio.started.get(timeout=SOON)
    folder = checkpoint_folder(root / "film_dream.mp4")
    create_checkpoint(folder, {"input": "film.mp4, 3 bytes"})
    job.messages.put({"frames": 1, "count": 12})
    until(lambda: studio.jobs.jobs()[0]["count"] == 12)
    assert act(studio, 1, "remove") == 200
    until(lambda: not studio.jobs.jobs())
    assert job.stopped and not folder.exists()


def test_a_checkpoint_of_another_program_is_offered_resumed_and_not_deleted(studio: FakeStudio, root: Path) -> None:
    folder = checkpoint_folder(root / "film_dream.mp4")
    create_checkpoint(folder, {"input": "film.mp4, 3 bytes, 00"})
    offered = studio.browser().get("/api/files").json()["unfinished"]
    assert offered == [{"output": "film_dream.mp4", "source": "film.mp4"}]
    body = {"resume": offered[0]["output"], "source": offered[0]["source"]}
    assert studio.browser().post("/api/jobs", json=body).json() == {"numbers": [1]}
    assert studio.browser().get("/api/files").json()["unfinished"] == []
    assert "already" in studio.browser().post("/api/jobs", json=body).text
    job = studio.started.get(timeout=SOON)
    until(lambda: job.spec)
    assert job.spec["look"] is None and job.spec["output"] == str(root.resolve() / "film_dream.mp4")
    job.messages.put({"error": "it is of another version"})
    until(lambda: states(studio) == ["failed"])
    act(studio, 1, "remove")
    assert folder.exists() and not studio.jobs.jobs()


def test_after_a_restart_the_queue_is_there_and_what_ran_is_paused(root: Path) -> None:
    with fake_studio(root) as studio:
        add(studio, "film.mp4", "film.mp4", "film.mp4")
        studio.started.get(timeout=SOON).messages.put({"finished": True})
        studio.started.get(timeout=SOON).messages.put({"frames": 5, "count": 12})
        until(lambda: studio.jobs.jobs()[1]["frames"] == 5)
        before = [job["output"] for job in studio.jobs.jobs()]
    with fake_studio(root) as studio:
        assert states(studio) == ["done", "paused", "paused"]
        assert [job["output"] for job in studio.jobs.jobs()] == before and studio.started.empty()
        act(studio, 2, "resume")
        job = studio.started.get(timeout=SOON)
        until(lambda: job.spec)
        assert job.spec["output"] == str(root.resolve() / before[1])


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense",
        b"[]",
        b'{"jobs": 3}',
        json.dumps({"jobs": [None, 3, {}, {"state": "done"}]}).encode(),
        json.dumps(
            {"jobs": [{"source": "../a.mp4", "output": "b.mp4", "look": None, "state": "paused", "frames": 0}]}
        ).encode(),
    ],
)
def test_a_queue_that_somebody_else_wrote_is_checked(root: Path, content: bytes) -> None:
    (root / QUEUE_FILE).write_bytes(content)
    with fake_studio(root) as studio:
        assert studio.jobs.jobs() == []


def test_the_queue_takes_50_jobs_and_has_a_limit(studio: FakeStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(add(studio, *["film.mp4"] * 50).json()["numbers"]) == 50
    outputs = {job["output"] for job in studio.jobs.jobs()}
    assert len(outputs) == 50
    monkeypatch.setattr("dreamvideo.studio.job_queue.MOST_JOBS", 60)
    assert add(studio, *["film.mp4"] * 11).status_code == 400 and len(studio.jobs.jobs()) == 50
    assert studio_job.MOST_JOBS >= 50


def test_an_output_that_is_there_is_never_chosen(studio: FakeStudio, root: Path) -> None:
    make_clip(root / "film_dream.mp4")
    create_checkpoint(checkpoint_folder(root / "film_2_dream.mp4"), {})
    add(studio, "film.mp4")
    assert studio.jobs.jobs()[0]["output"] == "film_3_dream.mp4"


def test_unknown_jobs_and_actions_are_refused(studio: FakeStudio) -> None:
    add(studio, "film.mp4")
    assert act(studio, 9, "pause") == 400 and act(studio, 1, "explode") == 404
    assert studio.browser().get("/api/jobs/9/frame").status_code == 404
    assert studio.browser().get("/api/jobs/9/command").status_code == 400
