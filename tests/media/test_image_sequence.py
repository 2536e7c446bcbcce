"""Image files are a stream like any other, and what 8-bit RGB cannot hold of them is kept beside it."""

import itertools
import logging
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import EXIF_TURNS, exif_block, picture
from conftest import textured
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dreamvideo.errors import SourceError
from dreamvideo.frames import Still
from dreamvideo.media.image_encoder import encode_image
from dreamvideo.media.image_sequence import open_sequence, select_images
from dreamvideo.media.images import read_still, restore_format, to_eight_bit
from dreamvideo.settings.job import ReadSettings, SequenceSettings

RATE = Fraction(30_000, 1001)
IMAGE = textured(24, 40)


def store(path: Path, rgb: Any) -> Path:
    """(H, W) or (H, W, 3 or 4) RGB(A) in the format of the suffix, without loss where that can be."""
    stored = rgb if rgb.ndim == 2 else rgb[..., [2, 1, 0, 3][: rgb.shape[2]]]
    exact = (
        [cv2.IMWRITE_TIFF_COMPRESSION, 5] if path.suffix == ".tif" else []
    )  # LZW; OpenCV 4.9 takes another for floats
    done, content = cv2.imencode(path.suffix, np.ascontiguousarray(stored), exact)
    assert done
    path.write_bytes(content.tobytes())
    return path


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def turn(path: Path, orientation: Any) -> Path:
    """Give a PNG an EXIF orientation."""
    content = path.read_bytes()
    path.write_bytes(content[:33] + chunk(b"eXIf", exif_block(orientation)) + content[33:])
    return path


def read(
    pictures: Any, to_video: bool = False, read: ReadSettings = ReadSettings(), **settings: Any
) -> tuple[Any, list[Any]]:  # noqa: B008
    with open_sequence(tuple(pictures), read, SequenceSettings(**settings), to_video) as source:
        return source, list(source.frames)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return [store(tmp_path / f"{number}.png", textured(24, 40, number)) for number in range(5)]


# The contract of a reader.


def test_every_image_is_a_frame_at_its_time(pictures: list[Path]) -> None:
    source, frames = read(pictures, fps=RATE)
    assert [frame.time for frame in frames] == [n / RATE for n in range(5)]
    assert {frame.duration for frame in frames} == {1 / RATE}
    assert (source.info.width, source.info.height, source.info.frame_count) == (40, 24, 5)
    assert (source.info.frame_rate, source.info.time_base, source.lost) == (RATE, 1 / RATE, 0)
    for number, frame in enumerate(frames):
        assert np.array_equal(frame.image, textured(24, 40, number))
        assert frame.image.dtype == np.uint8 and frame.image.flags.c_contiguous
        assert (frame.still.path, frame.still.number) == (pictures[number], number)


def test_it_may_be_left_early_or_untouched(pictures: list[Path]) -> None:
    with open_sequence(tuple(pictures), ReadSettings(), SequenceSettings(), False) as source:
        next(source.frames)
        source.frames.close()
    with open_sequence(tuple(pictures), ReadSettings(), SequenceSettings(), False):
        pass


def test_an_image_is_read_when_its_frame_is_needed(pictures: list[Path]) -> None:
    with open_sequence(tuple(pictures), ReadSettings(), SequenceSettings(), False) as source:
        next(source.frames)
        store(pictures[4], np.zeros((24, 40, 3), np.uint8))
        assert not list(source.frames)[-1].image.any()


