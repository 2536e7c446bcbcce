"""Classes by name: one, a group of ImageNet's classes, or all whose names hold a word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dreamvideo.errors import ModelError, did_you_mean

IMAGENET_COUNT: Final = 1000


def _numbers(*parts: int | range) -> tuple[int, ...]:
    return tuple(number for part in parts for number in (part if isinstance(part, range) else (part,)))


# Numbers of ImageNet's classes, in its own order, which follows the kinds of animals.
GROUPS: Final[Mapping[str, tuple[int, ...]]] = {
    "fish": _numbers(range(7), range(389, 398)),
    "birds": _numbers(range(7, 25), range(80, 101), range(127, 147)),
    "amphibians": _numbers(range(25, 33)),
    "reptiles": _numbers(range(33, 69)),
    "snakes": _numbers(range(52, 69)),
    "spiders": _numbers(range(71, 78)),
    "sea": _numbers(107, 108, 109, 115, range(117, 125), range(147, 151), 327, 328, 329, 390, 393, 396, 397),
    "dogs": _numbers(range(151, 269)),
    "wolves": _numbers(range(269, 281)),
    "cats": _numbers(range(281, 294)),
    "bears": _numbers(range(294, 298), 387, 388),
    "insects": _numbers(range(300, 327)),
    "butterflies": _numbers(range(321, 327)),
    "rodents": _numbers(range(330, 339)),
    "herds": _numbers(range(339, 356), 385, 386),
    "apes": _numbers(range(365, 385)),
    "animals": _numbers(range(398)),
    "buildings": _numbers(410, 425, 442, 449, 483, 497, 498, 538, 663, 668, 682, 698, 727, 832, 873, 888, 900),
    "cars": _numbers(407, 436, 468, 511, 609, 627, 656, 661, 717, 751, 817),
    "vehicles": _numbers(
        *(407, 436, 444, 466, 468, 511, 547, 555, 569, 609, 627, 654, 656, 661, 665, 670, 671, 675, 705, 717, 734),
        *(751, 779, 817, 820, 829, 847, 864, 867, 870, 874),
    ),
    "ships": _numbers(403, 472, 484, 510, 554, 576, 625, 628, 724, 780, 814, 833, 871, 914),
    "instruments": _numbers(
        *(401, 402, 420, 432, 486, 513, 541, 546, 558, 566, 577, 579, 593, 594, 641, 642, 683, 684, 687, 699, 776),
        *(822, 875, 881, 889),
    ),
    "food": _numbers(range(924, 970)),
    "fruit": _numbers(range(948, 958)),
    "vegetables": _numbers(range(936, 948)),
    "flowers": _numbers(738, 944, 946, 984, 985, 986),
    "mushrooms": _numbers(range(991, 998)),
    "landscapes": _numbers(range(970, 981)),
}


def find_classes(name: str, classes: Sequence[str], model: str, others: Iterable[str] = ()) -> tuple[int, ...]:
    """Find the classes that a name stands for.

    Args:
        name: a number; in any case, the name of a class, of one of `GROUPS` if the classes are ImageNet's, or a word of
            several names, such as "owl" or "snakes".
        classes: names in the order of the logits; empty: the classes have none.
        model: name of the network, for messages.
        others: groups that the network has a map of, for messages.

    Returns:
        Their numbers, at least one.

    Raises:
        ModelError: there is no such class, or the classes have no names.
    """
    if name.isdecimal():
        if classes and int(name) >= len(classes):
            raise ModelError(f"no class {name} in {model}: expected 0 to {len(classes) - 1}")
        return (int(name),)
    if not classes:
        raise ModelError(f"the classes of {model} have no names: give their numbers, such as --class 3")
    wanted, lower = name.lower(), [each.lower() for each in classes]
    groups = GROUPS if len(classes) == IMAGENET_COUNT else {}
    if wanted in lower:
        return (lower.index(wanted),)
    found = groups.get(wanted) or groups.get(wanted + "s") or _with_word(wanted, lower)
    if not found:
        nearest = did_you_mean(wanted, [*lower, *groups, *others])
        raise ModelError(f"no class {name!r} in {model}{nearest}; see: dreamvideo models {model} --classes")
    return found


def _with_word(word: str, names: Iterable[str]) -> tuple[int, ...]:
    """The numbers of the names that hold a word, singular or plural."""
    forms = {word, word.removesuffix("s"), word.removesuffix("es")}
    return tuple(number for number, name in enumerate(names) if forms & set(re.findall(r"\w+", name)))
