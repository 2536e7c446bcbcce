"""The list of photographs, and their extraction from packages that the tests make."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

from dreamvideo.errors import OutputError, SourceError
from dreamvideo.media.paths import is_image
from dreamvideo.training import photographs
from dreamvideo.training.package_archives import PackageName, name_package, read_members
from dreamvideo.training.photographs import Photograph, extract_photographs, photographs_main, read_photographs

LICENSES = re.compile(r"CC0-1\.0|public-domain|CC-BY(-SA)?-\d\.\d")  # all of them allow changes
FISH, CARP, ROOM = b"\x89PNG fish", b"JPEG carp " * 20, b"JPEG room"


def tar(files: dict[str, bytes], mode: str = "w:xz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def deb(path: Path, name: str, version: str, files: dict[str, bytes], ending: str = "xz") -> Path:
    control = tar({"control": f"Package: {name}\nVersion: {version}\nMaintainer: Name\n".encode()})
    members = {"debian-binary": b"2.0\n", "_odd": b"three", "control.tar.xz": control, f"data.tar.{ending}": tar(files)}
    content = b"!<arch>\n"
    for member, data in members.items():
        content += (
            f"{member:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        )
    path.write_bytes(content)
    return path


def rcc(files: dict[str, bytes], packed: set[str] = frozenset()) -> bytes:  # type: ignore[assignment]
    """A resource file of Qt, version 1, with one folder `pictures`; those in `packed` are compressed."""
    names, data = b"", b""

    def name_at(text: str) -> int:
        nonlocal names
        at = len(names)
        names += struct.pack(">HI", len(text), 0) + text.encode("utf-16-be")
        return at

    tree = struct.pack(">IHII", 0, 2, 1, 1) + struct.pack(">IHII", name_at("pictures"), 2, len(files), 2)
    for name, content in files.items():
        stored = struct.pack(">I", len(content)) + zlib.compress(content) if name in packed else content
        tree += struct.pack(">IHHHI", name_at(name), int(name in packed), 0, 0, len(data))
        data += struct.pack(">I", len(stored)) + stored
    start = 20
    header = b"qres" + struct.pack(">4I", 1, start, start + len(tree), start + len(tree) + len(data))
    return header + tree + data + names


def listed(file: str, package: str, path: str, content: bytes) -> Photograph:
    return Photograph(file, package, "1.0-1", path, hashlib.sha256(content).hexdigest(), "CC0-1.0", "Somebody", "url")


@pytest.fixture
def fish_deb(tmp_path: Path) -> Path:
    resources = rcc({"fish.png": FISH, "carp.jpg": CARP}, {"carp.jpg"})
    files = {"usr/share/fish/all.rcc": resources, "usr/share/fish/room.jpg": ROOM, "usr/share/doc/copyright": b"free"}
    return deb(tmp_path / "fish.deb", "fish-data", "1.0-1", files)


WANTED = (
    listed("fish-data/fish.png", "fish-data", "usr/share/fish/all.rcc/pictures/fish.png", FISH),
    listed("fish-data/carp.jpg", "fish-data", "usr/share/fish/all.rcc/pictures/carp.jpg", CARP),
    listed("fish-data/room.jpg", "fish-data", "usr/share/fish/room.jpg", ROOM),
    listed("learn/china.jpg", "learn", "learn/images/china.jpg", ROOM),
)


def test_the_list_is_complete_free_and_without_repetition() -> None:
    found = read_photographs()
    assert len(found) == 225
    for each in found:
        assert all(value == value.strip() and value for value in dataclasses.astuple(each)), each
        assert LICENSES.fullmatch(each.license), each
        assert re.fullmatch(r"[0-9a-f]{64}", each.sha256) and re.match(r"https?://", each.url), each
        path = PurePosixPath(each.file)
        assert is_image(Path(each.file)) and path.parts[0] == each.package and len(path.parts) == 2, each
        assert path.suffix == PurePosixPath(each.path).suffix.lower() and not each.path.startswith("/"), each
    for name in ("file", "sha256"):
        assert max(Counter(getattr(each, name) for each in found).values()) == 1, name
    assert max(Counter((each.package, each.path) for each in found).values()) == 1
    assert all(len({e.version for e in found if e.package == each.package}) == 1 for each in found)


def test_the_list_keeps_out_what_results_are_judged_on() -> None:
    assert not [each.file for each in read_photographs() if re.search(r"chelsea|torcal|tanners|flower\.jpg", each.path)]


def test_files_are_read_out_of_a_debian_package(fish_deb: Path) -> None:
    assert name_package(fish_deb) == PackageName("fish-data", "1.0-1")
    names = [each.path for each in WANTED]
    assert read_members(fish_deb, names) == dict(zip(names, (FISH, CARP, ROOM), strict=False))


def test_photographs_are_extracted_byte_for_byte(fish_deb: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "learn-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("learn/images/china.jpg", ROOM)
        archive.writestr("learn-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: learn\nVersion: 1.0\n")
    assert name_package(wheel) == PackageName("learn", "1.0")
    out = tmp_path / "out"
    assert extract_photographs([fish_deb, wheel], out, WANTED) == 4
    written = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert written == dict(zip((each.file for each in WANTED), (FISH, CARP, ROOM, ROOM), strict=True))


def test_what_is_not_the_listed_picture_is_refused(fish_deb: Path, tmp_path: Path) -> None:
    other = (dataclasses.replace(WANTED[1], sha256="0" * 64),)
    with pytest.raises(SourceError, match=r"has another .*carp\.jpg; expected fish-data 1\.0-1"):
        extract_photographs([fish_deb], tmp_path / "out", other)
    absent = (dataclasses.replace(WANTED[2], path="usr/share/fish/hall.jpg"),)
    with pytest.raises(SourceError, match=r"lacks .*hall\.jpg"):
        extract_photographs([fish_deb], tmp_path / "out", absent)
    with pytest.raises(SourceError, match="no photographs of fish-data are used; expected learn"):
        extract_photographs([fish_deb], tmp_path / "out", WANTED[3:])
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        extract_photographs([fish_deb], tmp_path / "file", WANTED[:1])


def test_broken_packages_are_one_line_each(tmp_path: Path, fish_deb: Path) -> None:
    cut = tmp_path / "cut.deb"
    cut.write_bytes(fish_deb.read_bytes()[:-200])
    packed = deb(tmp_path / "packed.deb", "fish-data", "2", {}, "zst")
    resources = deb(tmp_path / "resources.deb", "fish-data", "2", {"usr/share/fish/all.rcc": b"qres" + bytes(30)})
    (tmp_path / "text.whl").write_text("no package")
    (tmp_path / "text.deb").write_text("no package")
    for path in (cut, packed, resources, tmp_path / "text.whl", tmp_path / "text.deb", tmp_path / "missing.deb"):
        with pytest.raises(SourceError, match="cannot be read as a package") as caught:
            read_members(path, [each.path for each in WANTED])
        assert "\n" not in str(caught.value)
    with pytest.raises(SourceError, match="zstd"):
        read_members(packed, ["any"])


def test_the_command_extracts_and_lists(
    fish_deb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(photographs, "read_photographs", lambda: list(WANTED))
    assert photographs_main([str(fish_deb), "--out", str(tmp_path / "out")]) == 0
    assert "3 of 4 photographs" in capsys.readouterr().out
    assert photographs_main(["--list"]) == 0
    assert capsys.readouterr().out.splitlines() == ["fish-data 1.0-1: 3 (CC0-1.0)", "learn 1.0-1: 1 (CC0-1.0)"]
    assert photographs_main([str(tmp_path / "missing.deb")]) == 1
    assert "missing.deb" in capsys.readouterr().err
