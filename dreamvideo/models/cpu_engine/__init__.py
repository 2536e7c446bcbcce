"""A small compiler: activations and image gradients of a frozen convolutional network on a CPU, faster than autograd.

Beyond its convolutions, autograd spends as much again on wide max pools, masks, copies and a first layer whose gradient
is slow. `compile_network` traces once what the network does and runs it forwards and backwards itself, inside one
`torch.autograd.Function`, with the gradient of the images only.

Measured on two AVX2 cores with torch 2.15 in float32, against the same folded, truncated, frozen, channels_last network
by plain autograd, medians of 9 interleaved runs: dreamnet `s16a` is 1.20 and 1.24 times as fast with one thread (at
320x240 and 640x360), 1.24 and 1.20 times with two; GoogLeNet `inception4c` 1.11 and 1.16 times with one, 1.17 and 1.19
times with two.

EfficientNet-Lite2 as far as `blocks.15.block.2`, on a core with AVX-512 that other programs used too, medians of 13 to
41 interleaved runs of one thread: 1.9 times as fast as plain autograd in float32 and 2.0 times in bfloat16 at 640x360,
1.7 and 2.2 times at 320x180. That is 1.6 to 1.9 times the time per operation of GoogLeNet, and 1.06 to 1.15 times the
time of dreamnet's default objective. Of its 7.5 GFLOP at 640x360 the 1x1 convolutions are 6.4; they run at the peak of
the core (240 and 470 GFLOP/s) where their data is in a cache. The depthwise ones take a quarter of the time, masks a
tenth, and a call of an operator of oneDNN 20 us, 3 ms in all.

Tried on it without gain: sums as part of a convolution, 1x1 convolutions as matrix products (`_linear_pointwise`),
masks as a factor inside of the next convolution or in bytes, and blocks in strips of rows that stay in a cache (slower
at 640x360; at 1280x720 gradients of the largest blocks gain 20%, while their forward pass loses 10 to 25%).

It uses private operators of torch (`mkldnn._convolution_pointwise`, `_convolution_transpose_pointwise`,
`_reorder_convolution_weight`, `_reorder_convolution_transpose_weight`, `_get_mkldnn_serialized_md`). Where one is
missing, where a network holds an unknown operation, and where a trial run differs from autograd, `compile_network`
returns None, and the network runs by plain autograd.

    compile.py             all of it, and a trial run against autograd
    trace.py               runs the network once and records every operation
    ops.py                 the operations of a plan: convolution, clamp, pool, cat, split, add
    passes.py              recorded operations -> a shorter plan: fused clamps, merged 1x1 branches, masks after pools
    packed_conv.py         a convolution with prepacked weights
    convs.py               convolutions and their input gradients
    strided_depthwise.py   the input gradient of a depthwise convolution with a stride
    stem.py                the first convolution: input scaling folded in, its gradient in blocks of a stride
    pools.py               average and max pools and their gradients
    separable_max_pool.py  a 3x3 max pool of stride 1 in bfloat16, one side after the other
    strip_max_pool.py      a max pool of one image as a batch of strips, so that its gradient uses all threads
    grad_masks.py          gradients of clamps
    executor.py            runs the plan forwards and backwards
"""

from dreamvideo.models.cpu_engine.compile import compile_network

__all__ = ["compile_network"]
