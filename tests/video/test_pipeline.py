from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from conftest import stream, textured
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamvideo.ascent.octaves import dream
from dreamvideo.bench.coherence.moving import return_likeness
from dreamvideo.frames import Frame
from dreamvideo.models.network import Network
from dreamvideo.motion import occlusion
from dreamvideo.motion.flow import FLOWS
from dreamvideo.motion.flow_pair import FlowPair
from dreamvideo.motion.frame_motion import Motion
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.tensors import to_image, to_tensor
from dreamvideo.video.flow_stage import estimate_ahead
from dreamvideo.video.pipeline import dream_video
from dreamvideo.video.shots import single_input

QUICK = DreamSettings(octaves=1, iterations=4, step_size=0.02, jitter=4, anchor=0.0)
CARRY = CarrySettings()
CPU = torch.device("cpu")


def pan(seed: int, count: int, height: int = 48, width: int = 64, speed: int = 2) -> list[NDArray[Any]]:
    wide = textured(height, width + speed * count, seed)
    return [np.ascontiguousarray(wide[:, i * speed : i * speed + width]) for i in range(count)]


def dreamed(
    images: Any, network: Network, dreaming: DreamSettings = QUICK, carrying: CarrySettings = CARRY
) -> list[Any]:
    return [frame.image for frame in dream_video(stream(images), network, dreaming, carrying)]


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(1, 4), min_size=0, max_size=4), persistence=st.sampled_from([0.0, 0.9]))
def test_count_times_and_durations_are_kept(cuts: list[int], persistence: float) -> None:
    from conftest import TinyNet

    from dreamvideo.models.network import Network
    from dreamvideo.models.objectives import Objective, Term

    network = Network("tiny", Objective(TinyNet(), (Term("first", kind="log"),)), torch.device("cpu"), torch.float32)
    images = [image for seed, length in enumerate(cuts) for image in pan(seed, length, 32, 32)]
    times = [Fraction(i * i, 7) for i in range(len(images))]
    frames = [Frame(image, time, time / 3) for image, time in zip(images, times, strict=True)]
    out = list(dream_video((f for f in frames), network, QUICK, CarrySettings(persistence=persistence)))
    assert [(f.time, f.duration, f.image.shape) for f in out] == [(f.time, f.duration, f.image.shape) for f in frames]


def test_no_iterations_pass_frames_through_untouched(tiny_network: Network) -> None:
    images = pan(1, 3)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(dreamed(images, tiny_network, replace(QUICK, iterations=0)), images, strict=True)
    )


def test_nothing_of_a_dream_survives_a_cut(tiny_network: Network) -> None:
    first, second = pan(1, 4), pan(2, 4)
    joined = dreamed([*first, *second], tiny_network)
    for a, b in zip(joined[4:], dreamed(second, tiny_network), strict=True):
        assert np.array_equal(a, b)


def test_the_carried_dream_follows_the_motion(tiny_network: Network) -> None:
    random = np.random.default_rng(0)
    clean = pan(3, 14, speed=3)
    images = [np.clip(image + random.normal(0, 6, image.shape), 0, 255).astype(np.uint8) for image in clean]
    many = replace(QUICK, step_size=0.01, iterations=10)
    carried = dreamed(images, tiny_network, many)
    alone = dreamed(images, tiny_network, many, CarrySettings(persistence=0))

    def unsteadiness(frames: Any) -> Any:  # change of the residual along the true motion of three pixels a frame
        residuals = [f.astype(float) - i for f, i in zip(frames, images, strict=True)][8:]
        pairs = zip(residuals[1:], residuals[:-1], strict=True)
        return np.mean([np.abs(b[:, 8:-11] - a[:, 11:-8]).mean() / np.abs(b).mean() for b, a in pairs])

    assert unsteadiness(carried) < 0.8 * unsteadiness(alone)


def test_frames_dream_alone_without_persistence(tiny_network: Network) -> None:
    images = pan(4, 3)
    for image, out in zip(images, dreamed(images, tiny_network, carrying=CarrySettings(persistence=0)), strict=True):
        alone = to_image(dream(to_tensor(image, torch.device("cpu")), tiny_network.score, QUICK))
        assert np.abs(out.astype(int) - alone).max() <= 1


def test_a_still_shot_settles(tiny_network: Network) -> None:
    image = textured(48, 64)
    out = [frame.astype(float) for frame in dreamed([image] * 120, tiny_network)]
    assert out[119].mean() == pytest.approx(out[10].mean(), rel=0.03)
    assert out[119].std() == pytest.approx(out[10].std(), rel=0.05)
    strength = [np.abs(frame - image).mean() for frame in out]
    assert strength[119] == pytest.approx(strength[0], rel=0.03)


def test_uncovered_ground_is_soon_dreamed_like_the_rest(tiny_network: Network) -> None:
    """A square moves right over a still ground; behind it the ground must not stay undreamed."""
    ground, square = textured(64, 96, 1), textured(24, 24, 2)
    images = []
    for i in range(16):
        image = ground.copy()
        image[20:44, 4 + 4 * i : 28 + 4 * i] = square
        images.append(image)
    # Small steps, as in use: six frames of them make a third of the 20 that the first frame had.
    out = dreamed(images, tiny_network, replace(QUICK, step_size=0.005, iterations=20))
    change = np.abs(out[-1].astype(float) - images[-1])
    behind, elsewhere = change[20:44, 36:44].mean(), change[48:, 36:60].mean()
    assert behind > 0.6 * elsewhere


