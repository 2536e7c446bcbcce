"""Jobs whose films are elsewhere: made here, uploaded whole, and resumed here or anywhere from the copy beside them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import fsspec
import pytest
from clips import make_clip, picture
from conftest import only_line, parsed, run
from faulty_server import FaultyServer, serve
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

import dreamvideo
from dreamvideo.media import remote_output, remote_source, remote_store, segment_records, segments
from dreamvideo.media.checkpoint import checkpoint_folder, create_checkpoint
from dreamvideo.media.remote_checkpoint import CheckpointCopy, fetch_checkpoint
from dreamvideo.media.remote_path import RemotePath, media_path
from dreamvideo.media.segment_records import (
    RUN_FILE,
    Segment,
    forget_segment,
    record_segment,
    segment_path,
    stored_segments,
)
from dreamvideo.settings.dream import DreamSettings

pytestmark = pytest.mark.usefixtures("networks_loaded_once")

PLAIN = ["--iterations", "0", "-q"]
QUICK = ["--iterations", "1", "--octaves", "1", "--step-size", "0.03", "--threads", "1"]
LENGTH = 14


class Shelf(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A store that has folders, and in which a file is there before all of it is."""

    protocol = "shelf"
    store: dict[str, Any] = {}
    pseudo_dirs = [""]
    log: list[str] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("shelf://", "memory://")))

    def put_file(self, lpath: Any, rpath: Any, *rest: Any, **more: Any) -> None:
        self.log.append(rpath)
        super().put_file(lpath, rpath, *rest, **more)


fsspec.register_implementation("shelf", Shelf, clobber=True)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryFileSystem]:
    """An empty store, no wait, short segments, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_source, "_sources", {})
    monkeypatch.setattr(remote_store, "WAIT", 0.0)
    monkeypatch.setattr(segments, "MAX_FRAMES", 4)
    monkeypatch.setattr(segments, "GRID", Fraction(3, 25))
    MemoryFileSystem.store.clear()
    yield fsspec.filesystem("memory")
    MemoryFileSystem.store.clear()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    times = [Fraction(n, 25) for n in range(LENGTH)]
    return make_clip(path, times, size=(32, 32), audio=[("aac", "eng")], image=picture)


@pytest.fixture
def here(film: Path, tmp_path: Path) -> bytes:
    """What a job makes of the film here."""
    assert run("video", film, "-o", tmp_path / "here.mp4", *PLAIN) == 0
    return (tmp_path / "here.mp4").read_bytes()


def nothing_is_left(store: MemoryFileSystem, cache: Path, *expected: str) -> bool:
    left = [path for path in cache.rglob("*") if path.is_file()]
    return not left and sorted(store.find("/")) == sorted(expected)


def test_a_film_elsewhere_is_dreamed_into_one_elsewhere(
    film: Path, here: bytes, elsewhere: MemoryFileSystem, tmp_path: Path
) -> None:
    elsewhere.pipe_file("/in/film.mp4", film.read_bytes())
    assert run("video", "memory://in/film.mp4", *PLAIN) == 0
    assert elsewhere.cat_file("/in/film_dream.mp4") == here
    assert nothing_is_left(elsewhere, tmp_path / "cache", "/in/film.mp4", "/in/film_dream.mp4")


def test_an_output_elsewhere_is_not_replaced_unasked(
    film: Path, here: bytes, elsewhere: MemoryFileSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere.pipe_file("/out.mp4", b"mine")
    assert run("video", film, "-o", "memory://out.mp4", *PLAIN) == 1
    assert only_line(capsys).startswith("dreamvideo: memory://out.mp4 exists: use --overwrite (-y)")
    assert elsewhere.cat_file("/out.mp4") == b"mine"
    assert run("video", film, "-o", "memory://out.mp4", "-y", *PLAIN) == 0
    assert elsewhere.cat_file("/out.mp4") == here


@pytest.mark.parametrize("store", ["memory", "shelf"])
def test_a_film_that_appears_meanwhile_is_not_replaced(
    film: Path, store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file_system = fsspec.filesystem(store)
    before = remote_output.publish_elsewhere

    def later(part: Path, path: RemotePath, overwrite: bool) -> None:
        file_system.pipe_file("/late.mp4", b"mine")
        before(part, path, overwrite)

    monkeypatch.setattr("dreamvideo.media.atomic_files.publish_elsewhere", later)
    assert run("video", film, "-o", f"{store}://late.mp4", *PLAIN) == 1
    assert "late.mp4 exists" in only_line(capsys)
    assert file_system.cat_file("/late.mp4") == b"mine"
    assert run("video", film, "-o", f"{store}://late.mp4", "--resume", "-y", *PLAIN) == 0


def test_where_a_file_shows_before_it_is_whole_it_is_renamed(film: Path, here: bytes) -> None:
    Shelf.store.clear()
    Shelf.log.clear()
    assert run("video", film, "-o", "shelf://a/b/out.mp4", *PLAIN) == 0
    shelf = fsspec.filesystem("shelf")
    assert shelf.cat_file("/a/b/out.mp4") == here
    (uploaded,) = Shelf.log
    assert uploaded.startswith("/a/b/out.mp4.") and uploaded.endswith(".part")
    assert shelf.find("/") == ["/a/b/out.mp4"]


class Killed(BaseException):
    """Nothing is cleaned up after it but by the system."""


def die_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The job dies when it is about to record another segment after so many."""
    keep = segment_records.record_segment
    recorded: set[int] = set()

    def die(folder: Path, segment: Segment, carry: bytes | None) -> None:
        recorded.add(segment.number)
        if len(recorded) > number:
            raise Killed
        keep(folder, segment, carry)

    monkeypatch.setattr(segment_records, "record_segment", die)


