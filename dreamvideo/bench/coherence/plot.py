"""Draws the curves of `dreamvideo bench coherence` with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dreamvideo.bench.coherence.curves import Curve
from dreamvideo.errors import OutputError
from dreamvideo.settings.bench import COHERENCE_FLOOR, COHERENCE_METHODS, COHERENCE_OURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# (color, marker), chosen by eye; the markers tell the methods apart without color too.
STYLES = dict(
    zip(
        COHERENCE_METHODS,
        [
            ("tab:red", "s"),
            ("dimgray", "D"),
            ("tab:blue", "P"),
            ("tab:orange", "X"),
            ("goldenrod", "^"),
            ("tab:green", "v"),
            ("tab:purple", "*"),
            ("tab:cyan", "d"),
            ("tab:brown", "o"),
        ],
        strict=True,
    )
)


def plot_curves(panels: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """Draw warping error against dream strength, one panel for each clip, both axes logarithmic.

    Args:
        panels: title -> method -> its curve. Points that do not exist on a logarithmic axis are left out.

    Returns:
        The figure; save it with `savefig`.

    Raises:
        OutputError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
    except ImportError:
        raise OutputError('--plot needs matplotlib: pip install "dreamvideo[dev]"') from None
    columns = min(2, max(1, len(panels)))
    rows = max(1, math.ceil(len(panels) / columns))
    figure = Figure((7.8 * columns, 5.6 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    drawn = {}
    for axes, (title, curves) in zip(grid, panels.items(), strict=False):
        axes.set_title(title, loc="left")
        axes.set(xscale="log", yscale="log")
        axes.set(xlabel="dream strength over the source's", ylabel="warping error over the source's")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
        axes.grid(color="0.9")
        for name in reversed([name for name in COHERENCE_METHODS if name in curves]):  # ours on top
            points = sorted((p.strength, p.error) for p in curves[name] if _is_positive(p.strength, p.error))
            color, marker = STYLES[name]
            width = 2.5 if name in (COHERENCE_OURS, COHERENCE_FLOOR) else 1.5
            if points:
                drawn[name] = axes.plot(*zip(*points, strict=True), color=color, marker=marker, linewidth=width)[0]
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    names = [name for name in COHERENCE_METHODS if name in drawn]
    if names:
        figure.legend([drawn[name] for name in names], names, loc="outside lower center", ncols=5, frameon=False)
    return figure


def _is_positive(*values: float) -> bool:
    return all(math.isfinite(value) and value > 0 for value in values)
