"""The process that runs one job of the queue: python -m dreamvideo.studio.job_process, see `json_pipes`.

It is the job of `dreamvideo video`: the same settings, runner and checkpoint, so that either goes on with what the
other began. When the page ends, however it does, the frame under way is finished and the process ends, too.
"""

from __future__ import annotations

import base64
import logging
import time
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Final

import torch

from dreamvideo.errors import Cancelled, DreamVideoError, OutputError, first_line
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.jobs.dream_file import dream_image
from dreamvideo.jobs.earlier_run import check_checkpoint
from dreamvideo.jobs.guide import load_job_network
from dreamvideo.jobs.job import Job, JobResult, JobSettings
from dreamvideo.jobs.job_schedule import check_schedules, load_job_networks
from dreamvideo.jobs.observer import Observer
from dreamvideo.jobs.plan_frames import plan_frames
from dreamvideo.jobs.runner import dream_jobs
from dreamvideo.live.web.jpegs import encode_jpeg
from dreamvideo.media.checkpoint import checkpoint_folder, stored_job
from dreamvideo.media.checkpoint_lock import check_free
from dreamvideo.media.contact_sheet import shrink_to_side
from dreamvideo.media.images import check_large_enough, encode_dream, read_picture, write_image_bytes
from dreamvideo.media.masks import check_mask, read_image_mask
from dreamvideo.media.metadata import settings_comment
from dreamvideo.media.paths import is_image
from dreamvideo.media.video_writer import check_output, is_complete
from dreamvideo.models.network import Network
from dreamvideo.process import configure_process
from dreamvideo.studio.chosen_look import read_look, resolve_look
from dreamvideo.studio.film_folder import FilmFolder
from dreamvideo.studio.json_pipes import Message, ParentPipe
from dreamvideo.studio.recorded_job import settings_of_record
from dreamvideo.studio.studio_job import kept_frames

log = logging.getLogger("dreamvideo")

PROGRESS_INTERVAL: Final = 0.5  # seconds between messages; a frame of a small film takes less
PICTURE_INTERVAL: Final = 2.0  # seconds between pictures of the last frame
FREE_SECONDS: Final = 20.0  # that another process may take to end
PICTURE_SIDE: Final = 480  # pixels
_RATE_FRAMES: Final = 50  # over which the rate is measured


def run_job_process() -> None:
    """Run the job that the parent sends; the last message is `finished`, `paused` or `error`."""
    pipe = ParentPipe()
    log.addHandler(logging.NullHandler())
    spec = pipe.receive()
    if spec is None:
        return
    try:
        run_studio_job(spec, pipe.send, pipe.stopped.is_set)
        pipe.send({"finished": True})
    except Cancelled:
        pipe.send({"paused": True, "frames": kept_frames(Path(spec["output"]))})
    except DreamVideoError as error:
        pipe.send({"error": first_line(error)})
    except Exception as error:
        log.exception("a job failed")
        pipe.send({"error": f"this failed unexpectedly: {first_line(error)}"})


def run_studio_job(spec: Message, send: Callable[[Message], None], should_stop: Callable[[], bool]) -> None:
    """Dream a film or a photo; what an earlier run left is resumed.

    Args:
        spec: `source`, `output`: paths; `root`: the folder; `look`: None: as the checkpoint says.
        send: gets messages for the page.
        should_stop: whether to pause.

    Raises:
        Cancelled: `should_stop` returned True.
        DreamVideoError: the job failed.
    """
    source, output = Path(spec["source"]), Path(spec["output"])
    if is_complete(output, resume=True):
        return
    settings = _settings(spec, output)
    if is_image(source):
        _dream_photo(source, output, settings, send)
    else:
        _dream_film(source, output, settings, send, should_stop)


def _settings(spec: Message, output: Path) -> JobSettings:
    if spec["look"] is None:
        record = stored_job(checkpoint_folder(output))
        if record is None:
            raise OutputError(f"nothing is left of {output.name} that could be resumed: begin it again")
        return settings_of_record(record)
    parts = resolve_look(read_look(spec["look"]), FilmFolder(Path(spec["root"])).find)
    looks = parts.read, parts.model, parts.objective, parts.dream, parts.carry, parts.mask, parts.encode
    return JobSettings(*looks, sequence=parts.sequence, timeline=parts.timeline, drive=parts.drive)


