"""A folder of pictures on its way: each piece is a log of encoded pictures, which become files when it is finished."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from dreamvideo.errors import OutputError
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.media import checkpoint
from dreamvideo.media.concat import Encoder
from dreamvideo.media.image_sequence import output_image_name
from dreamvideo.media.images import encode_image, restore_format, write_image_bytes
from dreamvideo.media.packets import PacketRecord, read_records
from dreamvideo.media.paths import is_image

log = logging.getLogger(__name__)


def numbered_name(count: int, format: str | None) -> str:
    """What the `count`-th frame of a video is called, from 1 on."""
    return f"frame_{count:06}.{format or 'png'}"


@contextmanager
def open_image_encoder(
    format: str | None, signature: str | None, info: StreamInfo, before: int
) -> Generator[Encoder, None, None]:
    """Encodes a piece of pictures, in a `format` or each in its own, each with its `signature` if it can hold one."""
    if info.pixel_aspect != 1 and not before:
        log.warning("pixels are %.4g times as wide as high: pictures hold them as they are", info.pixel_aspect)
    yield _Pictures(format, signature, before)


class _Pictures:
    def __init__(self, format: str | None, signature: str | None, before: int) -> None:
        self._format, self._signature, self._count = format, signature, before

    def encode(self, frame: Frame, duration: Fraction | None) -> list[PacketRecord]:
        self._count += 1
        still = frame.still
        name = (
            numbered_name(self._count, self._format) if still is None else output_image_name(still.path, self._format)
        )
        image = frame.image if still is None else restore_format(frame.image, still)
        return [({"name": name}, encode_image(image, Path(name), self._signature))]

    def flush(self) -> list[PacketRecord]:
        return []


def publish_images(pieces: Path, number: int, output: Path) -> int:
    """Write the pictures of a piece into the folder `output`, all or as many as its log holds; returns how many.

    Raises:
        OutputError: one cannot be written, the disk is full, or its name is none.
    """
    count = 0
    for head, content in read_records(checkpoint.segment_path(pieces, number)):
        name = Path(head["name"]).name
        if name != head["name"] or not is_image(Path(name)):  # a log may come from elsewhere
            raise OutputError(f"{head['name']!r} is no name of a picture: expected one without a folder")
        write_image_bytes(content, output / name)
        count += 1
    return count
