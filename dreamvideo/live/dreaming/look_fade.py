"""One look fades into another while it dreams, as looks of a schedule do: by mixed scores, so that no image jumps.

A network is held by the looks that need it alone: when a fade has ended, that of the look before is released.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from dreamvideo.live.dreaming.ascent_task import Look
from dreamvideo.models.mixed_objective import MixedObjective, mix_objectives
from dreamvideo.schedule.curve import share_between
from dreamvideo.schedule.keyed_sets import MORPH, SETTLING
from dreamvideo.settings.timeline import mixed_settings

SETTLED: Final = MORPH + SETTLING  # seconds from the begin of a fade until steps are as large as ever
FADING_RATE: Final = 16  # ascents per second, with fewer of which a fade takes longer; chosen by eye

MOST_LOOKS_AT_ONCE: Final = 4  # of a fade that begins while others go on; the faintest are left out


@dataclass(frozen=True, slots=True)
class LookFade:
    """A fade from what is dreamed to another look.

    Attributes:
        begins: what is dreamed when it begins, with shares that add up to 1; nothing when the end is there.
        end: what is dreamed when it has ended.
        mixed: of all of them, the end last; its shares are set by `look_at`.
        begin: when it begins, seconds; None: the first ascent of it has yet to be done, which takes longer than others.
        ascents: that were done since then.
    """

    begins: tuple[tuple[Look, float], ...]
    end: Look
    mixed: Look
    begin: float | None = None
    ascents: int = 0

    @property
    def changes_network(self) -> bool:
        """Whether the end has another network than any other part."""
        return any(look.network.score.features is not self.end.network.score.features for look, _ in self.begins)

    def passed(self, now: float) -> Fraction:
        """Return how far it is at a time in seconds: seconds of a fade, of which a few ascents cannot do many."""
        if self.begin is None or now <= self.begin:
            return Fraction(0)
        return min(Fraction(now - self.begin), Fraction(self.ascents, FADING_RATE))

    def share(self, now: float) -> float:
        """Return the share of the end, 0 to 1, at a time in seconds."""
        passed = self.passed(now)
        return 1.0 if passed >= MORPH else share_between(Fraction(0), MORPH, passed, "ease")

    def parts(self, now: float) -> tuple[tuple[Look, float], ...]:
        """Return what is dreamed at a time, with shares that add up to 1."""
        share = self.share(now)
        return (*((look, part * (1 - share)) for look, part in self.begins), (self.end, share))

    def look_at(self, now: float) -> Look:
        """Return what is dreamed at a time, in seconds; until the next call, which changes its shares."""
        share = self.share(now)
        if share == 1:
            return self.end if self.passed(now) >= SETTLED else replace(self.end, fades=True)
        parts = self.parts(now)
        score = self.mixed.network.score
        assert isinstance(score, MixedObjective)
        score.weigh([part for _, part in parts])
        settings = mixed_settings([(look.settings, part) for look, part in parts])
        return replace(self.mixed, settings=settings, end=self.end, share=share, fades=True)

    def arrived(self) -> LookFade:
        """Return the rest of it, when the end is there alone: it does not hold the looks before."""
        return replace(self, begins=(), mixed=self.end)


def fade_to(parts: Sequence[tuple[Look, float]], end: Look) -> LookFade:
    """Begin a fade.

    Args:
        parts: what is dreamed now, with shares that add up to 1.
        end: what is to be dreamed; it is on the same device.
    """
    kept = sorted(parts, key=lambda part: part[1], reverse=True)[: MOST_LOOKS_AT_ONCE - 1]
    whole = sum(share for _, share in kept)
    begins = tuple((look, share / whole) for look, share in kept)
    scores = [look.network.score for look in (*(look for look, _ in begins), end)]
    network = replace(end.network, score=mix_objectives(scores, end.network.device))
    return LookFade(begins, end, Look(network, end.settings, choice=end.choice))
