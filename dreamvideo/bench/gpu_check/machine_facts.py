"""What the check runs on: card, driver, versions, memory, processor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec

import torch

from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.bench.gpu_check.gpu_load import query_gpu
from dreamvideo.bench.system import describe_system
from dreamvideo.info.tables import TableRow
from dreamvideo.media.free_memory import free_memory


def fact_rows(check: GpuCheck) -> Iterator[TableRow]:
    """Name what the check runs on, one fact a row."""
    about = describe_system(check.device, {}, datetime.now(UTC))
    facts = {
        "run": "on a GPU" if check.on_gpu else "a rehearsal on a CPU: small sizes, few frames, no figure counts",
        "network": check.model,
        "dreamvideo": about["dreamvideo"],
        **about["versions"],
        **{name: about["machine"][name] for name in ("system", "processor", "cores", "load")},
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "free_memory_GB": (free_memory() or 0) / 1e9,
        "PyAV": "there" if find_spec("av") else "missing: no files are read or written",
        "CUDA": torch.version.cuda or "no CUDA",
        "cuDNN": torch.backends.cudnn.version(),
    }
    if check.on_gpu:
        card = torch.cuda.get_device_properties(check.device)
        free, total = torch.cuda.mem_get_info(check.device)
        facts |= {
            "card": card.name,
            "compute_capability": f"{card.major}.{card.minor}",
            "kernels_for": " ".join(torch.cuda.get_arch_list()),
            "multiprocessors": card.multi_processor_count,
            "VRAM_GB": total / 1e9,
            "free_VRAM_GB": free / 1e9,
        }
        fields = ("driver_version", "clocks.max.sm", "clocks.max.memory", "power.limit", "pstate")
        facts |= dict(zip(fields, query_gpu(check.device, fields) or (), strict=False))
    for name, value in facts.items():
        yield {"what": name, "value": f"{value:.1f}" if isinstance(value, float) else str(value)}
