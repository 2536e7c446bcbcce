"""How busy a GPU is and how much of its memory is used, by nvidia-smi, which is asked again and again."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Generator, Sequence
from statistics import mean

import torch

from dreamvideo.info.tables import TableRow

INTERVAL = 0.25  # seconds between two questions
PATIENCE = 5.0  # seconds that an answer may take

Sample = tuple[float, float, float]  # seconds of time.perf_counter, % of time busy, MB of memory in use


def query_gpu(device: torch.device, fields: Sequence[str]) -> list[str] | None:
    """Ask nvidia-smi once.

    Args:
        device: a CUDA device.
        fields: names as `nvidia-smi --help-query-gpu` lists them.

    Returns:
        The values; None: there is no nvidia-smi, or it does not answer.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    # A number means another card where some are hidden from this process; but a driver may know no such name.
    uuid = str(torch.cuda.get_device_properties(device).uuid).removeprefix("GPU-")
    for card in (f"GPU-{uuid}", str(device.index or 0)):
        words = [program, "-i", card, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
        try:
            answer = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        return [value.strip() for value in answer.stdout.strip().split(",")]
    return None


@contextlib.contextmanager
def watch_gpu(device: torch.device) -> Generator[list[Sample], None, None]:
    """Sample a GPU while the block runs.

    Args:
        device: where there is no CUDA nothing is sampled.

    Yields:
        A list that grows.
    """
    samples: list[Sample] = []
    stop = threading.Event()

    def sample() -> None:
        while not stop.is_set():
            values = query_gpu(device, ("utilization.gpu", "memory.used"))
            if values is None:
                return
            with contextlib.suppress(ValueError):  # "[N/A]"
                samples.append((time.perf_counter(), float(values[0]), float(values[1]) * 1.048576))
            stop.wait(INTERVAL)

    thread = threading.Thread(target=sample, name="nvidia-smi", daemon=True)
    if device.type == "cuda":
        thread.start()
    try:
        yield samples
    finally:
        stop.set()
        if thread.is_alive():
            thread.join(PATIENCE)


def load_figures(samples: Sequence[Sample], start: float) -> TableRow:
    """Summarize samples.

    Args:
        samples: of `watch_gpu`.
        start: seconds of time.perf_counter; earlier ones are left out.

    Returns:
        Mean and largest share of busy time, and the most memory in use; empty: there are no samples.
    """
    counted = [sample for sample in samples if sample[0] >= start]
    if not counted:
        return {}
    busy = [sample[1] for sample in counted]
    return {"gpu_%": mean(busy), "gpu_%_max": max(busy), "card_MB": max(sample[2] for sample in counted)}
