"""RAFT flow: a network correlates all pairs of two images' features and refines a flow from them step by step.

Teed, Deng 2020 (RAFT: Recurrent All-Pairs Field Transforms for Optical Flow), with the layers of torchvision. The
authors evaluate whole images with up to 32 updates; here images are shrunk first and 12 updates must do: a dream is
smoother than the last pixel of its flow. Both directions are refined in one batch, from features that are computed
once, and only the last flow is upsampled.

Convolutions and correlations run in bfloat16 where CUDA has it; coordinates, sampling and the flow are float32, as in
the authors' mixed precision. Nothing is left there that TF32 would change, so the flow does not depend on that switch.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamvideo.devices import has_fast_bf16
from dreamvideo.errors import ModelError
from dreamvideo.models.weights import download_weights, load_needed_weights, read_weights
from dreamvideo.motion.flow_pair import FlowEstimator, FlowPair, image_on

log = logging.getLogger(__name__)

# Network -> its weights: those that torchvision recommends.
WEIGHTS = {"raft_large": "C_T_SKHT_V2", "raft_small": "C_T_V2"}

# Pixels of the shorter side above which flow is estimated on a shrunken image. The correlation of all pairs grows with
# the fourth power of the side: 640x360 pixels take 70 MB a direction, full HD would take 5.6 GB.
LARGEST_SIDE = 360

LEAST_SIDE = 128  # torchvision's `min_size`: below it the coarsest correlation has fewer than two values a side
CELL = 8  # pixels a side for each feature

UPDATES = 12  # as in the authors' training, and torchvision's default

# (2, 3, H, W) float32 in [-1, 1], H and W multiples of `CELL` -> (2, 2, H, W) float32 px, the flow from the first image
# to the second and back.
PairNetwork = Callable[[Tensor], Tensor]


def raft(device: torch.device, weights: str | None = None) -> FlowEstimator:
    """Load RAFT and return it as a flow estimator.

    It is raft_large on CUDA and raft_small elsewhere, on the CPU, where raft_large takes seconds a frame. The flow
    stays where it is computed, and on CUDA nothing waits for it. Call it on another stream than that of the dream, or
    it is computed after what is queued there.

    Args:
        device: where the dream runs.
        weights: a .pth or .safetensors file; None: torchvision's, downloaded.

    Raises:
        WeightsError: weights that cannot be read or downloaded.
        ModelError: weights of another network.
    """
    # Flow is estimated in a thread beside the dream, and torch crashes when two threads use Metal at once
    # (https://github.com/pytorch/pytorch/issues/197805).
    flow_device = device if device.type == "cuda" else torch.device("cpu")
    name = "raft_large" if flow_device.type == "cuda" else "raft_small"
    log.info("flow: %s on %s", name, flow_device)
    network = load_raft(name, weights)
    if flow_device.type == "cuda" and has_fast_bf16(flow_device):
        halve_convolutions(network)
    return partial(raft_flow, partial(flow_both_ways, network.to(flow_device)), flow_device)


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


def halve_convolutions(network: nn.Module) -> None:
    """Round the weights of all convolutions to bfloat16, once instead of at each update; norms stay in float32."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.bfloat16()


@torch.no_grad()
def raft_flow(run: PairNetwork, device: torch.device, current: Tensor, previous: Tensor) -> FlowPair:
    """Estimate the flow in both directions with a RAFT network.

    Args:
        run: the network, as `flow_both_ways`, on `device`.
        device: where it runs.
        current, previous: (B, 3, H, W) uint8 RGB on the CPU or on that device.

    Returns:
        The flow at the size that the images are shrunk to, on that device.
    """
    h, w = current.shape[2:]
    scale = min(1.0, LARGEST_SIDE / min(h, w))
    height, width = max(1, round(h * scale)), max(1, round(w * scale))
    flows = []
    # Row by row: correlations take memory, and this way the flow of a row does not depend on the rest of the batch.
    for pair in zip(torch.split(current, 1), torch.split(previous, 1), strict=True):
        images = torch.cat([pad_for_raft(image_on(device, image), height, width) for image in pair])
        flows.append(run(images)[..., :height, :width])
    return FlowPair(*torch.stack(flows, 1).unbind())


def flow_both_ways(network: Any, images: Tensor) -> Tensor:
    """Run a RAFT network of torchvision on two images, in both directions at once.

    Args:
        network: as from `load_raft`; its convolutions may be in bfloat16.
        images: (2, 3, H, W) float32 in [-1, 1] on its device; H and W are multiples of `CELL`.

    Returns:
        (2, 2, H, W) float32 px: the flow from the first image to the second, and from the second to the first.
    """
    from torchvision.models.optical_flow._utils import upsample_flow

    precision: torch.dtype = network.feature_encoder.conv.weight.dtype
    images = images.to(precision)
    features: Tensor = network.feature_encoder(images)  # (2, C, H / 8, W / 8)
    hidden_channels = network.update_block.hidden_state_size
    hidden, context = network.context_encoder(images).tensor_split([hidden_channels], 1)
    hidden, context = hidden.tanh(), context.relu()

    # A copy: the network's own would hold the correlations until the next pair.
    correlation = copy.copy(network.corr_block)
    correlation.build_pyramid(features, features.flip(0))
    correlation.corr_pyramid = [level.float() for level in correlation.corr_pyramid]  # as sampling needs them
    rows, columns = (torch.arange(side, dtype=torch.float32, device=images.device) for side in features.shape[2:])
    start = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))  # (2, H / 8, W / 8) as (x, y)
    flow = torch.zeros_like(start).expand(2, -1, -1, -1)
    for _ in range(UPDATES):
        with torch.device(images.device):  # else each call makes its grid on the CPU and waits for the copy
            correlations = correlation.index_pyramid(start + flow)
        hidden, change = network.update_block(hidden, context, correlations.to(precision), flow.to(precision))
        flow = flow + change
    mask = None if network.mask_predictor is None else network.mask_predictor(hidden).float()
    upsampled: Tensor = upsample_flow(flow, mask)
    return upsampled


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
