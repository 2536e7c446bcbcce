"""Compiler passes: recorded operations -> a short list of steps.

None of them changes a value:
- a ReLU or another clamp becomes part of the convolution before it;
- a 1x1 convolution after an average pool is moved before it, so that fewer channels are pooled;
- 1x1 convolutions that read the same value are merged into one and a split;
- a clamp's gradient is masked where it costs least: after the max pool or cat that follows it, on a quarter of the
  values, or once instead of four times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import torch
from torch import Tensor

from dreamvideo.models.cpu_engine.ops import IMAGE, RELU, Add, AvgPool, Bounds, Cat, Clamp, Conv, MaxPool, Split, Step
from dreamvideo.models.cpu_engine.trace import TracedCall, TracedOp, Unsupported

_SAME = {"aten.alias", "aten.clone", "aten.detach", "aten._to_copy"}  # without effect within one float type


@dataclass(frozen=True, slots=True)
class ExecutionPlan:
    """Steps in the order in which they are run; the first is the stem."""

    steps: tuple[Step, ...]
    layers: dict[str, int]  # name -> value
    masked: dict[int, Bounds]  # values whose gradient is zeroed where they reach a bound


def build_plan(recording: TracedCall) -> ExecutionPlan:
    """Turn a recorded network into the steps that its layers need.

    Raises:
        Unsupported: one of the operations is not known.
    """
    steps, layers = _read(recording)
    keep = set(layers.values())
    steps = _needed(steps, keep)
    steps = _fuse_clamps(steps, keep)
    steps = _pool_later(steps, keep)
    steps = _merge_siblings(steps)
    steps = _mark_positive(steps)
    return ExecutionPlan(tuple(steps), layers, _masks(steps, keep))


def _read(recording: TracedCall) -> tuple[list[Step], dict[str, int]]:
    stem = recording.first_convolution()
    values = {id(stem.args[0]): IMAGE}
    from_image = {id(recording.image)}  # every tensor that depends on the image
    steps: list[Step] = []
    count = IMAGE + 1
    from_stem = False
    for call in recording.calls:
        from_stem = from_stem or call is stem
        depends = any(id(tensor) in from_image for tensor in call.tensors())
        if depends:
            from_image.update(map(id, call.results))
        if not (depends and from_stem):
            continue
        if call.name in _SAME:
            values[id(call.results[0])] = _known(values, call, call.args[:1])[0]
            continue
        outputs = tuple(range(count, count + len(call.results)))
        count += len(outputs)
        steps.append(_step(call, values, outputs))
        values.update(zip(map(id, call.results), outputs, strict=True))
    missing = [name for name, tensor in recording.layers.items() if values.get(id(tensor), IMAGE) == IMAGE]
    if missing or not steps:
        raise Unsupported(f"layers that no known operation computes: {missing}")
    return steps, {name: values[id(tensor)] for name, tensor in recording.layers.items()}


def _known(values: dict[int, int], call: TracedOp, tensors: Sequence[Tensor]) -> tuple[int, ...]:
    try:
        return tuple(values[id(tensor)] for tensor in tensors)
    except KeyError:
        raise Unsupported(f"{call.name} reads what no known operation computes") from None


def _step(call: TracedOp, values: dict[int, int], outputs: tuple[int, ...]) -> Step:
    arguments = dict(enumerate(call.args))
    if call.name == "aten.cat" and arguments.get(1) == 1:
        return Cat(_known(values, call, arguments[0]), _one(outputs))
    if call.name == "aten.convolution" and not arguments[6] and len(arguments[3]) == 2:
        return _conv(arguments, _one(_known(values, call, call.args[:1])), _one(outputs))
    inputs = _known(values, call, list(call.tensors()))
    match call.name:
        case "aten.relu" | "aten.relu_":
            return Clamp(_one(inputs), _one(outputs), RELU)
        case "aten.hardtanh" | "aten.hardtanh_":
            return Clamp(_one(inputs), _one(outputs), (arguments.get(1, -1.0), arguments.get(2, 1.0)))
        case "aten.clamp" | "aten.clamp_":
            low, high = arguments.get(1), arguments.get(2)
            return Clamp(_one(inputs), _one(outputs), (-inf if low is None else low, inf if high is None else high))
        case "aten.max_pool2d_with_indices" if _pair(arguments.get(4, 1)) == (1, 1):
            kernel, stride, padding = _window(arguments)
            return MaxPool(_one(inputs), (outputs[0],), kernel, stride, padding, bool(arguments.get(5)))
        case "aten.avg_pool2d" if arguments.get(6) is None:
            kernel, stride, padding = _window(arguments)
            ceil, padded = bool(arguments.get(4)), bool(arguments.get(5, True))
            return AvgPool(_one(inputs), _one(outputs), kernel, stride, padding, ceil, padded)
        case "aten.split_with_sizes" | "aten.split" if arguments.get(2) == 1:
            return Split(_one(inputs), outputs, tuple(result.shape[1] for result in call.results))
        case "aten.add" | "aten.add_" if len(inputs) == 2 and len({t.shape for t in call.tensors()}) == 1:
            return Add((inputs[0], inputs[1]), _one(outputs))
    raise Unsupported(f"unknown operation {call.name}")


def _conv(arguments: dict[int, Any], inputs: tuple[int], outputs: tuple[int]) -> Conv:
    weight = arguments[1].detach().float()
    bias = weight.new_zeros(len(weight)) if arguments[2] is None else arguments[2].detach().float()
    stride, padding, dilation = (_pair(arguments[i]) for i in (3, 4, 5))
    return Conv(inputs, outputs, weight, bias, stride, padding, dilation, arguments[8])


def _window(arguments: dict[int, Any]) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    kernel = _pair(arguments[1])
    return kernel, _pair(arguments.get(2) or kernel), _pair(arguments.get(3) or 0)


def _pair(value: Any) -> tuple[int, int]:
    several = [value] if isinstance(value, int) else list(value)
    return several[0], several[-1]


def _one(values: tuple[int, ...]) -> tuple[int]:
    if len(values) != 1:
        raise Unsupported(f"an operation of {len(values)} inputs or outputs where one was expected")
    return (values[0],)


def _needed(steps: list[Step], keep: set[int]) -> list[Step]:
    needed, kept = set(keep), []
    for step in reversed(steps):
        if needed & set(step.outputs):
            needed |= set(step.inputs)
            kept.append(step)
    return kept[::-1]


def _readers(steps: list[Step]) -> Counter[int]:
    return Counter(value for step in steps for value in step.inputs)


def _fuse_clamps(steps: list[Step], keep: set[int]) -> list[Step]:
    readers = _readers(steps)
    fused: list[Step] = []
    makers: dict[int, int] = {}  # value -> index of the step that computes it
    for step in steps:
        at = makers.get(step.inputs[0])
        if isinstance(step, Clamp) and at is not None and readers[step.inputs[0]] == 1 and step.inputs[0] not in keep:
            before = fused[at]
            if isinstance(before, Conv) and before.bounds is None:
                fused[at] = replace(before, outputs=step.outputs, bounds=step.bounds)
                makers[step.outputs[0]] = at
                continue
        makers.update(dict.fromkeys(step.outputs, len(fused)))
        fused.append(step)
    return fused


def _pool_later(steps: list[Step], keep: set[int]) -> list[Step]:
    # A mean over windows that count no padding keeps a constant, so the bias may come before it too.
    readers = _readers(steps)
    pools = {
        step.outputs[0]: step
        for step in steps
        if isinstance(step, AvgPool) and step.stride == (1, 1) and not step.padded
        if readers[step.outputs[0]] == 1 and step.outputs[0] not in keep
    }
    count = _unused(steps)
    moved: list[Step] = []
    for step in steps:
        pool = pools.get(step.inputs[0])
        if pool is None or not (isinstance(step, Conv) and _is_pointwise(step) and step.padding == (0, 0)):
            moved.append(step)
            continue
        moved.remove(pool)
        moved.append(replace(step, inputs=pool.inputs, outputs=(count,), bounds=None))
        pooled = step.outputs if step.bounds is None else (count + 1,)
        moved.append(replace(pool, inputs=(count,), outputs=pooled))
        if step.bounds is not None:
            moved.append(Clamp(pooled, step.outputs, step.bounds))
        count += 2
    return moved


def _is_pointwise(step: Conv) -> bool:
    return step.weight.shape[2:] == (1, 1) and step.groups == 1 and step.stride == (1, 1)


def _unused(steps: list[Step]) -> int:
    return max(value for step in steps for value in step.outputs) + 1


def _mark_positive(steps: list[Step]) -> list[Step]:
    positive: set[int] = set()
    marked: list[Step] = []
    for step in steps:
        if isinstance(step, MaxPool):
            step = replace(step, positive=step.inputs[0] in positive)
        carries = isinstance(step, MaxPool | AvgPool | Cat | Split | Add) and positive.issuperset(step.inputs)
        bounds = step.bounds if isinstance(step, Conv | Clamp) else None
        if carries or (bounds is not None and bounds[0] >= 0):
            positive.update(step.outputs)
        marked.append(step)
    return marked


def _merge_siblings(steps: list[Step]) -> list[Step]:
    siblings: dict[tuple[Any, ...], list[Conv]] = {}
    for step in steps:
        if isinstance(step, Conv) and _is_pointwise(step) and step.inputs != (IMAGE,):
            siblings.setdefault((step.inputs, step.padding), []).append(step)
    firsts = {id(group[0]): group for group in siblings.values() if len(group) > 1}
    others = {id(conv) for group in firsts.values() for conv in group[1:]}
    count = _unused(steps)
    merged: list[Step] = []
    for step in steps:
        if id(step) in firsts:
            group = firsts[id(step)]
            weight, bias = (torch.cat([getattr(conv, name) for conv in group]) for name in ("weight", "bias"))
            bounds = group[0].bounds if len({conv.bounds for conv in group}) == 1 else None
            merged.append(replace(group[0], outputs=(count,), weight=weight, bias=bias, bounds=bounds))
            # Where they differ, each gets its own clamp; the reader of a part of a split would copy it anyway.
            clamped = [conv for conv in group if conv.bounds != bounds]
            parts = [count + 1 + clamped.index(conv) if conv in clamped else conv.outputs[0] for conv in group]
            merged.append(Split((count,), tuple(parts), tuple(len(conv.bias) for conv in group)))
            merged.extend(
                Clamp((count + 1 + i,), conv.outputs, conv.bounds)
                for i, conv in enumerate(clamped)
                if conv.bounds is not None
            )
            count += 1 + len(clamped)
        elif id(step) not in others:
            merged.append(step)
    return merged


def _masks(steps: list[Step], keep: set[int]) -> dict[int, Bounds]:
    readers = _readers(steps)
    masked: dict[int, Bounds] = {}
    for step in steps:
        if isinstance(step, Conv | Clamp):
            if step.bounds is not None:
                masked.update(dict.fromkeys(step.outputs, step.bounds))
        # These output a bound only where they read it, and a masked value gets no gradient there.
        elif isinstance(step, MaxPool | Cat | Split) and all(
            value in masked and readers[value] == 1 and value not in keep for value in step.inputs
        ):
            bounds = {masked[value] for value in step.inputs}
            if len(bounds) == 1:
                masked = {value: bound for value, bound in masked.items() if value not in step.inputs}
                masked.update(dict.fromkeys(step.outputs, bounds.pop()))
    return masked
