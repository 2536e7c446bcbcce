"""Formats reports on files: as lines for people, or as one JSON object.

The object is {"version": "dreamvideo's", "files": [FILE, ...]}, with a FILE for each input, in order. Times are in
seconds; null means unknown; rates and pixel aspects are exact, as "30000/1001".

    FILE      {"path", "error"} if it cannot be read, else
              {"path", "input": INPUT, "output": OUTPUT or null for an image, "time": TIME or null}
    INPUT     {"container", "size" (bytes), "duration", "start", "streams": [STREAM], "dreamed" (index of the stream
              that is dreamed on), "chapters": [{"start", "end", "title"}], "tags": {name: text}, "settings" (of the
              dream that made the file, by name) or null}
    STREAM    {"index", "kind" ("video", "image", "cover", "audio", "subtitles", "attachment" or "data"), "codec",
              "profile", "language", "title", "default", "start", "duration", "file", "video": VIDEO or null,
              "audio": {"rate", "layout", "channels", "bit_rate"} or null}
    VIDEO     the fields of `probe.VideoProbe`
    OUTPUT    {"path", "container", "streams": [{"stream", "label", "action" ("dreamed", "copied", "transcoded",
              "converted" or "dropped"), "reason", "codec"}], "chapters" (whether kept), "codec", "encoder", "crf",
              "width", "height", "pixels", "color", "frame_count", "warnings": [text]}
    TIME      {"first" (seconds, of a shot's first frame), "carried" (each other frame), "total" (as one shot) or null,
              "network", "precision", "device"}
"""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamvideo._version import __version__
from dreamvideo.errors import printable
from dreamvideo.info.forecast import Forecast
from dreamvideo.info.probe import Probe, StreamProbe, VideoProbe
from dreamvideo.media.sample_frames import format_time
from dreamvideo.media.stream_policy import StreamPlan

if TYPE_CHECKING:  # torch takes a while
    from dreamvideo.info.dream_rate import DreamRate

_EXACT_FIELDS = ("frame_rate", "pixel_aspect")
_HIDDEN_FIELDS = ("log_level", "audio_format")  # of a stream plan
_TECHNICAL_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "comment")
_SHOWN_CHAPTERS = 12
_TEXT_LENGTH = 200  # characters of a tag or title
_WIDTH = 110  # characters of a line
_LABEL_WIDTH = 17


@dataclasses.dataclass(frozen=True, slots=True)
class FileReport:
    """All that is reported on one file."""

    path: Path
    probe: Probe
    forecast: Forecast | None  # None: an image
    rate: DreamRate | None  # None: nothing was dreamed

    @property
    def total_seconds(self) -> float | None:
        """Estimated time for the whole file as one shot."""
        count = None if self.forecast is None else self.forecast.frame_count
        return None if self.rate is None or not count else self.rate.total(count)


def reports_to_json(files: Sequence[FileReport | tuple[Path, str]]) -> str:
    """Serialize the reports on all files.

    Args:
        files: a report, or (path, error message) of a file that cannot be read.
    """
    reports = [
        _file(file) if isinstance(file, FileReport) else {"path": str(file[0]), "error": file[1]} for file in files
    ]
    return json.dumps({"version": __version__, "files": reports}, indent=2, ensure_ascii=False)


def _file(report: FileReport) -> dict[str, Any]:
    return {
        "path": str(report.path),
        "input": _plain(report.probe),
        "output": _plain(report.forecast),
        "time": None if report.rate is None else {**_plain(report.rate), "total": report.total_seconds},
    }


def _plain(value: Any, name: str = "") -> Any:
    """Convert dataclasses, tuples, fractions and paths to what JSON holds."""
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.name not in _HIDDEN_FIELDS]
        return {name: _plain(getattr(value, name), name) for name in names}
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Fraction):
        return str(value) if name in _EXACT_FIELDS else float(value)
    return str(value) if isinstance(value, Path) else value


def report_lines(report: FileReport) -> Iterator[str]:
    """Format the report on one file for people.

    Args:
        report: of the file.

    Returns:
        Lines of text, wrapped except for the first.
    """
    probe, forecast = report.probe, report.forecast
    yield f"{printable(str(report.path))}: {', '.join(_file_words(probe))}"
    plans = {} if forecast is None else {plan.stream: plan for plan in forecast.streams}
    for stream in probe.streams:
        yield from _wrapped(f"  {stream.index:>2}  {stream.kind}", ", ".join(_stream_words(stream)))
        if stream.index in plans and forecast is not None:
            yield f"{'':{_LABEL_WIDTH}} {_plan_text(plans[stream.index], forecast)}"
    if probe.chapters:
        lost = "" if forecast is None or forecast.chapters else ", dropped"
        yield f"      {'chapters':<11} {_chapters_text(probe)}{lost}"
    yield from _listed("tags", _tags(probe))
    if probe.settings is not None:
        words = [f"{name} = {value}" for name, value in probe.settings.items()] or ["the defaults"]
        yield from _wrapped("      dreamed by", ", ".join(words))
    if forecast is not None:
        yield from _listed("output", [str(forecast.path)])
        yield from _listed("note", _notes(probe, forecast))
    if report.rate is not None:
        yield from _wrapped("      time", _time_text(report.rate, forecast, report.total_seconds))


