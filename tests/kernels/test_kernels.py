"""Kernels of Triton give what their plain versions give: run by Triton's interpreter, and compiled for several GPUs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

import dreamvideo.ascent.fused_step  # noqa: F401 - defines operations
import dreamvideo.models.gpu_engine.fused_network  # noqa: F401 - so does this
from dreamvideo.kernels import library
from dreamvideo.kernels.library import fused_operations

pytest.importorskip("triton", reason="Triton is not installed on this platform")


INTERPRET = """
import torch
import dreamvideo.ascent.fused_step
import dreamvideo.models.gpu_engine.fused_network
from dreamvideo.kernels.library import fused_operations, outcome, relative_difference, tolerance

cpu = torch.device("cpu")
for operation in fused_operations():
    for args in operation.examples():
        expected, actual = (outcome(function, args, cpu) for function in (operation.plain, operation.launch))
        assert [each.shape for each in actual] == [each.shape for each in expected], operation.name
        print(operation.name, max(map(relative_difference, actual, expected)), tolerance(args))
"""


def run_program(program: str, **variables: str) -> list[str]:
    """The lines that a program prints in a process of its own: Triton decides when it is imported how it runs."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"} | variables
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout.splitlines()


def test_every_kernel_gives_what_its_plain_version_gives() -> None:
    lines = [line.split() for line in run_program(INTERPRET, TRITON_INTERPRET="1")]
    assert {name for name, _, _ in lines} == {operation.name for operation in fused_operations()}
    assert [line for line in lines if not float(line[1]) < float(line[2])] == []


def test_an_operation_that_differs_or_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    operations: list[library.FusedOp] = []
    monkeypatch.setattr(library, "_operations", operations)
    monkeypatch.setattr(library, "_library", torch.library.Library("dreamvideo", "FRAGMENT"))
    cpu = torch.device("cpu")

    def double(x: Tensor) -> Tensor:
        return 2 * x

    def broken(x: Tensor) -> Tensor:
        raise RuntimeError("no compiler")

    for name, launch, problem in (
        ("right", double, None),
        ("wrong", lambda x: 2.01 * x, "wrong differs by"),
        ("broken", broken, "broken: no compiler"),
    ):
        operations.clear()
        library.define(f"{name}(Tensor x) -> Tensor", double, launch, lambda: [(torch.ones(3),)])
        found = library.find_problem(cpu)
        assert found == problem or (problem is not None and found is not None and found.startswith(problem))


def test_operations_are_for_cuda_alone_and_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_works", lambda *args: True)
    assert not library.fused_on(torch.device("cpu"))
    assert library.fused_on(torch.device("cuda:0"))
    with library.fusion(False):
        assert not library.fused_on(torch.device("cuda:0"))


COMPILE = """
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime import JITFunction
import dreamvideo.ascent.fused_step
import dreamvideo.models.gpu_engine.fused_network
from dreamvideo.kernels.library import fused_operations

TYPES = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float16: "*fp16", torch.int64: "*i64"}

def compiler(kernel, grid):
    def compile(*args):
        pairs = list(zip(kernel.params, args, strict=True))
        constants = {parameter.name: value for parameter, value in pairs if parameter.is_constexpr}
        types = {
            parameter.name: "constexpr" if parameter.is_constexpr else TYPES[value.dtype]
            if isinstance(value, torch.Tensor) else "fp32" if isinstance(value, float) else "i32"
            for parameter, value in pairs
        }
        for capability in CAPABILITIES:
            source = ASTSource(fn=kernel, signature=types, constexprs=constants)
            assert triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["cubin"]
    return compile

JITFunction.__getitem__ = compiler
for operation in fused_operations():
    for args in operation.examples()[:EXAMPLES]:
        operation.launch(*args)
    print(operation.name)
"""


@pytest.mark.slow
def test_kernels_compile_for_gpus_of_all_ages() -> None:
    names = run_program(COMPILE.replace("CAPABILITIES", "[75, 80, 86, 90, 100, 120]").replace("EXAMPLES", "9"))
    assert sorted(names) == sorted(operation.name for operation in fused_operations())
