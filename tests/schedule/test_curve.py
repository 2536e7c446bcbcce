"""Schedules of numbers: what is parsed, what a curve is between its keys, and how what is wrong is named."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.curve import Curve, parse_curve
from dreamvideo.schedule.expression import FUNCTIONS, parse_expression
from dreamvideo.schedule.film_clock import FilmClock, clock_time
from dreamvideo.schedule.key_times import parse_key_time
from dreamvideo.schedule.keys import MOST_KEYS, is_schedule

CLOCK = FilmClock(Fraction(12), Fraction(25))


def curve(text: str, clock: FilmClock = CLOCK) -> Curve:
    return parse_curve(text, clock, "--step-size")


def test_keys_are_reached_linearly_by_ease_and_by_a_step() -> None:
    numbers = curve("0:0.004, 2s:0.014 ease, 50%:0.006, 200f:0.5 step")
    assert numbers.times == (0, 2, 6, 8)
    assert numbers(Fraction(0)) == 0.004 and numbers(Fraction(2)) == 0.014 and numbers(Fraction(6)) == 0.006
    assert numbers(Fraction(1)) == pytest.approx(0.009)
    assert numbers(Fraction(1, 2)) == pytest.approx(0.004 + 0.01 * (3 / 16 - 2 / 64))
    assert numbers(Fraction(4)) == pytest.approx(0.010)
    assert numbers(Fraction(799, 100)) == 0.006 and numbers(Fraction(8)) == 0.5 and numbers(Fraction(100)) == 0.5


def test_an_expression_holds_throughout_and_two_are_mixed_between_their_keys() -> None:
    wave = curve("0.008*(1+0.5*sin(2*pi*t/4))")
    for seconds in (0, 0.5, 3.25):
        assert wave(Fraction(seconds)) == pytest.approx(0.008 * (1 + 0.5 * math.sin(math.pi * seconds / 2)))
    assert curve("0:frame/25, 4:10*t")(Fraction(1)) == pytest.approx(0.75 * 1 + 0.25 * 10)


def interpolated(keys: list[tuple[Fraction, float, str]], at: Fraction) -> float:
    """The same, literally."""
    if at <= keys[0][0]:
        return keys[0][1]
    for (begin, first, _), (end, second, way) in zip(keys, keys[1:], strict=False):
        if begin <= at < end:
            u = (at - begin) / (end - begin)
            u = {"linear": u, "step": Fraction(0), "ease": 3 * u**2 - 2 * u**3}[way]
            return float(Fraction(first) + u * (Fraction(second) - Fraction(first)))
    return keys[-1][1]


KEYS = st.lists(
    st.tuples(
        st.fractions(0, 12, max_denominator=25),
        st.floats(-10, 10).map(lambda value: round(value, 4)),
        st.sampled_from(["linear", "ease", "step"]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda key: key[0],
).map(sorted)


@settings(max_examples=60, deadline=None)
@given(KEYS, st.fractions(0, 13, max_denominator=1001))
def test_a_curve_is_what_exact_interpolation_gives(keys: list[tuple[Fraction, float, str]], at: Fraction) -> None:
    text = ", ".join(
        f"{float(time * 25):.0f}f:{value} {way}" for time, value, way in keys if time.denominator in (1, 5, 25)
    )
    kept = [key for key in keys if key[0].denominator in (1, 5, 25)]
    if kept:
        assert curve(text)(at) == pytest.approx(interpolated(kept, at), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(KEYS, st.fractions(0, 13, max_denominator=1001))
def test_a_curve_stays_within_the_values_of_its_keys(keys: list[tuple[Fraction, float, str]], at: Fraction) -> None:
    values = [value for _, value, _ in keys]
    expressions = tuple(parse_expression(str(value)) for value in values)
    transitions = tuple(way for _, _, way in keys)
    numbers = Curve(tuple(each for each, _, _ in keys), expressions, transitions, None)  # type: ignore[arg-type]
    assert min(values) - 1e-12 <= numbers(at) <= max(values) + 1e-12


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2),
        ("2.5s", Fraction(5, 2)),
        ("1m30s", 90),
        ("1h", 3600),
        ("1h2m", 3720),
        (".5", Fraction(1, 2)),
        ("1m.5s", 60.5),
    ],
)
def test_times_are_exact(text: str, seconds: Fraction) -> None:
    parsed = parse_key_time(text)
    assert parsed is not None and parsed.resolve(CLOCK, "") == seconds


@pytest.mark.parametrize("text", ["", "s", "-1", "1:30", "owl", "101%", "1.5f", "1e3", "2 s"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_key_time(text) is None or text == "s"


@pytest.mark.parametrize("text", ["0:owl", "0:0.004, 2s:0.014", "2s:3", "50%:1", "0:207, 4:291"])
def test_schedules_are_told_from_values(text: str) -> None:
    assert is_schedule(text)


@pytest.mark.parametrize("text", ["s8b:0.5", "3:0.5", "owl", "0.01", "s8b:17:-0.5", "-1"])
def test_values_are_told_from_schedules(text: str) -> None:
    assert not is_schedule(text)


BAD = {
    "": "no value",
    "0:": "at 0: no value",
    "0:ease": "at 0: no value",
    "0:1,,2:3": "key 2",
    "foo:1": "key 1, 'foo:1'",
    "0:1, 13:2": "at 13: the film ends at 00:12",
    "0:1, 5:2, 3:1": "at 3: the key before it is at 00:05",
    "0:1, 0:2": "rising times",
    "0:nan": "at 0: 'nan': no name 'nan'",
    "4:__import__('os').system('true')": "at 4: ",
    "0:().__class__": "is not allowed",
    "0:t.real": "is not allowed",
    "0:'a'": "is not allowed",
    "0:True": "is not allowed",
    "0:[t for t in t]": "is not allowed",
    "0:(lambda: 1)()": "is not allowed",
    "0:sinn(t)": "nearest: sin",
    "0:min(1)": "expected 2 or more",
    "0:sin(t, t=1)": "is not allowed",
    "0:" + "(" * 400: "expected",
    "0:" + "-" * 400 + "1": "at most 100 levels",
    "0:" + "+".join("1" * 400): "at most 500 characters",
    "0:beat": "no music",
    "audio:bass*2": "expected --drive step-size=audio:bass*2",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_named_in_one_line(text: str) -> None:
    with pytest.raises(SettingsError) as raised:
        curve(text)
    message = str(raised.value)
    assert message.startswith("--step-size") and BAD[text] in message and "\n" not in message and len(message) < 300


@pytest.mark.parametrize(("text", "word"), [("50%:1", "length"), ("10f:1", "frame rate"), ("0:frame", "frame rate")])
def test_what_a_film_does_not_say_is_named(text: str, word: str) -> None:
    with pytest.raises(SettingsError, match=f"the {word}"):
        curve(text, FilmClock())


def test_ten_thousand_keys_are_read_quickly_and_one_more_is_refused() -> None:
    keys = [f"{number / 1000}:{number % 7}+0*t" for number in range(MOST_KEYS + 1)]
    begun = time.process_time()
    numbers = curve(", ".join(keys[:-1]))
    values = [numbers(Fraction(number, 1000)) for number in range(0, MOST_KEYS, 10)]
    assert values == [number % 7 for number in range(0, MOST_KEYS, 10)]
    assert time.process_time() - begun < 20  # a second or so; quadratic search takes minutes
    with pytest.raises(SettingsError, match="10001 keys: expected at most 10000"):
        curve(", ".join(keys))


@pytest.mark.parametrize(
    "text", ["sqrt(-1)", "1/t", "log(t)", "9**9**9**9", "(-8)**0.5", "max((-8)**0.5, 1)", "floor(1/t)"]
)
def test_what_has_no_value_is_nan(text: str) -> None:
    assert math.isnan(parse_expression(text)({"t": 0.0}))


NUMBERS = st.one_of(
    st.integers(-50, 50).map(str), st.floats(0, 9).map(lambda value: f"{value:.3f}"), st.just("t"), st.just("pi")
)
TREES = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/%"), inner).map(lambda part: f"({part[0]}{part[1]}{part[2]})"),
        inner.map(lambda part: f"-{part}"),
        st.tuples(st.sampled_from(["sin", "cos", "abs", "floor"]), inner).map(lambda part: f"{part[0]}({part[1]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda part: f"{part[0]}({part[1]},{part[2]})"),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(TREES, st.floats(-100, 100))
def test_an_expression_is_what_python_makes_of_it(text: str, seconds: float) -> None:
    names = {name: function for name, (function, _, _) in FUNCTIONS.items()} | {"pi": math.pi, "t": seconds}
    try:
        expected = float(eval(text, {"__builtins__": {}}, names))
    except (ArithmeticError, ValueError):
        expected = math.nan
    assert parse_expression(text)({"t": seconds}) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_curve_or_one_line(text: str) -> None:
    try:
        curve(text)(Fraction(1))
    except SettingsError as error:
        assert len(str(error)) < 400


@pytest.mark.parametrize(("seconds", "text"), [(12, "00:12"), (72.5, "01:12.50"), (3723, "1:02:03")])
def test_times_are_named_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text
