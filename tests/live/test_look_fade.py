"""One look fades into another while it dreams: shares, goals, no jump, and the network before it is released."""

import gc
import time
import weakref
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch
from conftest import TinyNet, textured

from dreamvideo.errors import ModelError
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_task import AscentState, AscentTask, Look, LookChoice, run_ascent
from dreamvideo.live.dreaming.ascent_thread import AscentThread
from dreamvideo.live.dreaming.dials import dialed_carry, dialed_dream, read_dials
from dreamvideo.live.dreaming.look_fade import MOST_LOOKS_AT_ONCE, fade_to
from dreamvideo.live.dreaming.looks import choose_look, look_loader
from dreamvideo.live.dreaming.tracking import TrackedDream, apply_update, source_tensor, start_flow, undreamed
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.models.registry import find_model
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.video.dream_frames import dream_first_frames

pytestmark = pytest.mark.usefixtures("single_thread")

SIZE = (64, 80)
DREAMING = DreamSettings(octaves=2, iterations=4, jitter=0, step_size=0.01)
CARRY = CarrySettings(local_steps=0)


def look(layer: str, features: Any = None, **settings: Any) -> Look:
    score = Objective(features or TinyNet(), (Term(layer, kind="log"),))
    network = Network("tiny", score, torch.device("cpu"), torch.float32)
    return Look(network, replace(DREAMING, **settings), LookChoice(layer=layer))


def tracked() -> TrackedDream:
    return undreamed(source_tensor(textured(*SIZE), SIZE), 1.0)


def task(at: TrackedDream, number: int, layer: str = "first") -> AscentTask:
    return AscentTask(number, 0, LookChoice(layer=layer), at, 1)


def ascended(look: Look, count: int, at: TrackedDream, state: AscentState) -> tuple[TrackedDream, AscentState]:
    for number in range(state.frame_index + 1, state.frame_index + 1 + count):
        state, update, _ = run_ascent(state, task(at, number), look, CARRY)
        at = apply_update(at, update, start_flow(at)) if update else at
    return at, state


def test_shares_add_up_and_go_from_one_look_to_the_other() -> None:
    fade = replace(fade_to([(look("first"), 1.0)], look("second")), begin=100.0, ascents=99)
    shares = [fade.share(100 + tenth / 10) for tenth in range(11)]
    assert shares[0] == 0 and shares[-1] == 1 and shares == sorted(shares) and shares[5] == pytest.approx(0.5)
    for tenth in range(11):
        assert sum(share for _, share in fade.parts(100 + tenth / 10)) == pytest.approx(1)
    assert replace(fade, begin=None).share(1e9) == 0, "it begins when its goals are known"
    assert fade.look_at(101.0) == replace(fade.end, fades=True), "steps stay small for a while"
    assert fade.look_at(104.0) is fade.end and fade.changes_network
    assert fade.arrived().parts(101.0) == ((fade.end, 1.0),), "the looks before are not held"
    assert replace(fade, ascents=8).share(1e9) == pytest.approx(0.5), "few ascents do not change it all"
    assert not fade_to([(fade.end, 1.0)], replace(fade.end)).changes_network
    third = fade_to(fade.parts(100.5), look("first"))
    assert [share for _, share in third.begins] == pytest.approx([0.5, 0.5])
    for _ in range(9):
        third = fade_to(replace(third, begin=0.0, ascents=99).parts(0.3), look("second"))
    assert len(third.begins) == MOST_LOOKS_AT_ONCE - 1
    assert sum(share for _, share in third.begins) == pytest.approx(1)


def test_the_score_of_a_fade_is_mixed_and_numbers_go_along() -> None:
    network = TinyNet()
    one, other = look("first", network, step_size=0.01), look("second", network, step_size=0.03)
    fade = replace(fade_to([(one, 1.0)], other), begin=0.0, ascents=99)
    images = torch.from_numpy(textured(*SIZE)).permute(2, 0, 1)[None].float() / 255
    between = fade.look_at(0.5)
    expected = (one.network.score(images) + other.network.score(images)) / 2
    torch.testing.assert_close(between.network.score(images), expected)
    assert between.settings.step_size == pytest.approx(0.02)
    assert (between.end, between.share) == (other, pytest.approx(0.5))