@pytest.mark.parametrize("bad", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", None])
@pytest.mark.parametrize("where", [0, 2, 4])
def test_an_unreadable_image_is_warned_of_and_leaves_a_gap(
    pictures: list[Path], caplog: pytest.LogCaptureFixture, bad: bytes | None, where: int
) -> None:
    if bad is None:
        pictures[where].unlink()
    else:
        pictures[where].write_bytes(bad)
    source, frames = read(pictures, fps=Fraction(10))
    left = [n for n in range(5) if n != where]
    assert [frame.still.number for frame in frames] == left
    assert [frame.time for frame in frames] == [Fraction(n - left[0], 10) for n in left]
    assert source.lost == 1
    assert [pictures[where].name in message for message in caplog.messages] == [True]


def test_half_an_image_cannot_be_read(pictures: list[Path], tmp_path: Path) -> None:
    for path in (pictures[1], store(tmp_path / "a.jpg", textured(64, 64)), store(tmp_path / "a.webp", IMAGE)):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(SourceError, match=f"{path.name} is damaged"):
            read_still(path)


@pytest.mark.parametrize(
    ("dtype", "name"), [(np.int16, "16-bit signed"), (np.int32, "32-bit signed"), (np.float64, "64-bit float")]
)
def test_an_unusual_dtype_is_an_error(tmp_path: Path, dtype: Any, name: str) -> None:
    path = store(tmp_path / "a.tif", IMAGE.astype(dtype))
    with pytest.raises(SourceError, match=f"stored as {name}: expected 8 or 16 bits"):
        read_still(path)


def test_a_header_that_promises_too_much_costs_only_its_own_image(pictures: list[Path]) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pictures[1].write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0" * 99)))
    source, frames = read(pictures)
    assert ([frame.still.number for frame in frames], source.lost) == ([0, 2, 3, 4], 1)


@pytest.mark.filterwarnings("error")
def test_nan_is_black(tmp_path: Path) -> None:
    image, still, _ = read_still(store(tmp_path / "a.tif", np.full((24, 40, 3), np.nan, np.float32)), suffix=".tif")
    assert not image.any()
    assert np.isnan(restore_format(image, still)).all()


def test_without_a_readable_image_there_is_no_stream(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not one of 2 images can be read"):
        read([tmp_path / "a.png", tmp_path / "b.png"])


def test_it_can_be_resumed_at_a_time(pictures: list[Path]) -> None:
    pictures[0].write_bytes(b"")
    _, frames = read(pictures)
    for frame in frames:
        with open_sequence(
            tuple(pictures), ReadSettings(), SequenceSettings(), to_video=False, resume=frame.time
        ) as source:
            following = next(source.frames)
        assert (following.time, following.still.number) == (frame.time, frame.still.number)


@hypothesis_settings(deadline=None)
@given(
    st.integers(1, 30),
    st.sampled_from([Fraction(25), RATE, Fraction(1, 3)]),
    st.none() | st.fractions(0, 5, max_denominator=60),
    st.none() | st.fractions(Fraction(1, 60), 5, max_denominator=60),
    st.none() | st.integers(1, 9),
)
def test_the_images_that_begin_in_the_part_are_selected(
    count: int, fps: Fraction, start: Fraction | None, duration: Fraction | None, frames: int | None
) -> None:
    begin = start or Fraction(0)
    first = next(n for n in itertools.count() if n / fps >= begin)
    expected = [n for n in range(first, count) if duration is None or (n - first) / fps < duration][:frames]
    paths = tuple(Path(f"{n}.png") for n in range(count))
    assert select_images(paths, ReadSettings(start, duration, frames), fps) == tuple(paths[n] for n in expected)


# Sizes.


def test_a_new_size_is_warned_of_once_and_kept_unless_it_is_a_video(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = [(24, 40), (24, 40), (40, 24), (40, 24), (24, 40)]
    paths = [store(tmp_path / f"{n}.png", textured(*size, n)) for n, size in enumerate(sizes)]
    caplog.set_level(logging.WARNING)
    _, frames = read(paths)
    assert [frame.image.shape[:2] for frame in frames] == sizes
    assert ["new size begins a new shot" in message for message in caplog.messages] == [True]
    caplog.clear()
    _, frames = read(paths, independent=True)
    assert [frame.image.shape[:2] for frame in frames] == sizes
    assert not caplog.messages
    _, frames = read(paths, to_video=True)
    assert [frame.image.shape[:2] for frame in frames] == [(24, 40)] * 5
    assert ["resized to 40x24" in message for message in caplog.messages] == [True]


# Images that 8-bit RGB cannot hold.


@pytest.mark.parametrize("orientation", EXIF_TURNS)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_images_are_turned_with_all_their_channels(tmp_path: Path, orientation: Any, channels: int, depth: Any) -> None:
    noise = np.random.default_rng(0).integers(0, np.iinfo(depth).max, (9, 14, channels), depth, endpoint=True)
    path = turn(store(tmp_path / "a.png", noise[..., 0] if channels == 1 else noise), orientation)
    image, still, losses = read_still(path, suffix=".png")
    expected = EXIF_TURNS[orientation](noise)
    assert losses == ()
    assert np.array_equal(image, to_eight_bit(np.broadcast_to(expected[..., :3], (*expected.shape[:2], 3))))
    written = restore_format(image, still)  # nothing was dreamed: it is the source to the last bit
    assert written.dtype == depth
    assert np.array_equal(written, expected[..., 0] if channels == 1 else expected)


@hypothesis_settings(deadline=None)
@given(st.integers(0, 65535), st.integers(-255, 255))
def test_a_dream_changes_16_bits_by_as_much_as_8(value: int, change: int) -> None:
    deep = np.full((1, 1, 3), value, np.uint16)
    dreamed = np.clip(to_eight_bit(deep).astype(int) + change, 0, 255)
    moved = int(dreamed.ravel()[0]) - int(to_eight_bit(deep).ravel()[0])
    restored = restore_format(dreamed.astype(np.uint8), Still(Path("a.png"), 0, deep))
    assert restored.dtype == np.uint16
    assert (restored == np.clip(value + 257 * moved, 0, 65535)).all()


def test_a_smooth_ramp_of_16_bits_has_no_bands_after_a_dream(tmp_path: Path) -> None:
    ramp = np.linspace(20_000, 24_000, 4_000).astype(np.uint16)
    path = store(tmp_path / "a.png", np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (4, 4_000, 3))))
    image, still, _ = read_still(path, suffix=".png")
    written = restore_format(image + np.uint8(9), still)
    assert len(np.unique(written)) == len(np.unique(ramp))
    assert np.abs(np.diff(written[0, :, 0].astype(int))).max() <= 2


def test_floating_point_is_kept_beyond_white(tmp_path: Path) -> None:
    bright = textured(24, 40).astype(np.float32) / 100  # up to 2.55
    path = store(tmp_path / "a.tif", bright)
    image, still, losses = read_still(path, suffix=".tif")
    assert losses == () and image.max() == 255
    written = restore_format(image, still)
    assert written.dtype == np.float32 and np.array_equal(written, bright)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_alpha_is_not_dreamed_on_and_comes_out_as_it_went_in(tmp_path: Path, suffix: str) -> None:
    alpha = np.full((24, 40, 1), 255, np.uint8)
    alpha[:, :20] = np.arange(1, 21, dtype=np.uint8)[None, :, None]
    smooth = picture(0, 40, 24)  # of noise WebP itself loses much
    path = store(tmp_path / f"a{suffix}", np.concatenate([smooth, alpha], 2))
    image, still, losses = read_still(path, suffix=suffix)
    assert losses == ()
    back = cv2.imdecode(
        np.frombuffer(encode_image(restore_format(255 - image, still), path), np.uint8), cv2.IMREAD_UNCHANGED
    )
    assert np.array_equal(back[..., 3:], alpha)
    assert np.abs(back[:, 20:, 2::-1].astype(int) - (255 - image[:, 20:])).mean() < (2 if suffix == ".webp" else 0.01)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ""])
