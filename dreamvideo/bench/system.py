"""Describes the machine and the versions that a report was made with."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import torch

from dreamvideo._version import __version__

PACKAGES: Final = ("torch", "torchvision", "opencv-python", "av", "numpy")


def describe_system(device: torch.device, settings: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return versions, machine, settings and date, for the head of a report.

    Args:
        device: what the benchmark runs on.
        settings: of the benchmark, copied as they are.
        now: the date of the report.
    """
    return {
        "dreamvideo": __version__,
        "date": now.isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        },
        "settings": dict(settings),
    }


def _version(name: str) -> str | None:
    for package in (name, f"{name}-headless"):  # OpenCV has two
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
