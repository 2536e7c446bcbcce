"""Frames are in the order that their numbers have for who made them, and what is missing or mixed is known."""

import itertools
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import run
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.media.images import write_image
from dreamvideo.media.numbered_names import missing_numbers, name_sequences, parallel_sequences
from dreamvideo.media.paths import natural_order


@pytest.mark.parametrize(
    "names",
    [
        ["-0010.png", "-0002.png", "0000.png", "0001.png", "0010.png"],  # Blender
        ["shot_-0010.png", "shot_-0002.png", "shot_0000.png", "shot_0003.png"],
        ["shot.-010.png", "shot.-002.png", "shot.000.png", "shot.003.png"],  # Maya
        ["shot-0010.png", "shot-0002.png", "shot0000.png", "shot0003.png"],  # 3ds Max
        ["page-1.png", "page-2.png", "page-10.png"],
        ["2024-01-02.png", "2024-01-10.png", "2024-02-01.png"],
        ["t0.25.png", "t0.5.png", "t0.75.png", "t1.png", "t1.125.png", "t10.0.png"],
        ["-1.5.png", "-0.5.png", "0.25.png", "0.5.png"],
        ["v1.8.png", "v1.9.png", "v1.10.png", "v1.11.png"],
        ["shot_v2.0009.png", "shot_v2.0010.png", "shot_v2.0100.png"],
        ["shot2.png", "shot10.png", "shot10b.png"],
        ["a2b1.png", "a2b10.png", "a10b1.png"],
        ["clip1.mp4", "clip2.mp4", "clip10.mp4"],
        ["no number.png", "other.png"],
    ],
)
def test_names_are_in_the_order_of_their_numbers(names: list[str]) -> None:
    paths = [Path("in 1") / name for name in names]
    for seed in range(5):
        mixed = random.Random(seed).sample(paths, len(paths))
        assert natural_order(mixed) == paths


@given(st.sets(st.integers(-300, 300), min_size=1), st.sampled_from(["", "shot_", "shot."]), st.integers(1, 5))
def test_frames_of_any_numbers_are_in_order(numbers: set[int], head: str, width: int) -> None:
    names = {n: f"{head}{'-' * (n < 0)}{abs(n):0{width}}.png" for n in numbers}
    assert [path.name for path in natural_order(map(Path, names.values()))] == [names[n] for n in sorted(numbers)]


@given(st.sets(st.fractions(0, 20, max_denominator=8), min_size=1))
def test_decimal_numbers_are_in_order(numbers: set[Fraction]) -> None:
    names = {n: f"t{float(n)}.png" for n in numbers if float(n) == n and len(str(float(n))) < 9}
    assert [path.name for path in natural_order(map(Path, names.values()))] == [names[n] for n in sorted(names)]


@given(st.lists(st.text("ab01.-_ ", min_size=1, max_size=6), unique=True))
def test_any_names_have_one_order(names: list[str]) -> None:
    paths = [Path(name) for name in names if name not in (".", "..")]
    assert natural_order(paths) == natural_order(reversed(paths))


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([1, 2, 3, 7, 8, 20], "4-6, 9-19"),
        ([1, 2, 4], "3"),
        ([0, 10, 20, 40, 50], "30"),
        ([-2, -1, 1, 2], "0"),
        ([-9, -8, -4, -3], "-7 to -5"),
        ([5], ""),
        ([], ""),
        ([1, 2, 3], ""),
        ([1023, 1030, 1055, 1056], ""),
        (
            list(itertools.chain.from_iterable((10 * n, 10 * n + 1, 10 * n + 2) for n in range(8))),
            "3-9, 13-19, 23-29, 33-39, 43-49 and 2 more gaps",
        ),
    ],
)
def test_what_is_missing_is_named(numbers: list[int], missing: str) -> None:
    assert missing_numbers(numbers) == missing


@pytest.mark.parametrize(
    ("names", "patterns"),
    [
        ([f"{n:04}_{eye}.png" for n in range(9) for eye in "LR"], ["*_L.png", "*_R.png"]),
        ([f"{eye}_{n:04}.png" for n in range(9) for eye in ("left", "right")], ["left_*.png", "right_*.png"]),
        ([f"f{n:04}_cam{cam}.png" for n in range(9) for cam in (1, 2)], ["f*_cam1.png", "f*_cam2.png"]),
        ([f"f{n:04}.png" for n in range(9)], []),
        ([f"f{n:04}.png" for n in range(9)] + ["f2_mask.png", "notes.png"], []),
        ([f"a{n}.png" for n in range(9)] + [f"b{n}.png" for n in range(100, 109)], []),
        ([f"-{n:03}.png" for n in range(1, 4)] + [f"{n:03}.png" for n in range(4)], []),
    ],
)
def test_sequences_beside_each_other_are_found(names: list[str], patterns: list[str]) -> None:
    assert [each.pattern for each in parallel_sequences(names)] == patterns


def test_negative_frames_are_of_the_same_sequence() -> None:
    (found,) = name_sequences(["shot_-002.png", "shot_-001.png", "shot_000.png", "shot_001.png"])
    assert (found.pattern, found.numbers) == ("shot_*.png", (-2, -1, 0, 1))


def store(folder: Path, names: Any) -> Path:
    folder.mkdir()
    for name in names:
        write_image(np.full((16, 16, 3), 99, np.uint8), folder / name)
    return folder


def test_gaps_and_two_sequences_are_told_at_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gaps = store(tmp_path / "gaps", [f"f{n}.png" for n in (1, 2, 3, 7, 8, 20)])
    assert run("frames", gaps, "--iterations", "0") == 0
    assert "f*.png: 4-6, 9-19 are missing" in capsys.readouterr().err
    assert run("frames", gaps, "--iterations", "0", "--independent", "-y") == 0
    assert "missing" not in capsys.readouterr().err
    eyes = store(tmp_path / "eyes", [f"{n}_{eye}.png" for n in range(4) for eye in "LR"])
    assert run("frames", eyes, "--iterations", "0") == 0
    told = capsys.readouterr().err
    assert "holds 2 sequences, *_L.png, *_R.png" in told
    typed = told.split("dreamvideo frames ")[1].split(" -o")[0].strip("'")
    assert run("frames", typed, "-o", tmp_path / "left", "--iterations", "0", "-q") == 0
    assert sorted(path.name for path in (tmp_path / "left").iterdir()) == [f"{n}_L.png" for n in range(4)]


def test_info_describes_a_folder_of_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(tmp_path / "in", [f"f{n}.png" for n in (1, 2, 3, 7, 8, 20)])
    write_image(np.zeros((20, 30, 3), np.uint8), folder / "f21.jpg")
    (folder / "f22.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("hello")
    assert run("info", folder, "--no-time") == 0
    told = capsys.readouterr().out
    for words in ("8 pictures", "7 png, 1 jpg", "16x16 (6), 30x20 (1)", "1 cannot be read", "f*.png: 4-6, 9-19, 21"):
        assert words in told, told
    eyes = store(tmp_path / "eyes", [f"{n}_{eye}.png" for n in range(4) for eye in "LR"])
    assert run("info", eyes) == 0
    assert "2 sequences: *_L.png (4, 0 to 3), *_R.png (4, 0 to 3)" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert run("info", tmp_path / "empty") == 1
    assert "no videos in it" in capsys.readouterr().err
