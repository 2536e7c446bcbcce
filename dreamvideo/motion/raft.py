"""RAFT flow: a network compares all pairs of two pictures' features and refines a flow from them, step by step.

Teed, Deng 2020, as in torchvision. The authors evaluate whole pictures with up to 32 updates; here pictures are shrunk
first and fewer updates must do: a dream is smoother than the last pixel of its flow.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamvideo.devices import download, upload
from dreamvideo.errors import ModelError
from dreamvideo.models.weights import download_weights, load_needed_weights, read_weights

log = logging.getLogger(__name__)

# Network -> its weights: of those with a name, the ones that torchvision recommends.
WEIGHTS = {"raft_large": "C_T_SKHT_V2", "raft_small": "C_T_V2"}

# Pixels of the shorter side above which flow is estimated on a shrunken picture. The comparison of all pairs grows with
# the fourth power of the size: 640x360 pixels take 70 MB, full HD would take 5.6 GB.
LARGEST_SIDE = 360

LEAST_SIDE = 128  # torchvision's `min_size`: below it the coarsest comparison has fewer than two values a side
CELL = 8  # pixels a side for each feature

UPDATES = 12  # as in the authors' training, and torchvision's default


def raft(device: torch.device, weights: str | None = None) -> Callable[[Tensor, Tensor], Tensor]:
    """RAFT flow: large on CUDA; on the CPU, where large takes seconds, small. Its weights: the file, or downloaded.

    The estimator takes (current, previous), each (B, 3, H, W) uint8 RGB on the CPU, and gives the backward flow,
    (B, 2, H, W) float32 pixels on the CPU, channel 0 = dx.

    Raises:
        WeightsError: weights that cannot be read or downloaded.
        ModelError: weights of another network.
    """
    # Flow is estimated in a thread beside the dream, and torch crashes when two threads use Metal at once
    # (https://github.com/pytorch/pytorch/issues/197805).
    where = device if device.type == "cuda" else torch.device("cpu")
    name = "raft_large" if where.type == "cuda" else "raft_small"
    log.info("flow: %s on %s", name, where)
    return functools.partial(raft_flow, load_raft(name, weights).to(where), where)


def load_raft(name: str, weights: str | None) -> nn.Module:
    """The network `name` of the table, frozen, on the CPU.

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
def raft_flow(network: nn.Module, device: torch.device, current: Tensor, previous: Tensor) -> Tensor:
    """The backward flow, (B, 2, H, W) float32 pixels on the CPU, by `network`, which is on `device`.

    `current` and `previous` are (B, 3, H, W) uint8 RGB on the CPU.
    """
    h, w = current.shape[2:]
    scale = min(1.0, LARGEST_SIDE / min(h, w))
    height, width = max(1, round(h * scale)), max(1, round(w * scale))
    flows = []
    # Row by row: comparisons take memory, and so a row's flow is the same whatever its neighbors.
    for now, before in zip(torch.split(current, 1), torch.split(previous, 1), strict=True):
        pictures = (pad_for_raft(upload(image, device), height, width) for image in (now, before))
        flows.append(network(*pictures, num_flow_updates=UPDATES)[-1][..., :height, :width])
    flow = torch.cat(flows)  # (B, 2, height, width)
    if (height, width) != (h, w):
        stretch = flow.new_tensor([w / width, h / height]).view(1, 2, 1, 1)
        flow = F.interpolate(flow, (h, w), mode="bilinear", align_corners=False) * stretch
    return download(flow)


def pad_for_raft(image: Tensor, height: int, width: int) -> Tensor:
    """(B, 3, H', W') float32 in [-1, 1] from (B, 3, H, W) uint8: resized, edges repeated outwards.

    To `height` and `width`, then on to the right and below to H' and W', the next sizes that RAFT takes.
    """
    scaled = image.float() / 127.5 - 1
    if image.shape[2:] != (height, width):
        scaled = F.interpolate(scaled, (height, width), mode="bilinear", align_corners=False, antialias=True)
    down, right = (max(LEAST_SIDE, -(-side // CELL) * CELL) - side for side in (height, width))
    return F.pad(scaled, (0, right, 0, down), mode="replicate")
