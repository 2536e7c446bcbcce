"""Schedules of sets of names: which are dreamed when, and with which shares."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.schedule.keyed_sets import KeyedSets, parse_keyed_sets

CLOCK = FilmClock(Fraction(12), Fraction(25))


def sets(text: str) -> KeyedSets:
    return parse_keyed_sets(text, CLOCK, "--class")


def test_a_key_replaces_the_whole_set_within_a_second() -> None:
    keyed = sets("0:owl, 4s:lion, 8s:lion:0.5+owl")
    assert keyed.sets == (("owl",), ("lion",), ("lion:0.5", "owl"))
    assert keyed(Fraction(0)) == keyed(Fraction(399, 100)) == keyed(Fraction(4)) == {0: 1.0}
    assert keyed(Fraction(9, 2)) == {0: 0.5, 1: 0.5}
    assert keyed(Fraction(5)) == keyed(Fraction(8)) == {1: 1.0}
    assert keyed(Fraction(12)) == {2: 1.0}
    assert keyed.nodes() == (0, 4, 5, 8, 9)


def test_a_word_says_how_a_set_is_reached_from_the_key_before() -> None:
    linear = sets("0:owl, 4s:lion linear")
    assert linear(Fraction(1)) == {0: 0.75, 1: 0.25} and linear(Fraction(4)) == {1: 1.0}
    step = sets("0:owl, 4s:lion step")
    assert step(Fraction(399, 100)) == {0: 1.0} and step(Fraction(4)) == {1: 1.0}


def test_it_morphs_while_a_set_slowly_gives_way_and_for_a_while_after() -> None:
    keyed = sets("0:owl, 1s:lion, 5s:lion, 6s:owl step, 7s:lion, 7.2s:owl, 12s:fox linear")
    times = [at for at in range(121) if keyed.morphs(Fraction(at, 10))]
    assert times == [*range(11, 50), *range(73, 121)], "neither a step nor a flash, nor a set that stays"


def test_a_set_that_returns_is_the_same() -> None:
    keyed = sets("0:owl, 2:lion, 4:owl")
    assert keyed.sets == (("owl",), ("lion",)) and keyed(Fraction(6)) == {0: 1.0}


@pytest.mark.parametrize(
    ("text", "words"),
    [("0:owl+", "at 0: an empty name"), ("0:owl, 20:lion", "the film ends at 00:12"), ("0:owl, x:lion", "key 2")],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        sets(text)


WAYS = st.sampled_from(["", " ease", " linear", " step"])


@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.sampled_from("abc"), WAYS), min_size=1, max_size=8, unique_by=lambda k: k[0]
    ),
    st.integers(0, 3000),
)
def test_shares_add_up_to_one_and_change_gradually_but_for_steps(keys: list[tuple[int, str, str]], place: int) -> None:
    keys = sorted(keys)
    keyed = parse_keyed_sets(", ".join(f"{at * 4}f:{name}{way}" for at, name, way in keys), CLOCK, "--class")
    time = Fraction(place, 600)
    now, soon = keyed(time), keyed(time + Fraction(1, 10_000))
    assert sum(now.values()) == pytest.approx(1) and len(now) <= 2 and all(share > 0 for share in now.values())
    if not any(way == " step" for _, _, way in keys):
        # The fastest morph takes half of the shortest gap, 4 frames of 1/25 s, and has 1.5 times the mean slope.
        assert all(abs(now.get(index, 0) - soon.get(index, 0)) < 1.6 / 0.08 / 10_000 for index in range(3))
