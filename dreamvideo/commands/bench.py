"""The command bench, and those under it."""

from __future__ import annotations

import argparse

from dreamvideo.commands.options import settings_from
from dreamvideo.settings.bench import BenchSettings, CoherenceSettings, LiveBenchSettings, ScalingSettings
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings


def run_bench(arguments: argparse.Namespace) -> int:
    """dreamvideo bench"""
    from dreamvideo.bench.run_bench import run_benchmarks

    return run_benchmarks(settings_from(arguments, BenchSettings), arguments.quiet > 0)


def run_coherence(arguments: argparse.Namespace) -> int:
    """dreamvideo bench coherence CLIP..."""
    from dreamvideo.bench.coherence.run_coherence import run_coherence_bench

    return run_coherence_bench(settings_from(arguments, CoherenceSettings), arguments.clips, arguments.quiet > 0)


def network_settings(arguments: argparse.Namespace) -> tuple[ModelSettings, ObjectiveSettings, DreamSettings]:
    """Which network dreams, what, and how."""
    return (
        settings_from(arguments, ModelSettings),
        settings_from(arguments, ObjectiveSettings),
        settings_from(arguments, DreamSettings),
    )


def run_bench_cluster(arguments: argparse.Namespace) -> int:
    """dreamvideo bench cluster"""
    from dreamvideo.bench.cluster_scaling import bench_scaling

    settings = settings_from(arguments, ScalingSettings)
    return bench_scaling(settings, *network_settings(arguments), arguments.quiet > 0)


def run_bench_live(arguments: argparse.Namespace) -> int:
    """dreamvideo bench live"""
    from dreamvideo.bench.live_latency import bench_live

    settings = settings_from(arguments, LiveBenchSettings)
    return bench_live(settings, *network_settings(arguments), arguments.quiet > 0)
