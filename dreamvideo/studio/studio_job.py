"""A job of the queue, and what is on the disk of jobs: the stored queue, and checkpoints of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from dreamvideo.errors import DreamVideoError
from dreamvideo.media.atomic_files import read_json
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.segment_records import finished_segments
from dreamvideo.studio.chosen_look import ChosenLook, read_look
from dreamvideo.studio.film_folder import FilmFolder

MOST_JOBS: Final = 200
QUEUE_FILE: Final = ".dreamvideo-studio.json"

JobState = Literal["waiting", "running", "pausing", "paused", "done", "failed"]
OVER: Final = ("done", "failed")


@dataclass
class StudioJob:
    """A job of the queue, as the page shows it."""

    number: int
    source: str  # name in the folder
    output: str
    look: ChosenLook | None  # None: as the checkpoint says
    state: JobState = "waiting"
    frames: int = 0
    count: int = 0  # 0: unknown
    fps: float | None = None
    left: float | None = None  # seconds
    error: str | None = None
    drawn: int = 0  # how many pictures of its last frame there were
    removed: bool = field(default=False, compare=False)  # to be deleted once its process has ended

    def as_json(self) -> dict[str, Any]:
        """Return what the page shows, and `JobQueue` stores."""
        return {
            "number": self.number,
            "source": self.source,
            "output": self.output,
            "look": None if self.look is None else self.look.as_json(),
            "title": "as it was begun" if self.look is None else self.look.title,
            "state": self.state,
            "frames": self.frames,
            "count": self.count,
            "fps": self.fps,
            "left": self.left,
            "error": self.error,
            "drawn": self.drawn,
        }


def stored_jobs(folder: FilmFolder) -> list[StudioJob]:
    """Return the jobs of the last time; those that were not over are paused. What the file says is checked.

    Args:
        folder: of the studio.
    """
    stored = read_json(folder.root / QUEUE_FILE) or {}
    jobs: list[StudioJob] = []
    entries = stored.get("jobs")
    for entry in entries[:MOST_JOBS] if isinstance(entries, list) else []:
        with suppress(DreamVideoError, KeyError, TypeError, ValueError):
            state: JobState = entry["state"] if entry["state"] in OVER else "paused"
            look = None if entry["look"] is None else read_look(entry["look"])
            source, output = (folder.name(folder.find(entry[name])) for name in ("source", "output"))
            frames, count = int(entry["frames"]), int(entry["count"])
            error = None if entry["error"] is None else str(entry["error"])
            job = StudioJob(len(jobs) + 1, source, output, look, state, frames, count)
            job.error = error
            if state == "paused":
                job.frames = kept_frames(folder.root / output)
            jobs.append(job)
    return jobs


def kept_frames(output: Path) -> int:
    """Return how many frames of an unfinished output are on the disk: those of whole segments.

    Args:
        output: of a job.
    """
    segments = finished_segments(checkpoint_folder(output))
    return segments[-1].through if segments else 0


def unfinished_outputs(folder: FilmFolder, where: Path, taken: Sequence[str]) -> list[dict[str, str]]:
    """Return the outputs whose checkpoints lie in a folder, with the names of their sources.

    Args:
        folder: of the studio.
        where: in it.
        taken: outputs that are in the queue.
    """
    found = []
    for path in sorted(where.glob("*.checkpoint")):
        output = path.with_name(path.name.removesuffix(".checkpoint"))
        record = read_json(path / "job.json") or {}
        source = path.parent / str(record.get("input", "")).partition(", ")[0]
        with suppress(DreamVideoError, ValueError):
            names = {"output": folder.name(folder.find(folder.name(output)))}
            names["source"] = folder.name(folder.find_film(folder.name(source)))
            "".join(names.values()).encode()  # JSON cannot hold what is not UTF-8
            if names["output"] not in taken:
                found.append(names)
    return found
