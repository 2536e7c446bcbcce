"""Converts text subtitles to the kind that an output holds: SubRip, WebVTT, ASS and QuickTime's timed text."""

from __future__ import annotations

import logging
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Final, cast

import av
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

if TYPE_CHECKING:
    from av.subtitles.codeccontext import SubtitleCodecContext

    from dreamvideo.media.video_encoder import Packet

log = logging.getLogger(__name__)

_MILLISECOND: Final = Fraction(1, 1000)  # the unit of `SubtitleSet`
# libav's format -> its encoder for text.
_TEXT_CODECS: Final = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}


def text_codec(stream: av.stream.Stream, format: str) -> str | None:
    """Return the encoder that brings subtitles into a format.

    Args:
        stream: of an input.
        format: libav's name of the output's.

    Returns:
        libav's name of it; None: the subtitles are pictures, or the format holds no text.
    """
    if stream.type != "subtitle" or stream.codec_context is None or not stream.codec_context.codec.text_sub:
        return None
    return _TEXT_CODECS.get(format)


def open_subtitle_converter(
    stream: av.stream.Stream, target: av.stream.Stream, label: str
) -> Callable[[Packet | None], list[Packet]]:
    """Open a decoder and an encoder in a row.

    Args:
        stream: text subtitles of an input.
        target: stream of an output with an encoder of `text_codec`.
        label: of the input stream, for the warning that a packet could not be converted, which is logged once.

    Returns:
        A function from a packet of `stream` to those of `target`; None flushes.

    Raises:
        av.error.FFmpegError, ValueError: the subtitles cannot be converted.
    """
    decoder = cast("SubtitleCodecContext", stream.codec_context)
    encoder = cast("SubtitleCodecContext", target.codec_context)
    decoder.open(strict=False)
    encoder.time_base = _MILLISECOND
    encoder.subtitle_header = decoder.subtitle_header
    encoder.open(strict=False)
    warned = False

    def convert(packet: Packet | None) -> list[Packet]:
        nonlocal warned
        if packet is None or packet.pts is None:
            return []
        start, duration = (
            round((time or 0) * packet.time_base / _MILLISECOND) for time in (packet.pts, packet.duration)
        )
        converted: list[Packet] = []
        try:
            for text in decoder.decode2(packet) or ():
                if isinstance(text, AssSubtitle):
                    converted.append(encoder.encode_subtitle(SubtitleSet.create(text.ass, 0, duration, start)))
        except (av.error.FFmpegError, ValueError) as error:
            if not warned:
                warned = True
                log.warning("%s is damaged in part (%s)", label, getattr(error, "strerror", None) or error)
        for each in converted:
            each.stream, each.time_base = target, _MILLISECOND
            each.pts = each.dts = start
            each.duration = duration
        return converted

    return convert
