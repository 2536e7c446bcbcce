"""What `dreamvideo doctor` looks at: versions, packages, the device, a graphics card that torch does not use.

Each check returns one line, and if something is missing, what to type. Nothing here raises for what a machine lacks.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from dreamvideo._version import __version__
from dreamvideo.threads import usable_cores

# Modules without which nothing is dreamed -> the packages that hold them, the one to install first.
NEEDED: Final = {
    "torch": ("torch",),
    "torchvision": ("torchvision",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    "av": ("av",),
    "numpy": ("numpy",),
    "PIL": ("Pillow",),
    "safetensors": ("safetensors",),
    "filelock": ("filelock",),
    "tqdm": ("tqdm",),
    "cv2_enumerate_cameras": ("cv2-enumerate-cameras",),
}
# Extras -> a package that each installs, and what it is for.
EXTRAS: Final = {
    "studio": ("starlette", "a page to work on"),
    "cluster": ("ray", "several machines"),
    "music": ("librosa", "onsets and beats"),
    "photos": ("pillow-heif", "HEIC photos"),
    "remote": ("s3fs", "films elsewhere"),
    "microphone": ("sounddevice", "live sound"),
    "osc": ("python-osc", "controls by OSC"),
    "midi": ("mido", "controls by MIDI"),
    "camera": ("pyvirtualcam", "a camera for other programs"),
}

_PCI: Final = Path("/sys/bus/pci/devices")
_NVIDIA: Final = "0x10de"  # of the PCI vendors' list
_DISPLAY: Final = "0x03"  # the PCI class of display controllers
_TORCH_PAGE: Final = "https://pytorch.org/get-started/locally/"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found."""

    topic: str
    text: str  # on one line
    remedy: str = ""  # what to type, or to do; empty: nothing is missing
    needed: bool = False  # nothing can be dreamed before the remedy


def format_checks(results: Sequence[CheckResult]) -> list[str]:
    """Format what checks found, a line each: those with a remedy begin with an exclamation mark.

    Args:
        results: in the order of the lines.
    """
    width = max(len(result.topic) for result in results)
    return [
        f"{'!' if result.remedy else ' '} {result.topic:{width}}  {result.text}"
        + (f": {result.remedy}" if result.remedy else "")
        for result in results
    ]


def examine_system() -> list[CheckResult]:
    """Return the versions of this program and of Python, and the system."""
    return [
        CheckResult("dreamvideo", __version__),
        CheckResult("python", f"{platform.python_version()} ({platform.python_implementation()})"),
        CheckResult("system", f"{platform.platform()}, {platform.machine()}, {usable_cores()} cores"),
    ]


def examine_packages() -> list[CheckResult]:
    """Return the version of each package that is needed, or what is wrong with it, and which extras are installed."""
    results = [_check_module(module, packages) for module, packages in NEEDED.items()]
    missing = []
    for extra, (package, purpose) in EXTRAS.items():
        if found := _installed((package,)):
            results.append(CheckResult(package, found))
        else:
            missing.append(f"{extra} ({purpose})")
    if missing:  # an extra that nobody asked for is no fault: it has no remedy and no mark
        text = f'not installed: {", ".join(missing)}; type pip install "dreamvideo[NAME]" for one of them'
        results.append(CheckResult("extras", text))
    return results


def _check_module(module: str, packages: Sequence[str]) -> CheckResult:
    try:
        importlib.import_module(module)
    except Exception as error:  # a library of the system that is missing raises OSError, a broken one anything
        installed = _installed(packages)
        why = " ".join(str(error).split())
        remedy = f"type pip install {'--force-reinstall ' if installed else ''}{packages[0]}"
        if module == "cv2" and ".so" in why:  # a library of X11 or OpenGL, which small Linux systems lack
            remedy = f"type pip uninstall -y {packages[0]}, then pip install {packages[1]}, which has no windows"
        return CheckResult(module, f"cannot be imported ({why})", remedy, needed=True)
    return CheckResult(module, _installed(packages) or "installed")


def _installed(packages: Sequence[str]) -> str | None:
    """Version of the first of `packages` that is there, with its name where it is not the first."""
    for package in packages:
        try:
            found = version(package)
        except PackageNotFoundError:
            continue
        return found if package == packages[0] else f"{found} ({package})"
    return None


def examine_device() -> list[CheckResult]:
    """Return on what a dream runs by default; with a remedy where a graphics card is there that torch cannot use."""
    import torch

    from dreamvideo.devices import auto_device, device_name, pick_precision, precision_name

    device, gap = auto_device()
    precision = precision_name(pick_precision("auto", device))
    text = f"{device_name(device)}, {precision}, torch {torch.__version__}"
    if gap:
        return [CheckResult("device", f"{text}; {gap}", f"see {_TORCH_PAGE}")]
    if device.type == "cpu" and has_nvidia_card():
        return [CheckResult("device", f"{text}; an NVIDIA card is not used", cuda_remedy(torch.version.cuda))]
    return [CheckResult("device", text)]


def has_nvidia_card() -> bool:
    """Return whether this machine has a card by NVIDIA, whatever torch makes of it."""
    if sys.platform == "win32":  # the driver installs both
        system = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32"
        return (system / "nvcuda.dll").exists() or shutil.which("nvidia-smi") is not None
    if not sys.platform.startswith("linux"):
        return False  # there are no drivers for macOS
    return any(_is_nvidia(device) for device in _PCI.glob("*")) or shutil.which("nvidia-smi") is not None


def _is_nvidia(device: Path) -> bool:
    try:
        vendor, kind = (device / "vendor").read_text(), (device / "class").read_text()
    except OSError:
        return False
    return vendor.strip() == _NVIDIA and kind.startswith(_DISPLAY)


def cuda_remedy(built_for: str | None) -> str:
    """Return what to type so that torch uses a card by NVIDIA.

    Args:
        built_for: the version of CUDA that the installed torch is built for; None: for the CPU alone.
    """
    if built_for is not None:
        return f"its driver is missing or too old for CUDA {built_for}; type nvidia-smi to see"
    install = "type pip install --force-reinstall --no-deps torch torchvision"
    if sys.platform == "win32":  # the package index has torch for the CPU alone there
        return f"{install} --index-url {_cuda_index()}"
    return install.replace("--no-deps ", "")  # with the libraries of CUDA, which are packages of their own on Linux


def _cuda_index() -> str:
    """PyTorch's own index for the CUDA that this torch is published for, as far as its metadata tell."""
    try:
        wanted = " ".join(requires("torch") or ())
    except PackageNotFoundError:
        wanted = ""
    match = re.search(r"cuda-toolkit\S*==(\d+)\.(\d+)", wanted)
    return f"https://download.pytorch.org/whl/cu{match[1]}{match[2]}" if match else f"(see {_TORCH_PAGE})"
