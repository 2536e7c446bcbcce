"""The command bench, and those under it."""

from __future__ import annotations

import argparse

from dreamvideo.bench.coherence.settings import CoherenceSettings
from dreamvideo.bench.live_settings import LiveBenchSettings
from dreamvideo.bench.scaling_settings import ScalingSettings
from dreamvideo.bench.settings import BenchSettings
from dreamvideo.options import settings_from
from dreamvideo.settings import DreamSettings, ModelSettings


def run_bench(arguments: argparse.Namespace) -> int:
    """dreamvideo bench"""
    from dreamvideo.bench.command import bench

    return bench(settings_from(arguments, BenchSettings), arguments.quiet > 0)


def run_coherence(arguments: argparse.Namespace) -> int:
    """dreamvideo bench coherence CLIP..."""
    from dreamvideo.bench.coherence.command import coherence

    return coherence(settings_from(arguments, CoherenceSettings), arguments.clips, arguments.quiet > 0)


def run_bench_cluster(arguments: argparse.Namespace) -> int:
    """dreamvideo bench cluster"""
    from dreamvideo.bench.scaling import bench_scaling

    settings, dreaming = settings_from(arguments, ScalingSettings), settings_from(arguments, DreamSettings)
    return bench_scaling(settings, settings_from(arguments, ModelSettings), dreaming, arguments.quiet > 0)


def run_bench_live(arguments: argparse.Namespace) -> int:
    """dreamvideo bench live"""
    from dreamvideo.bench.glass import bench_live

    settings, dreaming = settings_from(arguments, LiveBenchSettings), settings_from(arguments, DreamSettings)
    return bench_live(settings, settings_from(arguments, ModelSettings), dreaming, arguments.quiet > 0)
