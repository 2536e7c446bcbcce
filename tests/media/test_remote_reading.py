"""Films that are read where they are: in ranges, over connections that fail, and never two of them as one."""

from __future__ import annotations

import hashlib
import io
import pickle
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from clips import make_clip
from faulty_server import FaultyServer, serve
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.errors import SettingsError, SourceError
from dreamvideo.media import local_files, remote_source, remote_store
from dreamvideo.media.masks import read_masks
from dreamvideo.media.paths import expand_paths, is_video
from dreamvideo.media.remote_path import RemotePath, media_path
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import default_output
from dreamvideo.settings.addresses import plain_address, public_text, whole_address, without_secrets
from dreamvideo.settings.job import MaskSettings, ReadSettings

BLOCK = 1 << 14
SECONDS = 12
NAMES = st.text("abz019 -_.~%+", min_size=1, max_size=12).filter(lambda name: name.strip("./ ") == name)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short film has many blocks, nothing is waited for, and nothing is known from the test before."""
    monkeypatch.setattr(remote_source, "BLOCK_BYTES", BLOCK)
    monkeypatch.setattr(remote_source, "_sources", {})
    monkeypatch.setattr(local_files, "_PROBED_BYTES", BLOCK)
    monkeypatch.setattr(remote_store, "WAIT", 0.0)


def noise(number: int, width: int, height: int) -> Any:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of some 40 blocks with a key frame every second; without sound, for which libav would read it all."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    times = [Fraction(n, 10) for n in range(10 * SECONDS)]
    options = {"crf": "12", "g": "10", "preset": "ultrafast"}
    return make_clip(path, times, image=noise, options=options, size=(64, 48))


@pytest.fixture
def server(film: Path) -> Iterator[FaultyServer]:
    with serve(film_mp4=film.read_bytes()) as server:
        yield server


def frames_of(path: str | Path, **part: Any) -> str:
    """A hash of the frames of a film and their times."""
    digest = hashlib.sha256()
    with open_video(path, ReadSettings(**part)) as source:
        for frame in source.frames:
            digest.update(f"{frame.time}".encode() + frame.image.tobytes())
        assert not source.lost
    return digest.hexdigest()


def test_all_of_a_film_is_read_over_http(server: FaultyServer, film: Path) -> None:
    assert frames_of(server.url("film.mp4")) == frames_of(film)
    assert server.sent < 1.1 * film.stat().st_size, "blocks are fetched once"


def test_two_seconds_of_a_film_are_read_and_little_else(server: FaultyServer, film: Path) -> None:
    part = {"start": Fraction(8), "duration": Fraction(2)}
    assert frames_of(server.url("film.mp4"), **part) == frames_of(film, **part)
    assert server.sent < film.stat().st_size / 2, server.sent / film.stat().st_size


@pytest.mark.parametrize("fault", ["drop", "refuse", 429, 500, 503])
def test_what_fails_now_and_then_is_asked_for_again(server: FaultyServer, film: Path, fault: Any) -> None:
    server.fault = lambda number: fault if number % 3 == 1 else None
    server.heads = lambda number: fault if number % 5 == 2 and fault != "drop" else None
    assert frames_of(server.url("film.mp4")) == frames_of(film)
    assert server.requests > 1.4 * film.stat().st_size / BLOCK


REFUSED = {
    403: "access denied",
    404: "no such file",
    500: "the server failed (500)",
    429: "too many requests (429)",
    "refuse": "the connection failed",
    "whole": "whole files only",
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_fails_for_good_is_one_line_without_secrets(server: FaultyServer, fault: Any) -> None:
    server.fault = lambda number: fault if number > 0 else None
    with pytest.raises(SourceError) as refused:
        frames_of(server.url("film.mp4", "user:geheim@", "?X-Amz-Signature=geheim"))
    message = str(refused.value)
    assert message.startswith(f"{server.url('film.mp4')} cannot be read: ") and "\n" not in message
    assert REFUSED[fault] in message and "geheim" not in message
    assert server.requests <= 1 + 2 * remote_store.TRIES, "aiohttp asks twice itself"


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_film_that_cannot_be_opened_is_one_line(server: FaultyServer, status: int) -> None:
    server.heads = server.fault = lambda number: status
    with pytest.raises(SourceError, match="no such file$" if status == 404 else REFUSED[status].split("(")[0]) as error:
        frames_of(server.url("film.mp4"))
    assert str(error.value).count("film.mp4") == 1


def test_user_and_query_reach_the_server_and_nothing_else(server: FaultyServer) -> None:
    path = media_path(server.url("film.mp4", "user:geheim@", "?sign=geheim"))
    path.open("rb").read(10)
    assert server.auth[-1] == "Basic dXNlcjpnZWhlaW0="
    shown = [str(path), repr(path), path.as_posix(), str(path.parent), repr(pickle.dumps(path)), str(vars(path))]
    with open_video(path) as source:
        shown.append(repr(source.info))
    assert not [text for text in shown if "geheim" in text]
    assert path == media_path(server.url("film.mp4")) == pickle.loads(pickle.dumps(path))


def test_a_film_that_changes_while_it_is_read_is_refused(server: FaultyServer, film: Path) -> None:
    changed = film.read_bytes()[:-100] + bytes(100)

    def change(number: int) -> None:
        if number == 9:
            server.files["film.mp4"] = changed

    server.fault = change
    with pytest.raises(SourceError, match=r"film\.mp4 has changed since it was opened: restore it, and use --resume"):
        frames_of(server.url("film.mp4"))
    assert server.requests == 10, "not a block of the other film is used"


def test_a_film_that_is_deleted_while_it_is_read_is_refused(server: FaultyServer) -> None:
    def delete(number: int) -> None:
        if number == 9:
            server.files.clear()

    server.fault = delete
    with pytest.raises(SourceError, match="has changed since it was opened"):
        frames_of(server.url("film.mp4"))


def test_a_film_that_changed_between_two_readers_is_read_anew(server: FaultyServer, film: Path) -> None:
    path = media_path(server.url("film.mp4"))
    before = path.stat()
    server.files["film.mp4"] = bytes(10)
    assert path.open("rb").read() == bytes(10)
    assert (path.stat().st_size, path.stat().st_mtime_ns) != (before.st_size, before.st_mtime_ns)


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + seconds + 0.1)


def test_a_change_shows_in_the_state_of_a_file_without_reading_it(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = media_path(server.url("film.mp4"))
    before = path.stat().st_mtime_ns
    server.files["film.mp4"] = server.files["film.mp4"][::-1]
    assert path.stat().st_mtime_ns == before, "a store is not asked for every frame"
    later(monkeypatch, remote_source.FRESH_SECONDS)
    assert path.stat().st_mtime_ns != before


def test_a_store_that_is_away_is_asked_once_and_then_not_for_a_while(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = media_path(server.url("film.mp4"))
    before, asked = path.stat().st_mtime_ns, server.asked
    server.heads = server.fault = lambda number: "refuse"
    later(monkeypatch, remote_source.FRESH_SECONDS)
    assert path.stat().st_mtime_ns == before, "what has been read goes on"
    once = server.asked
    assert asked < once < asked + remote_store.TRIES, "not patiently"
    later(monkeypatch, remote_source.FRESH_SECONDS + 1)
    assert path.stat().st_mtime_ns == before and server.asked == once
    later(monkeypatch, remote_source.AWAY_SECONDS)
    assert path.stat().st_mtime_ns == before and server.asked > once
    with pytest.raises(SourceError, match=r"film\.mp4 cannot be read: the connection failed"):
        path.open("rb").read()


def test_a_server_that_tells_no_size_is_refused(server: FaultyServer) -> None:
    server.tells_size = False
    with pytest.raises(SourceError, match="does not tell its size: download it"):
        frames_of(server.url("film.mp4"))


@pytest.mark.parametrize("begin", [b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n"])
def test_a_playlist_from_elsewhere_is_refused(begin: bytes) -> None:
    with serve(list_mp4=begin) as server, pytest.raises(SourceError, match="may be a playlist"):
        frames_of(server.url("list.mp4"))


@given(st.binary(max_size=5 * BLOCK), st.lists(st.tuples(st.integers(0, 6 * BLOCK), st.integers(0, 3 * BLOCK))))
def test_any_part_of_a_file_is_what_it_is(content: bytes, parts: list[tuple[int, int]]) -> None:
    fsspec.filesystem("memory").pipe_file("/some.bin", content)
    with media_path("memory://some.bin").open("rb") as file:
        for start, length in parts:
            assert file.seek(start) == start
            assert file.read(length) == content[start : start + length]
        assert file.seek(-min(3, len(content)), io.SEEK_END) == max(0, len(content) - 3)
        assert file.read() == content[-3:]


def test_masks_are_read_where_they_are(tmp_path: Path) -> None:
    import cv2

    mask = tmp_path / "mask.png"
    cv2.imwrite(str(mask), noise(1, 8, 6))
    fsspec.filesystem("memory").pipe_file("/mask.png", mask.read_bytes())
    (here,), (there,) = read_masks(mask), read_masks(media_path("memory://mask.png"))
    assert np.array_equal(here, there)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_paths_elsewhere_have_names_folders_and_neighbors(names: list[str]) -> None:
    path = media_path("s3://" + "/".join(names))
    assert isinstance(path, RemotePath)
    assert str(path) == "s3://" + "/".join(names) and path.name == names[-1]
    neighbor = path.with_name("other.mp4")
    assert str(neighbor) == "s3://" + "/".join([*names[:-1], "other.mp4"]) and path.parent / "other.mp4" == neighbor
    assert pickle.loads(pickle.dumps(path)) == path and hash(path) == hash(media_path(str(path)))


def test_words_stand_for_files_here_or_elsewhere(tmp_path: Path) -> None:
    for word in ("film.mp4", "C://film.mp4", "./s3:/film.mp4", "folder/https.mp4"):
        assert type(media_path(word)) is type(Path())
    assert media_path(f"file://{tmp_path}/a.mp4") == tmp_path / "a.mp4"
    assert str(default_output(media_path("s3://bucket/a.mkv"))) == "s3://bucket/a_dream.mkv"
    for word in ("s3://bucket/folder", "s3://bucket/*.mp4"):
        with pytest.raises(SourceError, match="searched here only"):
            expand_paths([media_path(word)], is_video, "videos")
    with pytest.raises(SettingsError, match="nothing reads nowhere://"):
        media_path("nowhere://a.mp4").open("rb")
    with pytest.raises(SettingsError, match="expected one protocol"):
        media_path("https://host/a.zip::s3://b.mp4")


@given(
    st.from_regex(r"[a-z:]{0,9}geheim", fullmatch=True),
    st.from_regex(r"[aZ09=&%;:,+/@-]{0,9}geheim", fullmatch=True),
)
def test_nothing_secret_is_in_what_is_shown(user: str, query: str) -> None:
    whole = f"https://{user}@host/folder/film.mp4?{query}"
    shown = plain_address(whole)
    assert shown == "https://host/folder/film.mp4"
    assert whole_address(shown) == whole and plain_address(shown) == shown
    assert without_secrets(f"reading '{whole}' failed: {whole}") == f"reading '{shown}' failed: {shown}"
    assert public_text(f"\x1b {whole}") == f"\\u001b {shown}"
    with pytest.raises(SettingsError) as refused:
        MaskSettings(whole)
    assert "geheim" not in str(refused.value)
    assert MaskSettings(shown).mask == shown
