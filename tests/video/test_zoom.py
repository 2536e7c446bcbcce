"""Zoom films: the path, the endless photo, and what keeps a dream sharp and lets the ends meet."""

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import textured
from numpy.typing import NDArray

from dreamvideo.errors import SettingsError
from dreamvideo.models.network import Network
from dreamvideo.motion.lanczos_warp import warp_lanczos
from dreamvideo.motion.similarity import Similarity, sampled_at, zoom_about
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import enlarge, to_tensor
from dreamvideo.video.endless_photo import endless_photo
from dreamvideo.video.photo_copies import covers
from dreamvideo.video.tone_hold import FINEST, hold_tone, measure_tone
from dreamvideo.video.zoom_ends import MeetingEnds
from dreamvideo.video.zoom_film import ZoomFilm, dream_zoom, zoom_from_bytes, zoom_to_bytes
from dreamvideo.video.zoom_path import ZoomPath, zoom_path

pytestmark = pytest.mark.usefixtures("single_thread")

H, W = 64, 96
CENTER = complex(47.5, 31.5)
CPU = torch.device("cpu")
QUICK = DreamSettings(iterations=2, octaves=2, step_size=0.02)


def path_of(zoom: float, turn: float, count: int, fps: float = 30) -> ZoomPath:
    """`zoom`: factor per second; `turn`: degrees per second."""
    return zoom_path(lambda _: math.log(zoom), lambda _: math.radians(turn), lambda _: CENTER, fps, count)


def photo() -> torch.Tensor:
    return to_tensor(textured(2 * H, 2 * W), CPU)


def film_of(path: ZoomPath, seamless: bool = False) -> ZoomFilm:
    return ZoomFilm(endless_photo(photo(), path, (H, W), seamless), path, Fraction(30), seamless)


