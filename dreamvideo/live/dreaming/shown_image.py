"""What is shown of a live dream: the dream over the image of the camera, that image alone, or black."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from dreamvideo.live.dreaming.device_images import compose_planes, enlarged_planes
from dreamvideo.live.dreaming.state import LiveFrameState
from dreamvideo.live.dreaming.tracking import compose_image, enlarged_source
from dreamvideo.live.named_controls import number_of
from dreamvideo.tensors import fetch


def compose_frame(state: LiveFrameState) -> Callable[[], NDArray[np.uint8]]:
    """Return a function that returns the (H, W, 3) dreamed image; on a device the work on it has begun."""
    controls = state.controls
    if controls.black or controls.source:
        image = np.zeros_like(state.camera) if controls.black else state.camera
        return lambda: image
    tunnel = controls.feedback is not None  # in which the camera's own detail has no place
    amount = number_of(controls, "amount", 1.0)
    if state.planes is None:
        camera = enlarged_source(state.dream.source, state.camera.shape[:2]) if tunnel else state.camera
        return functools.partial(compose_image, state.dream, camera, amount)
    planes = enlarged_planes(state.dream.source, state.camera.shape[:2]) if tunnel else state.planes
    fetched = fetch(compose_planes(state.dream.carry.residual, planes, amount))
    return lambda: cast("NDArray[np.uint8]", fetched().numpy())
