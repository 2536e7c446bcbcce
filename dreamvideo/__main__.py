"""Run the command line as a module: python -m dreamvideo video clip.mp4."""

import os
import sys

# `python -m` puts the current folder in front, where a file such as cv2.py would be imported in place of the library.
if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

from dreamvideo.cli import main  # noqa: E402

if __name__ == "__main__":
    raise SystemExit(main())
