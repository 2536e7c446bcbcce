"""What differs on Windows and macOS, pretended here; and no call that only POSIX has without its way elsewhere."""

from __future__ import annotations

import ast
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from dreamvideo.bench import peak_memory
from dreamvideo.commands import signals
from dreamvideo.commands.signals import cancel_on_signals, stopping_signals
from dreamvideo.devices import TRIALS, pick_precision
from dreamvideo.errors import OutputError
from dreamvideo.media import atomic_files
from dreamvideo.media.atomic_files import check_name_length, write_atomically
from dreamvideo.process import child_environment, python_child, spin_briefly

PACKAGE = Path(__file__).parents[1] / "dreamvideo"

MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
# Names that Windows lacks.
NAMES = {
    "os": """chown chroot confstr copy_file_range ctermid fchmod fchown fork forkpty getegid geteuid getgid getgroups
        getloadavg getpgid getpriority getuid killpg lchown mkfifo mknod nice openpty pathconf pipe2 posix_fadvise
        posix_fallocate pread pwrite sched_getaffinity sched_setaffinity sched_yield sendfile setpgid setsid statvfs
        sysconf uname wait wait4 O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK WNOHANG""",
    "signal": "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 alarm setitimer",
    "socket": "AF_UNIX SO_REUSEPORT",
    "time": "clock_settime tzset",
}
# Each use in the package -> what happens elsewhere.
GUARDED = {
    ("media/atomic_files.py", "os.pathconf"): "AttributeError is caught: 255 bytes, which NTFS has, too",
    ("commands/signals.py", "signal.SIGHUP"): "hasattr",
    ("live/cameras/webcam.py", "os.O_NONBLOCK"): "on Linux alone",
    ("jobs/cluster/worker.py", "os.sched_setaffinity"): "on Linux alone",
    ("threads.py", "os.sched_getaffinity"): "hasattr",
    ("studio/sound_process.py", "os.nice"): "hasattr",
    ("bench/system.py", "os.getloadavg"): "hasattr",
    ("bench/gpu_check/machine_facts.py", "os.sched_getaffinity"): "hasattr",
    ("bench/gpu_check/check_run.py", "os.killpg"): "hasattr",
    ("bench/gpu_check/check_run.py", "signal.SIGKILL"): "after the same hasattr",
    ("bench/peak_memory.py", "resource"): "on Windows psapi is asked",
}

# Metal has no float64. Each module that names it -> why it does not meet a GPU.
FLOAT64 = {
    "ascent/compat.py": "81 numbers, on the CPU; float32 when they are placed",
    "ascent/gradient_shaping.py": "nine numbers, on the CPU; float32 when they are placed",
    "models/cpu_engine/compile.py": "the engine of the CPU",
    "motion/similarity.py": "made on the CPU, float32 when they are moved",
    "video/carry_bytes.py": "numbers that are stored, on the CPU",
}
NOT_ON_METAL = ("training", "bench")  # the former runs on a CPU, the latter measures CUDA and CPU


