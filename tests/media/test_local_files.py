"""A playlist reads files of its own folder, whatever it is called and however it names others."""

from pathlib import Path

import pytest
from clips import make_clip, video_times
from conftest import only_line, run

from dreamvideo.errors import SourceError
from dreamvideo.media.video_reader import open_video

PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n{lines}#EXT-X-ENDLIST\n"
SEGMENT = "#EXTINF:0.5,\n{name}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with own.ts and sub/own.ts; beside it is secret.ts."""
    folder = tmp_path / "folder: 1"
    (folder / "sub").mkdir(parents=True)
    for path in (folder / "own.ts", folder / "sub" / "own.ts", tmp_path / "secret.ts"):
        make_clip(path)
    return folder


def playlist(folder: Path, *names: object, file: str = "list.m3u8") -> Path:
    path = folder / file
    path.write_text(PLAYLIST.format(lines="".join(SEGMENT.format(name=name) for name in names)))
    return path


def count(path: Path) -> int:
    with open_video(path) as source:
        return sum(1 for _ in source.frames)


@pytest.mark.parametrize("name", ["own.ts", "sub/own.ts", "./own.ts", "{folder}/own.ts", "file:{folder}/own.ts"])
def test_a_playlist_reads_its_own_folder(folder: Path, name: str) -> None:
    frames = len(video_times(folder / "own.ts")[0])
    assert count(playlist(folder, name.format(folder=folder))) == frames
    if name in ("own.ts", "sub/own.ts"):  # libav refuses the other forms by itself
        concat = folder / "list.ffconcat"
        concat.write_text(f"ffconcat version 1.0\nfile {name}\n")
        assert count(concat) == frames


SECRETS = [
    "../secret.ts",
    "{folder}/../secret.ts",
    "sub/../../secret.ts",
    "{secret}",
    "file:{secret}",
    "file://{secret}",
    "link.ts",
    "crypto:{secret}",
    "subfile,,start,0,end,0,,:{secret}",
    "concat:own.ts|{secret}",
    "http://127.0.0.1:9/x.ts",
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_playlist_reads_nothing_else(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "link.ts").symlink_to(folder.parent / "secret.ts")
    path = playlist(folder, name.format(folder=folder, secret=folder.parent / "secret.ts"))
    with pytest.raises(SourceError, match="cannot be opened as a video"):
        count(path)
    assert run("video", path, "--iterations", "0", "-q", "-o", folder / "out.mp4") == 1
    assert "list.m3u8" in only_line(capsys)
    assert not (folder / "out.mp4").exists()


def test_a_list_that_hides_as_a_film_or_in_another_list_or_as_a_key_or_behind_a_good_file(folder: Path) -> None:
    secret = folder.parent / "secret.ts"
    with pytest.raises(SourceError):
        count(playlist(folder, secret, file="film.m3u8"))
    master = folder / "master.m3u8"
    master.write_text(f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{playlist(folder.parent, 'secret.ts')}\n")
    with pytest.raises(SourceError):
        count(master)
    keyed = folder / "keyed.m3u8"
    keyed.write_text(PLAYLIST.format(lines=f'#EXT-X-MAP:URI="{secret}"\n' + SEGMENT.format(name="own.ts")))
    with pytest.raises(SourceError):
        count(keyed)
    with pytest.raises(SourceError, match="it is a playlist that names something outside of its own folder"):
        count(playlist(folder, "own.ts", secret))


def test_a_list_without_an_end_ends(folder: Path) -> None:
    path = playlist(folder, "own.ts")
    path.write_text(path.read_text().replace("#EXT-X-ENDLIST", ""))
    assert count(path) == len(video_times(folder / "own.ts")[0])
