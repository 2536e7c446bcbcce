"""The sample scenes in which a figure moves, and the truth about what it covers and uncovers."""

import sys
from collections import deque
from fractions import Fraction
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dreamvideo.bench.coherence.clips import rendered_clip

SAMPLES = Path(__file__).parents[2] / "samples"

sys.path.insert(0, str(SAMPLES))
try:
    import render_sample as sample
    from figures import place
finally:
    sys.path.remove(str(SAMPLES))

SCENES = ("walker", "walker_pan", "runner", "runner_textured", "runner_pan")


@lru_cache
def frames(scene: str, count: int, rate: int = 24, width: int = 240, height: int = 136) -> list[sample.Truth]:
    """The first frames of a scene."""
    return list(islice(sample.render(width, height, Fraction(rate), (scene,)), count))


def warped(image: NDArray[np.uint8], flow: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """out(x) = image(x + flow(x)), border repeated."""
    h, w = image.shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    moved = (x + flow[0]).astype(np.float32), (y + flow[1]).astype(np.float32)
    return cv2.remap(image, *moved, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)


def errors(now: sample.Truth, before: sample.Truth, flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Absolute difference (H, W), mean of the channels, 0 to 255."""
    return np.abs(warped(before.image, flow) - now.image).mean(-1)


def error_of_figure(scene: str, flow_of: Any) -> NDArray[np.float32]:
    """Differences on the pixels of the figure that were seen before, with `flow_of` each frame as the flow."""
    pairs = list(pairwise(frames(scene, 12)))[3:]
    return np.concatenate([errors(now, b, flow_of(now))[now.mover & ~now.occluded] for b, now in pairs])


@pytest.mark.parametrize("scene", SCENES)
def test_true_flow_reproduces_the_frame(scene: str) -> None:
    for before, now in list(pairwise(frames(scene, 12)))[3:]:
        found = errors(now, before, now.flow)[~now.occluded]
        assert np.percentile(found, 50) < 1 and np.percentile(found, 95) < 3
    figure = error_of_figure(scene, lambda now: now.flow)
    assert np.percentile(figure, 50) < 3 and np.percentile(figure, 95) < 17  # most of it where two parts mix


@pytest.mark.parametrize("scene", SCENES)
def test_no_other_flow_of_the_figure_does_as_well(scene: str) -> None:
    best = error_of_figure(scene, lambda now: now.flow).mean()
    assert error_of_figure(scene, lambda now: -now.flow).mean() > 2 * best
    assert error_of_figure(scene, lambda now: now.ground_flow).mean() > 2 * best
    for dx, dy in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)):
        shift = np.array([dx, dy], np.float32)[:, None, None]
        assert error_of_figure(scene, lambda now, shift=shift: now.flow + shift).mean() > 1.5 * best


@pytest.mark.parametrize("scene", SCENES)
def test_ground_flows_as_ground_where_no_figure_is(scene: str) -> None:
    scenery = frames(scene, 12)[1:]
    for now in scenery:
        for axis in (0, 1):
            np.testing.assert_allclose(now.flow[axis][~now.mover], now.ground_flow[axis][~now.mover], atol=2e-4)
    speed = max(np.abs(now.ground_flow).max() for now in scenery)
    assert speed > 3 * 240 / 640 if scene.endswith("_pan") else speed == 0


@pytest.mark.parametrize("scene", ["walker", "runner"])
def test_what_the_figure_uncovers_is_occluded_and_nothing_else(scene: str) -> None:
    near = np.ones((3, 3), np.uint8)  # pixels that the outline crosses may go either way
    for before, now in list(pairwise(frames(scene, 12)))[3:]:
        ground, was = now.occluded & ~now.mover, before.mover.astype(np.uint8)
        assert ground.sum() > 20
        assert not ground[cv2.dilate(was, near) == 0].any()
        uncovered = (cv2.erode(was, near) > 0) & ~now.mover
        assert now.occluded[uncovered].all()


def test_a_faster_figure_uncovers_more() -> None:
    def uncovered(scene: str, rate: int) -> float:
        return float(
            np.mean([(now.occluded & ~now.mover).sum() for now in frames(scene, rate // 2, rate)[rate // 6 :]])
        )

    assert uncovered("runner", 24) > 2 * uncovered("walker", 24)
    assert uncovered("runner", 12) > 1.3 * uncovered("runner", 24)


def test_what_comes_in_at_the_border_is_occluded() -> None:
    now = frames("walker_pan", 12)[4]
    entering = np.arange(240)[None, :] + now.flow[0] > 240
    assert entering.any() and now.occluded[entering].all()


@pytest.mark.parametrize("scene", ["runner", "runner_pan"])
def test_covered_ground_comes_back_with_its_colors(scene: str) -> None:
    clip = frames(scene, 40)
    first, last = clip[0], clip[-1]
    h, w = first.mover.shape
    way, covered = np.zeros((2, h, w), np.float32), np.zeros((h, w), bool)
    for before, now in reversed(list(pairwise(clip))):
        way += now.ground_flow  # the same for all pixels, so it may be added up in place
        covered |= warped(before.mover.astype(np.uint8) * 255, way)[..., None].mean(-1) > 127
    inside = (np.arange(w) + way[0] >= 0) & (np.arange(w) + way[0] <= w - 1)
    clear = warped(first.mover.astype(np.uint8) * 255, way) < 1
    back = covered & clear & inside & ~last.mover
    assert back.mean() > 0.05
    assert np.percentile(errors(last, first, way)[back], 95) < 3


def test_the_runner_crosses_the_picture_and_is_gone() -> None:
    clip = frames("runner", 60)
    shares = [frame.mover.mean() for frame in clip]
    assert max(shares) > 0.03
    assert shares[0] > 0 and not any(shares[-24:])
    speed = np.mean([now.flow[0][now.mover].mean() for now in clip[6:20]])
    assert speed == pytest.approx(-4.4 / 24 * 240 / 4.8, rel=0.1)  # m/s, frames a second, pixels a meter


def test_a_figure_deforms() -> None:
    """Its points move by different amounts: no affine flow is right for all of them."""
    now = frames("runner", 12)[9]
    y, x = np.nonzero(now.mover & ~now.occluded)
    flow = now.flow[:, y, x].T
    terms = np.column_stack([x, y, np.ones(len(x))])
    rest = flow - terms @ np.linalg.lstsq(terms, flow, rcond=None)[0]
    assert np.hypot(*rest.T).mean() > 0.5


def test_a_placed_point_is_found_again() -> None:
    rng = np.random.default_rng(0)
    u, v = rng.uniform(-1, 1, (2, 50))
    placement = place((3.0, -2.0), 0.7, 0.8, 0.3, 0.6)
    np.testing.assert_allclose(placement.inverse(*placement.forward(u, v)), (u, v), atol=1e-12)
    x, y = placement.forward(np.array(0), np.array(0))
    assert (x, y) == (3.0, -2.0)


@pytest.mark.parametrize("size", [(64, 48), (96, 54), (109, 61)])
def test_any_size(size: tuple[int, int]) -> None:
    width, height = size
    clip = list(islice(sample.render(width, height, Fraction(8), ("walker_pan", "runner")), 24))
    assert [frame.shot for frame in clip] == [0] * 20 + [1] * 4
    assert [frame.time for frame in clip] == [Fraction(index, 8) for index in range(24)]
    for frame in (clip[0], clip[20]):
        assert frame.flow is None and frame.occluded is None and frame.ground_flow is None
        assert frame.mover.any()
    frame = clip[1]
    assert frame.image.shape == (height, width, 3) and frame.image.dtype == np.uint8
    assert frame.flow.shape == frame.ground_flow.shape == (2, height, width)
    assert frame.flow.dtype == frame.ground_flow.dtype == np.float32
    assert frame.occluded.shape == frame.mover.shape == (height, width)
    assert frame.occluded.dtype == frame.mover.dtype == bool


def test_landscapes_have_no_movers() -> None:
    for frame in islice(sample.render(64, 36, shots=("lake",)), 2):
        assert frame.mover is None and frame.ground_flow is None


def test_same_arguments_same_frames() -> None:
    def fresh() -> sample.Truth:
        sample.build_set.cache_clear()
        return deque(islice(sample.render(96, 54, shots=("runner_pan",), seed=3), 3), maxlen=1)[0]

    one, other = fresh(), fresh()
    for name in ("image", "flow", "occluded", "mover", "ground_flow"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_the_benchmark_takes_scenes() -> None:
    clip = rendered_clip("runner_pan", 54, None, 4)
    assert clip.known_motion and len(clip.images) == 4 and clip.images[0].shape == (54, 96, 3)
    assert clip.flows.shape == (3, 2, 54, 96) and clip.occluded.any()
