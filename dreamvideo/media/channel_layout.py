"""Reads which channels an audio stream has. PyAV frees the memory of layouts that are not libav's own a second time."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import av
from av.filter import Graph


@dataclass(frozen=True, slots=True)
class ChannelLayout:
    """The channels of an audio stream."""

    channels: int
    name: str | None  # libav's name; None: it has none, as the order is unknown or unusual
    speakers: tuple[str, ...] = ()  # of each channel, as "FL", if the order is unusual

    @property
    def is_custom(self) -> bool:
        """Whether the channels stand in an order that libav has no name for."""
        return bool(self.speakers)


def read_layout(stream: av.AudioStream) -> ChannelLayout:
    """Read the channels of a stream.

    Args:
        stream: audio stream of an input.

    Returns:
        Its layout. `AudioStream.layout`, `channels` and `layout.name` must not be used in place of this function: the
        layout of a stream with a custom order, such as 7.1 PCM in MOV, points to memory of the stream, which is freed
        with either of them.
    """
    layout = stream.codec_context.layout
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))  # never freed: a few bytes
    count, name = layout.nb_channels, layout.name
    if name == f"{count} channels":
        return ChannelLayout(count, None)
    if name.startswith(f"{count} channels ("):
        return ChannelLayout(count, None, tuple(channel.name for channel in layout.channels))
    return ChannelLayout(count, name)


def default_layout(channels: int) -> str | None:
    """Return libav's name of the usual layout of a number of channels, or None if there is none."""
    try:
        return av.AudioLayout(f"{channels}c").name
    except ValueError:
        return None


def open_reorder(layout: ChannelLayout) -> Callable[[av.AudioFrame], av.AudioFrame]:
    """Return a function that brings the channels of frames into the order of the default layout.

    Args:
        layout: of the stream. Where its speakers are not those of the default layout, nothing is moved.
    """
    usual = default_layout(layout.channels)
    speakers = [] if usual is None else [channel.name for channel in av.AudioLayout(usual).channels]
    if usual is None or sorted(speakers) != sorted(layout.speakers):
        return lambda frame: frame
    order = "|".join(str(layout.speakers.index(speaker)) for speaker in speakers)
    graph = Graph()

    def reorder(frame: av.AudioFrame) -> av.AudioFrame:
        if not graph.configured:
            source = graph.add_abuffer(
                sample_rate=frame.sample_rate, format=frame.format, layout=usual, time_base=frame.time_base
            )
            mapping = graph.add("channelmap", f"map={order}:channel_layout={usual}")
            graph.link_nodes(source, mapping, graph.add("abuffersink")).configure()
        graph.push(frame)
        reordered = graph.pull()
        assert isinstance(reordered, av.AudioFrame)
        return reordered

    return reorder
