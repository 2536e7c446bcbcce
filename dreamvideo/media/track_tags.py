"""Copies what a file tells of its tracks: names, languages, chapters, and covers where they are attachments."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from dreamvideo.frames import StreamInfo
from dreamvideo.media.local_files import open_local

# QuickTime knows these languages by their bibliographic ISO 639-2 codes only.
_BIBLIOGRAPHIC_CODES = {
    "deu": "ger",
    "fra": "fre",
    "nld": "dut",
    "ces": "cze",
    "zho": "chi",
    "ell": "gre",
    "isl": "ice",
    "ron": "rum",
    "fas": "per",
}

_STREAM_TAGS = ("language", "title", "stereo_mode")
# Names that programs give to tracks of which nobody named one.
_HANDLER_OF_A_KIND = re.compile(
    r"(?i).*(video|sound|audio|subtitle|text|media|meta|data).?(media)?.?handler.*|.*@GPAC.*"
)


def chapters_in_cut(source: av.container.InputContainer, info: StreamInfo) -> list[Any]:
    """The chapters that overlap the cut, clipped to it, on the output's clock."""
    chapters: list[Any] = []
    for chapter in source.chapters():
        base = Fraction(chapter["time_base"] or 1)
        start, end = (chapter[edge] * base - info.origin for edge in ("start", "end"))
        if info.end is not None:
            end = min(end, info.end)
        start = max(start, Fraction(0))
        if start < end:
            chapters.append({**chapter, "start": int(start / base), "end": int(end / base)})
    return chapters


def attach_cover(output: av.container.OutputContainer, path: Path, index: int) -> None:
    """Add cover `index` of a file as an attachment, in which Matroska keeps covers."""
    with open_local(path) as source:
        cover = next(stream for stream in source.streams.video if stream.index == index)
        name, kind = ("cover.png", "image/png") if cover.codec_context.name == "png" else ("cover.jpg", "image/jpeg")
        for packet in source.demux(cover):
            if packet.size:
                output.add_attachment(name, kind, bytes(packet))
                return


def copy_track_tags(stream: av.stream.Stream, copy: av.stream.Stream) -> None:
    """Give a stream of an output the language, name and disposition of the stream of the input that it comes from."""
    copy.metadata.update({key: value for key, value in stream.metadata.items() if key in _STREAM_TAGS})
    # MP4 and QuickTime name a track by its handler, which else has a name that says its kind only.
    name = stream.metadata.get("title") or stream.metadata.get("handler_name", "")
    if name and not _HANDLER_OF_A_KIND.fullmatch(name):
        copy.metadata.update({"title": name, "handler_name": name})
    if stream.language in _BIBLIOGRAPHIC_CODES and copy.container.format.name == "mov":
        copy.metadata["language"] = _BIBLIOGRAPHIC_CODES[stream.language]
    copy.disposition = stream.disposition
