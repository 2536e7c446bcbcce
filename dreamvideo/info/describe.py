"""Runs `dreamvideo info`: reports on files one after the other; one that cannot be read does not stop the others."""

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


# The first frame of a shot and four others, one round of all octaves, see `video.carry`: fewer would not be typical.
TIMED_FRAMES = 5


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """How files are reported, and the dream that is forecast."""

    info: InfoSettings
    read: ReadSettings
    dream: DreamSettings
    carry: CarrySettings
    encode: EncodeSettings


def report_files(
    files: Sequence[tuple[Path, Path]],
    settings: ReportSettings,
    load: Callable[[], Network],
    refuse: Callable[[OutputError | SourceError], None],
) -> Iterator[str]:
    """Report on files, as text while they are read or as one JSON object at the end.

    Args:
        files: (input, its output).
        settings: `settings.info.json` chooses JSON, `settings.info.time` whether a dream is timed.
        load: loads the network of the dream that is timed; called only if it is needed.
        refuse: called with the error of each file that cannot be read.

    Returns:
        Lines of text.

    Raises:
        ModelError, WeightsError, DeviceError: the network cannot be used.
    """
    reports: list[FileReport | tuple[Path, str]] = []
    is_first = True
    for path, output in files:
        try:
            report = inspect_file(path, output, settings, load)
        except (OutputError, SourceError) as error:
            refuse(error)
            reports.append((path, str(error)))
            continue
        reports.append(report)
        if not settings.info.json:
            if not is_first:
                yield ""
            yield from report_lines(report)
            is_first = False
    if settings.info.json:
        yield reports_to_json(reports)


def inspect_file(path: Path, output: Path, settings: ReportSettings, load: Callable[[], Network]) -> FileReport:
    """Probe a file, forecast its output, and time its dream.

    Args:
        path: a video or image; of an image nothing is forecast.
        output: where the dream would be written.
        settings, load: as in `report_files`.

    Raises:
        SourceError: the file cannot be read.
        OutputError: `output` has the suffix of no video container, or its encoder cannot be used.
    """
    probe = probe_file(path)
    if is_image(path):
        return FileReport(path, probe, None, None)
    counted = probe.dreamed_video.frames if probe.dreamed_video else None
    count = TIMED_FRAMES if settings.info.time else 1
    forecast, frames = forecast_output(path, output, settings.read, settings.encode, count, counted)
    if not settings.dream.iterations:
        return FileReport(path, probe, forecast, None)
    try:
        check_large_enough(Path(path.name), frames[0].image.shape[1], frames[0].image.shape[0])
    except SourceError as error:
        return FileReport(path, probe, replace(forecast, warnings=(*forecast.warnings, str(error))), None)
    if not settings.info.time:
        return FileReport(path, probe, forecast, None)
    from dreamvideo.info.dream_rate import measure_dream_rate  # late: torch takes seconds to import

    return FileReport(path, probe, forecast, measure_dream_rate(frames, load(), settings.dream, settings.carry))
