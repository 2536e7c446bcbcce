"""Written, then read again: the same pictures at the same times, with all that belonged to them."""

import errno
import io
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import av
import cv2
import numpy as np
import pytest
from clips import STEADY, UNEVEN, difference, make_clip, picture, set_display_matrix, sound_tracks, video_times
from conftest import textured
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from dreamvideo.errors import Cancelled, OutputError
from dreamvideo.frames import BT601, BT709, Frame, StreamInfo
from dreamvideo.media import segments, video_file
from dreamvideo.media.checkpoint import checkpoint_folder, resume_point
from dreamvideo.media.checkpoint_lock import hold_checkpoint
from dreamvideo.media.gif_blocks import without_gif_header
from dreamvideo.media.images import read_image, write_image
from dreamvideo.media.packets import read_packets, write_packets
from dreamvideo.media.rotation import display_matrix
from dreamvideo.media.segment_records import finished_segments
from dreamvideo.media.video_encoder import VideoEncoder, container_of
from dreamvideo.media.video_file import Muxer
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import check_encoder, check_output, default_output, write_video
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.settings.job import EncodeSettings, ReadSettings
from dreamvideo.threads import prefetch
from dreamvideo.video.pipeline import dream_video

CONTAINERS = [".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif"]
FAST = EncodeSettings(crf=16)
TWENTY = [Fraction(n, 25) for n in range(20)]


def rewrite(path: Path, output: Any, encode: EncodeSettings = FAST, **cut: Any) -> int:
    """Read and write without a dream between; the number of frames written."""
    with open_video(path, ReadSettings(**cut)) as source:
        return write_video(source.frames, output, source.info, encode)


def made(
    times: Any = STEADY, size: Any = (64, 48), last: Fraction = Fraction(1, 25), closed: Any = None
) -> Generator[Frame, None, None]:
    try:
        for number, time in enumerate(times):
            following = times[number + 1] if number + 1 < len(times) else time + last
            yield Frame(picture(number, *size), Fraction(time), Fraction(following - time))
    finally:
        if closed is not None:
            closed.append(True)


def info_of(size: Any = (64, 48), **fields: Any) -> StreamInfo:
    return StreamInfo(*size, **{"frame_rate": Fraction(25), "time_base": Fraction(1, 1000), **fields})


def read(path: Path) -> tuple[Any, list[Any]]:
    with open_video(path, ReadSettings()) as source:
        return source.info, list(source.frames)


# One contract for every container.


@pytest.mark.parametrize("size", [(64, 48), (65, 49)])
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_pictures_and_times_come_back(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    times = STEADY if suffix == ".avi" else [Fraction(n, 100) for n in (0, 3, 7, 40, 41, 90, 200)]
    output = tmp_path / f"ein Traum%d {suffix}"
    count = write_video(made(times, size, last=Fraction(8, 100)), output, info_of(size))
    info, frames = read(output)
    assert count == len(frames) == len(times)
    assert [float(frame.time) for frame in frames] == pytest.approx([float(t) for t in times], abs=0.001)
    for number, frame in enumerate(frames):
        assert difference(frame.image, picture(number, *size)) < 4
    if suffix not in (".avi", ".webm"):
        assert float(video_times(output)[1]) == pytest.approx(float(times[-1]) + 0.08, abs=0.001)
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("noise", [False, True], ids=["smooth", "noise"])
@pytest.mark.parametrize("frames", [1, 4, 5, 13])
def test_pillow_reads_every_frame_of_a_gif_of_several_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int, noise: bool
) -> None:
    monkeypatch.setattr(segments, "MAX_FRAMES", 4)
    images = [textured(48, 64, n) if noise else picture(n) for n in range(frames)]
    made_of = (Frame(image, Fraction(n, 10), Fraction(1, 10)) for n, image in enumerate(images))
    output = tmp_path / "dream.gif"
    write_video(made_of, output, info_of(time_base=Fraction(1, 100)))
    with Image.open(output) as gif:
        assert (sum(1 for _ in ImageSequence.Iterator(gif)), gif.size) == (frames, (64, 48))
        for number, image in enumerate(images):
            gif.seek(number)
            assert gif.info["duration"] == 100
            assert difference(np.asarray(gif.convert("RGB")), image) < 8
    _, read_by_libav = read(output)
    with Image.open(output) as gif:
        for number, frame in enumerate(read_by_libav):
            gif.seek(number)
            assert np.array_equal(frame.image, np.asarray(gif.convert("RGB")))


