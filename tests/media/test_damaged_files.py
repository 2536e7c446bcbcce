"""Damage of every kind: one line and no file, or a whole file; never a traceback, a crash, or an endless wait."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from mutations import KINDS, Child, mutated, originals, problems

FEW = [number for number in range(30) if (number + number // 6) % 2]  # every kind of damage, every kind of file
ALL = range(30, 530)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return originals(tmp_path_factory.mktemp("whole"))


def trial(whole: Any, folder: Path, numbers: Any) -> tuple[Any, str]:
    """Every mutation of `numbers` is tried; what is wrong by number, and a line of figures."""
    wrong: dict[Any, Any] = {}
    codes, times = [], []
    with (folder / "stderr").open("w") as log:
        child = Child(log)
        try:
            for number in numbers:
                original = whole[number % len(whole)]
                place = folder / "place"
                place.mkdir()
                path = place / f"damaged{original.suffix}"
                path.write_bytes(mutated(original, number))
                found, code, seconds = problems(child, path, place / f"out{original.suffix}")
                if found:
                    wrong[number, original.name] = found
                codes.append(code)
                times.append(seconds)
                shutil.rmtree(place)
        finally:
            child.close()
    said = (folder / "stderr").read_text()
    if said:
        wrong["stderr"] = said[:1000]
    counts = {code: codes.count(code) for code in dict.fromkeys(codes)}
    return wrong, f"exit codes {counts}, the longest {max(times):.1f} s"


def test_damaged_videos_end_in_one_line_or_in_a_whole_video(whole: list[Any], tmp_path: Path) -> None:
    wrong, figures = trial(whole, tmp_path, FEW)
    assert not wrong, figures


@pytest.mark.slow
def test_five_hundred_damaged_videos_end_in_one_line_or_in_a_whole_video(whole: list[Any], tmp_path: Path) -> None:
    wrong, figures = trial(whole, tmp_path, ALL)
    print(figures)
    assert not wrong, figures


def test_a_command_that_dies_or_hangs_is_reported_and_the_next_one_runs(whole: list[Any], tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as log:
        child = Child(log)
        child._process.kill()
        assert child.run("presets")["died"] == -9
        assert child.run("video", whole[0], "-o", tmp_path / "out.mp4", limit=0.01)["hangs"] == 0.01
        assert child.run("presets")["code"] == 0
        child.close()


def test_every_kind_of_damage_changes_every_kind_of_file(whole: list[Any]) -> None:
    for number in range(len(whole) * len(KINDS)):
        original = whole[number % len(whole)]
        assert mutated(original, number) == mutated(original, number) != original.read_bytes()
