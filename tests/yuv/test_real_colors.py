"""Real files: colors on tensors are those of the CPU."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dreamvideo.media.video_reader import open_video
from dreamvideo.settings.job import ReadSettings
from dreamvideo.yuv.upright_tensors import UprightTensors

FOLDER = Path(__file__).parents[3] / "shared" / "media"
REFUSED = ("audio-only", "encrypted", "opens_noframes", "unopenable")
FILES = [path for path in sorted(FOLDER.glob("*.*")) if path.suffix != ".md" and not path.name.startswith(REFUSED)]

pytestmark = pytest.mark.skipif(not FILES, reason=f"no real media in {FOLDER}")


def images(path: Path, count: int, **how: Any) -> Iterator[Any]:
    with open_video(path, ReadSettings(frames=count), **how) as source:
        yield from (frame.image for frame in source.frames)


@pytest.mark.parametrize("count", [1, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition("--")[0])
def test_real_files_have_the_colors_of_the_cpu(path: Path, count: int) -> None:
    on_tensors = images(path, count, converter=partial(UprightTensors, device=torch.device("cpu")))
    for ours, theirs in zip(on_tensors, images(path, count), strict=True):
        apart = np.abs(ours.numpy().astype(int) - theirs)
        assert apart.mean() <= 0.02
        assert apart.max() <= 1
