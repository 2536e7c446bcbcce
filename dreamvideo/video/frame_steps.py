"""Frame steps: which steps a frame that continues a shot takes, of the whole image and in windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from dreamvideo.ascent.octaves import dreamed_area, octave_sizes
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.tensors import fetch
from dreamvideo.video.growth import LocalStep, count_cells, covered_by, plan_local_steps
from dreamvideo.video.octave_turns import UNSEEN_LIMIT, steps_per_octave
from dreamvideo.video.progress import GROWN_STEPS, Progress

# Size of the steps while one look gives way to another, over the usual one. The finest octave then steps in every frame
# instead of every other, so that the other look is there as soon. By measurement: a frame of a still photograph changes
# by at most 1.3 times the most by which it changes in one look; with usual steps by 2.4 times.
MORPH_STEP = 0.36

LOCAL_STEPS, LOCAL_STEPS_GPU = 1, 4  # a frame, where the settings leave it open


@dataclass(frozen=True, slots=True)
class FrameSteps:
    """The steps of a frame."""

    octaves: tuple[int, ...]  # steps of the whole image at each octave, smallest first
    local: tuple[LocalStep, ...]  # in windows, before those
    need: Tensor  # (1, 1, H, W) in [0, 1], how much each place has to be dreamed anew
    after: Progress  # of the frame when it is dreamed
    area: Tensor | None  # (1, 1, H, W) `dreamed_area`; None: everywhere


def octave_steps(
    progress: Progress,
    size: tuple[int, int],
    dreaming: DreamSettings,
    carrying: CarrySettings,
    morphs: bool = False,
) -> tuple[int, ...]:
    """Return the steps of the whole image at each octave.

    Args:
        progress: moved to the frame.
        size: (height, width) px.
        dreaming: the octaves.
        carrying: `warm_iterations` and `local_steps` are read.
        morphs: one look gives way to another, so that the finest octave steps in every frame.

    Returns:
        Numbers of steps, smallest octave first.
    """
    octaves = len(octave_sizes(*size, dreaming))
    much_unseen, local = morphs or progress.unseen > UNSEEN_LIMIT, progress.grows and carrying.local_steps != 0
    return steps_per_octave(octaves, progress.frame_index, carrying.warm_iterations, much_unseen, local)


def morphing(carrying: CarrySettings) -> CarrySettings:
    """Return the settings of the carry while one look gives way to another: steps are smaller.

    Args:
        carrying: without that.
    """
    return replace(carrying, warm_step=carrying.warm_step * MORPH_STEP)


def plan_steps(
    progress: Progress,
    source: Tensor,
    dreaming: DreamSettings,
    carrying: CarrySettings,
    octaves: tuple[int, ...] | None = None,
) -> Callable[[], FrameSteps]:
    """Begin to decide which steps a frame takes.

    Args:
        progress: moved to the frame.
        source: (1, 3, H, W) in [0, 1].
        dreaming: the octaves.
        carrying: `warm_iterations` and `local_steps` are read.
        octaves: steps of the whole image; None: `octave_steps`.

    Returns:
        A function that waits for what the device counts, if anything grows, and decides.
    """
    size = (source.shape[2], source.shape[3])
    steps = octave_steps(progress, size, dreaming, carrying) if octaves is None else octaves
    area = dreamed_area(source, dreaming)
    need = progress.need if area is None or not progress.grows else progress.need * area
    calls = 0
    if progress.grows:
        most = LOCAL_STEPS if need.device.type == "cpu" else LOCAL_STEPS_GPU
        calls = most if carrying.local_steps is None else carrying.local_steps
    counted = fetch(count_cells(need)) if calls > any(steps) else None  # the whole image's turn counts as one

    def decide() -> FrameSteps:
        local: tuple[LocalStep, ...] = ()
        if counted is not None:
            local = plan_local_steps(counted().numpy(), size, dreaming, progress.frame_index, calls, steps)
        age = progress.age
        for step in local:
            if step.windows:
                age = (age + covered_by(step, size, dreaming, age.device) / GROWN_STEPS).clamp(max=1)
        if any(steps):
            age = (age + steps[-1] / GROWN_STEPS).clamp(max=1)
        return FrameSteps(steps, local, need, replace(progress, age=age, renewed=False), area)

    return decide
