"""Run the command line as a module: python -m dreamvideo video clip.mp4."""

from dreamvideo.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