@given(st.binary(max_size=60), st.sampled_from([b"", b"GIF89a", b"GIF89a" + b"\0" * 7, b"GIF87a\0\0\0\0\x80\0\0"]))
def test_a_gif_packet_of_any_bytes_is_cut_or_refused(rest: bytes, begin: bytes) -> None:
    try:
        bare = without_gif_header(begin + rest)
    except ValueError as error:
        assert str(error)
    else:
        assert len(bare) <= len(begin + rest)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe, a parser of its own build")
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_another_parser_reads_every_frame_of_several_segments(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "MAX_FRAMES", 10)
    output = tmp_path / f"dream{suffix}"
    write_video(made([Fraction(n, 25) for n in range(35)]), output, info_of())
    asked = "stream=codec_type,width,height,nb_read_frames,nb_read_packets"
    words = ["-v", "warning", "-count_frames", "-count_packets", "-of", "json", "-show_entries", asked, str(output)]
    probed = subprocess.run(["ffprobe", *words], capture_output=True, text=True)
    assert (probed.returncode, probed.stderr) == (0, "")
    (stream,) = json.loads(probed.stdout)["streams"]
    assert (stream["codec_type"], stream["width"], stream["height"]) == ("video", 64, 48)
    assert (int(stream["nb_read_frames"]), int(stream["nb_read_packets"])) == (35, 35)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(1, 2000), min_size=1, max_size=9), start=st.integers(0, 9000))
def test_any_times_are_exact_in_mp4(tmp_path: Path, steps: list[int], start: int) -> None:
    times = [Fraction(start + sum(steps[:n]), 1000) for n in range(len(steps) + 1)]
    output = tmp_path / "dream.mp4"
    write_video(made(times, last=Fraction(1234, 1000)), output, info_of(), overwrite=True)
    assert video_times(output) == (times, times[-1] + Fraction(1234, 1000))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_last_frame_stays_as_long_as_it_did(tmp_path: Path, suffix: str) -> None:
    source = make_clip(tmp_path / "clip.mp4", UNEVEN, last=Fraction(5))
    output = tmp_path / f"dream{suffix}"
    rewrite(source, output)
    assert float(video_times(output)[1]) == pytest.approx(6.234, abs=0.001)
    with av.open(str(output)) as container:
        assert container.duration / 1e6 == pytest.approx(6.234, abs=0.002)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".gif"])
def test_a_single_frame_stays_as_long_as_it_did(tmp_path: Path, suffix: str) -> None:
    source = make_clip(tmp_path / f"clip{suffix}", [Fraction(0)], last=Fraction(3, 10))
    rewrite(source, tmp_path / f"dream{suffix}")
    assert video_times(tmp_path / f"dream{suffix}") == ([0], Fraction(3, 10))


def test_the_ntsc_rate_stays_itself(tmp_path: Path) -> None:
    times = [Fraction(1001 * n, 30_000) for n in range(30)]
    output = tmp_path / "dream.mp4"
    info = StreamInfo(64, 48, frame_rate=Fraction(30_000, 1001), time_base=Fraction(1, 30_000))
    write_video(made(times, last=times[1]), output, info)
    assert video_times(output)[0] == times
    with av.open(str(output)) as container:
        assert container.streams.video[0].average_rate == Fraction(30_000, 1001)


