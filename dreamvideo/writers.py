"""Writes frames as a video with the sound of their source; a file stands under its name only when it is complete."""

from __future__ import annotations

import errno
import io
import logging
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from dreamvideo.companions import Companions
from dreamvideo.encoders import CONTAINERS, VideoEncoder, container_of
from dreamvideo.errors import OutputError
from dreamvideo.frames import Frame, Frames, StreamInfo
from dreamvideo.settings import EncodeSettings
from dreamvideo.signature import signed_comment
from dreamvideo.stills import is_image, write_image

__all__ = ["check_encoder", "check_output", "default_output", "default_sheet", "write_image", "write_video"]

log = logging.getLogger(__name__)


def default_output(path: Path, folder: Path | None = None) -> Path:
    """`NAME_dream.EXT` beside `path`, or in `folder`; what cannot be written as EXT becomes .mp4."""
    suffix = path.suffix if is_image(path) or path.suffix.lower() in CONTAINERS else ".mp4"
    return (folder or path.parent) / f"{path.stem}_dream{suffix}"


def default_sheet(path: Path, folder: Path | None = None, *, word: str) -> Path:
    """`NAME_word.png` beside `path`, or in `folder`."""
    return (folder or path.parent) / f"{path.stem}_{word}.png"


def check_output(output: Path, inputs: Sequence[Path], overwrite: bool) -> None:
    """Whether `output` may be written, decided before any work.

    Raises:
        OutputError: it is a folder or one of `inputs`, is there already, or its folder or suffix will not do.
    """
    if output.is_dir():
        raise OutputError(f"{output} is a folder: expected a file name, such as {output / 'dream.mp4'}")
    if not is_image(output):
        container_of(output)
    for source in inputs:
        if _same_file(output, source):
            raise OutputError(f"{output} is the input itself: choose another name with -o")
    folder = output.parent
    if not folder.is_dir():
        raise OutputError(f"{folder} is no folder: make it first, or choose another with -o")
    if output.exists() and not overwrite:
        raise OutputError(f"{output} exists: use --overwrite (-y) to replace it, or choose another name with -o")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder} is read-only: choose another folder with -o")


def _same_file(output: Path, source: Path) -> bool:
    try:
        return output.samefile(source)
    except OSError:
        return output.resolve() == source.resolve()


def check_encoder(
    output: Path,
    settings: EncodeSettings,
    info: StreamInfo = StreamInfo(256, 256, Fraction(25)),  # noqa: B008
    live: bool = False,
) -> None:
    """Whether `settings.codec` can be used for `output`, found out by encoding one picture.

    Raises:
        OutputError: it cannot; the message names it and what to type.
    """
    container = container_of(output)
    with av.open(io.BytesIO(), "w", format=container.format) as trial:
        encoder = VideoEncoder(trial, container, info, settings, live)
        encoder.open()
        grey = np.full((info.height, info.width, 3), 128, np.uint8)
        packets = encoder.encode(grey, Fraction(0), Fraction(1, 25)) + encoder.flush()
        trial.mux(packets)


@contextmanager
def translated(output: Path) -> Generator[None, None, None]:
    """What libav and the system raise while `output` is written, as an OutputError."""
    try:
        yield
    except OutputError:
        raise
    except (OSError, av.error.FFmpegError) as error:
        if error.errno == errno.ENOSPC:
            raise OutputError(f"{output}: the disk is full") from None
        raise OutputError(f"{output} cannot be written: {error.strerror or error}") from None


def write_video(
    frames: Frames,
    output: Path,
    info: StreamInfo,
    settings: EncodeSettings = EncodeSettings(),  # noqa: B008
    signature: str | None = None,
) -> int:
    """Write `frames` to `output` with what else `info.path` holds; returns how many frames were written.

    `signature` is a line for the comment of the file, see `signature.sign`.

    Until the file is complete it is called `output` + '.part'. After an interruption that file is finished, so that
    it plays, and kept if it holds any frame.

    Raises:
        OutputError: the file cannot be written, the disk is full, the encoder cannot be used, or there was no frame.
    """
    with closing(frames):
        container_of(output)
        part = output.with_name(output.name + ".part")
        writer = _Writer(part, output, info, settings, signature)
        try:
            with translated(output):
                writer.open()
            for frame, duration in _with_durations(frames):
                with translated(output):
                    writer.write(frame, duration)
            if not writer.count:
                raise OutputError(f"{output} was not written: there was no frame")
            with translated(output):
                writer.finish()
        except BaseException as error:
            writer.abandon(keep=not isinstance(error, OutputError))
            raise
        with translated(output):
            os.replace(part, output)
        return writer.count


def _with_durations(frames: Frames) -> Iterator[tuple[Frame, Fraction | None]]:
    """Each frame and how long it is shown: until the next; the last one as it says itself, else as the one before."""
    held: Frame | None = None
    interval: Fraction | None = None
    for frame in frames:
        if held is not None:
            interval = frame.time - held.time
            yield held, interval
        held = frame
    if held is not None:
        yield held, held.duration or interval


class _Writer:
    """One output file on its way."""

    def __init__(
        self, part: Path, output: Path, info: StreamInfo, settings: EncodeSettings, signature: str | None
    ) -> None:
        self.count = 0
        self._started = False  # from then on the .part file is ours to remove
        self._part = part
        self._output = output
        self._info = info
        self._settings = settings
        self._signature = signature
        self._end = Fraction(0)
        self._container: av.container.OutputContainer | None = None
        self._companions: Companions | None = None

    def open(self) -> None:
        container = container_of(self._output)
        options = {"movflags": "+faststart"} if container.format in ("mp4", "mov") else {}
        self._container = av.open(os.path.abspath(self._part), "w", format=container.format, container_options=options)
        self._encoder = VideoEncoder(self._container, container, self._info, self._settings)
        self._encoder.open()
        self._companions = Companions(self._container, container, self._info, self._settings.audio)
        if self._signature is not None:
            tags = self._container.metadata
            old = [tags.pop(key) for key in list(tags) if key.lower() == "comment"]
            tags["comment"] = signed_comment(self._signature, "\n".join(old))

    def write(self, frame: Frame, duration: Fraction | None) -> None:
        assert self._container is not None and self._companions is not None
        packets = self._encoder.encode(frame.image, frame.time, duration)
        self._started = True
        self._container.mux(packets)
        self.count += 1
        self._end = frame.time + (duration or 0)
        self._companions.mux_until(frame.time)

    def finish(self) -> None:
        assert self._container is not None and self._companions is not None
        self._companions.mux_until(self._end if self.count == self._info.frame_limit else None)
        self._companions.flush()
        self._container.mux(self._encoder.flush())
        self._container.close()
        self._companions.close()

    def abandon(self, keep: bool) -> None:
        """After a failure: make what is there playable if it is worth it, else remove it."""
        if self._companions is not None:
            self._companions.close()
        try:
            if keep and self.count:
                assert self._container is not None
                self._container.mux(self._encoder.flush())
                self._container.close()
                log.warning("%d frames are kept in %s", self.count, self._part)
                return
        except (OSError, av.error.FFmpegError) as error:
            log.debug("the unfinished file cannot be closed: %s", error)
        if self._container is not None:
            try:
                self._container.close()
            except (OSError, av.error.FFmpegError) as error:
                log.debug("the unfinished file cannot be closed: %s", error)
        if self._started:
            self._part.unlink(missing_ok=True)