def test_a_fade_never_jumps_and_ends_as_the_other_look() -> None:
    """On a still image, which a look that stays hardly changes."""
    network = TinyNet()
    one, other = look("first", network), look("second", network)
    fade = replace(fade_to([(one, 1.0)], other), begin=0.0, ascents=99)

    def largest(looks: Iterable[Look], at: TrackedDream, state: AscentState) -> tuple[float, TrackedDream, AscentState]:
        changes = []
        for number, seen in enumerate(looks, state.frame_index + 1):
            before = at
            state, update, _ = run_ascent(state, task(at, number), seen, CARRY)
            at = apply_update(at, update, start_flow(at)) if update else at
            changes.append(float((at.carry.residual - before.carry.residual).abs().mean()))
        return max(changes), at, state

    alike = [largest([each] * 8, *ascended(each, 40, tracked(), AscentState())) for each in (one, other)]
    _, first, state = alike[0]
    change, at, state = largest((fade.look_at(number / 30) for number in range(126)), first, state)
    assert 0 < change < 1.3 * max(each[0] for each in alike), "a jump"
    (alone,) = dream_first_frames(at.source.float() / 255, other.network, other.settings)
    torch.testing.assert_close(state.unit_strength, alone.strength)
    assert state.goals is None and state.choice == other.choice
    dreamed = at.source.float() / 255 + at.carry.residual
    gained = other.network.score(dreamed) - other.network.score(at.source.float() / 255)
    whole = alone.target_score - other.network.score(at.source.float() / 255)
    assert gained > 0.8 * whole
    lost = one.network.score(first.source.float() / 255 + first.carry.residual) - one.network.score(dreamed)
    assert lost > 0, "the first look is still there"


def test_goals_go_from_one_look_to_the_other() -> None:
    network = TinyNet()
    one, other = look("first", network), look("second", network, step_size=0.03)
    at, state = ascended(one, 40, tracked(), AscentState())
    assert state.unit_strength is not None
    fade = replace(fade_to([(one, 1.0)], other), begin=0.0, ascents=99)
    _, begun = ascended(fade.look_at(0.0), 2, at, state)
    _, between = ascended(fade.look_at(0.5), 2, at, begun)
    assert begun.goals is not None and between.share == pytest.approx(0.5)
    torch.testing.assert_close(begun.goals.unit_strength, state.unit_strength)
    assert float(begun.unit_strength) > 1.5 * float(state.unit_strength)
    _, ended = ascended(fade.look_at(1.0), 2, at, between)
    assert ended.goals is None
    torch.testing.assert_close(ended.unit_strength, begun.unit_strength)


