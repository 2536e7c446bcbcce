"""Controls by their names: values of the wrong type or range change nothing, and MIDI turns what it can."""

import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.live.controls import KEYS, Controls, Menu, press
from dreamvideo.live.named_controls import CONTROLS, chosen_classes, number_of, set_control, turn_control
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.settings.drives import DRIVEN_RANGES
from dreamvideo.settings.schedules import SCHEDULED_NUMBERS


def known(name: str) -> None:
    if name not in ("owl", "lion"):
        raise SettingsError(f"no class {name}")


MENU = Menu(("sea", "night"), ("s8b", "s16a"), None, ("owl", "lion"), known)


def put(name: str, value: Any, controls: Controls = Controls(), now: float = 5.0) -> Controls:  # noqa: B008
    return set_control(controls, MENU, name, value, now)


def test_every_key_and_every_number_of_a_schedule_has_a_name() -> None:
    assert {key.control for key in KEYS.values()} < CONTROLS.keys()
    assert {control.field for control in CONTROLS.values()} > set(SCHEDULED_NUMBERS)
    assert len({key.control for key in KEYS.values()}) == len(KEYS)


@given(
    st.sampled_from([*CONTROLS, "nothing"]),
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=9), st.just(b"x"), st.just([1])),
)
def test_a_value_fits_or_nothing_changes(name: str, value: Any) -> None:
    try:
        after = put(name, value)
    except DreamVideoError as error:
        assert "\n" not in str(error)
        return
    control = CONTROLS[name]
    for field, number in (*after.numbers, ("strength", after.strength)):
        each = next(each for each in CONTROLS.values() if each.field == field)
        assert each.low <= number <= each.high and math.isfinite(number)
    assert after.preset in (None, *MENU.presets) and after.layer in (None, *MENU.layers)
    if control.kind in ("number", "choice") and value is not None:
        assert isinstance(value, str) == (control.kind == "choice") and not isinstance(value, bool)


@pytest.mark.parametrize("name", [name for name, control in CONTROLS.items() if control.kind == "number"])
def test_both_ends_of_a_knob_are_values_that_settings_take(name: str) -> None:
    control = CONTROLS[name]
    for share in (0.0, 0.5, 1.0):
        after = turn_control(Controls(), MENU, name, share, 0.0, 0.0)
        if control.field == "strength":
            assert after.strength == 3 * share
            continue
        value = number_of(after, control.field, -1.0)
        assert value == pytest.approx(control.low + share * (control.high - control.low), abs=0.5 * control.whole)
        kind = next(kind for kind in (DreamSettings, CarrySettings) if control.field in {f.name for f in fields(kind)})
        changes: dict[str, Any] = {control.field: round(value) if control.whole else value}
        kind(**changes)


@pytest.mark.parametrize("name", [key.control for key in KEYS.values()])
def test_a_name_does_what_its_key_does(name: str) -> None:
    (key,) = (key for key in KEYS.values() if key.control == name)
    assert put(name, None) == press(Controls(), key.name, MENU, 5.0)
    if key.switch is None:
        assert put(name, 1.0) == put(name, None) and put(name, 0.0) == Controls()  # a button is let go
    else:
        assert getattr(put(name, 1), key.switch) is True and getattr(put(name, False), key.switch) is False


def test_a_knob_goes_through_presets_and_a_pad_switches_over() -> None:
    presets = [turn_control(Controls(), MENU, "preset", share, 0, 0).preset for share in (0, 0.34, 0.7, 1)]
    assert presets == [None, "sea", "night", "night"]
    on = turn_control(Controls(), MENU, "black", 1.0, 0.0, 0, pad=True)
    let_go = turn_control(on, MENU, "black", 0.0, 1.0, 0, pad=True)
    assert on.black and let_go.black
    assert not turn_control(on, MENU, "black", 1.0, 0.0, 0, pad=True).black
    assert turn_control(Controls(), MENU, "black", 0.6, 0.0, 0).black
    assert not turn_control(on, MENU, "black", 0.4, 1.0, 0).black


def test_a_button_is_pressed_once_while_its_knob_stays_up() -> None:
    controls, before = Controls(), 0.0
    for share in (0.2, 0.6, 0.9, 0.7, 0.1, 1.0):
        controls, before = turn_control(controls, MENU, "snapshot", share, before, 0), share
    assert controls.snapshots == 2


def test_taps_are_kept_with_their_times() -> None:
    controls = Controls()
    for now in range(12):
        controls = put("tap", None, controls, now=float(now))
    assert controls.taps == tuple(float(now) for now in range(4, 12))


def test_classes_are_names_with_weights() -> None:
    assert put("class", "owl+lion:0.5").classes == "owl+lion:0.5"
    assert chosen_classes("owl + lion:0.5") == (("owl", 1.0), ("lion", 0.5))
    for wrong in ("tiger", "owl+", "owl:x", "owl:nan", "owl:1e9"):
        with pytest.raises(DreamVideoError):
            put("class", wrong)
    assert put("class", "", put("class", "owl")).classes is None


def test_the_documentation_names_every_control_and_how_far_it_goes() -> None:
    text = (Path(__file__).parents[2] / "docs" / "live.md").read_text()
    for control in CONTROLS.values():
        assert control.field in SCHEDULED_NUMBERS or f"`{control.name}`" in text, control.name
    named = re.findall(r"((?:`[a-z-]+`(?:\s+and\s+)?)+)\s+to\s+([0-9.]+)", text.split("go less far")[1].split(";")[0])
    limits = {name: float(top.rstrip(".")) for names, top in named for name in re.findall(r"`([a-z-]+)`", names)}
    narrowed = {
        control.name: control.high
        for control in CONTROLS.values()
        if control.field in SCHEDULED_NUMBERS and control.high < DRIVEN_RANGES[control.field][1]
    }
    assert limits == narrowed
