"""Measures the peak speed of the machine: a matrix product and the convolution that networks consist of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import torch
import torch.nn.functional as F

from dreamvideo.bench.precisions import in_precision
from dreamvideo.bench.timing import TimeLimit, spread_percent, time_interleaved
from dreamvideo.devices import has_fast_bf16
from dreamvideo.info.tables import TableRow


@dataclass(frozen=True, slots=True)
class MachinePeaks:
    """Operations per second: the best of each precision, and all measurements as table rows."""

    best: Mapping[str, float]
    rows: tuple[TableRow, ...]

    def share(self, precision: str, flop: float, seconds: float) -> float | None:
        """Return what percentage of the peak `flop` operations in `seconds` are; None: `precision` was not measured."""
        best = self.best.get(precision)
        return None if best is None else 100 * flop / seconds / best


def measure_peaks(device: torch.device, rounds: int, limit: TimeLimit) -> MachinePeaks:
    """Time a matrix product and a convolution in each precision that the device has in hardware.

    Args:
        device: what is measured.
        rounds: how often each is timed; at least 3.
        limit: no further round starts once it is reached.
    """
    types = {"fp32": torch.float32}
    if has_fast_bf16(device):
        types["bf16"] = torch.bfloat16
    if device.type == "cuda":
        types |= {"tf32": torch.float32, "fp16": torch.float16}
    big = device.type == "cuda"  # the work that keeps a CPU busy does not fill a GPU
    side, batch, height, width = (8192, 8, 180, 320) if big else (1024, 1, 90, 160)
    contenders: dict[str, Callable[[], object]] = {}
    flop: dict[str, int] = {}
    for precision, dtype in types.items():
        for work, run, operations in (
            (f"matmul {side}", _matmul(side, dtype, device), 2 * side**3),
            (
                f"conv 3x3 c256 {width}x{height}",
                _conv(batch, height, width, dtype, device),
                2 * batch * height * width * 256 * 256 * 9,
            ),
        ):
            name = f"{work} {precision}"
            contenders[name], flop[name] = in_precision(precision, torch.no_grad()(run), device), operations
    times = time_interleaved(contenders, max(rounds, 3), device, limit, min_seconds=0.1)
    rows: tuple[TableRow, ...] = tuple(
        {
            "work": name.rpartition(" ")[0],
            "precision": name.rpartition(" ")[2],
            "GFLOP_per_s": flop[name] / median(t) / 1e9,
            "spread_%": spread_percent(t),
        }
        for name, t in times.items()
    )
    best = {p: max(flop[n] / median(t) for n, t in times.items() if n.endswith(f" {p}")) for p in types}
    return MachinePeaks(best, rows)


def _matmul(side: int, dtype: torch.dtype, device: torch.device) -> Callable[[], object]:
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return lambda: a @ b


def _conv(batch: int, height: int, width: int, dtype: torch.dtype, device: torch.device) -> Callable[[], object]:
    layout = torch.channels_last
    x = torch.randn(batch, 256, height, width, device=device).to(dtype, memory_format=layout)
    weight = torch.randn(256, 256, 3, 3, device=device).to(dtype, memory_format=layout)
    return lambda: F.conv2d(x, weight, padding=1)
