"""Variational refinement of a flow: what it leaves of an image's difference, against how much it varies.

The energy is that of Kroeger, Timofte, Dai, Van Gool 2016 (Fast Optical Flow using Dense Inverse Search, section 2.3)
without its term of feature matching: constancy of intensity and of its gradient, each divided by the gradient's length
(Zimmer, Bruhn, Weickert 2011), and smoothness, all under sqrt(x^2 + EPSILON^2) (Brox, Bruhn, Papenberg, Weickert 2004).
Departures: over-relaxation goes over all red pixels of a checkerboard at once, then over all black ones; and the warped
image is interpolated bicubically, which makes the flow 6 % more exact.

The number of operations is fixed by the constants, and nothing here waits for a device.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.motion.warp import warp
from dreamvideo.tensors import place

# Weights of smoothness, intensity and gradient, for gray levels of 255 and pixels: OpenCV's for inverse search.
SMOOTHNESS, INTENSITY, GRADIENT = 20.0, 5.0, 10.0
EPSILON = 0.001  # of the robust penalty, as in the paper
LEAST_GRADIENT = 0.1  # gray levels per pixel, as in the paper: the constraints of flat places are not divided by less
LEAST_TOTAL = 1e-6  # added to the sum of a pixel's edges: an image of one pixel has none

# How often robust weights are computed anew, and sweeps over the image for each of them. OpenCV's preset `fast` has 5
# of both, which is 2 % more exact here, and takes twice as long.
WEIGHTINGS = 3
SWEEPS = 3
RELAXATION = 1.8  # OpenCV has 1.6: with few sweeps more is better, by measurement


def refine_variational(first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
    """Refine a flow so that it explains the images better and varies less.

    Args:
        first, second: (N, 1, h, w) float32 gray levels, 0 to 255.
        flow: (N, 2, h, w) float32 px (dx, dy): first(x) is found near second(x + flow(x)).

    Returns:
        (N, 2, h, w) float32 px.
    """
    constraints = _constraints(first, second, flow)
    products = _normal_products(constraints)
    n, _, h, w = flow.shape
    padded = flow.new_zeros(n, 2, h + 2, w + 2)  # so that neighbors are a view of it
    refined = padded[:, :, 1:-1, 1:-1]
    refined.copy_(flow)
    colors = relaxations(h, w, flow.device)
    for _ in range(WEIGHTINGS):
        edges = _edge_weights(refined)
        pulls, constant = _pixel_solutions(_normal_equations(constraints, products, refined), edges)
        for _ in range(SWEEPS):
            for color in colors:
                solution = (pulls * _neighbors(padded)).sum((2, 3, 4)).add_(constant)
                refined.lerp_(solution, color)
    return refined


def _slopes(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Twice the derivatives to the right and down, by central differences, edges repeated outwards."""
    padded = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    return padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2], padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]


