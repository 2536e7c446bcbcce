"""Compiles a network, and checks the result against autograd in a trial run."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dreamvideo.models.cpu_engine.executor import Program, Saved
from dreamvideo.models.cpu_engine.passes import build_plan
from dreamvideo.models.cpu_engine.trace import Features, Unsupported, input_scaling, trace_network

log = logging.getLogger(__name__)

_GRADIENT = " gradient of the image"  # no layer is called so
_SIDE = 128  # pixels a side of the image that a network is traced with; Inception v3 needs 75


@torch.no_grad()
def compile_network(network: Features, precision: torch.dtype = torch.float32) -> Features | None:
    """Compile a network to a function with the same activations and image gradients that runs faster.

    The reason for a failure is logged: an operation that the compiler does not know, a torch without oneDNN or without
    the private operators that call it, or a trial run that differs from autograd.

    Args:
        network: images (B, 3, H, W) float32 in [0, 1] -> layer name -> activation; float32 weights on the CPU, frozen,
            in evaluation mode, the same operations at every size.
        precision: float32 or bfloat16, of weights and activations; the image and its gradient stay float32.

    Returns:
        A function like `network`, whose activations are channels_last, in `precision`, and can be differentiated once,
        with respect to the images; None: the network cannot be compiled.
    """
    try:
        if precision not in (torch.float32, torch.bfloat16):
            raise Unsupported(f"no {precision} on the CPU")
        factor, offset = input_scaling(network, _SIDE)
        steps = build_plan(trace_network(network, torch.full((1, 3, _SIDE, _SIDE), 0.5)))
        fast = CompiledFeatures(network, Program(steps, factor, offset, precision))
        _check(network, fast, precision)
    except Unsupported as reason:
        log.info("the network runs by plain autograd: %s", reason)
        return None
    except (AttributeError, RuntimeError, TypeError) as reason:  # a private operator is missing or has changed
        log.info("the network runs by plain autograd: %s: %s", type(reason).__name__, str(reason).partition("\n")[0])
        return None
    return fast


class CompiledFeatures(nn.Module):
    """A program with the interface of a network; its weights are those of `network`."""

    def __init__(self, network: Features, program: Program) -> None:
        super().__init__()
        self.network = network
        self.program = program

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        layers = self.program.layers
        outputs = list(dict.fromkeys(layers.values()))
        if torch.is_grad_enabled() and images.requires_grad:
            values = dict(zip(outputs, _Run.apply(images, self.program, outputs), strict=True))
        else:
            with torch.no_grad():
                values = self.program.forward(images, keep=False)[0]
        return {name: values[value] for name, value in layers.items()}


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, program: Program, outputs: list[int]) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        values, ctx.saved = program.forward(images, keep=True)
        ctx.program, ctx.outputs = program, outputs
        return tuple(values[value].contiguous(memory_format=torch.channels_last) for value in outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None, None]:
        saved: Saved | None = ctx.saved
        if saved is None:
            raise RuntimeError("a second gradient of one run of the network: run it again for each gradient")
        ctx.saved = None
        # Copied, since they are overwritten and belong to the caller.
        copies = {
            value: grad.clone(memory_format=torch.channels_last)
            for value, grad in zip(ctx.outputs, grads, strict=True)
            if grad is not None
        }
        return (ctx.program.backward(copies, saved) if copies else None), None, None


def _check(network: Features, fast: Features, precision: torch.dtype) -> None:
    # At another size than the traced one, odd, and with every layer at once.
    images = torch.rand(1, 3, _SIDE + 17, _SIDE + 30, generator=torch.Generator().manual_seed(1))
    expected, actual = _trial(network, images), _trial(fast, images)
    # Rounding flips some ReLUs and max pools: few in float32, while in bfloat16 a network of random weights leaves a
    # cosine of 0.8 between gradients. An operator that does something else, which this is to find, leaves none.
    loose = precision != torch.float32
    for name, plain in expected.items():
        if actual[name].shape != plain.shape:
            raise Unsupported(f"{name}: got shape {tuple(actual[name].shape)}, expected {tuple(plain.shape)}")
        near = (0.5 if loose else 1e-3) if name == _GRADIENT else (0.02 if loose else 1e-5)
        if not 1 - torch.cosine_similarity(actual[name].flatten(), plain.flatten(), 0) < near:
            raise Unsupported(f"{name}: a trial run differs from autograd")


def _trial(network: Features, images: Tensor) -> dict[str, Tensor]:
    # Every activation, and the gradient of a sum in which each has a weight of its own.
    with torch.enable_grad():
        images = images.clone().requires_grad_()
        layers = network(images)
        score = torch.zeros(())
        for layer in layers.values():
            score = score + (layer.float() * torch.linspace(0.5, 1.5, layer.numel()).view(layer.shape)).mean()
        (grad,) = torch.autograd.grad(score, images)
    return {**{name: layer.detach().double() for name, layer in layers.items()}, _GRADIENT: grad.double()}
