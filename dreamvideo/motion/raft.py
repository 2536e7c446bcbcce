"""RAFT flow: a network correlates all pairs of two images' features and refines a flow from them step by step.

Teed, Deng 2020 (RAFT: Recurrent All-Pairs Field Transforms for Optical Flow), as in torchvision. The authors evaluate
whole images with up to 32 updates; here images are shrunk first and 12 updates must do: a dream is smoother than the
last pixel of its flow.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamvideo.devices import tf32_products
from dreamvideo.errors import ModelError
from dreamvideo.models.weights import download_weights, load_needed_weights, read_weights
from dreamvideo.motion.flow_pair import FlowEstimator, FlowPair
from dreamvideo.tensors import download, upload

log = logging.getLogger(__name__)

# Network -> its weights: those that torchvision recommends.
WEIGHTS = {"raft_large": "C_T_SKHT_V2", "raft_small": "C_T_V2"}

# Pixels of the shorter side above which flow is estimated on a shrunken image. The correlation of all pairs grows with
# the fourth power of the side: 640x360 pixels take 70 MB, full HD would take 5.6 GB.
LARGEST_SIDE = 360

LEAST_SIDE = 128  # torchvision's `min_size`: below it the coarsest correlation has fewer than two values a side
CELL = 8  # pixels a side for each feature

UPDATES = 12  # as in the authors' training, and torchvision's default


def raft(device: torch.device, weights: str | None = None, tf32: bool | None = None) -> FlowEstimator:
    """Load RAFT and return it as a flow estimator.

    It is raft_large on CUDA and raft_small elsewhere, on the CPU, where raft_large takes seconds a frame.

    Args:
        device: where the dream runs.
        weights: a .pth or .safetensors file; None: torchvision's, downloaded.
        tf32: whether float32 products are rounded to TF32 on CUDA, see `devices.tf32_products`; None: as the process is
            set.

    Raises:
        WeightsError: weights that cannot be read or downloaded.
        ModelError: weights of another network.
    """
    # Flow is estimated in a thread beside the dream, and torch crashes when two threads use Metal at once
    # (https://github.com/pytorch/pytorch/issues/197805).
    flow_device = device if device.type == "cuda" else torch.device("cpu")
    name = "raft_large" if flow_device.type == "cuda" else "raft_small"
    log.info("flow: %s on %s", name, flow_device)
    network = load_raft(name, weights).to(flow_device)

    def estimate(current: Tensor, previous: Tensor) -> FlowPair:
        with tf32_products(tf32):
            return raft_flow(network, flow_device, current, previous)

    return estimate


def load_raft(name: str, weights: str | None) -> nn.Module:
    """Load one of the networks in `WEIGHTS`, frozen, onto the CPU.

    Raises:
        WeightsError: weights that cannot be read or downloaded.
        ModelError: weights of another network.
    """
    from torchvision.models import get_model, get_model_weights

    network: nn.Module = get_model(name, weights=None).eval().requires_grad_(False)
    url = get_model_weights(name)[WEIGHTS[name]].url
    if weights is None:
        state = download_weights(url, name, "give --flow-weights FILE, or use --flow dis")
    else:
        state = read_weights(Path(weights))
    try:
        load_needed_weights(network, state, weights or url)
    except ModelError as error:
        raise ModelError(f"{error} Expected those of {name}, such as {url}") from error
    return network


@torch.no_grad()
def raft_flow(network: nn.Module, device: torch.device, current: Tensor, previous: Tensor) -> FlowPair:
    """Estimate the flow in both directions with a RAFT network.

    Args:
        network: as from `load_raft`, on `device`.
        device: where it runs.
        current, previous: (B, 3, H, W) uint8 RGB on the CPU.

    Returns:
        The flow at the size that the images are shrunk to.
    """
    h, w = current.shape[2:]
    scale = min(1.0, LARGEST_SIDE / min(h, w))
    height, width = max(1, round(h * scale)), max(1, round(w * scale))

    def estimate(one: Tensor, other: Tensor) -> Tensor:
        flows = []
        # Row by row: correlations take memory, and this way the flow of a row does not depend on the rest of the batch.
        for now, before in zip(torch.split(one, 1), torch.split(other, 1), strict=True):
            images = (pad_for_raft(upload(image, device), height, width) for image in (now, before))
            flows.append(network(*images, num_flow_updates=UPDATES)[-1][..., :height, :width])
        return download(torch.cat(flows))

    return FlowPair(estimate(current, previous), estimate(previous, current))


def pad_for_raft(image: Tensor, height: int, width: int) -> Tensor:
    """Resize an image and pad it, to the right and below by its edges, to the next size that RAFT takes.

    Args:
        image: (B, 3, H, W) uint8.
        height, width: the size before padding, px.

    Returns:
        (B, 3, H', W') float32 in [-1, 1]; H' and W' are multiples of `CELL` and at least `LEAST_SIDE`.
    """
    scaled = image.float() / 127.5 - 1
    if image.shape[2:] != (height, width):
        scaled = F.interpolate(scaled, (height, width), mode="bilinear", align_corners=False, antialias=True)
    down, right = (max(LEAST_SIDE, -(-side // CELL) * CELL) - side for side in (height, width))
    return F.pad(scaled, (0, right, 0, down), mode="replicate")
