"""What is typed as an input becomes files, in the order of numbers; skipped files are reported."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dreamvideo.errors import SourceError
from dreamvideo.media.paths import ExpandedPaths, expand_paths, is_image, is_video, natural_order


def touched(folder: Path, *names: Any) -> Path:
    """Empty files."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def names(paths: Any) -> list[Any]:
    return [path.name for path in paths]


def images(*words: str | Path) -> ExpandedPaths:
    return expand_paths([Path(word) for word in words], is_image, "images")


def test_numbers_are_sorted_by_their_value(tmp_path: Path) -> None:
    folder = touched(tmp_path / "f", "frame10.png", "frame2.png", "frame1.png", "frame100.png", "frame020.png")
    expected = ["frame1.png", "frame2.png", "frame10.png", "frame020.png", "frame100.png"]
    assert names(images(folder).paths) == expected


@hypothesis_settings(deadline=None)
@given(st.lists(st.integers(0, 10**12), unique=True), st.randoms())
def test_names_that_count_come_in_the_order_of_counting(numbers: list[int], random: Any) -> None:
    counted = [Path(f"a3_{number}.png") for number in sorted(numbers)]
    shuffled = counted.copy()
    random.shuffle(shuffled)
    assert natural_order(shuffled) == counted


@hypothesis_settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)), st.randoms())
def test_any_names_have_one_order_whatever_order_they_come_in(texts: list[str], random: Any) -> None:
    paths = [Path(text) for text in texts]
    ordered = natural_order(paths)
    random.shuffle(paths)
    assert natural_order(paths) == ordered
    assert sorted(ordered) == sorted(paths)


def test_one_number_written_twice_has_an_order(tmp_path: Path) -> None:
    folder = touched(tmp_path / "f", "1.png", "01.png", "001.png")
    assert names(images(folder).paths) == ["001.png", "01.png", "1.png"]


def test_gaps_in_the_numbers_are_allowed(tmp_path: Path) -> None:
    folder = touched(tmp_path / "f", *(f"{number}.png" for number in (1, 2, 5, 900)))
    assert names(images(folder).paths) == ["1.png", "2.png", "5.png", "900.png"]


def test_foreign_files_are_reported_as_skipped_hidden_ones_and_folders_are_not(tmp_path: Path) -> None:
    folder = touched(tmp_path / "f", "a.png", "notes.txt", ".DS_Store", "film.mp4", "Thumbs.db")
    touched(folder / "inner", "deep.png")
    found = images(folder)
    assert names(found.paths) == ["a.png"]
    assert names(found.skipped) == ["Thumbs.db", "film.mp4", "notes.txt"]


def test_suffixes_are_known_in_any_case(tmp_path: Path) -> None:
    folder = touched(tmp_path / "f", "a.PNG", "b.JPeG", "c.Tif")
    assert names(images(folder).paths) == ["a.PNG", "b.JPeG", "c.Tif"]
    assert is_video(Path("CLIP.MP4"))
    assert not is_image(Path("png"))


def test_a_folder_gives_the_files_of_the_kind_asked_for(tmp_path: Path) -> None:
    folder = touched(tmp_path / "f", "10.mp4", "9.mkv", "a.png")
    found = expand_paths([folder], is_video, "videos")
    assert names(found.paths) == ["9.mkv", "10.mp4"]
    assert names(found.skipped) == ["a.png"]


def test_outputs_in_a_folder_are_left_out_but_can_be_named(tmp_path: Path) -> None:
    folder = touched(tmp_path / "f", "a.mp4", "a_dream.mp4", "sweet_dream.mp4")
    assert names(expand_paths([folder], is_video, "videos").paths) == ["a.mp4", "sweet_dream.mp4"]
    assert names(expand_paths([folder / "a_dream.mp4"], is_video, "videos").paths) == ["a_dream.mp4"]


@pytest.mark.parametrize(
    "name",
    ["a b.png", "a[1].png", "100%.png", "%03d.png", "#1.png", "-x.png", "träume.png", "夢.png", "a'b.png", "a.b.png"],
)
def test_a_name_that_exists_is_not_a_pattern(tmp_path: Path, name: str) -> None:
    folder = touched(tmp_path / "f", name, "a1.png")
    assert names(images(folder / name).paths) == [name]
    assert name in names(images(folder).paths)


def test_a_pattern_is_expanded(tmp_path: Path) -> None:
    folder = touched(tmp_path / "f", "b10.png", "b9.png", "c1.png", "b.txt")
    found = images(folder / "b*")
    assert names(found.paths) == ["b9.png", "b10.png"]
    assert names(found.skipped) == ["b.txt"]
    assert names(images(folder / "b?.png").paths) == ["b9.png"]
    assert names(images(folder / "[bc]1*").paths) == ["b10.png", "c1.png"]


def test_a_pattern_goes_through_folders(tmp_path: Path) -> None:
    touched(tmp_path / "f")
    for take in ("take10", "take9"):
        touched(tmp_path / "f" / take, "2.png", "1.png")
    found = images(tmp_path / "f" / "take*" / "*.png")
    expected = ["take9/1.png", "take9/2.png", "take10/1.png", "take10/2.png"]
    assert [path.relative_to(tmp_path / "f").as_posix() for path in found.paths] == expected
    assert found == images(tmp_path / "f" / "**" / "*.png")


def test_a_pattern_in_a_folder_whose_name_looks_like_one(tmp_path: Path) -> None:
    folder = touched(tmp_path / "shots [day 1]", "1.png", "2.png")
    touched(tmp_path / "shots d", "3.png")
    assert names(images(folder / "*.png").paths) == ["1.png", "2.png"]


def test_a_pattern_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touched(tmp_path / "f", "1.png")
    monkeypatch.chdir(tmp_path / "f")
    assert images("*.png").paths == (Path("1.png"),)
    assert names(images(".").paths) == ["1.png"]


def test_words_keep_their_order(tmp_path: Path) -> None:
    second, first = touched(tmp_path / "b", "2.png", "1.png"), touched(tmp_path / "a", "1.png")
    found = images(second, first, tmp_path / "c.png")
    assert found.paths == (second / "1.png", second / "2.png", first / "1.png", tmp_path / "c.png")


def test_a_file_that_is_named_is_left_to_its_reader(tmp_path: Path) -> None:
    folder = touched(tmp_path / "f", "notes.txt")
    assert images(folder / "notes.txt", folder / "none.png").paths == (folder / "notes.txt", folder / "none.png")


@pytest.mark.parametrize(
    ("word", "what"), [("f", "f is a folder with no images in it"), ("f/*.jpg", "f/*.jpg matches no images")]
)
def test_a_folder_or_pattern_without_files_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, what: str
) -> None:
    touched(tmp_path / "f", "a.txt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=re.escape(str(Path(what)))):
        images(word)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything can be read")
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    folder = touched(tmp_path / "f", "a.png")
    folder.chmod(0)
    try:
        with pytest.raises(SourceError, match="permission denied"):
            images(folder)
    finally:
        folder.chmod(0o700)
