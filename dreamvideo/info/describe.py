"""The command `dreamvideo info`: files one after another, what cannot be read among them told and passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dreamvideo.errors import OutputError, SourceError
from dreamvideo.info.file_report import FileReport, report_lines, reports_to_json
from dreamvideo.info.forecast import forecast_output
from dreamvideo.info.probe import probe_file
from dreamvideo.media.images import check_large_enough
from dreamvideo.media.paths import is_image
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.settings.job import EncodeSettings, InfoSettings, ReadSettings

if TYPE_CHECKING:
    from dreamvideo.models.network import Network


# The first of a shot and four others, one round of all turns, see `carry.turns`: fewer would not be like the rest.
TIMED_FRAMES = 5


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What is told, and of what a dream is asked."""

    info: InfoSettings
    read: ReadSettings
    dream: DreamSettings
    carry: CarrySettings
    encode: EncodeSettings


def report_files(
    files: Sequence[tuple[Path, Path]],
    wanted: ReportSettings,
    load: Callable[[], Network],
    refuse: Callable[[OutputError | SourceError], None],
) -> Iterator[str]:
    """Lines of what there is to tell of each (file, its output); `refuse` is told of what cannot be read.

    Raises:
        ModelError, WeightsError, DeviceError: of the network, if there is a file to time it on.
    """
    all_told: list[FileReport | tuple[Path, str]] = []
    for path, output in files:
        try:
            one = inspect_file(path, output, wanted, load)
        except (OutputError, SourceError) as error:
            refuse(error)
            all_told.append((path, str(error)))
            continue
        if not wanted.info.json:
            yield from (
                ["", *report_lines(one)]
                if any(isinstance(each, FileReport) for each in all_told)
                else report_lines(one)
            )
        all_told.append(one)
    if wanted.info.json:
        yield reports_to_json(all_told)


def inspect_file(path: Path, output: Path, wanted: ReportSettings, load: Callable[[], Network]) -> FileReport:
    """All there is to tell of one file.

    Raises:
        SourceError: it cannot be read.
        OutputError: `output` is no kind of video, or its encoder cannot be used.
    """
    holds = probe_file(path)
    if is_image(path):
        return FileReport(path, holds, None, None)
    held = next((each.picture.frames for each in holds.streams if each.index == holds.dreamed and each.picture), None)
    becomes, frames = forecast_output(
        path, output, wanted.read, wanted.encode, TIMED_FRAMES if wanted.info.time else 1, held
    )
    if not wanted.dream.iterations:
        return FileReport(path, holds, becomes, None)
    try:
        check_large_enough(Path(path.name), frames[0].image.shape[1], frames[0].image.shape[0])
    except SourceError as error:
        return FileReport(path, holds, replace(becomes, warnings=(*becomes.warnings, str(error))), None)
    if not wanted.info.time:
        return FileReport(path, holds, becomes, None)
    from dreamvideo.info.dream_rate import measure_dream_rate  # late: torch takes a while

    return FileReport(path, holds, becomes, measure_dream_rate(frames, load(), wanted.dream, wanted.carry))
