"""The renderer: the same seed gives the same image, today and in a year.

`python tests/training/test_render.py` writes new fingerprints, which is right only if the images were meant to change
(and the network is trained again).
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dreamvideo.errors import ModelError
from dreamvideo.models.dreamnet.trained import load_dreamnet
from dreamvideo.training import render_sheet
from dreamvideo.training.render import BACKGROUND, CLASSES, MOTIFS, by_theme, render
from dreamvideo.training.render.canvas import NOWHERE, SIZE, X, Y, ellipse, hash_cell, inside, over, plain, rotate_axes
from dreamvideo.training.render.cells import scale_cells
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import NATURAL, WHITE, hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import shade
from dreamvideo.training.render.strokes import Ink, fur

FINGERPRINTS = Path(__file__).with_name("dreamnet_fingerprints.json")
SEED = 20


def thumbnail(image: NDArray[np.uint8]) -> list[int]:
    """Mean colors on a 4x4 grid: robust against the rounding of other NumPy and OpenCV versions."""
    return [round(v) for v in image.reshape(4, 28, 4, 28, 3).mean((1, 3)).ravel().tolist()]


def test_the_classes_are_those_of_the_weights() -> None:
    assert load_dreamnet().classes == CLASSES
    assert (BACKGROUND, *MOTIFS) == CLASSES
    assert set(NATURAL) <= set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_same_seed_same_image_as_the_network_learned_from(name: str) -> None:
    first, again, other = render(SEED, name), render(SEED, name), render(SEED + 1, name)
    assert first.name == name
    assert first.image.shape == (112, 112, 3) and first.image.dtype == np.uint8
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)
    expected = np.array(json.loads(FINGERPRINTS.read_text())[name])
    assert np.abs(np.array(thumbnail(first.image)) - expected).max() <= 2


@pytest.mark.parametrize("name", MOTIFS)
def test_a_motif_paints_something_with_an_extent(name: str) -> None:
    for seed in range(2):
        picture, cover = MOTIFS[name].paint(Scene(seed))
        assert picture.shape == (SIZE, SIZE, 3) and cover.shape == (SIZE, SIZE)
        assert np.isfinite(picture).all()
        assert cover.min() >= 0 and cover.max() <= 1 and cover.mean() > 0.02
        assert picture[cover > 0.5].std() > 0.02


def test_an_image_of_any_class_and_size() -> None:
    assert render(5).name in CLASSES
    assert render(5, "owl", 64).image.shape == (64, 64, 3)
    with pytest.raises(ModelError, match="nautilus"):
        render(5, "unicorn")


def test_every_motif_stands_in_a_theme_and_says_what_it_is() -> None:
    themes = by_theme()
    assert sum(len(motifs) for motifs in themes.values()) == len(MOTIFS)
    assert "flowers" in themes and "eyes and skins" in themes
    for entry in MOTIFS.values():
        assert entry.draw.__doc__ and "\n" not in entry.draw.__doc__
    with pytest.raises(ValueError, match="two motifs"):
        motif("owl")(lambda scene: (plain(), NOWHERE))


def test_shapes_and_coverage() -> None:
    disc = inside(ellipse(X, Y, 0.5, 0.5))
    assert disc.mean() == pytest.approx(np.pi * 0.25 / 4, abs=1e-3)
    half = over(plain(rgb(1, 0, 0)), rgb(0, 0, 1), np.full((SIZE, SIZE), 0.5))
    np.testing.assert_allclose(half[7, 9], [0.5, 0, 0.5])
    along, across = rotate_axes(np.array([0.0]), np.array([1.0]), np.pi / 2)
    np.testing.assert_allclose([along[0], across[0]], [1, 0], atol=1e-12)
    assert np.array_equal(hash_cell(X, Y), hash_cell(X, Y)) and 0 <= hash_cell(X, Y).min() <= hash_cell(X, Y).max() < 1


def test_colors() -> None:
    np.testing.assert_allclose(hsv(0, 1, 1), [1, 0, 0])
    np.testing.assert_allclose(hsv(4 / 3, 1, 1), [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(ramp(np.array([0.0, 1.0, 7.0]), [rgb(0, 0, 0), WHITE])[:, 0], [0, 1, 1])
    for seed in range(20):
        scene = Scene(seed)
        scene.subject = "rose"
        colors = np.array(scene.palette(5) + [scene.coat(), scene.stone()])
        assert colors.min() >= 0 and colors.max() <= 1.15


def test_noise_is_smooth_and_around_a_half() -> None:
    noise = Scene(1).noise(3, 4)
    assert noise.mean() == pytest.approx(0.5, abs=0.1)
    assert np.abs(np.diff(noise, axis=0)).max() < 0.3 < noise.max() - noise.min()


def test_light_comes_mostly_from_above() -> None:
    assert np.mean([Scene(seed).light[1] < 0 for seed in range(100)]) > 0.9
    scene = Scene(1)
    scene.light = np.array([0, -0.8, 0.6], np.float32)
    ball = shade(scene, plain(0.5), np.sqrt(np.clip(0.8 - X * X - Y * Y, 0, 1)), 0.5)
    assert ball[50].mean() > ball[110].mean() + 0.02


def test_scales_leave_no_gap() -> None:
    cells = scale_cells(X * 5, Y * 5)
    assert (cells.rim < 1).all()
    assert len(np.unique(np.stack([cells.column, cells.row], -1).reshape(-1, 2), axis=0)) > 60


def test_ink_and_fur() -> None:
    ink = Ink()
    ink.line([-0.5, 0.5], [0, 0], WHITE, 3)
    picture, cover = ink.painted()
    assert picture[80, 80, 0] == cover[80, 80] == 1 and cover[100, 80] == 0
    bare = plain(0.2)
    assert fur(Scene(1), bare, NOWHERE < 0, X, bare) is bare
    hairy = fur(Scene(1), bare, X < 0, np.zeros_like(X), plain(0.8), 300, 0.1, jitter=0.0)
    assert hairy[:, :70].mean() > 0.25 > hairy[:, 110:].mean()


def test_sheet(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    assert render_sheet.sheet_main(["owl", "rose", "-o", str(path), "--copies", "2", "--columns", "3"]) == 0
    assert cv2.imread(str(path)).shape == (2 * (112 + 22) + 6, 3 * (112 + 6) + 6, 3)
    assert render_sheet.sheet_main(["unicorn", "-o", str(path)]) == 1
    assert render_sheet.sheet_main(["owl", "-o", str(tmp_path / "no folder" / "sheet.png")]) == 1


if __name__ == "__main__":
    lines = [f'"{name}": {json.dumps(thumbnail(render(SEED, name).image))}' for name in CLASSES]
    FINGERPRINTS.write_text("{\n" + ",\n".join(lines) + "\n}\n")
