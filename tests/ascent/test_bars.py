"""Black bars and black ground are left alone, and an image without them is dreamed as ever."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import textured
from numpy.typing import NDArray

from dreamvideo.ascent.bars import picture_area
from dreamvideo.ascent.octaves import dream
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import DreamSettings

SETTINGS = DreamSettings(octaves=2, iterations=4)


def tensor(image: NDArray[np.uint8]) -> Any:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def boxed(top: int, bottom: int, left: int = 0, right: int = 0, level: int = 0) -> NDArray[np.uint8]:
    image = textured(120, 214).clip(40)
    inside = image[top : 120 - bottom, left : 214 - right].copy()
    image[:] = level
    image[top : 120 - bottom, left : 214 - right] = inside
    return image


def bars(image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Rows above and below, columns at the left and right."""
    area = picture_area(tensor(image))
    if area is None:
        return 0, 0, 0, 0
    area = area[0, 0]
    rows, columns = (np.flatnonzero(area.amax(side).numpy()) for side in (1, 0))
    return int(rows[0]), int(119 - rows[-1]), int(columns[0]), int(213 - columns[-1])


@pytest.mark.parametrize("sides", [(17, 17, 0, 0), (17, 19, 0, 0), (0, 0, 47, 47), (12, 12, 30, 31), (0, 0, 0, 0)])
@pytest.mark.parametrize("level", [0, 16])
def test_bars_are_found_to_the_pixel_black_and_with_a_little_light(sides: Any, level: int) -> None:
    assert bars(boxed(sides[0], sides[1], sides[2], sides[3], level)) == sides


def test_subtitles_in_a_bar_and_the_marks_of_a_codec_do_not_move_it() -> None:
    image = boxed(17, 17)
    cv2.putText(image, "SHE SELLS SEA SHELLS", (24, 114), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255))
    assert bars(image) == (17, 17, 0, 0)
    for quality in (95, 75):
        coded: Any = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)
        assert np.abs(np.array(bars(coded)) - (17, 17, 0, 0)).max() <= 2


def test_dark_sky_a_dark_picture_and_a_black_image_are_no_bars() -> None:
    night = boxed(40, 0)
    assert bars(night) == (0, 0, 0, 0)
    assert bars((textured(120, 214) // 16).astype(np.uint8)) == (0, 0, 0, 0)
    assert bars(np.zeros((120, 214, 3), np.uint8)) == (0, 0, 0, 0)


def test_each_image_of_a_batch_has_its_own_bars() -> None:
    images = torch.cat([tensor(boxed(*sides)) for sides in ((17, 17), (0, 0, 47, 47), (0, 0))])
    areas = [picture_area(image[None]) for image in images]
    assert areas[2] is None  # nothing is multiplied where there are none
    areas[2] = torch.ones_like(areas[0])
    assert torch.equal(picture_area(images), torch.cat(areas))


def test_bars_are_not_dreamed_unless_asked_for(tiny_network: Network) -> None:
    source = tensor(boxed(17, 17))
    dreamed = dream(source, tiny_network.score, SETTINGS)
    assert torch.equal(dreamed[:, :, :17], source[:, :, :17]) and torch.equal(dreamed[:, :, -17:], source[:, :, -17:])
    assert (dreamed - source)[:, :, 17:-17].abs().mean() > 0.01
    assert dream(source, tiny_network.score, replace(SETTINGS, dream_bars=True))[:, :, :17].max() > 0.02


def test_a_dream_between_bars_is_as_strong_as_without_them(tiny_network: Network) -> None:
    image = boxed(17, 17)
    inside = np.ascontiguousarray(image[17:-17])
    strengths = [
        (dream(source, tiny_network.score, SETTINGS) - source).abs().sum().item()
        for source in (tensor(image), tensor(inside))
    ]
    assert strengths[0] == pytest.approx(strengths[1], rel=0.08)


def test_what_is_dark_keeps_its_color(tiny_network: Network) -> None:
    dark = np.round(textured(96, 128).mean(2, keepdims=True) / 128 * np.array([10, 10, 8])).astype(np.uint8)
    source = tensor(dark)
    settings = replace(SETTINGS, iterations=10)

    def change(settings: DreamSettings) -> NDArray[Any]:
        change: NDArray[Any] = 255 * (dream(source, tiny_network.score, settings) - source).mean((0, 2, 3)).numpy()
        return change

    assert np.abs(change(settings)).max() < 1
    assert np.abs(change(replace(settings, dream_bars=True))).max() > 2.5, "nothing here would change color"


def test_a_step_up_in_the_dark_is_no_larger_than_one_down(tiny_network: Network) -> None:
    source = tensor((textured(96, 128) // 24).astype(np.uint8))
    change = dream(source, tiny_network.score, replace(SETTINGS, octaves=1, iterations=3, step_size=0.03)) - source
    assert change.max() < 2 * -change.min()


def test_an_image_without_bars_and_dark_ground_is_dreamed_as_if_all_were(tiny_network: Network) -> None:
    source = tensor(textured(96, 128).clip(80))
    both = (replace(SETTINGS, dream_bars=on) for on in (False, True))
    assert torch.equal(*(dream(source, tiny_network.score, settings) for settings in both))
