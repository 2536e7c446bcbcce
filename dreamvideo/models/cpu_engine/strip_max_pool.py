"""A max pool of one image as a batch of strips, so that its gradient uses as many threads.

torch distributes the gradient of a max pool over the images of a batch. A strip of rows of a channels_last image has
the memory layout of an image, so one image can be viewed as several. The few rows whose windows cross the end of a
strip are pooled separately.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Size, Tensor

from dreamvideo.models.cpu_engine.ops import MaxPool

_MOST = 8  # strips; each costs about 0.05 ms
_LEAST = 100_000  # elements of output below which one thread is as fast


@dataclass(frozen=True, slots=True)
class StripRange:
    """Rows of output that are pooled separately."""

    rows: slice  # of the output
    reads: slice  # of the input
    kernel: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Strips:
    """How one (1, C, h, w) max pool is split into strips."""

    step: MaxPool
    size: tuple[int, int, int]  # C, h, w
    out: tuple[int, int]
    count: int
    rows: int  # of output in a strip
    separate: tuple[StripRange, ...]

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(1, C, h, w) -> (1, C, h', w') and the indices that `backward` needs."""
        y = self._image(x, self.out)
        index = self._image(x, (self.rows * self.count, self.out[1]), torch.int64)
        strips = self._strips(x, self.rows * self.step.stride[0])
        out, out_index = self._strips(y, self.rows), self._strips(index, self.rows)
        window = self._window(self.step.kernel)
        torch.ops.aten.max_pool2d_with_indices.out(strips, *window, out=out, indices=out_index)
        indices = [out_index]
        for part_range in self.separate:
            part, index = torch.ops.aten.max_pool2d_with_indices(
                x[:, :, part_range.reads], *self._window(part_range.kernel, 0)
            )
            y[:, :, part_range.rows] = part
            indices.append(index)
        return y, indices

    def backward(self, g: Tensor, indices: list[Tensor]) -> Tensor:
        """(1, C, h', w') -> (1, C, h, w); overwrites rows of `g`."""
        back = torch.ops.aten.max_pool2d_with_indices_backward
        grad = self._image(g, self.size[1:])
        parts = []
        for part_range, index in zip(self.separate, indices[1:], strict=True):
            reads = grad[:, :, part_range.reads]  # only its shape is read here
            parts.append(back(g[:, :, part_range.rows], reads, *self._window(part_range.kernel, 0), index))
            g[:, :, part_range.rows] = 0
        read = self.rows * self.step.stride[0]
        strips = self._strips(grad, read)
        window = self._window(self.step.kernel)
        back.grad_input(self._strips(g, self.rows), strips, *window, indices[0], grad_input=strips)
        grad[:, :, read * self.count :] = 0
        for part_range, part in zip(self.separate, parts, strict=True):
            grad[:, :, part_range.reads] += part
        return grad

    def _window(self, kernel: tuple[int, int], padding: int | None = None) -> tuple[object, ...]:
        vertical = self.step.padding[0] if padding is None else padding
        return kernel, self.step.stride, (vertical, self.step.padding[1]), (1, 1), self.step.ceil

    def _image(self, like: Tensor, size: tuple[int, int], dtype: torch.dtype | None = None) -> Tensor:
        c = self.size[0]
        return torch.empty(1, c, *size, dtype=dtype or like.dtype, memory_format=torch.channels_last)

    def _strips(self, image: Tensor, rows: int) -> Tensor:
        # (1, C, h, w) -> (strips, C, rows, w), the same memory
        _, c, _, w = image.shape
        return image.as_strided((self.count, c, rows, w), (rows * w * c, 1, w * c, c))


@lru_cache(maxsize=256)
def split_into_strips(step: MaxPool, shape: Size, threads: int) -> Strips | None:
    """Split the max pool `step` of an input of `shape` into strips for `threads` threads.

    Returns:
        None: it is not worth it, or not possible.
    """
    b, c, h, w = shape
    k, s, p = step.kernel[0], step.stride[0], step.padding[0]
    out = (_length(h, k, s, p, step.ceil), _length(w, step.kernel[1], step.stride[1], step.padding[1], step.ceil))
    count = min(threads, _MOST, out[0] // 4)
    if b > 1 or count < 2 or c * out[0] * out[1] < _LEAST:
        return None
    rows = min(out[0], h // s) // count
    if _length(rows * s, k, s, p, step.ceil) != rows or s > k:
        return None
    whole = set(range(rows * count))
    crossing = sorted(
        {row for row in whole if any(row * s - p < cut < row * s - p + k for cut in range(rows * s, h, rows * s))}
        | set(range(rows * count, out[0]))
    )
    return Strips(step, (c, h, w), out, count, rows, tuple(_separate_ranges(crossing, step, h)))


def _length(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    # As torch counts windows: with `ceil` the last may reach over the end, but not begin there.
    span = size + 2 * padding - kernel
    count = (-(-span // stride) if ceil else span // stride) + 1
    return count - 1 if ceil and (count - 1) * stride >= size + padding else count


def _separate_ranges(rows: list[int], step: MaxPool, height: int) -> list[StripRange]:
    # Neighboring rows together; a row whose window is cut by the edge by itself, with a kernel as high as the rest.
    k, s, p = step.kernel[0], step.stride[0], step.padding[0]
    ranges: list[StripRange] = []
    for row in rows:
        first, last = max(0, row * s - p), min(height, row * s - p + k)
        before = ranges[-1] if ranges else None
        if before and before.rows.stop == row and last - first == k == before.kernel[0]:
            ranges[-1] = StripRange(slice(before.rows.start, row + 1), slice(before.reads.start, last), step.kernel)
        else:
            ranges.append(StripRange(slice(row, row + 1), slice(first, last), (last - first, step.kernel[1])))
    return ranges
