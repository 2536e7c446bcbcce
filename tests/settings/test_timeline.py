"""Timelines: the settings of a film at every time, made of schedules."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.presets import PRESETS
from dreamvideo.settings.schedules import TimelineSettings
from dreamvideo.settings.timeline import Timeline, open_timeline

CLOCK = FilmClock(Fraction(12), Fraction(25))


def timeline(start: Any = 0, clock: Any = CLOCK, **schedules: str) -> Timeline:
    settings = TimelineSettings(tuple(schedules.items()))
    base = ModelSettings("dreamnet"), ObjectiveSettings(), DreamSettings(tv=0.25), CarrySettings()
    return open_timeline(settings, *base, clock, Fraction(start))


def test_numbers_follow_their_schedules_and_the_rest_stays() -> None:
    at = timeline(step_size="0:0.004, 2s:0.014", persistence="0:1, 4:0.5", octaves="0:2, 10:4", amount="0:0, 1:2")
    moment = at(Fraction(1))
    assert moment.dream.step_size == pytest.approx(0.009)
    assert moment.dream == DreamSettings(tv=0.25, step_size=moment.dream.step_size, octaves=2)
    assert moment.carry == CarrySettings(persistence=0.875, amount=2)
    assert at(Fraction(10)).dream.octaves == 4
    assert [at.next_node(Fraction(time)) for time in (0, 1, 3, 10)] == [1, 2, 4, None]


def test_a_film_that_starts_later_has_the_values_of_its_time() -> None:
    schedules = {"step_size": "0:0.004, 2s:0.014", "classes": "0:owl, 1:lion"}
    whole, later = timeline(**schedules), timeline(start=1, **schedules)
    for frames in range(60):
        assert later(Fraction(frames, 25)) == whole(1 + Fraction(frames, 25))
    assert later.next_node(Fraction(0)) == 1


def test_sets_are_looks_with_shares() -> None:
    at = timeline(classes="0:owl, 4:lion:0.5", layers="0:s8b, 6:s16a")
    classes = [look.objective.classes for look in at.looks]
    assert classes == [(("owl", 1.0),)] * 2 + [(("lion", 0.5),)] * 2
    assert [look.objective.layers for look in at.looks] == [(("s8b", 1.0),), (("s16a", 1.0),)] * 2
    assert at(Fraction(0)).shares == ((0, 1.0),) and at(Fraction(11)).shares == ((3, 1.0),)
    assert at(Fraction(9, 2)).shares == ((0, 0.5), (2, 0.5))


def test_presets_bring_their_settings_and_what_was_typed_stays() -> None:
    at = timeline(preset="0:flowers, 4:sea", fixed="step_size tv")
    flowers, sea = at.looks
    assert [look.model.model for look in at.looks] == ["dreamnet-drawn", "efficientnet_lite2"]
    assert flowers.objective.classes == PRESETS["flowers"].objective["classes"]
    assert flowers.dream == DreamSettings(tv=0.25)
    assert sea.dream == DreamSettings(tv=0.25, iterations=8, smooth=1.5, decorrelate=True)
    half = at(Fraction(9, 2)).dream
    assert half.smooth == pytest.approx(1.1) and half.iterations == 9


def test_expressions_have_nodes_where_they_turn() -> None:
    at = timeline(step_size="0.008*(1+0.5*sin(2*pi*t/4))")
    assert [float(node) for node in at.nodes] == pytest.approx([0, 1, 3, 5, 7, 9, 11, 12], abs=0.05)


BAD = [
    ({"step_size": "0:0.004, 2s:40"}, "--step-size at 00:02 is 40: expected at most 10"),
    ({"step_size": "0:1/(t-3)"}, "--step-size at 00:03 is nan: expected a finite number"),
    ({"persistence": "0:1, 12:1.5"}, "--persistence at 00:12 is 1.5: expected 0 to 1"),
    ({"amount": "2.5"}, "--amount at 00:00 is 2.5: expected 0 to 2"),
    ({"iterations": "0:10, 4:0.2"}, "--iterations at 00:04 is 0.2: expected at least 1"),
    ({"classes": "0:owl:x"}, "owl:x"),
    ({"preset": "0:nothing"}, "no preset 'nothing'"),
    ({"preset": "0:sea+flowers"}, "no preset 'sea+flowers'"),
    ({"color": "0:-1, 2:1"}, "--color below and above 0"),
    ({"seed": "0:1"}, "a schedule of seed: expected one of preset, octaves"),
]


@pytest.mark.parametrize(("schedules", "words"), BAD)
def test_what_is_out_of_range_is_named_with_its_time(schedules: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        timeline(**schedules)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_ten_thousand_expressions_are_checked_quickly() -> None:
    at = timeline(step_size=", ".join(f"{number / 1000}:0.01+0.001*sin(t)" for number in range(10_000)))
    assert at(Fraction(5)).dream.step_size == pytest.approx(0.00904, abs=1e-5)
