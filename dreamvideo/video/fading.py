"""Fading: how much of the picture that a dream belongs to is still there.

A small copy of that picture is carried along the motion, as the residual is, and each frame is compared with it. Where
a film fades out, the frame is the copy times a factor, and the dream fades by it. Where it dissolves, the copy is less
and less correlated with the frame, and the dream is gone when the other picture begins to show most. Where a picture
grows out of black, or has taken the place of another, the dream grows on and its goals are measured anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.motion.frame_motion import Motion, shrink_motion, small_size
from dreamvideo.motion.occlusion import remap
from dreamvideo.video.progress import Progress

LAYOUT_SIGMA = 5.0  # of them; larger shapes, such as a bright sky, are alike in many pictures and do not count
NOISE = 1.0  # gray levels of a pixel of the copy that may be noise

# By measurement on ten clips: without fades the correlation of frame and copy is 0.66 or more, the factor 0.77 to 1.5,
# where it is above 1.25 at a correlation of at most 0.87; in a fade in at one of at least 0.95.
CLEAR, GONE = 0.65, 0.5  # correlations: above the first the picture is all there, below the second it is another one
WHOLE = 0.75  # factor, above which the picture has not faded
GROWN, SAME = 1.25, 0.92  # factor and correlation, above both of which it has grown, and goals are measured anew
GROWN_MUCH = 2.0  # factor, above which it has whatever the correlation: that with an almost black copy is low
REFRESH = 1 / 100  # share of the frame in the next copy: light changes, and a copy that is moved often blurs
RISE = 0.1  # the most by which the visible share grows in a frame, so that no dream appears at once. By eye
FAINTEST = 1e-3  # visible share, by which a gain divides


@dataclass(frozen=True, slots=True)
class Fade:
    """How the picture of one frame became that of the next."""

    copy: Tensor  # the next frame's
    visible: float  # share of the dream that the frame shows, 0..1
    gain: float  # factor on the residual
    renewed: float  # share of the picture that is new, 0..1; above 0 the goals are to be measured anew


def begin_fading(
    first: Progress, image: NDArray[np.uint8], presence: float, size: tuple[int, int] | None = None
) -> Progress:
    """Return the progress after a shot's first frame: its dream belongs to that picture, and is as faint.

    Args:
        first: without a picture.
        image: (H, W, 3) RGB of the frame, or a copy of it.
        presence: of a picture in it, above 0.
        size: as for `picture_copy`.
    """
    return replace(first, copy=picture_copy(image, size), visible=presence)


def fade_progress(
    progress: Progress,
    image: NDArray[np.uint8],
    presence: float,
    motion: Motion,
    size: tuple[int, int] | None = None,
) -> tuple[Progress, float]:
    """Return the progress that a frame starts from, faded with the picture, and the factor on its residual.

    Args:
        progress: moved to the frame.
        image: (H, W, 3) RGB of the frame, or a copy of it.
        presence: of a picture in it, above 0.
        motion: from the frame before to this one.
        size: as for `picture_copy`.
    """
    if progress.copy is None:
        return progress, 1.0
    fade = follow_picture(progress.copy, progress.visible, picture_copy(image, size), presence, motion)
    faded = replace(
        progress,
        age=progress.age * (1 - fade.renewed) if fade.renewed else progress.age,
        unseen=min(1.0, progress.unseen + fade.renewed),
        copy=fade.copy,
        visible=fade.visible,
        renewed=fade.renewed > 0,
        ground=None if fade.renewed else progress.ground,
    )
    return faded, fade.gain


def picture_copy(image: NDArray[np.uint8], size: tuple[int, int] | None = None) -> Tensor:
    """Return a copy of a picture.

    Args:
        image: (H, W, 3) RGB.
        size: (height, width) px of the picture, of which `image` may be a copy; None: that of `image`.

    Returns:
        (1, 1, h, w) float32 gray levels, small, without its large shapes.
    """
    height, width = small_size(*(size or image.shape[:2]))
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32).mean(2)
    layout = cv2.GaussianBlur(small, (0, 0), LAYOUT_SIGMA, borderType=cv2.BORDER_REFLECT)
    return torch.from_numpy(cast("NDArray[np.float32]", small - layout))[None, None]


def follow_picture(copy: Tensor, visible: float, now: Tensor, presence: float, motion: Motion) -> Fade:
    """Compare a frame with the picture that its dream belongs to.

    Args:
        copy: (1, 1, h, w) of that picture, at the frame before.
        visible: share of the dream that the frame before shows, 0..1.
        now: (1, 1, h, w) `picture_copy` of the frame.
        presence: of a picture in the frame, see `motion.picture.presence`.
        motion: from the frame before to this one.
    """
    small, size = motion.small, (now.shape[2], now.shape[3])
    if small is None or small.shape[2:] != size:
        small = shrink_motion(motion.backward, motion.trust, size)
    moved, trust = remap(copy, small[:, :2].contiguous()), small[:, 2:]
    noise = NOISE**2 * trust.sum()
    product, before, after = ((trust * a * b).sum() + noise for a, b in ((moved, now), (moved, moved), (now, now)))
    factor, correlation = (product / before).item(), (product / (before * after).sqrt()).item()
    if correlation < GONE:
        return Fade(now, min(presence, RISE), 0.0, 1.0)
    there = min(1.0, factor / WHOLE) * min(1.0, (correlation - GONE) / (CLEAR - GONE))
    shows = min(there * presence, visible + RISE)
    gain = shows / max(visible, FAINTEST)
    if factor > GROWN_MUCH or (factor > GROWN and correlation > SAME):
        return Fade(now, shows, gain, 1 - 1 / factor)
    return Fade(now + trust * (1 - REFRESH) * (moved - now), shows, gain, 0.0)
