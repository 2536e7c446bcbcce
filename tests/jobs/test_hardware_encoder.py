"""An encoder of hardware is chosen once a job, where a trial succeeds; all that work on the job later use it.

Its stand-in is libx264, which gets frames as NVENC does, in place of the default of a container, which is ffv1.
"""

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from clips import make_clip, video_times

from dreamvideo.errors import OutputError
from dreamvideo.frames import StreamInfo
from dreamvideo.jobs.earlier_run import check_checkpoint
from dreamvideo.jobs.film_windows import FilmWindow
from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.jobs.job_output import encode_of
from dreamvideo.jobs.observer import Observer
from dreamvideo.jobs.runner import dream_jobs
from dreamvideo.jobs.task import ClusterTask, FinishedSegment, dream_tasks
from dreamvideo.media import codecs, encoder_choice, segment_records, segments, video_encoder
from dreamvideo.media.checkpoint import checkpoint_folder, stored_job
from dreamvideo.media.codecs import CODECS, HARDWARE_ENCODERS
from dreamvideo.media.encoder_choice import choose_codec, kept_codec
from dreamvideo.media.video_encoder import CONTAINERS
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings, MaskSettings, ReadSettings
from dreamvideo.yuv.encoder_planes import EncoderPlanes

INFO = StreamInfo(96, 64, Fraction(25))


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {**CODECS, "libx264": replace(CODECS["libx264"], pixel_formats=("nv12",), reads="cpu")}
    for place in (codecs, video_encoder):
        monkeypatch.setattr(place, "CODECS", rows)
    monkeypatch.setitem(CONTAINERS, ".mkv", replace(CONTAINERS[".mkv"], codec="ffv1"))
    monkeypatch.setattr(encoder_choice, "HARDWARE_ENCODERS", {**HARDWARE_ENCODERS, "cpu": {"ffv1": "libx264"}})


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MAX_FRAMES", 5)
    monkeypatch.setattr(segments, "GRID", Fraction(3, 25))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    times = [Fraction(n, 25) for n in range(12)]
    return Job(make_clip(tmp_path / "clip.mp4", times=times, size=(96, 64)), tmp_path / "out.mkv")


def settings_of(**encode: Any) -> JobSettings:
    return JobSettings(
        read=ReadSettings(),
        model=ModelSettings(threads=1),
        objective=ObjectiveSettings(),
        dream=DreamSettings(octaves=1, iterations=1, step_size=0.03),
        carry=CarrySettings(),
        mask=MaskSettings(),
        encode=EncodeSettings(**encode),
    )


class Stopping(Observer):
    """Cancels after some frames."""

    def __init__(self, frames: int) -> None:
        self._left = frames

    def should_stop(self) -> bool:
        self._left -= 1
        return self._left < 0


def dream(job: Job, network: Network, settings: JobSettings, stop: int = 1000, resume: bool = False) -> None:
    observer = Stopping(stop)
    errors: list[Any] = []
    observer.finished = lambda result: errors.append(result.error)  # type: ignore[method-assign]
    dream_jobs([job], settings, lambda: network, observer, resume)
    if errors and errors[0] is not None:
        raise errors[0]


def interrupted(job: Job, network: Network, settings: JobSettings) -> None:
    from dreamvideo.errors import Cancelled

    with pytest.raises(Cancelled):
        dream(job, network, settings, stop=8)


def codec_in(path: Path) -> str:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.name


def encoders(job: Job) -> set[str]:
    folder = checkpoint_folder(job.output)
    return {" ".join(each.encoder.split()[:2]) for each in segment_records.finished_segments(folder)}


