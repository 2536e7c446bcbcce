"""The tunnel of a live dream: each frame shows the one before it again, zoomed and turned, with a little of the camera.

Video feedback (Crutchfield 1984): a camera that looks at its own screen. The motion is not estimated but known. Apart
from what moves, the dream is that of `tracking`; its residual is then the difference of the whole tunnel to the image
of the camera. The limit on its strength, and `CAMERA_PER_SECOND`, bring the camera back.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

from dreamvideo.live.dreaming.tracking import TrackedDream, track_motion
from dreamvideo.motion.frame_motion import Motion, no_motion, shrink_motion, small_size
from dreamvideo.motion.occlusion import remap
from dreamvideo.motion.similarity import backward_flow, inside_share, sampled_at, zoom_about
from dreamvideo.motion.warp import warp
from dreamvideo.settings.zoom import Feedback

# Share of a tunnel that is left after a second. Chosen by eye: the camera is recognized at any time, in several depths.
CAMERA_PER_SECOND: Final = 0.2

OUTSIDE: Final = 0.5  # of `inside_share`; below it a place has come in at the border


@lru_cache(maxsize=4)
def tunnel_motion(feedback: Feedback, size: tuple[int, int], device: torch.device) -> Motion:
    """Return the motion of a tunnel from frame to frame.

    Args:
        feedback: zoom and turn.
        size: (height, width) px.
        device: where its planes go.
    """
    height, width = size
    center = complex((width - 1) / 2, (height - 1) / 2)
    move = zoom_about(center, math.log(feedback.zoom), math.radians(feedback.rotate))
    cpu = torch.device("cpu")
    backward = backward_flow(move, size, cpu)
    trust = inside_share(sampled_at(move, size, cpu), size)
    occluded = trust < OUTSIDE
    return replace(
        no_motion(height, width, device),
        backward=backward.to(device),
        occluded=occluded.to(device),
        trust=trust.to(device),
        unseen=float(occluded.float().mean()),
        camera=None,
        small=shrink_motion(backward, trust, small_size(height, width)),
    )


def track_tunnel(
    dream: TrackedDream, source: Tensor, motion: Motion, seconds: float, persistence: float = 1.0
) -> TrackedDream:
    """Carry a tunnel to the next frame.

    Args:
        dream: of the frame before.
        source: (1, 3, h, w) uint8, the current frame.
        motion: of `tunnel_motion`.
        seconds: time between the two, in which the camera comes back.
        persistence: weight of the tunnel beside that, 0 to 1.
    """
    moved = track_motion(dream, source, motion, 0.0)
    sample = warp if motion.backward.is_cuda else remap
    before = sample(dream.source.float(), motion.backward, "bicubic")
    passed = (before - source.float()).div_(255)
    residual = (moved.carry.residual + passed) * (motion.trust * (persistence * CAMERA_PER_SECOND**seconds))
    return replace(moved, carry=replace(moved.carry, residual=residual), is_zero=False)
