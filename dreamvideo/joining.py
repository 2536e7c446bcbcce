"""Dreamed frames are kept piece by piece; pieces become a film by copying their packets: nothing is encoded again."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from dreamvideo import leftovers
from dreamvideo.encoders import VideoEncoder, container_of
from dreamvideo.errors import OutputError
from dreamvideo.film import Film, translated
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.leftovers import Piece
from dreamvideo.packets import read_packets, write_packets
from dreamvideo.pieces import Dreamed
from dreamvideo.settings import EncodeSettings
from dreamvideo.writers import with_durations

if TYPE_CHECKING:
    from dreamvideo.encoders import Packet


def write_pieces(
    dreamed: Generator[Dreamed, None, None],
    folder: Path,
    output: Path,
    info: StreamInfo,
    settings: EncodeSettings,
    before: int = 0,
    stopped: Callable[[], bool] = lambda: False,
    aloud: bool = True,
) -> Generator[tuple[Piece, bytes | None], None, None]:
    """Write `dreamed` into `folder`; each piece when its packets are on the disk, and what its last frame left.

    Args:
        folder: of the pieces; it is there.
        output: whose pieces they are: it says which kind of file will be made of them.
        info: of the frames.
        before: how many frames come before these.
        stopped: asked after each frame; then the piece under way is closed, but not finished.
        aloud: say how the picture is changed to suit the encoder.

    Raises:
        OutputError: a piece cannot be written, the disk is full, or the encoder cannot be used.
    """
    with closing(dreamed):
        timed = with_durations(dreamed, lambda each: each.frame)
        for number, group in itertools.groupby(timed, lambda pair: pair[0].piece):
            with closing(_Encoding(leftovers.packets_of(folder, number), output, info, settings, aloud)) as encoding:
                for each, duration in group:
                    encoding.add(each.frame, duration)
                    if stopped():
                        encoding.flush()
                        return
                encoding.flush()
            piece = Piece(number, before, encoding.frames, encoding.packets, each.frame.time)
            yield piece, each.left() if each.left else None
            before, aloud = piece.through, False


class _Encoding:
    """A piece on its way."""

    def __init__(
        self,
        path: Path,
        output: Path,
        info: StreamInfo,
        settings: EncodeSettings,
        aloud: bool,
    ) -> None:
        self.frames = self.packets = 0
        self._output = output
        container = container_of(output)
        with translated(output), ExitStack() as opened:
            self._file = opened.enter_context(path.open("wb"))
            # No file is made of it: packets are kept as they leave the encoder.
            nowhere = opened.enter_context(av.open(io.BytesIO(), "w", format=container.format))
            self._encoder = VideoEncoder(nowhere, container, info, settings, aloud=aloud)
            self._encoder.open()
            self._opened = opened.pop_all()

    def add(self, frame: Frame, duration: Fraction | None) -> None:
        with translated(self._output):
            self._write(self._encoder.encode(frame.image, frame.time, duration))
        self.frames += 1

    def flush(self) -> None:
        """All that there is is on the disk."""
        with translated(self._output):
            self._write(self._encoder.flush())
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        with translated(self._output):
            self._opened.close()

    def _write(self, packets: list[Packet]) -> None:
        write_packets(packets, self._file)
        self.packets += len(packets)


def join(
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
    folder = leftovers.folder_of(output)
    pieces = leftovers.finished(folder)
    if not pieces:
        raise OutputError(f"{output} was not written: there was no frame")
    film = Film(output, info, settings, signature, aloud=False)
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


def join_part(output: Path, info: StreamInfo, settings: EncodeSettings, signature: str | None = None) -> None:
    """Make a file that plays, `output` + '.part', of as much as there is, the unfinished piece included."""
    folder = leftovers.folder_of(output)
    film = Film(output, info, settings, signature, aloud=False)
    try:
        for number in range(len(leftovers.finished(folder)) + 1):
            if leftovers.packets_of(folder, number).exists():
                _copy(folder, number, film)
    finally:
        if not film.keep():
            film.abandon()


def _copy(folder: Path, number: int, film: Film) -> int:
    """Put a piece into `film`; returns how many packets it had."""
    unit, count = film.encoder.time_base, 0
    for packet in read_packets(leftovers.packets_of(folder, number), unit):
        film.add([packet])
        count += 1
    return count
