"""The student of distillation: a DreamNet with maps of groups, and a map that imitates a teacher's features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dreamvideo.models.dreamnet.net import BLOCKS, GROUP_CHANNELS, GROUPS_NODE, DreamNet
from dreamvideo.models.dreamnet.trained import Trained
from dreamvideo.models.objectives import log_mean_square

_NEW_DEVIATION = 0.02  # of the weights of a new map: its mean square begins far below 1


class Student(nn.Module):
    """What is trained.

    Args:
        trained: the weights that it begins with, batch normalization folded. Maps of the same groups are kept, others
            begin at random.
        groups: names, in the order of the maps.
        imitated: channels of the teacher's features.
    """

    def __init__(self, trained: Trained, groups: Sequence[str], imitated: int) -> None:
        super().__init__()
        self.net = DreamNet(len(trained.classes), groups)
        state = trained.net.state_dict()
        if trained.net.group_names != self.net.group_names:
            state = {name: value for name, value in state.items() if not name.startswith(f"{GROUPS_NODE}.")}
            _begin(self.net.groups)
        self.net.load_state_dict(state, strict=False)
        self.imitation = nn.Conv2d(self.net.groups.in_channels, imitated, 1)
        _begin(self.imitation)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def maps(self, images: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
        """Compute each image's map of its own group, and the imitated features.

        Args:
            images: (B, 3, H, W) in [0, 1].
            groups: (B,) int64, numbers of groups.

        Returns:
            (B, `GROUP_CHANNELS`, H/16, W/16), and (B, imitated, H/16, W/16).
        """
        outputs = self.net.features(images, (BLOCKS[-1], GROUPS_NODE))
        every = outputs[GROUPS_NODE].unflatten(1, (-1, GROUP_CHANNELS))
        own = every[torch.arange(len(groups), device=groups.device), groups]
        return own, self.imitation(outputs[BLOCKS[-1]])

    def score(self, images: Tensor, groups: Tensor) -> Tensor:
        """Score images by the logarithm of the mean square of their group's map; (B,), see `maps`."""
        return log_mean_square(self.maps(images, groups)[0])


def _begin(layer: nn.Conv2d) -> None:
    nn.init.normal_(layer.weight, 0, _NEW_DEVIATION)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