def test_ground_comes_back_as_it_was_when_what_covered_it_has_passed(
    tiny_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, figure = textured(120, 200), textured(48, 40, 3)
    images = [ground.copy() for _ in range(30)]
    for i, image in enumerate(images):
        left, right = max(0, 8 * i - 48), min(200, 8 * i - 8)
        if right > left:
            image[40:88, left:right] = figure[:, : right - left]
    sources = torch.cat([to_tensor(image, CPU) for image in images])
    dreaming = DreamSettings(octaves=2, iterations=4, step_size=0.02, jitter=4)

    def likeness() -> float:
        frames = dream_video(stream(images), tiny_network, dreaming, CarrySettings())
        dreamed = torch.cat([to_tensor(frame.image, CPU) for frame in frames])
        likeness = return_likeness(dreamed, sources, torch.zeros(29, 2, 120, 200))
        assert likeness is not None
        return likeness

    remembered = likeness()
    nothing = torch.zeros(1, 1, 120, 200)
    monkeypatch.setattr("dreamvideo.video.progress.returned_ground", lambda ground, source, near: nothing)
    assert remembered > 0.8 > likeness() + 0.1


def motions_of(images: Any, carrying: CarrySettings) -> Generator[Motion | None, None, None]:
    """The motion to each image."""
    with ThreadPoolExecutor(1) as pool:
        for waiting in estimate_ahead(single_input(stream(images)), carrying, CPU, False, pool, lambda frame: True):
            waiting.launch(CPU)
            yield waiting.motion()


def test_no_flow_still_sees_cuts() -> None:
    motions = list(motions_of([*pan(1, 3), *pan(2, 2)], CarrySettings(flow="none")))
    assert [motion is None for motion in motions] == [True, False, False, True, False]
    assert motions[1] is not None and not motions[1].backward.any()


def test_flat_ground_that_has_not_changed_stands_still_whatever_the_flow_says(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)

    def guess(current: Any, previous: Any) -> FlowPair:
        shape = (1, 2, *current.shape[2:])
        return FlowPair(*(torch.from_numpy(random.normal(0, 4, shape).astype(np.float32)) for _ in range(2)))

    monkeypatch.setitem(FLOWS, "dis", lambda device, weights, tf32: guess)
    ground = np.full((40, 60, 3), 200, np.uint8)
    ground[:6] = 60  # without it there would be no picture
    noisy = [np.clip(ground + random.normal(0, 1.2, ground.shape), 0, 255).astype(np.uint8) for _ in range(2)]
    noisy[1][:, 40:] = 90  # something came
    _, motion = motions_of(noisy, CarrySettings())
    assert motion is not None
    occluded = motion.occluded[0, 0]
    assert not occluded[:, :36].any()
    assert (motion.backward[:, :, :, :36].abs().sum(1) == 0).float().mean() > 0.8
    assert occluded[:, 44:].float().mean() > 0.8
    assert (motion.trust[..., :32] > 0.9).all() and motion.trust[..., 44:].mean() < 0.2


def test_a_flow_is_trusted_where_the_moved_picture_looks_like_this_one_wherever_the_other_flow_leads() -> None:
    wide = textured(48, 72)
    now, before = (torch.from_numpy(wide[:, x : x + 64].copy()).permute(2, 0, 1)[None] for x in (4, 0))
    flow = torch.zeros(1, 2, 48, 64)
    flow[:, 0] = 4
    nonsense = torch.full((1, 2, 48, 64), 9.0)
    right = occlusion.estimate_motion(now, before, lambda a, b: FlowPair(flow.clone(), nonsense.clone()))
    assert not right.occluded[..., :57].any() and right.occluded[..., 60:].all()  # there it lies outside
    wrong = occlusion.estimate_motion(now, before, lambda a, b: FlowPair(-flow, nonsense.clone()))
    assert right.unseen < 0.12 and wrong.unseen > 0.7


def test_an_error_and_an_early_end_close_the_source(tiny_network: Network) -> None:
    closed = []

    def source(fail: Any) -> Generator[Any, None, None]:
        try:
            yield from stream(pan(1, 3))
            if fail:
                raise OSError("unplugged")
        finally:
            closed.append(fail)

    with pytest.raises(OSError, match="unplugged"):
        list(dream_video(source(True), tiny_network, QUICK, CARRY))
    out = dream_video(source(False), tiny_network, QUICK, CARRY)
    next(out)
    out.close()
    assert closed == [True, False]


@given(st.integers(0, 255))
def test_pictures_survive_the_way_to_a_tensor_and_back(value: int) -> None:
    image = np.full((3, 4, 3), value, np.uint8)
    assert np.array_equal(to_image(to_tensor(image, torch.device("cpu"))), image)
    assert to_image(torch.full((1, 3, 1, 1), value / 255 + 0.0015)).max() == value  # rounded, not truncated