# What belongs to the picture.


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MKV with two sound tracks that outlast the picture on both sides, chapters, subtitles, a font, a title."""
    folder = tmp_path_factory.mktemp("rich")
    chapters = [
        {"id": 1, "start": 0, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
        {"id": 2, "start": 1000, "end": 3000, "time_base": Fraction(1, 1000), "metadata": {"title": "Two"}},
    ]
    plain = make_clip(
        folder / "plain.mkv",
        [Fraction(n, 25) + Fraction(1, 2) for n in range(40)],
        audio=[("aac", "eng"), ("aac", "deu")],
        audio_seconds=3,
        metadata={"title": "A title", "comment": "A comment"},
        chapters=chapters,
    )
    (folder / "subs.srt").write_text(
        "1\n00:00:00,600 --> 00:00:01,200\nHello\n\n2\n00:00:01,500 --> 00:00:02,000\nBye\n"
    )
    with (
        av.open(str(plain)) as source,
        av.open(str(folder / "subs.srt")) as subs,
        av.open(str(folder / "rich.mkv"), "w") as output,
    ):
        output.metadata.update(source.metadata)
        output.set_chapters(source.chapters())
        copies = {}
        for stream in source.streams:
            copies[stream.index] = copy = output.add_stream_from_template(stream, opaque=True)
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
        text = output.add_stream_from_template(subs.streams.subtitles[0], opaque=True)
        output.add_attachment("font.ttf", "font/ttf", b"not quite a font")
        for packet in subs.demux():
            if packet.size:
                packet.stream = text
                output.mux(packet)
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
    return folder / "rich.mkv"


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_sound_is_copied_packet_for_packet(rich: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"dream{suffix}"
    rewrite(rich, output)
    before, after = sound_tracks(rich), sound_tracks(output)
    assert [about for about, *_ in before] == [("aac", "eng", 1), ("aac", "deu", 0)]
    for (about, times, digest), (about_after, times_after, digest_after) in zip(before, after, strict=True):
        assert about_after == (about if suffix != ".mov" else (about[0], about[1].replace("deu", "ger"), about[2]))
        assert digest_after == digest
        assert times_after == pytest.approx(times, abs=1)
    assert [float(t) for t in video_times(output)[0]] == pytest.approx(
        [float(t) for t in video_times(rich)[0]], abs=0.001
    )


@pytest.mark.parametrize(("picture_at", "sound_at"), [(0, Fraction(1, 4)), (1, 0), (10, Fraction(21, 2))])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".flv"])
def test_picture_and_sound_keep_their_distance(
    tmp_path: Path, suffix: str, picture_at: int, sound_at: Fraction | int
) -> None:
    times = [time + picture_at for time in STEADY]
    source = make_clip(tmp_path / f"clip{suffix}", times, audio=[("aac", "eng")], audio_start=sound_at, audio_seconds=1)
    output = tmp_path / "dream.mp4"
    rewrite(source, output)

    def distance(path: Path) -> Any:
        return sound_tracks(path)[0][1][0] - 1000 * float(video_times(path)[0][0])

    assert distance(source) == pytest.approx(1000 * float(sound_at - picture_at), abs=30)
    assert distance(output) == pytest.approx(distance(source), abs=1)
    assert sound_tracks(output)[0][1][-1] - sound_tracks(output)[0][1][0] == pytest.approx(
        sound_tracks(source)[0][1][-1] - sound_tracks(source)[0][1][0], abs=1
    )


def test_damaged_sound_costs_itself_alone(rich: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(packets: Any) -> Generator[tuple[Any, Any], None, None]:
        for number, (time, packet) in enumerate(packets):
            if number == 9:
                packet.dts = packet.pts = -(2**40)  # long before the one before it
            yield time, packet

    output = tmp_path / "dream.mp4"
    with open_video(rich, ReadSettings()) as source, hold_checkpoint(output):
        film = Muxer(output, source.info, FAST, None)
        (copier,) = film._copiers
        copier._packets = broken(copier._packets)
        for frame in source.frames:
            film.add(film.encoder.encode(frame.image, frame.time, frame.duration))
        film.add(film.encoder.flush())
        film.finish(whole=True)
        film.publish(overwrite=False)
    before, after = sound_tracks(rich), sound_tracks(output)
    assert sum(len(times) for _, times, _ in after) == sum(len(times) for _, times, _ in before) - 1
    assert len(video_times(output)[0]) == 40
    assert caplog.text.count("is damaged in part") == 1


def test_sound_that_the_container_refuses_is_transcoded_with_a_word(
    rich: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "dream.webm"
    rewrite(rich, output)
    tracks = sound_tracks(output)
    assert [about for about, *_ in tracks] == [("libopus", "eng", 1), ("libopus", "deu", 0)] or [
        about[0] for about, *_ in tracks
    ] == ["opus", "opus"]
    assert "transcoded to libopus: audio aac (eng), since a webm file cannot hold it" in caplog.text
    for (_, before, _), (_, after, _) in zip(sound_tracks(rich), tracks, strict=True):
        assert after[0] == pytest.approx(before[0], abs=25)
        assert after[-1] == pytest.approx(before[-1], abs=45)


def test_no_audio_leaves_the_sound_out(rich: Path, tmp_path: Path) -> None:
    output = tmp_path / "dream.mp4"
    rewrite(rich, output, EncodeSettings(audio=False))
    assert sound_tracks(output) == []


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_title_and_chapters_are_kept(rich: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"dream{suffix}"
    rewrite(rich, output)
    with av.open(str(output)) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
        assert (tags["title"], tags["comment"]) == ("A title", "A comment")
        spans = [
            (c["metadata"]["title"], float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]))
            for c in container.chapters()
        ]
    assert spans == [("One", 0, 1), ("Two", 1, 3)]


def test_subtitles_and_attachments_are_kept_or_named(
    rich: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rewrite(rich, tmp_path / "dream.mkv")
    with av.open(str(tmp_path / "dream.mkv")) as container:
        texts = [bytes(p) for p in container.demux(container.streams.subtitles[0]) if p.size]
        assert [text.decode() for text in texts] == ["Hello", "Bye"]
    with av.open(str(tmp_path / "dream.mkv")) as container:
        assert [s.type for s in container.streams] == ["video", "audio", "audio", "subtitle", "attachment"]
        assert container.streams.attachments[0].data == b"not quite a font"
    assert caplog.text == ""
    rewrite(rich, tmp_path / "dream.mp4")
    assert "dropped: subtitles" not in caplog.text  # they are converted
    assert "dropped: attachment" in caplog.text


@pytest.mark.parametrize("start", ["0.9", "1.3"])
def test_a_cut_takes_picture_and_sound_at_one_instant(rich: Path, tmp_path: Path, start: str) -> None:
    output = tmp_path / "dream.mkv"
    rewrite(rich, output, start=Fraction(start), duration=Fraction("0.6"))
    times, end = video_times(output)
    assert times[0] == 0
    assert float(end) == pytest.approx(0.6, abs=0.002)
    first = min(t for t in video_times(rich)[0] if t >= Fraction(start))
    kept = [
        round(t - first * 1000)
        for t in sound_tracks(rich)[0][1]
        if first * 1000 <= t < (first + Fraction("0.6")) * 1000
    ]
    assert sound_tracks(output)[0][1] == pytest.approx(kept, abs=1)
    with av.open(str(output)) as container:
        assert [c["metadata"]["title"] for c in container.chapters()] == (["One", "Two"] if start == "0.9" else ["Two"])


def test_with_a_number_of_frames_the_sound_stops_with_the_last(rich: Path, tmp_path: Path) -> None:
    output = tmp_path / "dream.mkv"
    assert rewrite(rich, output, frames=10) == 10
    assert sound_tracks(output)[0][1][-1] < 900 < sound_tracks(output)[0][1][-1] + 25


def test_a_source_without_sound_is_no_fault(tmp_path: Path) -> None:
    rewrite(make_clip(tmp_path / "clip.mp4"), tmp_path / "dream.mp4")
    assert sound_tracks(tmp_path / "dream.mp4") == []


@pytest.fixture(scope="module")
def covered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MP4 with a cover that is larger than the film."""
    path = tmp_path_factory.mktemp("covered") / "covered.mp4"
    clip = make_clip(path.with_name("plain.mp4"), audio=[("aac", "eng")])
    with av.open(str(clip)) as source, av.open(str(path), "w") as output:
        copies = [output.add_stream_from_template(stream) for stream in source.streams]
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 320, 240, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        still = av.VideoFrame.from_ndarray(picture(0, 320, 240), format="rgb24")
        output.mux(cover.encode(still) + cover.encode(None))
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
    return path


