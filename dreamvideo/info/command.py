"""The command `dreamvideo info`: files one after another, what cannot be read among them told and passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dreamvideo.errors import OutputError, SourceError
from dreamvideo.info.facts import facts
from dreamvideo.info.outlook import outlook
from dreamvideo.info.report import Told, as_json, lines
from dreamvideo.readers import is_image
from dreamvideo.settings import CarrySettings, DreamSettings, EncodeSettings, InfoSettings, ReadSettings
from dreamvideo.stills import check_large_enough

if TYPE_CHECKING:
    from dreamvideo.models import Network


# The first of a shot and four others, one round of all turns, see `carry.turns`: fewer would not be like the rest.
FRAMES = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is told, and of what a dream is asked."""

    info: InfoSettings
    read: ReadSettings
    dream: DreamSettings
    carry: CarrySettings
    encode: EncodeSettings


def info(
    files: Sequence[tuple[Path, Path]],
    wanted: Wanted,
    load: Callable[[], Network],
    refuse: Callable[[OutputError | SourceError], None],
) -> Iterator[str]:
    """Lines of what there is to tell of each (file, its output); `refuse` is told of what cannot be read.

    Raises:
        ModelError, WeightsError, DeviceError: of the network, if there is a file to time it on.
    """
    all_told: list[Told | tuple[Path, str]] = []
    for path, output in files:
        try:
            one = told(path, output, wanted, load)
        except (OutputError, SourceError) as error:
            refuse(error)
            all_told.append((path, str(error)))
            continue
        if not wanted.info.json:
            yield from ["", *lines(one)] if any(isinstance(each, Told) for each in all_told) else lines(one)
        all_told.append(one)
    if wanted.info.json:
        yield as_json(all_told)


def told(path: Path, output: Path, wanted: Wanted, load: Callable[[], Network]) -> Told:
    """All there is to tell of one file.

    Raises:
        SourceError: it cannot be read.
        OutputError: `output` is no kind of video, or its encoder cannot be used.
    """
    holds = facts(path)
    if is_image(path):
        return Told(path, holds, None, None)
    held = next((each.picture.frames for each in holds.streams if each.index == holds.dreamed and each.picture), None)
    becomes, frames = outlook(path, output, wanted.read, wanted.encode, FRAMES if wanted.info.time else 1, held)
    if not wanted.dream.iterations:
        return Told(path, holds, becomes, None)
    try:
        check_large_enough(Path(path.name), frames[0].image.shape[1], frames[0].image.shape[0])
    except SourceError as error:
        return Told(path, holds, replace(becomes, warnings=(*becomes.warnings, str(error))), None)
    if not wanted.info.time:
        return Told(path, holds, becomes, None)
    from dreamvideo.info.pace import pace  # late: torch takes a while

    return Told(path, holds, becomes, pace(frames, load(), wanted.dream, wanted.carry))