def test_the_encoder_is_chosen_once_and_recorded(
    job: Job, tiny_network: Network, hardware: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = replace(job, output=job.output.with_name("whole.mkv"))
    with caplog.at_level(logging.INFO, logger="dreamvideo"):
        dream(whole, tiny_network, settings_of())
    said = [record.getMessage() for record in caplog.records if "encoded by" in record.getMessage()]
    assert said == [f"{whole.output} is encoded by libx264"]
    interrupted(job, tiny_network, settings_of())
    assert encoders(job) == {"libx264 nv12"}
    assert (stored_job(checkpoint_folder(job.output)) or {})["codec"] == "libx264"
    # Whoever goes on tries nothing again.
    monkeypatch.setattr("dreamvideo.jobs.job_output.choose_codec", _never)
    check_checkpoint(job, settings_of(), resume=True, overwrite=False)
    dream(job, tiny_network, settings_of(), resume=True)
    assert codec_in(job.output) == codec_in(whole.output) == "h264"
    assert video_times(job.output) == video_times(whole.output)
    assert len(video_times(job.output)[0]) == 12


def _never(*_: Any) -> str:
    raise AssertionError("an encoder was chosen again")


def test_a_job_that_began_without_hardware_goes_on_without(
    job: Job, tiny_network: Network, hardware: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(encoder_choice, "check_encoder", _refuse)
        interrupted(job, tiny_network, settings_of())
    assert encoders(job) == {"ffv1 yuv420p"}
    check_checkpoint(job, settings_of(), resume=True, overwrite=False)
    dream(job, tiny_network, settings_of(), resume=True)
    assert codec_in(job.output) == "ffv1"


def _refuse(*_: Any, **__: Any) -> None:
    raise OutputError("there is no such hardware")


def test_a_resume_with_another_encoder_is_refused_as_any_other_change(
    job: Job, tiny_network: Network, hardware: None
) -> None:
    interrupted(job, tiny_network, settings_of())
    with pytest.raises(OutputError, match="codec was libx264, is ffv1"):
        check_checkpoint(job, settings_of(codec="ffv1"), resume=True, overwrite=False)


def test_hardware_that_is_gone_is_named(
    job: Job, tiny_network: Network, hardware: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(job, tiny_network, settings_of())
    monkeypatch.setattr(video_encoder.VideoEncoder, "open", _refuse)
    with pytest.raises(OutputError, match="no such hardware"):
        dream(job, tiny_network, settings_of(), resume=True)
    assert encoders(job) == {"libx264 nv12"}  # all that was made is there


def test_a_job_that_is_renamed_keeps_its_encoder(job: Job, tiny_network: Network, hardware: None) -> None:
    interrupted(job, tiny_network, settings_of())
    other = replace(job, output=job.output.with_name("other.mkv"))
    check_checkpoint(other, settings_of(), resume=True, overwrite=False)
    assert encode_of(other, settings_of()).codec == "libx264"


def test_workers_use_the_encoder_that_was_chosen(
    job: Job, tiny_network: Network, hardware: None, tmp_path: Path
) -> None:
    for codec, expected in (("libx264", "libx264 nv12"), (None, "ffv1 yuv420p")):
        made = list(dream_tasks([ClusterTask(job, FilmWindow(), codec=codec)], settings_of(), tiny_network, tmp_path))
        segments_made = [each.segment for each in made if isinstance(each, FinishedSegment)]
        assert {" ".join(segment.encoder.split()[:2]) for segment in segments_made} == {expected}


@pytest.mark.parametrize(
    ("suffix", "encode", "expected"),
    [
        (".mkv", {}, "libx264"),
        (".mkv", {"codec": "mpeg4"}, "mpeg4"),
        (".mkv", {"encoder_preset": "slow"}, "ffv1"),  # presets are those of the default
        (".webm", {}, "libvpx-vp9"),
        (".gif", {}, "gif"),
    ],
)
def test_only_the_default_encoder_is_replaced(
    hardware: None, suffix: str, encode: dict[str, Any], expected: str
) -> None:
    maker = EncoderPlanes(torch.device("cpu"))
    assert choose_codec(Path(f"a{suffix}"), INFO, EncodeSettings(**encode), maker) == expected


def test_without_a_device_nothing_is_tried(hardware: None) -> None:
    assert choose_codec(Path("a.mkv"), INFO, EncodeSettings(), None) == "ffv1"


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_where_the_hardware_cannot_be_opened_x264_encodes(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    maker = EncoderPlanes(torch.device("cpu"))
    maker.kind = kind
    maker._left_there = _refuse  # type: ignore[method-assign,assignment]  # there is no such memory here
    with caplog.at_level(logging.INFO):
        assert choose_codec(Path("a.mp4"), INFO, EncodeSettings(), maker) == "libx264"
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "a.mp4 is encoded by libx264: " in caplog.text


@pytest.mark.parametrize(
    ("before", "hardware_wanted", "codec", "expected"),
    [
        ("h264_nvenc", True, None, "h264_nvenc"),
        ("h264_videotoolbox", True, None, "h264_videotoolbox"),
        ("h264_nvenc", False, None, "libx264"),
        ("h264_nvenc", True, "libx264", "libx264"),
        ("libx264", True, None, "libx264"),
        ("mpeg4", True, None, "libx264"),  # was named, and is not any more
        (7, True, None, "libx264"),
        (None, True, None, "libx264"),
    ],
)
def test_what_a_resume_is_encoded_by(before: Any, hardware_wanted: bool, codec: str | None, expected: str) -> None:
    assert kept_codec(Path("a.mp4"), EncodeSettings(codec=codec), before, hardware_wanted) == expected
