"""The command's body: clip by clip, method by method, strength by strength, until the time is up."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from dreamvideo.bench.coherence import clips, metrics
from dreamvideo.bench.coherence.curves import Curve, CurvePoint, best_curve, interpolate_at
from dreamvideo.bench.coherence.methods import METHOD_FUNCTIONS, dream_independently, sweep_settings
from dreamvideo.bench.system import describe_system
from dreamvideo.bench.timing import TimeLimit, synchronize
from dreamvideo.errors import SettingsError
from dreamvideo.info.results import Report, ReportSection
from dreamvideo.info.tables import TableRow
from dreamvideo.models.network import Network, load_network
from dreamvideo.settings.bench import (
    COHERENCE_BASELINES,
    COHERENCE_OURS,
    COHERENCE_SHOTS,
    COHERENCE_SOURCE,
    CoherenceSettings,
)
from dreamvideo.settings.dream import DreamSettings, ModelSettings
from dreamvideo.tensors import to_tensor

EQUAL_STRENGTH = "equal strength"  # the last section
CPU = torch.device("cpu")

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class PreparedClip:
    """A clip and what is known of it before anything is carried."""

    clip: clips.CoherenceClip
    sources: Tensor  # (N, 3, H, W)
    energies: Tensor  # (N, layers)
    error: float  # the source's own warping error
    still: Tensor  # (N - 1, 1, H, W) bool
    fresh: Tensor | None  # (N, 3, H, W) frames dreamed alone, with another jitter; only where occlusion is known


def measure_coherence(
    settings: CoherenceSettings, paths: Sequence[Path], say: Say, done: Callable[[ReportSection], None], now: datetime
) -> Report:
    """Measure what `settings` ask for on rendered shots and on the videos at `paths`.

    Raises:
        SettingsError: there is nothing to measure.
        DreamVideoError: a network, a device or a clip is not there.
    """
    shots = (settings.shots or COHERENCE_SHOTS) if settings.rendered and clips.can_render_samples() else ()
    if not shots and not paths:
        raise SettingsError("nothing to measure: expected a CLIP, or a checkout whose samples/ can be rendered")
    clock = TimeLimit(settings.minutes)
    dreaming = DreamSettings(iterations=settings.iterations, step_size=settings.step_size)
    model = ModelSettings(settings.model, settings.weights, settings.device, threads=settings.threads)
    network = load_network(model)
    head = describe_system(network.device, dataclasses.asdict(settings), now)
    sections: list[ReportSection] = []
    where = settings.height, settings.width, settings.count
    makers: list[Callable[[], clips.CoherenceClip]] = [
        lambda shot=shot: clips.rendered_clip(shot, *where) for shot in shots
    ]  # type: ignore[misc]
    makers += [lambda path=path: clips.video_clip(path, *where) for path in paths]  # type: ignore[misc]
    for make in makers:
        if clock.late():
            break
        clip = make()
        sections.append(_section(clip, network, dreaming, settings, clock, say))
        done(sections[-1])
    found = ReportSection(
        EQUAL_STRENGTH,
        f"{COHERENCE_OURS} and the best rival at the same strength",
        tuple(compare_at_equal_strength(sections)),
    )
    if len(sections) < len(makers):
        found = dataclasses.replace(found, skipped=f"{len(makers) - len(sections)} clips; --minutes gives more time")
    done(found)
    return Report(head, (*sections, found))


def _section(
    clip: clips.CoherenceClip,
    network: Network,
    dreaming: DreamSettings,
    settings: CoherenceSettings,
    clock: TimeLimit,
    say: Say,
) -> ReportSection:
    began = time.monotonic()
    height, width = clip.images[0].shape[:2]
    motion = "true flow and occlusion" if clip.true else "DIS flow, two-way check"
    title = f"{width}x{height}, {len(clip.images)} frames, {motion}"
    say(f"{clip.name}: {title} ...")
    measured = prepare_clip(clip, network, dreaming)
    rows: list[TableRow] = [method_row(COHERENCE_SOURCE, measured.sources, measured, network)]
    skipped = []
    for name in settings.methods:
        for wanted in dict.fromkeys(rung.of(dreaming) for rung in sweep_settings(name)):
            if clock.late():
                skipped.append(name)
                break
            pictures, seconds = collect_images(METHOD_FUNCTIONS[name](clip, network, wanted), network.device)
            known = {"steps": wanted.iterations, "step_size": wanted.step_size, "s_per_frame": seconds}
            rows.append(method_row(name, pictures, measured, network, **known))
            say(f"  {name}, {wanted.iterations} x {wanted.step_size:.4f}")
    late = f"{', '.join(skipped)}; --minutes gives more time" if skipped else None
    return ReportSection(clip.name, title, tuple(rows), time.monotonic() - began, late)


def prepare_clip(clip: clips.CoherenceClip, network: Network, dreaming: DreamSettings) -> PreparedClip:
    """What of a clip is measured once."""
    sources = torch.cat([to_tensor(image, CPU) for image in clip.images])
    other = dataclasses.replace(dreaming, seed=dreaming.seed + 1)
    fresh = collect_images(dream_independently(clip, network, other), network.device)[0] if clip.true else None
    return PreparedClip(
        clip,
        sources,
        metrics.layer_energies(sources, network),
        metrics.warping_error(sources, clip.flows, clip.occluded),
        metrics.still_places(sources, clip.flows),
        fresh,
    )


def collect_images(images: Iterator[Any], device: torch.device) -> tuple[Tensor, float]:
    """(N, 3, H, W) of a method's pictures, and its seconds a frame after the first."""
    pictures = [to_tensor(next(images), CPU)]
    synchronize(device)
    began = time.perf_counter()
    found = list(images)
    synchronize(device)
    seconds = (time.perf_counter() - began) / len(found)
    return torch.cat([*pictures, *(to_tensor(image, CPU) for image in found)]), seconds