@pytest.mark.parametrize("lost", [True, False], ids=["the machine is lost", "here"])
def test_a_job_that_died_goes_on(
    film: Path,
    elsewhere: MemoryFileSystem,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lost: bool,
) -> None:
    assert run("video", film, "-o", tmp_path / "whole.mp4", *QUICK) == 0
    with monkeypatch.context() as patch, pytest.raises(Killed):
        die_at(patch, 2)
        run("video", film, "-o", "memory://out.mp4", *QUICK)
    assert {name.rpartition("/")[2] for name in elsewhere.find("/out.mp4.checkpoint")} == {
        "job.json", "000000.json", "000000.packets", "000001.json", "000001.packets", "000001.carry",
    }  # fmt: skip
    if lost:
        shutil.rmtree(tmp_path / "cache")
    else:
        elsewhere.rm("/out.mp4.checkpoint", recursive=True)
    assert run("video", film, "-o", "memory://out.mp4", *QUICK) == 1, "not unasked"
    capsys.readouterr()
    assert run("video", film, "-o", "memory://out.mp4", "--resume", *QUICK) == 0
    assert "memory://out.mp4: resuming after 8 frames" in capsys.readouterr().err
    assert elsewhere.cat_file("/out.mp4") == (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "whole.mp4").unlink()
    assert nothing_is_left(elsewhere, tmp_path / "cache", "/out.mp4")