def modules_with_float64() -> set[str]:
    """Those that name torch's float64, or call `Tensor.double`."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Attribute) or place.startswith(NOT_ON_METAL):
                continue
            of_torch = isinstance(node.value, ast.Name) and node.value.id == "torch"
            if (of_torch and node.attr in ("float64", "complex128")) or node.attr == "double":
                found.add(place)
    return found


def posix_uses() -> set[tuple[str, str]]:
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.attr in NAMES.get(node.value.id, "").split():
                    found.add((place, f"{node.value.id}.{node.attr}"))
            elif isinstance(node, ast.Import):
                found |= {(place, alias.name) for alias in node.names if alias.name in MODULES}
            elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
                found.add((place, node.module))
    return found


def test_each_call_that_only_posix_has_is_known() -> None:
    assert posix_uses() == GUARDED.keys()


def test_metal_meets_no_float64_and_no_bf16() -> None:
    assert modules_with_float64() == FLOAT64.keys()
    assert pick_precision("auto", torch.device("mps")) == torch.float32  # bf16 and autocast have gaps there
    assert {"antialiased resizing", "bicubic resizing"} <= TRIALS.keys()  # tried before it is used, see test_devices.py


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(atomic_files, "_RENAME_WAIT", 0)
    return monkeypatch


def refuse(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """As Windows refuses to rename a file that a virus scanner has open, or to replace one that a player has."""
    real, left = os.replace, iter(range(times))

    def replace(source: Any, target: Any) -> None:
        if next(left, None) is not None:
            raise PermissionError(13, "Access is denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)


def test_a_file_that_is_open_for_a_moment_is_replaced_later(windows: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"old")
    refuse(windows, 3)
    write_atomically(tmp_path / "film.mp4", b"new")
    assert (tmp_path / "film.mp4").read_bytes() == b"new" and len(list(tmp_path.iterdir())) == 1


def test_a_file_that_stays_open_is_left_and_said(windows: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"old")
    refuse(windows, 1000)
    with pytest.raises(PermissionError, match="open in another program"):
        write_atomically(tmp_path / "film.mp4", b"new")
    assert (tmp_path / "film.mp4").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_elsewhere_a_file_that_may_not_be_replaced_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refuse(monkeypatch, 1)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waits"))
    with pytest.raises(PermissionError, match="denied"):
        write_atomically(tmp_path / "film.mp4", b"new")


@pytest.mark.parametrize("enabled", [0, 1, None])
def test_a_path_that_is_too_long_for_windows_is_said(
    enabled: int | None, windows: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Key:
        def __enter__(self) -> Key:
            return self

        def __exit__(self, *error: object) -> None: ...

    def open_key(root: str, place: str) -> Key:
        assert root == "HKLM" and place.endswith("FileSystem") and "\\\\" not in place
        if enabled is None:
            raise FileNotFoundError
        return Key()

    winreg = ModuleType("winreg")
    vars(winreg).update(HKEY_LOCAL_MACHINE="HKLM", OpenKey=open_key, QueryValueEx=lambda key, name: (enabled, 4))
    windows.setitem(sys.modules, "winreg", winreg)
    path = tmp_path.joinpath(*["folder"] * 40, "film.mp4")
    check_name_length(tmp_path / "film.mp4")
    if enabled:
        check_name_length(path)
    else:
        with pytest.raises(OutputError, match="characters, expected at most 200: .*LongPathsEnabled"):
            check_name_length(path)


def test_ctrl_break_and_a_closed_console_stop_after_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    asked: list[bool] = []
    with cancel_on_signals(lambda: asked.append(True), 130) as should_stop:
        assert not should_stop()
        signal.raise_signal(signal.SIGUSR1)
        assert should_stop() and asked == [True]
    for number in stopping_signals():
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)


def test_without_hangups_a_batch_runs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGHUP")
    with signals.outlive_terminal():
        assert signal.SIGINT in stopping_signals()


def test_memory_is_measured_on_windows(windows: pytest.MonkeyPatch) -> None:
    def info(process: Any, counters: Any, size: Any) -> int:
        sizes = ctypes.cast(counters, ctypes.POINTER(ctypes.c_size_t))
        first = ctypes.cast(counters, ctypes.POINTER(ctypes.c_uint32))
        assert first[0] == size.value == 9 * ctypes.sizeof(ctypes.c_size_t)
        sizes[1], sizes[2] = 300, 200
        return 1

    kernel = SimpleNamespace(GetCurrentProcess=lambda: -1, K32GetProcessMemoryInfo=info)
    kernel.GetCurrentProcess = type("Call", (), {"restype": None, "__call__": lambda self: -1})()
    windows.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    windows.setattr(Path, "read_text", lambda self, *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    assert peak_memory.resident_bytes() == (200, 300)


def test_workers_are_pinned_on_linux_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    from dreamvideo.jobs.cluster.worker import pin_to_cores

    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: pytest.fail("there is no /proc"), raising=False)
    for system in ("win32", "darwin", "freebsd14"):
        monkeypatch.setattr(sys, "platform", system)
        pin_to_cores(0, 1)


@pytest.mark.parametrize("chosen", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}, {"KMP_BLOCKTIME": "9"}])
def test_idle_threads_sleep_soon_unless_the_user_has_chosen(
    chosen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    for name in names:
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    spin_briefly()
    now = {name: os.environ[name] for name in names if name in os.environ}
    assert now == (chosen or {"GOMP_SPINCOUNT": "5000", "KMP_BLOCKTIME": "0"})


def test_the_command_chooses_before_torch_is_loaded() -> None:
    code = "import sys; from dreamvideo.cli import build_parser; build_parser(); sys.exit('torch' in sys.modules)"
    assert subprocess.run(python_child("-c", code), env=child_environment()).returncode == 0
