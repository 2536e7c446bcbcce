"""The way of a frame from its reader to its writer: cuts, motion, lanes, batches, and back into order.

split_shots      which shot and segment each frame belongs to                       (video.shots)
split_long_shots with --split-shots, parts of long shots that are dreamed independently  (video.seams)
estimate_ahead   optical flow of each frame, in threads                             (video.flow_stage)
LaneQueue        the frames that wait, shot by shot; which of them make a batch     (video.lanes)
dream_shots      what a frame takes, and its dream, as one batch what can be        (video.dream_shots)
fetch_dreams     dreams arrive from the device, while the next batch is dreamed
dissolve_dreams  the two dreams of a frame at a seam become one                     (video.dissolve)
meet_first       with --seamless, so do those of a frame at the end of a film       (video.film_ends)
in_order         frames leave in the order in which they came                       (video.lanes)
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.devices import runs_asynchronously
from dreamvideo.errors import SettingsError
from dreamvideo.frames import Frame, Frames, checked_frames
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.models.look_networks import LookNetworks
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.settings.timeline import Schedule
from dreamvideo.threads import prefetch
from dreamvideo.torch_state import in_plain_torch
from dreamvideo.video.dissolve import dissolve_dreams
from dreamvideo.video.dream_shots import ShotDreamer, dream_shots, fetch_dreams
from dreamvideo.video.dream_stream import on_own_stream
from dreamvideo.video.film_ends import meet_first
from dreamvideo.video.flow_stage import estimate_ahead, flow_threads
from dreamvideo.video.lanes import LaneQueue, LaneStep, in_order, lanes_for
from dreamvideo.video.moments import SettingsAt, as_schedule
from dreamvideo.video.shots import DreamInput, single_input, split_shots

# Bytes of images that may wait, read or dreamed, so that later shots can be dreamed beside the first. By eye: about
# 170 frames of 1080 lines.
READ_AHEAD_BYTES = 1 << 30


def dream_video(
    frames: Iterable[Frame],
    network: Network | LookNetworks | None,
    dream: DreamSettings | SettingsAt | Schedule,
    carry: CarrySettings,
    budget: MemoryBudget | None = None,
    resume: ResumePoint | None = None,
    keep_on_device: bool = False,
    first: Frame | None = None,
) -> Frames:
    """Dream frames, carrying the dream along the motion; optical flow is estimated ahead in a thread.

    Args:
        frames: to be dreamed, times ascending; closed at the end, if they can be. Each image is copied, so that they
            may share one buffer.
        network: what dreams; None: the frames pass through as they are.
        dream: how a frame is dreamed; or a function of its time, in seconds, that returns that or a `Moment`.
        carry: how a dream is carried from frame to frame, and how many shots are dreamed at once.
        budget: of memory; None: a new one, which learns what fits.
        resume: where an earlier run ended, see `resume_point`; `frames` then begin with its last finished frame.
        keep_on_device: images that were dreamed on a GPU stay there, as tensors; else all are arrays.
        first: the first frame of the film, where `frames` begin later: `carry.seamless` needs it.

    Returns:
        The dreamed frames one for one in order, with the same times; those that `resume` counts are not among them.

    Raises:
        WeightsError, ModelError: of the network for the flow.
        MemoryBudgetError: an image does not fit into memory.
        SettingsError: a frame is not (H, W, 3) uint8; `dream` is no settings; `first` is missing.
        Whatever `frames` raises.
    """
    if carry.seamless and resume is not None and first is None:
        raise SettingsError("seamless with resume: expected first, the first frame of the film")
    inputs = single_input(
        checked_frames(frames), resume, None if first is None else lambda: next(checked_frames([first]))
    )
    with closing(dream_inputs(inputs, network, dream, carry, budget, keep_on_device)) as outputs:
        for _, dreamed in outputs:
            yield from dreamed


def dream_inputs(
    inputs: Generator[DreamInput, None, None],
    network: Network | LookNetworks | None,
    dream: DreamSettings | SettingsAt | Schedule,
    carry: CarrySettings,
    budget: MemoryBudget | None = None,
    keep_on_device: bool = False,
) -> Generator[tuple[int, Frames], None, None]:
    """Dream several inputs, shots of which may be dreamed side by side.

    Args:
        inputs: opened one after the other as they are needed; closed at the end.
        network, dream, carry, budget, keep_on_device: as for `dream_video`.

    Yields:
        (number, dreamed frames) of each input that has frames, in order. Take all frames of one before the next.

    Raises:
        WeightsError, ModelError: of the network for the flow.
        MemoryBudgetError: an image does not fit into memory.
        Whatever the inputs raise.
    """
    schedule = as_schedule(dream, carry)
    if network is None or (isinstance(dream, DreamSettings) and not dream.iterations):
        steps = split_shots(inputs, alone=True)
        pairs = ((step, replace(step.frame, segment=step.segment, host=None)) for step in steps)
        yield from _by_input(pairs)
        return
    networks = network if isinstance(network, LookNetworks) else LookNetworks((network,))
    device = networks.main.device
    ahead = runs_asynchronously(device)

    def lanes_of(frame: Frame) -> int:
        height, width = frame.image.shape[:2]
        return carry.lanes or (lanes_for(height * width) if ahead else 1)

    def flow_at_once(frame: Frame) -> bool:
        return ahead or lanes_of(frame) == 1  # else motion at full size would fill the memory

    threads = flow_threads(carry, device) if ahead else 1  # on a CPU the dream needs the cores
    with ExitStack() as stack:
        pool = ThreadPoolExecutor(threads, "flow")
        stack.callback(pool.shutdown, cancel_futures=True)
        estimated = in_plain_torch(estimate_ahead(inputs, carry, device, ahead, pool, flow_at_once))
        waiting = stack.enter_context(closing(prefetch(estimated, depth=threads)))
        queue = LaneQueue(waiting, lanes_of, READ_AHEAD_BYTES, 2 if ahead else 1)
        dreamer = ShotDreamer(networks, schedule, budget, keep_on_device)
        pending = in_plain_torch(on_own_stream(dream_shots(queue, dreamer, device, ahead), device))
        landed = in_plain_torch(meet_first(dissolve_dreams(fetch_dreams(pending, late=ahead))))
        yield from _by_input(in_order((step.index, (step, frame)) for step, frame in landed))


def _by_input(
    pairs: Generator[tuple[LaneStep, Frame], None, None],
) -> Generator[tuple[int, Frames], None, None]:
    """Frames of each input."""
    with closing(pairs):
        for number, group in itertools.groupby(pairs, lambda pair: pair[0].input):
            yield number, (frame for step, frame in group if not step.hidden)
