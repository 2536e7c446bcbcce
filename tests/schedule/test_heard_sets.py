"""Sets of names that follow sections and beats, and the count of beats."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.schedule.heard_sets import parse_heard_sets
from dreamvideo.schedule.keyed_sets import KeyedSets, chosen_sets, parse_keyed_sets
from dreamvideo.schedule.keys import is_schedule


def sets_of(text: str, beats: list[float] | None = None, sections: list[tuple[float, int]] | None = None) -> KeyedSets:
    heard = None if beats is None else tuple(map(Fraction, beats))
    found = tuple((Fraction(time), kind) for time, kind in sections or [])
    kinds = text.count(",") + 1
    return parse_keyed_sets(text, FilmClock(Fraction(60), Fraction(25), heard, {kinds: found}), "--class")


def at(sets: KeyedSets, time: float) -> dict[str, float]:
    return {"+".join(sets.sets[index]): share for index, share in sets(Fraction(time)).items()}


def test_each_kind_of_section_has_its_set_and_they_morph() -> None:
    sets = sets_of("audio:sections owl, lion:0.5+cat", sections=[(0, 0), (8, 1), (20, 0)])
    assert [at(sets, time) for time in (0, 7.9, 9, 19, 21, 60)] == [
        {"owl": 1},
        {"owl": 1},
        {"lion:0.5+cat": 1},
        {"lion:0.5+cat": 1},
        {"owl": 1},
        {"owl": 1},
    ]
    assert 0 < at(sets, 8.5)["owl"] < 1
    assert at(sets_of("audio:sections owl, lion"), 30) == {"owl": 1}  # nothing is heard


def test_a_set_flashes_at_each_beat_and_gives_way() -> None:
    sets = sets_of("audio:beats owl, lion, cat", beats=[0, 1, 2, 2.1])
    assert [at(sets, time) for time in (0, 0.9, 1, 1.4, 2, 2.1, 2.5)] == [
        {"owl": 1},  # the first one holds from the beginning
        {"owl": 1},
        {"lion": 1},
        {"owl": 1},
        {"cat": 1},
        {"lion": 1},
        {"owl": 1},
    ]
    assert at(sets, 1.1)["lion"] > at(sets, 1.3)["lion"] > 0
    assert sets_of("audio:beats owl, lion", beats=[]).nodes() == (0,)


@given(st.lists(st.integers(0, 500), unique=True), st.integers(0, 60_000))
def test_shares_add_up_to_one_and_the_looks_are_those_of_the_text(tenths: list[int], millis: int) -> None:
    text = "audio:beats a, b+c, a"
    sets = sets_of(text, beats=[tenth / 10 for tenth in sorted(tenths)])
    assert sets.sets == chosen_sets(text, "--class") == (("a",), ("b", "c"))
    shares = sets(Fraction(millis, 1000))
    assert sum(shares.values()) == pytest.approx(1) and min(shares.values()) > 0
    assert list(sets.times) == sorted(set(sets.times))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("audio:bass owl, lion", "--class audio:bass: expected audio:sections or audio:beats"),
        ("audio:sections owl", "--class audio:sections with 1 sets: expected 2 to 16"),
        ("audio:beats owl,", "with 1 sets: expected 2 to 16"),
        ("audio:sections " + ",".join("abcdefghijklmnopq"), "with 17 sets"),
        ("audio:sections owl+, lion", "--class: an empty name"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(text: str, message: str) -> None:
    assert is_schedule(text)
    with pytest.raises(SettingsError, match=message):
        sets_of(text)


def test_another_schedule_is_left_alone() -> None:
    assert parse_heard_sets("0:owl, 4s:lion", "--class") is None and parse_heard_sets("owl", "--class") is None


def test_beats_are_counted_in_parts() -> None:
    clock = FilmClock(beats=tuple(map(Fraction, (1, 2, 4))))
    times = [Fraction(n, 2) for n in (1, 2, 3, 4, 6, 8, 10)]
    assert [clock.beat(time) for time in times] == [-0.5, 0, 0.5, 1, 1.5, 2, 2.5]
    assert FilmClock(beats=(Fraction(1),)).beat(Fraction(5)) == FilmClock().beat(Fraction(5)) == 0


@given(st.lists(st.fractions(0, 100), min_size=2, unique=True), st.fractions(-10, 110), st.fractions(0, 1))
def test_the_count_of_beats_never_falls(beats: list[Fraction], time: Fraction, later: Fraction) -> None:
    clock = FilmClock(beats=tuple(sorted(beats)))
    assert clock.beat(time) <= clock.beat(time + later) + 1e-9
