"""Exit codes."""

from __future__ import annotations

DONE, FAILED, USAGE, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def exit_code(failed: int, jobs: int) -> int:
    """Of a command of which `failed` of its `jobs` failed."""
    if not failed:
        return DONE
    return FAILED if failed == jobs else SOME_FAILED
