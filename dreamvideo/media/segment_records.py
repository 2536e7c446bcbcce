"""The segments of a checkpoint: their files, and the records that make them finished ones; see `checkpoint`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from dreamvideo.errors import OutputError
from dreamvideo.media.atomic_files import read_json, write_atomically

RUN_FILE: Final = "run.json"  # which process writes the segments

_TIMES: Final = ("start", "last", "end")
_FRACTION: Final = re.compile(r"-?[0-9]{1,40}(/0*[1-9][0-9]{0,39})?")


@dataclass(frozen=True, slots=True)
class Segment:
    """The record of a finished segment."""

    number: int
    before: int  # frames of all segments before it, as far as its maker knew
    frames: int
    packets: int  # of a video; of images 0
    start: Fraction  # time of its first frame, in seconds
    last: Fraction  # time of its last frame, in seconds
    end: Fraction  # time of the frame after it, in seconds; of the last segment, when its last frame ends
    content: str  # hash of its packets or images
    encoder: str = ""  # which encoder made its packets, see `concat.describe_encoder`; of images empty
    run: str = ""  # which run wrote it, see `checkpoint_lock`
    carry: str | None = None  # hash of the carry after it; None: the next frame needs none

    @property
    def through(self) -> int:
        """Frames up to its end."""
        return self.before + self.frames


def segment_path(folder: Path, number: int) -> Path:
    """Return the file of the packets of a segment.

    Args:
        folder: of the checkpoint.
        number: of the segment.
    """
    return folder / f"{number:06}.packets"


def images_folder(folder: Path, number: int) -> Path:
    """Return the folder of the images of a segment.

    Args:
        folder: of the checkpoint.
        number: of the segment.
    """
    return folder / f"{number:06}.images"


def carry_path(folder: Path, number: int) -> Path:
    """Return the file of the carry after a segment.

    Args:
        folder: of the checkpoint.
        number: of the segment.
    """
    return folder / f"{number:06}.carry"


def record_path(folder: Path, number: int) -> Path:
    """Return the file of the record of a segment.

    Args:
        folder: of the checkpoint.
        number: of the segment.
    """
    return folder / f"{number:06}.json"


def finished_segments(folder: Path) -> list[Segment]:
    """Return the finished segments from the first on, up to the first gap.

    Args:
        folder: of the checkpoint.
    """
    segments: list[Segment] = []
    for segment in stored_segments(folder):
        last = segments[-1] if segments else None
        if segment.start != last.end if last else segment.number:
            break
        segments.append(replace(segment, before=last.through if last else 0))
    return segments


def stored_segments(folder: Path) -> list[Segment]:
    """Return all finished segments in order; on a cluster, and where some are damaged, there are gaps between them.

    Args:
        folder: of the checkpoint.
    """
    numbers = sorted(int(path.stem) for path in folder.glob("*.json") if path.stem.isdigit())
    return [segment for number in numbers if (segment := segment_from_record(folder, number)) is not None]


def begun_segments(folder: Path) -> list[int]:
    """Return the numbers of the segments from the first on, up to the first gap, and of the unfinished one after them.

    Args:
        folder: of the checkpoint.
    """
    numbers = [segment.number for segment in finished_segments(folder)]
    after = numbers[-1] if numbers else -1
    paths = (path for ending in ("packets", "images") for path in folder.glob(f"*.{ending}") if path.stem.isdigit())
    return numbers + sorted({number for path in paths if (number := int(path.stem)) > after})[:1]


def segment_from_record(folder: Path, number: int) -> Segment | None:
    """Return the record of a segment; None: it is not finished, or the record is damaged.

    Args:
        folder: of the checkpoint.
        number: of the segment.
    """
    record = dict(read_json(record_path(folder, number)) or {})
    kinds: dict[str, Any] = {"int": int, "str": str, "Fraction": str, "str | None": str | None}
    if record.pop("check", None) != _hash_record(record):
        return None
    if record.keys() != {field.name for field in fields(Segment)}:
        return None
    if not all(isinstance(record[field.name], kinds[str(field.type)]) for field in fields(Segment)):
        return None
    times = {name: str(record[name]) for name in _TIMES}
    if not all(_FRACTION.fullmatch(time) for time in times.values()):
        return None  # Fraction would also take 1e999999999, and work on it for ever
    segment = Segment(**{**record, **{name: Fraction(time) for name, time in times.items()}})
    return segment if segment.number == number and segment.frames > 0 else None


def record_segment(folder: Path, segment: Segment, carry: bytes | None) -> Segment:
    """Make a segment whose content is on the disk a finished one, and delete the carry of the segment before it.

    Args:
        folder: of the checkpoint.
        segment: the record.
        carry: what the frame after it needs; None: nothing.

    Returns:
        The record with the hash of the carry.

    Raises:
        OutputError: another run has taken over the folder.
        OSError: the folder cannot be written.
    """
    check_run(folder, segment.run)
    segment = write_record(folder, segment, carry)
    carry_path(folder, segment.number - 1).unlink(missing_ok=True)
    return segment


def check_run(folder: Path, run: str) -> None:
    """Check that a run holds a checkpoint.

    Args:
        folder: of the checkpoint.
        run: see `checkpoint_lock`; empty: none needs to.

    Raises:
        OutputError: another run has taken over the folder.
    """
    if run and (read_json(folder / RUN_FILE) or {}).get("run") != run:
        raise OutputError(f"{folder} was deleted, or is written by another run: nothing more is stored in it")


def write_record(folder: Path, segment: Segment, carry: bytes | None) -> Segment:
    """Write the record of a segment, and before it the carry after the segment.

    Args:
        folder: where its content is.
        segment: the record, without the carry.
        carry: what the frame after it needs; None: nothing.

    Returns:
        The record with the hash of the carry.

    Raises:
        OSError: the folder cannot be written.
    """
    if carry is not None:
        write_atomically(carry_path(folder, segment.number), carry)
        segment = replace(segment, carry=hashlib.sha256(carry).hexdigest())
    record = {**asdict(segment), **{name: str(getattr(segment, name)) for name in _TIMES}}
    record["check"] = _hash_record(record)
    write_atomically(record_path(folder, segment.number), json.dumps(record).encode())
    return segment


def stored_carry(folder: Path, segment: Segment) -> bytes | None:
    """Return the carry after the last frame of a segment; None: the next frame needs none, or it is not there.

    Args:
        folder: of the checkpoint.
        segment: a finished one.
    """
    if segment.carry is None:
        return None
    try:
        carry = carry_path(folder, segment.number).read_bytes()
    except OSError:
        return None
    return carry if hashlib.sha256(carry).hexdigest() == segment.carry else None


def has_carry(folder: Path, segment: Segment) -> bool:
    """Return whether the frame after a segment can be dreamed: it needs no carry, or that is there.

    Args:
        folder: of the checkpoint.
        segment: a finished one.
    """
    return segment.carry is None or stored_carry(folder, segment) is not None


def is_whole(folder: Path, segment: Segment) -> bool:
    """Return whether the packets of a segment are those that were written; True of images, which have left the folder.

    Args:
        folder: of the checkpoint.
        segment: its record.
    """
    if not segment.packets:
        return True
    try:
        with segment_path(folder, segment.number).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == segment.content
    except OSError:
        return False


def usable_segments(folder: Path, segments: Sequence[Segment]) -> list[Segment]:
    """Return the longest beginning of consecutive segments that is whole and that can be resumed after.

    Args:
        folder: of the checkpoint.
        segments: finished ones, the first of which needs no carry.
    """
    damaged = next((n for n, segment in enumerate(segments) if not is_whole(folder, segment)), len(segments))
    usable = list(segments[:damaged])
    while usable and not has_carry(folder, usable[-1]):
        usable.pop()  # only the newest carry is kept: back to a cut, where the next frame needs none
    return usable


def forget_segment(folder: Path, number: int) -> None:
    """Delete a segment, finished or not.

    Args:
        folder: of the checkpoint.
        number: of the segment.
    """
    record_path(folder, number).unlink(missing_ok=True)
    carry_path(folder, number).unlink(missing_ok=True)
    segment_path(folder, number).unlink(missing_ok=True)
    remove_folder(images_folder(folder, number))


def forget_from(folder: Path, first: int) -> None:
    """Delete all segments from one on, finished or not.

    Args:
        folder: of the checkpoint.
        first: number of the first to be deleted.
    """
    stems = {path.name.partition(".")[0] for path in folder.iterdir()}
    for number in sorted((int(stem) for stem in stems if stem.isdecimal()), reverse=True):
        if number >= first:
            forget_segment(folder, number)


def remove_folder(folder: Path) -> None:
    """Delete the folder of the images of a segment, or of a worker, if there is one.

    Args:
        folder: holds nothing but files, and such folders.
    """
    if folder.is_dir():
        for path in list(folder.iterdir()):
            remove_folder(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        folder.rmdir()


def _hash_record(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()
