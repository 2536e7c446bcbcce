"""A zoom film: each frame is the dream before it, moved exactly, and dreamed a little more.

The tunnel of Mordvintsev, Olah, Tyka 2015, which crops each dream and dreams it again. What differs:

- A frame takes one small step at the finest octave and one at a coarser one in turn, instead of a whole dream: it does
  not flicker. What has come in at the borders takes more, in windows.
- The dream is kept in float and resampled by Lanczos' kernel, and its tone is held (`tone_hold`): it neither blurs nor
  burns nor fades.
- A little of the endless photo is mixed in all the time (`endless_photo`). It moves with the dream, brings new detail
  that is sharp at every depth, and keeps the film from becoming one texture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from safetensors.torch import load, save
from torch import Tensor

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.ascent.octaves import dream_octaves, octave_sizes
from dreamvideo.ascent.tiling import Score
from dreamvideo.frames import Frame, Frames
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.models.network import Network
from dreamvideo.motion.lanczos_warp import warp_lanczos
from dreamvideo.motion.similarity import blur_of_sampling, inside_share, sampled_at
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import fetch, to_uint8, upload
from dreamvideo.torch_state import in_plain_torch
from dreamvideo.video.endless_photo import EndlessPhoto
from dreamvideo.video.growth import LocalStep, count_cells, grow, plan_local_steps
from dreamvideo.video.progress import LOCAL_SHARE
from dreamvideo.video.tone_hold import Tone, hold_tone, measure_tone
from dreamvideo.video.zoom_ends import MeetingEnds
from dreamvideo.video.zoom_path import ZoomPath

PHOTO_SHARE = (
    0.07  # of the endless photo in each frame: half of what a dream added is gone in 10. By eye: 0.04 ends in blobs
)
STEP = 0.5  # size of the steps of a frame over those of the first; the same as `CarrySettings.warm_step`
COARSE_TURN = 4  # of so many frames one steps at a coarser octave too, each in its turn; as other films do
NEW_STEP = 1.2  # the same where the picture is new; by eye: smaller ones leave a rim of photo when zooming out
GROWN_FRAMES = 16  # until what is new counts as dreamed like the rest


@dataclass(frozen=True, slots=True)
class ZoomState:
    """What one frame hands to the next."""

    dream: Tensor  # (1, 3, H, W) float32 in [0, 1]
    age: Tensor  # (1, 1, H, W) float32 in [0, 1]: frames since a pixel came in at the border, over GROWN_FRAMES
    tone: Tone  # of the first dream, held
    target_score: Tensor  # (1,) float32 of the first dream, held


@dataclass(frozen=True, slots=True)
class ZoomFilm:
    """A film that is to be dreamed."""

    photo: EndlessPhoto
    path: ZoomPath
    frame_rate: Fraction
    seamless: bool = False


@dataclass(frozen=True, slots=True)
class ZoomDreamer:
    """Dreams the frames of a zoom film."""

    film: ZoomFilm
    network: Network | None  # None: nothing is dreamed
    dreaming: DreamSettings
    budget: MemoryBudget

    def first(self, frame: int) -> ZoomState:
        """Dream a frame in full, without one before it.

        Args:
            frame: its index.
        """
        pose = self.film.path.pose(frame)
        comes_nearer = pose == (0.0, 0.0) and self.film.path.log_zooms[1] > 0
        source = self.film.photo.whole() if comes_nearer else self.film.photo.seen(frame)
        dream = self._ascend(source, lambda score: dream_octaves(source, score, self.dreaming))
        target = self._ascend(dream, lambda score: score(dream).detach())
        return ZoomState(dream, torch.ones_like(dream[:, :1]), measure_tone(dream), target)

    def following(self, last: ZoomState, frame: int) -> ZoomState:
        """Dream a frame from the one before it.

        Args:
            last: after the frame before.
            frame: its index.
        """
        source = self.film.photo.seen(frame)
        size = (source.shape[2], source.shape[3])
        points = sampled_at(self.film.path.step(frame), size, source.device)
        inside = inside_share(points, size)
        moved = torch.lerp(source, warp_lanczos(last.dream, points).clamp(0, 1), inside * (1 - PHOTO_SHARE))
        need = 1 - warp_lanczos(last.age, points).clamp(0, 1) * inside
        index = frame % self.film.path.count
        steps, local = self._steps(need, size, index)
        holds_score = self.network is not None and self.network.score.logarithmic

        def work(score: Score) -> Tensor:
            residual = moved - source
            for step in local:
                residual = grow(source, residual, need, score, self.dreaming, [step])
            return dream_octaves(
                source,
                score,
                self.dreaming,
                residual=residual,
                step_scale=STEP + (NEW_STEP - STEP) * need,
                steps_per_octave=steps,
                jitter_index=[index],
                target_score=last.target_score if holds_score else None,
            )

        if self.network is None:
            return replace(last, dream=moved)
        dream = hold_tone(self._ascend(source, work), last.tone, blur_of_sampling(points))
        return replace(last, dream=dream, age=(1 - need + 1 / GROWN_FRAMES).clamp(max=1))

    def _steps(self, need: Tensor, size: tuple[int, int], index: int) -> tuple[list[int], tuple[LocalStep, ...]]:
        """Steps of the whole image at each octave, smallest first; and those in windows."""
        coarser = len(octave_sizes(*size, self.dreaming)) - 1
        steps = [0] * coarser + [1]
        if coarser and index % COARSE_TURN == 1:
            steps[coarser - 1 - index // COARSE_TURN % coarser] = 1
        cells = fetch(count_cells(need))().numpy()
        if cells.mean() < LOCAL_SHARE:
            return steps, ()
        local = plan_local_steps(cells, size, self.dreaming, index, 2, steps)
        return steps, tuple(step for step in local if step.windows)

    def _ascend(self, source: Tensor, work: Callable[[Score], Tensor]) -> Tensor:
        if self.network is None:
            return source
        (dream,) = self.budget.run_in_batches(source, self.network.score, lambda _, score: [work(score)])
        return dream


def dream_zoom(
    film: ZoomFilm,
    network: Network | None,
    dreaming: DreamSettings,
    budget: MemoryBudget | None = None,
    resume: ResumePoint | None = None,
) -> Frames:
    """Dream the frames of a zoom film.

    Args:
        film: the photo and its path.
        network: what dreams; None: nothing, the endless photo is shown.
        dreaming: how.
        budget: of memory; None: a new one.
        resume: where an earlier run ended; the frames that it counts are not among those returned.

    Returns:
        The frames in order, each with the state after it to be stored.

    Raises:
        MemoryBudgetError: a frame does not fit into memory.
    """
    dreamer = ZoomDreamer(film, network, dreaming, budget or MemoryBudget())
    return in_plain_torch(_frames(dreamer, resume))


def _frames(dreamer: ZoomDreamer, resume: ResumePoint | None) -> Frames:
    film, count = dreamer.film, dreamer.film.path.count
    state, ends = None, None
    if film.seamless:
        ends, state = _warm_up(dreamer)
    start = 0
    if resume is not None and resume.carry is not None:
        start, state = resume.frames, zoom_from_bytes(resume.carry, film.photo.levels[0].device)
    for frame in range(start, count):
        state = dreamer.first(frame) if state is None else dreamer.following(state, frame)
        if ends is not None:
            state = replace(state, dream=ends.meet(state.dream, frame))
        image = fetch(to_uint8(state.dream))().numpy()
        time, duration = frame / film.frame_rate, 1 / film.frame_rate
        yield Frame(image, Fraction(time), Fraction(duration), carry=_stored(state))


def _warm_up(dreamer: ZoomDreamer) -> tuple[MeetingEnds, ZoomState]:
    """Dream the frames that lead to the first one, which the film is to end with."""
    path = dreamer.film.path
    ends = MeetingEnds.of(path, float(dreamer.film.frame_rate))
    state = dreamer.first(-ends.frames)
    for frame in range(1 - ends.frames, 0):
        ends.add(state.dream)
        state = dreamer.following(state, frame)
    ends.add(state.dream)
    return ends, state


def _stored(state: ZoomState) -> Callable[[], bytes]:
    return lambda: zoom_to_bytes(state)


def zoom_to_bytes(state: ZoomState) -> bytes:
    """Return the state of a zoom film as a safetensors file.

    Args:
        state: after a frame.
    """
    tensors = {"dream": state.dream, "age": state.age, "energies": state.tone.energies, "mean": state.tone.mean}
    tensors["target_score"] = state.target_score
    return save({name: fetch(tensor)().contiguous() for name, tensor in tensors.items()})


def zoom_from_bytes(content: bytes, device: torch.device) -> ZoomState:
    """Load the state of a zoom film.

    Args:
        content: what `zoom_to_bytes` returned.
        device: where it goes.
    """
    tensors = {name: upload(tensor, device) for name, tensor in load(content).items()}
    return ZoomState(
        tensors["dream"], tensors["age"], Tone(tensors["energies"], tensors["mean"]), tensors["target_score"]
    )
