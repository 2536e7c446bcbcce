"""What a file holds is what comes out: times, sizes, colors, cuts, and one clear line where it holds nothing."""

import gc
import logging
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import HEIGHT, STEADY, UNEVEN, WIDTH, difference, make_clip, picture, set_display_matrix
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamvideo.errors import SourceError
from dreamvideo.frames import BT601, BT709
from dreamvideo.media import reader_log
from dreamvideo.media.images import read_image
from dreamvideo.media.reader_log import silence_reader
from dreamvideo.media.video_reader import open_video
from dreamvideo.settings.job import ReadSettings

CONTAINERS = [".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif"]


def read(path: Path, **settings: Any) -> tuple[Any, list[Any], Any]:
    with open_video(path, ReadSettings(**settings)) as source:
        return source.info, list(source.frames), source


# One contract for every container.


@pytest.fixture(scope="module", params=CONTAINERS)
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    times = STEADY[:-1] + [Fraction(13, 25)] if request.param != ".avi" else STEADY
    if request.param == ".gif":
        times = [Fraction(n, 10) for n in range(12)]
    path = tmp_path_factory.mktemp("clip") / f"a clip%03d [1]{request.param}"
    return make_clip(path, times), times


def test_every_frame_at_its_time(clip: tuple[Path, Any]) -> None:
    path, times = clip
    info, frames, source = read(path)
    assert [frame.time for frame in frames] == pytest.approx(times, abs=0.001)
    assert source.lost == 0
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    assert info.frame_count is None or info.frame_count == pytest.approx(len(times), abs=2)


def test_frames_are_what_was_stored(clip: tuple[Path, Any]) -> None:
    path, _ = clip
    _, frames, _ = read(path)
    for number, frame in enumerate(frames):
        assert frame.image.shape == (HEIGHT, WIDTH, 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert frame.duration is not None and frame.duration > 0
        assert difference(frame.image, picture(number)) < {".gif": 20, ".avi": 9}.get(path.suffix, 4)


def test_stops_after_the_frames_asked_for(clip: tuple[Path, Any]) -> None:
    path, times = clip
    info, frames, _ = read(path, frames=3)
    assert [f.time for f in frames] == pytest.approx(times[:3], abs=0.001)
    assert info.frame_count in (3, None)


def test_may_be_left_early_or_untouched(clip: tuple[Path, Any]) -> None:
    path, _ = clip
    with open_video(path, ReadSettings()) as source:
        next(source.frames)
    with open_video(path, ReadSettings()):
        pass


# Times.


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(1, 700), min_size=1, max_size=8), start=st.integers(0, 3000))
def test_any_times_are_exact(tmp_path: Path, steps: list[int], start: int) -> None:
    times = [Fraction(start + sum(steps[:n]), 1000) for n in range(len(steps) + 1)]
    _, frames, _ = read(make_clip(tmp_path / "clip.mp4", times, last=Fraction(700, 1000)))
    assert [frame.time for frame in frames] == [time - times[0] for time in times]
    assert frames[-1].duration == Fraction(700, 1000)


def test_a_fragmented_video_is_whole(tmp_path: Path) -> None:
    fragments = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"}
    path = make_clip(tmp_path / "clip.mp4", UNEVEN, Fraction(3, 2), container=fragments, options={"g": "3"})
    assert path.read_bytes().count(b"moof") > 2
    _, frames, source = read(path)
    assert [frame.time for frame in frames] == UNEVEN
    assert source.lost == 0


# Cuts.


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    times = [Fraction(n, 25) for n in range(60)]
    return make_clip(tmp_path_factory.mktemp("long") / "long.mp4", times, options={"g": "50"})


@pytest.mark.parametrize("start", [1, 13, 37, 51])
def test_a_cut_inside_a_group_of_pictures_starts_at_the_exact_frame(long_clip: Path, start: int) -> None:
    _, whole, _ = read(long_clip)
    info, frames, _ = read(long_clip, start=Fraction(start, 25), duration=Fraction(4, 25))
    assert [frame.time for frame in frames] == [Fraction(n, 25) for n in range(4)]
    assert np.array_equal(frames[0].image, whole[start].image)
    assert info.origin == Fraction(start, 25)
    assert info.frame_count == pytest.approx(4, abs=1)


def test_a_cut_between_frames_starts_at_the_next(long_clip: Path) -> None:
    info, frames, _ = read(long_clip, start=Fraction("0.99"))
    assert frames[0].time == 0
    assert info.origin == 1
    assert len(frames) == 35