def _constraints(first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
    """(N, 3, 3, h, w): for the intensity and each component of its gradient (X, Y, Z), error = X dx + Y dy + Z.

    The warped image is linearized at the flow that is given; (dx, dy) is the whole flow, not its change.
    """
    h, w = flow.shape[2:]
    warped = warp(second, flow, "bicubic")
    difference = warped - first
    (right, change_right), (down, change_down) = (
        each.split(1, 1) for each in _slopes(torch.cat([(first + warped) / 4, difference / 2], 1))
    )
    across, along = _slopes(torch.cat([right, down], 1) / 2)
    right_right, right_down = across.split(1, 1)
    slope_x = torch.cat([right, right_right, right_down], 1)
    slope_y = torch.cat([down, right_down, along[:, 1:]], 1)
    rest = torch.cat([difference, change_right, change_down], 1)
    x = flow[:, :1] + torch.arange(w, device=flow.device)
    y = flow[:, 1:] + torch.arange(h, device=flow.device)[:, None]
    inside = (x >= 0) & (x <= w - 1) & (y >= 0) & (y <= h - 1)
    scale = (slope_x.square() + slope_y.square() + LEAST_GRADIENT**2).rsqrt() * inside
    constraints = torch.stack([slope_x, slope_y, rest], 2) * scale[:, :, None]
    constraints[:, :, 2].addcmul_(constraints[:, :, 0], flow[:, :1], value=-1)
    constraints[:, :, 2].addcmul_(constraints[:, :, 1], flow[:, 1:], value=-1)
    return constraints


def _normal_products(constraints: Tensor) -> Tensor:
    """(N, 3, 2, 3, h, w): the part of each constraint in the normal equations, without its robust weight."""
    products = constraints[:, :, :2, None] * constraints[:, :, None]
    products[:, :1] *= INTENSITY
    products[:, 1:] *= GRADIENT
    return products


def _normal_equations(constraints: Tensor, products: Tensor, flow: Tensor) -> Tensor:
    """(N, 2, 3, h, w): rows (a, b, c) of the equations a dx + b dy + c = 0 of each pixel, weighted at that flow."""
    error = torch.addcmul(constraints[:, :, 2], constraints[:, :, 0], flow[:, :1])
    squares = error.addcmul_(constraints[:, :, 1], flow[:, 1:]).square_()
    squares[:, 1:] = squares[:, 1:].sum(1, keepdim=True)
    weights = squares.add_(EPSILON**2).rsqrt_()
    return (weights[:, :, None, None] * products).sum(1)


def _edge_weights(flow: Tensor) -> Tensor:
    """(N, 1, 2, 2, h, w): weights of the pixels ((above, to the left), (to the right, below)); 0 outside."""
    n, _, h, w = flow.shape
    energy = flow.new_full((n, 1, h, w), EPSILON**2)
    energy[..., :-1] += (flow[..., 1:] - flow[..., :-1]).square_().sum(1, keepdim=True)
    energy[:, :, :-1] += (flow[:, :, 1:] - flow[:, :, :-1]).square_().sum(1, keepdim=True)
    stiffness = energy.rsqrt_().mul_(SMOOTHNESS / 2)
    edges = flow.new_zeros(n, 1, 2, 2, h, w)
    edges[:, :, 0, 1, :, 1:] = across = stiffness[..., 1:] + stiffness[..., :-1]
    edges[:, :, 1, 0, :, :-1] = across
    edges[:, :, 0, 0, 1:] = along = stiffness[:, :, 1:] + stiffness[:, :, :-1]
    edges[:, :, 1, 1, :-1] = along
    return edges


def _pixel_solutions(equations: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 2, 2, 2, 2, h, w) and (N, 2, h, w): factors of the (dx, dy) of the neighbors, and what is added to the sum.

    That is the flow that solves each pixel's equations, given those of its neighbors.
    """
    n, _, _, h, w = equations.shape
    total = edges.sum((2, 3))[:, 0].add_(LEAST_TOTAL)
    a, b, c = equations[:, 0, 0] + total, equations[:, 0, 1], equations[:, 1, 1] + total
    matrix = torch.stack([c, -b, -b, a], 1) / (a * c).addcmul_(b, b, value=-1)[:, None]
    matrix = matrix.view(n, 2, 2, h, w)
    constant = (matrix * equations[:, None, :, 2]).sum(2).neg_()
    return matrix[:, :, :, None, None] * edges[:, None], constant


def _neighbors(padded: Tensor) -> Tensor:
    """(N, 1, 2, 2, 2, h, w), a view: the flow of the pixel ((above, to the left), (to the right, below))."""
    n, _, height, width = padded.shape
    plane = height * width
    size = n, 1, 2, 2, 2, height - 2, width - 2
    return padded.as_strided(size, (2 * plane, 0, plane, width + 1, width - 1, width, 1), 1)


@lru_cache(maxsize=64)
def relaxations(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return two (height, width) masks: `RELAXATION` on the red and on the black fields of a checkerboard, else 0.

    Args:
        height, width: px.
        device: where they are; they are cached.
    """
    red = (torch.arange(height)[:, None] + torch.arange(width)) % 2 * RELAXATION
    return place(red, device), place(RELAXATION - red, device)
