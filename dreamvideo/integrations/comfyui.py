"""A node for ComfyUI: a batch of images is dreamed as the frames of a video, or each by itself.

To use it, install dreamvideo into ComfyUI's Python and put this into `custom_nodes/dreamvideo_nodes/__init__.py`:

    from dreamvideo.integrations.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

ComfyUI's images are (B, H, W, C) float in [0, 1], its masks (B, H, W) or (H, W). Of ComfyUI itself only
`comfy.utils.ProgressBar` is used, if it is there: it shows progress, and by it ComfyUI cancels.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.frames import Frame, Frames
from dreamvideo.jobs.dream_file import with_look
from dreamvideo.models.network import Network, load_network
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.presets import PRESETS
from dreamvideo.video.pipeline import dream_video

NO_PRESET: Final = "none"
_RATE: Final = Fraction(24)  # frames a second; any, as nothing here depends on time


class DreamImages:
    """The node: images in, dreamed images out."""

    CATEGORY = "image/dreamvideo"
    FUNCTION = "dream_images"
    RETURN_TYPES = ("IMAGE",)
    DESCRIPTION = "DeepDream. With carry a batch is dreamed as the frames of a video, stable over time."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, tuple[Any, ...]]]:
        """Return the inputs of the node, as ComfyUI asks for them."""
        return {
            "required": {
                "images": ("IMAGE",),
                "preset": ([NO_PRESET, *PRESETS], {"tooltip": "a look; see the documentation of dreamvideo"}),
                "classes": (
                    "STRING",
                    {"default": "", "tooltip": "such as owl, lion:0.5, birds; empty: as the preset has it"},
                ),
                "strength": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 4.0, "step": 0.05}),
                "carry": ("BOOLEAN", {"default": True, "tooltip": "frames of a video; off: each image by itself"}),
            },
            "optional": {"mask": ("MASK", {"tooltip": "dreams where it is white"})},
        }

    def dream_images(
        self, images: Tensor, preset: str, classes: str, strength: float, carry: bool, mask: Tensor | None = None
    ) -> tuple[Tensor]:
        """Dream a batch.

        Args:
            images: (B, H, W, C) float in [0, 1], RGB; of a fourth channel, alpha, nothing is dreamed, and it stays.
            preset: a look by name, or `NO_PRESET`.
            classes: NAME or NAME:WEIGHT, with commas between them; may be empty.
            strength: factor on the size of each step; 0: the images as they are.
            carry: whether the images are frames of a video.
            mask: (B, H, W) or (H, W), or with one mask for all; 1 dreams, 0 is left alone.

        Returns:
            The dreamed images, as they came: shape, device and type.

        Raises:
            DreamVideoError: there is no such class or preset, or the network cannot be used.
        """
        if not strength:
            return (images,)
        network, look = _load(None if preset == NO_PRESET else preset, classes)
        settings = replace(look, step_size=look.step_size * strength)
        carried = CarrySettings() if carry else CarrySettings(persistence=0.0, flow="none")
        dreamed = [
            torch.from_numpy(frame.image) for frame in dream_video(_frames(images, mask), network, settings, carried)
        ]
        result = images.clone()
        result[..., :3] = torch.stack(dreamed).to(images.device, images.dtype) / 255
        return (result,)


@lru_cache(maxsize=1)  # a workflow runs again and again with one look
def _load(preset: str | None, classes: str) -> tuple[Network, DreamSettings]:
    named = tuple(_named(word) for word in classes.split(",") if word.strip())
    model, objective, dream = with_look(ModelSettings(), ObjectiveSettings(classes=named), DreamSettings(), preset)
    return load_network(model, objective), dream


def _named(word: str) -> tuple[str, float]:
    name, _, weight = word.strip().partition(":")
    return name, float(weight or 1)


def _frames(images: Tensor, mask: Tensor | None) -> Frames:
    arrays = _bytes(images[..., :3])
    masks = None if mask is None else _bytes(mask if mask.ndim == 3 else mask[None])
    count = _counter(len(arrays))
    for number, image in enumerate(arrays):
        count()
        own = None if masks is None else masks[min(number, len(masks) - 1)]
        yield Frame(image, number / _RATE, mask=own)


def _bytes(values: Tensor) -> NDArray[np.uint8]:
    return (values.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()  # type: ignore[no-any-return]


def _counter(count: int) -> Callable[[], None]:
    """Counts images on ComfyUI's progress bar; there ComfyUI raises what cancels the workflow."""
    try:
        bar = importlib.import_module("comfy.utils").ProgressBar(count)
    except ImportError:
        return lambda: None
    return lambda: bar.update(1)


NODE_CLASS_MAPPINGS: Final = {"DreamvideoDreamImages": DreamImages}
NODE_DISPLAY_NAME_MAPPINGS: Final = {"DreamvideoDreamImages": "Dream images (dreamvideo)"}
