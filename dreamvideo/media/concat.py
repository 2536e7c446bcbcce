"""Dreamed frames are kept piece by piece; pieces become a film by copying their packets: nothing is encoded again."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av

from dreamvideo.errors import OutputError
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.media import checkpoint
from dreamvideo.media.checkpoint import Segment
from dreamvideo.media.packets import PacketRecord, read_packets, record_of, write_records
from dreamvideo.media.segments import DreamedFrame
from dreamvideo.media.video_encoder import VideoEncoder, container_of
from dreamvideo.media.video_file import Muxer, translate_errors
from dreamvideo.media.video_writer import with_durations
from dreamvideo.settings.job import EncodeSettings


class Encoder(Protocol):
    """Frames of one piece in, records of its log out."""

    def encode(self, frame: Frame, duration: Fraction | None) -> list[PacketRecord]:
        """Those that are ready after `frame`."""

    def flush(self) -> list[PacketRecord]:
        """Those held back until now."""


# An encoder for the piece that begins after so many frames.
EncoderFactory = Callable[[int], AbstractContextManager[Encoder]]


def write_segments(
    dreamed: Generator[DreamedFrame, None, None],
    folder: Path,
    output: Path,
    encoder: EncoderFactory,
    before: int = 0,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[tuple[Segment, bytes | None], None, None]:
    """Write `dreamed` into `folder`; each piece when its packets are on the disk, and what its last frame left.

    Args:
        folder: of the pieces; it is there.
        output: whose pieces they are, for messages.
        encoder: what a piece is encoded by.
        before: how many frames come before these.
        stopped: asked after each frame; then the piece under way is closed, but not finished.

    Raises:
        OutputError: a piece cannot be written, the disk is full, or the encoder cannot be used.
    """
    with closing(dreamed):
        timed = with_durations(dreamed, lambda each: each.frame)
        for number, group in itertools.groupby(timed, lambda pair: pair[0].piece):
            with closing(_Log(checkpoint.segment_path(folder, number), output, encoder, before)) as log:
                for each, duration in group:
                    log.add(each.frame, duration)
                    if stopped():
                        log.flush()
                        return
                log.flush()
            piece = Segment(number, before, log.frames, log.records, each.frame.time)
            yield piece, each.left() if each.left else None
            before = piece.through


class _Log:
    """A piece on its way."""

    def __init__(self, path: Path, output: Path, encoder: EncoderFactory, before: int) -> None:
        self.frames = self.records = 0
        self._output = output
        with translate_errors(output), ExitStack() as opened:
            self._file = opened.enter_context(path.open("wb"))
            self._encoder = opened.enter_context(encoder(before))
            self._opened = opened.pop_all()

    def add(self, frame: Frame, duration: Fraction | None) -> None:
        with translate_errors(self._output):
            self._write(self._encoder.encode(frame, duration))
        self.frames += 1

    def flush(self) -> None:
        """All that there is is on the disk."""
        with translate_errors(self._output):
            self._write(self._encoder.flush())
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        with translate_errors(self._output):
            self._opened.close()

    def _write(self, records: list[PacketRecord]) -> None:
        write_records(records, self._file)
        self.records += len(records)


@contextmanager
def open_video_encoder(
    output: Path, info: StreamInfo, settings: EncodeSettings, before: int
) -> Generator[Encoder, None, None]:
    """Encodes a piece of the video `output`; only the first says how the picture is changed to suit the encoder.

    Raises:
        OutputError: the encoder cannot be used.
    """
    container = container_of(output)
    # No file is made of it: packets are kept as they leave the encoder.
    with av.open(io.BytesIO(), "w", format=container.format) as nowhere:
        encoder = VideoEncoder(nowhere, container, info, settings, aloud=before == 0)
        encoder.open()
        yield _Video(encoder)


@dataclass(frozen=True, slots=True)
class _Video:
    encoder: VideoEncoder

    def encode(self, frame: Frame, duration: Fraction | None) -> list[PacketRecord]:
        return [record_of(packet) for packet in self.encoder.encode(frame.image, frame.time, duration)]

    def flush(self) -> list[PacketRecord]:
        return [record_of(packet) for packet in self.encoder.flush()]


def join_segments(
    output: Path,
    info: StreamInfo,
    settings: EncodeSettings,
    signature: str | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> int | None:
    """Make `output` of its pieces, with what else `info.path` holds; returns how many frames it has, None if stopped.

    Raises:
        OutputError: it cannot be written, the disk is full, there was no frame, or a piece is damaged.
    """
    folder = checkpoint.checkpoint_folder(output)
    pieces = checkpoint.finished_segments(folder)
    if not pieces:
        raise OutputError(f"{output} was not written: there was no frame")
    film = Muxer(output, info, settings, signature, aloud=False)
    try:
        for piece in pieces:
            if stopped():
                film.abandon()
                return None
            if _copy(folder, piece.number, film) != piece.packets:
                raise OutputError(f"{folder} is damaged at piece {piece.number}: begin anew with --overwrite (-y)")
        film.finish([], whole=pieces[-1].through != info.frame_limit)
    except BaseException:
        film.abandon()
        raise
    film.publish()
    return pieces[-1].through


def join_partial(output: Path, info: StreamInfo, settings: EncodeSettings, signature: str | None = None) -> None:
    """Make a file that plays, `output` + '.part', of as much as there is, the unfinished piece included."""
    folder = checkpoint.checkpoint_folder(output)
    film = Muxer(output, info, settings, signature, aloud=False)
    try:
        for number in range(len(checkpoint.finished_segments(folder)) + 1):
            if checkpoint.segment_path(folder, number).exists():
                _copy(folder, number, film)
    finally:
        if not film.keep():
            film.abandon()


def _copy(folder: Path, number: int, film: Muxer) -> int:
    """Put a piece into `film`; returns how many packets it had."""
    return film.add(read_packets(checkpoint.segment_path(folder, number), film.encoder.time_base))
