"""Windows of a film, however it is divided, hold the frames, shots and segments of one pass over it."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dreamvideo.frames import Frame, Frames, HostCopy
from dreamvideo.jobs.film_index import index_of
from dreamvideo.jobs.film_windows import (
    FilmIndex,
    FilmWindow,
    divide,
    halve_window,
    length_of,
    longest_window,
    take_window,
)
from dreamvideo.media import segments
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.video import judged_frames, seams
from dreamvideo.video.judged_frames import lead_of, lead_start
from dreamvideo.video.lanes import LaneStep
from dreamvideo.video.seams import pack_carries, seam_grid, split_long_shots
from dreamvideo.video.shots import DreamInput, split_shots

# A frame of one gray level is compared by that level: see `levels`. -1 is a frame without a picture.
Level = int


@pytest.fixture(autouse=True)
def levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are alike if their levels are within 1, unlike within 3, else there is a cut; level 0 is no picture."""

    def compare(current: object, previous: object) -> str:
        a, b = (int(copy.image[0, 0, 0]) for copy in (current, previous))  # type: ignore[attr-defined]
        return "alike" if abs(a - b) <= 1 else "unlike" if abs(a - b) <= 3 else "cut"

    monkeypatch.setattr(judged_frames, "copy_comparer", lambda: compare)
    monkeypatch.setattr(judged_frames, "contrast_of", lambda image, noise: 100.0 * bool(image[0, 0, 0]))


def film(levels: list[Level], gaps: list[int]) -> list[Frame]:
    """A frame for each level; the times are multiples of 1/25 with some left out."""
    time, frames = Fraction(0), []
    for level, gap in zip(levels, gaps, strict=True):
        mask = np.zeros((1, 1), np.uint8) if level == 255 else None
        frames.append(Frame(np.full((1, 1, 3), level, np.uint8), time, Fraction(1, 25), mask=mask))
        time += Fraction(gap, 25)
    return frames


def read_from(frames: list[Frame], time: Fraction) -> Frames:
    """The frames from the one on that is shown at a time."""
    first = max((number for number, frame in enumerate(frames) if frame.time <= time), default=0)
    yield from frames[first:]


def blank(frames: Frames) -> Frames:
    """Frames as of a reader that makes images later."""
    for frame in frames:
        late = partial(np.copy, frame.image)
        yield replace(frame, image=np.broadcast_to(np.uint8(0), (1, 1, 3)), small=HostCopy(frame.image), late=late)


def one_input(source: DreamInput) -> Generator[DreamInput, None, None]:
    yield source


def all_steps(source: DreamInput, alone: bool, seamless: bool = False, every: Fraction | None = None) -> list[LaneStep]:
    source = replace(source, ends_at_seams=not seamless)
    with closing(split_long_shots(split_shots(one_input(source), alone, False, seamless, every))) as steps:
        return list(steps)


def told(steps: list[LaneStep]) -> list[tuple[object, ...]]:
    """What the output is made of; shots by the times at which they begin."""
    found: list[tuple[object, ...]] = []
    begins: dict[int, Fraction] = {}
    for step in steps:
        begins.setdefault(step.shot, step.frame.time)
        if step.hidden:
            continue
        before = None if step.previous is None else step.previous.time
        at = (step.frame.time, before, step.segment, step.stores_carry, step.presence, step.held, step.meets)
        found.append((*at, step.share, begins[step.shot]))
    return found


FILMS = st.integers(0, 2**32 - 1)
# Whether the end of the film leads to its first frame, and seconds from one seam of long shots to the next.
ENDS = st.sampled_from([(False, None), (True, None), (False, Fraction(11, 25)), (False, Fraction(3, 4))])


def shorten_seams(patch: pytest.MonkeyPatch) -> None:
    for name, frames in (("WARMUP_SECONDS", 3), ("OVERLAP_SECONDS", 4), ("LEAST_SECONDS", 6)):
        patch.setattr(seams, name, Fraction(frames, 25))


