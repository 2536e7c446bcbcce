"""Writes frames as a video with the sound of their input, segment by segment, so that it can be resumed."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from dreamvideo.errors import OutputError
from dreamvideo.frames import Frames, StreamInfo
from dreamvideo.media.checkpoint import (
    checkpoint_folder,
    create_checkpoint,
    is_resumable,
    remove_checkpoint,
    segment_path,
)
from dreamvideo.media.concat import VideoSegmentWriter, join_partial, join_segments
from dreamvideo.media.paths import WRITTEN_SUFFIXES, is_image
from dreamvideo.media.segments import never, store_segments
from dreamvideo.media.stream_policy import warn_of_lost_streams
from dreamvideo.media.video_encoder import CONTAINERS, VideoEncoder, container_of
from dreamvideo.media.video_file import translate_errors
from dreamvideo.settings.job import EncodeSettings


def default_output(path: Path, folder: Path | None = None) -> Path:
    """Return the default output of an input: NAME_dream.EXT, with .mp4 or .jpg for what cannot be written as EXT.

    Args:
        path: the input.
        folder: where the output goes; None: beside the input.
    """
    suffix = path.suffix
    if suffix.lower() not in (*WRITTEN_SUFFIXES, *CONTAINERS):
        suffix = ".jpg" if is_image(path) else ".mp4"
    return (folder or path.parent) / f"{path.stem}_dream{suffix}"


def default_sheet(path: Path, folder: Path | None = None, *, word: str) -> Path:
    """Return the default file of a contact sheet of an input: NAME_WORD.png.

    Args:
        path: the input.
        folder: where the sheet goes; None: beside the input.
        word: what the sheet shows, such as "preview".
    """
    return (folder or path.parent) / f"{path.stem}_{word}.png"


def check_output(output: Path, inputs: Sequence[Path], overwrite: bool) -> None:
    """Check that an output may be written, before any work.

    Args:
        output: the file that is to be written.
        inputs: files that must not be overwritten.
        overwrite: whether an existing output is replaced.

    Raises:
        OutputError: it is a folder or one of `inputs`, is there already, or its folder or suffix will not do.
    """
    if output.is_dir():
        raise OutputError(f"{output} is a folder: expected a file name, such as {output / 'dream.mp4'}")
    if output.suffix.lower() not in WRITTEN_SUFFIXES:
        container_of(output)
    for source in inputs:
        if _same_file(output, source):
            raise OutputError(f"{output} is the input itself: choose another name with -o")
    folder = output.parent
    if not folder.is_dir():
        raise OutputError(f"{folder} is not a folder: create it first, or choose another with -o")
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
    """Check that a codec can be used for an output, by encoding one image.

    Args:
        output: its suffix decides the container.
        settings: the codec and its options.
        info: of the frames that are to be encoded.
        live: whether the encoder is that of a live recording.

    Raises:
        OutputError: it cannot; the message names it and what to type.
    """
    container = container_of(output)
    with av.open(io.BytesIO(), "w", format=container.format) as trial:
        encoder = VideoEncoder(trial, container, info, settings, live)
        encoder.open()
        gray = np.full((info.height, info.width, 3), 128, np.uint8)
        packets = encoder.encode(gray, Fraction(0), Fraction(1, 25)) + encoder.flush()
        trial.mux(packets)


def write_video(
    frames: Frames,
    output: str | os.PathLike[str],
    info: StreamInfo,
    encode: EncodeSettings = EncodeSettings(),  # noqa: B008
    *,
    comment: str | None = None,
    job: Mapping[str, Any] | None = None,
    resume: bool = False,
    should_stop: Callable[[], bool] = never,
) -> int:
    """Write frames as a video with the sound, subtitles, chapters and tags of their input.

    Until it is complete its segments are kept in a folder beside it, see `media.checkpoint`. If the frames end early,
    by an error or because `should_stop` says so, finished segments stay there to be resumed, and `output` + '.part'
    holds all frames up to then and plays.

    Args:
        frames: of one size, times ascending; closed at the end. To resume: those after `resume_point(output).frames`.
        output: the video; its suffix names the container.
        info: of the frames, as their reader returned it.
        encode: codec, quality, and whether there is sound.
        comment: a line for the comment of the file, see `settings_comment`; None: none.
        job: stored with the segments, see `stored_job`: what has to be the same to resume; None: nothing is checked.
        resume: go on after the finished segments, if there are any; else they are deleted.
        should_stop: asked after each frame, whether to end with that one.

    Returns:
        How many frames the video has, earlier runs included.

    Raises:
        OutputError: it cannot be written, the disk is full, the encoder cannot be used, or there is no frame.
        Cancelled: `should_stop` returned True.
        Whatever `frames` raises.
    """
    output = Path(output)
    folder = checkpoint_folder(output)

    def open_segment(number: int, before: int) -> VideoSegmentWriter:
        return VideoSegmentWriter(segment_path(folder, number), output, info, encode, before)

    def leave_partial() -> bool:
        join_partial(output, info, encode, comment)
        return False

    with closing(frames):
        if not (resume and is_resumable(output)):
            begin_video(output, info, encode, job)
        store_segments(frames, output, open_segment, leave_partial=leave_partial, should_stop=should_stop)
    count = join_segments(output, info, encode, comment, should_stop)
    remove_checkpoint(folder)
    return count


def begin_video(output: Path, info: StreamInfo, encode: EncodeSettings, job: Mapping[str, Any] | None) -> None:
    """Make an empty checkpoint for a video, and warn of streams of its input that it will lack.

    Args:
        output: the video.
        info: of its frames.
        encode: codec, quality, and whether there is sound.
        job: stored with the segments; None: nothing.

    Raises:
        OutputError: the folder cannot be written.
    """
    warn_of_lost_streams(info, output, encode.audio)
    with translate_errors(output):
        create_checkpoint(checkpoint_folder(output), job or {})
