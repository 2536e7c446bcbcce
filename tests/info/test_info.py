"""`info` reports what a file holds, and forecasts what a dream then does."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import STEADY, UNEVEN, make_clip, picture, set_display_matrix
from conftest import only_line, run, stream, textured
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.frames import Frame
from dreamvideo.info.dream_rate import DreamRate, first_shot, measure_dream_rate
from dreamvideo.info.probe import _varies, probe_file
from dreamvideo.media.images import write_image
from dreamvideo.media.metadata import settings_comment
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import write_video
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.settings.job import ReadSettings

QUICK = ["--iterations", "1", "--octaves", "1"]
CONTAINERS = ["mp4", "mov", "mkv", "webm", "avi", "gif"]
KINDS = {"video": "video", "cover": "video", "audio": "audio", "subtitles": "subtitle", "attachment": "attachment"}


def report_of(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    """The one JSON object on stdout."""
    assert run("info", *words, "--json") == 0
    return json.loads(capsys.readouterr().out)["files"]


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MKV of 64x48 with two video streams, two audio streams, subtitles, a font and chapters."""
    folder = tmp_path_factory.mktemp("rich")
    chapters: list[Any] = [
        {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
        {"id": 2, "start": 200, "end": 480, "time_base": Fraction(1, 1000), "metadata": {"title": "Two"}},
    ]
    large = make_clip(folder / "large.mkv", audio=[("aac", "eng"), ("pcm_s16le", "deu")])
    small = make_clip(folder / "small.mkv", size=(32, 24))
    (folder / "subs.srt").write_text("1\n00:00:00,100 --> 00:00:00,300\nHello\n")
    with (
        av.open(str(large)) as one,
        av.open(str(small)) as two,
        av.open(str(folder / "subs.srt")) as subs,
        av.open(str(folder / "rich.mkv"), "w") as output,
    ):
        output.metadata.update({"title": "A title"})
        output.set_chapters(chapters)
        copies = {}
        for source in (one, two, subs):
            for each in source.streams:
                copy = copies[source, each.index] = output.add_stream_from_template(each, opaque=True)
                copy.metadata.update(each.metadata)
                copy.disposition = each.disposition
        output.add_attachment("font.ttf", "font/ttf", b"not quite a font")
        for source in (one, two, subs):
            for packet in source.demux():
                if packet.size:
                    packet.stream = copies[source, packet.stream.index]
                    output.mux(packet)
    return folder / "rich.mkv"


def test_the_content_of_a_file_is_reported(rich: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = report_of(capsys, rich, "--no-time")
    source = file["input"]
    assert (source["container"], source["size"]) == ("Matroska", rich.stat().st_size)
    assert source["duration"] == pytest.approx(0.48, abs=0.04)
    assert [each["kind"] for each in source["streams"]] == [
        "video",
        "audio",
        "audio",
        "video",
        "subtitles",
        "attachment",
    ]
    large, english, german, small, words, font = source["streams"]
    assert source["dreamed"] == large["index"] == 0
    assert (small["video"]["width"], small["video"]["height"]) == (32, 24)
    assert (large["video"]["width"], large["video"]["height"], large["video"]["frames"]) == (64, 48, 12)
    assert (large["video"]["frame_rate"], large["video"]["variable"]) == ("25", False)
    assert (large["video"]["matrix"], large["video"]["assumed"]) == (None, "BT.601")
    assert (english["codec"], english["language"], english["default"]) == ("aac", "eng", True)
    assert (german["codec"], german["language"], german["default"]) == ("pcm_s16le", "deu", False)
    assert german["audio"] == {"rate": 48_000, "layout": "mono", "channels": 1, "bit_rate": 768_000}
    assert (words["codec"], font["file"]) == ("subrip", "font.ttf")
    assert [(part["start"], part["end"], part["title"]) for part in source["chapters"]] == [
        (0, 0.2, "One"),
        (0.2, 0.48, "Two"),
    ]
    assert source["tags"]["title"] == "A title"
    assert source["settings"] is None and file["time"] is None


@pytest.mark.parametrize("audio", [True, False])
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_the_forecast_of_each_stream_is_what_is_done(
    rich: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    suffix: str,
    audio: bool,
) -> None:
    output = tmp_path / f"out.{suffix}"
    words = [] if audio else ["--no-audio"]
    (file,) = report_of(capsys, rich, "-o", output, "--no-time", *words)
    assert not output.exists()
    forecast = file["output"]
    assert run("video", rich, "-o", output, "--iterations", 0, *words) == 0

    kinds = {each["index"]: KINDS[each["kind"]] for each in file["input"]["streams"]}
    stay = [each for each in forecast["streams"] if each["action"] != "dropped"]
    with av.open(str(output)) as written:
        # QuickTime keeps chapters as a stream of text
        types = sorted(each.type for each in written.streams if each.type != "data")
        assert types == sorted(kinds[each["stream"]] for each in stay)
        video = written.streams.video[0]
        assert (video.width, video.height) == (forecast["width"], forecast["height"])
        assert video.codec_context.codec.canonical_name == forecast["codec"]
        assert bool(written.chapters()) == forecast["chapters"]
        sounds = [each.codec_context.codec.canonical_name for each in written.streams.audio]
    codecs = {each["index"]: each["codec"] for each in file["input"]["streams"]}
    names = {"libopus": "opus", "libmp3lame": "mp3"}
    expected = [
        names.get(each["codec"], each["codec"]) if each["action"] == "transcoded" else codecs[each["stream"]]
        for each in stay
        if kinds[each["stream"]] == "audio"
    ]
    assert sounds == expected
    for each in forecast["streams"]:
        if each["action"] == "dropped" and "--no-audio" not in each["reason"]:
            assert f"dropped: {each['label']}" in caplog.text


def test_text_says_the_same(rich: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", rich, "-o", "x.webm", "--no-time") == 0
    text = capsys.readouterr().out
    for line in (
        "rich.mkv: Matroska, 0.",
        "0  video       h264",
        "-> dropped, since only the best video stream is dreamed on",
        "-> dreamed: vp9 by libvpx-vp9, 64x48, yuv420p, BT.601",
        "-> transcoded to libopus, since a webm file cannot hold it",
        "-> dropped, since a webm file cannot hold it",
        "chapters    0:00 One; 0:00.2 Two",
        "tags        title = A title",
        "output      x.webm",
    ):
        assert line in text, line
    assert "      time " not in text
    assert max(map(len, text.splitlines()[1:])) <= 110


@pytest.mark.parametrize(
    ("matrix", "turn", "shown"),
    [
        ((0, 1, -1, 0), "a quarter clockwise", (48, 128)),
        ((-1, 0, 0, -1), "by half", (128, 48)),
        ((-1, 0, 0, 1), "mirrored left to right", (128, 48)),
        ((1, 0, 0, 1), None, (128, 48)),
    ],
)
def test_turns_and_pixel_aspect(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    matrix: tuple[int, int, int, int],
    turn: str | None,
    shown: tuple[int, int],
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", aspect=Fraction(2))
    set_display_matrix(clip, matrix)
    seen = probe_file(clip).streams[0].video
    assert (seen.width, seen.height, seen.pixel_aspect) == (64, 48, Fraction(2))
    assert (seen.rotation, (seen.shown_width, seen.shown_height)) == (turn, shown)
    assert run("info", clip, "--no-time") == 0
    assert ("written upright" in capsys.readouterr().out) == (turn is not None)


def test_color_range_depth_and_interlacing(tmp_path: Path) -> None:
    tags = {"colorspace": 9, "color_primaries": 9, "color_trc": 16}
    deep = probe_file(make_clip(tmp_path / "deep.mkv", pixels="yuv420p10le", tags=tags)).streams[0].video
    assert (deep.matrix, deep.primaries, deep.transfer, deep.hdr, deep.bits) == ("BT.2020", "BT.2020", "PQ", "PQ", 10)
    full = probe_file(make_clip(tmp_path / "full.mkv", tags={"colorspace": 1, "color_range": 2})).streams[0].video
    assert (full.matrix, full.full_range, full.hdr, full.bits, full.interlaced) == ("BT.709", True, None, 8, False)
    options = {"x264-params": "interlaced=1:tff=1"}
    assert probe_file(make_clip(tmp_path / "fields.mkv", options=options)).streams[0].video.interlaced


@pytest.mark.parametrize(
    ("name", "make", "note"),
    [
        ("odd.mp4", {"size": (65, 49), "pixels": "yuv444p"}, "65x49 is padded to 66x50"),
        ("hdr.mkv", {"pixels": "yuv420p10le", "tags": {"color_trc": 18, "color_primaries": 9}}, "tone-mapped"),
        ("fields.mkv", {"options": {"x264-params": "interlaced=1:tff=1"}}, "deinterlaced frame for frame"),
        ("wide.webm", {"aspect": Fraction(2)}, "widened"),
    ],
)
def test_what_would_be_changed_is_noted_once_and_nothing_goes_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, make: dict[Any, Any], note: str
) -> None:
    clip = make_clip(tmp_path / name, **make) if name != "wide.webm" else make_clip(tmp_path / "wide.mkv", **make)
    assert run("info", clip, "-o", tmp_path / f"out{clip.suffix if name != 'wide.webm' else '.webm'}", "--no-time") == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.count(note) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [clip.name]


def test_an_existing_output_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    (tmp_path / "clip_dream.mp4").touch()
    (file,) = report_of(capsys, clip, "--no-time")
    assert any("--overwrite (-y)" in warning for warning in file["output"]["warnings"])


def test_a_variable_rate_is_distinguished_from_a_rounded_one(tmp_path: Path) -> None:
    ntsc = [Fraction(1001 * n, 30_000) for n in range(60)]
    for name in ("clip.mkv", "clip.mp4"):
        steady = probe_file(make_clip(tmp_path / name, ntsc)).streams[0].video
        assert not steady.variable and steady.frames == 60
    seen = probe_file(make_clip(tmp_path / "uneven.mp4", UNEVEN)).streams[0].video
    assert seen.variable
    assert (seen.shortest, seen.longest) == (Fraction(1, 1000), Fraction(667, 1000))


@given(st.integers(1, 1000), st.sampled_from([1000, 90_000, 30_000]), st.integers(3, 60))
def test_rounding_alone_never_varies(rate: int, base: int, count: int) -> None:
    times = [Fraction(round(Fraction(n, rate) * base), base) for n in range(count)]
    intervals = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert not _varies(intervals, Fraction(1, base))


def test_the_frame_count_of_a_truncated_file_is_not_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", [Fraction(n, 25) for n in range(100)], options={"g": "10"})
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    (file,) = report_of(capsys, clip, "--no-time")
    assert file["output"]["frame_count"] < 90


def test_the_settings_of_a_dream_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = settings_comment(DreamSettings(iterations=3))
    with open_video(make_clip(tmp_path / "clip.mp4"), ReadSettings()) as source:
        write_video(source.frames, tmp_path / "dream.mp4", source.info, comment=line)
    write_image(picture(0), tmp_path / "dream.png", line)
    files = report_of(capsys, tmp_path / "dream.mp4", tmp_path / "dream.png", "--no-time")
    assert [file["input"]["settings"] for file in files] == [{"iterations": 3}] * 2
    assert run("info", tmp_path / "dream.mp4", "--no-time") == 0
    assert "dreamed by  iterations = 3" in capsys.readouterr().out


def test_an_image_is_reported_and_not_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(picture(0, 65, 49), tmp_path / "photo.png")
    (file,) = report_of(capsys, tmp_path / "photo.png")
    seen = file["input"]["streams"][0]["video"]
    assert (seen["width"], seen["height"], seen["frame_rate"]) == (65, 49, None)
    assert (file["input"]["container"], file["input"]["streams"][0]["kind"]) == ("image", "image")
    assert file["output"] is None and file["time"] is None


def test_an_unreadable_file_is_one_line_and_the_others_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    (tmp_path / "text.mp4").write_text("no video at all\n" * 9)
    assert run("info", tmp_path / "text.mp4", clip, "--no-time") == 3
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "text.mp4 cannot be opened as a video" in said.err
    assert said.out.startswith(f"{clip}: MP4")
    assert run("info", tmp_path / "text.mp4", clip, "--no-time", "--json") == 3
    text, good = json.loads(capsys.readouterr().out)["files"]
    assert "cannot be opened" in text["error"] and good["input"]["container"] == "MP4"
    assert run("info", tmp_path / "none.mp4", "--no-time") == 1
    assert "no such file" in only_line(capsys)
    assert run("info", clip, "-o", tmp_path / "x.xyz", "--no-time") == 1
    assert "unknown kind of video" in only_line(capsys)
    assert run("info", clip, clip, "-o", tmp_path / "x.mp4", "--no-time") == 2


def test_the_time_is_measured_on_dreamed_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    (file,) = report_of(capsys, clip, *QUICK)
    seconds = file["time"]
    assert seconds["first"] > 0 and seconds["carried"] > 0
    assert seconds["total"] == pytest.approx(seconds["first"] + 11 * seconds["carried"])
    assert (seconds["network"], seconds["device"].split()[0]) == ("dreamnet", "cpu")
    assert run("info", clip, *QUICK) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "for 12 frames without a cut" in text and "for the first of each shot" in text and "cpu (" in text
    (file,) = report_of(capsys, clip, "--iterations", 0)
    assert file["time"] is None


def test_the_first_frame_of_a_shot_takes_longer(tiny_network: Network) -> None:
    still = textured(64, 64)
    dreaming, carrying = DreamSettings(iterations=8, octaves=2), CarrySettings()
    found = measure_dream_rate(list(stream([still] * 5)), tiny_network, dreaming, carrying)
    assert found.first > 2 * found.carried
    assert found.total(1) == found.first
    assert found.total(101) == pytest.approx(found.first + 100 * found.carried)


def test_one_frame_is_enough(tiny_network: Network) -> None:
    found = measure_dream_rate(
        list(stream([textured(64, 64)])), tiny_network, DreamSettings(iterations=1), CarrySettings()
    )
    assert isinstance(found, DreamRate) and found.carried == 0 and found.first > 0


def test_no_frame_of_another_shot_is_timed() -> None:
    one, other = textured(64, 64, 1), textured(64, 64, 9)[::-1]
    frames = [Frame(image, time) for image, time in zip([one, one, 255 - other, 255 - other], STEADY, strict=False)]
    shot = first_shot(frames)
    assert [frame.time for frame in shot] == STEADY[:4]
    assert all(np.array_equal(frame.image, one) for frame in shot)


def test_without_timing_no_torch_is_loaded(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    code = "import sys; from dreamvideo.cli import main; c = main(sys.argv[1:]); print('torch' in sys.modules, c)"
    words = [sys.executable, "-c", code, "info", str(clip), "--no-time"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False 0"