def test_the_thread_fades_and_releases_the_network_before(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("dreamvideo.live.dreaming.ascent_thread.time.monotonic", lambda: clock[0])
    networks: list[Any] = []
    released: list[torch.device] = []
    monkeypatch.setattr("dreamvideo.live.dreaming.ascent_thread.release_memory", released.append)

    def load(choice: LookChoice) -> Look:
        if choice.layer == "gone":
            raise ModelError("no such layer")
        network = TinyNet()
        networks.append(weakref.ref(network))
        return look(choice.layer or "first", network)

    ascent, at, number = AscentThread(load, CARRY), tracked(), 0

    def one(layer: str) -> None:
        nonlocal number, at
        number += 1
        ascent.offer(task(at, number, layer))
        results: list[Any] = []
        while not results and number % 2:
            time.sleep(0.001)  # the thread works meanwhile
            results, working = ascent.results()
            if working is None and not results and ascent._offered is None:
                break
        for result in results:
            at = apply_update(at, result.update, start_flow(at))

    for _ in range(24):
        one("first")
    for _ in range(6):
        one("second")
    assert ascent.look is not None and ascent.look.end is not None and ascent.look.share == 0
    for _ in range(40):
        clock[0] += 0.05
        one("second")
    assert ascent.look.choice.layer == "second" and ascent.look.end is None and ascent.look.fades
    assert released == [torch.device("cpu")], "recordings would hold the first network"
    for _ in range(110):
        clock[0] += 0.05
        one("second")
    assert not ascent.look.fades
    one("gone")
    one("gone")
    assert ascent.message == "no such layer" and ascent.look.choice.layer == "second"
    ascent.close()
    gc.collect()
    assert [network() is not None for network in networks] == [False, True]


def test_looks_that_need_the_same_layers_share_a_network_while_it_is_held() -> None:
    model = find_model("dreamnet-drawn", None, "imagenet")
    load = look_loader(model, ModelSettings(device="cpu"), ObjectiveSettings(), DREAMING, None)
    owl = load(LookChoice(classes="owl"))
    rose = load(LookChoice(classes="rose"))
    assert owl.network.score.features is rose.network.score.features
    assert owl.network.score.terms != rose.network.score.terms
    features = weakref.ref(owl.network.score.features)
    del owl
    gc.collect()
    assert load(LookChoice(classes="lily")).network.score.features is features()
    del rose
    gc.collect()
    assert features() is None


def test_classes_replace_those_of_the_look() -> None:
    base = ObjectiveSettings(classes=(("owl", 1.0),)), DREAMING
    chosen, _ = choose_look(LookChoice(classes="lion:0.5+rose"), *base)
    assert chosen.classes == (("lion", 0.5), ("rose", 1.0))
    chosen, _ = choose_look(LookChoice(layer="s8b", classes="lion"), *base)
    assert (chosen.layers, chosen.classes) == ((("s8b", 1.0),), (("lion", 1.0),))


# Numbers that are changed while it dreams.


def test_a_step_size_acts_as_the_strength_does() -> None:
    controls = Controls(strength=0.5, numbers=(("step_size", 0.03),))
    dials = read_dials(controls, DREAMING, CARRY, {})
    assert dials.controls.strength == pytest.approx(1.5) and dials.step_ratio == pytest.approx(3)
    assert dialed_dream(DREAMING, dict(dials.controls.numbers)).step_size == DREAMING.step_size
    assert dialed_carry(CARRY, {}, 3.0).warm_step == 1.5
    assert read_dials(replace(controls, strength=0.0), DREAMING, CARRY, {}).controls.strength == 0
    assert read_dials(controls, None, CARRY, {}).step_ratio == 1, "the look is not known yet"


def test_sound_multiplies_what_is_set_or_what_the_look_has() -> None:
    factors = {"step_size": 2.0, "amount": 3.0, "color": 1.5, "octaves": 2.0, "strength": 0.0}
    dials = read_dials(Controls(numbers=(("color", 0.2),)), replace(DREAMING, octaves=None), CARRY, factors)
    numbers = dict(dials.controls.numbers)
    assert numbers["step_size"] == pytest.approx(0.02) and numbers["color"] == pytest.approx(0.3)
    assert numbers["amount"] == 2, "kept in its range"
    assert "octaves" not in numbers, "the look has none"
    assert 0 < dials.controls.strength < 0.1, "a dream of strength 0 would begin anew"


def test_numbers_reach_the_settings_with_their_types() -> None:
    settings = dialed_dream(replace(DREAMING, decorrelate=True), {"jitter": 3.0, "color": 0.5, "amount": 2.0})
    assert (settings.jitter, settings.color, settings.decorrelate) == (3, 0.5, False)
    assert isinstance(settings.jitter, int)
    carry = dialed_carry(CARRY, {"warm_iterations": 2.0, "jitter": 3.0}, 1.0)
    assert carry.warm_iterations == 2 and isinstance(carry.warm_iterations, int)
    assert dialed_dream(DREAMING, {}) is DREAMING
