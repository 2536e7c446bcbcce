"""Run dreamvideo from a checkout: python cli.py video clip.mp4."""

from dreamvideo.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
