"""The command bench, and its subcommands coherence, cluster, live and gpu."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamvideo.commands.console import Console
from dreamvideo.commands.options import (
    NETWORK_SETTINGS,
    Command,
    CommandLine,
    add_command,
)
from dreamvideo.settings.bench import (
    BenchSettings,
    CoherenceSettings,
    GpuCheckSettings,
    LiveBenchSettings,
    ScalingSettings,
)
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """Benchmarks of this machine."""

    settings: BenchSettings


@dataclass(frozen=True, slots=True)
class CoherenceRequest:
    """Benchmarks of how strong and how steady dreamed video is."""

    settings: CoherenceSettings
    clips: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ScalingRequest:
    """Benchmarks of several workers."""

    settings: ScalingSettings
    model: ModelSettings
    objective: ObjectiveSettings
    dream: DreamSettings


@dataclass(frozen=True, slots=True)
class LiveBenchRequest:
    """Benchmarks of a live dream."""

    settings: LiveBenchSettings
    model: ModelSettings
    objective: ObjectiveSettings
    dream: DreamSettings


@dataclass(frozen=True, slots=True)
class GpuCheckRequest:
    """Tests and measurements of one GPU."""

    settings: GpuCheckSettings


def add_bench_command(commands: Any) -> None:
    """Add the parsers of `dreamvideo bench` and its subcommands.

    Args:
        commands: what `add_subparsers` returned.
    """
    bench = add_command(
        commands,
        "bench",
        "measure how fast this machine dreams",
        Command(parse_bench, run_bench, (BenchSettings,)),
        "Measures how fast this machine dreams, compared with its own peak and with other programs.",
    )
    others = bench.add_subparsers(title="other benchmarks", metavar="coherence|cluster|live|gpu")
    coherence = add_command(
        others,
        "coherence",
        "measure how strongly and how steadily video is dreamed",
        Command(parse_coherence, run_coherence, (CoherenceSettings,)),
        "Measures how strongly and how steadily video is dreamed, by this program and in the ways of others.",
    )
    coherence.add_argument(
        "clips", nargs="*", type=Path, metavar="CLIP", help="videos, in addition to the rendered shots"
    )
    add_command(
        others,
        "cluster",
        "measure how much faster several workers are than one",
        Command(parse_scaling, run_scaling, (ScalingSettings, *NETWORK_SETTINGS)),
        "Measures how much faster several workers are than one, and forecasts where that ends.",
    )
    add_command(
        others,
        "live",
        "measure frame rate and latency of a live dream",
        Command(parse_live_bench, run_live_bench, (LiveBenchSettings, *NETWORK_SETTINGS)),
        "Measures frame rate and latency of a live dream, with a file instead of a camera.",
    )
    add_command(
        others,
        "gpu",
        "test and measure everything on a GPU, in one call of a few minutes",
        Command(parse_gpu_check, run_gpu_check, (GpuCheckSettings,)),
        "Tests and measures everything on a GPU, in one call of a few minutes; with --device cpu it rehearses that.",
    )


def parse_bench(line: CommandLine) -> BenchRequest:
    """Make the request of `dreamvideo bench`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    return BenchRequest(line.settings(BenchSettings))


def parse_coherence(line: CommandLine) -> CoherenceRequest:
    """Make the request of `dreamvideo bench coherence`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    return CoherenceRequest(line.settings(CoherenceSettings), tuple(line.arguments.clips))


def parse_scaling(line: CommandLine) -> ScalingRequest:
    """Make the request of `dreamvideo bench cluster`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    return ScalingRequest(
        line.settings(ScalingSettings),
        line.settings(ModelSettings),
        line.settings(ObjectiveSettings),
        line.settings(DreamSettings),
    )


def parse_live_bench(line: CommandLine) -> LiveBenchRequest:
    """Make the request of `dreamvideo bench live`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    return LiveBenchRequest(
        line.settings(LiveBenchSettings),
        line.settings(ModelSettings),
        line.settings(ObjectiveSettings),
        line.settings(DreamSettings),
    )


def parse_gpu_check(line: CommandLine) -> GpuCheckRequest:
    """Make the request of `dreamvideo bench gpu`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    return GpuCheckRequest(line.settings(GpuCheckSettings))


def run_bench(request: BenchRequest, console: Console) -> int:
    """Measure how fast this machine dreams.

    Args:
        request: what is measured.
        console: whether progress is printed; tables are, in any case.

    Returns:
        The exit code; 1 if something dreams what it should not.

    Raises:
        DreamVideoError: the network or device cannot be used, or the result file cannot be written.
    """
    from dreamvideo.bench.run_bench import run_benchmarks

    return run_benchmarks(request.settings, console.quiet)


def run_coherence(request: CoherenceRequest, console: Console) -> int:
    """Measure how strongly and how steadily video is dreamed.

    Args:
        request: what is measured, on which clips.
        console: whether progress is printed; tables are, in any case.

    Returns:
        The exit code.

    Raises:
        DreamVideoError: the network, device or a clip cannot be used, or a result file cannot be written.
    """
    from dreamvideo.bench.coherence.run_coherence import bench_coherence

    return bench_coherence(request.settings, request.clips, console.quiet)


def run_scaling(request: ScalingRequest, console: Console) -> int:
    """Measure how much faster several workers are than one.

    Args:
        request: what is measured.
        console: whether progress is printed; tables are, in any case.

    Returns:
        The exit code.

    Raises:
        DreamVideoError: the network or the workers cannot be used.
    """
    if request.settings.simulate:
        from dreamvideo.bench.cluster_simulation import simulate_scaling

        return simulate_scaling()
    from dreamvideo.bench.cluster_scaling import bench_cluster_scaling
    from dreamvideo.process import configure_process

    configure_process(request.model)
    return bench_cluster_scaling(request.settings, request.model, request.objective, request.dream, console.quiet)


def run_live_bench(request: LiveBenchRequest, console: Console) -> int:
    """Measure frame rate and latency of a live dream.

    Args:
        request: what is measured.
        console: whether progress is printed; tables are, in any case.

    Returns:
        The exit code.

    Raises:
        DreamVideoError: the network or the display cannot be used, or the result file cannot be written.
    """
    from dreamvideo.bench.live_latency import bench_live_latency
    from dreamvideo.process import configure_process

    configure_process(request.model)
    return bench_live_latency(request.settings, request.model, request.objective, request.dream, console.quiet)


def run_gpu_check(request: GpuCheckRequest, console: Console) -> int:
    """Test and measure everything on a GPU.

    Args:
        request: what is measured, and where the results go.
        console: whether progress is printed; tables are, in any case.

    Returns:
        The exit code; 1 if a part failed.

    Raises:
        DreamVideoError: there is no such device, or the results cannot be written.
    """
    from dreamvideo.bench.gpu_check.check_run import check_gpu

    return check_gpu(request.settings, console.quiet)
