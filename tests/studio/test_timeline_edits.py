"""Keys that are set, moved, changed and removed on the page: the schedules stay valid, and all other keys as typed."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.curve import parse_curve
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.schedule.keys import split_keys
from dreamvideo.studio.chosen_look import ChosenLook
from dreamvideo.studio.timeline_edits import edit_timeline

CLOCK = FilmClock(Fraction(4), Fraction(25))
NTSC = FilmClock(Fraction(1001, 300), Fraction(30000, 1001))


def keyed(**schedules: str) -> ChosenLook:
    return ChosenLook(timeline=tuple(schedules.items()))


def edited(look: ChosenLook, clock: FilmClock = CLOCK, **edit: Any) -> ChosenLook:
    return edit_timeline(look, edit, clock).look


def test_a_key_is_set_at_its_frame_in_the_place_of_one_that_is_there() -> None:
    look = ChosenLook("eyes", (("step_size", "0.01"), ("octaves", 2)))
    look = edited(look, do="put", time=1.01, values={"step_size": "0.01"})
    assert look == ChosenLook("eyes", (("octaves", 2),), (("step_size", "1s:0.01"),))
    look = edited(look, do="put", time=0, values={"step_size": 0.02})
    look = edited(look, do="put", time=0.99, values={"step_size": 0.03})
    assert dict(look.timeline) == {"step_size": "0s:0.02, 1s:0.03"}


def test_a_key_of_a_look_holds_all_that_makes_it() -> None:
    look = ChosenLook("eyes", (("color", 1),))
    look = edited(look, do="put", time=2, values={"color": 1, "classes": ["owl:0.5", "lion"], "preset": "eyes"})
    assert look.preset is None and look.values == ()
    assert list(look.timeline) == [("preset", "2s:eyes"), ("color", "2s:1"), ("classes", "2s:owl:0.5+lion")]


def test_a_key_moves_to_a_frame_and_hops_over_others() -> None:
    look = keyed(step_size="0s:1, 50%:2 ease, 51f:3, 3s:min(t, 2)")
    answer = edit_timeline(look, {"do": "move", "name": "step_size", "key": 0, "time": 2.0}, CLOCK)
    assert dict(answer.look.timeline)["step_size"] == "50%:2 ease, 51f:3, 2.08s:1, 3s:min(t, 2)"
    assert answer.key == ("step_size", 2)
    back = edit_timeline(answer.look, {"do": "move", "name": "step_size", "key": 2, "time": 2.04}, CLOCK)
    assert dict(back.look.timeline)["step_size"] == "1.96s:1, 50%:2 ease, 51f:3, 3s:min(t, 2)"


def test_a_key_stays_in_the_film_and_where_there_is_no_room() -> None:
    look = keyed(color="0s:0.1, 4s:0.2")
    assert edited(look, do="move", name="color", key=0, time=99) == keyed(color="3.96s:0.1, 4s:0.2")
    assert edited(look, do="move", name="color", key=1, time=99) == look
    assert edited(look, do="move", name="color", key=1, time=0.001) == keyed(color="0s:0.1, 0.04s:0.2")
    assert edited(look, do="move", name="color", key=0, time=0.01) == look  # as it was typed


def test_a_step_is_seen_in_the_frame_of_its_key() -> None:
    for frame in range(100):
        look = edited(keyed(color="0s:0"), NTSC, do="put", time=frame * 1001 / 30000, values={"color": 1})
        text = dict(look.timeline)["color"]
        if frame:
            look = edited(look, NTSC, do="change", name="color", key=1, value=1, how="step")
            text = dict(look.timeline)["color"]
        curve = parse_curve(text, NTSC, "--color")
        assert [curve(Fraction(n * 1001, 30000)) for n in range(100)] == [float(n >= frame) for n in range(100)]


def test_the_last_key_leaves_its_value() -> None:
    look = ChosenLook(None, (), (("preset", "1s:eyes"), ("color", "0s:0.5"), ("classes", "0s:owl:2+lion, 3s:cat")))
    look = edited(look, do="remove", name="classes", key=1)
    for name in ("classes", "color", "preset"):
        answer = edit_timeline(look, {"do": "remove", "name": name, "key": 0}, CLOCK)
        look = answer.look
        assert answer.key is None
    assert look == ChosenLook("eyes", (("classes", ("owl:2", "lion")), ("color", "0.5")))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({}, "no timeline of None"),
        ({"do": "move", "name": "tv", "key": 0, "time": 1}, "no timeline of tv"),
        ({"do": "move", "name": "color", "key": 2, "time": 1}, "no key 2"),
        ({"do": "move", "name": "color", "key": True, "time": 1}, "no key True"),
        ({"do": "move", "name": "color", "key": 0, "time": "soon"}, "expected seconds"),
        ({"do": "move", "name": "color", "key": 0}, "expected seconds"),
        ({"do": "turn", "name": "color", "key": 0}, "expected put, move"),
        ({"do": [], "name": "color", "key": 0}, "expected put, move"),
        ({"do": "put", "time": 1, "values": {}}, "a key of nothing"),
        ({"do": "put", "time": 1, "values": ["color"]}, "a key of nothing"),
        ({"do": "put", "time": 1, "values": {"seed": 1}}, "seed takes no keys"),
        ({"do": "put", "time": 1, "values": {"octaves": ""}}, "--octaves has no value"),
        ({"do": "put", "time": 1, "values": {"classes": []}}, "--class has no value"),
        ({"do": "put", "time": 1, "values": {"color": None}}, "expected a value"),
        ({"do": "put", "time": 1, "values": {"classes": ["owl"] * 65}}, "expected a value"),
        ({"do": "put", "time": 1, "values": {"warm_step": 1}}, "is t / 9 throughout"),
        ({"do": "change", "name": "color", "key": 0, "value": "1, 3s:2"}, "expected one value"),
        ({"do": "change", "name": "color", "key": 0, "value": "1 ease"}, "expected one value"),
        ({"do": "change", "name": "color", "key": 0, "value": "1", "how": "soon"}, "expected ease, step, linear"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused_in_a_sentence(edit: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        edited(keyed(color="0s:1, 2s:0.5", warm_step="t / 9"), **edit)
    assert message in str(caught.value) and "\n" not in str(caught.value)


EDITS = st.one_of(
    st.fixed_dictionaries({"do": st.just("put"), "time": st.floats(0, 9), "values": st.just({"color": 0.7})}),
    st.fixed_dictionaries({"do": st.just("move"), "key": st.integers(0, 9), "time": st.floats(0, 9)}),
    st.fixed_dictionaries({"do": st.just("remove"), "key": st.integers(0, 9)}),
)


@settings(max_examples=30)
@given(st.lists(EDITS, max_size=12), st.sampled_from([CLOCK, NTSC, FilmClock()]))
def test_whatever_is_done_to_keys_the_schedule_fits_the_film(edits: list[dict[str, Any]], clock: FilmClock) -> None:
    look = keyed(color="0.5s:0.1, 1s:0.2 ease, 2s:0.3 step")
    for edit in edits:
        count = len(split_keys(dict(look.timeline)["color"], ""))
        if edit["do"] != "put" and edit["key"] >= count - (edit["do"] == "remove" and count == 1):
            continue
        answer = edit_timeline(look, {**edit, "name": "color"}, clock)
        look, text = answer.look, dict(answer.look.timeline)["color"]
        curve = parse_curve(text, clock, "--color")  # times rise, none is beyond the end
        assert len(curve.times) - count in {"put": (0, 1), "move": (0,), "remove": (-1,)}[edit["do"]]
        assert answer.key is not None and answer.key[1] < len(curve.times)