def test_a_duration_alone_shifts_nothing_and_trims_the_last_frame(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", UNEVEN, last=Fraction(2))
    _, frames, _ = read(path, duration=Fraction("1.1"))
    assert [frame.time for frame in frames] == UNEVEN[:7]
    _, frames, _ = read(path, duration=Fraction(2))
    assert frames[-1].duration == 2 - UNEVEN[-1]


def test_a_start_before_the_first_frame_keeps_the_wait(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", [t + 1 for t in STEADY], audio=[("aac", "eng")], last=Fraction(1, 25))
    info, frames, _ = read(path, start=Fraction(1, 2))
    assert frames[0].time == pytest.approx(0.5, abs=0.03)
    assert info.origin == pytest.approx(0.5, abs=0.03)


def test_a_start_after_the_end_is_an_error(long_clip: Path) -> None:
    with pytest.raises(SourceError, match=r"no frame at or after 99 s; it is 2\.40 s long"):
        read(long_clip, start=Fraction(99))


# Sizes and turns.

MATRICES: dict[str, tuple[tuple[int, int, int, int], Callable[[Any], Any]]] = {
    "as it is": ((1, 0, 0, 1), lambda image: image),
    "clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "counter-clockwise": ((0, -1, 1, 0), np.rot90),
    "half": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "mirrored": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda image: image[::-1]),
    "transposed": ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_comes_out_upright(tmp_path: Path, name: Any) -> None:
    matrix, expected = MATRICES[name]
    path = make_clip(tmp_path / "clip.mp4", STEADY[:2], aspect=Fraction(2, 3))
    _, stored, _ = read(path)
    set_display_matrix(path, matrix)
    info, frames, _ = read(path)
    assert np.array_equal(frames[0].image, expected(stored[0].image))
    assert (info.height, info.width, 3) == frames[0].image.shape
    assert info.pixel_aspect == (Fraction(3, 2) if matrix[0] == 0 else Fraction(2, 3))


def test_a_color_profile_with_a_name_does_not_crash(tmp_path: Path) -> None:
    """PyAV frees the name twice, when the process ends or its garbage is collected."""
    profile = b"iCCP" + b"A name\0\0" + zlib.compress(bytes(200))
    chunk = struct.pack(">I", len(profile) - 4) + profile + struct.pack(">I", zlib.crc32(profile))
    plain = cv2.imencode(".png", picture(0))[1].tobytes()
    path = tmp_path / "a.png"
    path.write_bytes(plain[:33] + chunk + plain[33:])  # after the signature and the header
    code = (
        "import gc, sys; from pathlib import Path; from dreamvideo.media.video_reader import open_video\n"
        "with open_video(Path(sys.argv[1])) as source: print(len(list(source.frames)))\n"
        "gc.collect()"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_a_senseless_matrix_is_ignored(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", STEADY[:1])
    set_display_matrix(path, (1, 1, -1, 1))
    assert read(path)[1][0].image.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    ("size", "expected", "aspect"),
    [((None, 24), (32, 24), 1), ((32, 32), (32, 32), Fraction(4, 3)), ((128, 96), (128, 96), 1)],
)
def test_resizes_and_keeps_the_shape_on_the_screen(
    tmp_path: Path, size: tuple[Any, ...], expected: tuple[int, int], aspect: int | Fraction
) -> None:
    info, frames, _ = read(make_clip(tmp_path / "clip.mp4", STEADY[:2]), size=size)
    assert (info.width, info.height) == expected
    assert frames[1].image.shape == (expected[1], expected[0], 3)
    assert info.pixel_aspect == aspect


def test_a_new_size_in_mid_stream_is_brought_to_the_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small = make_clip(tmp_path / "small.ts", STEADY[:4], size=(64, 48))
    large = make_clip(tmp_path / "large.ts", [t + 1 for t in STEADY[:4]], size=(96, 80))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    _, frames, _ = read(both)
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
    assert len(frames) == 8
    assert "changes its frame size" in caplog.text


# Color.


def flat(color: Any) -> Callable[..., Any]:
    return lambda number, width, height: np.full((height, width, 3), color, np.uint8)


@pytest.mark.parametrize("color", [(220, 30, 40), (30, 200, 60), (40, 50, 210), (128, 128, 128), (250, 250, 5)])
@pytest.mark.parametrize(
    ("size", "tags", "expected"),
    [
        ((64, 48), {}, BT601),
        ((64, 720), {"colorspace": 1, "color_primaries": 1, "color_trc": 1}, BT709),
        ((64, 48), {"colorspace": 1, "color_primaries": 1, "color_trc": 1}, BT709),
        ((64, 48), {"colorspace": 5, "color_primaries": 5, "color_trc": 6}, None),
        ((64, 48), {"colorspace": 1, "color_range": 2}, BT709),
        ((64, 48), {"color_range": 2}, BT601),
    ],
)
def test_colors_are_those_that_were_stored(
    tmp_path: Path, color: tuple[int, int, int], size: tuple[int, int], tags: dict[Any, Any], expected: Any
) -> None:
    path = make_clip(tmp_path / "clip.mkv", STEADY[:1], size=size, tags=tags, image=flat(color), options={"crf": "1"})
    info, frames, _ = read(path)
    assert np.abs(frames[0].image.reshape(-1, 3).mean(0) - color).max() < 3
    assert expected is None or info.color == expected


@pytest.mark.parametrize("color_range", [1, 2])
def test_the_range_is_that_of_the_tag_whatever_the_layout(tmp_path: Path, color_range: int) -> None:
    path = make_clip(
        tmp_path / "clip.mkv",
        STEADY[:1],
        pixels="yuv420p10le",
        tags={"color_range": color_range},
        image=flat((250, 10, 120)),
        options={"crf": "1"},
    )
    assert np.abs(read(path)[1][0].image.reshape(-1, 3).mean(0) - (250, 10, 120)).max() < 4


def test_an_untagged_hd_video_is_bt709(tmp_path: Path) -> None:
    """A player shows it so; libav's own conversion would take BT.601."""
    path = make_clip(tmp_path / "clip.mkv", STEADY[:1], size=(64, 720), image=flat((220, 30, 40)))  # stored as 601
    info, frames, _ = read(path)
    red, green, _ = frames[0].image.reshape(-1, 3).mean(0)
    assert info.color == BT709
    assert green < 20 or red > 230


def test_ten_bits_are_rounded_to_eight_and_are_not_high_dynamic_range(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_clip(tmp_path / "clip.mkv", STEADY[:2], pixels="yuv444p10le", options={"crf": "1"})
    assert difference(read(path)[1][0].image, picture(0)) < 1
    assert caplog.text == ""


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_becomes_standard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, transfer: int, name: str
) -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 64)[None, :, None], (48, 64, 3)).astype(np.uint8)
    path = make_clip(
        tmp_path / "clip.mkv",
        STEADY[:2],
        pixels="yuv444p10le",
        tags={"colorspace": 9, "color_primaries": 9, "color_trc": transfer},
        image=lambda number, width, height: ramp,
    )
    info, frames, _ = read(path)
    gray = frames[0].image[24].astype(int)
    assert info.color == BT709
    assert f"HDR ({name})" in caplog.text
    assert np.ptp(gray, axis=1).max() <= 3, "gray stays gray"
    assert (np.diff(gray[:, 0]) >= -1).all(), "brighter stays brighter"
    assert gray[0].max() < 8 and gray[-1].min() > 180
    assert 60 < gray[32, 0] < 250


def test_transparent_video_is_composited_on_white(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "clip.mov"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("png", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgba"
        image = np.zeros((48, 64, 4), np.uint8)
        image[:, :32] = (200, 0, 0, 255)
        output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgba")))
        output.mux(stream.encode(None))
    _, frames, _ = read(path)
    assert frames[0].image[0, 0].tolist() == [200, 0, 0]
    assert frames[0].image[0, 63].tolist() == [255, 255, 255]
    assert "transparent" in caplog.text


def test_transparent_vp9_is_composited_on_white(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "clip.webm"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libvpx-vp9", rate=25, options={"auto-alt-ref": "0", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        stream.metadata["alpha_mode"] = "1"
        image = np.zeros((48, 64, 4), np.uint8)
        image[:, :32] = (200, 0, 0, 255)
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(image, format="rgba").reformat(format="yuva420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    _, frames, _ = read(path)
    assert len(frames) == 4
    assert np.abs(frames[2].image[24, 8] - np.array([200, 0, 0])).max() < 8
    assert frames[2].image[24, 56].min() > 250
    assert "transparent" in caplog.text


# Interlaced.


def test_interlaced_video_is_deinterlaced_frame_for_frame(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def combed(number: int, width: int, height: int) -> NDArray[Any]:
        image = np.zeros((height, width, 3), np.uint8)
        image[0::2, 6 * number : 6 * number + 16] = 255  # a bar that has moved on in the second field
        image[1::2, 6 * number + 3 : 6 * number + 19] = 255
        return image

    path = make_clip(
        tmp_path / "clip.mkv", UNEVEN, last=Fraction(1), image=combed, options={"x264-params": "interlaced=1:tff=1"}
    )
    _, frames, source = read(path)
    assert [frame.time for frame in frames] == UNEVEN
    assert frames[-1].duration == pytest.approx(1, abs=0.05)
    assert source.lost == 0
    assert "interlaced" in caplog.text

    def combing(image: Any) -> Any:
        rows = image[..., 1].astype(int)
        return np.abs(rows[:-1] - rows[1:]).mean()

    assert combing(frames[4].image) < combing(combed(4, WIDTH, HEIGHT)) / 3


# Damage.


def test_a_damaged_packet_costs_itself_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = make_clip(tmp_path / "clip.avi", STEADY, codec="mjpeg", pixels="yuvj420p")
    raw = bytearray(path.read_bytes())
    at = [n for n in range(len(raw) - 4) if raw[n : n + 4] == b"00dc"][5] + 8
    size = int.from_bytes(raw[at - 4 : at], "little")
    raw[at : at + size] = bytes(size)
    path.write_bytes(bytes(raw))
    _, frames, source = read(path)
    assert len(frames) == len(STEADY) - 1
    assert source.lost == 1
    assert "is damaged" in caplog.text


def test_a_file_cut_short_gives_what_it_holds(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", [Fraction(n, 25) for n in range(50)], options={"g": "10"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    _, frames, _ = read(path)
    assert 10 < len(frames) < 45


def without_its_index(path: Path) -> None:
    """As a camera leaves a film when its battery is empty."""
    whole = make_clip(path).read_bytes()
    path.write_bytes(whole[: whole.index(b"moov") - 4])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("to be or not to be\n" * 50), "cannot be opened as a video"),
        (lambda path: path.write_bytes(os.urandom(5000)), "cannot be opened as a video"),
        (lambda path: path.write_bytes(b"\0\0\0\x18ftypisom" + b"encv" * 9), "it is encrypted"),
        (lambda path: without_its_index(path), "cannot be opened as a video"),
    ],
)
def test_a_file_that_is_not_a_video_is_one_line(tmp_path: Path, make: Callable[..., Any], message: str) -> None:
    path = tmp_path / "input.mp4"
    make(path)
    with pytest.raises(SourceError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert "input.mp4" in str(caught.value)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        silence.sample_rate = 8000
        output.mux(stream.encode(silence))
    with pytest.raises(SourceError, match="holds sound only"):
        read(path)


def test_nothing_is_logged_or_printed_for_a_file_without_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING)
    read(make_clip(tmp_path / "clip.mp4"))
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


# Pictures.

BAND = np.zeros((20, 31, 3), np.uint8)
BAND[:10, :15] = (255, 0, 0)
BAND[:, 20:] = (0, 255, 0)


def save(path: Path, image: Any, flags: Any = ()) -> Path:
    bgr = image[..., [2, 1, 0, *range(3, image.shape[2])]] if image.ndim == 3 else image
    path.write_bytes(cv2.imencode(path.suffix, bgr, flags)[1].tobytes())
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".jpg", ".webp"])
def test_reads_every_image_format(tmp_path: Path, suffix: str) -> None:
    image = read_image(save(tmp_path / f"Bild ü{suffix}", BAND))
    assert image.shape == BAND.shape
    assert difference(image, BAND) < (12 if suffix in (".jpg", ".webp") else 1e-9)


def test_sixteen_bits_and_gray(tmp_path: Path) -> None:
    assert np.array_equal(read_image(save(tmp_path / "deep.png", BAND.astype(np.uint16) * 257)), BAND)
    gray = read_image(save(tmp_path / "gray.png", BAND[..., 1]))
    assert np.array_equal(gray, np.repeat(BAND[..., 1:2], 3, -1))


def test_transparent_parts_are_composited_on_white(tmp_path: Path) -> None:
    alpha = np.full((20, 31, 1), 128, np.uint8)
    image = read_image(save(tmp_path / "glass.png", np.concatenate([BAND, alpha], -1)))
    assert image[0, 0].tolist() == [255, 127, 127]


def test_a_file_that_is_not_an_image_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "fake.png"
    path.write_text("no picture")
    with pytest.raises(SourceError, match="cannot be read as an image"):
        read_image(path)
    with pytest.raises(SourceError, match="no such file"):
        read_image(tmp_path / "absent.png")


def test_no_frame_outlives_its_file(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", size=(640, 480))
    gc.collect()
    gc.disable()  # a program that opens a file every second may not collect its garbage for an hour
    try:
        with open_video(tmp_path / "a.mp4") as source:
            for _ in source.frames:
                pass
        kept = [
            each
            for each in gc.get_objects()
            if type(each) is av.VideoFrame and (each.width, each.format.name) == (640, "yuv420p")
        ]
    finally:
        gc.enable()
    assert not kept


def test_blocks_of_silence_may_end_in_any_order(caplog: pytest.LogCaptureFixture) -> None:
    first, second = silence_reader(), silence_reader()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    reader_log.log.warning("unheard")
    second.__exit__(None, None, None)
    reader_log.log.warning("heard")
    assert caplog.messages == ["heard"]
