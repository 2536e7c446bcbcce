"""The three programs of samples/ run, and so do the cells of the notebook."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import make_clip, picture, video_times
from conftest import run

from dreamvideo.cli import build_parser
from dreamvideo.media.images import read_image, write_image
from dreamvideo.media.video_reader import open_video

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(autouse=True)
def samples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(SAMPLES)
    yield
    for name in ("frames_of_an_array", "own_network", "look"):
        sys.modules.pop(name, None)


def example(name: str) -> Any:
    return importlib.import_module(name)


def test_frames_of_an_array_become_a_video() -> None:
    example("frames_of_an_array").main("out.mp4", count=3, height=48, width=64)
    assert video_times(Path("out.mp4"))[0] == [Fraction(n, 24) for n in range(3)]


def test_a_network_of_ones_own_dreams_in_a_program_and_by_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(picture(0), Path("photo.png"))
    example("own_network").main("photo.png", "dream.png")
    assert np.abs(np.subtract(read_image(Path("dream.png")), picture(0), dtype=float)).mean() > 2
    words = re.search(r"dreamvideo (image photo.jpg .*?) +#", (SAMPLES / "own_network.py").read_text())[1].split()
    quick = ["--iterations", "1", "-q", "-o", "out.png"]
    assert run(*[word.replace("photo.jpg", "photo.png") for word in words], *quick) == 0


def test_a_look_as_code_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [Fraction(n, 2) for n in range(3)]
    make_clip(Path("film.mp4"), times, image=lambda number, *_: picture(0))
    look = example("look")
    settings = look.growing(look.DreamSettings(step_size=0.01), 4.0)
    assert [round(settings(Fraction(t)).step_size, 4) for t in (0, 2, 4, 9)] == [0.003, 0.0115, 0.02, 0.02]
    monkeypatch.setattr(look, "growing", lambda dream, seconds: look.replace(dream, iterations=1, octaves=1))
    look.main("film.mp4", "dream.mp4")
    with open_video("dream.mp4") as source:
        assert [frame.time for frame in source.frames] == times


def test_the_cells_of_the_notebook_are_commands_and_programs_that_are_there() -> None:
    notebook = json.loads((SAMPLES / "dreamvideo.ipynb").read_text())
    assert notebook["nbformat"] == 4 and notebook["metadata"]["kernelspec"]["language"] == "python"
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    commands = [line[1:] for cell in cells for line in cell.splitlines() if line.startswith("!")]
    assert len(commands) == 2
    for command in commands:
        build_parser().parse_args(command.split()[1:])
    make_clip(Path("demo_dream.mp4"), [Fraction(n, 25) for n in range(2)])
    program = "\n".join(line for line in cells[-1].splitlines() if not line.startswith("Video"))
    exec(program.replace('preset="birds"', 'preset="pearls"'), {})
    assert len(video_times(Path("out.mp4"))[0]) == 2
