"""DreamNet: a small inception network whose named nodes are made to be dreamed on.

After Szegedy et al. 2015 (GoogLeNet) with batch normalization. What differs, and why:
- average pooling only: the gradient of a max pool reaches one pixel in four and shows as a grid in a dream;
- the first convolution is 6x6 with stride 2: an even kernel gives every pixel an equal share of the gradient;
- nodes are named after their stride: s8b is the second block at 1/8 of the input's size.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamvideo.errors import ModelError

BLOCKS: Final = ("c1", "s4a", "s4b", "s8a", "s8b", "s16a", "s16b")
HEADS: Final = ("s8b", "s16a", "s16b")  # blocks with a classifier, so that all of them learn objects
MAPS: Final = tuple(f"map.{name}" for name in HEADS)
NODES: Final = (*BLOCKS, *MAPS, "logits")
GROUPS_NODE: Final = "groups"  # the maps of all groups of things that photographs show; drawings alone teach none
GROUP_CHANNELS: Final = 24  # of the map of one group
STRIDES: Final = {"c1": 2, "s4a": 4, "s4b": 4, "s8a": 8, "s8b": 8, "s16a": 16, "s16b": 16}
SMALLEST: Final = 16  # pixels a side: one place at stride 16

_GROUP: Final = "group."
_POOL_AFTER: Final = ("c1", "s4b", "s8b")


class ConvRelu(nn.Conv2d):
    """Convolution with bias and ReLU: a folded `ConvNormRelu`."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x))


