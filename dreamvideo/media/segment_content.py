"""What a segment holds, as bytes by file name: to be hashed, and sent from a worker to where the checkpoint is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from dreamvideo.errors import OutputError
from dreamvideo.media.atomic_files import write_atomically
from dreamvideo.media.segment_records import Segment, forget_segment, images_folder, segment_path


def read_segment(folder: Path, number: int) -> dict[str, bytes]:
    """Return the content of a segment, to be sent elsewhere.

    Args:
        folder: where it was written.
        number: of the segment.

    Returns:
        The content of each of its files by name: one file of packets, or images.
    """
    path = segment_path(folder, number)
    paths = [path] if path.exists() else sorted(images_folder(folder, number).iterdir())
    return {path.name: path.read_bytes() for path in paths}


def write_segment(folder: Path, segment: Segment, files: Mapping[str, bytes], images: bool) -> None:
    """Write a segment that was made elsewhere, in place of what is there of it.

    Args:
        folder: of the checkpoint.
        segment: its record.
        files: what `read_segment` returned there.
        images: it is one of images.

    Raises:
        OutputError: a name would lead out of the folder, or the content is not that of the record.
        OSError: the folder cannot be written.
    """
    number = segment.number
    for name in files:
        is_file_name = name == Path(name).name and name not in ("", ".", "..")
        if not is_file_name or (not images and name != segment_path(folder, number).name):
            raise OutputError(f"{name!r} is not the name of a file of segment {number}: a worker sent something else")
    if hash_images(files) != segment.content if images else hash_packets(files) != segment.content:
        raise OutputError(f"segment {number} is not what a worker made: it was changed on its way")
    forget_segment(folder, number)
    target = images_folder(folder, number) if images else folder
    target.mkdir(exist_ok=True)
    for name, content in files.items():
        write_atomically(target / name, content)


def hash_packets(files: Mapping[str, bytes]) -> str:
    """Return the hash of the packets of a segment.

    Args:
        files: its one file.
    """
    return hashlib.sha256(b"".join(files.values())).hexdigest()


def hash_images(files: Mapping[str, bytes]) -> str:
    """Return the hash of the images of a segment.

    Args:
        files: content by name, in any order.
    """
    lines = (f"{hashlib.sha256(content).hexdigest()} {name}\n" for name, content in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
