"""One video file being muxed: packets of the video, what else its input holds, and its name once it is complete."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from dreamvideo.errors import OutputError, SourceError
from dreamvideo.frames import StreamInfo
from dreamvideo.media.atomic_files import create_file, flush_to_disk, publish_file
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.clock import film_begin
from dreamvideo.media.kept_part import keep_part, remove_kept
from dreamvideo.media.local_files import open_local
from dreamvideo.media.metadata import comment_with_settings
from dreamvideo.media.stream_copy import StreamCopier
from dreamvideo.media.video_encoder import Container, VideoEncoder, container_of
from dreamvideo.settings.job import EncodeSettings

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

log = logging.getLogger(__name__)

_EARLIEST_PTS = -(2**62)


@contextmanager
def translate_errors(output: Path) -> Generator[None, None, None]:
    """Raise what libav and the system raise inside the block as an OutputError.

    Args:
        output: what is being written, for the message.

    Raises:
        OutputError: in place of an OSError or an FFmpegError.
        SourceError: where the input, from which sound is copied, cannot be read.
    """
    try:
        yield
    except (OutputError, SourceError):
        raise
    except (OSError, av.error.FFmpegError) as error:
        if error.errno == errno.ENOSPC:
            raise OutputError(f"{output}: the disk is full") from None
        raise OutputError(f"{output} cannot be written: {error.strerror or error}") from None


def _open_copiers(
    output: av.container.OutputContainer, container: Container, info: StreamInfo, audio: bool
) -> tuple[StreamCopier, ...]:
    """What copies streams to an output, whose header is not yet written: of the input, and of the music."""
    copiers = [StreamCopier(output, container, info, audio)]
    if audio and info.music is not None:
        try:
            with open_local(info.music) as music:
                origin = film_begin(music) + info.film_start
        except av.error.FFmpegError:
            origin = info.film_start  # the copier warns of it
        sound = replace(info, path=info.music, stream=None, origin=origin)
        copiers.append(StreamCopier(output, container, sound, audio, only_sound=True))
    return tuple(copiers)


class Muxer:
    """One video file, in the checkpoint of `output` until `publish` or `keep`.

    Args:
        output: its name when it is complete.
        info: of its frames; what else `info.path` holds is copied, and the sound of `info.music`.
        settings: of its encoder.
        comment: a line for its comment, see `settings_comment`; None: none.

    Raises:
        OutputError: the encoder cannot be used, or the file not be opened.
    """

    def __init__(self, output: Path, info: StreamInfo, settings: EncodeSettings, comment: str | None) -> None:
        self.part = checkpoint_folder(output) / f"joined{output.suffix.lower()}"
        self._output = output
        self._count = 0
        self._end = 0  # of the last packet, in the time base of the encoder
        self._next_pts = _EARLIEST_PTS  # the earliest that the next packet may have
        self._copiers: tuple[StreamCopier, ...] = ()
        container = container_of(output)
        options = {"movflags": "+faststart"} if container.format in ("mp4", "mov") else {}
        with translate_errors(output):
            self.part.unlink(missing_ok=True)
            create_file(self.part).close()  # libav would follow a link
            self._container = av.open(
                os.path.abspath(self.part), "w", format=container.format, container_options=options
            )
            try:
                # What there is to say of the video and of other streams was said when the job began.
                self.encoder = VideoEncoder(self._container, container, info, settings, aloud=False)
                self.encoder.open()
                self._copiers = _open_copiers(self._container, container, info, settings.audio)
            except BaseException:
                self.abandon()
                raise
        if not settings.metadata:
            _clear_names(self._container)
        elif comment is not None:
            tags = self._container.metadata
            old = [tags.pop(key) for key in list(tags) if key.lower() == "comment"]
            tags["comment"] = comment_with_settings(comment, "\n".join(old))

    def end_with(self, video_end: Fraction, whole: bool) -> None:
        """Tell where the video will end, before the first packet: subtitles do not outlast it.

        Args:
            video_end: seconds.
            whole: the video has all frames of its input.
        """
        for copier in self._copiers:
            copier.end_with(video_end, whole)

    def add(self, packets: Iterable[Packet]) -> int:
        """Write video packets, and the other streams up to their time.

        Args:
            packets: of an encoder like `encoder`, their times in its time base, ascending.

        Returns:
            How many there were.

        Raises:
            OutputError: the file cannot be written, or the disk is full.
        """
        unit = self.encoder.time_base
        before = self._count
        with translate_errors(self._output):
            for packet in packets:
                late = max(0, self._next_pts - (packet.pts or 0))  # two times of two segments may be rounded to one
                packet.pts, packet.dts = (packet.pts or 0) + late, (packet.dts or 0) + late
                self._next_pts = packet.pts + 1
                self._end = packet.pts + (packet.duration or 0)
                packet.stream = self.encoder.stream
                for copier in self._copiers:
                    copier.mux_until(packet.pts * unit)
                self._container.mux(packet)
                self._count += 1
        return self._count - before

    def finish(self, whole: bool) -> None:
        """Write the rest of the other streams and close the file.

        Args:
            whole: the video has all frames of its input; else the other streams end with the last packet.

        Raises:
            OutputError: the file cannot be written, or the disk is full.
        """
        with translate_errors(self._output):
            for copier in self._copiers:
                copier.finish(self._end * self.encoder.time_base, whole)
            self._container.close()
            self._close_inputs()

    def publish(self, overwrite: bool) -> None:
        """Give the finished file its name.

        Args:
            overwrite: replace an existing file.

        Raises:
            OutputError: it cannot be renamed, or a file of that name exists and stays.
        """
        with translate_errors(self._output):
            flush_to_disk(self.part)
            try:
                publish_file(self.part, self._output, overwrite)
            except FileExistsError:
                self.part.unlink()
                raise OutputError(
                    f"{self._output} exists: use --resume with --overwrite (-y) to replace it, or with another name"
                ) from None
            remove_kept(self._output)

    def keep(self) -> bool:
        """Close the file as it is, so that it plays, as `output` + '.part'; return False if that cannot be."""
        if not self._count:
            return False
        try:
            self._container.close()
        except (OSError, av.error.FFmpegError) as error:
            log.debug("the unfinished file cannot be closed: %s", error)
            return False
        self._close_inputs()
        try:
            kept = keep_part(self.part, self._output)
        except OSError as error:
            log.debug("the unfinished file cannot be moved: %s", error)
            return False
        if kept is not None:
            log.warning("%d frames are kept in %s", self._count, kept)
        return kept is not None

    def abandon(self) -> None:
        """Close the file and delete it."""
        self._close_inputs()
        with suppress(OSError, av.error.FFmpegError):
            self._container.close()
        with suppress(OSError):
            self.part.unlink(missing_ok=True)

    def _close_inputs(self) -> None:
        for copier in self._copiers:
            copier.close()


def _clear_names(output: av.container.OutputContainer) -> None:
    """Remove what names or describes a video and its streams, other than their languages."""
    output.metadata.clear()
    for stream in output.streams:
        kept = {key: value for key, value in stream.metadata.items() if key == "language"}
        stream.metadata.clear()
        stream.metadata.update(kept)
