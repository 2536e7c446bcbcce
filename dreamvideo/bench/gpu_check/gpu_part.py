"""One part of the check in a process of its own, so that a crash, a hang or a failed recording spoils no other part.

`python -m dreamvideo.bench.gpu_check.gpu_part JSON` is that process: JSON holds the fields of `PartJob`. It prints a
JSON object a line: {"row": ...} for each result, {"error": ...} if the part fails. All else goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import logging
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from dreamvideo.info.tables import TableRow, TableValue

if TYPE_CHECKING:
    from dreamvideo.bench.gpu_check.check_plan import GpuCheck

# Part -> (module, function). Modules are imported one by one: what one of them lacks is no matter of the others.
PART_FUNCTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "versions": ("dreamvideo.bench.gpu_check.machine_facts", "fact_rows"),
    "tests": ("dreamvideo.bench.gpu_check.gpu_tests", "gpu_test_rows"),
    "kernels": ("dreamvideo.bench.gpu_check.kernel_times", "kernel_rows"),
    "graphs": ("dreamvideo.bench.gpu_check.graph_times", "graph_rows"),
    "leak": ("dreamvideo.bench.gpu_check.memory_slope", "leak_rows"),
    "fp16": ("dreamvideo.bench.gpu_check.fp16_gradients", "gradient_check_rows"),
    "carried": ("dreamvideo.bench.gpu_check.stream_rates", "carried_rows"),
    "files": ("dreamvideo.bench.gpu_check.file_rates", "file_rows"),
    "lanes": ("dreamvideo.bench.gpu_check.stream_rates", "lane_rate_rows"),
    "live": ("dreamvideo.bench.gpu_check.live_rate", "live_rate_rows"),
}


@dataclass(frozen=True, slots=True)
class PartJob:
    """What one process does."""

    part: str
    device: str
    model: str
    out: str
    seconds: float  # no further measurement starts after them


def part_function(part: str) -> Callable[[GpuCheck], Iterator[TableRow]]:
    """Import and return the function of a part."""
    module, function = PART_FUNCTIONS[part]
    return cast("Callable[[GpuCheck], Iterator[TableRow]]", getattr(importlib.import_module(module), function))


def run_job(job: PartJob) -> Iterator[dict[str, Any]]:
    """Run a part; whatever it raises is printed and becomes its last line."""
    try:
        from dreamvideo.bench.gpu_check.check_plan import GpuCheck
        from dreamvideo.bench.timing import TimeLimit
        from dreamvideo.devices import pick_device
        from dreamvideo.process import configure_process
        from dreamvideo.settings.dream import ModelSettings

        limit = TimeLimit(job.seconds / 60)
        device = pick_device(job.device)
        configure_process(ModelSettings(device=job.device))
        for row in part_function(job.part)(GpuCheck(device, job.model, Path(job.out), limit)):
            yield {"row": {name: _in_json(value) for name, value in row.items()}}
    except Exception as error:  # of any kind: the other parts go on
        traceback.print_exc()
        yield {"error": f"{type(error).__name__}: {error}".splitlines()[0]}


def _in_json(value: TableValue) -> TableValue:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def print_results() -> None:
    """Run the job of the command line; what libraries print goes to stderr."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    logging.getLogger("dreamvideo").setLevel(logging.INFO)
    for line in run_job(PartJob(**json.loads(sys.argv[1]))):
        print(json.dumps(line), file=results, flush=True)


if __name__ == "__main__":
    print_results()
