"""What the operations of a plan can leave to each other on CUDA, decided once for each network.

- A clamp before a depthwise convolution is computed where that reads, and its gradient is masked there.
- A bias before convolutions of one pixel becomes part of theirs.
- A sum with the result of such a convolution is one product of matrices, in place.
- What is concatenated is written where it belongs; so is the gradient of what was split.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from math import inf

from torch import Tensor

from dreamvideo.models.cpu_engine.ops import Add, AvgPool, Bounds, Cat, Clamp, Conv, MaxPool, Split, Step
from dreamvideo.models.cpu_engine.passes import ExecutionPlan
from dreamvideo.models.cpu_engine.trace import Unsupported

_NONE: Bounds = (-inf, inf)

Part = tuple[int, int, int, int]  # value it is a part of, first channel, channels, all channels


@dataclass(frozen=True, slots=True, eq=False)
class SamePool:
    """Mean of a window around each place, as large as the input, followed by a clamp."""

    inputs: tuple[int]
    outputs: tuple[int]
    side: int
    padded: bool  # zeros beyond the edges count
    bounds: Bounds


@dataclass(frozen=True, slots=True, eq=False)
class SplitClamp:
    """Clamp of two or three parts of a split that lie side by side."""

    inputs: tuple[int]  # what was split
    outputs: tuple[int, ...]
    parts: tuple[int, ...]  # outputs of the split
    bounds: Bounds


GpuStep = Step | SamePool | SplitClamp


@dataclass(frozen=True)
class GpuPlan:
    """A plan and what follows from it."""

    steps: tuple[GpuStep, ...]
    layers: Mapping[str, int]
    bounds: Mapping[int, Bounds]  # value -> of the clamp that made it
    readers: Counter[int]  # how often each value is read, layers included
    lazy: frozenset[int]  # values that are clamped by the depthwise convolution that reads them
    biases: Mapping[int, Tensor]  # output of a convolution -> what it adds; missing: nothing
    residuals: Mapping[int, int]  # output of a convolution -> the value that it is added to in place
    joined: Mapping[int, Part]  # value -> its part of a concatenation
    split: Mapping[int, Part]  # value -> its part of what was split


def is_pointwise(step: GpuStep) -> bool:
    """Return whether a step is a product of each pixel's channels with a matrix.

    Args:
        step: any.
    """
    return (
        isinstance(step, Conv)
        and step.weight.shape[2:] == (1, 1)
        and step.groups == 1
        and step.stride == (1, 1)
        and step.padding == (0, 0)
    )


def is_depthwise(step: GpuStep) -> bool:
    """Return whether a step is a depthwise convolution of one of the kinds that there is a kernel for.

    Args:
        step: any.
    """
    if not isinstance(step, Conv) or step.groups != len(step.weight) or step.weight.shape[1] != 1:
        return False
    side = step.weight.shape[2]
    square = step.weight.shape[3] == side and step.stride[0] == step.stride[1] and side in (3, 5, 7)
    return square and step.padding == (side // 2, side // 2) and step.dilation == (1, 1)


def gpu_plan(plan: ExecutionPlan) -> GpuPlan:
    """Find what the operations of a plan can leave to each other.

    Raises:
        Unsupported: there is an operation that has no kernel here.
    """
    kept = frozenset(plan.layers.values())
    steps = _clamped_parts(_clamped_pools(_split_first(plan.steps, kept), kept), kept)
    for step in steps:
        if isinstance(step, MaxPool):
            raise Unsupported("a max pool, which PyTorch runs as well")
        if isinstance(step, AvgPool) and not pools_evenly(step):
            raise Unsupported(f"an average pool of {step.kernel} with stride {step.stride}")
    readers = Counter(value for step in steps for value in step.inputs) + Counter(kept)
    reads: defaultdict[int, list[GpuStep]] = defaultdict(list)
    for step in steps:
        for value in step.inputs:
            reads[value].append(step)
    bounds = {
        step.outputs[0]: step.bounds for step in steps if isinstance(step, Conv | Clamp | SamePool) and step.bounds
    }
    bounds |= {value: step.bounds for step in steps if isinstance(step, SplitClamp) for value in step.outputs}
    once = {value for value, count in readers.items() if count == 1 and value not in kept}
    makers = {value: step for step in steps for value in step.outputs}
    lazy = {value for value in bounds if value in once and is_depthwise(reads[value][0])}
    joined: dict[int, Part] = {}
    for step in steps:
        if isinstance(step, Cat) and all(value in once and value in bounds for value in step.inputs):
            joined.update(_parts(step.outputs[0], step.inputs, [_channels(value, makers) for value in step.inputs]))
    split = {
        value: part
        for step in steps
        if isinstance(step, Split)
        for value, part in _parts(step.inputs[0], step.outputs, step.sizes).items()
    }
    return GpuPlan(
        steps, plan.layers, bounds, readers, frozenset(lazy), _moved_biases(steps, reads, kept),
        _residuals(steps, once, makers, kept), joined, split,
    )  # fmt: skip


def _split_first(steps: Sequence[Step], kept: frozenset[int]) -> list[Step]:
    """Clamps before a split follow it, so that each part is clamped where it goes; splits of parts become one."""
    readers = Counter(value for step in steps for value in step.inputs)
    clamps = {step.outputs[0]: step for step in steps if isinstance(step, Clamp)}
    count = max(value for step in steps for value in step.outputs) + 1
    done: list[Step] = []
    for step in steps:
        clamp = clamps.get(step.inputs[0])
        alone = readers[step.inputs[0]] == 1 and step.inputs[0] not in kept
        if not (isinstance(step, Split) and clamp is not None and alone):
            done.append(step)
            continue
        done.remove(clamp)
        parts = tuple(range(count, count + len(step.outputs)))
        count += len(parts)
        whole = next(
            (i for i, each in enumerate(done) if isinstance(each, Split) and clamp.inputs[0] in each.outputs), None
        )
        if whole is None or readers[clamp.inputs[0]] > 1 or clamp.inputs[0] in kept:
            done.append(Split(clamp.inputs, parts, step.sizes))
        else:
            outer = done[whole]
            assert isinstance(outer, Split)
            at = outer.outputs.index(clamp.inputs[0])
            outputs = (*outer.outputs[:at], *parts, *outer.outputs[at + 1 :])
            done[whole] = Split(outer.inputs, outputs, (*outer.sizes[:at], *step.sizes, *outer.sizes[at + 1 :]))
        done += [Clamp((part,), (value,), clamp.bounds) for part, value in zip(parts, step.outputs, strict=True)]
    return done


def _clamped_pools(steps: Sequence[Step], kept: frozenset[int]) -> tuple[GpuStep, ...]:
    readers = Counter(value for step in steps for value in step.inputs)
    clamps = {step.inputs[0]: step for step in steps if isinstance(step, Clamp)}
    found: list[GpuStep] = []
    merged: set[int] = set()
    for step in steps:
        if isinstance(step, AvgPool) and _keeps_size(step):
            clamp = clamps.get(step.outputs[0])
            if clamp is not None and readers[step.outputs[0]] == 1 and step.outputs[0] not in kept:
                merged.add(id(clamp))
                found.append(SamePool(step.inputs, clamp.outputs, step.kernel[0], step.padded, clamp.bounds))
            else:
                found.append(SamePool(step.inputs, step.outputs, step.kernel[0], step.padded, _NONE))
        elif id(step) not in merged:
            found.append(step)
    return tuple(found)


def _clamped_parts(steps: Sequence[GpuStep], kept: frozenset[int]) -> tuple[GpuStep, ...]:
    readers = Counter(value for step in steps for value in step.inputs) + Counter(kept)
    clamps = {step.inputs[0]: step for step in steps if isinstance(step, Clamp) and readers[step.inputs[0]] == 1}
    found: list[GpuStep] = []
    merged: set[int] = set()
    for step in steps:
        if id(step) in merged:
            continue
        found.append(step)
        if not isinstance(step, Split):
            continue
        for start in range(len(step.outputs) - 1):
            group = [clamps.get(value) for value in step.outputs[start : start + 3]]
            alike = [each for each in takewhile(lambda each: each is not None, group) if each is not None]
            alike = [each for each in alike if each.bounds == alike[0].bounds]
            if len(alike) == len([each for each in group if each is not None]) >= 2:
                merged.update(map(id, alike))
                outputs, parts = tuple(each.outputs[0] for each in alike), tuple(each.inputs[0] for each in alike)
                found.append(SplitClamp(step.inputs, outputs, parts, alike[0].bounds))
                break
    return tuple(found)


def _keeps_size(step: AvgPool) -> bool:
    side = step.kernel[0]
    return (
        step.kernel == (side, side)
        and step.stride == (1, 1)
        and step.padding == (side // 2, side // 2)
        and side % 2 == 1
    )


def _parts(whole: int, values: Sequence[int], sizes: Sequence[int]) -> dict[int, Part]:
    ends = list(accumulate(sizes))
    return {value: (whole, end - size, size, ends[-1]) for value, size, end in zip(values, sizes, ends, strict=True)}


def _channels(value: int, makers: Mapping[int, GpuStep]) -> int:
    step = makers[value]
    if isinstance(step, Conv):
        return len(step.bias)
    if isinstance(step, Split):
        return step.sizes[step.outputs.index(value)]
    if isinstance(step, SplitClamp):
        return _channels(step.parts[step.outputs.index(value)], makers)
    if isinstance(step, Cat):
        return sum(_channels(each, makers) for each in step.inputs)
    return _channels(step.inputs[0], makers)


def _moved_biases(
    steps: Sequence[GpuStep], reads: Mapping[int, Sequence[GpuStep]], kept: frozenset[int]
) -> dict[int, Tensor]:
    """Biases of convolutions, those that only pointwise ones see moved into theirs, through sums."""

    def absorbed(value: int) -> bool:
        return value not in kept and all(
            is_pointwise(step) or (isinstance(step, Add) and absorbed(step.outputs[0])) for step in reads[value]
        )

    missing: dict[int, Tensor] = {}  # value -> what is yet to be added to it
    biases: dict[int, Tensor] = {}
    for step in steps:
        if isinstance(step, Add):
            parts = [missing[value] for value in step.inputs if value in missing]
            if parts:
                missing[step.outputs[0]] = sum(parts[1:], parts[0])
        if not isinstance(step, Conv):
            continue
        bias = step.bias
        if step.inputs[0] in missing:
            bias = bias + step.weight[:, :, 0, 0] @ missing[step.inputs[0]]
        if is_pointwise(step) and step.bounds is None and absorbed(step.outputs[0]):
            missing[step.outputs[0]] = bias
        else:
            biases[step.outputs[0]] = bias
    return biases


def _residuals(
    steps: Sequence[GpuStep], once: set[int], makers: Mapping[int, GpuStep], kept: frozenset[int]
) -> dict[int, int]:
    residuals: dict[int, int] = {}
    last_read = {value: at for at, step in enumerate(steps) for value in step.inputs}
    own = {value for value, maker in makers.items() if isinstance(maker, Add) or is_pointwise(maker)} - kept
    for at, step in enumerate(steps):
        if not isinstance(step, Add):
            continue
        for result, other in (step.inputs, step.inputs[::-1]):
            maker, source = makers.get(result), makers.get(other)
            unbounded = isinstance(maker, Conv) and maker.bounds is None and is_pointwise(maker)
            plain = other in own and not (isinstance(source, Conv) and source.bounds)
            if not (unbounded and plain and result in once and last_read[other] == at):
                continue
            made = next(i for i, each in enumerate(steps) if each is maker)
            if source in steps[:made] and all(other not in each.inputs for each in steps[made + 1 : at]):
                residuals[result] = other
                break
    return residuals


def pools_evenly(step: AvgPool) -> bool:
    """Return whether each pixel is in one window of the pool, or in none behind the last.

    Args:
        step: a pool.
    """
    return step.kernel == step.stride and step.kernel[0] == step.kernel[1] and step.padding == (0, 0) and not step.ceil
