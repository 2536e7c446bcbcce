"""Activations and image gradients of a frozen convolutional network, close to the speed limit of a CPU.

Autograd's own way through a network costs, beyond its convolutions, as much again: wide max pools, masks, copies and a
first layer whose gradient is slow. `compile` writes down once what the network does and runs it forwards and backwards
by itself, inside one `torch.autograd.Function`, with the gradient of the images only.

    build.py      all of it, and a trial run against autograd before it is trusted
    record.py     run the network once and note every operation
    steps.py      what a plan consists of: convolution, pool, cat, split, add
    plan.py       operations -> a shorter list of steps: fused ReLUs, merged 1x1 branches, masks after pools
    convs.py      convolutions and their input gradients with prepacked weights
    stem.py       the first convolution: the input's scaling folded in, its gradient in blocks of a stride
    pools.py      average and max pools and their gradients
    sides.py      a 3x3 max pool of stride 1 in bfloat16, one side after the other
    strips.py     a max pool of one image as a batch, so that its gradient has more than one thread
    allocator.py  keep freed memory for the next step
    run.py        the plan, forwards and backwards
"""

from dreamvideo.models.cpu_engine.compile import compile_network

__all__ = ["compile_network"]