@pytest.mark.parametrize("cut", [{}, {"start": Fraction(1, 5)}])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_cover_is_not_dreamed_on_and_is_kept_where_it_can_be(
    covered: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str, cut: dict[Any, Any]
) -> None:
    output = tmp_path / f"dream{suffix}"
    assert rewrite(covered, output, **cut) == len(STEADY) - (5 if cut else 0)
    assert len(sound_tracks(output)) == 1 and sound_tracks(output)[0][1]
    with av.open(str(output)) as container:
        sizes = [(stream.width, stream.height, int(stream.disposition)) for stream in container.streams.video]
    attached = int(av.stream.Disposition.attached_pic)
    assert ((320, 240, attached) in sizes) == (suffix != ".webm")
    assert (64, 48) in [size[:2] for size in sizes]
    assert ("dropped: the cover picture" in caplog.text) == (suffix == ".webm")


# The picture itself.


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_turned_video_is_written_upright_and_says_nothing_of_a_turn(
    tmp_path: Path, suffix: str, matrix: tuple[int, int, int, int]
) -> None:
    source = make_clip(tmp_path / "clip.mp4", STEADY[:3])
    set_display_matrix(source, matrix)
    rewrite(source, tmp_path / f"dream{suffix}")
    with av.open(str(tmp_path / f"dream{suffix}")) as container:
        frame = next(container.decode(video=0))
        assert display_matrix(frame) is None and frame.rotation == 0
        assert (frame.width, frame.height) == ((48, 64) if matrix[0] == 0 else (64, 48))
        shown = frame.to_ndarray(format="rgb24")
    assert difference(shown, read(source)[1][0].image) < 4