def _dream_film(
    source: Path,
    output: Path,
    settings: JobSettings,
    send: Callable[[Message], None],
    should_stop: Callable[[], bool],
) -> None:
    _wait_until_free(output)
    job: Job | None = Job(source, output)
    if source.is_dir():
        job = plan_frames([source], output, settings.read, settings.sequence, log.info, resume=True)
    else:
        check_output(output, [source], overwrite=False)
    if job is None:
        return
    check_checkpoint(job, settings, resume=True, overwrite=False)
    check_schedules([job], settings)
    if settings.mask.mask is not None:
        check_mask(Path(settings.mask.mask))
    configure_process(settings.model)
    watch = JobWatcher(send, should_stop)
    dream_jobs([job], settings, lambda: load_job_networks(settings), watch, resume=True)
    if watch.result is not None and watch.result.error is not None:
        raise watch.result.error


def _wait_until_free(output: Path) -> None:
    """Wait for the process of a studio that was killed, which finishes its frame; any other is reported later."""
    end = time.monotonic() + FREE_SECONDS
    while time.monotonic() < end:
        try:
            check_free(output)
            return
        except OutputError:
            time.sleep(0.2)


class JobWatcher(Observer):
    """Tells the page how far a job is; keeps its result."""

    def __init__(self, send: Callable[[Message], None], should_stop: Callable[[], bool]) -> None:
        self._send, self._should_stop = send, should_stop
        self.result: JobResult | None = None
        self._done, self._count, self._aspect = 0, 0, Fraction(1)
        self._told = self._drawn = 0.0
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES)

    def started(self, job: Job, info: StreamInfo, done: int, network: Network | None) -> None:
        self._done, self._count, self._aspect = done, info.frame_count or 0, info.pixel_aspect
        self._times.append(time.monotonic())
        self._send({"frames": done, "count": self._count})

    def frame_finished(self, job: Job, frame: Frame) -> None:
        if time.monotonic() - self._drawn >= PICTURE_INTERVAL:
            self._drawn = time.monotonic()
            self._send({"picture": base64.b64encode(_small_jpeg(frame, self._aspect)).decode()})

    def progress(self, job: Job, frames: int) -> None:
        now = time.monotonic()
        self._done += frames
        self._times.append(now)
        if now - self._told >= PROGRESS_INTERVAL:
            self._told = now
            rate = (len(self._times) - 1) / max(now - self._times[0], 1e-6)
            left = max(self._count - self._done, 0) / rate if self._count else None
            self._send({"frames": self._done, "count": self._count, "fps": rate, "left": left})

    def finished(self, result: JobResult) -> None:
        self.result = result
        self._send({"frames": result.frames or self._done, "count": result.frames or self._count})

    def should_stop(self) -> bool:
        return self._should_stop()


def _small_jpeg(frame: Frame, aspect: Fraction) -> bytes:
    image = frame.image.cpu().numpy() if isinstance(frame.image, torch.Tensor) else frame.image
    return encode_jpeg(shrink_to_side(image, PICTURE_SIDE, aspect))


def _dream_photo(source: Path, output: Path, settings: JobSettings, send: Callable[[Message], None]) -> None:
    image, still = read_picture(source, output)
    send({"frames": 0, "count": 1})
    if settings.dream.iterations:
        check_large_enough(source, image.shape[1], image.shape[0])
        configure_process(settings.model)
        network = load_job_network(settings.model, settings.objective)
        mask = None if settings.mask.mask is None else read_image_mask(Path(settings.mask.mask))
        image = dream_image(image, network, settings.dream, settings.tile, mask)
    line = settings_comment(settings.model, settings.objective, settings.dream)
    write_image_bytes(encode_dream(image, still, output, line), output, overwrite=False)
    send({"frames": 1, "count": 1})


if __name__ == "__main__":
    run_job_process()
