"""An image comes out upright, with all that is stored of it, by the orientation that its file declares alone."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import EXIF_TURNS, exif_block
from numpy.typing import NDArray
from PIL import Image

from dreamvideo.errors import SourceError
from dreamvideo.media.images import encode_dream, read_image, read_still, restore_format

H, W = 20, 31


def logo(depth: Any = np.uint8) -> NDArray[Any]:
    """(H, W, 4) RGBA of one color, of which no two orientations have equal alpha."""
    y, x = np.mgrid[0:H, 0:W]
    rgba = np.empty((H, W, 4), depth)
    rgba[:] = np.array([200, 30, 90, 0]) * (np.iinfo(depth).max // 255)
    rgba[..., 3] = (3 * y + 5 * x + 10 * (y < H // 2)) * (np.iinfo(depth).max // 255)
    return rgba


def encoded(suffix: str, rgb: NDArray[Any], orientation: int, late: bool = False) -> bytes:
    """A file with an EXIF orientation; `late`: the chunk of a PNG comes after the pixels."""
    if suffix == ".webp":  # its chunks depend on each other
        file = io.BytesIO()
        Image.fromarray(rgb).save(file, "WEBP", lossless=True, exact=True, exif=exif_block(orientation))
        return file.getvalue()
    content = cv2.imencode(suffix, rgb[..., [2, 1, 0, 3][: rgb.shape[2]]])[1].tobytes()
    if suffix == ".jpg":
        body = b"Exif\0\0" + exif_block(orientation)
        return content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:]
    if suffix == ".png":
        block = b"eXIf" + exif_block(orientation)
        chunk = struct.pack(">I", len(block) - 4) + block + struct.pack(">I", zlib.crc32(block))
        at = len(content) - 12 if late else 33  # before the last chunk, or after the first
        return content[:at] + chunk + content[at:]
    return with_tiff_tag(content, orientation)


def with_tiff_tag(content: bytes, orientation: int) -> bytes:
    """A TIFF with a new directory at its end: the old one and an orientation."""
    (at,) = struct.unpack("<I", content[4:8])
    (count,) = struct.unpack("<H", content[at : at + 2])
    entries = [content[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(count)]
    entries = [entry for entry in entries if entry[:2] != struct.pack("<H", 274)]
    entries.append(struct.pack("<HHIHH", 274, 3, 1, orientation, 0))
    entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return content[:4] + struct.pack("<I", len(content)) + content[8:] + directory


@pytest.mark.parametrize("orientation", EXIF_TURNS)
@pytest.mark.parametrize(
    ("suffix", "depth"),
    [(".png", np.uint8), (".png", np.uint16), (".webp", np.uint8), (".tif", np.uint8), (".tif", np.uint16)],
)
def test_the_alpha_of_an_image_of_one_color_is_turned_by_the_tag(
    tmp_path: Path, suffix: str, depth: Any, orientation: int
) -> None:
    stored = logo(depth)
    path = tmp_path / f"logo{suffix}"
    path.write_bytes(encoded(suffix, stored, orientation))
    image, still, losses = read_still(path, suffix=suffix)
    expected = EXIF_TURNS[orientation](stored)
    assert losses == ()
    assert image.shape == (*expected.shape[:2], 3)
    color, alpha = (channels.astype(float) / np.iinfo(depth).max for channels in np.split(expected, [3], 2))
    assert np.abs(read_image(path) - 255 * (color * alpha + 1 - alpha)).max() <= 1
    assert np.array_equal(restore_format(image, still), expected)


@pytest.mark.parametrize("orientation", EXIF_TURNS)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_colors_are_turned_by_the_tag(tmp_path: Path, suffix: str, orientation: int) -> None:
    y, x = np.mgrid[0:H, 0:W]
    stored = np.stack([40 + 9 * y, 50 + 6 * x, 3 * (x + y)], -1).astype(np.uint8)
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(encoded(suffix, stored, orientation))
    upright = tmp_path / f"upright{suffix}"
    upright.write_bytes(encoded(suffix, stored, 1))
    assert np.array_equal(read_image(path), EXIF_TURNS[orientation](read_image(upright)))


def test_an_orientation_after_the_pixels_counts(tmp_path: Path) -> None:
    path = tmp_path / "late.png"
    path.write_bytes(encoded(".png", logo(), 6, late=True))
    image, still, _ = read_still(path, suffix=".png")
    assert np.array_equal(restore_format(image, still), EXIF_TURNS[6](logo()))


@pytest.mark.parametrize("orientation", [0, 9, 255])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_an_orientation_that_does_not_exist_is_ignored(tmp_path: Path, suffix: str, orientation: int) -> None:
    for name, number in (("a", 1), ("b", orientation)):
        (tmp_path / f"{name}{suffix}").write_bytes(encoded(suffix, logo()[..., :3], number))
    assert np.array_equal(read_image(tmp_path / f"a{suffix}"), read_image(tmp_path / f"b{suffix}"))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged EXIF
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_damaged_file_is_an_image_or_an_error(tmp_path: Path, suffix: str) -> None:
    whole, dice = encoded(suffix, logo()[..., :3], 6), np.random.default_rng(0)
    path = tmp_path / f"a{suffix}"
    images = 0
    for mutation in mutations(whole, dice):
        path.write_bytes(mutation)
        try:
            image, still, _ = read_still(path, suffix=suffix)
        except SourceError as error:
            assert len(str(error).splitlines()) == 1 and str(path) in str(error)
        else:
            images += 1
            assert image.ndim == 3 and image.dtype == np.uint8
            encode_dream(image, still, path)
    assert images > 0


def mutations(whole: bytes, dice: np.random.Generator) -> list[bytes]:
    """The file cut short at 20 places, and 80 times with a few bytes of its first hundred changed."""
    cut = [whole[:at] for at in dice.integers(0, len(whole), 20)]
    changed = []
    for _ in range(80):
        data = bytearray(whole)
        for at in dice.integers(12, min(100, len(whole)), 3):
            data[at] = dice.integers(0, 256)
        changed.append(bytes(data))
    return cut + changed
