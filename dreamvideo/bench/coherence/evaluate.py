"""Measures every method on every clip at every strength, until the time limit."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.bench.coherence import clips, metrics
from dreamvideo.bench.coherence.curves import Curve, CurvePoint, best_curve, interpolate_at
from dreamvideo.bench.coherence.methods import METHOD_FUNCTIONS, dream_independently, sweep_settings
from dreamvideo.bench.coherence.moving import lately, moving_strength, return_likeness, smear
from dreamvideo.bench.system import describe_system
from dreamvideo.bench.timing import TimeLimit, synchronize
from dreamvideo.errors import SettingsError
from dreamvideo.info.results import Report, ReportSection
from dreamvideo.info.tables import TableRow
from dreamvideo.models.network import Network, load_network
from dreamvideo.process import configure_process
from dreamvideo.settings.bench import (
    COHERENCE_BASELINES,
    COHERENCE_FLOOR,
    COHERENCE_OURS,
    COHERENCE_SHOTS,
    COHERENCE_SOURCE,
    CoherenceSettings,
)
from dreamvideo.settings.dream import DreamSettings, ModelSettings
from dreamvideo.tensors import to_tensor

EQUAL_STRENGTH = "equal strength"  # the last section
CPU = torch.device("cpu")
HALF_SECOND = 12  # frames


@dataclasses.dataclass(frozen=True, slots=True)
class PreparedClip:
    """A clip and what is measured of it once, before any method runs."""

    clip: clips.CoherenceClip
    sources: Tensor  # (N, 3, H, W)
    energies: Tensor  # (N, layers)
    error: float  # the source's own warping error
    still: Tensor  # (N - 1, 1, H, W) bool
    fresh: Tensor  # (N, 3, H, W) frames dreamed alone, with other jitter
    changed: Tensor  # (N, 1, H, W) bool: what moved there, or uncovered it, in the last half second
    smear: float | None  # of `fresh`; None: nothing moves


def measure_coherence(
    settings: CoherenceSettings,
    paths: Sequence[Path],
    print_progress: Callable[[str], None],
    print_section: Callable[[ReportSection], None],
    now: datetime,
) -> Report:
    """Measure the methods on rendered shots and on videos.

    Args:
        settings: of the command.
        paths: videos.
        print_progress: called with a line about what runs.
        print_section: called with each section when it is finished.
        now: the date of the report.

    Raises:
        SettingsError: there is nothing to measure.
        DreamVideoError: a network, a device or a clip cannot be used.
    """
    shots = (settings.shots or COHERENCE_SHOTS) if settings.rendered and clips.can_render_samples() else ()
    if not shots and not paths:
        raise SettingsError("nothing to measure: expected a CLIP, or a checkout whose samples/ can be rendered")
    limit = TimeLimit(settings.minutes)
    model = ModelSettings(settings.model, settings.weights, device=settings.device, threads=settings.threads)
    configure_process(model)
    network = load_network(model)
    look = network.look
    dreaming = dataclasses.replace(
        look, iterations=settings.iterations or look.iterations, step_size=settings.step_size or look.step_size
    )
    about = describe_system(network.device, dataclasses.asdict(settings), now)
    size = settings.height, settings.width, settings.count
    loaders = [
        *(functools.partial(clips.rendered_clip, shot, *size) for shot in shots),
        *(functools.partial(clips.video_clip, path, *size) for path in paths),
    ]
    sections: list[ReportSection] = []
    for load in loaders:
        if limit.reached():
            break
        sections.append(_measure_clip(load(), network, dreaming, settings.methods, limit, print_progress))
        print_section(sections[-1])
    title = f"{COHERENCE_OURS} and the best baseline at the same strength"
    missing = len(loaders) - len(sections)
    skipped = f"{missing} clips; use a larger --minutes" if missing else None
    compared = ReportSection(EQUAL_STRENGTH, title, tuple(compare_at_equal_strength(sections)), skipped=skipped)
    print_section(compared)
    return Report(about, (*sections, compared))


def _measure_clip(
    clip: clips.CoherenceClip,
    network: Network,
    dreaming: DreamSettings,
    methods: Sequence[str],
    limit: TimeLimit,
    print_progress: Callable[[str], None],
) -> ReportSection:
    start = time.monotonic()
    height, width = clip.images[0].shape[:2]
    motion = "true flow and occlusion" if clip.known_motion else "DIS flow, two-way check"
    title = f"{width}x{height}, {len(clip.images)} frames, {motion}"
    print_progress(f"{clip.name}: {title} ...")
    prepared = prepare_clip(clip, network, dreaming)
    rows: list[TableRow] = [method_row(COHERENCE_SOURCE, prepared.sources, prepared, network)]
    skipped = []
    for name in methods:
        for settings in dict.fromkeys(point.apply(dreaming) for point in sweep_settings(name)):
            if limit.reached():
                skipped.append(name)
                break
            images, seconds = collect_images(METHOD_FUNCTIONS[name](clip, network, settings), network.device)
            known = {"steps": settings.iterations, "step_size": settings.step_size, "s_per_frame": seconds}
            rows.append(method_row(name, images, prepared, network, **known))
            print_progress(f"  {name}, {settings.iterations} x {settings.step_size:.4f}")
    reason = f"{', '.join(skipped)}; use a larger --minutes" if skipped else None
    return ReportSection(clip.name, title, tuple(rows), time.monotonic() - start, reason)


def prepare_clip(clip: clips.CoherenceClip, network: Network, dreaming: DreamSettings) -> PreparedClip:
    """Measure the source of a clip, and dream its frames alone if its occlusions are known."""
    sources = torch.cat([to_tensor(image, CPU) for image in clip.images])
    other = dataclasses.replace(dreaming, seed=dreaming.seed + 1)
    fresh, _ = collect_images(dream_independently(clip, network, other), network.device)
    first = torch.zeros_like(clip.occluded[:1])
    changed = lately(clip.movers | torch.cat([first, clip.occluded]), clip.ground_flows, HALF_SECOND)
    return PreparedClip(
        clip,
        sources,
        metrics.layer_energies(sources, network),
        metrics.warping_error(sources, clip.flows, clip.occluded),
        metrics.still_places(sources, clip.flows),
        fresh,
        changed,
        smear(fresh, sources, clip.movers, clip.ground_flows),
    )


def collect_images(images: Iterator[NDArray[np.uint8]], device: torch.device) -> tuple[Tensor, float]:
    """Run a method to its end and time it.

    Args:
        images: (H, W, 3) RGB, one per frame.
        device: where the method runs.

    Returns:
        (N, 3, H, W) in [0, 1] on the CPU, and seconds per frame after the first.
    """
    first = to_tensor(next(images), CPU)
    synchronize(device)
    start = time.perf_counter()
    others = list(images)
    synchronize(device)
    seconds = (time.perf_counter() - start) / len(others)
    return torch.cat([first, *(to_tensor(image, CPU) for image in others)]), seconds


def method_row(name: str, images: Tensor, clip: PreparedClip, network: Network, **known: float) -> TableRow:
    """Measure the dream of one method at one setting.

    Args:
        name: of the method.
        images: (N, 3, H, W) in [0, 1], the dream.
        clip: what was dreamed.
        network: whose layers measure the strength.
        known: `steps`, `step_size` and `s_per_frame`, copied into the row.

    Returns:
        The row of the table; errors in squared gray levels of 255, drifts in percent.
    """
    strengths = metrics.dream_strength(metrics.layer_energies(images, network), clip.energies)
    first, last = metrics.first_and_last_tenth(strengths)
    error = metrics.warping_error(images, clip.clip.flows, clip.clip.occluded)
    ghosting = None
    if clip.clip.known_motion and name != COHERENCE_SOURCE:
        ghosting = metrics.ghosting(images, clip.sources, clip.fresh, clip.clip.occluded)
    moving: Mapping[str, float | None] = dict.fromkeys(("large", "fine", "score"))
    if name != COHERENCE_SOURCE and clip.changed.float().mean() >= metrics.LEAST_SHARE:
        score = functools.partial(_score_on, network)
        moving = moving_strength(images, clip.sources, [clip.fresh], clip.changed, score)
    own = None if name == COHERENCE_SOURCE else smear(images, clip.sources, clip.clip.movers, clip.clip.ground_flows)
    contrast = metrics.frame_contrast(images) / metrics.frame_contrast(clip.sources).clamp(min=1e-6)
    return {
        "method": name,
        "steps": known.get("steps"),
        "step_size": known.get("step_size"),
        "strength": strengths.mean().item(),
        "first_tenth": first,
        "last_tenth": last,
        "warp_error": error,
        "x_source": error / clip.error if clip.error else float("nan"),
        "flicker": metrics.flicker(images, clip.still),
        "ghosting": ghosting,
        **{f"moving_{what}": value for what, value in moving.items()},
        "return": None if name == COHERENCE_SOURCE else return_likeness(images, clip.sources, clip.clip.ground_flows),
        "smear": None if not clip.smear or own is None else own / clip.smear,
        "contrast": contrast.mean().item(),
        "mean_%": metrics.drift_percent(images, clip.sources, metrics.frame_brightness),
        "contrast_%": metrics.drift_percent(images, clip.sources, metrics.frame_contrast),
        "color_%": metrics.drift_percent(images, clip.sources, metrics.frame_colorfulness),
        "s_per_frame": known.get("s_per_frame"),
    }


def _score_on(network: Network, images: Tensor) -> Tensor:
    """The scores of images on the CPU, (B,)."""
    return network.score(images.to(network.device)).cpu()


def method_curve(section: ReportSection, method: str, over: str = "strength", what: str = "x_source") -> Curve:
    """Return one column of a section against another as the curve of a method.

    Args:
        section: of one clip.
        method: whose rows are taken.
        over: column that becomes the strength of the points.
        what: column that becomes their error; rows without a value are left out.
    """
    rows = [cast(dict[str, Any], row) for row in section.rows if row["method"] == method]
    known = [row for row in rows if row["s_per_frame"] is not None and row[what] is not None]
    return [CurvePoint(row[over], row[what], row["s_per_frame"]) for row in known]


def compare_at_equal_strength(sections: Sequence[ReportSection]) -> Iterator[TableRow]:
    """Compare each point of ours with the best baseline of equal strength, and with the best of equal contrast."""
    for section in sections:
        ours, contrasts = method_curve(section, COHERENCE_OURS), method_curve(section, COHERENCE_OURS, "contrast")
        baselines: dict[str, Curve] = {name: method_curve(section, name) for name in COHERENCE_BASELINES}
        by_contrast: dict[str, Curve] = {name: method_curve(section, name, "contrast") for name in COHERENCE_BASELINES}
        for point, contrast in zip(ours, contrasts, strict=True):
            best = best_curve(baselines, point.strength)
            best_at_contrast = best_curve(by_contrast, contrast.strength)
            floor = interpolate_at(method_curve(section, COHERENCE_FLOOR), point.strength)
            ghosting, alone = (
                interpolate_at(method_curve(section, name, what="ghosting"), point.strength)
                for name in (COHERENCE_OURS, "independent")
            )
            yield {
                "clip": section.name,
                "strength": point.strength,
                "x_source": point.error,
                "floor": floor.error if floor else None,
                "baseline": best[0] if best else "none as strong",
                "its": best[1].error if best else None,
                "error_ours_/_its": point.error / best[1].error if best else None,
                "time_ours_/_its": point.seconds / best[1].seconds if best else None,
                "contrast": contrast.strength,
                "baseline_at_contrast": best_at_contrast[0] if best_at_contrast else "none",
                "error_at_contrast_ours_/_its": point.error / best_at_contrast[1].error if best_at_contrast else None,
                "ghosting": ghosting.error if ghosting else None,
                "of_independent": alone.error if alone else None,
            }
