"""Makes pictures of the documentation from the sample clip: the moving one of the README, and the gallery of presets.

    python samples/make_pictures.py opening        # docs/pictures/opening.webp: source and dream side by side
    python samples/make_pictures.py gallery        # docs/pictures/looks/NAME.jpg

Presets whose network is not installed (those of other programs, which download theirs) are left out of the gallery.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dreamvideo import DreamVideoError, dream_file, open_video, write_image
from dreamvideo.settings.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT / "samples" / "valley.mp4"
PICTURES = ROOT / "docs" / "pictures"

EVERY = 2  # frame of the clip: 12 a second
PANE = 400, 225  # width, height of one half
QUALITY = 50  # of WebP and, for the gallery, 78 of JPEG: chosen by eye, for pages that load quickly
LOOK = 384, 216  # width, height of a picture of the gallery
MOMENT = 1.0  # seconds into the clip: a valley with trees, water and sky


def side_by_side(dream: Path) -> Iterator[Image.Image]:
    """Every second frame: the source on the left, its dream on the right, a gap of two pixels between them."""
    with open_video(CLIP) as source, open_video(dream) as dreamed:
        for number, (left, right) in enumerate(zip(source.frames, dreamed.frames, strict=True)):
            if number % EVERY == 0:
                panes = [cv2.resize(each.image, PANE, interpolation=cv2.INTER_AREA) for each in (left, right)]
                gap = np.full((PANE[1], 2, 3), 255, np.uint8)
                yield Image.fromarray(np.hstack([panes[0], gap, panes[1]]))


def make_opening(output: Path) -> None:
    """Dream the whole clip, and write both as an animation that plays in a loop."""
    with tempfile.TemporaryDirectory() as folder:
        dream = dream_file(CLIP, Path(folder) / "dream.mp4")
        first, *others = side_by_side(dream)
    first.save(
        output,
        save_all=True,
        append_images=others,
        duration=round(1000 * EVERY / 24),
        loop=0,
        quality=QUALITY,
        method=6,
    )
    print(f"{output}: {output.stat().st_size / 1e6:.2f} MB, {1 + len(others)} frames")


def picture() -> NDArray[np.uint8]:
    """(H, W, 3) RGB: the frame of the clip that the gallery shows."""
    with open_video(CLIP) as source:
        return next(frame.image for frame in source.frames if frame.time >= MOMENT)  # type: ignore[return-value]


def make_gallery(folder: Path) -> None:
    """Dream one frame in every preset."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "source.png"
        write_image(picture(), source)
        save(source, folder / "source.jpg")
        for preset in PRESETS.values():
            dream = Path(temporary) / f"{preset.name}.png"
            try:
                dream_file(source, dream, preset=preset.name)
            except DreamVideoError as error:
                print(f"left out: {preset.name}: {error}")
                continue
            save(dream, folder / f"{preset.name}.jpg")
            print(preset.name, flush=True)


def save(source: Path, output: Path) -> None:
    """Write a picture as a small JPEG."""
    with Image.open(source) as opened:
        opened.convert("RGB").resize(LOOK, Image.Resampling.LANCZOS).save(output, quality=78, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("which", choices=["opening", "gallery"])
    if parser.parse_args().which == "opening":
        PICTURES.mkdir(parents=True, exist_ok=True)
        make_opening(PICTURES / "opening.webp")
    else:
        make_gallery(PICTURES / "looks")