def grain() -> torch.Tensor:
    """Detail of two pixels and more: what is finer no picture keeps that moves between pixels."""
    return 0.3 * enlarge(torch.rand(1, 3, H // 2, W // 2, generator=torch.Generator().manual_seed(1)), (H, W))


def sharpness(images: list[NDArray[Any]]) -> float:
    gray = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    return float(np.mean([cv2.Laplacian(each, cv2.CV_64F).var() for each in gray]))


def test_the_steps_of_a_path_make_its_pose_whatever_its_speeds() -> None:
    path = zoom_path(lambda t: 0.4 * math.cos(3 * t), lambda t: 0.2 * t, lambda _: CENTER, 25, 50)
    moved = Similarity()
    for frame in range(1, 51):
        moved = path.step(frame).after(moved)
    log_zoom, turn = path.pose(50)
    assert log_zoom == pytest.approx(0.4 * math.sin(6) / 3, abs=1e-9)
    assert turn == pytest.approx(0.1 * 4, abs=1e-12)
    assert moved.scale == pytest.approx(complex(math.cos(turn), math.sin(turn)) * math.exp(log_zoom))
    assert moved.of(CENTER) == pytest.approx(CENTER)


def test_before_its_first_frame_a_loop_is_as_before_its_end() -> None:
    path = path_of(1.5, 20, 40)
    assert path.pose(-1) == pytest.approx((-math.log(1.5) / 30, -math.radians(20) / 30))
    assert path.step(0).scale == pytest.approx(path.step(40).scale)


@pytest.mark.parametrize(("zoom", "turn"), [(1.5, 7), (0.4, -30), (3, 0)])
def test_the_endless_photo_closes_a_loop_exactly(zoom: float, turn: float) -> None:
    path = path_of(zoom, turn, 90)
    endless = film_of(path, seamless=True).photo
    assert (endless.seen(90) - endless.seen(0)).abs().max() < 1e-5
    assert (endless.seen(-30) - endless.seen(60)).abs().max() == 0
    assert (endless.seen(40) - endless.seen(0)).abs().mean() > 0.02


def wander(t: float) -> complex:
    """From corner to corner, the middle after 1.5 s."""
    return CENTER + (t - 1.5) * complex(25, -18) if t < 2.5 else complex(5, 60)


@pytest.mark.parametrize("zoom", [1.6, 0.6])
@pytest.mark.parametrize("center", [lambda _: CENTER, wander], ids=["still", "wandering"])
def test_the_endless_photo_moves_as_the_path_does_and_covers_the_frame(
    zoom: float, center: Callable[[float], complex]
) -> None:
    path = zoom_path(lambda _: 2 * math.log(zoom), lambda _: 0.2, center, 30, 90)
    copies = endless_photo(photo(), path, (H, W)).copies
    for frame in range(1, 91):
        step = path.step(frame)
        moved = [step.after(copy) for copy in copies[frame - 1]]
        for place in copies[frame]:
            known = [each for each in moved if abs(each.scale / place.scale - 1) < 1e-6]
            assert all(abs(each.shift - place.shift) < 1e-6 for each in known)
        assert len(copies[frame]) >= 2
        if zoom > 1 or center is not wander:  # what comes in at a border that was the center lies outside of all copies
            assert covers(copies[frame][0], (H, W))


@pytest.mark.parametrize(("zoom", "turn"), [(2.5, 20), (0.4, -20), (1, 90)])
def test_while_the_center_stays_copies_lie_in_each_other_alike(zoom: float, turn: float) -> None:
    path = path_of(zoom, turn, 300)
    endless = film_of(path).photo
    period, spiral = path.repeats(seamless=False)
    for frame in (0, 1, 77, 150, 300):
        log_zoom, turned = path.pose(frame)
        nearest = round(log_zoom / period)
        copies = [
            zoom_about(CENTER, log_zoom - n * period, turned - n * spiral) for n in range(nearest - 1, nearest + 2)
        ]
        seen = [copy for copy in copies if abs(copy.scale) > math.exp(-period)]
        for copy, expected in zip(endless.copies[frame], seen, strict=True):
            assert copy.scale == pytest.approx(expected.scale) and copy.shift == pytest.approx(expected.shift, abs=1e-6)


@pytest.mark.parametrize("zoom", [4, 0.25])
def test_a_loop_whose_center_moves_begins_as_it_ends(zoom: float) -> None:
    path = zoom_path(lambda _: math.log(zoom), lambda _: 0.1, wander, 30, 90)
    endless = endless_photo(photo(), path, (H, W), seamless=True)
    jump = (endless.seen(90) - endless.seen(0)).abs().mean()
    assert jump < 1e-5 and (endless.seen(0) - endless.whole()).abs().mean() > 0.02


def test_the_center_may_jump_and_the_dream_is_moved_about_the_new_one() -> None:
    path = zoom_path(lambda _: 0.5, lambda _: 0.1, wander, 30, 90)
    for frame in (20, 75, 76, 90):
        center = wander((frame - 0.5) / 30)
        assert path.centers[frame] == center and path.step(frame).of(center) == pytest.approx(center)
    assert path.step(-14) == path.step(76)


@pytest.mark.parametrize("zoom", [1.6, 0.6])
def test_the_endless_photo_never_jumps(zoom: float) -> None:
    path = path_of(zoom, 10, 90)
    endless = film_of(path).photo
    frames = [endless.seen(n) for n in range(91)]
    changes = [float((b - a).abs().mean()) for a, b in zip(frames, frames[1:], strict=False)]
    assert max(changes) < 3 * np.median(changes)


def test_a_zoom_by_nothing_makes_a_loop_of_whole_turns_only() -> None:
    assert path_of(1, 120, 90).repeats(seamless=True)[1] == 0
    for zoom, turn in ((1, 100), (1.02, 120)):
        with pytest.raises(SettingsError, match="--seamless with a zoom of"):
            path_of(zoom, turn, 90).repeats(seamless=True)


def test_the_tone_of_an_image_comes_back_and_stays() -> None:
    image = photo()
    tone = measure_tone(image)
    faded = 0.5 + 0.6 * (torch.nn.functional.avg_pool2d(image, 3, 1, 1) - 0.5)
    everywhere = torch.ones_like(image[:, :1])
    for _ in range(40):
        faded = hold_tone(faded, tone, everywhere)
    now = measure_tone(faded).energies
    now[0] /= FINEST
    assert (now / tone.energies).sub(1).abs().max() < 0.1
    assert (faded.mean((2, 3)) - image.mean((2, 3))).abs().max() < 0.03


def test_what_was_not_blurred_is_strengthened_less() -> None:
    image = photo()
    tone = measure_tone(image)
    soft = torch.nn.functional.avg_pool2d(image, 7, 1, 3)
    left = torch.ones_like(image[:, :1])
    left[..., W:] = 0
    held = hold_tone(soft, tone, left)
    change = (held - hold_tone(soft, tone, torch.ones_like(left))).abs()
    assert change[..., W + 8 :].mean() > 10 * change[..., : W - 8].mean()


def test_ends_that_meet_replace_the_middle_first_and_all_at_the_end() -> None:
    ends = MeetingEnds.of(path_of(1.5, 0, 90), 30)
    assert ends.frames == 45
    kept = [torch.full((1, 3, H, W), n / 60) for n in range(45)]
    for each in kept:
        ends.add(each)
    dream = torch.ones(1, 3, H, W)
    assert torch.equal(ends.meet(dream, 44), dream)
    early = ends.share(0.2, dream)[0, 0]
    assert early[H // 2, W // 2] > 0.3 and early[0, 0] == 0
    assert (ends.meet(dream, 89) - kept[-1]).abs().max() < 1 / 500
    inwards = MeetingEnds.of(path_of(0.6, 0, 90), 30).share(0.2, dream)[0, 0]
    assert inwards[0, 0] > 0.3 and inwards[H // 2, W // 2] == 0


@pytest.mark.parametrize("zoom", [1.8, 0.6])
def test_the_last_frame_of_a_loop_leads_to_the_first(zoom: float, tiny_network: Network) -> None:
    frames = [f.image.astype(float) for f in dream_zoom(film_of(path_of(zoom, 10, 16, 8), True), tiny_network, QUICK)]
    changes = [np.abs(b - a).mean() for a, b in zip(frames, frames[1:], strict=False)]
    assert len(frames) == 16
    assert np.abs(frames[0] - frames[-1]).mean() < 1.1 * max(changes)
    assert max(changes) < 2 * np.median(changes)
    assert np.abs(frames[8] - frames[0]).mean() > 1.5 * np.median(changes)


def test_a_film_stays_as_sharp_as_it_was_and_keeps_its_contrast(tiny_network: Network) -> None:
    film = film_of(path_of(1.5, 5, 60))
    detailed = replace(film, photo=endless_photo(to_tensor(textured(H, W), CPU) * 0.7 + grain(), film.path, (H, W)))
    images = [f.image for f in dream_zoom(detailed, tiny_network, QUICK)]
    assert sharpness(images[-15:]) == pytest.approx(sharpness(images[5:20]), rel=0.15)
    first, last = (np.std(images[n : n + 15]) for n in (5, 45))
    assert last == pytest.approx(first, rel=0.15)


def test_a_frame_is_the_one_before_it_moved_and_dreamed_a_little(tiny_network: Network) -> None:
    film = film_of(path_of(4, 60, 8))
    state = [zoom_from_bytes(f.carry(), CPU) for f in dream_zoom(film, tiny_network, QUICK) if f.carry]
    still = torch.stack(torch.meshgrid(torch.arange(W), torch.arange(H), indexing="xy")).float()[None]
    moved = warp_lanczos(state[5].dream, sampled_at(film.path.step(6), (H, W), CPU))
    followed = (state[6].dream - moved).abs().mean()
    assert followed < 0.4 * (state[6].dream - warp_lanczos(state[5].dream, still)).abs().mean()


def test_new_ground_is_young_and_grows_up(tiny_network: Network) -> None:
    frames = list(dream_zoom(film_of(path_of(0.3, 0, 12)), tiny_network, QUICK))
    carry = frames[-1].carry
    assert carry is not None
    age = zoom_from_bytes(carry(), CPU).age[0, 0]
    assert age[H // 2, W // 2] > 0.95
    assert age[0].max() < 0.3
    inwards = age[: H // 2, W // 2]
    assert bool((inwards[1:] >= inwards[:-1] - 0.02).all())


def test_a_state_survives_being_stored(tiny_network: Network) -> None:
    (*_, last) = dream_zoom(film_of(path_of(1.5, 5, 3)), tiny_network, QUICK)
    assert last.carry is not None
    content = last.carry()
    assert zoom_to_bytes(zoom_from_bytes(content, CPU)) == content


def test_without_a_network_the_endless_photo_is_shown() -> None:
    film = film_of(path_of(1.5, 0, 3))
    frames = list(dream_zoom(film, None, QUICK))
    assert [frame.time for frame in frames] == [Fraction(n, 30) for n in range(3)]
    assert np.abs(frames[0].image / 255 - film.photo.whole()[0].permute(1, 2, 0).numpy()).max() < 0.01