def test_a_size_that_is_changed_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_video(made(size=(65, 49)), tmp_path / "dream.mp4", info_of((65, 49)))
    assert "libx264 needs even sides: 65x49 is padded to 66x50" in caplog.text


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_pixel_aspect_is_written_back(tmp_path: Path, suffix: str) -> None:
    write_video(made(), tmp_path / f"dream{suffix}", info_of(pixel_aspect=Fraction(16, 11)))
    assert read(tmp_path / f"dream{suffix}")[0].pixel_aspect == Fraction(16, 11)


@pytest.mark.parametrize("suffix", [".webm", ".gif"])
def test_pixels_are_made_square_where_no_aspect_can_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    write_video(made(), tmp_path / f"dream{suffix}", info_of(pixel_aspect=Fraction(2)))
    assert read(tmp_path / f"dream{suffix}")[0].width == 128
    assert "square" in caplog.text


@pytest.mark.parametrize("color", [BT601, BT709])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_color_tags_are_written_and_true(tmp_path: Path, suffix: str, color: Any) -> None:
    red = np.full((48, 64, 3), (220, 40, 30), np.uint8)
    frames = (Frame(red, time, Fraction(1, 25)) for time in STEADY[:2])
    write_video(frames, tmp_path / f"dream{suffix}", info_of(color=color))
    with av.open(str(tmp_path / f"dream{suffix}")) as container:
        frame = next(container.decode(video=0))
        assert frame.colorspace == color.matrix
        assert frame.color_range == 1
        if suffix != ".webm":
            assert (frame.color_trc, frame.color_primaries) == (color.transfer, color.primaries)
    assert np.abs(read(tmp_path / f"dream{suffix}")[1][0].image.reshape(-1, 3).mean(0) - red[0, 0]).max() < 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize(
    ("size", "tags", "matrix"),
    [
        ((320, 240), {"colorspace": 5, "color_primaries": 6, "color_trc": 6}, 5),
        ((320, 240), {"colorspace": 1, "color_primaries": 1, "color_trc": 1}, 1),
        ((320, 240), {"colorspace": 1, "color_range": 2}, 1),
        ((320, 240), {"color_range": 2}, 6),
        ((320, 240), {}, 6),
        ((320, 720), {}, 1),
    ],
)
def test_undreamed_pictures_are_those_of_the_source_and_their_tags_are_true(
    tmp_path: Path, suffix: str, size: tuple[int, int], tags: dict[Any, Any], matrix: int
) -> None:
    source = make_clip(tmp_path / "clip.mp4", STEADY[:2], size=size, tags=tags)
    rewrite(source, tmp_path / f"dream{suffix}")
    (info, before), (_, after) = read(source), read(tmp_path / f"dream{suffix}")
    assert max(difference(one.image, other.image) for one, other in zip(before, after, strict=True)) < 2
    with av.open(str(tmp_path / f"dream{suffix}")) as container:
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_range) == (matrix, 1)
    assert info.color.matrix == matrix


def test_saturated_edges_survive(tmp_path: Path) -> None:
    bars = np.zeros((96, 96, 3), np.uint8)
    for n, color in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255)]):
        bars[:, 16 * n : 16 * n + 16] = color
    source = make_clip(tmp_path / "clip.mp4", STEADY[:3], size=(96, 96), image=lambda *_: bars, options={"crf": "4"})
    rewrite(source, tmp_path / "dream.mp4")
    for before, after in zip(read(source)[1], read(tmp_path / "dream.mp4")[1], strict=True):
        assert difference(before.image, after.image) < 2


def test_another_codec_can_be_asked_for(tmp_path: Path) -> None:
    write_video(made(), tmp_path / "dream.mkv", info_of(), EncodeSettings(codec="ffv1"))
    with av.open(str(tmp_path / "dream.mkv")) as container:
        assert container.streams.video[0].codec_context.name == "ffv1"


