from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamvideo.media.contact_sheet import GAP, caption, columns_for, contact_sheet, line_height
from dreamvideo.media.images import write_image


def tiles(count: int, height: int = 40, width: int = 60) -> list[NDArray[Any]]:
    return [np.full((height, width, 3), 60 + 20 * number, np.uint8) for number in range(count)]


def test_every_tile_stands_in_its_place_untouched_with_its_own_label_under_it() -> None:
    shown = tiles(5)
    labels = ["source", "s8b", "s16a:17", "owl", "0:12.5"]
    sheet = contact_sheet(shown, labels, columns=2)
    line = line_height(60)
    assert sheet.shape == (3 * (40 + line + GAP) + GAP, 2 * (60 + GAP) + GAP, 3)
    seen = []
    for number, tile in enumerate(shown):
        y, x = GAP + number // 2 * (40 + line + GAP), GAP + number % 2 * (60 + GAP)
        assert np.array_equal(sheet[y : y + 40, x : x + 60], tile)
        seen.append(sheet[y + 40 : y + 40 + line, x : x + 60])
        assert np.array_equal(seen[-1], caption(labels[number], line, 60))
        assert seen[-1].max() > 180 and np.median(seen[-1]) < 40, "not light on dark"
    assert len({label.tobytes() for label in seen}) == 5
    assert (sheet[-(40 + line + GAP) :, 60 + 2 * GAP :] < 40).all(), "there is something in the empty place"


@pytest.mark.parametrize("text", ["s8b", "inception4c.branch2.0.conv:117", "a" * 200])
@pytest.mark.parametrize("width", [60, 240, 640])
def test_a_label_stays_clear_of_its_edges(text: str, width: int) -> None:
    line = caption(text, line_height(width), width).max(2)
    assert line.shape == (line_height(width), width)
    assert line.max() > 180
    assert line[[0, -1]].max() < 60 and line[:, [0, -1]].max() < 60


def test_cells_are_as_large_as_the_largest_tile() -> None:
    alone, both = (contact_sheet([*tiles(1), *tiles(1, 30)][:n], ["a", "b"][:n], 1) for n in (1, 2))
    assert both.shape[0] == 2 * alone.shape[0] - GAP


def test_a_label_too_few_is_refused() -> None:
    with pytest.raises(ValueError):
        contact_sheet(tiles(3), ["a", "b"])


@pytest.mark.parametrize(
    ("count", "height", "width", "columns"), [(1, 90, 160, 1), (9, 90, 160, 3), (12, 160, 90, 6), (11, 190, 246, 4)]
)
def test_a_sheet_is_about_as_wide_as_a_screen(count: int, height: int, width: int, columns: int) -> None:
    assert columns_for(count, height, width) == columns


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_an_image_is_written_without_a_warning(tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    write_image(tiles(1)[0], tmp_path / f"a{suffix}")
    assert capfd.readouterr().err == ""  # OpenCV tells of each setting that a format does not know