def method_row(name: str, pictures: Tensor, of: PreparedClip, network: Network, **known: float) -> TableRow:
    """All that is measured of one method at one setting; errors in squared gray levels, drifts in percent."""
    strengths = metrics.dream_strength(metrics.layer_energies(pictures, network), of.energies)
    first, last = metrics.first_and_last_tenth(strengths)
    error = metrics.warping_error(pictures, of.clip.flows, of.clip.occluded)
    ghosts = metrics.ghosting(pictures, of.sources, of.fresh, of.clip.occluded) if of.fresh is not None else None
    spread = metrics.frame_contrast(pictures) / metrics.frame_contrast(of.sources).clamp(min=1e-6)
    return {
        "method": name,
        "steps": known.get("steps"),
        "step_size": known.get("step_size"),
        "strength": strengths.mean().item(),
        "first_tenth": first,
        "last_tenth": last,
        "warp_error": error,
        "x_source": error / of.error if of.error else float("nan"),
        "flicker": metrics.flicker(pictures, of.still),
        "ghosting": None if name == COHERENCE_SOURCE else ghosts,
        "contrast": spread.mean().item(),
        "mean_%": metrics.drift_percent(pictures, of.sources, metrics.frame_brightness),
        "contrast_%": metrics.drift_percent(pictures, of.sources, metrics.frame_contrast),
        "color_%": metrics.drift_percent(pictures, of.sources, metrics.frame_colorfulness),
        "s_per_frame": known.get("s_per_frame"),
    }


def method_curve(section: ReportSection, method: str, over: str = "strength", what: str = "x_source") -> Curve:
    """A method's warping error over the source's own against its strength, or one column against another."""
    rows = [cast(dict[str, Any], row) for row in section.rows if row["method"] == method]
    known = [row for row in rows if row["s_per_frame"] is not None and row[what] is not None]
    return [CurvePoint(row[over], row[what], row["s_per_frame"]) for row in known]


def compare_at_equal_strength(sections: Sequence[ReportSection]) -> Iterator[TableRow]:
    """For each point of ours the best rival as strong, and the best with as much contrast."""
    for section in sections:
        ours, contrasts = method_curve(section, COHERENCE_OURS), method_curve(section, COHERENCE_OURS, "contrast")
        for point, contrast in zip(ours, contrasts, strict=True):
            rival = best_curve({name: method_curve(section, name) for name in COHERENCE_BASELINES}, point.strength)
            floor = interpolate_at(method_curve(section, "floor"), point.strength)
            ghosts = [
                interpolate_at(method_curve(section, n, what="ghosting"), point.strength)
                for n in (COHERENCE_OURS, "independent")
            ]
            alike = best_curve(
                {name: method_curve(section, name, "contrast") for name in COHERENCE_BASELINES}, contrast.strength
            )
            yield {
                "clip": section.name,
                "strength": point.strength,
                "x_source": point.error,
                "floor": floor.error if floor else None,
                "rival": rival[0] if rival else "none as strong",
                "its": rival[1].error if rival else None,
                "error_ours_/_its": point.error / rival[1].error if rival else None,
                "time_ours_/_its": point.seconds / rival[1].seconds if rival else None,
                "contrast": contrast.strength,
                "rival_at_contrast": alike[0] if alike else "none",
                "ours_/_it": point.error / alike[1].error if alike else None,
                "ghosting": ghosts[0].error if ghosts[0] else None,
                "of_independent": ghosts[1].error if ghosts[1] else None,
            }
