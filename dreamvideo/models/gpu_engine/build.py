"""Makes a network that runs by the operations of `fused_network`, and checks it against autograd in a trial run."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dreamvideo.errors import first_line
from dreamvideo.kernels.library import fused_on
from dreamvideo.models.cpu_engine.passes import build_plan
from dreamvideo.models.cpu_engine.trace import Features, Unsupported, input_scaling, trace_network
from dreamvideo.models.gpu_engine.gpu_plan import gpu_plan
from dreamvideo.models.gpu_engine.gpu_run import GpuRun
from dreamvideo.models.gpu_engine.program import GpuProgram
from dreamvideo.tensors import download, place

log = logging.getLogger(__name__)

_SIDE = 128  # pixels a side of the image that a network is traced with


@torch.no_grad()
def fuse_network(network: Features, plain: Features, device: torch.device, precision: torch.dtype) -> Features:
    """Return a network with the same activations and image gradients that touches less memory.

    Args:
        network: float32 weights on the CPU, frozen, in evaluation mode, the same operations at every size.
        plain: the same network on `device` in `precision`, with which it is compared.
        device: where it runs.
        precision: of weights and activations.

    Returns:
        A function like `plain`, differentiable once with respect to the images; `plain` itself where the kernels do not
        run, where an operation has none, and where a trial differs.
    """
    if not fused_on(device):
        return plain
    try:
        factor, offset = input_scaling(network, _SIDE)
        plan = gpu_plan(build_plan(trace_network(network, torch.full((1, 3, _SIDE, _SIDE), 0.5))))
        fused = FusedFeatures(GpuProgram(plan, factor, offset, device, precision))
        _compare(plain, fused, device, precision)
    except Unsupported as reason:
        log.info("the network runs by PyTorch's kernels: %s", reason)
        return plain
    except (AttributeError, RuntimeError, TypeError) as reason:  # a private operator is missing or has changed
        log.warning("the network runs by PyTorch's kernels: %s", first_line(reason))
        return plain
    return fused


class FusedFeatures(nn.Module):
    """A program with the interface of a network."""

    def __init__(self, program: GpuProgram) -> None:
        super().__init__()
        self.program = program
        for value, weight in program.weights.items():
            self.register_buffer(f"weight{value}", weight)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        layers = self.program.layers
        outputs = list(dict.fromkeys(layers.values()))
        if torch.is_grad_enabled() and images.requires_grad:
            values = dict(zip(outputs, _FusedRun.apply(images, self.program, outputs), strict=True))
        else:
            with torch.no_grad():
                values = self.program.forward(images, keep=False).values
        return {name: values[value] for name, value in layers.items()}


class _FusedRun(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, program: GpuProgram, outputs: list[int]) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.run = program.forward(images, keep=True)
        ctx.program, ctx.outputs = program, outputs
        results = tuple(ctx.run.values[value] for value in outputs)
        # Detached: a result that is held by its own node of autograd would never be freed.
        ctx.run.values.update({value: ctx.run.values[value].detach() for value in outputs})
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None, None]:
        run: GpuRun | None = ctx.run
        if run is None:
            raise RuntimeError("a second gradient of one run of the network: run it again for each gradient")
        ctx.run = None
        given = {
            value: grad.contiguous(memory_format=torch.channels_last)
            for value, grad in zip(ctx.outputs, grads, strict=True)
            if grad is not None
        }
        return (ctx.program.backward(run, given) if given else None), None, None


def _compare(plain: Features, fused: Features, device: torch.device, precision: torch.dtype) -> None:
    # At another size than the traced one, odd, and with every layer at once.
    images = place(torch.rand(2, 3, _SIDE + 17, _SIDE + 30, generator=torch.Generator().manual_seed(1)), device)
    # Rounding flips some ReLUs: see `cpu_engine.compile`.
    near, near_gradient = (1e-5, 1e-3) if precision == torch.float32 else (0.02, 0.5)
    expected, actual = _trial(plain, images), _trial(fused, images)
    for name, value in expected.items():
        if actual[name].shape != value.shape:
            raise Unsupported(f"{name}: got shape {tuple(actual[name].shape)}, expected {tuple(value.shape)}")
        distance = 1 - torch.cosine_similarity(actual[name].flatten(), value.flatten(), 0)
        if not float(download(distance)) < (near if name else near_gradient):
            raise Unsupported(f"{name or 'the gradient'} differs from autograd in a trial run")


def _trial(network: Features, images: Tensor) -> dict[str, Tensor]:
    # Every activation, and as "" the gradient of a sum in which each has a weight of its own.
    with torch.enable_grad():
        images = images.clone().requires_grad_()
        layers = network(images)
        score = torch.zeros((), device=images.device)
        for layer in layers.values():
            weights = torch.linspace(0.5, 1.5, layer.numel(), device=images.device).view(layer.shape)
            score = score + (layer.float() * weights).mean()
        (grad,) = torch.autograd.grad(score * 2.0**10, images)
    return {**{name: layer.detach().float() for name, layer in layers.items()}, "": grad}
