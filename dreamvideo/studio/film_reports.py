"""What the page shows of a film before it is dreamed: the report of `info`, and single frames."""

from __future__ import annotations

import json
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any, Final

from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.info.describe import ReportSettings, inspect_file
from dreamvideo.info.file_report import reports_to_json
from dreamvideo.live.web.jpegs import encode_jpeg
from dreamvideo.media.contact_sheet import shrink_to_side
from dreamvideo.media.reader_log import silence_reader
from dreamvideo.media.video_writer import default_output
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.settings.job import EncodeSettings, InfoSettings, ReadSettings, SequenceSettings
from dreamvideo.studio.picture_folder import report_folder, source_frame

MOST_REPORTS: Final = 200  # that are kept, some kilobytes each
DECODERS: Final = 2  # frames that are decoded at once, each of a 4K film some 100 MB
CACHE_BYTES: Final = 32 << 20  # of frames


class FilmReports:
    """Reads films, and keeps what it has read until they change."""

    def __init__(self) -> None:
        self._lock = Lock()  # warnings are collected for the whole process
        self._decoders = BoundedSemaphore(DECODERS)
        self._reports: OrderedDict[tuple[Path, int], dict[str, Any]] = OrderedDict()
        self._frames: OrderedDict[Any, bytes] = OrderedDict()

    def report(self, path: Path) -> dict[str, Any]:
        """Return the object FILE of `info.file_report`, without a time.

        Raises:
            SourceError: the file cannot be read.
        """
        key = path, path.stat().st_mtime_ns
        if path.is_dir():
            return report_folder(path)
        with self._lock:
            if key not in self._reports:
                settings = ReportSettings(
                    InfoSettings(time=False), ReadSettings(), DreamSettings(), CarrySettings(), EncodeSettings()
                )
                report = inspect_file(path, default_output(path), settings, _no_network)
                self._reports[key] = json.loads(reports_to_json([report]))["files"][0]
                if len(self._reports) > MOST_REPORTS:
                    self._reports.popitem(last=False)
            return self._reports[key]

    def frame(self, path: Path, time: float | None, side: int, fps: Fraction = SequenceSettings().fps) -> bytes:
        """Return a frame as JPEG.

        Args:
            path: a film, a photo, or a folder of pictures.
            time: seconds; None: the middle.
            side: pixels of the longer side, at most.
            fps: pictures per second of a folder.

        Raises:
            SourceError: the file cannot be read.
        """
        key = path, path.stat().st_mtime_ns, time, side, fps
        with self._lock:
            if key in self._frames:
                return self._frames[key]
        with self._decoders, silence_reader():
            jpeg = encode_jpeg(_read_frame(path, time, side, fps))
        with self._lock:
            self._frames[key] = jpeg
            while sum(map(len, self._frames.values())) > CACHE_BYTES:
                self._frames.popitem(last=False)
        return jpeg


def _read_frame(path: Path, time: float | None, side: int, fps: Fraction) -> Any:
    try:
        image, aspect = source_frame(path, None if time is None else Fraction(time).limit_denominator(1000), fps)
    except DreamVideoError:
        if not time:
            raise
        image, aspect = source_frame(path, None, fps)  # a header that promises more than there is
    return shrink_to_side(image, side, aspect)


def _no_network() -> Any:
    raise SettingsError("no time is foretold here")
