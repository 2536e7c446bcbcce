"""Numbers in file names: their order, what is missing among them, and which sequences of images a folder holds."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import PurePath
from typing import Final

_LAST_NUMBER: Final = re.compile(r"(?P<head>.*?)(?P<number>\d+(?:\.\d+)?)(?P<tail>\D*)", re.DOTALL)
_SEPARATORS: Final = ("", "_", ".", " ")  # before a minus: then it is a sign, whatever other names there are
_MOST_SEQUENCES: Final = 8  # more groups of names are no cameras or eyes, but times or places

SortKey = list[tuple[Fraction | int, str]]


@dataclass(frozen=True, slots=True)
class NameSequence:
    """Names that differ in one number."""

    pattern: str  # the names, with '*' for the number
    numbers: tuple[int, ...]  # ascending


def name_keys(names: Iterable[str]) -> dict[str, SortKey]:
    """Return what sorts file names by the values of the numbers in them.

    A minus before the last number is a sign where it begins the name or follows a separator, or where another name is
    the same without it: shot-0002 comes before shot0001, but page-2 after page-1. A last number with a point is a
    decimal, unless others show that it counts: v1.9 comes before v1.10.

    Args:
        names: all names that are sorted together.

    Returns:
        Name -> key.
    """
    parsed = {name: _LAST_NUMBER.fullmatch(PurePath(name).stem) for name in names}
    unsigned = {(match["head"], match["tail"]) for match in parsed.values() if match}
    fractions: dict[tuple[str, str], set[str]] = defaultdict(set)
    for match in parsed.values():
        if match and "." in match["number"]:
            fractions[match["head"], match["tail"]].add(match["number"].split(".")[1])
    keys = {}
    for name, match in parsed.items():
        keys[name] = natural_key(name)
        if match is None:
            continue
        head, number, tail = match["head"], match["number"], match["tail"]
        counts = "." in number and _counts(fractions[head, tail])
        before = head[:-1]
        negative = head.endswith("-") and (before[-1:] in _SEPARATORS or (before, tail) in unsigned)
        if not counts and (negative or "." in number):
            value = -Fraction(number) if negative else Fraction(number)
            suffix = tail + PurePath(name).suffix
            keys[name] = [*natural_key(before if negative else head), (value, ""), *natural_key(suffix)]
    return keys


def natural_key(text: str) -> SortKey:
    """Return what sorts texts with the numbers in them by value: frame2 comes before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]


def _counts(fractions: set[str]) -> bool:
    """Whether digits after a point count: 9 and 10 do, 25 and 5 do not."""
    return len({len(each) for each in fractions}) > 1 and any(len(each) > 1 and each[-1] == "0" for each in fractions)


def name_sequences(names: Iterable[str]) -> list[NameSequence]:
    """Group file names into sequences.

    Args:
        names: of images of one folder.

    Returns:
        Sequences of at least two names, the longest first. Of several numbers in a name that differ, the one with the
        most values is that of the frame.
    """
    by_text: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    for name in names:
        suffix = PurePath(name).suffix
        parts = re.split(r"((?:(?<![^_. ])-)?\d+)", name.removesuffix(suffix))
        parts[-1] += suffix
        by_text[tuple(parts[::2])].append(tuple(parts[1::2]))
    sequences = []
    for texts, rows in by_text.items():
        if not texts[1:]:
            continue
        columns = [set(column) for column in zip(*rows, strict=True)]
        frame = max(range(len(columns)), key=lambda at: (len(columns[at]), at))
        groups: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for row in rows:
            groups[*row[:frame], "*", *row[frame + 1 :]].add(int(row[frame]))
        for group, numbers in groups.items():
            pattern = texts[0] + "".join(a + b for a, b in zip(group, texts[1:], strict=True))
            sequences.append(NameSequence(pattern, tuple(sorted(numbers))))
    return sorted((each for each in sequences if len(each.numbers) > 1), key=lambda each: -len(each.numbers))


def parallel_sequences(names: Iterable[str]) -> list[NameSequence]:
    """Find sequences beside each other, as those of two eyes.

    Args:
        names: of images of one folder.

    Returns:
        Sequences that have most of their numbers in common; empty if there are no two.
    """
    sequences = name_sequences(names)
    if not 2 <= len(sequences) <= _MOST_SEQUENCES:
        return []
    first = set(sequences[0].numbers)
    return sequences if all(2 * len(first & set(each.numbers)) >= len(first) for each in sequences) else []


def missing_numbers(numbers: Sequence[int]) -> str:
    """Describe what is missing in a sequence.

    Args:
        numbers: ascending.

    Returns:
        Such as "4-6, 9"; empty: nothing, or the numbers do not go by steps.
    """
    steps = Counter(after - before for before, after in pairwise(numbers))
    if not steps:
        return ""
    step, count = steps.most_common(1)[0]
    if 2 * count < len(numbers) - 1:
        return ""
    gaps = []
    for before, after in pairwise(numbers):
        first, last = before + step, after - step
        if first <= last:
            gaps.append(str(first) if first == last else f"{first}{'-' if first >= 0 else ' to '}{last}")
    more = f" and {len(gaps) - 5} more gaps" if len(gaps) > 5 else ""
    return ", ".join(gaps[:5]) + more
