"""Writes frames as a video with the sound of their input, segment by segment, so that it can be resumed."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from dreamvideo.errors import OutputError
from dreamvideo.frames import Frame, Frames, StreamInfo, checked_frames
from dreamvideo.media.atomic_files import check_folder
from dreamvideo.media.checkpoint import (
    checkpoint_folder,
    create_checkpoint,
    is_published,
    is_resumable,
    remove_checkpoint,
)
from dreamvideo.media.checkpoint_lock import hold_checkpoint
from dreamvideo.media.concat import VideoSegmentWriter, check_same_encoder, join_partial, join_segments
from dreamvideo.media.encoder_frames import FrameMaker
from dreamvideo.media.paths import WRITTEN_SUFFIXES, is_image
from dreamvideo.media.remote_checkpoint import fetch_checkpoint
from dreamvideo.media.remote_path import is_there, media_path
from dreamvideo.media.segment_records import segment_path
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
        OutputError: it is a folder or one of `inputs`, is there already, or its folder or suffix will not do. A folder
            that does not exist will do, and is made when something is written.
    """
    if os.path.isdir(output):
        raise OutputError(f"{output} is a folder: expected a file name, such as {output / 'dream.mp4'}")
    if output.suffix.lower() not in WRITTEN_SUFFIXES:
        container_of(output)
    for source in inputs:
        if _same_file(output, source):
            raise OutputError(f"{output} is the input itself: choose another name with -o")
    check_folder(output.parent)
    check_absent(output, overwrite)


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
    maker: FrameMaker | None = None,
) -> None:
    """Check that a codec can be used for an output, by encoding one image.

    Args:
        output: its suffix decides the container.
        settings: the codec and its options.
        info: of the frames that are to be encoded.
        live: whether the encoder is that of a live recording.
        maker: makes its frames, see `VideoEncoder`.

    Raises:
        OutputError: it cannot; the message names it and what to type.
    """
    container = container_of(output)
    with av.open(io.BytesIO(), "w", format=container.format) as trial:
        encoder = VideoEncoder(trial, container, info, settings, live, maker=maker)
        encoder.open()
        gray = np.full((info.height, info.width, 3), 128, np.uint8)
        packets = encoder.encode(gray, Fraction(0), Fraction(1, 25)) + encoder.flush()
        trial.mux(packets)


def write_video(
    frames: Iterable[Frame],
    output: str | os.PathLike[str],
    info: StreamInfo,
    encode: EncodeSettings = EncodeSettings(),  # noqa: B008
    *,
    comment: str | None = None,
    job: Mapping[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    should_stop: Callable[[], bool] = never,
    maker: FrameMaker | None = None,
) -> int:
    """Write frames as a video with the sound, subtitles, chapters and tags of their input.

    Until it is complete its segments are kept in a folder beside it, see `media.checkpoint`. If the frames end early,
    by an error or because `should_stop` says so, finished segments stay there to be resumed, and `output` + '.part'
    holds all frames up to then and plays. No two calls, in any processes, write one output at a time.

    Args:
        frames: of one size, times ascending; closed at the end, if they can be. Each image is copied. To resume:
            those after `resume_point(output).frames`.
        output: the video; its suffix names the container, its folder is made if it does not exist.
        info: of the frames, as their reader returned it.
        encode: codec, quality, and whether there is sound.
        comment: a line for the comment of the file, see `settings_comment`; None: none.
        job: stored with the segments, see `stored_job`: what has to be the same to resume; None: nothing is checked.
        resume: go on after the finished segments, if there are any; else they are deleted.
        overwrite: replace an existing output, once the new one is complete.
        should_stop: asked after each frame, whether to end with that one.
        maker: makes an encoder's frames of images that are tensors, see `yuv.encoder_planes`; None: all are arrays.

    Returns:
        How many frames the video has, earlier runs included.

    Raises:
        OutputError: it cannot be written or exists, another run writes it, the disk is full, the encoder cannot be
            used, or there is no frame.
        SettingsError: a frame is not (H, W, 3) uint8.
        Cancelled: `should_stop` returned True.
        Whatever `frames` raises.
    """
    output = media_path(output)
    with closing(checked_frames(frames)) as own_frames:
        check_absent(output, overwrite)
        with hold_checkpoint(output) as lock:
            if not (resume and is_resumable(output)):
                begin_video(output, info, encode, job)
            store_video(own_frames, output, info, encode, comment, lock.run, should_stop=should_stop, maker=maker)
            return finish_video(output, info, encode, comment, overwrite, should_stop)


def check_absent(output: Path, overwrite: bool) -> None:
    """Check that an output does not exist, unless it is to be replaced.

    Args:
        output: the file.
        overwrite: it is to be replaced.

    Raises:
        OutputError: it exists.
    """
    if is_there(output) and not overwrite:
        raise OutputError(f"{output} exists: use --overwrite (-y) to replace it, or choose another name with -o")


def is_complete(output: Path, resume: bool) -> bool:
    """Return whether an output exists, and what an earlier run left beside it need not be resumed.

    Args:
        output: the file.
        resume: what an earlier run left is to be resumed; what it left of a complete output is deleted.

    Raises:
        OutputError: that cannot be deleted, or another run is at it.
    """
    if resume:
        fetch_checkpoint(output)
    if not is_there(output):
        return False
    if resume and is_published(output):
        with hold_checkpoint(output) as lock:
            remove_checkpoint(lock.folder)
    return not (resume and is_resumable(output))


def store_video(
    frames: Frames,
    output: Path,
    info: StreamInfo,
    encode: EncodeSettings,
    comment: str | None,
    run: str,
    done: int | None = None,
    should_stop: Callable[[], bool] = never,
    maker: FrameMaker | None = None,
) -> None:
    """Write frames as segments of a video, whose checkpoint this run holds.

    Args:
        frames, output, info, encode, comment, should_stop, maker: as for `write_video`.
        run: that holds the checkpoint.
        done: frames that are finished, which `frames` go on after; None: as many as there are.

    Raises:
        OutputError, Cancelled: as `write_video`.
        Whatever `frames` raises.
    """
    folder = checkpoint_folder(output)

    def open_segment(number: int, before: int) -> VideoSegmentWriter:
        return VideoSegmentWriter(segment_path(folder, number), output, info, encode, before, maker)

    with closing(frames):
        check_same_encoder(output, info, encode)
        store_segments(
            frames,
            output,
            open_segment,
            run=run,
            done=done,
            leave_partial=lambda: join_partial(output, info, encode, comment),
            should_stop=should_stop,
        )


def finish_video(
    output: Path,
    info: StreamInfo,
    encode: EncodeSettings,
    comment: str | None,
    overwrite: bool,
    should_stop: Callable[[], bool] = never,
) -> int:
    """Join the segments of a video, all of which are finished, give it its name, and delete them.

    Args:
        output, info, encode, comment, overwrite, should_stop: as for `write_video`.

    Returns:
        How many frames the video has.

    Raises:
        OutputError, Cancelled: as `write_video`.
    """
    count = join_segments(output, info, encode, comment, should_stop, overwrite=overwrite)
    remove_checkpoint(checkpoint_folder(output))
    return count


def begin_video(output: Path, info: StreamInfo, encode: EncodeSettings, job: Mapping[str, Any] | None) -> None:
    """Make an empty checkpoint for a video, which this run holds, and warn of streams of its input that it will lack.

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
