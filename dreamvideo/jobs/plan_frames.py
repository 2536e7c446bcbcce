"""Makes a job of the inputs and the output of `dreamvideo frames`, and checks all that can be checked beforehand."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dreamvideo.errors import OutputError, SettingsError, SourceError
from dreamvideo.jobs.image_output import numbered_name
from dreamvideo.jobs.job import Job
from dreamvideo.media.atomic_files import check_folder
from dreamvideo.media.checkpoint import is_resumable
from dreamvideo.media.image_sequence import ImagePaths, output_image_name, select_images
from dreamvideo.media.numbered_names import missing_numbers, name_sequences, parallel_sequences
from dreamvideo.media.paths import describe_skipped, expand_paths, is_image, is_video, natural_order
from dreamvideo.media.remote_path import RemotePath
from dreamvideo.media.video_writer import check_output, is_complete
from dreamvideo.settings.job import ReadSettings, SequenceSettings

Report = Callable[[str], None]


def plan_frames(
    words: Sequence[Path],
    target: Path | None,
    read: ReadSettings,
    settings: SequenceSettings,
    tell: Report,
    overwrite: bool = False,
    skip: bool = False,
    resume: bool = False,
) -> Job | None:
    """Make the job of dreaming images into a folder or a video, or a video into a folder.

    Args:
        words: folders of images, patterns, images, or one video.
        target: a video or a folder; None: a folder named after the input, beside it.
        read: which part of the input.
        settings: how images are read and written.
        tell: gets a line about what is skipped.
        overwrite: replace outputs that exist.
        skip: keep outputs that exist, and skip their inputs.
        resume: outputs that exist are of an earlier run, which is resumed; without its checkpoint they are skipped.

    Returns:
        The job; None: every output exists and is skipped.

    Raises:
        SettingsError: the inputs, the output and the settings do not fit together.
        SourceError: there is no image.
        OutputError: an output exists, is an input, or cannot be written.
    """
    if resume and skip:
        raise SettingsError("--resume with --skip-existing (-n): expected one of the two")
    images: tuple[Path, ...] = ()
    if any(is_video(word) and not os.path.isdir(word) for word in words):
        if len(words) > 1:
            raise SettingsError(f"{len(words)} inputs with a video among them: expected pictures, or one video")
        source = words[0]
    else:
        images = _find_images(words, read, settings, tell)
        source = words[0] if os.path.isdir(words[0]) else images[0].parent
    output = target or _beside(source)
    if not output.name or output.name == "..":
        output = Path(os.path.abspath(output))
    skip = skip or (resume and not is_resumable(output))
    if os.path.isdir(output) or not (is_video(output) or is_image(output)):
        job = _job_into_folder(source, output, images, settings, tell, overwrite or resume, skip)
    else:
        job = _job_into_video(source, output, images, settings, tell, overwrite, resume, skip)
    return job and replace(job, overwrite=overwrite)


def _job_into_folder(
    source: Path,
    output: Path,
    images: tuple[Path, ...],
    settings: SequenceSettings,
    tell: Report,
    may_exist: bool,
    skip: bool,
) -> Job | None:
    if isinstance(output, RemotePath):
        raise OutputError(f"{output}: folders of images are written here only: choose one here, or a video, with -o")
    _check_folder(output)
    existing = _existing(output, images, settings)
    if existing and not skip and not may_exist:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise OutputError(
            f"{output} already holds {existing[0].name}{more}: use --overwrite (-y) to replace, "
            f"--skip-existing (-n) to keep them, or choose another folder with -o"
        )
    if not (existing and skip):
        return Job(source, output, images, to_folder=True)
    alone = "" if settings.independent else "; the others are dreamed as if these did not exist"
    tell(f"{output} already holds {len(existing)} of them: skipped{alone}")
    names = {path.name for path in existing}
    remaining = [None if output_image_name(path, settings.format) in names else path for path in images]
    return Job(source, output, tuple(remaining), to_folder=True) if any(remaining) else None


def _job_into_video(
    source: Path,
    output: Path,
    images: tuple[Path, ...],
    settings: SequenceSettings,
    tell: Report,
    overwrite: bool,
    resume: bool,
    skip: bool,
) -> Job | None:
    if not images:
        raise SettingsError(f"{source} into {output}: expected a folder; to make a video of it: dreamvideo video")
    if is_image(output):
        raise SettingsError(
            f"-o {output} is an image: expected a folder or a video; to dream one image: dreamvideo image"
        )
    if settings.format:
        raise SettingsError(f"--format {settings.format} with the video {output}: expected a folder")
    if (skip or resume) and is_complete(output, resume):
        tell(f"{output} exists: skipped")
        return None
    check_output(output, (), overwrite)
    return Job(source, output, images)


def _find_images(
    words: Sequence[Path], read: ReadSettings, settings: SequenceSettings, tell: Report
) -> tuple[Path, ...]:
    expanded = expand_paths(words, is_image, "pictures")
    # Files on a command line come in the order of the shell, which sorts digits as letters.
    named = set(expanded.paths) <= set(words)
    paths = natural_order(expanded.paths) if named else list(expanded.paths)
    foreign = {path for path in paths if os.path.exists(path) and not is_image(path)}
    if others := [*expanded.skipped, *natural_order(foreign)]:
        tell(describe_skipped(others, "pictures"))
    images = [path for path in paths if path not in foreign]
    if not images:
        raise SourceError(f"{words[0]} is not an image: expected the name of an image file, or a folder")
    if not settings.independent:
        _tell_sequences(images, tell)
    selected = tuple(path for path in select_images(tuple(images), read, settings.fps) if path is not None)
    if not selected:
        raise SourceError(f"no image at or after --start: {len(images)} at --fps {settings.fps} end before")
    return selected


def _tell_sequences(images: Sequence[Path], tell: Report) -> None:
    """Say what is missing among the images, or that they are of several sequences."""
    folders = {path.parent for path in images}
    if len(folders) != 1:
        return
    folder, names = images[0].parent, [path.name for path in images]
    if parallel := parallel_sequences(names):
        patterns = [each.pattern for each in parallel]
        typed = shlex.quote(str(folder / patterns[0]))
        tell(
            f"{folder} holds {len(parallel)} sequences, {', '.join(patterns)}, and all are dreamed as one: "
            f"to dream each by itself, type dreamvideo frames {typed} -o FOLDER"
        )
        return
    sequences = name_sequences(names)
    if len(sequences) == 1 and (missing := missing_numbers(sequences[0].numbers)):
        tell(
            f"{folder / sequences[0].pattern}: {missing} {'are' if ',' in missing or '-' in missing else 'is'} missing"
        )


def _beside(source: Path) -> Path:
    """NAME_dream beside a folder or video."""
    if is_video(source) and not os.path.isdir(source):
        return source.with_name(f"{source.stem}_dream")
    named = source if source.name not in ("", "..") else Path(os.path.abspath(source))
    return named.with_name(f"{named.name}_dream")


def _check_folder(output: Path) -> None:
    if os.path.lexists(output) and not os.path.isdir(output):
        raise OutputError(f"{output} is a file: expected a folder, or a video such as {output.with_suffix('.mp4')}")
    for folder in (output, output.parent):
        check_folder(folder)


def _existing(output: Path, images: ImagePaths, settings: SequenceSettings) -> list[Path]:
    """Which outputs exist, none of them an input."""
    if not images:
        numbered = re.compile(r"frame_\d{6,}" + re.escape(Path(numbered_name(1, settings.format)).suffix))
        return [path for path in output.iterdir() if numbered.fullmatch(path.name)] if os.path.exists(output) else []
    paths = [path for path in images if path is not None]
    by_name: dict[str, Path] = {}
    for path in paths:
        name = output_image_name(path, settings.format)
        twin = by_name.setdefault(os.path.normcase(name), path)
        if twin is not path:
            raise SettingsError(f"{twin} and {path} would both be written to {output / name}")
    names = (output_image_name(path, settings.format) for path in paths)
    existing = [output / name for name in names if os.path.exists(output / name)]
    sources = {(about.st_dev, about.st_ino): path for path in paths if os.path.exists(path) and (about := path.stat())}
    for path in existing:
        about = path.stat()
        if about.st_ino and (about.st_dev, about.st_ino) in sources:
            raise OutputError(f"{path} is an input itself: choose another folder with -o")
    return existing