@pytest.mark.parametrize(
    ("suffix", "codec", "message"),
    [
        (".mp4", "nonesuch", "no such encoder; libx264 is the default"),
        (".webm", "libx264", "does not go into a webm file"),
        (".mp4", "aac", "does not encode video"),
        (".mp4", "h264_nvenc", "cannot be used here"),
    ],
)
def test_a_codec_that_will_not_do_is_named(tmp_path: Path, suffix: str, codec: str, message: str) -> None:
    closed: list[Any] = []
    output = tmp_path / f"dream{suffix}"
    with pytest.raises(OutputError, match=message) as caught:
        check_encoder(output, EncodeSettings(codec=codec))
    assert codec in str(caught.value) and "\n" not in str(caught.value)
    frames = made(closed=closed)
    next(frames)
    with pytest.raises(OutputError, match=message):
        write_video(frames, output, info_of(), EncodeSettings(codec=codec))
    assert closed == [True]
    assert list(tmp_path.iterdir()) == []


def test_a_codec_that_will_do_passes(tmp_path: Path) -> None:
    for suffix in CONTAINERS:
        check_encoder(tmp_path / f"dream{suffix}", EncodeSettings())
    assert list(tmp_path.iterdir()) == []


# Failures.


def test_the_name_is_given_only_to_a_complete_file(tmp_path: Path) -> None:
    output = tmp_path / "dream.mp4"
    seen = []

    def watched() -> Generator[Any, None, None]:
        for frame in made([Fraction(n, 25) for n in range(150)]):  # more than the encoder holds back
            seen.append(sorted(path.name for path in tmp_path.iterdir()))
            yield frame

    write_video(watched(), output, info_of())
    assert all("dream.mp4" not in names for names in seen)
    assert seen[-1] == ["dream.mp4.checkpoint"]
    assert [path.name for path in tmp_path.iterdir()] == ["dream.mp4"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a dream failed"), OSError(errno.EIO, "gone")])
def test_an_interruption_leaves_a_part_that_plays(tmp_path: Path, rich: Path, error: Any) -> None:
    def broken() -> Generator[Any, None, None]:
        yield from made([Fraction(n, 25) for n in range(60)])
        raise error

    with pytest.raises(type(error)) as caught:
        write_video(broken(), tmp_path / "dream.mp4", info_of(path=rich, stream=0))
    assert caught.value is error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dream.mp4.checkpoint", "dream.mp4.part"]
    assert len(read(tmp_path / "dream.mp4.part")[1]) >= 59


def test_a_failure_before_the_first_frame_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Generator[None, None, None]:
        raise ValueError("no dream")
        yield

    (tmp_path / "dream.mp4").write_text("an older film")
    with pytest.raises(ValueError, match="no dream"):
        write_video(broken(), tmp_path / "dream.mp4", info_of(), overwrite=True)
    with pytest.raises(OutputError, match="dream.mp4 exists"):
        write_video(made(), tmp_path / "dream.mp4", info_of())
    assert (tmp_path / "dream.mp4").read_text() == "an older film"
    assert len(list(tmp_path.iterdir())) == 1


def test_no_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no frame"):
        write_video(made([]), tmp_path / "dream.mp4", info_of())
    assert list(tmp_path.iterdir()) == []


def on_a_full_disk(path: Path) -> IO[bytes]:
    """In place of `create_file`: libav follows the link."""
    path.symlink_to("/dev/full")
    return Path(os.devnull).open("wb")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which is always full")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".gif"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_file, "create_file", on_a_full_disk)
    output = tmp_path / f"dream{suffix}"
    with pytest.raises(OutputError, match="disk is full"):
        write_video(made(), output, info_of())
    assert list(tmp_path.iterdir()) == [checkpoint_folder(output)]  # what was finished is there to be resumed
    monkeypatch.undo()
    assert write_video(made([]), output, info_of(), resume=True) == len(STEADY)
    assert list(tmp_path.iterdir()) == [output]


def test_a_missing_folder_is_made_and_one_that_cannot_be_is_told(tmp_path: Path) -> None:
    write_video(made(), tmp_path / "a" / "b" / "dream.mp4", info_of())
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="expected a folder"):
            write_video(made(), folder / "dream.mp4", info_of())
    with pytest.raises(OutputError, match="there was no frame"):
        write_video(made([]), tmp_path / "c" / "d" / "dream.mp4", info_of())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_nothing_is_printed_and_no_thread_stays(rich: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    threads = threading.active_count()
    for suffix in (".mp4", ".webm"):
        rewrite(rich, tmp_path / f"dream{suffix}")
    assert capfd.readouterr() == ("", "")
    assert threading.active_count() == threads


# Resuming.


@pytest.mark.parametrize(("size", "threads"), [((64, 48), 1), ((640, 360), 4)])
def test_small_pictures_are_encoded_by_one_thread(size: tuple[int, int], threads: int) -> None:
    """What several threads of x264 make of few lines differs now and then, and so would a video that is resumed."""
    with av.open(io.BytesIO(), "w", format="matroska") as output:
        encoder = VideoEncoder(output, container_of(Path("a.mkv")), StreamInfo(*size, Fraction(25)), FAST)
        encoder.open()
        assert encoder.stream.codec_context.thread_count == threads


def x264_settings(tmp_path: Path, **encode: Any) -> bytes:
    """What x264 says of its settings in its stream."""
    frames = [Frame(textured(480, 640, seed), Fraction(seed, 25)) for seed in range(2)]
    path = tmp_path / "x.mkv"
    write_video(frames, path, StreamInfo(640, 480, Fraction(25)), EncodeSettings(**encode), overwrite=True)
    content = path.read_bytes()
    start = content.index(b"x264 - core")
    return content[start : start + 700]


def test_the_encoder_takes_a_preset_and_a_number_of_threads(tmp_path: Path) -> None:
    plain = x264_settings(tmp_path)
    assert b"cabac=1" in plain and b" threads=4" in plain
    quick = x264_settings(tmp_path, encoder_preset="ultrafast", encoder_threads=2)
    assert b"cabac=0" in quick and b" threads=2" in quick


@pytest.mark.parametrize(
    ("codec", "told"), [("libx264", "expected one of ultrafast, superfast"), ("mpeg4", "it has no presets")]
)
def test_a_preset_that_the_encoder_does_not_know_is_one_line(tmp_path: Path, codec: str, told: str) -> None:
    with pytest.raises(OutputError, match=f"--encoder-preset quick with {codec}: {told}"):
        x264_settings(tmp_path, codec=codec, encoder_preset="quick")


def through(path: Path, output: Path, network: Network, resume: bool = False, stop_after: int = 10**9) -> int:
    """The program: dream a video, or the rest of it; cancelled after so many frames."""
    count = 0

    def should_stop() -> bool:
        nonlocal count
        count += 1
        return count >= stop_after

    dream, point = DreamSettings(octaves=1, iterations=2, step_size=0.03), resume_point(output) if resume else None
    with open_video(path, ReadSettings(), resume=point.time if point else None) as source:
        frames = prefetch(source.frames)
        frames = dream_video(frames, network, dream, CarrySettings(), resume=point)
        return write_video(frames, output, source.info, FAST, resume=resume, should_stop=should_stop)


@pytest.mark.parametrize("stop_after", [3, 8, 17])
def test_the_same_lines_resume_what_was_cancelled(
    tmp_path: Path, tiny_network: Network, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr(segments, "MAX_FRAMES", 6)
    clip = make_clip(tmp_path / "clip.mp4", TWENTY, audio=[("aac", "eng")])
    whole, output = tmp_path / "whole.mkv", tmp_path / "dream.mkv"
    assert through(clip, whole, tiny_network) == 20
    with pytest.raises(Cancelled):
        through(clip, output, tiny_network, stop_after=stop_after)
    assert not output.exists()
    part = tmp_path / "dream.mkv.part"
    assert len(read(part)[1]) == stop_after
    finished = stop_after // 6
    assert len(finished_segments(checkpoint_folder(output))) == finished
    point = resume_point(output)
    assert (point is None) == (finished == 0)
    if point is not None:
        assert (point.frames, point.time) == (6 * finished, TWENTY[6 * finished - 1])
        assert point.carry is not None
    assert through(clip, output, tiny_network, resume=True) == 20
    assert video_times(output) == video_times(whole) and sound_tracks(output) == sound_tracks(whole)
    for ours, theirs in zip(read(output)[1], read(whole)[1], strict=True):
        assert np.array_equal(ours.image, theirs.image)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "dream.mkv", "whole.mkv"]


def test_frames_from_anywhere_are_segmented_by_their_number_and_dreamed_ones_by_their_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "MAX_FRAMES", 4)
    labels = [None] * 9 + [0, 0, 1, 1, 1, 1, 1, 0]
    frames = (replace(frame, segment=label) for frame, label in zip(made(TWENTY[:17]), labels, strict=True))
    output = tmp_path / "dream.mp4"
    stopped = iter([False] * 16 + [True])
    with pytest.raises(Cancelled):
        write_video(frames, output, info_of(), should_stop=lambda: next(stopped))
    assert [each.frames for each in finished_segments(checkpoint_folder(output))] == [4, 4, 1, 2, 5]