def drawn_film(seed: int) -> list[Frame]:
    """Shots of level 4, 8, ... with flashes, strobes, plain frames, masked frames and gaps."""
    chance = random.Random(seed)
    levels: list[Level] = []
    while len(levels) < 90:
        level = chance.choice((4, 8, 12, 0, 255, 20))
        shot = [level + chance.choice((0, 0, 0, 1)) if 0 < level < 255 else level] * chance.choice((1, 2, 3, 9, 30))
        for _ in range(chance.choice((0, 0, 1, 3))):
            place = chance.randrange(len(shot))
            for each in range(place, min(len(shot), place + chance.randrange(1, 5))):
                shot[each] = chance.choice((0, 30, level + 2 if level < 250 else 0))
        levels += shot
    return film(levels, [chance.choice((1, 1, 1, 1, 1, 1, 2, 7)) for _ in levels])


@given(FILMS, st.sampled_from([Fraction(1, 5), Fraction(2, 5), Fraction(1)]), st.booleans(), ENDS)
@hypothesis_settings(max_examples=120, deadline=None)
def test_windows_hold_what_one_pass_finds(
    seed: int, grid: Fraction, alone: bool, ends: tuple[bool, Fraction | None]
) -> None:
    frames, chance, seamless, every = drawn_film(seed), random.Random(seed), ends[0], None if alone else ends[1]
    with pytest.MonkeyPatch.context() as patch:
        shorten_seams(patch)
        patch.setattr(segments, "MAX_FRAMES", 9)
        patch.setattr(judged_frames, "LEAD", Fraction(random.Random(seed).choice((1, 2, 3, 6)), 25))
        whole = all_steps(DreamInput(read_from(frames, Fraction(0)), grid=grid), alone, seamless, every)
        cells = int(frames[-1].time // grid) + 1
        points = sorted(chance.sample(range(1, cells), chance.randrange(min(cells, 9)))) if cells > 1 else []
        found: list[LaneStep] = []
        for begin, end in zip([0, *points], [*points, None], strict=True):
            source, passed = DreamInput(read_from(frames, Fraction(0)), grid=grid, end=end), list[int]()
            if begin:
                lead = lead_of(begin, grid)
                shown_first = max((n for n, frame in enumerate(frames) if frame.time <= lead), default=0)
                if every is not None and not seamless:
                    lead = seam_grid(every).lead_of_window(begin, grid)
                source = replace(source, begin=begin, frames=blank(read_from(frames, lead)), on_begin=passed.append)
                source = replace(source, first=lambda: frames[0])
            steps = all_steps(source, alone, seamless, every)
            found += [replace(step, shot=step.shot + 1000 * begin) for step in steps]
            shown = [step.frame.time for step in steps if not (step.hidden or step.leads)]
            assert len({step.shot for step in steps if step.hidden}) <= 1  # of the part that takes over
            images = {frame.time: frame.image for frame in frames}
            made = [frame for step in steps for frame in (step.frame, step.previous) if frame is not None]
            assert all(np.array_equal(frame.image, images[frame.time]) for frame in made if not seamless)
            assert [frames[shown_first + count].time for count in passed] == shown[:1] or not begin
        assert told(found) == told(whole)
        whole, found = (
            list({(s.shot // 1000, s.index): s for s in steps if not (s.leads or s.hidden)}.values())
            for steps in (whole, found)
        )
        following = {step.frame.time: after.frame.time for step, after in pairwise(whole)}
        for last, first in pairwise(found):
            if last.shot // 1000 != first.shot // 1000:
                assert last.frame.time + last.frame.duration == following[last.frame.time]
        numbers = [step.segment for step in whole]
        assert numbers == sorted(numbers) and numbers[0] == 0


@given(FILMS, st.sampled_from([Fraction(1, 5), Fraction(1)]), ENDS)
@hypothesis_settings(max_examples=60, deadline=None)
def test_what_is_resumed_after_any_segment_is_the_rest_of_one_pass(
    seed: int, grid: Fraction, ends: tuple[bool, Fraction | None]
) -> None:
    frames, (seamless, every) = drawn_film(seed), ends
    with pytest.MonkeyPatch.context() as patch:
        shorten_seams(patch)
        patch.setattr(segments, "MAX_FRAMES", 9)
        patch.setattr(judged_frames, "LEAD", Fraction(random.Random(seed).choice((1, 2, 3, 6)), 25))
        steps = all_steps(DreamInput(read_from(frames, Fraction(0)), grid=grid), False, seamless, every)
        whole, leading = ([step for step in steps if step.leads is leads] for leads in (False, True))
        for place, (last, first) in enumerate(pairwise(whole), 1):
            if last.segment == first.segment:
                continue
            count, time, carries = last.index + 1, last.frame.time, [b"carry"]
            stored, lead = None, lead_start(time, grid)
            if last.stores_carry and first.previous is not None:
                stored = b"carry"
                if last.place is not None:
                    carries *= 1 + last.place.both
                    stored = pack_carries(last.place.shot_start, carries)
            elif every is not None and seam_grid(every).crosses(time):
                lead = seam_grid(every).lead(seam_grid(every).next_seam(time), grid)
            point = ResumePoint(count, time, stored, last.segment)
            rest = DreamInput(read_from(frames, lead), point, grid, first=lambda: frames[0])
            steps = all_steps(rest, False, seamless, every)
            shown = [step for step in steps if not step.leads]
            assert [each[:8] for each in told(shown)] == [each[:8] for each in told(whole[place:])]
            given_on = [step.carry for step in steps if step.carry is not None]
            is_later = first.place is not None and first.place.takes_over is not None
            assert given_on == ([] if stored is None else carries[-1:] if is_later else carries)
            needed = [step for step in leading if step.index >= count]
            if any(step.meets for step in needed):
                assert told([step for step in steps if step.leads]) == told(needed)


# Where windows begin, and who gets which.


@given(st.lists(st.integers(1, 900), max_size=20, unique=True), st.integers(1, 40))
def test_a_film_is_divided_into_windows_without_gaps_that_begin_soon_after_key_frames(
    keys: list[int], longest: int
) -> None:
    times = [Fraction(n, 25) for n in range(901)]
    index = index_of(times, [Fraction(n, 25) for n in sorted(keys) if n < 900], segments.GRID)
    assert index.cells == 19
    windows = divide(FilmWindow(), index, longest)
    assert [window.end for window in windows] == [*(window.begin for window in windows[1:]), None]
    assert sum(length_of(window, index) for window in windows) == 19
    for window in windows[1:]:
        first = lead_of(window.begin, segments.GRID)
        assert times[window.before] <= first < times[window.before + 1]
        assert any(1 <= first - Fraction(key, 25) < 1 + segments.GRID for key in keys)
    for window in windows:
        assert length_of(window, index) <= longest or halve_window(window, index) is None


def test_a_film_without_key_frames_on_its_way_is_one_window() -> None:
    index = index_of([Fraction(n, 25) for n in range(500)], [], segments.GRID)
    assert index == FilmIndex(10, (), (), "it has no key frames on the way", Fraction(499, 25))
    assert divide(FilmWindow(), index, 1) == [FilmWindow()]


def test_idle_workers_take_the_first_window_and_at_the_end_the_later_half_of_the_longest() -> None:
    index = FilmIndex(40, tuple(range(1, 40)), tuple(range(39)))
    waiting = [FilmWindow(0, 10), FilmWindow(10, 30), FilmWindow(30, None)]
    taken = []
    while waiting:
        taken.append(
            take_window(waiting, 3, lambda each: length_of(each, index), lambda each: halve_window(each, index))
        )
    ends = [(window.begin, window.end or 40) for window in taken]
    assert ends[:4] == [(0, 10), (20, 30), (15, 20), (35, 40)]
    assert sorted(cell for begin, end in ends for cell in range(begin, end)) == list(range(40))
    assert [end - begin for begin, end in ends[3:]] == sorted((end - begin for begin, end in ends[3:]), reverse=True)


def test_windows_are_long_while_there_is_much_to_do() -> None:
    assert longest_window(100_000, 10, 1) == 30 and longest_window(100_000, 10, 16) == 480
    assert longest_window(400, 10, 1) == 20 and longest_window(4, 10, 1) == 1