def test_a_copy_of_another_job_is_neither_used_nor_deleted_unasked(
    film: Path, elsewhere: MemoryFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        die_at(patch, 2)
        run("video", film, "-o", "memory://out.mp4", *PLAIN)
    shutil.rmtree(tmp_path / "cache")
    left = elsewhere.find("/")
    assert run("video", film, "-o", "memory://out.mp4", "--resume", "--size", "16x16", *PLAIN) == 1
    assert elsewhere.find("/") == left
    assert run("video", film, "-o", "memory://out.mp4", "-y", "--size", "16x16", *PLAIN) == 0
    assert nothing_is_left(elsewhere, tmp_path / "cache", "/out.mp4")


def test_an_upload_that_fails_costs_nothing(
    film: Path,
    here: bytes,
    elsewhere: MemoryFileSystem,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tries = []

    def fail(*_: Any, **__: Any) -> None:
        tries.append(1)
        raise ConnectionResetError("https://user:geheim@host")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "put_file", fail)
        assert run("video", film, "-o", "memory://out.mp4", *PLAIN) == 1
    line = only_line(capsys)
    assert line.startswith("dreamvideo: memory://out.mp4 cannot be written: the connection failed; what is finished")
    assert "geheim" not in line and len(tries) == remote_store.TRIES
    assert not elsewhere.exists("/out.mp4")
    with monkeypatch.context() as patch:
        patch.setattr(segment_records, "record_segment", None)  # nothing is dreamed again
        assert run("video", film, "-o", "memory://out.mp4", "--resume", *PLAIN) == 0
    assert elsewhere.cat_file("/out.mp4") == here


def test_a_store_that_cannot_be_written_shows_before_anything_is_dreamed(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("https://user:geheim@host")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    assert run("video", film, "-o", "memory://out.mp4", "-q", "--iterations", "0") == 1
    assert only_line(capsys).startswith("dreamvideo: memory://out.mp4 cannot be written: access denied")


def test_a_connection_that_is_gone_ends_a_job_and_resume_goes_on(
    film: Path, here: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote_source, "BLOCK_BYTES", 1 << 9)
    monkeypatch.setattr("dreamvideo.media.local_files._PROBED_BYTES", 1 << 9)
    monkeypatch.setattr(remote_source, "_KEPT_BLOCKS", 1)
    output = tmp_path / "out.mp4"
    with serve(film_mp4=film.read_bytes()) as server:
        assert run("info", server.url("film.mp4")) == 0
        opened = server.requests
        for gone in range(opened + 2, opened * 4, opened // 2):
            server.fault = lambda number, gone=gone: "drop" if number > gone else None  # type: ignore[misc]
            capsys.readouterr()
            server.requests = 1
            assert run("video", server.url("film.mp4"), "-o", output, "--resume", *PLAIN) in (0, 1)
            if not output.exists():
                assert "film.mp4 cannot be read: " in only_line(capsys)
        server.fault = lambda number: None
        output.unlink(missing_ok=True)
        assert run("video", server.url("film.mp4"), "-o", output, "--resume", *PLAIN) == 0
    assert output.read_bytes() == here


def test_what_is_secret_is_neither_printed_nor_stored(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mp4"
    with serve(film_mp4=film.read_bytes(), mask_mp4=film.read_bytes()) as server:
        urls = [server.url(name, "user:geheim@", "?X-Amz-Signature=geheim") for name in ("film.mp4", "mask.mp4")]
        words = ["video", urls[0], "--mask", urls[1], "-o", output, "--iterations", "0"]
        with monkeypatch.context() as patch, pytest.raises(Killed):
            die_at(patch, 2)
            run(*words)
        job = (checkpoint_folder(output) / "job.json").read_text()
        assert json.loads(job)["mask"].startswith("mask.mp4, ")
        for more in ([], ["--resume", "-v", "-v"], ["--nonsense", urls[0]], ["--size", urls[0]]):
            run(*words, *more)
        run("info", urls[0], "--json")
        assert "Basic dXNlcjpnZWhlaW0=" in server.auth
    hint = parsed(*words).resume_hint()
    told = capsys.readouterr()
    assert output.exists() and "film.mp4" in told.out and "nonsense" in told.err
    assert "geheim" not in told.out + told.err + hint + job
    assert b"geheim" not in output.read_bytes()


REFUSED = {
    ("video", "FILM", "-o", "https://host/out.mp4"): "https://host cannot be written to over https://",
    ("frames", "FILM", "-o", "memory://images"): "memory://images: folders of images are written here only",
    ("video", "memory://folder"): "memory://folder: folders and patterns are searched here only",
    ("video", "memory://none.mp4"): "memory://none.mp4: no such file",
    ("video", "nowhere://a.mp4", "-o", "out.mp4"): "nowhere://a.mp4: nothing reads nowhere://",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_is_one_line(
    words: tuple[str, ...], film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*(film if word == "FILM" else word for word in words), *PLAIN) in (1, 2)
    assert only_line(capsys).startswith(f"dreamvideo: {REFUSED[words]}")


def test_the_library_dreams_what_is_elsewhere(film: Path, elsewhere: MemoryFileSystem) -> None:
    elsewhere.pipe_file("/film.mp4", film.read_bytes())
    made = dreamvideo.dream_file("memory://film.mp4", "memory://out.mp4", dream=DreamSettings(iterations=0))
    assert str(made) == "memory://out.mp4"
    with dreamvideo.open_video("memory://out.mp4") as source:
        assert sum(1 for _ in source.frames) == LENGTH


OPERATIONS = st.lists(st.one_of(st.just("record"), st.just("update"), st.integers(0, 5)), max_size=14)


@given(OPERATIONS)
def test_a_copy_is_what_the_checkpoint_is(operations: list[Any]) -> None:
    MemoryFileSystem.store.clear()
    output = media_path("memory://films/out.mp4")
    folder = checkpoint_folder(output)
    folder.mkdir(parents=True, exist_ok=True)
    create_checkpoint(folder, {"number": len(operations)})
    (folder / RUN_FILE).write_text("{}")
    assert isinstance(output, RemotePath)
    copy = CheckpointCopy(output, folder)
    for operation in operations:
        if operation == "record":
            last = ([-1] + [segment.number for segment in stored_segments(folder)])[-1]
            begin = Fraction(last + 1)
            segment = Segment(last + 1, 4 * last + 4, 4, 1, begin, begin + Fraction(3, 4), begin + 1, "")
            segment_path(folder, segment.number).write_bytes(bytes([last + 1]))
            record_segment(folder, segment, bytes(last + 2))
        elif operation == "update":
            copy._update()
        else:
            forget_segment(folder, operation)
    copy.finish()
    expected = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != RUN_FILE}
    shutil.rmtree(folder)
    fetch_checkpoint(output)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == expected
    (folder / RUN_FILE).write_text("{}")
    again = CheckpointCopy(output, folder)
    shutil.rmtree(folder)
    again.finish()
    assert not MemoryFileSystem.store


def test_a_server_is_not_asked_again_for_each_frame(film: Path, tmp_path: Path) -> None:
    with serve(film_mp4=film.read_bytes()) as server:
        assert run("video", server.url("film.mp4"), "-o", tmp_path / "out.mp4", *PLAIN) == 0
        assert isinstance(server, FaultyServer) and server.asked < LENGTH
        assert server.sent == film.stat().st_size


def test_a_segment_has_a_record_in_the_copy_when_all_of_it_is_there(
    film: Path, elsewhere: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    write = MemoryFileSystem.pipe_file

    def watched(self: MemoryFileSystem, path: str, *rest: Any, **more: Any) -> None:
        order.append(path.rpartition("/")[2])
        write(self, path, *rest, **more)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", watched)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        die_at(patch, 3)
        run("video", film, "-o", "memory://out.mp4", *PLAIN)
    records = [name for name in order if re.fullmatch(r"\d+\.json", name)]
    assert len(records) == len(set(records)) == 3
    for name in records:
        assert order.index("job.json") < order.index(name) > order.index(name.replace(".json", ".packets"))
