"""From a network to its fast form, checked; or none, where the engine cannot."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dreamvideo.models.cpu_engine.executor import Program, Saved
from dreamvideo.models.cpu_engine.passes import build_program
from dreamvideo.models.cpu_engine.trace import Features, Unsupported, input_scaling, trace_network

log = logging.getLogger(__name__)

_GRADIENT = " gradient of the image"  # no layer is called so
_SIDE = 128  # pixels of the picture that a network is recorded with; Inception v3 needs 75


@torch.no_grad()
def compile_network(network: Features, precision: torch.dtype = torch.float32) -> Features | None:
    """The same activations and image gradients as `network`, faster; None where the engine cannot.

    It cannot where the network holds an operation that it does not know, where torch lacks oneDNN or the private
    operators that reach it, and where a trial run differs from autograd's; the log says which.

    Args:
        network: images (B, 3, H, W) float32 in [0, 1] -> layer name -> activation; float32 weights on the CPU, frozen,
            in evaluation mode, the same operations at every size.
        precision: float32 or bfloat16, of weights and activations; the image and its gradient stay float32.

    Returns:
        A function as `network`; its activations are channels_last and in `precision`, and can be differentiated once,
        with respect to the images.
    """
    try:
        if precision not in (torch.float32, torch.bfloat16):
            raise Unsupported(f"no {precision} on the CPU")
        factor, offset = input_scaling(network, _SIDE)
        steps = build_program(trace_network(network, torch.full((1, 3, _SIDE, _SIDE), 0.5)))
        fast = CompiledFeatures(network, Program(steps, factor, offset, precision))
        _check(network, fast, precision)
    except Unsupported as reason:
        log.info("plain way through the network: %s", reason)
        return None
    except (AttributeError, RuntimeError, TypeError) as reason:  # a private operator is missing or has changed
        log.info("plain way through the network: %s: %s", type(reason).__name__, str(reason).partition("\n")[0])
        return None
    return fast


class CompiledFeatures(nn.Module):
    """A program as `Features`; its weights are those of `network`."""

    def __init__(self, network: Features, program: Program) -> None:
        super().__init__()
        self.network = network
        self.program = program

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        layers = self.program.layers
        wanted = list(dict.fromkeys(layers.values()))
        if torch.is_grad_enabled() and images.requires_grad:
            values = dict(zip(wanted, _Run.apply(images, self.program, wanted), strict=True))
        else:
            with torch.no_grad():
                values = self.program.forward(images, keep=False)[0]
        return {name: values[value] for name, value in layers.items()}


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, program: Program, wanted: list[int]) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        values, ctx.saved = program.forward(images, keep=True)
        ctx.program, ctx.wanted = program, wanted
        return tuple(values[value].contiguous(memory_format=torch.channels_last) for value in wanted)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor | None) -> tuple[Tensor | None, None, None]:
        saved: Saved | None = ctx.saved
        if saved is None:
            raise RuntimeError("a second gradient of one run of the network: run it again")
        ctx.saved = None
        # Copied: they are overwritten on the way, and are not ours.
        given = {
            value: slope.clone(memory_format=torch.channels_last)
            for value, slope in zip(ctx.wanted, slopes, strict=True)
            if slope is not None
        }
        return (ctx.program.backward(given, saved) if given else None), None, None


def _check(network: Features, fast: Features, precision: torch.dtype) -> None:
    # At a size other than the recorded one, odd, and with every layer at once.
    images = torch.rand(1, 3, _SIDE + 17, _SIDE + 30, generator=torch.Generator().manual_seed(1))
    expected, ours = _trial(network, images), _trial(fast, images)
    # Rounding turns some ReLUs and max pools over: by little in float32, while in bfloat16 a network of random weights
    # leaves a cosine of 0.8 between gradients. What this is to find, an operator that does something else, leaves none.
    loose = precision != torch.float32
    for name, plain in expected.items():
        if ours[name].shape != plain.shape:
            raise Unsupported(f"{name}: got shape {tuple(ours[name].shape)}, expected {tuple(plain.shape)}")
        near = (0.5 if loose else 1e-3) if name == _GRADIENT else (0.02 if loose else 1e-5)
        if not 1 - torch.cosine_similarity(ours[name].flatten(), plain.flatten(), 0) < near:
            raise Unsupported(f"{name}: a trial run differs from the plain one")


def _trial(network: Features, images: Tensor) -> dict[str, Tensor]:
    # Every activation, and the gradient of a weighing of them that treats no two alike.
    with torch.enable_grad():
        images = images.clone().requires_grad_()
        layers = network(images)
        score = torch.zeros(())
        for layer in layers.values():
            score = score + (layer.float() * torch.linspace(0.5, 1.5, layer.numel()).view(layer.shape)).mean()
        (slope,) = torch.autograd.grad(score, images)
    return {**{name: layer.detach().double() for name, layer in layers.items()}, _GRADIENT: slope.double()}
