"""What is told of files: as lines for people, or as one JSON object.

The object is {"version": "dreamvideo's", "files": [FILE, ...]}, with a FILE for each input, in order. Times are in
seconds; what is not known is null; rates and pixel aspects are exact, as "30000/1001".

    FILE      {"path", "error"} of what cannot be read, else
              {"path", "holds": HOLDS, "becomes": BECOMES or null of a picture, "takes": TAKES or null}
    HOLDS     {"container", "size" (bytes), "duration", "start", "streams": [STREAM], "dreamed" (index of the stream
              that is dreamed on), "chapters": [{"start", "end", "title"}], "tags": {name: text}, "settings" (of an old
              dream, by name) or null}
    STREAM    {"index", "kind" ("video", "picture", "cover", "sound", "subtitles", "attachment" or "data"), "codec",
              "profile", "language", "title", "default", "start", "duration", "file", "picture": PICTURE or null,
              "sound": {"rate", "layout", "channels", "bit_rate"} or null}
    PICTURE   the fields of `facts.Picture`
    BECOMES   {"output", "container", "streams": [{"stream", "label", "action" ("dreamed", "copied", "transcoded" or
              "dropped"), "reason", "codec"}], "chapters" (whether kept), "codec", "encoder", "crf", "width", "height",
              "pixels", "color", "frame_count", "warnings": [text]}
    TAKES     {"first" (seconds, of a shot's first frame), "carried" (each other frame), "total" (as one shot) or null,
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
from dreamvideo.info.forecast import Forecast
from dreamvideo.info.probe import Probe, StreamProbe, VideoProbe
from dreamvideo.media.sample_frames import format_time
from dreamvideo.media.stream_policy import StreamPlan

if TYPE_CHECKING:  # torch takes a while
    from dreamvideo.info.dream_rate import DreamRate

_EXACT = ("frame_rate", "pixel_aspect")
_NOT_TOLD = ("log_level",)  # at which a fate is logged
_SHOWN_CHAPTERS = 12
_WIDTH = 110


@dataclasses.dataclass(frozen=True, slots=True)
class FileReport:
    """All that is told of one file."""

    path: Path
    facts: Probe
    outlook: Forecast | None  # None: of a picture
    pace: DreamRate | None  # None: nothing was dreamed


def reports_to_json(files: Sequence[FileReport | tuple[Path, str]]) -> str:
    """The object of all files; of what cannot be read (path, why)."""
    told = [_file(one) if isinstance(one, FileReport) else {"path": str(one[0]), "error": one[1]} for one in files]
    return json.dumps({"version": __version__, "files": told}, indent=2, ensure_ascii=False)


def _file(told: FileReport) -> dict[str, Any]:
    becomes = None if told.outlook is None else _plain(told.outlook)
    if becomes is not None:
        becomes["streams"] = becomes.pop("fates")
    takes = None if told.pace is None else {**_plain(told.pace), "total": _total(told)}
    return {"path": str(told.path), "holds": _plain(told.facts), "becomes": becomes, "takes": takes}


def _plain(value: Any, name: str = "") -> Any:
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.name not in _NOT_TOLD]
        return {name: _plain(getattr(value, name), name) for name in names}
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Fraction):
        return str(value) if name in _EXACT else float(value)
    return str(value) if isinstance(value, Path) else value


def _total(told: FileReport) -> float | None:
    count = None if told.outlook is None else told.outlook.frame_count
    return None if told.pace is None or not count else told.pace.total(count)


def report_lines(told: FileReport) -> Iterator[str]:
    """What is told of one file, for people."""
    facts = told.facts
    about = [facts.container, *([] if facts.duration is None else [_length(facts.duration)]), _bytes(facts.size)]
    if facts.duration:
        about.append(f"{round(8 * facts.size / facts.duration / 1000):,} kbit/s")
    yield f"{told.path}: {', '.join(about)}"
    fates = {} if told.outlook is None else {fate.stream: fate for fate in told.outlook.fates}
    for stream in facts.streams:
        yield from _wrapped(f"  {stream.index:>2}  {stream.kind}", _described(stream))
        if stream.index in fates and told.outlook is not None:
            yield f"                  {_fate(fates[stream.index], told.outlook)}"
    if facts.chapters:
        gone = "" if told.outlook is None or told.outlook.chapters else ", dropped"
        yield f"      {'chapters':<11} {_chapters(facts)}{gone}"
    if tags := _tags(facts):
        yield from _listed("tags", tags)
    if facts.settings is not None:
        words = [f"{name} = {value}" for name, value in facts.settings.items()] or ["the defaults"]
        yield from _wrapped("      dreamed by", ", ".join(words))
    if told.outlook is not None:
        yield from _listed("output", [str(told.outlook.output)])
        yield from _listed("note", _notes(facts, told.outlook))
    if told.pace is not None:
        yield from _wrapped("      takes", _takes(told.pace, told.outlook))


def _listed(name: str, items: Sequence[str]) -> Iterator[str]:
    for number, item in enumerate(items):
        yield from _wrapped("      " + (name if not number else ""), item)


def _wrapped(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{name:<17} ",
        subsequent_indent=" " * 18,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _notes(facts: Probe, outlook: Forecast) -> list[str]:
    picture = next((stream.picture for stream in facts.streams if stream.index == facts.dreamed), None)
    turned = f"stored {_turned(picture.turn)}: it is written upright" if picture and picture.turn else ""
    return [*([turned] if turned else []), *outlook.warnings]


def _tags(facts: Probe) -> list[str]:
    """Those that people wrote, in one language."""
    tags = {key.lower(): _line(text) for key, text in facts.tags.items()}
    return [f"{key} = {text}" for key, text in tags.items() if key not in _TECHNICAL and key[:-4] not in tags]


_TECHNICAL = ("major_brand", "minor_version", "compatible_brands", "encoder", "comment")


def _described(stream: StreamProbe) -> str:
    words = [f"{stream.codec or 'unknown codec'}" + (f" {stream.profile}" if stream.profile else "")]
    if stream.picture is not None:
        words += _picture(stream.picture)
    if stream.sound is not None:
        sound = stream.sound
        words += [f"{sound.rate / 1000:g} kHz", sound.layout]
        words += [f"{round(sound.bit_rate / 1000)} kbit/s"] if sound.bit_rate else []
    words += [word for word in (stream.file, stream.language) if word]
    words += [f'"{_line(stream.title)}"'] if stream.title else []
    words += ["default"] if stream.default and stream.kind != "video" else []
    words += [f"from {format_time(stream.start)} on"] if stream.start and stream.start >= Fraction(1, 100) else []
    return ", ".join(words)


def _picture(picture: VideoProbe) -> Iterator[str]:
    yield f"{picture.width}x{picture.height}"
    if (picture.shown_width, picture.shown_height) != (picture.width, picture.height):
        how = []
        if picture.turn:
            how.append(_turned(picture.turn))
        if picture.pixel_aspect != 1:
            how.append(f"pixels {picture.pixel_aspect.numerator}:{picture.pixel_aspect.denominator}")
        yield f"shown as {picture.shown_width}x{picture.shown_height} ({', '.join(how)})"
    elif picture.turn:
        yield _turned(picture.turn)
    if picture.variable and picture.shortest is not None and picture.longest is not None:
        average = f"{float(picture.frame_rate):.4g} fps on average, " if picture.frame_rate else ""
        span = f"{_ms(picture.shortest)} to {_ms(picture.longest)} ms"
        yield f"{average}variable ({span})"
    elif picture.frame_rate:
        yield f"{float(picture.frame_rate):.4g} fps"
    if picture.frames:
        yield f"{picture.frames} frames"
    if picture.pixels:
        yield picture.pixels
    colors = dict.fromkeys(name for name in (picture.matrix, picture.primaries, picture.transfer) if name)
    if colors:
        yield " ".join(colors)
    if picture.assumed:
        yield f"untagged, so {picture.assumed}"
    if picture.full_range and (picture.assumed or picture.matrix):
        yield "full range"
    yield from [word for word, holds in (("HDR", picture.hdr), ("interlaced", picture.interlaced)) if holds]
    if picture.alpha:
        yield "with alpha"


def _turned(turn: str) -> str:
    return turn if turn.startswith("mirrored") else f"turned {turn}"


def _fate(fate: StreamPlan, outlook: Forecast) -> str:
    if fate.action == "dreamed":
        written = [f"{outlook.width}x{outlook.height}", outlook.pixels, outlook.color]
        return f"-> dreamed: {outlook.codec} by {outlook.encoder}, {', '.join(word for word in written if word)}"
    if fate.action == "transcoded":
        return f"-> transcoded to {fate.codec}, {fate.reason}"
    return f"-> {fate.action}" + (f", {fate.reason}" if fate.reason else "")


def _chapters(facts: Probe) -> str:
    shown = [f"{format_time(chapter.start)} {chapter.title}".rstrip() for chapter in facts.chapters[:_SHOWN_CHAPTERS]]
    more = len(facts.chapters) - len(shown)
    return "; ".join(shown) + (f" and {more} more" if more else "")


def _takes(pace: DreamRate, outlook: Forecast | None) -> str:
    by = f"{pace.network}, {pace.precision}, {pace.device}"
    each = f"{_amount(pace.carried)} a frame, {_amount(pace.first)} for the first of each shot ({by})"
    if outlook is None or not outlook.frame_count:
        return f"about {each}"
    total = _amount(pace.total(outlook.frame_count))
    return f"about {total} for {outlook.frame_count} frames without a cut: {each}"


def _amount(seconds: float) -> str:
    if seconds < 99.5:
        return f"{seconds:.2g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def _length(seconds: Fraction) -> str:
    return f"{float(seconds):.2f} s" if seconds < 60 else format_time(seconds)


def _bytes(count: int) -> str:
    if count < 1_000_000:
        return f"{count / 1000:.3g} kB"
    return f"{count / 1_000_000:,.1f} MB"


def _ms(seconds: Fraction) -> str:
    return f"{float(seconds * 1000):.4g}"


def _line(text: str) -> str:
    """`text` in one line, not too long."""
    words = " ".join(text.split())
    return words if len(words) <= 200 else words[:200] + "..."