def test_what_a_format_cannot_hold_is_warned_of(tmp_path: Path, suffix: str) -> None:
    deep = np.concatenate([IMAGE, np.full((24, 40, 1), 99, np.uint8)], 2).astype(np.uint16) * 257
    image, still, losses = read_still(store(tmp_path / "a.png", deep), suffix=suffix)
    assert ["rounded to 8" in losses[0], "composited on white" in losses[1], len(losses)] == [True, True, 2]
    assert still.stored is None
    assert np.abs(image.astype(int) - (IMAGE * (99 / 255) + 156)).max() <= 1


def test_opaque_alpha_is_not_a_loss(tmp_path: Path) -> None:
    path = store(tmp_path / "a.png", np.concatenate([IMAGE, np.full((24, 40, 1), 255, np.uint8)], 2))
    image, _, losses = read_still(path, suffix=".jpg")
    assert losses == () and np.array_equal(image, IMAGE)


def test_gray_stays_gray_until_a_color_is_dreamed_into_it(tmp_path: Path) -> None:
    image, still, _ = read_still(store(tmp_path / "a.png", IMAGE[..., 0]), suffix=".png")
    assert image.shape == (24, 40, 3)
    assert restore_format(255 - image, still).shape == (24, 40)
    image[3, 3, 1] ^= 1
    assert restore_format(image, still).shape == (24, 40, 3)
