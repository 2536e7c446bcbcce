import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from conftest import textured
from numpy.typing import NDArray

from dreamvideo.motion.cuts import cut_detector

SAMPLE = next((Path(__file__).parents[2] / "samples").glob("*.mp4"), None)
MEDIA = Path(__file__).parents[3] / "shared" / "media"
sys.path.insert(0, str(Path(__file__).parents[2] / "samples"))


def cuts(images: Any) -> list[Any]:
    is_cut = cut_detector()
    images = list(images)
    return [i for i in range(1, len(images)) if is_cut(images[i], images[i - 1])]


def pictures(path: Path) -> Generator[Any, None, None]:
    with av.open(str(path)) as container:
        decoded: Any = container.decode(container.streams.best("video"))
        for frame in decoded:
            yield cv2.resize(frame.to_ndarray(format="rgb24"), (320, 180), interpolation=cv2.INTER_AREA)


def scene(seed: int, count: int = 6, speed: int = 2) -> list[NDArray[Any]]:
    wide = textured(180, 320 + count * speed, seed)
    return [np.ascontiguousarray(wide[:, i * speed : i * speed + 320]) for i in range(count)]


def test_finds_the_cuts_between_moving_shots() -> None:
    assert cuts([*scene(1), *scene(2), *scene(3)]) == [6, 12]


def test_a_pan_a_flash_a_fade_and_noise_are_no_cuts() -> None:
    assert cuts(scene(1, 8, speed=24)) == []
    still = scene(1, 5, 0)
    assert cuts([*still, *(np.clip(i.astype(int) * 2 + 60, 0, 255).astype(np.uint8) for i in still[:2]), *still]) == []
    dimming = [k / 10 for k in (*range(10, 0, -1), *range(11))]
    assert cuts((i * k).astype(np.uint8) for i, k in zip(scene(1, 21, 1), dimming, strict=True)) == []
    random = np.random.default_rng(0)
    assert cuts(np.clip(i + random.normal(0, 12, i.shape), 0, 255).astype(np.uint8) for i in still) == []


def test_black_frames_and_repeats_are_no_cuts_and_a_new_size_is() -> None:
    black = np.zeros((90, 160, 3), np.uint8)
    assert cuts([black, black + 1, black, textured(90, 160)[::-1] // 60]) == []
    assert cuts([black, np.zeros((80, 160, 3), np.uint8)]) == [1]


@pytest.mark.parametrize("kind", ["pan", "fade", "flash"])
def test_rendered_shots_without_a_cut(kind: str) -> None:
    from render_sample import render

    assert cuts(truth.image for truth in render(64, 36, shots=(kind,))) == []


@pytest.mark.slow
def test_the_sample_is_cut_where_its_shots_end() -> None:
    from render_sample import render

    shots = [truth.shot for truth in render(32, 18)]
    expected = [i for i in range(1, len(shots)) if shots[i] != shots[i - 1]]
    assert len(expected) >= 1
    assert cuts(pictures(SAMPLE)) == expected


@pytest.mark.skipif(not MEDIA.is_dir(), reason="the folder of real clips is not beside the checkout")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cuts_real--bikes.mp4", [30, 76, 137, 187, 242]),
        ("multistream--nasa_13013.mp4", [240]),
        ("vfr_noduration--no_duration.webm", []),
        ("gif_odd--pigs_in_a_polka.gif", []),
        ("cam_noaudio--highway.mp4", []),
    ],
)
def test_real_cuts(name: str, expected: list[Any]) -> None:
    assert cuts(pictures(MEDIA / name)) == expected
