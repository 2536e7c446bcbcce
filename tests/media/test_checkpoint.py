"""Whatever lies in the files of a checkpoint, it is read or refused, and nothing outside of it is touched."""

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dreamvideo.errors import OutputError
from dreamvideo.jobs.film_windows import missing_windows
from dreamvideo.media.checkpoint import check_own, checkpoint_folder, create_checkpoint, remove_checkpoint, resume_point
from dreamvideo.media.checkpoint_lock import check_free, hold_checkpoint, holder
from dreamvideo.media.kept_part import keep_part, remove_kept
from dreamvideo.media.segment_records import (
    Segment,
    carry_path,
    finished_segments,
    has_carry,
    is_whole,
    record_segment,
    segment_from_record,
    segment_path,
    stored_segments,
    usable_segments,
)
from dreamvideo.media.segments import PARTS

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("number", "before", "frames", "packets", "start", "last", "end", "content", "encoder", "run", "carry")
NUMBERS = st.from_regex(r"-?\d+(/\d+|e\d+)?", fullmatch=True)
FIELDS = st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES))
NEARLY = st.fixed_dictionaries(
    dict.fromkeys(("number", "before", "frames", "packets"), st.integers())
    | dict.fromkeys(("start", "last", "end"), NUMBERS | st.text(max_size=9))
    | dict.fromkeys(("content", "encoder", "run", "carry"), st.text(max_size=9))
)
SHARED = hypothesis_settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def stored(folder: Path, number: int, before: int, frames: int = 5, carry: bytes | None = None) -> Segment:
    """A finished segment of a few bytes."""
    content = f"packets {number}".encode()
    segment_path(folder, number).write_bytes(content)
    hashed = hashlib.sha256(content).hexdigest()
    times = (Fraction(before), Fraction(before + 4), Fraction(before + 5))
    record_segment(folder, Segment(number, before, frames, 1, *times, hashed), carry)
    return segment_from_record(folder, number)


@SHARED
@given(VALUES | FIELDS | NEARLY, st.booleans())
def test_any_record_is_read_or_refused(tmp_path: Path, record: Any, checked: bool) -> None:
    if checked and isinstance(record, dict):
        record = {**record, "check": hashlib.sha256(json.dumps(record).encode()).hexdigest()}
    folder = checkpoint_folder(tmp_path / "out.mp4")
    folder.mkdir(exist_ok=True)
    for name in ("000000.json", "job.json", "run.json", "kept.json"):
        (folder / name).write_text(json.dumps(record))
    assert all(isinstance(segment.before, int) for segment in finished_segments(folder))
    resume_point(tmp_path / "out.mp4")
    holder(folder)
    remove_kept(tmp_path / "out.mp4")


def test_a_time_that_would_take_for_ever_is_refused(tmp_path: Path) -> None:
    for time in ("1e999999999", "1/0", "0/0", "9" * 10_000):
        record: dict[str, Any] = {**dict.fromkeys(NAMES, "x"), "number": 0, "before": 0, "frames": 1, "packets": 1}
        record |= {"start": "0", "last": time, "end": "1"}
        checked = {**record, "check": hashlib.sha256(json.dumps(record).encode()).hexdigest()}
        (tmp_path / "000000.json").write_text(json.dumps(checked))
        assert segment_from_record(tmp_path, 0) is None
    record["last"] = "1/25"
    checked = {**record, "check": hashlib.sha256(json.dumps(record).encode()).hexdigest()}
    (tmp_path / "000000.json").write_text(json.dumps(checked))
    assert segment_from_record(tmp_path, 0) is not None


@SHARED
@given(st.binary(max_size=40))
def test_any_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    folder = checkpoint_folder(tmp_path / "out.mp4")
    folder.mkdir(exist_ok=True)
    for name in ("000000.json", "job.json", "run.json", "kept.json"):
        (folder / name).write_bytes(content)
    assert finished_segments(folder) == [] and resume_point(tmp_path / "out.mp4") is None
    check_free(tmp_path / "out.mp4")


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "000000.json").write_text("[" * 100_000)
    assert finished_segments(tmp_path) == []


def test_a_record_that_names_a_part_elsewhere_deletes_nothing_there(tmp_path: Path) -> None:
    output, precious = tmp_path / "a" / "out.mp4", tmp_path / "precious"
    checkpoint_folder(output).mkdir(parents=True)
    precious.write_text("mine")
    about = precious.stat()
    record = {"name": "../precious", "size": about.st_size, "modified": about.st_mtime_ns, "inode": about.st_ino}
    (checkpoint_folder(output) / "kept.json").write_text(json.dumps(record))
    assert remove_kept(output)
    assert precious.read_text() == "mine"


