"""Keys of the live dream: what each changes, and that none leads out of what there is."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.live.controls import KEYS, STRENGTHS, Controls, Menu, press, set_strength
from dreamvideo.live.shared_state import RateMeter, SharedState

MENU = Menu(presets=("sea", "night"), layers=("s8b", "s16a"), classes=("owls", "cats"))


def pressed(keys: Any, controls: Controls = Controls(), menu: Menu = MENU) -> Controls:  # noqa: B008
    for key in keys:
        controls = press(controls, key, menu, 0.0)
    return controls


@given(st.lists(st.sampled_from([*KEYS, "y", "", "é"]), max_size=40), st.sampled_from([MENU, Menu()]))
def test_no_keys_lead_out_of_what_there_is(keys: list[Any], menu: Menu) -> None:
    controls = pressed(keys, menu=menu)
    assert controls.layer in (None, *menu.layers)
    assert controls.preset in (None, *menu.presets)
    assert STRENGTHS[0] <= controls.strength <= STRENGTHS[1]
    assert controls.running is ("q" not in keys)
    assert (controls.snapshots, controls.resets) == (keys.count("s"), keys.count("0"))


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("space", "frozen"),
        ("r", "recording"),
        ("m", "mirror"),
        ("f", "full_screen"),
        ("d", "split"),
        ("b", "black"),
        ("u", "source"),
        ("o", "overlay"),
        ("h", "help"),
    ],
)
def test_a_key_turns_one_thing_over_and_back(key: str, field: str) -> None:
    before = Controls()
    flipped: dict[str, Any] = {field: not getattr(before, field)}
    assert pressed([key]) == replace(before, **flipped)
    assert pressed([key, key]) == before


def test_presets_and_layers_go_round() -> None:
    assert [pressed(["n"] * i).preset for i in range(4)] == [None, "sea", "night", None]
    assert [pressed(["["] * i).layer for i in range(4)] == [None, "s16a", "s8b", None]
    assert pressed(["n", "n", "p"]).preset == "sea"
    assert [pressed(["c"] * i).classes for i in range(4)] == [None, "owls", "cats", None]
    assert pressed(["c", "x"]).classes is None
    after = pressed(["]", "c", "n"])
    assert (after.layer, after.classes) == (None, None), "a preset is a look of its own"


def test_strength_goes_down_to_nothing_and_comes_back() -> None:
    assert pressed(["-"] * 40).strength == 0
    assert pressed([*["-"] * 40, *["+"] * 40]).strength == STRENGTHS[1]
    assert pressed(["+", "-"]).strength == pytest.approx(1)
    assert set_strength(Controls(), -5).strength == 0
    assert set_strength(Controls(), 99).strength == STRENGTHS[1]


def test_a_key_is_one_that_a_window_can_send() -> None:
    assert all(len(key) == 1 or key == "space" for key in KEYS)


def test_the_newest_picture_is_waited_for() -> None:
    shared = SharedState(Controls(), MENU)
    assert shared.newest(timeout=0.01) is None
    first, second = np.zeros((1, 1, 3), np.uint8), np.ones((1, 1, 3), np.uint8)
    shared.show(first)
    shared.show(second)
    number, image = shared.newest()
    assert number == 2 and image is second
    assert shared.newest(after=2, timeout=0.01) is None
    shared.press("n")
    assert shared.controls.preset == "sea"


def test_a_meter_counts_the_last_second() -> None:
    meter = RateMeter()
    for i in range(90):
        meter.add(i / 30)
    assert meter.rate(89 / 30) == 30
    assert meter.rate(100.0) == 0
