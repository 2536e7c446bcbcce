"""Runs the tests that need a GPU, where they lie beside the package; a rehearsal only collects them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.info.tables import TableRow
from dreamvideo.process import child_environment, python_child

ROOT = Path(__file__).parents[3]  # of the repository, if the package lies in one


def gpu_test_rows(check: GpuCheck) -> Iterator[TableRow]:
    """Run `pytest -m gpu`: a row for each test that fails, then one for all."""
    files = gpu_test_files(ROOT / "tests")
    if find_spec("pytest") is None or not files:
        yield {"test": "not run", "result": "pytest is missing" if files else f"no tests in {ROOT / 'tests'}"}
        return
    # Only files that hold such tests, so that no other needs what is missing here.
    words = python_child("-m", "pytest", "-m", "gpu", "-q", "-rfE", "--continue-on-collection-errors", "--durations=5")
    words += ["-p", "no:cacheprovider", *check.pick([], ["--collect-only"]), *map(str, files)]
    output = check.out / "pytest.txt"
    with output.open("w") as file:
        # To a file, so that what was printed is there even if this process is stopped.
        child = subprocess.Popen(words, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, env=child_environment())
        try:
            code: int | None = child.wait(check.limit.remaining())
        except subprocess.TimeoutExpired:
            code = None
        finally:
            child.kill()
            child.wait()
    lines = output.read_text(errors="replace").splitlines()
    for line in lines:
        if match := re.match(r"(FAILED|ERROR) ([^ ]*)(?: - (.*))?", line):
            yield {"test": match[2].removeprefix("tests/"), "result": match[1].lower(), "why": (match[3] or "")[:160]}
    last = next((line.strip("= ") for line in reversed(lines) if line.strip()), "")
    # 5: no test was collected; of a rehearsal 0 means that all were.
    yield {"test": "all", "result": "out of time" if code is None else f"exit code {code}", "why": last[:160]}


def gpu_test_files(folder: Path) -> list[Path]:
    """Return the files below a folder that hold tests for a GPU."""
    return [path for path in sorted(folder.rglob("test_*.py")) if "pytest.mark.gpu" in path.read_text(encoding="utf-8")]