def test_a_part_is_kept_once_and_replaced_by_the_next(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    folder = checkpoint_folder(output)
    folder.mkdir()
    for text in ("one", "two"):
        (folder / "joined.mp4").write_text(text)
        assert keep_part(folder / "joined.mp4", output) == tmp_path / "out.mp4.part"
        assert (tmp_path / "out.mp4.part").read_text() == text and not (folder / "joined.mp4").exists()


def test_a_checkpoint_is_emptied_of_what_is_its_own(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    with hold_checkpoint(output) as lock:
        create_checkpoint(lock.folder, {"a": 1})
        stored(lock.folder, 0, 0)
        remove_checkpoint(lock.folder)
        assert sorted(path.name for path in lock.folder.iterdir()) == ["lock", "run.json"]
        with pytest.raises(OutputError, match=r"in use by process \d+ on"):
            check_free(output)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_only_looks_like_ours_is_not(tmp_path: Path) -> None:
    for name in ("job.json.bak", "000000.packets.part", "notes.json", "joined.mp4~", "x000000.json"):
        folder = tmp_path / "out.mp4.checkpoint"
        folder.mkdir()
        (folder / name).touch()
        with pytest.raises(OutputError, match="not of dreamvideo"):
            check_own(folder)
        with pytest.raises(OutputError, match="not of dreamvideo"):
            remove_checkpoint(folder)
        (folder / name).unlink()
        folder.rmdir()


@pytest.mark.parametrize(
    ("carries", "bad", "usable", "again"),
    [
        ("....", [], 4, []),
        ("....", [3], 3, []),  # the last is where the job is resumed
        ("....", [1], 1, [(0, 2)]),
        ("....", [1, 2], 1, [(0, 3)]),
        ("....", [0, 2], 0, [(None, 1), (1, 3)]),
        (".cc.", [2], 1, []),  # a shot that is the last is resumed, too
        (".cc..", [2], 1, [(0, 4)]),  # from the cut before it
        (".cC", [2], 1, []),
        (".cCc", [3], 3, []),  # its carry is there
        ("ccc..", [2], 0, [(None, 4)]),
        ("cccc", [3], 0, []),
    ],
)
def test_from_where_damaged_segments_are_dreamed_again(
    tmp_path: Path, carries: str, bad: list[int], usable: int, again: list[tuple[int | None, int]]
) -> None:
    """A shot of 5 frames in each segment; c: it goes on in the next one; C: and the carry is there."""
    numbers, place = [], (0, 0)
    for n, letter in enumerate(carries):
        numbers.append(place[0] * PARTS + place[1])
        place = (n + 1, 0) if letter == "." else (place[0], place[1] + 1)
    segments = []
    for n, number in enumerate(numbers):
        segments.append(stored(tmp_path, number, 5 * n, carry=b"c" if carries[n] in "cC" else None))
        if carries[n] == "c":
            carry_path(tmp_path, number).unlink()
    if "C" in carries:  # as if the segment after it had not been recorded
        carry_path(tmp_path, numbers[carries.index("C")]).write_bytes(b"c")
    for n in bad:
        segment_path(tmp_path, numbers[n]).write_bytes(b"other")
    assert len(usable_segments(tmp_path, segments)) == usable
    whole = [segment for segment in stored_segments(tmp_path) if is_whole(tmp_path, segment)]
    windows = missing_windows(whole, Fraction(5), lambda segment: has_carry(tmp_path, segment))
    found = [(window.after and window.after.before // 5, window.end) for window in windows[:-1]]
    assert found == again
    assert windows[-1].end is None


def test_a_segment_whose_number_of_frames_before_it_is_wrong_is_made_again_where_they_are_counted() -> None:
    segments = [
        Segment(n * PARTS, 5 * n - (n == 2), 5, 1, 5 * Fraction(n), 5 * Fraction(n) + 4, 5 * Fraction(n + 1), "")
        for n in range(4)
    ]
    assert [window.end for window in missing_windows(segments, Fraction(5), lambda _: True)] == [None]
    windows = missing_windows(segments, Fraction(5), lambda _: True, counted=True)
    assert [(window.before, window.end) for window in windows] == [(10, 2), (14, 3), (20, None)]
