"""The palette of each frame of a GIF, by libav's palettegen and paletteuse."""

from __future__ import annotations

from fractions import Fraction

import av
from av.filter import Graph


class GifPalette:
    """Converts RGB frames, each to the 256 colors that suit it best.

    Args:
        width, height: of the frames, in pixels.
        time_base: of the encoder, in seconds.
    """

    def __init__(self, width: int, height: int, time_base: Fraction) -> None:
        self._graph = Graph()
        source = self._graph.add("buffer", f"video_size={width}x{height}:pix_fmt=rgb24:time_base={time_base}")
        split = self._graph.add("split")
        generate = self._graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
        use = self._graph.add("paletteuse", "new=1:dither=sierra2_4a")
        sink = self._graph.add("buffersink")
        source.link_to(split)
        split.link_to(generate, 0, 0)
        split.link_to(use, 1, 0)
        generate.link_to(use, 0, 1)
        use.link_to(sink)
        self._graph.configure()
        self._count = 0

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return a frame with a palette (pal8) for an RGB one."""
        frame.pts = self._count
        self._count += 1
        self._graph.vpush(frame)
        return self._graph.vpull()
