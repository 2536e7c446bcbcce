"""Sound with a senseless time in it is kept but for that: the muxer would refuse all that comes after."""

import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from clips import make_clip, sound_tracks
from conftest import run
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.media.stream_copy import drop_time_jumps


def packets(*marks: Any) -> list[tuple[Fraction, Any]]:
    """(time, packet) of "s5" for sound at 5, "t5" for text at 5."""
    streams = {"s": SimpleNamespace(index=1, type="audio"), "t": SimpleNamespace(index=2, type="subtitle")}
    return [(Fraction(mark[1:]), SimpleNamespace(stream=streams[mark[0]])) for mark in marks]


@pytest.mark.parametrize(
    ("given", "kept", "missed"),
    [
        ("s0 s1 s2 s3", "s0 s1 s2 s3", 0),
        ("s0 s1 s99 s2 s3", "s0 s1 s2 s3", 1),
        ("s99 s0 s1 s2", "s0 s1 s2", 1),
        ("s-1 s0 s1", "s-1 s0 s1", 0),
        ("s0 s0 s0 s1 s1 s2", "s0 s0 s0 s1 s1 s2", 0),  # TrueHD in Matroska: 1200 packets a second, times in ms
        ("s0 s1 s99 s99 s2 s3", "s0 s1 s2 s3", 1),
        ("s0 t0 t0 s1 t9 t2", "t0 t0 s0 t9 t2 s1", 0),  # of text and the like the muxer is the judge
        ("", "", 0),
    ],
)
def test_a_leap_costs_itself_alone(given: str, kept: str, missed: int) -> None:
    told = []
    left = list(drop_time_jumps(iter(packets(*given.split())), lambda index, why: told.append(index)))
    assert [time for time, _ in left] == [time for time, _ in packets(*kept.split())]
    assert told == [1] * missed


@given(st.lists(st.integers(0, 30)), st.data())
def test_sound_in_order_is_left_alone_whatever_comes_between(times: list[int], data: st.DataObject) -> None:
    marks = [f"s{time}" for time in sorted(times)]
    for time in data.draw(st.lists(st.integers(0, 30), max_size=5)):
        marks.insert(data.draw(st.integers(0, len(marks))), f"t{time}")
    offered = packets(*marks)
    kept = list(drop_time_jumps(iter(offered), lambda *_: pytest.fail("nothing is missing")))
    for kind in ("audio", "subtitle"):
        ours, theirs = ([pair for pair in pairs if pair[1].stream.type == kind] for pairs in (kept, offered))
        assert ours == theirs


def test_one_packet_of_sound_from_the_future_is_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", audio=[("aac", "eng")])
    whole = sound_tracks(clip)[0][1]
    raw = bytearray(clip.read_bytes())
    blocks = [found.start(1) for found in re.finditer(rb"\xa3[\x40-\x7f].\x82(..)", bytes(raw), re.DOTALL)]
    raw[blocks[5] : blocks[5] + 2] = (17_000).to_bytes(2, "big")  # ms
    clip.write_bytes(bytes(raw))
    assert run("video", clip, "-o", tmp_path / "out.mkv", "--iterations", "0") == 0
    assert sound_tracks(tmp_path / "out.mkv")[0][1] == whole[:5] + whole[6:]
    assert capsys.readouterr().err.count("is damaged in part (its times go back)") == 1
