"""Runs a plan on CUDA, forwards and backwards, as one node of autograd."""

from __future__ import annotations

from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.models.cpu_engine.ops import IMAGE, RELU, Add, AvgPool, Bounds, Cat, Clamp, Conv, Split
from dreamvideo.models.gpu_engine import fused_network as fused
from dreamvideo.models.gpu_engine.gpu_plan import GpuPlan, GpuStep, SamePool, SplitClamp, is_depthwise, is_pointwise
from dreamvideo.models.gpu_engine.gpu_run import GpuRun, as_activation, as_matrix, new_activation
from dreamvideo.tensors import place

_LAST = torch.channels_last
_NONE: Bounds = (-inf, inf)


class GpuProgram:
    """A plan with weights on a device, in one precision.

    Args:
        plan: what is run.
        factor, offset: (3,) that scale the colors of images.
        device: where it runs.
        precision: of weights and activations.
    """

    def __init__(
        self, plan: GpuPlan, factor: Tensor, offset: Tensor, device: torch.device, precision: torch.dtype
    ) -> None:
        self.plan, self.precision, self.layers = plan, precision, plan.layers
        self.factor, self.offset = place(factor, device), place(offset, device)
        self.weights: dict[int, Tensor] = {}  # output of a convolution -> its weights, as its kernel takes them
        self.biases: dict[int, Tensor] = {}
        convolutions = [step for step in plan.steps if isinstance(step, Conv)]
        for step in convolutions:
            weight = step.weight.to(precision)
            if is_pointwise(step) and step.inputs[0] != IMAGE:
                weight = weight[:, :, 0, 0]
            elif is_depthwise(step):
                weight = weight[:, 0].permute(1, 2, 0).float()
            value = step.outputs[0]
            layout = _LAST if weight.ndim == 4 else torch.contiguous_format
            self.weights[value] = place(weight.contiguous(memory_format=layout), device)
            if value in plan.biases:
                self.biases[value] = place(plan.biases[value], device)
        self.rounded_biases = {value: bias.to(precision) for value, bias in self.biases.items()}
        kept = frozenset(plan.layers.values())
        lasts = {value: at for at, step in enumerate(plan.steps) for value in step.inputs}
        saved = {value for value in plan.bounds if value not in plan.lazy}
        saved |= {value for step in convolutions if is_depthwise(step) for value in (*step.inputs, *step.outputs)}
        self.dying = [
            [value for value in step.inputs if lasts[value] == at and value not in kept]
            for at, step in enumerate(plan.steps)
        ]
        self.saved = saved

    def forward(self, images: Tensor, keep: bool) -> GpuRun:
        """Run the network.

        Args:
            images: (B, 3, H, W) float32 in [0, 1].
            keep: keep what `backward` needs.
        """
        run = GpuRun()
        run.values[IMAGE] = fused.scale_op(images, self.factor, self.offset, self.precision)
        for step, dying in zip(self.plan.steps, self.dying, strict=True):
            inputs = [run.values[value] for value in step.inputs]
            outputs = self._forward(step, inputs, run)
            run.values.update(zip(step.outputs, outputs, strict=True))
            for value in step.outputs:
                if not self.plan.readers[value]:
                    run.values.pop(value)
            run.shapes.update((value, tensor.shape) for value, tensor in zip(step.inputs, inputs, strict=True))
            for value in dying:
                if not (keep and value in self.saved):
                    run.values.pop(value, None)
        run.whole.clear()
        return run

    def _forward(self, step: GpuStep, inputs: list[Tensor], run: GpuRun) -> list[Tensor]:
        x, value = inputs[0], step.outputs[0]
        match step:
            case Conv():
                return [self._convolved(step, x, run)]
            case Clamp():
                return [fused.bias_op(x, None, *step.bounds, self._room(value, x, run))]
            case AvgPool():
                return [F.avg_pool2d(x, step.kernel, step.stride)]
            case SamePool():
                return [fused.pool_op(x, step.side, step.padded, *step.bounds, self._room(value, x, run))]
            case Split():
                return list(torch.split(x, list(step.sizes), 1))
            case Cat():
                return [run.whole.pop(value) if value in run.whole else torch.cat(inputs, 1)]
            case SplitClamp():
                parts = [x.narrow(1, *self.plan.split[each][1:3]) for each in step.parts]
                rooms = [self._room(*pair, run) for pair in zip(step.outputs, parts, strict=True)]
                whole = x.narrow(1, self.plan.split[step.parts[0]][1], sum(each.shape[1] for each in parts))
                fused.parts_op(whole, *step.bounds, *rooms, *[None] * (3 - len(rooms)))
                return rooms
            case Add():
                added = [each for each in step.inputs if each in self.plan.residuals]
                return [run.values[added[0]] if added else x + inputs[1]]
        raise AssertionError(step)

    def _room(self, value: int, like: Tensor, run: GpuRun) -> Tensor:
        """Memory for a value of the size of `like`: its part of a concatenation, or its own."""
        if value not in self.plan.joined:
            return new_activation(like, like.shape)
        whole, start, channels, count = self.plan.joined[value]
        if whole not in run.whole:
            b, _, h, w = like.shape
            run.whole[whole] = new_activation(like, (b, count, h, w))
        return run.whole[whole].narrow(1, start, channels)

    def _convolved(self, step: Conv, x: Tensor, run: GpuRun) -> Tensor:
        value, bounds = step.outputs[0], step.bounds or _NONE
        weight, bias = self.weights[value], self.biases.get(value)
        if is_depthwise(step):
            bounds_of_x = self.plan.bounds[step.inputs[0]] if step.inputs[0] in self.plan.lazy else _NONE
            assert bias is not None
            return fused.depthwise_op(x, weight, bias, step.stride[0], *bounds_of_x, *bounds)
        if is_pointwise(step) and step.inputs[0] != IMAGE:
            matrix, rounded = as_matrix(x), self.rounded_biases.get(value)
            if value in self.plan.residuals:
                other = run.values[self.plan.residuals[value]]
                as_matrix(other).addmm_(matrix, weight.T)
                return other if rounded is None else other.add_(rounded[:, None, None])
            if rounded is not None and bounds == RELU and value not in self.plan.joined:
                return as_activation(torch._addmm_activation(rounded, matrix, weight.T), x)
            product = matrix @ weight.T if rounded is None else torch.addmm(rounded, matrix, weight.T)
            y, bias = as_activation(product, x), None
            if bounds == _NONE or value in self.plan.lazy:
                return y
        else:
            y = F.conv2d(x, weight, None, step.stride, step.padding, step.dilation, step.groups)
        return fused.bias_op(y, bias, *bounds, self._room(value, y, run) if value in self.plan.joined else y)

    def backward(self, run: GpuRun, grads: dict[int, Tensor]) -> Tensor:
        """Propagate gradients from layers to the images.

        Args:
            run: from `forward`; emptied.
            grads: value -> gradient of that layer.

        Returns:
            (B, 3, H, W) float32.
        """
        run.grads, run.foreign = grads, set(grads)
        for step in reversed(self.plan.steps):
            if isinstance(step, Split):
                self._complete(step, run)
                continue
            if isinstance(step, SplitClamp):
                self._mask_parts(step, run)
                continue
            g = self._gradient(step, run)
            if g is not None:
                self._backward(step, g, run)
        return run.grads[IMAGE] * self.factor[:, None, None]

    def _gradient(self, step: GpuStep, run: GpuRun) -> Tensor | None:
        """The gradient of a step's output, masked where it was at a bound of the step's clamp."""
        value = step.outputs[0]
        g, y = run.grads.pop(value, None), None
        masks = isinstance(step, Clamp | Conv) and not is_depthwise(step)
        if masks and value in self.plan.bounds and value not in self.plan.lazy:
            y = run.values.pop(value)
        if g is None or y is None or value in run.masked:
            return g
        if isinstance(step, Clamp) and step.inputs[0] in self.plan.split:
            room = self._split_room(step.inputs[0], g, run)
        elif value in run.foreign or value in self.plan.joined:
            room = new_activation(g, g.shape)
        else:
            room = g
        return fused.mask_op(g, y, *self.plan.bounds[value], 1, room)

    def _mask_parts(self, step: SplitClamp, run: GpuRun) -> None:
        ys = [run.values.pop(value) for value in step.outputs]
        given = [run.grads.pop(value, None) for value in step.outputs]
        like = next((g for g in given if g is not None), None)
        if like is None:
            return
        grads = [torch.zeros_like(y) if g is None else g for g, y in zip(given, ys, strict=True)]
        for part in step.parts:
            self._split_room(part, like, run)
        start = self.plan.split[step.parts[0]][1]
        room = run.grads[step.inputs[0]].narrow(1, start, sum(y.shape[1] for y in ys))
        fused.mask_parts_op(grads, ys, *step.bounds, room)

    def _backward(self, step: GpuStep, g: Tensor, run: GpuRun) -> None:
        source = step.inputs[0]
        match step:
            case Conv():
                self._convolve_back(step, g, run)
            case Clamp():
                if source not in self.plan.split or step.outputs[0] in run.masked:  # else it is there already
                    self._collect(source, g, run)
            case AvgPool():
                self._spread(step, g, run)
            case SamePool():
                y = run.values.pop(step.outputs[0], g)
                inside = source in self.plan.split
                room = self._split_room(source, g, run) if inside else new_activation(g, g.shape)
                fused.pool_grad_op(g, y, step.side, step.padded, *step.bounds, room)
                if not inside:
                    self._collect(source, room, run)
            case Cat():
                parts = torch.split(g, [run.shapes[value][1] for value in step.inputs], 1)
                for value, part in zip(step.inputs, parts, strict=True):
                    self._collect(value, part, run)
                    run.foreign.add(value)
            case Add():
                added = any(value in self.plan.residuals for value in step.inputs)
                self._collect(step.inputs[0], g, run)
                self._collect(step.inputs[1], g if added else g.clone(), run)

    def _spread(self, step: AvgPool, g: Tensor, run: GpuRun) -> None:
        """Gradient of a pool; masked at once if nothing else reads its input."""
        source = step.inputs[0]
        alone = self.plan.readers[source] == 1 and source in self.plan.bounds and source not in self.plan.lazy
        room = new_activation(g, run.shapes[source])
        if alone:
            run.masked.add(source)
            fused.mask_op(g, run.values[source], *self.plan.bounds[source], step.kernel[0], room)
        else:
            fused.mask_op(g, g.new_zeros(()).expand(room.shape), *_NONE, step.kernel[0], room)
        self._collect(source, room, run)

    def _convolve_back(self, step: Conv, g: Tensor, run: GpuRun) -> None:
        value, source = step.outputs[0], step.inputs[0]
        weight = self.weights[value]
        if is_depthwise(step):
            x, y = run.values[source], run.values.pop(value)
            bounds = self.plan.bounds[source] if source in self.plan.lazy else _NONE
            g = fused.depthwise_grad_op(g, y, weight, x, step.stride[0], *bounds, *(step.bounds or _NONE))
            self._collect(source, g, run)
        elif is_pointwise(step) and source != IMAGE:
            before = run.grads.get(source)
            if before is not None and source not in run.foreign:
                as_matrix(before).addmm_(as_matrix(g), weight)
            else:
                self._collect(source, as_activation(as_matrix(g) @ weight, g), run)
        else:
            unread = new_activation(g, run.shapes[source])
            geometry = (step.stride, step.padding, step.dilation, False, (0, 0), step.groups)
            back: Any = torch.ops.aten.convolution_backward
            self._collect(source, back(g, unread, weight, None, *geometry, [True, False, False])[0], run)

    def _collect(self, value: int, g: Tensor, run: GpuRun) -> None:
        """Add to the gradient of a value."""
        if value in self.plan.split:
            self._split_room(value, g, run).copy_(g)
        elif value not in run.grads:
            run.grads[value] = g
        elif value in run.foreign:
            run.foreign.remove(value)
            run.grads[value] = run.grads[value] + g
        else:
            run.grads[value].add_(g)

    def _split_room(self, value: int, like: Tensor, run: GpuRun) -> Tensor:
        """Memory for the gradient of a part, in that of what was split."""
        whole, start, channels, count = self.plan.split[value]
        if whole not in run.grads:
            b, _, h, w = like.shape
            run.grads[whole] = new_activation(like, (b, count, h, w))
        run.parts.setdefault(whole, set()).add(start)
        return run.grads[whole].narrow(1, start, channels)

    def _complete(self, step: Split, run: GpuRun) -> None:
        """Nothing that reads the other parts has a gradient."""
        written = run.parts.get(step.inputs[0])
        for value in step.outputs if written else ():
            _, start, channels, _ = self.plan.split[value]
            if written is not None and start not in written:
                run.grads[step.inputs[0]].narrow(1, start, channels).zero_()
