"""Whatever is broken in a video, every frame that can be decoded comes out, with one thread or with many."""

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import pytest
from clips import difference, make_clip, picture
from conftest import only_line, run

from dreamvideo.media import decode
from dreamvideo.media.demux import open_container, require_video
from dreamvideo.media.video_reader import open_video

FRAMES = 60


def make_film(path: Path, b_frames: int, codec: str = "libx264", rate: int = 25) -> Path:
    """A film of 60 frames with a key frame every 25, and B-frames."""
    options = {"g": "25", "crf": "30"} if codec == "libx264" else {"x265-params": "log-level=none"}
    with av.open(str(path), "w") as output:
        stream = cast(av.VideoStream, output.add_stream(codec, rate=rate, options=options))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.bit_rate = 2_000_000 if codec.startswith("mpeg") else 0
        for number in range(FRAMES):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
        output.mux(stream.encode(None))
    return path


def break_packet(path: Path, number: int) -> Path:
    """A copy in which packet `number` cannot be decoded."""
    with av.open(str(path)) as container:
        packet = [bytes(packet) for packet in container.demux(video=0) if packet.size][number]
    content = path.read_bytes()
    assert content.count(packet) == 1
    broken = packet[:4] + bytes(255 if n % 3 else 0 for n in range(len(packet) - 4))
    path = path.with_stem(f"{path.stem}_{number}")
    path.write_bytes(content.replace(packet, broken))
    return path


def decoded(path: Path, threads: int, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], int]:
    """(times of all frames, number of losses)."""
    plain, lost = decode.decoder_for, list[str]()

    def with_threads(stream: av.VideoStream) -> av.VideoCodecContext:
        decoder = plain(stream)
        decoder.thread_count = threads
        return decoder

    with open_container(path) as container, monkeypatch.context() as patch:
        patch.setattr(decode, "decoder_for", with_threads)
        frames = decode.decode_frames(container, require_video(container, path), lost.append)
        return [frame.pts for frame in frames], len(lost)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("b_frames", [0, 3])
def test_a_broken_packet_costs_its_own_frame_alone_with_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, b_frames: int
) -> None:
    film = make_film(tmp_path / f"film{suffix}", b_frames)
    whole = decoded(film, 1, monkeypatch)
    assert len(whole[0]) == FRAMES and whole == decoded(film, 16, monkeypatch)
    for number in (30, 45, 50, 55, 58, 59):
        broken = break_packet(film, number)
        alone = decoded(broken, 1, monkeypatch)
        assert FRAMES - 2 <= len(alone[0]) < FRAMES and alone[1] == 1  # the decoder drops one more at a key frame
        for threads in (2, 4, 16):
            assert decoded(broken, threads, monkeypatch) == alone, (number, threads)


def test_two_broken_packets_in_the_last_frames_cost_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = break_packet(break_packet(make_film(tmp_path / "film.mkv", 0), 52), 57)
    outcomes = [decoded(film, threads, monkeypatch) for threads in (1, 8, 16)]
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(outcomes[0][0]) >= FRAMES - 4 and outcomes[0][1] == 2


def test_a_film_cut_in_half_says_how_much_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = make_clip(tmp_path / "film.mp4", [Fraction(n, 25) for n in range(80)], container={"movflags": "+faststart"})
    film.write_bytes(film.read_bytes()[: film.stat().st_size * 6 // 10])
    with open_video(film) as source:
        count = sum(1 for _ in source.frames)
    assert 20 < count < 70
    assert count + source.lost == 80
    assert run("video", film, "-o", tmp_path / "out.mp4", "--iterations", "0") == 0
    said = capsys.readouterr().err
    assert "ends early: " in said and " of 80 frames are missing" in said
    assert f"{count} frames" in said and f"{80 - count} lost" in said


def test_frames_that_an_edit_list_leaves_out_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = make_clip(tmp_path / "film.mp4", [Fraction(n, 25) for n in range(40)])
    content = bytearray(film.read_bytes())
    at = content.index(b"elst") + 12  # segment duration, in ms
    assert int.from_bytes(content[at : at + 4], "big") == 1600
    content[at : at + 4] = (800).to_bytes(4, "big")
    film.write_bytes(bytes(content))
    assert run("video", film, "-o", tmp_path / "out.mp4", "--iterations", "0") == 0
    assert "20 frames" in only_line(capsys)


@pytest.mark.parametrize("b_frames", [0, 3])
@pytest.mark.parametrize(
    ("suffix", "codec"), [(".h264", "libx264"), (".265", "libx265"), (".m4v", "mpeg4"), (".m2v", "mpeg2video")]
)
def test_a_raw_stream_has_the_rate_that_it_tells(tmp_path: Path, suffix: str, codec: str, b_frames: int) -> None:
    rate = 24 if codec == "mpeg2video" else 15  # MPEG-2 knows few rates
    film = make_film(tmp_path / f"film{suffix}", b_frames, codec, rate)
    with open_video(film) as source:
        times = [frame.time for frame in source.frames]
        assert source.info.frame_rate == rate
    assert times == [Fraction(number, rate) for number in range(FRAMES)]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("b_frames", [0, 3])
def test_the_frames_of_an_avi_are_evenly_spaced(tmp_path: Path, codec: str, b_frames: int) -> None:
    with open_video(make_film(tmp_path / "film.avi", b_frames, codec)) as source:
        frames = list(source.frames)
    assert [frame.time for frame in frames] == [Fraction(number, 25) for number in range(FRAMES)]
    for number in (0, 1, 2, 3, 30, 58, 59):
        assert difference(frames[number].image, picture(number)) < 8


def test_a_broken_frame_of_an_avi_leaves_the_last_ones_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = break_packet(make_film(tmp_path / "film.avi", 3), 55)
    alone = decoded(film, 1, monkeypatch)
    assert alone == decoded(film, 16, monkeypatch)
    assert alone[0][-1] == FRAMES - 1 and alone[1] == 1
