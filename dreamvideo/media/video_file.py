"""A video file on its way: packets of its picture, what else its source holds, and its name when it is complete."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from dreamvideo.errors import OutputError
from dreamvideo.frames import StreamInfo
from dreamvideo.media.metadata import comment_with_settings
from dreamvideo.media.stream_copy import StreamCopier
from dreamvideo.media.video_encoder import VideoEncoder, container_of
from dreamvideo.settings.job import EncodeSettings

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

log = logging.getLogger(__name__)


@contextmanager
def translate_errors(output: Path) -> Generator[None, None, None]:
    """What libav and the system raise while `output` is written, as an OutputError."""
    try:
        yield
    except OutputError:
        raise
    except (OSError, av.error.FFmpegError) as error:
        if error.errno == errno.ENOSPC:
            raise OutputError(f"{output}: the disk is full") from None
        raise OutputError(f"{output} cannot be written: {error.strerror or error}") from None


class Muxer:
    """One video file, called `output` + '.part' until `publish`."""

    def __init__(
        self, output: Path, info: StreamInfo, settings: EncodeSettings, signature: str | None, aloud: bool = True
    ) -> None:
        """Open the file and its encoder.

        Args:
            signature: a line for its comment, see `signature.sign`.
            aloud: say how the picture is changed to suit the encoder, and what of the source is not kept as it is.

        Raises:
            OutputError: the encoder cannot be used, or the file not be opened.
        """
        self.part = output.with_name(output.name + ".part")
        self._output = output
        self._count = 0
        self._end = Fraction(0)
        self._next = -(2**62)  # the earliest pts that the next packet may have
        self._begun = False  # from then on the .part file is ours to remove
        self._companions: StreamCopier | None = None
        container = container_of(output)
        options = {"movflags": "+faststart"} if container.format in ("mp4", "mov") else {}
        with translate_errors(output):
            self._container = av.open(
                os.path.abspath(self.part), "w", format=container.format, container_options=options
            )
            try:
                self.encoder = VideoEncoder(self._container, container, info, settings, aloud=aloud)
                self.encoder.open()
                self._companions = StreamCopier(self._container, container, info, settings.audio, aloud)
            except BaseException:
                self.abandon()
                raise
        if signature is not None:
            tags = self._container.metadata
            old = [tags.pop(key) for key in list(tags) if key.lower() == "comment"]
            tags["comment"] = comment_with_settings(signature, "\n".join(old))

    def add(self, packets: Iterable[Packet]) -> int:
        """Write packets that `encoder`, or one like it, made, and the sound until then; returns how many."""
        assert self._companions is not None
        unit = self.encoder.time_base
        self._begun = True
        before = self._count
        for packet in packets:
            late = max(0, self._next - (packet.pts or 0))  # two times of two pieces may be rounded to one
            packet.pts, packet.dts = (packet.pts or 0) + late, (packet.dts or 0) + late
            self._next = packet.pts + 1
            self._end = (packet.pts + (packet.duration or 0)) * unit
            packet.stream = self.encoder.stream
            with translate_errors(self._output):
                self._companions.mux_until(packet.pts * unit)
                self._container.mux(packet)
            self._count += 1
        return self._count - before

    def finish(self, packets: list[Packet], whole: bool) -> None:
        """Write the last `packets` and the rest of the sound, which ends with them if this is not the `whole` film."""
        assert self._companions is not None
        self.add(packets)
        with translate_errors(self._output):
            self._companions.mux_until(None if whole else self._end)
            self._companions.flush()
            self._container.close()
            self._companions.close()

    def publish(self) -> None:
        """Give the finished file its name."""
        with translate_errors(self._output):
            os.replace(self.part, self._output)

    def keep(self) -> bool:
        """Close the file as it is, so that it plays; False: there is nothing in it, or it cannot be."""
        if not self._count:
            return False
        try:
            self.add(self.encoder.flush())
            self._container.close()
        except (OSError, av.error.FFmpegError) as error:
            log.debug("the unfinished file cannot be closed: %s", error)
            return False
        log.warning("%d frames are kept in %s", self._count, self.part)
        return True

    def abandon(self) -> None:
        """Close the file and remove it."""
        if self._companions is not None:
            self._companions.close()
        with suppress(OSError, av.error.FFmpegError):
            self._container.close()
        if self._begun:
            self.part.unlink(missing_ok=True)