def test_no_container_holds_the_packets_of_every_encoder_so_segments_are_logs(tmp_path: Path) -> None:
    """NUT gives back all times and bytes of others, but libav's muxer refuses these; see `media.packets`."""
    with av.open(str(tmp_path / "segment.nut"), "w", format="nut") as nut:
        for codec in ("prores_ks", "dnxhd", "qtrle"):
            with pytest.raises(ValueError, match="does not support"):
                nut.add_stream(codec, rate=25)
    output = tmp_path / "dream.mov"
    write_video(made(UNEVEN), output, info_of(), EncodeSettings(codec="prores_ks"))
    assert video_times(output)[0] == UNEVEN


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6), st.integers(0, 400))
def test_of_a_log_that_was_cut_short_all_whole_packets_can_be_read(contents: list[bytes], cut: int) -> None:
    packets = [av.Packet(content) for content in contents]
    for number, packet in enumerate(packets):
        packet.pts, packet.dts, packet.duration = 7 * number - 3, 5 * number - 9, number
        packet.is_keyframe = number % 2 == 0
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        with path.open("wb") as file:
            ends = [write_packets([packet], file) and file.tell() for packet in packets]
        path.write_bytes(path.read_bytes()[:cut])
        back = list(read_packets(path, Fraction(1, 90_000)))
    whole = sum(end <= cut for end in ends)
    assert [bytes(packet) for packet in back] == contents[:whole]
    for packet, original in zip(back, packets, strict=False):
        for name in ("pts", "dts", "duration", "is_keyframe"):
            assert getattr(packet, name) == getattr(original, name)


