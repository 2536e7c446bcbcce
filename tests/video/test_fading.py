"""A dream fades with its picture, and grows with one that begins."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from conftest import stream, textured
from numpy.typing import NDArray

from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.models.network import Network, load_network
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.network_looks import DRAWN_NETWORK
from dreamvideo.video.pipeline import dream_video

WIDTH, HEIGHT = 160, 96
DREAM = DreamSettings(octaves=1)
BLACK, GRAY, WHITE = (np.full((HEIGHT, WIDTH, 3), level, np.uint8) for level in (0, 128, 255))


@pytest.fixture(scope="module")
def dreamnet() -> Network:
    return load_network(ModelSettings(DRAWN_NETWORK, device="cpu"), ObjectiveSettings())


@cache
def pan(seed: int, count: int) -> tuple[NDArray[np.uint8], ...]:
    wide = textured(HEIGHT, WIDTH + count, seed)
    return tuple(np.ascontiguousarray(wide[:, i : i + WIDTH]) for i in range(count))


def slide() -> NDArray[np.uint8]:
    image = WHITE.copy()
    image[80:86, 8:26:2] = 0
    return image


def mixed(one: Any, other: Any, share: float) -> NDArray[np.uint8]:
    mixed: NDArray[np.uint8] = np.round(one * (1 - share) + other * share).astype(np.uint8)
    return mixed


def change(images: Any, network: Network, dreaming: DreamSettings = DREAM) -> NDArray[Any]:
    """(frames, H, W, 3) dream - source."""
    dreamed = [frame.image for frame in dream_video(stream(images), network, dreaming, CarrySettings())]
    return np.stack(dreamed).astype(float) - np.stack(images)


def strength(change: NDArray[Any]) -> float:
    return float(np.abs(change).mean())


@pytest.mark.parametrize("plain", [BLACK, GRAY, WHITE, slide()])
@pytest.mark.parametrize("count", [1, 12])
def test_a_scene_after_plain_frames_is_dreamed_as_it_is_alone(
    plain: NDArray[np.uint8], count: int, dreamnet: Network
) -> None:
    scene = pan(1, 6)
    after = change([*[plain] * count, *scene], dreamnet)
    assert not after[:count].any()
    assert np.array_equal(after[count:], change(scene, dreamnet))


@pytest.mark.parametrize("plain", [BLACK, WHITE])
def test_a_scene_that_fades_in_grows_as_strong_as_it_is_alone(plain: NDArray[np.uint8], dreamnet: Network) -> None:
    scene = pan(1, 40)
    faded = change([mixed(plain, image, min(1, i / 25)) for i, image in enumerate(scene)], dreamnet)
    assert strength(faded[-5:]) > 0.95 * strength(change(scene[35:], dreamnet))
    steps = [strength(now) - strength(before) for now, before in zip(faded[1:], faded[:-1], strict=True)]
    assert max(steps) < 0.25 * strength(faded[-1]), "it appears at once"


def test_a_flash_leaves_the_dream_as_it_was(dreamnet: Network) -> None:
    scene = list(pan(1, 16))
    flashed = [*scene[:8], WHITE, *scene[9:]]
    change_of_flash, change_without = change(flashed, dreamnet), change(scene, dreamnet)
    assert not change_of_flash[8].any()
    assert strength(change_of_flash[9:]) > 0.95 * strength(change_without[9:])
    assert np.corrcoef(change_of_flash[9].ravel(), change_without[9].ravel())[0, 1] > 0.8


def test_a_dream_fades_with_its_picture_and_black_ends_it(dreamnet: Network) -> None:
    one, other = pan(1, 20), pan(2, 20)
    out = [mixed(image, BLACK, max(0, i - 4) / 15) for i, image in enumerate(one)]
    into = [mixed(BLACK, image, min(1, i / 10)) for i, image in enumerate(other)]
    images = [*out, *[BLACK] * 6, *into]
    faded = change(images, dreamnet)
    strengths = [strength(frame) for frame in faded[4:20]]
    assert all(later <= earlier * 1.02 for earlier, later in zip(strengths[:-1], strengths[1:], strict=True))
    assert strengths[11] < 0.5 * strengths[0]
    assert (faded + images)[19:27].max() <= 16
    assert abs(np.corrcoef(faded[4].ravel(), faded[31].ravel())[0, 1]) < 0.1


def test_a_dissolve_leaves_nothing_of_the_dream_before_it(dreamnet: Network) -> None:
    one, other = pan(1, 40), pan(2, 40)
    images = [mixed(a, b, np.clip((i - 8) / 16, 0, 1)) for i, (a, b) in enumerate(zip(one, other, strict=True))]
    dissolved = change(images, dreamnet)
    assert abs(np.corrcoef(dissolved[8].ravel(), dissolved[29].ravel())[0, 1]) < 0.1
    assert strength(dissolved[-3:]) > 0.95 * strength(change(other[37:], dreamnet))


def test_a_dip_into_half_darkness_keeps_the_dream(dreamnet: Network) -> None:
    scene = pan(1, 30)
    dips = [0.4 * np.clip(1 - abs(i - 12) / 6, 0, 1) for i in range(30)]
    dipped = change([mixed(image, BLACK, dip) for image, dip in zip(scene, dips, strict=True)], dreamnet)
    assert strength(dipped[-1]) == pytest.approx(strength(dipped[0]), rel=0.05)
    assert strength(dipped[12]) < 0.95 * strength(dipped[0])


def test_a_run_goes_on_from_a_stored_carry_bit_for_bit(tiny_network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a shot, before and after a flash, in a fade out and a fade in."""
    from dreamvideo.media import segments

    one, other = pan(1, 24), pan(2, 16)
    images = [mixed(image, BLACK, max(0, i - 11) / 10) for i, image in enumerate(one)]
    images += [mixed(BLACK, image, min(1, i / 8)) for i, image in enumerate(other)]
    images[5] = images[10] = WHITE
    dreaming = replace(DREAM, iterations=3)
    monkeypatch.setattr(segments, "MAX_FRAMES", 1)  # the carry after each frame is stored

    def run(frames: Any, resume: ResumePoint | None = None) -> list[Any]:
        return list(dream_video(frames, tiny_network, dreaming, CarrySettings(), resume=resume))

    whole = run(stream(images))
    for last in (4, 9, 16, 25):
        assert whole[last + 1].segment != whole[last].segment
        stored = whole[last].carry
        point = ResumePoint(last + 1, whole[last].time, None if stored is None else stored(), segment=0)
        rest = run((frame for i, frame in enumerate(stream(images)) if i >= last), point)
        assert len(rest) == len(images) - last - 1
        for now, before in zip(rest, whole[last + 1 :], strict=True):
            assert np.array_equal(now.image, before.image), f"after {last}"
