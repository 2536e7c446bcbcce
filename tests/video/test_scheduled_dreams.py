"""Dreams that change over the time of a film: values follow, looks mix, and wherever a run begins it is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from conftest import stream, textured
from numpy.typing import NDArray

from dreamvideo.errors import SettingsError
from dreamvideo.media import segments
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.models.look_networks import LookNetworks
from dreamvideo.models.mixed_objective import MixedObjective, mix_objectives
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.schedules import TimelineSettings
from dreamvideo.settings.timeline import Moment, Timeline, open_timeline
from dreamvideo.sound.drive import DriveCurve
from dreamvideo.sound.envelope import follow_level
from dreamvideo.video.moments import new_share, share_of_change
from dreamvideo.video.pipeline import dream_video

QUICK = DreamSettings(octaves=2, iterations=4, step_size=0.02)
CPU = torch.device("cpu")


def pan(count: int, seed: int = 0) -> list[NDArray[Any]]:
    wide = textured(48, 64 + 2 * count, seed)
    return [np.ascontiguousarray(wide[:, 2 * step : 2 * step + 64]) for step in range(count)]


def timeline(start: Fraction = Fraction(0), **schedules: str) -> Timeline:
    settings = TimelineSettings(tuple(schedules.items()))
    base = ModelSettings("dreamnet"), ObjectiveSettings(), QUICK, CarrySettings()
    return open_timeline(settings, *base, FilmClock(Fraction(4), Fraction(25)), start)


@pytest.fixture
def looks(tiny_network: Network) -> LookNetworks:
    other = replace(tiny_network.score, terms=(Term("first", 1.0, "l2", (1, 4)),))
    return LookNetworks([tiny_network, replace(tiny_network, score=other)])


def images_of(images: list[NDArray[Any]], network: Any, dream: Any, carry: CarrySettings = CarrySettings()) -> Any:
    return np.stack([frame.image for frame in dream_video(stream(images), network, dream, carry)])


def strengths(dreamed: NDArray[Any], images: list[NDArray[Any]]) -> NDArray[np.float64]:
    return np.abs(dreamed.astype(float) - np.stack(images)).mean((1, 2, 3))


def test_a_schedule_that_does_not_change_is_the_same_dream(tiny_network: Network, looks: LookNetworks) -> None:
    images = pan(8)
    expected = images_of(images, tiny_network, QUICK)
    assert np.array_equal(images_of(images, looks, timeline(step_size="0.02", persistence="0:1")), expected)
    assert np.array_equal(images_of(images, tiny_network, lambda time: QUICK), expected)
    assert np.array_equal(images_of(images, tiny_network, lambda time: Moment(QUICK, CarrySettings())), expected)


def test_strength_follows_the_step_size_up_and_down(looks: LookNetworks) -> None:
    images = pan(50)
    changing = strengths(
        images_of(images, looks, timeline(step_size="0:0.006, 0.4:0.006, 0.5:0.02, 1.2:0.02, 1.3:0.006")), images
    )
    low, high = (
        strengths(images_of(images, looks.main, replace(QUICK, step_size=size)), images) for size in (0.006, 0.02)
    )
    assert high[0] > 1.5 * low[0]
    assert changing[:10] == pytest.approx(low[:10], rel=0.02)
    assert changing[27:31] == pytest.approx(high[27:31], rel=0.1)
    assert changing[46:] == pytest.approx(low[46:], rel=0.1)


@pytest.mark.parametrize("moves", [True, False])
def test_a_beat_is_seen_in_the_first_frame_after_it_and_then_fades(looks: LookNetworks, moves: bool) -> None:
    """It rises and falls between two frames: neither end of the rise is the time of a frame."""
    images = pan(38) if moves else pan(1) * 38
    level = np.zeros(152, np.float32)
    level[[30, 83]] = 1
    factor = DriveCurve(1 + 2 * follow_level(level, 0.0, 0.1), 1.0)
    at = open_timeline(
        TimelineSettings(),
        *(ModelSettings("dreamnet"), ObjectiveSettings(), QUICK, CarrySettings()),
        FilmClock(Fraction(38, 25), Fraction(25)),
        factors={"step_size": factor},
    )
    found = strengths(images_of(images, looks, at), images)
    for first in (8, 21):
        assert found[first] > 1.2 * found[first - 1]
        assert found[first + 11] == pytest.approx(found[first - 1], rel=0.1)
    assert found[20] == pytest.approx(found[5], rel=0.2)


def test_a_look_morphs_into_another_without_a_jump(looks: LookNetworks) -> None:
    """On a still image, which a look that stays hardly changes."""
    images = pan(1) * 70
    changing = images_of(images, looks, timeline(layers="0:second, 0.8:first"))
    first, second = (images_of(images, looks.mixed([(number, 1.0)]), QUICK) for number in (0, 1))
    assert np.array_equal(changing[:21], first[:21])

    def score(number: int, image: NDArray[Any]) -> float:
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        return float(looks.mixed([(number, 1.0)]).score(tensor))

    gained = score(1, changing[-1]) - score(1, images[-1])
    assert gained > 0.7 * (score(1, second[-1]) - score(1, images[-1]))
    largest = [np.abs(np.diff(film.astype(float), axis=0)).mean((1, 2, 3)).max() for film in (changing, first, second)]
    assert largest[0] < 1.3 * max(largest[1:])


def test_amount_changes_what_is_shown_but_not_what_is_carried(tiny_network: Network) -> None:
    images = pan(10)
    expected = images_of(images, tiny_network, QUICK).astype(int)
    source = np.stack(images).astype(int)
    at = timeline(amount="0:1, 0.12:0 step, 0.24:0.5 step, 0.3:1 step")
    changed = images_of(images, tiny_network, at).astype(int)
    assert np.array_equal(changed[:3], expected[:3]) and np.array_equal(changed[3:6], source[3:6])
    assert np.abs(changed[6:8] - (source[6:8] + (expected - source)[6:8] / 2)).max() <= 1
    assert np.array_equal(changed[8:], expected[8:])
    plain = images_of(images, tiny_network, QUICK, CarrySettings(amount=0))
    assert np.array_equal(plain, source)


def test_whatever_frame_a_run_begins_at_it_is_the_same(looks: LookNetworks, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the morph, in a ramp, where a goal is measured, and in a film that is read from later on."""
    images = pan(30) + pan(12, seed=3)
    at = timeline(step_size="0:0.01, 0.6:0.03 ease, 1:0.01", layers="0:second, 0.4:first", amount="0:1, 1:1.5")
    monkeypatch.setattr(segments, "MAX_FRAMES", 1)  # the carry after each frame is stored

    def run(frames: Any, resume: ResumePoint | None = None) -> list[Any]:
        return list(dream_video(frames, looks, at, CarrySettings(), resume=resume))

    whole = run(stream(images))
    for last in (3, 12, 24):
        stored = whole[last].carry
        point = ResumePoint(last + 1, whole[last].time, None if stored is None else stored(), segment=0)
        rest = run((frame for number, frame in enumerate(stream(images)) if number >= last), point)
        for now, before in zip(rest, whole[last + 1 :], strict=True):
            assert np.array_equal(now.image, before.image), f"after {last}"
    # The second shot, read by itself: its times begin at 0, and its values are those of its time.
    later = replace(at, start=Fraction(30, 25))
    alone = images_of(images[30:], looks, later)
    assert np.array_equal(alone, np.stack([frame.image for frame in whole[30:]]))


