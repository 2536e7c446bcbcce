"""What belongs to a film beside picture and sound: subtitles in the container's own kind, names of tracks."""

import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import pytest
from av.subtitles.subtitle import AssSubtitle
from clips import make_clip, video_times

from dreamvideo.media.side_data import lost_side_data
from dreamvideo.media.stream_policy import plan_streams
from dreamvideo.media.video_encoder import CONTAINERS
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import write_video
from dreamvideo.settings.job import EncodeSettings, ReadSettings

CUES = [(0, 300, "Hello <i>there</i>"), (400, 200, "Umlaut: äöü"), (600, 100, "two\nlines")]
TWO_SECONDS = [Fraction(n, 25) for n in range(50)]


def rewrite(path: Path, output: Path, **cut: Any) -> Path:
    with open_video(path, ReadSettings(**cut)) as source:
        write_video(source.frames, output, source.info, EncodeSettings(), overwrite=True)
    return output


def with_subtitles(path: Path, cues: Any = CUES, name: str = "For the deaf") -> Path:
    """A film of two seconds with sound, named tracks, and a track of cues (start and duration in ms, text)."""
    plain = make_clip(path.with_name(f"plain{path.suffix}"), TWO_SECONDS, audio=[("aac", "eng")])
    codec = "mov_text" if path.suffix in (".mp4", ".mov") else "subrip"
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        copies = [output.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        copies[1].metadata.update({"title": "Commentary", "handler_name": "Commentary", "language": "eng"})
        text = output.add_mux_stream(codec, time_base=Fraction(1, 1000))
        text.metadata.update({"title": name, "handler_name": name, "language": "deu"})
        output.start_encoding()
        for start, duration, line in cues:
            content = line.encode()
            packet = av.Packet(len(content).to_bytes(2, "big") + content if codec == "mov_text" else content)
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = start
            packet.duration, packet.is_keyframe = duration, True
            output.mux(packet)
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
    return path


def cues_of(path: Path) -> tuple[str, Any, list[tuple[int, int, str]]]:
    """(codec, language, [(start, end, text) of each cue that shows something])."""
    cues = []
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        for packet in container.demux(stream):
            for shown in stream.codec_context.decode2(packet) or () if packet.size else ():
                start, duration = (round((t or 0) * packet.time_base * 1000) for t in (packet.pts, packet.duration))
                assert isinstance(shown, AssSubtitle)
                cues.append((start, start + duration, shown.dialogue.decode()))
        return stream.codec_context.name, stream.metadata.get("language"), cues


@pytest.mark.parametrize("suffix_after", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_subtitles_come_out_in_the_kind_of_the_container(tmp_path: Path, suffix: str, suffix_after: str) -> None:
    film = with_subtitles(tmp_path / f"film{suffix}")
    plan = plan_streams(film, CONTAINERS[suffix_after], 0, audio=True)[2]
    codec, language, cues = cues_of(rewrite(film, tmp_path / f"out{suffix_after}"))
    expected = {".mkv": "srt", ".webm": "webvtt"}.get(suffix_after, "mov_text")
    assert codec == expected
    same = ".mkv" if suffix == ".mkv" else ".mp4 .mov"
    assert plan.action == ("copied" if suffix_after in same else "converted")
    assert language == ("ger" if suffix_after == ".mov" else "deu")
    # Matroska moves all tracks by the 21 ms that AAC begins before 0.
    for (start, end, _), (start_before, length, _) in zip(cues, CUES, strict=True):
        assert (start, end - start) == (pytest.approx(start_before, abs=22), length)
    texts = [re.sub(r"{.*?}|<.*?>", "", text).replace("\\N", "\n") for *_, text in cues]
    assert texts == ["Hello there", "Umlaut: äöü", "two\nlines"]


def test_the_name_of_a_track_survives(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv", ".mov"):
        film = with_subtitles(tmp_path / f"film{suffix}")
        for suffix_after in (".mp4", ".mkv", ".mov"):
            with av.open(str(rewrite(film, tmp_path / f"out{suffix_after}"))) as container:
                tracks = [container.streams.audio[0].metadata, container.streams.subtitles[0].metadata]
            for tags, name in zip(tracks, ("Commentary", "For the deaf"), strict=True):
                assert name in (tags.get("title"), tags.get("handler_name")), (suffix, suffix_after)


def test_the_handler_of_a_kind_is_not_a_name(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mp4", audio=[("aac", "eng")])
    with av.open(str(rewrite(film, tmp_path / "out.mkv"))) as container:
        assert "title" not in container.streams.audio[0].metadata


@pytest.mark.parametrize("suffix_after", [".mp4", ".mkv"])
@pytest.mark.parametrize("cut", [{}, {"frames": 20}])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_long_subtitle_does_not_stretch_a_short_film(
    tmp_path: Path, suffix: str, suffix_after: str, cut: Any
) -> None:
    film = with_subtitles(tmp_path / f"film{suffix}", [(0, 300, "Hello"), (400, 90_000, "for ever")])
    output = rewrite(film, tmp_path / f"out{suffix_after}", **cut)
    end = video_times(output)[1]
    with av.open(str(output)) as container:
        assert container.duration / 1e6 <= end + Fraction(1, 10)
    assert [text for *_, text in cues_of(output)[2]] == ["Hello", "for ever"]


def stereo_film(path: Path) -> Path:
    plain = make_clip(path.with_name("plain.mkv"), TWO_SECONDS[:5])
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        copy = output.add_stream_from_template(source.streams.video[0], opaque=True)
        copy.metadata.update({"stereo_mode": "left_right", "title": "Both eyes"})
        for packet in source.demux():
            if packet.size:
                packet.stream = copy
                output.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".mp4"])
def test_that_a_film_is_stereoscopic_is_kept_or_told(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    film = stereo_film(tmp_path / "film.mkv")
    with av.open(str(rewrite(film, tmp_path / f"out{suffix}"))) as container:
        tags = container.streams.video[0].metadata
    assert tags.get("stereo_mode") == (None if suffix == ".mp4" else "left_right")
    assert "Both eyes" in (tags.get("title"), tags.get("handler_name"))
    assert ("does not get the mark that it is stereoscopic" in caplog.text) == (suffix == ".mp4")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), []),
        (("SEI_UNREGISTERED", "A53_CC"), []),
        (("SPHERICAL", "STEREO3D"), ["360°", "stereoscopic"]),
        (("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"), ["mastering display", "light level"]),
    ],
)
def test_side_data_that_is_lost_is_named(names: tuple[str, ...], told: list[str]) -> None:
    lost = lost_side_data(names, cast(Any, SimpleNamespace(metadata={})))
    assert len(lost) == len(told) and all(word in line for word, line in zip(told, lost, strict=True))
