"""Photos keep their colors, their data and their depth; each output is checked by a second reader, Pillow."""

import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import make_clip, picture
from conftest import only_line, run, textured
from numpy.typing import NDArray
from PIL import Image, ImageCms

from dreamvideo.errors import SourceError
from dreamvideo.media import free_memory
from dreamvideo.media.image_encoder import encode_image
from dreamvideo.media.images import encode_dream, read_image, read_still
from dreamvideo.media.masks import read_image_mask
from dreamvideo.media.metadata import png_with_chunk
from dreamvideo.media.paths import WRITTEN_SUFFIXES
from dreamvideo.media.video_reader import open_video

RELATIVE = ImageCms.Intent.RELATIVE_COLORIMETRIC
THROUGH = ["--iterations", "0", "-q"]
STRONG = ["--iterations", "2", "--octaves", "1", "--step-size", "0.03", "--threads", "1", "-q"]
P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
ADOBE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
SMOOTH = cv2.GaussianBlur(textured(64, 96), (0, 0), 3)
ALPHA = np.linspace(0, 255, 64 * 96).reshape(64, 96, 1).astype(np.uint8)


def fixed(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))


def icc(primaries: Any = P3, space: bytes = b"RGB ", gamma: float = 2.2) -> bytes:
    """A profile by its primaries, of D50, and a gamma."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + b"\0" * 78,
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642) + fixed(1) + fixed(0.8249),
    }
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        tags |= {
            name: b"XYZ \0\0\0\0" + b"".join(map(fixed, each))
            for name, each in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)
        }
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, data, at = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", at + len(data), len(content))
        data += content
    body = struct.pack(">I", len(tags)) + table + data
    head = struct.pack(
        ">I4sI4s4s4s6H", 128 + len(body), b"none", 0x02100000, b"mntr", space, b"XYZ ", *[2024, 1, 1] * 2
    )
    head += b"acsp" + b"\0" * 28 + fixed(0.9642) + fixed(1) + fixed(0.8249)
    return head + b"\0" * (128 - len(head)) + body


def photo(path: Path, image: NDArray[Any] = SMOOTH, **data: Any) -> Path:
    """A file written by Pillow."""
    lossless: dict[str, Any] = {"lossless": True, "exact": True} if path.suffix == ".webp" else {}
    Image.fromarray(image).save(path, **lossless, **data)
    return path


def shown(path: Path) -> NDArray[Any]:
    """What a viewer that knows profiles shows, as sRGB."""
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        rgb = image.convert("RGB")
        if profile:
            rgb = ImageCms.profileToProfile(rgb, io.BytesIO(profile), ImageCms.createProfile("sRGB"), RELATIVE)
        return np.asarray(rgb).astype(int)


def exif() -> Image.Exif:
    data = Image.Exif()
    data[0x010F], data[0x0132], data[0x0112] = "Canon", "2024:05:06 07:08:09", 6
    data.get_ifd(0x8769).update({0x9003: "2024:05:06 07:08:09", 0xA002: 4000, 0x927C: b"maker"})
    data.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 0.0)})
    return data


# Colors.


@pytest.mark.parametrize("primaries", [P3, ADOBE], ids=["p3", "adobe"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("output", [".jpg", ".png", ".webp", ".tiff", ".bmp"])
def test_a_photo_is_shown_in_the_same_colors(tmp_path: Path, primaries: Any, suffix: str, output: str) -> None:
    path = photo(tmp_path / f"a{suffix}", icc_profile=icc(primaries))
    plain = photo(tmp_path / f"plain{suffix}")
    assert np.abs(shown(path) - shown(plain)).mean() > 1  # the profile matters
    assert run("image", path, "-o", tmp_path / f"out{output}", *THROUGH) == 0
    assert np.abs(shown(tmp_path / f"out{output}") - shown(path)).mean() < (2 if output in (".jpg", ".webp") else 0.5)
    with Image.open(tmp_path / f"out{output}") as image:
        assert image.info.get("icc_profile") == (None if output == ".bmp" else icc(primaries))
    assert np.abs(read_image(path).astype(int) - shown(path)).mean() < 0.5


def test_a_video_of_photos_is_of_srgb(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = photo(tmp_path / "in" / "a.png", icc_profile=icc())
    assert run("frames", tmp_path / "in", "-o", tmp_path / "film.mkv", "--codec", "ffv1", *THROUGH) == 0
    with open_video(tmp_path / "film.mkv") as source:
        assert np.abs(next(source.frames).image.astype(int) - shown(path)).mean() < 3


def test_sixteen_bits_keep_their_profile(tmp_path: Path) -> None:
    deep = SMOOTH.astype(np.uint16) * 257
    path = tmp_path / "a.png"
    path.write_bytes(encode_image(deep, path, profile=icc()))
    assert run("image", path, "-o", tmp_path / "b.tif", *THROUGH) == 0
    image, still, _ = read_still(tmp_path / "b.tif", suffix=".tif")
    assert np.array_equal(still.stored, deep) and still.profile == icc()
    image, still, losses = read_still(path, suffix=".bmp")
    assert still.stored is None and losses == ("has more than 8 bits a channel: it is rounded to 8",)
    assert np.abs(image.astype(int) - shown(photo(tmp_path / "c.png", icc_profile=icc()))).mean() < 0.5


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_gray_of_a_profile_is_converted_and_stays_gray(tmp_path: Path, suffix: str) -> None:
    path = photo(tmp_path / f"a{suffix}", SMOOTH[..., 0], icc_profile=icc(space=b"GRAY", gamma=1.0))
    image, still, _ = read_still(path, suffix=suffix)
    linear = np.asarray(Image.open(path)).astype(float) / 255
    srgb = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert np.abs(image[..., 0] - srgb).mean() < 1.5
    with Image.open(io.BytesIO(encode_dream(image, still, path))) as out:
        assert out.mode == "L" and "icc_profile" not in out.info


@pytest.mark.parametrize("bad", [b"", b"no profile", icc()[:200], icc(space=b"GRAY")])
def test_a_profile_that_is_not_one_of_the_image_is_left_out(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_image(SMOOTH, path, profile=bad))
    image, still, _ = read_still(path, suffix=".png")
    assert np.array_equal(image, SMOOTH)
    assert still.profile in (None, bad if bad == icc()[:200] else None)


def test_cmyk_is_read_as_a_viewer_shows_it(tmp_path: Path) -> None:
    cmyk = Image.fromarray(SMOOTH).convert("CMYK")
    for suffix in (".jpg", ".tif"):
        cmyk.save(tmp_path / f"a{suffix}")
        assert np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - shown(tmp_path / f"a{suffix}")).mean() < 1


# Data.


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("output", [".jpg", ".png", ".webp", ".tif"])
def test_camera_date_and_place_are_kept_and_the_image_is_upright(tmp_path: Path, suffix: str, output: str) -> None:
    path = photo(tmp_path / f"a{suffix}", exif=exif().tobytes())
    assert run("image", path, "-o", tmp_path / f"out{output}", *THROUGH) == 0
    with Image.open(tmp_path / f"out{output}") as image:
        data = image.getexif()
        assert (data[0x010F], data[0x0132], data.get(0x0112)) == ("Canon", "2024:05:06 07:08:09", 1)
        assert dict(data.get_ifd(0x8825)) == {1: "N", 2: (48.0, 51.0, 0.0)}
        details = data.get_ifd(0x8769)
        assert details[0x9003] == "2024:05:06 07:08:09" and details[0x927C] == b"maker" and 0xA002 not in details
        assert image.size == (64, 96)  # turned
    assert np.abs(read_image(tmp_path / f"out{output}").astype(int) - read_image(path)).mean() < 3
    assert run("image", path, "-o", tmp_path / f"bare{output}", "--no-metadata", *THROUGH) == 0
    content = (tmp_path / f"bare{output}").read_bytes()
    assert not any(word in content for word in (b"Canon", b"2024:05", b"dreamvideo", b"Exif", b"eXIf"))


def test_frames_keep_exif_unless_they_are_told_not_to(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    photo(tmp_path / "in" / "a.jpg", exif=exif().tobytes())
    for words, kept in (([], True), (["--no-metadata"], False)):
        assert run("frames", tmp_path / "in", "-y", *words, *THROUGH) == 0
        content = (tmp_path / "in_dream" / "a.jpg").read_bytes()
        assert {b"Canon" in content, b"dreamvideo" in content} == {kept}


def test_a_long_maker_note_is_left_out_and_the_rest_stays(tmp_path: Path) -> None:
    data = exif()
    data.get_ifd(0x8769)[0x927C] = bytes(70_000)
    path = photo(tmp_path / "a.webp", exif=data.tobytes())
    assert run("image", path, "-o", tmp_path / "out.jpg", *THROUGH) == 0
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.getexif().get_ifd(0x8769)[0x9003] == "2024:05:06 07:08:09"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_video_without_metadata_names_nothing(tmp_path: Path, suffix: str) -> None:
    tags = {"title": "Home", "artist": "Ann", "comment": "secret", "location": "+48.8577+002.295/"}
    clip = make_clip(tmp_path / f"clip{suffix}", audio=[("aac", "eng")], metadata=tags)
    assert run("video", clip, "-o", tmp_path / f"out{suffix}", "--no-metadata", *THROUGH) == 0
    content = (tmp_path / f"out{suffix}").read_bytes()
    assert not any(word in content for word in (b"Home", b"Ann", b"secret", b"+48.8577", b"dreamvideo"))
    with av.open(str(tmp_path / f"out{suffix}")) as film:
        assert film.streams.audio[0].metadata["language"] == "eng"


# Depth, alpha, gray.


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_image_command_keeps_16_bits_and_alpha(tmp_path: Path, suffix: str) -> None:
    deep = np.concatenate([SMOOTH, ALPHA], 2).astype(np.uint16) * 257 + 3
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encode_image(deep, path))
    assert run("image", path, *THROUGH) == 0
    _, still, _ = read_still(tmp_path / f"a_dream{suffix}", suffix=suffix)
    assert np.array_equal(still.stored, deep)
    assert run("image", path, "-y", *STRONG) == 0
    _, still, _ = read_still(tmp_path / f"a_dream{suffix}", suffix=suffix)
    assert still.stored.dtype == np.uint16 and np.array_equal(still.stored[..., 3], deep[..., 3])
    assert np.abs(still.stored[..., :3].astype(int) - deep[..., :3]).mean() > 257


def test_what_the_output_cannot_hold_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_image(np.concatenate([SMOOTH, ALPHA], 2).astype(np.uint16) * 257, path))
    assert run("image", path, "-o", tmp_path / "b.jpg", "--iterations", "0") == 0
    told = capsys.readouterr().err
    assert "rounded to 8" in told and "composited on white" in told


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
@pytest.mark.parametrize("words", [[], ["--keep-colors"]])
def test_a_gray_picture_stays_gray_where_no_color_was_dreamed(tmp_path: Path, suffix: str, words: list[str]) -> None:
    path = photo(tmp_path / f"a{suffix}", SMOOTH[..., 0])
    assert run("image", path, *words, *(STRONG if words else THROUGH)) == 0
    with Image.open(tmp_path / f"a_dream{suffix}") as image:
        assert image.mode == "L"


def premultiplied_tiff(path: Path, straight: NDArray[Any]) -> Path:
    whole = np.iinfo(straight.dtype).max
    alpha = straight[..., 3:].astype(np.float64) / whole
    colors = np.rint(straight[..., :3] * alpha).astype(straight.dtype)
    content = bytearray(encode_image(np.concatenate([colors, straight[..., 3:]], 2), path))
    at = content.index(struct.pack("<HHI", 338, 3, 1))
    content[at + 8 : at + 10] = struct.pack("<H", 1)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_the_alpha_of_a_tiff_is_straight_or_premultiplied_as_it_says(tmp_path: Path, depth: Any) -> None:
    rgba = np.concatenate([SMOOTH, ALPHA], 2).astype(depth) * (np.iinfo(depth).max // 255)
    straight = tmp_path / "straight.tif"
    straight.write_bytes(encode_image(rgba, straight))
    if depth == np.uint8:
        assert np.array_equal(np.asarray(Image.open(straight)), rgba)
        photo(straight, rgba, compression="tiff_lzw")
    _, still, _ = read_still(straight, suffix=".tif")
    assert np.array_equal(still.stored, rgba)
    _, still, _ = read_still(premultiplied_tiff(tmp_path / "b.tif", rgba), suffix=".tif")
    opaque = ALPHA[..., 0] > 127
    assert np.array_equal(still.stored[..., 3], rgba[..., 3])
    assert np.abs(still.stored[opaque].astype(int) - rgba[opaque]).max() <= 1 + (depth == np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("command", ["image", "frames"])
def test_a_float_tiff_is_dreamed_and_kept_to_the_bit_without_iterations(
    tmp_path: Path, channels: int, command: str
) -> None:
    ramp = np.linspace(0, 1.5, 64 * 96 * 3, dtype=np.float32).reshape(64, 96, 3)
    image = [None, ramp[..., 0], None, ramp, np.dstack([ramp, ramp[..., :1].clip(0, 1)])][channels]
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / "a.tif"
    assert cv2.imwrite(str(path), image, [cv2.IMWRITE_TIFF_COMPRESSION, 5])  # LZW; OpenCV 4.9 takes another for floats
    source, output = (path, tmp_path / "a.tif") if command == "image" else (folder, tmp_path / "in_dream")
    words = ["-o", output]
    assert run(command, source, *words, *THROUGH) == 0
    written = output if command == "image" else output / "a.tif"
    assert np.array_equal(cv2.imread(str(written), cv2.IMREAD_UNCHANGED), image)
    assert run(command, source, *words, "-y", *STRONG) == 0
    dreamed: Any = cv2.imread(str(written), cv2.IMREAD_UNCHANGED)
    assert dreamed.dtype == np.float32 and np.abs(dreamed[..., :3].mean() - image[..., :3].mean()) < 0.5
    assert not np.array_equal(dreamed, image)


@pytest.mark.parametrize("suffix", WRITTEN_SUFFIXES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pillow_reads_what_is_written(suffix: str, channels: int) -> None:
    if channels == 4 and suffix in (".jpg", ".jpeg", ".bmp"):
        return
    image = np.concatenate([SMOOTH, 255 - ALPHA // 2], 2)[..., :channels]
    image = image[..., 0] if channels == 1 else image
    content = encode_image(image, Path(f"a{suffix}"), '{"dreamvideo": "1"}')
    with Image.open(io.BytesIO(content)) as checked:
        checked.verify()
    with Image.open(io.BytesIO(content)) as back:
        expected = "RGB" if (channels, suffix) == (1, ".webp") else {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        assert (back.mode, back.size) == (expected, (96, 64))
        lossy = suffix in (".jpg", ".jpeg", ".webp")
        wanted = np.asarray(Image.fromarray(image).convert(expected)).astype(int)
        assert np.abs(np.asarray(back) - wanted).mean() <= (2 if lossy else 0)


# Several pictures in one file, sizes, other formats.


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a.gif", "holds 3 frames: expected one picture; to dream them all: dreamvideo video"),
        ("a.png", "holds 3 frames: expected one picture; to dream them all: dreamvideo video"),
        ("a.webp", "holds 3 frames: expected one picture; save it as a GIF or a video"),
        ("a.tif", "holds 3 pages: expected one picture; save each page as a file"),
    ],
)
def test_the_image_command_says_that_a_file_holds_several_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    first, *others = (Image.fromarray(picture(n)) for n in range(0, 30, 10))
    first.save(tmp_path / name, save_all=True, append_images=others)
    assert run("image", tmp_path / name, "-o", tmp_path / "out.png", *THROUGH) == 1
    line = only_line(capsys)
    assert told in line and not (tmp_path / "out.png").exists()
    if "dreamvideo video" in line and "FILE" not in line:
        typed = line.split("dreamvideo video ")[1].split()
        assert run("video", *typed, *THROUGH) == 0
        assert Image.open(typed[-1]).format == "GIF"
    else:
        (tmp_path / "in").mkdir()
        (tmp_path / name).rename(tmp_path / "in" / name)
        assert run("frames", tmp_path / "in", "--iterations", "0") == 0
        assert "holds 3 frames or pages: the first is read" in capsys.readouterr().err


def test_a_picture_of_one_frame_and_a_thumbnail_of_a_tiff_are_no_film(tmp_path: Path) -> None:
    Image.fromarray(SMOOTH).save(tmp_path / "a.gif")
    assert run("image", tmp_path / "a.gif", "-o", tmp_path / "a.png", *THROUGH) == 0
    first, second = (Image.fromarray(image) for image in (SMOOTH, SMOOTH[::4, ::4]))
    second.encoderinfo = {"tiffinfo": {254: 1}}  # type: ignore[attr-defined]
    first.save(tmp_path / "b.tif", save_all=True, append_images=[second])
    assert run("image", tmp_path / "b.tif", *THROUGH) == 0


@pytest.mark.parametrize(("typed", "size"), [("48x32", (48, 32)), ("32", (48, 32)), ("192x128", (192, 128))])
def test_the_image_command_takes_a_size(tmp_path: Path, typed: str, size: tuple[int, int]) -> None:
    deep = np.concatenate([SMOOTH, ALPHA], 2).astype(np.uint16) * 257
    path = tmp_path / "a.png"
    path.write_bytes(encode_image(deep, path))
    assert run("image", path, "--size", typed, *STRONG) == 0
    _, still, _ = read_still(tmp_path / "a_dream.png", suffix=".png")
    assert still.stored.shape == (size[1], size[0], 4) and still.stored.dtype == np.uint16


def test_avif_and_heic_are_read_and_written_as_jpeg(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    for suffix in (".avif", ".heic"):
        path = photo(tmp_path / f"a{suffix}", exif=exif().tobytes(), icc_profile=icc())
        assert run("image", path, "-y", *THROUGH) == 0
        with Image.open(tmp_path / "a_dream.jpg") as image:
            assert image.size == (64, 96) and image.getexif()[0x010F] == "Canon"
            assert image.info["icc_profile"] == icc()
        assert (
            np.abs(
                shown(tmp_path / "a_dream.jpg") - np.rot90(shown(photo(tmp_path / "b.png", icc_profile=icc())), -1)
            ).mean()
            < 4
        )
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "a.heic").rename(folder / "a.heic")
    assert run("frames", folder, *THROUGH) == 0
    assert (tmp_path / "in_dream" / "a.jpg").exists()


def test_without_its_library_a_heic_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(SourceError, match=r"pip install 'dreamvideo\[photos\]'"):
        read_image(tmp_path / "a.heic")


# Large and damaged files.


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    empty = encode_image(np.zeros((8, 8), np.uint8), Path("a.png"))
    body = b"IHDR" + header
    return empty[:12] + body + struct.pack(">I", zlib.crc32(body)) + empty[33:]


def test_a_header_is_weighed_against_free_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(free_memory, "free_memory", lambda: 4_000_000_000)
    path, small = tmp_path / "a.png", photo(tmp_path / "small.png")
    path.write_bytes(png_header(32_000, 32_000))
    expected = "a.png is 32000x32000: reading it takes 24.6 GB of memory, 4.0 GB are free: expected at most 12909x12909"
    words: tuple[Any, ...]
    for words in (("image", path), ("image", small, "--mask", path), ("video", path, "-o", tmp_path / "a.mp4")):
        assert run(*words, *THROUGH) == 1
        assert only_line(capsys).endswith(expected) or words[0] == "video"
    with pytest.raises(SourceError, match="12909x12909"):
        read_image_mask(path)
    gif = io.BytesIO()
    Image.fromarray(SMOOTH[..., 0]).save(gif, "GIF")
    content = bytearray(gif.getvalue())
    content[6:10] = struct.pack("<HH", 16_000, 16_000)
    (tmp_path / "a.gif").write_bytes(content)
    for words in (("video", tmp_path / "a.gif"), ("info", tmp_path / "a.gif", "--no-time")):
        assert run(*words, *(THROUGH if words[0] == "video" else [])) == 1
        assert "a.gif is 16000x16000: reading it takes" in only_line(capsys)


def test_large_images_that_fit_are_read(tmp_path: Path) -> None:
    large = np.zeros((10_000, 10_000), np.uint8)  # Pillow warns from 89 megapixels on
    path = tmp_path / "a.png"
    path.write_bytes(encode_image(large, path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_still(path, suffix=".png")[0].shape == (10_000, 10_000, 3)


def test_damaged_is_said_of_what_is_damaged(tmp_path: Path) -> None:
    text, cut = tmp_path / "text.png", photo(tmp_path / "cut.jpg")
    text.write_text("no picture")
    cut.write_bytes(cut.read_bytes()[:-300])
    for path, words in ((text, "cannot be read as an image: expected one of"), (cut, "is damaged: ")):
        with pytest.raises(SourceError, match=words):
            read_image(path)


def test_lines_of_libraries_stay_off_the_terminal(tmp_path: Path) -> None:
    good = encode_image(SMOOTH, Path("a.png"))
    (tmp_path / "profile.png").write_bytes(png_with_chunk(good, b"iCCP", b"x\0\0" + zlib.compress(b"no profile")))
    (tmp_path / "cut.png").write_bytes(good[: len(good) // 2])
    tiff = bytearray(encode_image(SMOOTH, Path("a.tif")))
    tiff[3_000:3_400] = bytes(400)
    (tmp_path / "damaged.tif").write_bytes(tiff)
    (tmp_path / "cut.tif").write_bytes(encode_image(SMOOTH.astype(np.float32), Path("a.tif"))[:5_000])
    photo(tmp_path / "exif.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\0")
    words = ["image", str(tmp_path), "-o", str(tmp_path) + "/", "--iterations", "0", "-y"]
    told = subprocess.run([sys.executable, "-m", "dreamvideo", *words], capture_output=True, text=True, timeout=300)
    assert told.returncode == 3
    foreign = ("WARN", "ERROR", "Warning", "libpng", "tempfile", "LZW", "grfmt")
    assert not [word for word in foreign if word in told.stderr], told.stderr
