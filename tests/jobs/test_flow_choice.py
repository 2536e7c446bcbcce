"""Which flow jobs take where the settings leave it to the device, and what their record says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_cuda import fake_cuda

from dreamvideo.errors import OutputError, SettingsError
from dreamvideo.jobs import runner
from dreamvideo.jobs.earlier_run import check_checkpoint
from dreamvideo.jobs.flow_choice import with_flow_of, with_stored_flow
from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.media.checkpoint import JOB_FILE, checkpoint_folder
from dreamvideo.motion.flow import choose_flow
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings, MaskSettings, ReadSettings
from dreamvideo.settings.option import option_choices

AUTO = JobSettings(
    ReadSettings(),
    ModelSettings(),
    ObjectiveSettings(),
    DreamSettings(),
    CarrySettings(),
    MaskSettings(),
    EncodeSettings(),
)
RAFT = replace(AUTO, carry=CarrySettings(flow="raft"))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "in.mp4").write_bytes(b"frames")
    return Job(tmp_path / "in.mp4", tmp_path / "out.mp4")


def begun(job: Job, record: dict[str, Any]) -> None:
    folder = checkpoint_folder(job.output)
    folder.mkdir()
    (folder / JOB_FILE).write_text(json.dumps(record))


def test_torch_on_cuda_else_opencv_and_what_is_named_stays() -> None:
    chosen = {device: choose_flow("auto", device) for device in ("cuda", "mps", "cpu")}
    assert chosen == {"cuda": "torch-dis", "mps": "dis", "cpu": "dis"}
    for name in set(option_choices(CarrySettings)["flow"]) - {"auto"}:
        assert {choose_flow(name, device) for device in chosen} == {name}


@pytest.mark.parametrize(("device", "flow"), [("cuda", "torch-dis"), ("cpu", "dis")])
def test_the_record_and_the_dream_name_the_flow_the_comment_says_what_was_asked(
    device: str, flow: str, job: Job
) -> None:
    settings = with_flow_of(AUTO, device)
    assert settings.record(job)["flow"] == settings.carrying.flow == flow
    assert settings.comment == AUTO.comment
    assert with_flow_of(settings, "cpu") == settings
    assert with_flow_of(RAFT, device) == RAFT and RAFT.record(job)["flow"] == RAFT.carrying.flow == "raft"


@pytest.mark.parametrize("stored", ["dis", "torch-dis", "raft"])
def test_a_job_that_is_resumed_keeps_its_flow_on_any_device(stored: str, job: Job) -> None:
    begun(job, {**AUTO.record(job), "flow": stored})
    check_checkpoint(job, AUTO, resume=True, overwrite=False)
    other = Job(job.source, job.output.with_name("new.mp4"))
    settings = with_flow_of(with_stored_flow(AUTO, [other, job]), "cuda")
    assert settings.record(job)["flow"] == settings.carrying.flow == stored
    check_checkpoint(job, settings, resume=True, overwrite=False)
    named = replace(AUTO, carry=CarrySettings(flow="none"))
    assert with_stored_flow(named, [job]) == named
    with pytest.raises(OutputError, match=rf"flow was {stored}, is none"):
        check_checkpoint(job, named, resume=True, overwrite=False)


def test_an_output_of_another_name_is_resumed_whatever_flow_it_has(job: Job) -> None:
    begun(job, {**AUTO.record(job), "flow": "torch-dis"})
    other = Job(job.source, job.output.with_name("new.mp4"))
    check_checkpoint(other, AUTO, resume=True, overwrite=False)
    assert with_stored_flow(AUTO, [other]).flow == "torch-dis"


def test_jobs_of_different_flows_are_not_resumed_together(job: Job) -> None:
    second = Job(job.source, job.output.with_name("second.mp4"))
    begun(job, {"flow": "dis"})
    begun(second, {"flow": "torch-dis"})
    with pytest.raises(OutputError, match="dis and torch-dis, expected one flow"):
        with_stored_flow(AUTO, [job, second])


def test_a_flow_that_does_not_exist_is_an_error(job: Job) -> None:
    begun(job, {"flow": "downhill"})
    with pytest.raises(SettingsError, match="downhill"):
        _ = with_stored_flow(AUTO, [job]).carrying


@pytest.mark.parametrize(("resume", "expected"), [(False, "torch-dis"), (True, "dis")])
def test_fake_cuda_the_runner_dreams_with_the_flow_of_its_device_or_its_checkpoint(
    resume: bool, expected: str, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(job, {"flow": "dis"})
    seen: list[JobSettings] = []
    monkeypatch.setattr(runner, "_dream_until_failure", lambda jobs, settings, *rest: seen.append(settings) or [])
    with fake_cuda():
        runner.dream_jobs([job], AUTO, lambda: pytest.fail("nothing is loaded"), resume=resume)
    assert [settings.carrying.flow for settings in seen] == [expected]
