from pathlib import Path
from typing import Any

import pytest
import torch

from dreamvideo.ascent.memory import available_bytes, measure_peak
from dreamvideo.devices import is_out_of_memory

CPU = torch.device("cpu")
MEMINFO = "MemTotal:       24000000 kB\nMemAvailable:   20000000 kB\n"


def machine(root: Path, **files: Any) -> Path:
    """A tree of /proc and /sys; `__` in a name is a slash."""
    for name, text in {"proc__meminfo": MEMINFO, **files}.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_what_the_system_says_is_available(tmp_path: Path) -> None:
    assert available_bytes(CPU, machine(tmp_path)) == 20_000_000 * 1024
    assert available_bytes(CPU, tmp_path / "elsewhere") is None
    assert available_bytes(torch.device("mps")) is None


def test_the_strictest_of_the_groups_above_counts_and_what_is_only_cached_is_free(tmp_path: Path) -> None:
    group = "sys__fs__cgroup__outer"
    root = machine(
        tmp_path,
        proc__self__cgroup="0::/outer/inner\n",
        **{
            f"{group}__memory_dot_max": "8000000000\n",
            f"{group}__memory_dot_current": "3000000000\n",
            f"{group}__memory_dot_stat": "anon 5\ninactive_file 1000000000\n",
            f"{group}__inner__memory_dot_max": "max\n",
            f"{group}__inner__memory_dot_current": "1\n",
        },
    )
    assert available_bytes(CPU, root) == 6_000_000_000


def test_groups_of_version_1_and_containers_that_are_their_own_root(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        proc__self__cgroup="5:devices:/\n4:memory:/docker/0123\n0::/\n",
        sys__fs__cgroup__memory__memory_dot_limit_in_bytes="4000000000\n",
        sys__fs__cgroup__memory__memory_dot_usage_in_bytes="1000000000\n",
    )
    assert available_bytes(CPU, root) == 3_000_000_000


def test_the_peak_counts_what_is_alive_at_once_and_not_views() -> None:
    def work() -> torch.Tensor:
        kept = torch.zeros(1000)
        for _ in range(3):
            (kept + 1).mul_(2)[None].expand(5, -1)
        return kept

    assert measure_peak(work) == 2 * 4000


def test_the_peak_counts_what_autograd_keeps() -> None:
    x = torch.ones(1000, requires_grad=True)
    assert measure_peak(lambda: torch.autograd.grad(x.exp().exp().sum(), x)) >= 3 * 4000


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
        RuntimeError("[alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_errors_that_say_there_is_no_memory(error: Any) -> None:
    assert is_out_of_memory(error)


def test_other_errors_do_not_say_so() -> None:
    assert not is_out_of_memory(RuntimeError("shapes differ"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_a_request_of_the_cpu_that_cannot_be_met_is_recognized() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