class ConvNormRelu(nn.Module):
    """Convolution, batch normalization, ReLU: the trainable form."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))

    def folded(self) -> ConvRelu:
        """Return the same function, in evaluation mode, as one convolution."""
        conv, norm = self.conv, self.bn
        assert norm.running_mean is not None and norm.running_var is not None
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        folded = ConvRelu(
            conv.in_channels,
            conv.out_channels,
            cast("tuple[int, int]", conv.kernel_size),
            cast("tuple[int, int]", conv.stride),
            cast("tuple[int, int]", conv.padding),
        )
        with torch.no_grad():
            folded.weight.copy_(conv.weight * gain[:, None, None, None])
            cast(Tensor, folded.bias).copy_(norm.bias - norm.running_mean * gain)
        return folded


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, trainable: bool) -> nn.Module:
    padding = (kernel - stride + 1) // 2
    kind = ConvNormRelu if trainable else ConvRelu
    return kind(inputs, outputs, kernel, stride, padding)


class Inception(nn.Module):
    """Four branches side by side: 1x1 | 1x1-3x3 | 1x1-3x3-3x3 | average-1x1.

    `red` computes the first 1x1 of three branches in one convolution.
    """

    def __init__(
        self,
        inputs: int,
        narrow: int,
        reduce3: int,
        wide3: int,
        reduce5: int,
        wide5: int,
        pooled: int,
        *,
        trainable: bool,
    ) -> None:
        super().__init__()
        self.splits = (narrow, reduce3, reduce5)
        self.red = _conv(inputs, sum(self.splits), 1, trainable=trainable)
        self.b3 = _conv(reduce3, wide3, trainable=trainable)
        self.b5a = _conv(reduce5, wide5, trainable=trainable)
        self.b5b = _conv(wide5, wide5, trainable=trainable)
        self.bp = _conv(inputs, pooled, 1, trainable=trainable)

    def forward(self, x: Tensor) -> Tensor:
        narrow, reduced3, reduced5 = torch.split(self.red(x), list(self.splits), 1)
        pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return torch.cat([narrow, self.b3(reduced3), self.b5b(self.b5a(reduced5)), self.bp(pooled)], 1)


class DreamNet(nn.Module):
    """The network, with batch normalization if `trainable`, and else with that folded into the convolutions.

    Args:
        class_count: outputs of each head.
        group_names: of groups of things that it learned from a network of photographs; each has a map of
            `GROUP_CHANNELS` channels, a linear function of `s16b`. Empty: drawings alone taught it.
        trainable: with batch normalization.
    """

    def __init__(self, class_count: int, group_names: Sequence[str] = (), *, trainable: bool = False) -> None:
        super().__init__()
        self.group_names = tuple(group_names)
        self.c1 = _conv(3, 32, 6, 2, trainable=trainable)
        self.s4a = _conv(32, 72, trainable=trainable)
        self.s4b = Inception(72, 28, 32, 44, 16, 24, 16, trainable=trainable)  # 112 channels
        self.s8a = Inception(112, 40, 56, 88, 24, 40, 24, trainable=trainable)  # 192
        self.s8b = Inception(192, 48, 72, 112, 32, 56, 24, trainable=trainable)  # 240
        self.s16a = Inception(240, 72, 88, 144, 40, 72, 32, trainable=trainable)  # 320
        self.s16b = Inception(320, 80, 104, 176, 48, 88, 40, trainable=trainable)  # 384
        widths = {"s8b": 240, "s16a": 320, "s16b": 384}
        self.heads = nn.ModuleDict({name: nn.Linear(widths[name], class_count) for name in HEADS})
        if self.group_names:
            self.groups = nn.Conv2d(widths[HEADS[-1]], len(self.group_names) * GROUP_CHANNELS, 1)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes: `NODES`, then `groups` and `group.` with the name of each, if there are any."""
        groups = (GROUPS_NODE, *map(group_node, self.group_names)) if self.group_names else ()
        return (*NODES, *groups)

    def group_channels(self, name: str) -> tuple[int, ...]:
        """Return the channels of the node `groups` that are the map of the group `name`."""
        first = self.group_names.index(name) * GROUP_CHANNELS
        return tuple(range(first, first + GROUP_CHANNELS))

    def head(self, name: str) -> nn.Linear:
        """Return the classifier on block `name`, one of `HEADS`."""
        return cast(nn.Linear, self.heads[name])

    @property
    def device(self) -> torch.device:
        return self.head(HEADS[-1]).weight.device

    def features(self, x: Tensor, names: Collection[str] = NODES) -> dict[str, Tensor]:
        """Compute the outputs of some nodes, and of the network no more than they need.

        Args:
            x: (B, 3, H, W) RGB in [0, 1], H and W at least 16.
            names: of `nodes`. `map.s8b` (B, classes, H/8, W/8), `map.s16a` and `map.s16b` (B, classes, H/16, W/16) are
                the logits of each place by the head on that block; `logits` (B, classes) is the mean of the last.
                `group.NAME` (B, `GROUP_CHANNELS`, H/16, W/16) is the map of a group, `groups` are all of them.

        Raises:
            ModelError: there is no such node.
            ValueError: the images are too small.
        """
        for name in names:
            if name not in self.nodes:
                raise ModelError(f"no layer {name!r} in dreamnet; expected one of: {', '.join(self.nodes)}")
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < SMALLEST:
            raise ValueError(f"got images of shape {tuple(x.shape)}: expected (B, 3, H, W), H and W >= {SMALLEST}")
        sources = {name: _source(name) for name in names}
        deepest = max(BLOCKS.index(source) for source in sources.values())
        outputs: dict[str, Tensor] = {}
        # Scaled before it is rounded to the weights' type: bf16 around 0.5 is coarser than around 0.
        x = ((x - 0.5) * 4).to(self.head(HEADS[-1]).weight.dtype)
        for name in BLOCKS[: deepest + 1]:
            x = outputs[name] = getattr(self, name)(x)
            if name in _POOL_AFTER and name != BLOCKS[deepest]:
                x = F.avg_pool2d(x, 2)
        for name, source in sources.items():
            if name != source:
                outputs[name] = F.conv2d(outputs[source], *self._map_weights(name))
        if "logits" in outputs:
            outputs["logits"] = outputs["logits"].mean((2, 3))  # a mean commutes with a linear head
        return {name: outputs[name] for name in names}

    def _map_weights(self, node: str) -> tuple[Tensor, Tensor | None]:
        """Weight (C, inputs, 1, 1) and bias (C,) of a map over a block."""
        if node == GROUPS_NODE:
            return self.groups.weight, self.groups.bias
        if node.startswith(_GROUP):
            channels = self.group_channels(node.removeprefix(_GROUP))
            part = slice(channels[0], channels[-1] + 1)
            return self.groups.weight[part], cast(Tensor, self.groups.bias)[part]
        head = self.head(_source(node))
        return head.weight[:, :, None, None], head.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return the (B, classes) logits of (B, 3, H, W) RGB in [0, 1]."""
        return self.features(x, ["logits"])["logits"]


def _source(node: str) -> str:
    """The block that a node is, or is computed from."""
    deepest = node in ("logits", GROUPS_NODE) or node.startswith(_GROUP)
    return BLOCKS[-1] if deepest else node.removeprefix("map.")


def group_node(name: str) -> str:
    """Return the node of the map of the group `name`."""
    return _GROUP + name


def fold_network(net: DreamNet) -> DreamNet:
    """Fold every batch normalization of a trainable network into its convolution.

    Args:
        net: built with `trainable=True`; not changed.

    Returns:
        The same function in evaluation mode, on the same device.
    """
    folded = DreamNet(net.head(HEADS[-1]).out_features, net.group_names)
    for name, module in net.named_modules():
        if isinstance(module, ConvNormRelu):
            folded.get_submodule(name).load_state_dict(module.folded().state_dict())
    folded.heads.load_state_dict(net.heads.state_dict())
    if net.group_names:
        folded.groups.load_state_dict(net.groups.state_dict())
    return folded.to(net.device).eval()


class DreamnetFeatures(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> node -> activation: each DreamNet as far as the deepest of its nodes.

    Args:
        nets: node -> the network that it belongs to.
        names: nodes to compute; of a network that has none of them nothing is kept.
    """

    def __init__(self, nets: Mapping[str, DreamNet], names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.nets = nn.ModuleList(dict.fromkeys(nets[name] for name in names))
        self.nodes = [[name for name in names if nets[name] is net] for net in self.nets]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        images = images.contiguous(memory_format=torch.channels_last)
        outputs: dict[str, Tensor] = {}
        for net, nodes in zip(self.nets, self.nodes, strict=True):
            outputs |= cast(DreamNet, net).features(images, nodes)
        return {name: outputs[name] for name in self.names}
