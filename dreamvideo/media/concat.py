"""Segments of a video: each encoded by itself, and joined with the others by copying packets, never re-encoding."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path

import av

from dreamvideo.errors import Cancelled, OutputError
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.media import checkpoint
from dreamvideo.media.packets import read_packets, write_packets
from dreamvideo.media.segments import never
from dreamvideo.media.video_encoder import VideoEncoder, container_of
from dreamvideo.media.video_file import Muxer, translate_errors
from dreamvideo.settings.job import EncodeSettings


class VideoSegmentWriter:
    """Encodes the frames of one segment and keeps their packets in a log.

    Args:
        path: of the log.
        output: the video that the segment is of.
        info: of its frames.
        settings: of its encoder.
        before: frames before this segment; only the first one warns of how images are changed to suit the encoder.

    Raises:
        OutputError: the encoder cannot be used, or the log not be opened.
    """

    def __init__(self, path: Path, output: Path, info: StreamInfo, settings: EncodeSettings, before: int) -> None:
        self._output = output
        self._packets = 0
        container = container_of(output)
        with translate_errors(output), ExitStack() as opened:
            self._file = opened.enter_context(path.open("wb"))
            # No file is made of it: packets are kept as they leave the encoder.
            nowhere = opened.enter_context(av.open(io.BytesIO(), "w", format=container.format))
            self._encoder = VideoEncoder(nowhere, container, info, settings, aloud=before == 0)
            self._encoder.open()
            self._opened = opened.pop_all()

    def add(self, frame: Frame) -> None:
        """Encode a frame."""
        with translate_errors(self._output):
            packets = self._encoder.encode(frame.image, frame.time, frame.duration)
            self._packets += write_packets(packets, self._file)

    def finish(self) -> int:
        """Write the packets that the encoder holds back, flush to disk, and return how many there are in all."""
        with translate_errors(self._output):
            self._packets += write_packets(self._encoder.flush(), self._file)
            self._file.flush()
            os.fsync(self._file.fileno())
        return self._packets

    def close(self) -> None:
        """Close the log and the encoder."""
        with translate_errors(self._output):
            self._opened.close()


def join_segments(
    output: Path,
    info: StreamInfo,
    settings: EncodeSettings,
    comment: str | None = None,
    should_stop: Callable[[], bool] = never,
) -> int:
    """Make a video of its finished segments, with what else the input file holds, and give it its name.

    Args:
        output: the video; the segments are in its checkpoint.
        info: of its frames.
        settings: of the encoder that made them.
        comment: a line for its comment, see `settings_comment`; None: none.
        should_stop: asked after each segment; then what is joined remains as a `.part` that plays.

    Returns:
        How many frames it has.

    Raises:
        OutputError: it cannot be written, the disk is full, or a segment is damaged.
        Cancelled: `should_stop` returned True.
    """
    folder = checkpoint.checkpoint_folder(output)
    segments = checkpoint.finished_segments(folder)
    whole = segments[-1].through != info.frame_limit
    muxer = Muxer(output, info, settings, comment)
    try:
        muxer.end_with(segments[-1].last + 1 / (info.frame_rate or Fraction(25)), whole)
        for segment in segments:
            if should_stop():
                raise Cancelled(f"{output}: cancelled while its segments were joined")
            if _copy(folder, segment.number, muxer) != segment.packets:
                raise OutputError(f"{folder} is damaged at segment {segment.number}: start again with --overwrite (-y)")
        muxer.finish(whole)
    except BaseException as error:
        if not isinstance(error, Cancelled) or not muxer.keep():
            muxer.abandon()
        raise
    muxer.publish()
    return segments[-1].through


def join_partial(output: Path, info: StreamInfo, settings: EncodeSettings, comment: str | None = None) -> None:
    """Make a video that plays, `output` + '.part', of as much as there is, the unfinished segment included.

    Args:
        output: the video; the segments are in its checkpoint.
        info: of its frames.
        settings: of the encoder that made them.
        comment: a line for its comment; None: none.

    Raises:
        OutputError: it cannot be written.
    """
    folder = checkpoint.checkpoint_folder(output)
    muxer = Muxer(output, info, settings, comment)
    kept = False
    try:
        for number in range(len(checkpoint.finished_segments(folder)) + 1):
            if checkpoint.segment_path(folder, number).exists():
                _copy(folder, number, muxer)
        kept = muxer.keep()
    finally:
        if not kept:
            muxer.abandon()


def _copy(folder: Path, number: int, muxer: Muxer) -> int:
    """Mux a segment; return how many packets it had."""
    with closing(read_packets(checkpoint.segment_path(folder, number), muxer.encoder.time_base)) as packets:
        return muxer.add(packets)
