"""Process-wide switches: threads, TF32, the allocator of the C library, and from which folders code is imported.

Each of them affects everything else in a process, so the library never touches them. `configure_process` is called
once by the command, and by the processes that it starts (cluster workers, children of a benchmark). torch and OpenCV
are imported where they are used: a child process that opens a window or a camera needs little of this.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from dreamvideo.settings.dream import ModelSettings
from dreamvideo.threads import usable_cores

if TYPE_CHECKING:
    import torch

# Parameters of mallopt, from <malloc.h>.
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3

_KEPT_BYTES = 256 * 2**20  # more than the largest tensor of an ascent, and than what one step frees

# Seconds that a Python thread may keep the others waiting; with Python's default of 5 ms the waits add up to a stutter.
SWITCH_INTERVAL: Final = 0.001

# How long threads of OpenMP that have nothing to do keep a core busy before they sleep: for each library that torch is
# built with (GNU's on Linux, in turns; LLVM's and Intel's elsewhere, in ms) its variable and a value. GNU's default is
# 300000 turns, by which two programs on the same cores slow each other up to tenfold. With 1000 a photo took up to 1.11
# times as long on quiet cores, with 5000 as long as by default; of two at once each took 1.4 and 1.9 times as long.
_SPINS: Final = {"GOMP_SPINCOUNT": "5000", "KMP_BLOCKTIME": "0"}
_CHOSEN_BY_USERS: Final = ("OMP_WAIT_POLICY", *_SPINS)

_ROOT: Final = Path(__file__).resolve().parents[1]  # from where this package is imported

_network_folder: Path | None = None  # see `networks_from`


def configure_process(model: ModelSettings, *, opencv_threads: bool = False) -> None:
    """Set up this process to run the network of `model` as fast as it can.

    - On a CPU: `model.threads` threads in PyTorch, and freed memory is kept, see `keep_freed_memory`.
    - On CUDA: products of float32 numbers are rounded to TF32 if `model.precision` is "tf32", and else are not. cuDNN
      takes convolutions that add in the same order each time, chosen by shapes and not by a race, so that a resumed job
      goes on bit for bit. Weights are frozen, so only gradients with respect to activations lose a few kernels to that.

    Call it before `load_network`, and never from a library: a program that uses dreamvideo makes its own choice. The
    library works without: an ascent sets the precision it was asked for while it runs, see `devices.tf32_products`.

    Args:
        model: device, precision and threads. A device that does not exist is left for `load_network` to report.
        opencv_threads: also limit OpenCV to `model.threads`, for several processes that share one machine.
    """
    import cv2
    import torch

    device = _device(model)
    if opencv_threads and model.threads:
        cv2.setNumThreads(model.threads)
    if device.type == "cpu":
        if model.threads:
            torch.set_num_threads(model.threads)
        keep_freed_memory()
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = model.precision == "tf32"
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


def spin_briefly() -> None:
    """Let idle threads sleep soon, for the sake of other programs on the same cores, unless the user has chosen.

    Call it before torch is loaded, which reads these variables of the environment then; child processes inherit them.
    """
    if not any(name in os.environ for name in _CHOSEN_BY_USERS):
        os.environ.update(_SPINS)


@contextlib.contextmanager
def networks_from(folder: Path | None) -> Generator[None, None, None]:
    """Let `import_network_module` also import from a folder inside the block.

    Args:
        folder: the current folder of the command whose `--model` names a module; None: no such folder.
    """
    global _network_folder
    before, _network_folder = _network_folder, folder
    try:
        yield
    finally:
        _network_folder = before


def network_folder() -> Path | None:
    """Return the folder of the innermost `networks_from`."""
    return _network_folder


@contextlib.contextmanager
def importing_networks() -> Generator[Callable[[str], ModuleType], None, None]:
    """Make the folder of `networks_from` importable inside the block, behind all others.

    A file that lies there by chance, or on purpose, under the name of an installed module is thus not executed.

    Yields:
        A function that imports a module, like `importlib.import_module`; the folder has the first word about the module
        that it names.
    """
    folder = _network_folder
    if folder is None:
        yield importlib.import_module
        return
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    try:
        yield lambda name: _import_from(folder, name)
    finally:
        with contextlib.suppress(ValueError):  # the module has taken it away
            sys.path.remove(str(folder))


def _import_from(folder: Path, name: str) -> ModuleType:
    top = name.partition(".")[0]
    spec = None if top in sys.modules else importlib.machinery.PathFinder.find_spec(top, [str(folder)])
    if spec is not None and spec.loader is not None:
        module = sys.modules[top] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[top]
            raise
    return importlib.import_module(name)


def python_child(*words: str) -> list[str]:
    """Return the command line of a child process of this Python that imports nothing from the current folder.

    Args:
        words: what follows the interpreter, such as `-c` and code.
    """
    return [sys.executable, "-P", *words]


def child_environment() -> dict[str, str]:
    """Return the environment of a child process that imports this package, installed or not."""
    installed = _ROOT.name in ("site-packages", "dist-packages")  # found anyway, and not to come before Python's own
    paths = [] if installed else [str(_ROOT)]
    paths += os.environ.get("PYTHONPATH", "").split(os.pathsep)  # an empty item means the current folder
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@contextlib.contextmanager
def responsive_threads(model: ModelSettings) -> Generator[Callable[[], None], None, None]:
    """Share the processor so that the main thread of a live dream does not wait for the ascent.

    Inside the block Python switches threads often, OpenCV uses a quarter of the cores, and PyTorch a single thread in
    the main thread. Everything is restored at the end.

    Args:
        model: on a CPU, the ascent takes `threads` threads, or all cores but one.

    Yields:
        A function to be called first in the thread of the ascent.
    """
    import cv2
    import torch

    cores = usable_cores()
    ascent_threads = model.threads or max(1, cores - 1)
    before = sys.getswitchinterval(), cv2.getNumThreads(), torch.get_num_threads()
    on_cpu = _device(model).type == "cpu"
    sys.setswitchinterval(SWITCH_INTERVAL)
    cv2.setNumThreads(max(1, cores // 4))
    torch.set_num_threads(1)

    def prepare_ascent() -> None:
        if on_cpu:
            torch.set_num_threads(ascent_threads)

    try:
        yield prepare_ascent
    finally:
        sys.setswitchinterval(before[0])
        cv2.setNumThreads(before[1])
        torch.set_num_threads(before[2])


def _device(model: ModelSettings) -> torch.device:
    import torch

    from dreamvideo.devices import auto_device

    return auto_device()[0] if model.device == "auto" else torch.device(model.device)


@cache
def keep_freed_memory() -> bool:
    """Let the C library keep freed memory for later requests, in place of returning it to the system.

    glibc serves large blocks as fresh mappings and returns what is free at the end of the heap. An ascent frees and
    requests the same tensors again and again, and each of their pages would be faulted in anew: 9000 pages a gradient
    at 640x360 in float32 (keeping them: 1.03 times as fast), 27000 for four lanes in bfloat16 (1.12 times).

    Returns:
        False where the C library is not glibc; nothing is changed there.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    return bool(libc.mallopt(_MMAP_THRESHOLD, _KEPT_BYTES) and libc.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))
