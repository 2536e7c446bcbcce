"""The CUDA device that is not there sees what it is there to see, wherever it happens."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from fake_cuda import CUDA, FakeCuda, fake_cuda
from torch import Tensor

from dreamvideo.tensors import download, fetch, place, upload


@pytest.fixture
def device() -> Iterator[FakeCuda]:
    with fake_cuda() as device:
        yield device


class WaitsInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        return images.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        return grad * grad.amax().item()


def gradient_of(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    leaf = images.detach().requires_grad_()
    return torch.autograd.grad(function(leaf).sum(), leaf)[0]


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


WAITING: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "a number in an f-string": lambda x: f"{x.sum():.1f}",
    "bool": lambda x: bool((x > 0).any()),
    "if": lambda x: 1 if x[0, 0] > 0 else 2,
    "nonzero": lambda x: x.nonzero(),
    "where with one argument": lambda x: torch.where(x > 0),
    "a boolean index": lambda x: x[x > 0],
    "an assignment by a boolean index": lambda x: x.__setitem__(x > 0, torch.ones(12, device=CUDA)),
    "masked_select": lambda x: x.masked_select(x > 0),
    "unique": lambda x: x.unique(),
    "equal": lambda x: torch.equal(x, x),
    "repeat_interleave": lambda x: x.repeat_interleave(torch.ones(3, dtype=torch.long, device=CUDA), 0),
    "a range of a device's number": lambda x: range(int(x.amax())),
    "an index by a device's number": lambda x: [1, 2][x[0, 0].long()],
    "backward": lambda x: gradient_of(WaitsInBackward.apply, x),
    "a thread": lambda x: in_a_thread(lambda: x.sum().item()),
    "synchronize": lambda x: torch.cuda.synchronize(),
    "an event": lambda x: torch.cuda.current_stream().record_event().synchronize(),
}

BLOCKING: dict[str, Callable[[Tensor], object]] = {
    "to the device": lambda x: torch.zeros(3).to(CUDA),
    "to the device by its name": lambda x: torch.zeros(3).to("cuda"),
    "by cuda()": lambda x: torch.zeros(3).cuda(),
    "from memory that is not pinned": lambda x: torch.zeros(3).to(CUDA, non_blocking=True),
    "torch.tensor": lambda x: torch.tensor([1.0, 2.0], device=CUDA),
    "new_tensor": lambda x: x.new_tensor([1.0, 2.0]),
    "an index of a list": lambda x: x[[0, 2]],
    "an index of an array": lambda x: x[:, torch.from_numpy(np.array([0, 2]))],
    "copy_ to the device": lambda x: x.copy_(torch.zeros(3, 4)),
    "copy_ from the device": lambda x: torch.zeros(3, 4).copy_(x),
    "cpu": lambda x: x.cpu(),
    "tolist": lambda x: x.tolist(),
    "numpy": lambda x: x.cpu().numpy(),
    "a thread": lambda x: in_a_thread(lambda: torch.zeros(3).to(CUDA)),
    "a network": lambda x: torch.nn.Linear(2, 3).to(CUDA),
}

WILD: dict[str, Callable[[Tensor], object]] = {
    "to the device": lambda x: torch.zeros(3).pin_memory().to(CUDA, non_blocking=True),
    "from the device": lambda x: x.to("cpu", non_blocking=True),
}

MIXING: dict[str, Callable[[Tensor], object]] = {
    "zeros": lambda x: x + torch.zeros(3, 4),
    "in place": lambda x: x.mul_(torch.ones(4)),
    "cat": lambda x: torch.cat([x, torch.zeros(3, 4)]),
    "a convolution": lambda x: torch.nn.functional.conv2d(x[None, None], torch.ones(1, 1, 2, 2)),
    "lerp": lambda x: torch.lerp(x, torch.zeros(3, 4), x),
}

ALLOWED: dict[str, Callable[[Tensor], object]] = {
    "upload": lambda x: upload(torch.zeros(3), CUDA),
    "fetch": lambda x: fetch(x)(),
    "a number of the CPU": lambda x: x + torch.tensor(2.0),
    "zeros on the device": lambda x: x + torch.zeros(3, 4, device=x.device),
    "a range on the device": lambda x: x + torch.arange(4, device=x.device),
    "masked_fill": lambda x: x.masked_fill(x > 0, 1),
    "a number where a mask is": lambda x: x.__setitem__(x > 0, 1),
    "slices": lambda x: x[0, 1:].fill_(1),
    "an index on the device": lambda x: x[torch.arange(2, device=x.device)],
    "a shape": lambda x: [len(x), x.shape, x.numel(), x.dtype, x.device, x.is_cuda],
    "a gradient": lambda x: gradient_of(lambda y: (y * y).softmax(1), x),
    "a cast": lambda x: x.to(torch.bfloat16).to(x.device),
}


def start() -> Tensor:
    return torch.arange(12.0, device=CUDA).view(3, 4) + 1


@pytest.mark.parametrize("name", WAITING)
def test_fake_cuda_sees_the_cpu_wait(device: FakeCuda, name: str) -> None:
    WAITING[name](start())
    assert device.record.syncs
    assert "test_fake_cuda_harness.py" in device.record.faults()[0]


@pytest.mark.parametrize("name", BLOCKING)
def test_fake_cuda_sees_a_blocking_copy(device: FakeCuda, name: str) -> None:
    BLOCKING[name](start())
    assert any(each.blocking for each in device.record.crossings)
    assert device.record.faults()[0].startswith("blocking copy ")


@pytest.mark.parametrize("name", WILD)
def test_fake_cuda_sees_a_copy_outside_of_tensors(device: FakeCuda, name: str) -> None:
    WILD[name](start())
    assert device.record.faults()[0].startswith("copy ")


@pytest.mark.parametrize("name", MIXING)
def test_fake_cuda_sees_mixed_devices_and_fails_as_cuda_does(device: FakeCuda, name: str) -> None:
    with pytest.raises(RuntimeError, match="same device"):
        MIXING[name](start())
    assert device.record.mixed
    assert "mixes devices" in device.record.faults()[0]


@pytest.mark.parametrize("name", ALLOWED)
def test_fake_cuda_lets_pass_what_nothing_waits_for(device: FakeCuda, name: str) -> None:
    ALLOWED[name](start())
    assert device.record.faults() == []


def test_fake_cuda_does_not_give_its_memory_to_numpy(device: FakeCuda) -> None:
    with pytest.raises((RuntimeError, TypeError)):
        start().numpy()
    with pytest.raises((RuntimeError, TypeError)):
        np.asarray(start())


def test_fake_cuda_places_constants_only_the_first_time(device: FakeCuda) -> None:
    place(torch.zeros(3), CUDA)
    assert device.record.faults(first=True) == []
    assert len(device.record.faults()) == 1


def test_fake_cuda_tells_who_copies_how_much(device: FakeCuda) -> None:
    download(upload(torch.zeros(3), CUDA))
    up, down = device.record.crossings
    assert (up.up, up.bytes, up.by, up.blocking) == (True, 12, "tensors.upload", False)
    assert (down.up, down.bytes, down.by, down.blocking) == (False, 12, "tensors.fetch", False)


def test_fake_cuda_counts_kernels_but_not_views_and_what_is_empty(device: FakeCuda) -> None:
    x = start()
    device.record.clear()
    (x.view(4, 3).T[1:] * 2).add_(1)
    x[5:].fill_(1)
    assert device.record.kernels == {"mul": 1, "add_": 1}


def test_fake_cuda_computes_what_the_cpu_computes(device: FakeCuda) -> None:
    def work(where: torch.device) -> Tensor:
        weights = upload(torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)), where)
        images = upload(torch.rand(2, 3, 9, 8, generator=torch.Generator().manual_seed(1)), where)
        convolved = gradient_of(lambda x: torch.nn.functional.conv2d(x, weights).relu().square(), images)
        convolved[:, :1].mul_(3)
        return download(convolved)

    assert torch.equal(work(CUDA), work(torch.device("cpu")))


def test_fake_cuda_without_values_has_the_shapes_and_kernels_of_the_other(device: FakeCuda) -> None:
    def work() -> Tensor:
        x = upload(torch.rand(2, 3, 8, 8), CUDA).contiguous(memory_format=torch.channels_last)
        return gradient_of(lambda y: torch.nn.functional.avg_pool2d(y, 2).exp(), x)

    one, kernels = work(), dict(device.record.kernels)
    with fake_cuda(values=False) as bare:
        other = work()
        assert (one.shape, one.stride(), one.dtype) == (other.shape, other.stride(), other.dtype)
        assert bare.record.kernels == kernels
        assert download(other).shape == one.shape


def test_fake_cuda_replays_what_it_captured_at_the_same_addresses(device: FakeCuda) -> None:
    x, number = start(), 2.0
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = (x * number).add_(1)
    number = 5.0
    x.fill_(10)
    graph.replay()
    assert torch.equal(download(y), torch.full((3, 4), 21.0))
    assert device.record.replays == 1


@pytest.mark.parametrize("name", ["item", "bool", "nonzero", "a boolean index"])
def test_fake_cuda_does_not_capture_what_waits(device: FakeCuda, name: str) -> None:
    x = start()
    with pytest.raises(RuntimeError, match="capturing"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        WAITING[name](x)


def test_fake_cuda_is_gone_afterwards() -> None:
    before = torch.cuda.is_available, torch.Tensor.pin_memory, threading.Thread.run
    with fake_cuda():
        assert torch.cuda.device_count() == 1
    assert (torch.cuda.is_available, torch.Tensor.pin_memory, threading.Thread.run) == before
