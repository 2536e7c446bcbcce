"""The program: `dreamvideo video clip.mp4`, or python -m dreamvideo video clip.mp4.

Ctrl-C ends it with one line even while its modules are being imported, which takes a second or two.
"""

from __future__ import annotations

import os
import sys

# `python -m` puts the current folder in front, where a file such as cv2.py would be imported in place of the library.
if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

from contextlib import suppress  # noqa: E402


def start() -> int:
    """Import the command line and run it; return the exit code."""
    try:
        from dreamvideo.cli import main

        return main()
    except KeyboardInterrupt:
        with suppress(OSError, ValueError):
            print("dreamvideo: interrupted", file=sys.stderr, flush=True)
        return 130  # as `commands.console.INTERRUPTED`, which may not be imported yet


if __name__ == "__main__":
    raise SystemExit(start())
