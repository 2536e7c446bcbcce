"""A max pool of one image as a batch of strips of it, so that its gradient runs on as many threads.

torch spreads the gradient of a max pool over the images of a batch. A strip of rows of a channels_last image lies in
memory as an image does, so one image can pass for several. The few rows whose windows reach over the end of a strip are
pooled apart.
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
    """Rows of output that are pooled apart."""

    rows: slice  # of the output
    reads: slice  # of the input
    kernel: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Strips:
    """How one (1, C, h, w) max pool is taken apart."""

    step: MaxPool
    size: tuple[int, int, int]  # C, h, w
    out: tuple[int, int]
    count: int
    rows: int  # of output in a strip
    pieces: tuple[StripRange, ...]

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(1, C, h, w) -> (1, C, h', w') and the indices that `backward` needs."""
        y = self._image(x, self.out)
        index = self._image(x, (self.rows * self.count, self.out[1]), torch.int64)
        strips = self._strips(x, self.rows * self.step.stride[0])
        made = (self._strips(y, self.rows), self._strips(index, self.rows))
        torch.ops.aten.max_pool2d_with_indices.out(
            strips, *self._window(self.step.kernel), out=made[0], indices=made[1]
        )
        indices = [made[1]]
        for piece in self.pieces:
            part, index = torch.ops.aten.max_pool2d_with_indices(x[:, :, piece.reads], *self._window(piece.kernel, 0))
            y[:, :, piece.rows] = part
            indices.append(index)
        return y, indices

    def backward(self, g: Tensor, indices: list[Tensor]) -> Tensor:
        """(1, C, h', w') -> (1, C, h, w); overwrites rows of `g`."""
        back = torch.ops.aten.max_pool2d_with_indices_backward
        made = self._image(g, self.size[1:])
        apart = []
        for piece, index in zip(self.pieces, indices[1:], strict=True):
            reads = made[:, :, piece.reads]  # only its shape matters here
            apart.append(back(g[:, :, piece.rows], reads, *self._window(piece.kernel, 0), index))
            g[:, :, piece.rows] = 0
        read = self.rows * self.step.stride[0]
        strips = self._strips(made, read)
        window = self._window(self.step.kernel)
        back.grad_input(self._strips(g, self.rows), strips, *window, indices[0], grad_input=strips)
        made[:, :, read * self.count :] = 0
        for piece, part in zip(self.pieces, apart, strict=True):
            made[:, :, piece.reads] += part
        return made

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
    """How to take apart the max pool `step` of an input of `shape`; None: it is not worth it, or does not go."""
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
    apart = sorted(
        {row for row in whole if any(row * s - p < cut < row * s - p + k for cut in range(rows * s, h, rows * s))}
        | set(range(rows * count, out[0]))
    )
    return Strips(step, (c, h, w), out, count, rows, tuple(_pieces(apart, step, h)))


def _length(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    # As torch counts windows: with `ceil` one may hang over the end, but not begin there.
    span = size + 2 * padding - kernel
    count = (-(-span // stride) if ceil else span // stride) + 1
    return count - 1 if ceil and (count - 1) * stride >= size + padding else count


def _pieces(rows: list[int], step: MaxPool, height: int) -> list[StripRange]:
    # Neighboring rows together; a row whose window is cut by the edge alone, with a kernel as high as what is left.
    k, s, p = step.kernel[0], step.stride[0], step.padding[0]
    pieces: list[StripRange] = []
    for row in rows:
        first, last = max(0, row * s - p), min(height, row * s - p + k)
        before = pieces[-1] if pieces else None
        if before and before.rows.stop == row and last - first == k == before.kernel[0]:
            pieces[-1] = StripRange(slice(before.rows.start, row + 1), slice(before.reads.start, last), step.kernel)
        else:
            pieces.append(StripRange(slice(row, row + 1), slice(first, last), (last - first, step.kernel[1])))
    return pieces
