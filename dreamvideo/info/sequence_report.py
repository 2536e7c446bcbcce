"""Describes a folder of pictures: how many, of which formats and sizes, their sequences and what is missing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from dreamvideo.errors import SourceError
from dreamvideo.media.numbered_names import missing_numbers, name_sequences
from dreamvideo.media.paths import expand_paths, is_image, is_video
from dreamvideo.media.picture_file import picture_size

_SHOWN = 5  # sizes and sequences that are named


def is_picture_folder(path: Path) -> bool:
    """Tell whether a path is a folder with pictures and no videos in it.

    Args:
        path: any path.
    """
    if not os.path.isdir(path):
        return False
    try:
        names = [each for each in path.iterdir() if not each.name.startswith(".")]
    except OSError:
        return False
    return any(map(is_image, names)) and not any(map(is_video, names))


def sequence_lines(folder: Path) -> Iterator[str]:
    """Format the report on a folder of pictures, of which only the headers are read.

    Args:
        folder: as `is_picture_folder` takes it.

    Returns:
        Lines of text.

    Raises:
        SourceError: it cannot be read.
    """
    pictures = expand_paths([folder], is_image, "pictures").paths
    formats = Counter(path.suffix.lower().removeprefix(".") for path in pictures)
    sizes: Counter[str] = Counter()
    for path in pictures:
        try:
            width, height = picture_size(path)
        except SourceError:
            continue
        sizes[f"{width}x{height}"] += 1
    words = [f"{len(pictures)} pictures", ", ".join(f"{count} {name}" for name, count in formats.most_common())]
    yield f"{folder}: {', '.join(words)}"
    if sizes:
        yield f"      sizes       {', '.join(f'{size} ({count})' for size, count in sizes.most_common(_SHOWN))}"
    if sizes.total() < len(pictures):
        yield f"      damaged     {len(pictures) - sizes.total()} cannot be read"
    sequences = name_sequences(path.name for path in pictures)
    if sequences:
        named = (f"{each.pattern} ({len(each.numbers)}, {each.numbers[0]} to {each.numbers[-1]})" for each in sequences)
        shown = ", ".join(list(named)[:_SHOWN])
        yield f"      {'sequence' if len(sequences) == 1 else f'{len(sequences)} sequences'}: {shown}"
    for each in sequences[:_SHOWN]:
        if missing := missing_numbers(each.numbers):
            yield f"      missing     {each.pattern}: {missing}"
