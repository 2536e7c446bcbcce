"""python -m dreamvideo"""

from dreamvideo.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