def _listed(name: str, items: Sequence[str]) -> Iterator[str]:
    for number, item in enumerate(items):
        yield from _wrapped("      " + (name if not number else ""), item)


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{label:<{_LABEL_WIDTH}} ",
        subsequent_indent=" " * (_LABEL_WIDTH + 1),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _file_words(probe: Probe) -> Iterator[str]:
    yield probe.container
    if probe.duration is not None:
        yield f"{float(probe.duration):.2f} s" if probe.duration < 60 else format_time(probe.duration)
    yield _bytes(probe.size)
    if probe.duration:
        yield f"{round(8 * probe.size / probe.duration / 1000):,} kbit/s"


def _notes(probe: Probe, forecast: Forecast) -> list[str]:
    rotation = probe.dreamed_video.rotation if probe.dreamed_video else None
    upright = [f"stored {_rotated(rotation)}; the output is written upright"] if rotation else []
    return [*upright, *forecast.warnings]


def _tags(probe: Probe) -> list[str]:
    """Tags that people wrote; of one with translations, such as title-eng, the main one."""
    tags = {key.lower(): _shortened(text) for key, text in probe.tags.items()}
    return [f"{key} = {text}" for key, text in tags.items() if key not in _TECHNICAL_TAGS and key[:-4] not in tags]


def _stream_words(stream: StreamProbe) -> Iterator[str]:
    yield f"{stream.codec or 'unknown codec'}" + (f" {stream.profile}" if stream.profile else "")
    if stream.video is not None:
        yield from _size_words(stream.video)
        yield from _rate_words(stream.video)
        yield from _color_words(stream.video)
    if stream.audio is not None:
        yield from (f"{stream.audio.rate / 1000:g} kHz", stream.audio.layout)
        if stream.audio.bit_rate:
            yield f"{round(stream.audio.bit_rate / 1000)} kbit/s"
    yield from filter(None, (stream.file, stream.language))
    if stream.title:
        yield f'"{_shortened(stream.title)}"'
    if stream.default and stream.kind != "video":
        yield "default"
    if stream.start and stream.start >= Fraction(1, 100):
        yield f"starts at {format_time(stream.start)}"


def _size_words(video: VideoProbe) -> Iterator[str]:
    yield f"{video.width}x{video.height}"
    reasons = [_rotated(video.rotation)] if video.rotation else []
    if (video.shown_width, video.shown_height) == (video.width, video.height):
        yield from reasons
        return
    if video.pixel_aspect != 1:
        reasons.append(f"pixels {video.pixel_aspect.numerator}:{video.pixel_aspect.denominator}")
    yield f"shown as {video.shown_width}x{video.shown_height} ({', '.join(reasons)})"


def _rate_words(video: VideoProbe) -> Iterator[str]:
    fps = f"{float(video.frame_rate):.4g} fps" if video.frame_rate else None
    if video.variable and video.shortest is not None and video.longest is not None:
        average = f"{fps} on average, " if fps else ""
        yield f"{average}variable ({_milliseconds(video.shortest)} to {_milliseconds(video.longest)} ms)"
    elif fps:
        yield fps
    if video.frames:
        yield f"{video.frames} frames"


def _color_words(video: VideoProbe) -> Iterator[str]:
    if video.pixels:
        yield video.pixels
    colors = dict.fromkeys(filter(None, (video.matrix, video.primaries, video.transfer)))
    if colors:
        yield " ".join(colors)
    if video.assumed:
        yield f"untagged, so {video.assumed}"
    if video.full_range and (video.assumed or video.matrix):
        yield "full range"
    properties = (("HDR", video.hdr), ("interlaced", video.interlaced), ("with alpha", video.alpha))
    yield from (word for word, applies in properties if applies)


def _rotated(rotation: str) -> str:
    return rotation if rotation.startswith("mirrored") else f"rotated {rotation}"


def _plan_text(plan: StreamPlan, forecast: Forecast) -> str:
    if plan.action == "dreamed":
        written = [f"{forecast.width}x{forecast.height}", forecast.pixels, forecast.color]
        return f"-> dreamed: {forecast.codec} by {forecast.encoder}, {', '.join(word for word in written if word)}"
    if plan.action in ("transcoded", "converted"):
        return f"-> {plan.action} to {plan.codec}, {plan.reason}"
    return f"-> {plan.action}" + (f", {plan.reason}" if plan.reason else "")


def _chapters_text(probe: Probe) -> str:
    shown = [f"{format_time(chapter.start)} {chapter.title}".rstrip() for chapter in probe.chapters[:_SHOWN_CHAPTERS]]
    more = len(probe.chapters) - len(shown)
    return "; ".join(shown) + (f" and {more} more" if more else "")


def _time_text(rate: DreamRate, forecast: Forecast | None, total: float | None) -> str:
    where = f"{rate.network}, {rate.precision}, {rate.device}"
    each = f"{_duration(rate.carried)} a frame, {_duration(rate.first)} for the first of each shot ({where})"
    if forecast is None or total is None:
        return f"about {each}"
    return f"about {_duration(total)} for {forecast.frame_count} frames without a cut: {each}"


def _duration(seconds: float) -> str:
    if seconds < 99.5:
        return f"{seconds:.2g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def _bytes(count: int) -> str:
    if count < 1_000_000:
        return f"{count / 1000:.3g} kB"
    return f"{count / 1_000_000:,.1f} MB"


def _milliseconds(seconds: Fraction) -> str:
    return f"{float(seconds * 1000):.4g}"


def _shortened(text: str) -> str:
    """Join the lines of a text, and cut it if it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_LENGTH else line[:_TEXT_LENGTH] + "..."
