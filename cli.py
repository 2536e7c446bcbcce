"""Run dreamvideo from a checkout: python cli.py video clip.mp4."""

from dreamvideo.__main__ import start

if __name__ == "__main__":
    raise SystemExit(start())
