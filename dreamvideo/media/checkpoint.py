"""What a job has done so far, in a folder beside its output: pieces, what the last one left, and whose they are.

    FILM_dream.mp4.pieces/
        job.json        what the job is: to go on, all of it must be the same
        000000.packets  the log of a piece: packets of a video, or pictures
        000000.json     its record; with that it is finished
        000000.carry    what its last frame left; of the newest piece only

Everything is written to the disk before the record is, and a record appears at once or not at all: so a job can be
killed at any time.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from dreamvideo.errors import OutputError

JOB_FILE = "job.json"


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished piece."""

    number: int
    before: int  # frames of all pieces before it
    frames: int
    packets: int  # records of its log
    last: Fraction  # time of its last frame

    @property
    def through(self) -> int:
        """Frames up to its end."""
        return self.before + self.frames


def checkpoint_folder(output: Path) -> Path:
    """Where the pieces of `output` are kept until it is complete."""
    return output.with_name(output.name + ".pieces")


def create_checkpoint(folder: Path, job: Mapping[str, Any]) -> None:
    """An empty folder for the pieces of `job`, whatever was there before."""
    remove_checkpoint(folder)
    folder.mkdir()
    write_atomically(folder / JOB_FILE, json.dumps(job, indent=1).encode())


def stored_job(folder: Path) -> Mapping[str, Any] | None:
    """The job whose pieces are in `folder`; None: there is none that can be gone on with."""
    return _read(folder / JOB_FILE)


def segment_path(folder: Path, number: int) -> Path:
    """The file of a piece's packets."""
    return folder / f"{number:06}.packets"


def finished_segments(folder: Path) -> list[Segment]:
    """The finished pieces, from the first on, without a gap."""
    pieces: list[Segment] = []
    while (piece := segment_from_record(folder, len(pieces))) is not None:
        pieces.append(piece)
    return pieces


def segment_from_record(folder: Path, number: int) -> Segment | None:
    """The record of a finished piece; None: it is not finished."""
    record = _read(folder / f"{number:06}.json")
    return None if record is None else Segment(**{**record, "last": Fraction(record["last"])})


def record_segment(folder: Path, piece: Segment, state: bytes | None) -> None:
    """Record a piece whose packets are on the disk; what the one before left is needed no more."""
    if state is not None:
        write_atomically(_carry(folder, piece.number), state)
    record = {**asdict(piece), "last": str(piece.last)}
    write_atomically(folder / f"{piece.number:06}.json", json.dumps(record).encode())
    _carry(folder, piece.number - 1).unlink(missing_ok=True)


def stored_carry(folder: Path, piece: Segment) -> bytes | None:
    """What the last frame of `piece` left; None: nothing that the next frame needs."""
    try:
        return _carry(folder, piece.number).read_bytes()
    except FileNotFoundError:
        return None


def remove_checkpoint(folder: Path) -> None:
    """Nothing is left."""
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise OutputError(f"{folder} cannot be removed: do so by hand")


def _carry(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.carry"


def write_atomically(path: Path, content: bytes) -> None:
    """The file is there, and on the disk, at once or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
