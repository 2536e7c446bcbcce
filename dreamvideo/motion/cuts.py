"""Cut detection: finds where one shot ends and the next begins, frame by frame.

A cut is where the previous image explains nothing of the current one, not even when warped: on images shrunk to about
160 pixels a flow is estimated, and a cut is reported if the flow does not lead back almost anywhere and the warped
previous image is as far from the current one as two unrelated images. A pan moves, a flash brightens and a fade
darkens, but the flow still leads back; plain frame or histogram differences cannot tell these from cuts.

From a plain frame no flow leads anywhere: a whole picture after one is a cut, a faint one is not yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dreamvideo.frames import CUT_SIDE, HostCopy
from dreamvideo.motion.flow import dis
from dreamvideo.motion.occlusion import occlusion_mask, remap
from dreamvideo.motion.picture import contrast_of, presence

# On 1,600 frames of ten clips with six cuts: at cuts 95 to 100 % of the pixels are lost and the warped image differs by
# 0.95 to 2.3 times the contrast; elsewhere at most 77 % and 0.49.
LOST = 0.75
UNLIKE = 0.6
FLATTEST = 4.0  # gray levels of contrast; two black images are alike

# alike: the current image shows what the previous one does, if moved; unlike: something else, such as a flash; cut: it
# begins a new shot.
Comparison = Literal["alike", "unlike", "cut"]
Compare = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Comparison]  # (current, previous), each (H, W, 3) uint8 RGB
CompareCopies = Callable[[HostCopy, HostCopy], Comparison]  # (current, previous)


def cut_detector() -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], bool]:
    """Return a function that tells whether a frame begins a new shot. Use one per thread.

    Returns:
        (current, previous), each (H, W, 3) uint8 RGB -> True if `current` begins a new shot; images of different sizes
        do not belong to one shot.
    """
    compare = frame_comparer()
    return lambda current, previous: compare(current, previous) == "cut"


def frame_comparer() -> Compare:
    """Return a function that tells how an image follows another one. Use one per thread."""
    compare = copy_comparer()
    return lambda current, previous: compare(HostCopy(current), HostCopy(previous))


def copy_comparer() -> CompareCopies:
    """Return a function that tells how a frame follows another one, by what the processor reads. Use one per thread."""
    estimate = dis()

    def compare(current: HostCopy, previous: HostCopy) -> Comparison:
        if current.image.shape != previous.image.shape:
            return "cut"
        if np.array_equal(current.image, previous.image):
            return "alike"
        images = [_shrink(copy.image) for copy in (current, previous)]
        contrast = _contrast(images[0])
        # Most frames are like the previous one as it stands.
        if cv2.norm(images[0], images[1], cv2.NORM_L1) / images[0].size <= UNLIKE * contrast:
            return "alike"
        now, before = (torch.from_numpy(image).permute(2, 0, 1)[None] for image in images)
        after, until = (presence(contrast_of(copy.image, copy.noise)) for copy in (current, previous))
        if not (after and until):
            return "alike" if after == until else "cut" if after == 1 else "unlike"
        flow = estimate(now, before)
        if (remap(before.float(), flow.backward) - now).abs().mean() <= UNLIKE * contrast:
            return "alike"
        lost = occlusion_mask(*flow).float().mean()
        return "cut" if lost > LOST else "unlike"

    return compare


def _contrast(image: NDArray[np.uint8]) -> float:
    """The standard deviation of the pixels, the mean of the channels', in gray levels."""
    count = image.shape[0] * image.shape[1]
    deviation = cv2.meanStdDev(image)[1].mean() * (count / max(1, count - 1)) ** 0.5
    return max(FLATTEST, float(deviation))


def _shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    h, w = image.shape[:2]
    scale = min(1.0, CUT_SIDE / max(h, w))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    return cast("NDArray[np.uint8]", cv2.resize(image, size, interpolation=cv2.INTER_AREA))