# Names.


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.mp4", "a_dream.mp4"),
        ("b.MOV", "b_dream.MOV"),
        ("c d.webm", "c d_dream.webm"),
        ("e.gif", "e_dream.gif"),
        ("f.wmv", "f_dream.mp4"),
        ("g", "g_dream.mp4"),
        ("h.v1.ts", "h.v1_dream.mp4"),
        ("i.JPG", "i_dream.JPG"),
    ],
)
def test_default_names(name: str, expected: str) -> None:
    assert default_output(Path("films") / name, None) == Path("films") / expected
    assert default_output(Path("films") / name, Path("dreams")) == Path("dreams") / expected


def test_an_output_is_checked_before_any_work(tmp_path: Path) -> None:
    source = tmp_path / "film.mp4"
    source.write_text("film")
    other = tmp_path / "other.mp4"
    other.write_text("other")
    link = tmp_path / "link.mp4"
    link.symlink_to(source)
    check_output(tmp_path / "new.mp4", [source], overwrite=False)
    check_output(tmp_path / "new.png", [source], overwrite=False)
    check_output(other, [source], overwrite=True)
    check_output(tmp_path / "absent" / "below" / "new.mp4", [source], overwrite=False)
    for output, overwrite, message in [
        (other, False, "--overwrite"),
        (source, True, "input itself"),
        (link, True, "input itself"),
        (other / "new.mp4", False, "is not a folder"),
        (other / "below" / "new.mp4", False, "is not a folder"),
        (tmp_path, False, "is a folder"),
        (tmp_path / "new.xyz", False, r"unknown kind of video '\.xyz': expected \.mp4"),
        (tmp_path / "new", False, "unknown kind"),
    ]:
        with pytest.raises(OutputError, match=message):
            check_output(output, [source], overwrite)


def test_a_read_only_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(OutputError, match="read-only"):
        check_output(tmp_path / "new.mp4", [], overwrite=False)


# Pictures.


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif", ".PNG"])
def test_a_picture_comes_back(tmp_path: Path, suffix: str) -> None:
    image = picture(0, 65, 49)
    write_image(image, tmp_path / f"dream{suffix}")
    assert difference(read_image(tmp_path / f"dream{suffix}"), image) < (3 if suffix in (".jpg", ".webp") else 1e-9)
    assert [path.name for path in tmp_path.iterdir()] == [f"dream{suffix}"]
    raw = np.fromfile(tmp_path / f"dream{suffix}", np.uint8)
    assert (raw[:2].tobytes() == b"\xff\xd8") == (suffix == ".jpg")
    assert cv2.imdecode(raw, cv2.IMREAD_COLOR) is not None


def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="expected a name ending in"):
        write_image(picture(0), tmp_path / "dream.xyz")
    with pytest.raises(OutputError, match="cannot be written"):
        write_image(picture(0), tmp_path / "absent" / "dream.png")