def test_lanes_make_the_same_frames(looks: LookNetworks) -> None:
    images = [image for shot in range(4) for image in pan(6, seed=shot)]
    at = timeline(step_size="0:0.01, 1:0.03", layers="0:second, 0.3:first linear, 0.7:second linear")
    alone = images_of(images, looks, at, CarrySettings(lanes=1))
    assert np.array_equal(images_of(images, looks, at, CarrySettings(lanes=3)), alone)


def test_shares_are_data_of_one_objective(looks: LookNetworks) -> None:
    first, second = looks.mixed([(0, 0.25), (1, 0.75)]), looks.mixed([(0, 0.5), (1, 0.5)])
    assert first is second and isinstance(first.score, MixedObjective)
    assert first.score.shares.tolist() == [0.5, 0.5]


def test_a_mixture_scores_the_sum_of_its_parts_of_one_network_or_two(looks: LookNetworks) -> None:
    image = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(1))
    parts = [looks.mixed([(number, 1.0)]).score for number in (0, 1)]
    calls = []

    def counted(part: Objective, name: str) -> Callable[..., Any]:
        return lambda images: (calls.append(name), part.features(images))[1]

    shared = counted(parts[0], "shared")
    for objectives, passes in (
        ([replace(part, features=shared) for part in parts], 1),
        ([replace(part, features=counted(part, str(n))) for n, part in enumerate(parts)], 2),
    ):
        mixture = mix_objectives(objectives, CPU)
        mixture.weigh([0.3, 0.7])
        calls.clear()
        expected = 0.3 * parts[0](image) + 0.7 * parts[1](image)
        assert torch.allclose(mixture(image), expected) and len(calls) == passes
        assert mixture.logarithmic and set(mixture.layers) <= set(mixture.features(image))


@pytest.mark.parametrize("dream", [0.5, "0:0.5", None, lambda time: 0.5, lambda time: None])
def test_what_is_no_schedule_is_one_line(tiny_network: Network, dream: Any) -> None:
    with pytest.raises(SettingsError, match=r"(given as|settings are) (float|str|NoneType): expected DreamSettings"):
        next(dream_video(stream([textured(32, 32)]), tiny_network, dream, CarrySettings()))


def test_shares_of_change_are_means_over_what_changes() -> None:
    moments = [
        Moment(DreamSettings(step_size=size, octaves=octaves), CarrySettings())
        for size, octaves in ((0.1, 2), (0.2, 4))
    ]
    half = Moment(DreamSettings(step_size=0.15, octaves=2), CarrySettings())
    assert share_of_change(moments[0], moments[1], half) == pytest.approx(0.25)
    assert share_of_change(moments[0], moments[0], half) == 0
    mixed = replace(half, shares=((0, 0.4), (1, 0.6)))
    assert new_share(half, mixed) == pytest.approx(0.6) and new_share(mixed, half) == pytest.approx(0.6)
