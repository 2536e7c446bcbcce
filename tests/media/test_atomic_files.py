"""Files appear at once or not at all; links are not followed, and nothing of somebody else is replaced."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.errors import OutputError
from dreamvideo.media.atomic_files import (
    check_folder,
    check_name_length,
    create_file,
    make_folder,
    name_limit,
    publish_file,
    with_ending,
    write_atomically,
)


def test_a_new_file_is_never_one_that_exists_nor_where_a_link_leads(tmp_path: Path) -> None:
    target, link, dangling = tmp_path / "target", tmp_path / "link", tmp_path / "dangling"
    target.write_text("mine")
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "elsewhere")
    for path in (target, link, dangling):
        with pytest.raises(FileExistsError):
            create_file(path)
        with pytest.raises(FileExistsError):
            write_atomically(path, b"new", overwrite=False)
    write_atomically(link, b"new")  # the link is replaced, not what it leads to
    assert target.read_text() == "mine" and not link.is_symlink() and link.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "link", "target"]


def test_where_there_are_no_hard_links_a_file_is_published_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    write_atomically(tmp_path / "a", b"1", overwrite=False)
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "a", b"2", overwrite=False)
    assert (tmp_path / "a").read_bytes() == b"1" and len(list(tmp_path.iterdir())) == 1


def test_what_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_file_that_appears_in_the_last_moment_stays(tmp_path: Path) -> None:
    (tmp_path / "part").write_text("new")
    (tmp_path / "out").write_text("theirs")
    with pytest.raises(FileExistsError):
        publish_file(tmp_path / "part", tmp_path / "out", overwrite=False)
    assert (tmp_path / "out").read_text() == "theirs" and (tmp_path / "part").read_text() == "new"


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_names_with_an_ending_fit_and_differ(name: str) -> None:
    folder = Path("/tmp")
    if name in (".", "..") or len(os.fsencode(name)) > name_limit(folder):
        return
    path = with_ending(folder / name, ".checkpoint")
    assert path.parent == folder and path.name.endswith(".checkpoint")
    assert len(os.fsencode(path.name)) <= name_limit(folder)
    assert with_ending(folder / name, ".part") != path
    assert with_ending(folder / ("x" + name[1:]), ".checkpoint") != path or name[0] == "x"
    assert path.name.startswith(name[:50])


def test_long_names_that_differ_at_their_end_have_different_checkpoints() -> None:
    names = {with_ending(Path("/tmp") / ("é" * 122 + end + ".mp4"), ".checkpoint").name for end in ("ab", "ac", "bd")}
    assert len(names) == 3 and all(len(os.fsencode(name)) <= 255 for name in names)


def test_a_name_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    check_name_length(tmp_path / ("n" * 251 + ".mp4"))
    with pytest.raises(OutputError, match="a name of 256 bytes, expected at most 255"):
        check_name_length(tmp_path / ("n" * 252 + ".mp4"))


def test_folders_are_made_and_a_file_in_their_place_is_told(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b") == [tmp_path / "a" / "b", tmp_path / "a"]
    assert make_folder(tmp_path / "a" / "b") == []
    check_folder(tmp_path / "c" / "d")
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "d"):
        with pytest.raises(OutputError, match="is not a folder"):
            check_folder(folder)
        with pytest.raises(OutputError, match="expected a folder"):
            make_folder(folder)
