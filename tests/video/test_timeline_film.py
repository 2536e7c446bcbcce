"""The sample under a timeline: two seconds after a key it is as a film dreamed so throughout, and no frame jumps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dreamvideo.frames import Frame
from dreamvideo.media.video_reader import open_video
from dreamvideo.models.look_networks import LookNetworks, load_looks
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import ReadSettings
from dreamvideo.settings.network_looks import network_look
from dreamvideo.settings.schedules import LookSettings, TimelineSettings, scheduled_looks
from dreamvideo.settings.timeline import open_timeline
from dreamvideo.video.pipeline import dream_video

SAMPLE = Path(__file__).parents[2] / "samples" / "valley.mp4"
MODEL = ModelSettings("dreamnet", device="cpu")
STEPS = "0:0.008, 1s:0.016 ease, 5s:0.016, 5.2s:0.010 ease"  # shots begin at 2.3 s and 4.8 s
AS_THROUGHOUT = 0.15  # share by which strength and odds may differ
NO_JUMP = 1.3  # times the largest change from frame to frame with one look
RATE = 24


@dataclass(frozen=True)
class Film:
    """Sources and dreams of a film, (N, H, W, 3) float32 of 0 to 255."""

    sources: NDArray[np.float32]
    dreams: NDArray[np.float32]

    def strength(self, time: float) -> float:
        """Mean difference between dream and source."""
        at = round(time * RATE)
        return float(np.abs(self.dreams[at] - self.sources[at]).mean())

    def largest_change(self, begin: float, end: float) -> float:
        """Of a frame to the next, in levels."""
        part = self.dreams[round(begin * RATE) : round(end * RATE)]
        return float(np.abs(np.diff(part, axis=0)).mean((1, 2, 3)).max())

    def odds(self, looks: LookNetworks, number: int, time: float) -> float:
        """By how much more energy than in the source a look is seen."""
        score = looks.mixed([(number, 1.0)]).score
        pair = np.stack([each[round(time * RATE)] for each in (self.sources, self.dreams)])
        with torch.no_grad():
            source, dream = score(torch.from_numpy(pair).permute(0, 3, 1, 2) / 255).tolist()
        return float(np.exp(dream - source))


def dreamed(frames: list[Frame], looks: LookNetworks, dream: object) -> Film:
    """Dream frames."""
    dreams = [frame.image for frame in dream_video(frames, looks, dream, CarrySettings())]  # type: ignore[arg-type]
    sources = [frame.image for frame in frames]
    return Film(np.stack(sources).astype(np.float32), np.stack(dreams).astype(np.float32))


def sample_frames(still: bool) -> list[Frame]:
    """The sample, or a photograph: its first frame throughout."""
    with open_video(SAMPLE, ReadSettings(size=(192, 108))) as source:
        frames = [replace(frame, image=np.array(frame.image)) for frame in source.frames]
    return [Frame(frames[0].image, frame.time) for frame in frames] if still else frames


@pytest.mark.slow
@pytest.mark.parametrize("still", [False, True], ids=["film", "photograph"])
@pytest.mark.parametrize(
    ("option", "keys"),
    [("preset", "0:aquarium, 2.5s:serpents"), ("classes", "0s:dogs, 2.5s:flowers")],
)
def test_a_timeline_gives_what_its_values_give_throughout(option: str, keys: str, still: bool) -> None:
    frames = sample_frames(still)
    settings = TimelineSettings((("step_size", STEPS), (option, keys)))
    base = MODEL, ObjectiveSettings(), DreamSettings(**network_look(MODEL.model))
    looks = load_looks(scheduled_looks(settings, LookSettings(*base)))
    at = open_timeline(settings, *base, CarrySettings(), FilmClock(Fraction(len(frames), RATE), Fraction(RATE)))
    film = dreamed(frames, looks, at)
    fixed = {}
    for look, step in ((0, 0.016), (1, 0.016), (1, 0.010)):
        one = LookNetworks([looks.mixed([(look, 1.0)])])
        fixed[look, step] = dreamed(frames, one, replace(at(Fraction(0)).dream, step_size=step))
    # Two seconds after the key of the look, and after that of a step.
    for time, same in ((4.5, fixed[1, 0.016]), (7.2, fixed[1, 0.010])):
        assert film.strength(time) == pytest.approx(same.strength(time), rel=AS_THROUGHOUT)
        assert film.odds(looks, 1, time) == pytest.approx(same.odds(looks, 1, time), rel=AS_THROUGHOUT)
    largest = max(fixed[look, 0.016].largest_change(2.5, 4.5) for look in (0, 1))
    assert film.largest_change(2.5, 4.5) < NO_JUMP * largest
    last, only = (each.odds(looks, 0, 7.2) for each in (film, fixed[1, 0.010]))
    assert last < 1.3 * only < 0.7 * fixed[0, 0.016].odds(looks, 0, 7.2), "the first look is gone"
