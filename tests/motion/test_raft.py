import logging
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from conftest import textured
from safetensors.torch import save_file
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torchvision.models._api import Weights

from dreamvideo.cli import main
from dreamvideo.errors import ModelError, WeightsError
from dreamvideo.models.network import Network
from dreamvideo.motion import raft as module
from dreamvideo.motion.flow import FLOWS
from dreamvideo.motion.flow_pair import FlowEstimator, FlowPair, enlarge_flow
from dreamvideo.motion.raft import LARGEST_SIDE, LEAST_SIDE, flow_both_ways, pad_for_raft, raft, raft_flow
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.tensors import fetch, upload
from dreamvideo.video.flow_stage import motion_estimator
from dreamvideo.video.pipeline import dream_video

CPU = torch.device("cpu")


def random_state(name: str) -> Any:
    torch.manual_seed(5)
    return torchvision.models.get_model(name, weights=None).state_dict()


@pytest.fixture(autouse=True)
def few_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two instead of twelve: each takes its time, and none is like another."""
    monkeypatch.setattr(module, "UPDATES", 2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of nobody's: what they make of pictures is a flow by its shape only."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("raft_small", "raft_large"):
        torch.save(random_state(name), folder / f"{name}.pth")
    save_file(random_state("raft_small"), folder / "raft_small.safetensors")
    return folder


@pytest.fixture(scope="module")
def small(files: Path) -> FlowEstimator:
    return raft(CPU, str(files / "raft_small.pth"))


class Constant:
    """A flow of (2, 3) pixels at the size it is given, and of (-4, 5) back; remembers what it was given."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        self.seen = images
        return torch.tensor([[2.0, 3.0], [-4.0, 5.0]])[:, :, None, None].expand(2, 2, *images.shape[2:])


def pair(height: int, width: int, batch: int = 1) -> tuple[Any, Any]:
    now, before = (
        torch.stack([torch.from_numpy(textured(height, width, seed + 7 * i)).permute(2, 0, 1) for i in range(batch)])
        for seed in (1, 2)
    )
    return now, before


@pytest.mark.parametrize("size", [(40, 72), (135, 161), (1, 1), (128, 3)])
def test_pictures_of_any_size_have_a_finite_flow(small: FlowEstimator, size: tuple[int, int]) -> None:
    for flow in small(*pair(*size)):
        assert flow.shape == (1, 2, *size)
        assert flow.dtype == torch.float32 and flow.device == CPU and flow.is_contiguous()
        assert torch.isfinite(flow).all()


def test_a_batch_gives_the_flows_of_its_rows_the_same_each_time_and_no_gradients(
    small: FlowEstimator,
) -> None:
    now, before = pair(56, 64, batch=2)
    together = small(now, before)
    assert not torch.equal(*together) and not torch.equal(*together.backward)
    for row in (0, 1):
        alone = small(now[row : row + 1], before[row : row + 1])
        assert all(torch.equal(flow[0], both[row]) for flow, both in zip(alone, together, strict=True))
    assert all(map(torch.equal, small(now, before), together))
    for flow, other in zip(small(before, now), together[::-1], strict=True):
        assert torch.allclose(flow, other, rtol=1e-4, atol=1e-3)
    assert not together.backward.requires_grad and torch.is_grad_enabled()


def test_gradients_are_not_tracked_even_of_weights_that_ask_for_them() -> None:
    factor, network = torch.ones((), requires_grad=True), Constant()
    assert not raft_flow(lambda images: factor * network(images), CPU, *pair(40, 72)).backward.requires_grad


@pytest.mark.parametrize(
    ("size", "shrunk"),
    [((200, 136), (200, 136)), ((LARGEST_SIDE * 2, 1001), (360, 500)), ((1280, 725), (636, 360))],
)
def test_the_flow_of_a_shrunken_picture_is_in_pixels_of_the_whole_one(
    size: tuple[Any, ...], shrunk: tuple[int, int]
) -> None:
    network = Constant()
    for small, (dx, dy) in zip(raft_flow(network, CPU, *pair(*size)), ((2, 3), (-4, 5)), strict=True):
        assert small.shape == (1, 2, *shrunk)
        flow = enlarge_flow(small, *size)
        expected = torch.tensor([dx * size[1] / shrunk[1], dy * size[0] / shrunk[0]])
        assert torch.allclose(flow, expected.view(1, 2, 1, 1).expand_as(flow), rtol=1e-5)
    given = network.seen.shape[2:]
    assert all(0 <= side - least < 8 and side % 8 == 0 for side, least in zip(given, shrunk, strict=True))


def test_current_comes_first_scaled_and_its_edges_are_repeated() -> None:
    now, before = pair(40, 200)
    network = Constant()
    raft_flow(network, CPU, now, before)
    for image, given in zip((now, before), network.seen, strict=True):
        assert given.shape == (3, LEAST_SIDE, 200)
        assert torch.allclose(given[:, :40], image[0].float() / 255 * 2 - 1, atol=1e-6)
        assert torch.equal(given[:, 40:], given[:, 39:40].expand(3, LEAST_SIDE - 40, 200))
    wide = pad_for_raft(pair(130, 133)[0], 130, 133)
    assert wide.shape == (1, 3, 136, 136)
    assert torch.equal(wide[..., 133:], wide[..., 132:133].expand(1, 3, 136, 3))
    assert pad_for_raft(torch.tensor([0, 255], dtype=torch.uint8).expand(1, 3, 1, 2), 1, 2).unique().tolist() == [-1, 1]


def test_what_leaves_the_crop_is_not_stretched_into_the_picture() -> None:
    def ramp(images: torch.Tensor) -> torch.Tensor:  # each pixel's flow is its own place, in the padding too
        down, right = (torch.arange(float(side)) for side in images.shape[2:])
        return torch.stack(torch.meshgrid(right, down, indexing="xy")).expand(2, -1, -1, -1)

    flow = enlarge_flow(raft_flow(ramp, CPU, *pair(722, 730)).backward, 722, 730)  # 360x364 of 360x368
    assert flow[0, 0, :, -1].tolist() == pytest.approx([363 * 730 / 364] * 722, rel=1e-5)
    assert flow[0, 1, 361].tolist() == pytest.approx([(361.5 * 360 / 722 - 0.5) * 722 / 360] * 730, rel=1e-5)


@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_the_flow_is_that_of_torchvision_there_and_back(files: Path, name: str) -> None:
    """On a picture that needs no padding nor shrinking, so nothing stands between."""
    network = module.load_raft(name, str(files / f"{name}.pth"))
    now, before = pair(128, 136)
    transforms = torchvision.models.optical_flow.Raft_Small_Weights.C_T_V2.transforms()
    flows = raft_flow(partial(flow_both_ways, network), CPU, now, before)
    for flow, ends in zip(flows, ((now, before), (before, now)), strict=True):
        with torch.no_grad():
            expected = network(*transforms(*ends), num_flow_updates=2)[-1]
        assert (flow - expected).abs().max() < 1e-4 * expected.abs().max()


def test_large_on_cuda_small_elsewhere_and_it_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loaded: list[Any] = []

    class Still(torch.nn.Conv2d):
        def to(self, device: torch.device) -> Any:  # type: ignore[override]
            loaded[-1] += (device, self.weight.dtype)
            return self

    monkeypatch.setattr(module, "has_fast_bf16", lambda device: True)
    monkeypatch.setattr(module, "load_raft", lambda name, weights: loaded.append((name, weights)) or Still(1, 1, 1))
    with caplog.at_level(logging.INFO):
        for device in ("cpu", "cuda:1", "mps"):
            raft(torch.device(device), "w.pth")
    cuda = torch.device("cuda:1")
    on_cpu = ("raft_small", "w.pth", CPU, torch.float32)
    assert loaded == [on_cpu, ("raft_large", "w.pth", cuda, torch.bfloat16), on_cpu]
    told = [f"flow: {name}" for name in ("raft_small on cpu", "raft_large on cuda:1", "raft_small on cpu")]
    assert [record.message for record in caplog.records] == told


def test_both_networks_are_read_from_files_of_either_kind(files: Path, small: FlowEstimator) -> None:
    now, before = pair(40, 72)
    assert all(map(torch.equal, raft(CPU, str(files / "raft_small.safetensors"))(now, before), small(now, before)))
    large = module.load_raft("raft_large", str(files / "raft_large.pth"))
    assert raft_flow(partial(flow_both_ways, large), CPU, now, before).backward.shape == (1, 2, 40, 72)
    assert not any(parameter.requires_grad for parameter in large.parameters()) and not large.training


def test_weights_of_another_network_are_one_line_with_the_file_to_fetch(files: Path) -> None:
    told = r"raft_large\.pth: '\S+' has shape .* Expected those of raft_small, such as https://\S+raft_small_C_T_V2-\w+\.pth"
    with pytest.raises(ModelError, match=told) as caught:
        raft(CPU, str(files / "raft_large.pth"))
    assert "\n" not in str(caught.value)


def test_a_truncated_or_missing_file_is_one_line(files: Path, tmp_path: Path) -> None:
    for suffix in (".pth", ".safetensors"):
        content = (files / f"raft_small{suffix}").read_bytes()
        (tmp_path / f"cut{suffix}").write_bytes(content[: len(content) // 2])
        with pytest.raises(WeightsError, match=rf"cut\{suffix}: cannot read weights [^\n]*\Z"):
            raft(CPU, str(tmp_path / f"cut{suffix}"))
    with pytest.raises(WeightsError, match=r"none\.pth: no such weights file"):
        raft(CPU, str(tmp_path / "none.pth"))


def test_its_recommended_weights_are_downloaded_and_checked(
    files: Path,
    publish: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    small: FlowEstimator,
    tmp_path: Path,
) -> None:
    content = (files / "raft_small.pth").read_bytes()
    url = publish("raft_small", content[:-1] + b"?", content)
    entries = {"raft_small": {"C_T_V2": Weights(url, None, {})}}
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: entries[name])
    with pytest.raises(WeightsError, match="invalid hash value") as caught:
        raft(CPU)
    for part in (
        f"fetch {url} elsewhere and put it at {tmp_path / 'cache'}",
        "or give --flow-weights FILE, or use --flow dis, which needs no download",
    ):
        assert part in str(caught.value)
    publish("raft_small", content)
    now, before = pair(40, 72)
    assert all(map(torch.equal, raft(CPU)(now, before), small(now, before)))


def stream(count: int, closed: Any) -> Generator[Any, None, None]:
    from conftest import stream

    try:
        yield from stream([np.roll(textured(40, 72), 2 * i, 1) for i in range(count)])
    finally:
        closed.append(True)


def test_a_video_dreams_along_it(tiny_network: Network, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, asked = [], []
    load = module.load_raft
    monkeypatch.setattr(module, "load_raft", lambda *given: loaded.append(given) or load(*given))
    monkeypatch.setattr(module, "raft_flow", lambda *given: asked.append(given) or raft_flow(*given))
    carrying = CarrySettings(flow="raft", flow_weights=str(files / "raft_small.pth"))
    dreaming = DreamSettings(octaves=1, iterations=2)
    frames = list(dream_video(stream(4, []), tiny_network, dreaming, carrying))
    assert [frame.image.shape for frame in frames] == [(40, 72, 3)] * 4
    assert len(asked) == 3, "for each frame but the first"
    assert len(loaded) == 1


@pytest.mark.parametrize("flow", ["dis", "raft"])
def test_only_dis_is_estimated_again_where_things_move_fast(flow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimator that sees a square move by 8 px to the right, where it moves by 5 to the left."""

    def mistaken(current: torch.Tensor, previous: torch.Tensor) -> FlowPair:
        seen = torch.zeros(1, 2, 96, 160)
        seen[:, 0, 32:64, 56:96] = 8
        return FlowPair(seen, seen.clone())

    images = []
    for left in (60, 55):
        image = textured(96, 160)
        image[32:64, left : left + 40] = textured(32, 40, 3)
        images.append(image)
    monkeypatch.setitem(FLOWS, flow, lambda *_: mistaken)
    from conftest import stream

    before, now = stream(images)
    motion = motion_estimator(CarrySettings(flow=flow), CPU, False)(now, before)(*pair(96, 160))()
    dx = motion.backward[0, 0, 40:56, 64:86].median()
    assert dx == 8 if flow == "raft" else abs(dx - 5) < 0.5


def test_weights_that_cannot_be_had_are_told_before_a_frame_is_dreamed_and_the_source_is_closed(
    tiny_network: Network, tmp_path: Path
) -> None:
    carrying = CarrySettings(flow="raft", flow_weights=str(tmp_path / "none.pth"))
    closed: list[Any] = []
    with pytest.raises(WeightsError, match="no such weights file"):
        next(dream_video(stream(4, closed), tiny_network, DreamSettings(octaves=1), carrying))
    assert closed == [True]


def test_nothing_is_loaded_for_frames_that_dream_alone(tiny_network: Network, tmp_path: Path) -> None:
    carrying = CarrySettings(persistence=0, flow="raft", flow_weights=str(tmp_path / "none.pth"))
    dreaming = DreamSettings(octaves=1, iterations=1)
    assert len(list(dream_video(stream(2, []), tiny_network, dreaming, carrying))) == 2


def test_the_command_line_takes_it(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from clips import make_clip, video_times

    clip = make_clip(tmp_path / "clip.mp4")
    words = ["video", str(clip), "--iterations", "1", "--octaves", "1", "--frames", "3", "-v"]
    assert main([*words, "--flow", "raft", "--device", "cpu", "--flow-weights", str(files / "raft_small.pth")]) == 0
    assert "flow: raft_small on cpu" in capsys.readouterr().err
    assert len(video_times(tmp_path / "clip_dream.mp4")[0]) == 3
    assert main([*words, "-y", "--flow-weights", "w.pth"]) == 2
    assert capsys.readouterr().err.strip() == "dreamvideo: --flow-weights w.pth with --flow auto: expected --flow raft"


class Dispatched(TorchDispatchMode):
    """Counts what mixes devices, and what TF32 would change."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.crossings, self.in_float32 = Counter[str](), Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        every = [*given, *(each for each in tree_leaves(result) if isinstance(each, torch.Tensor))]
        # A number on the CPU becomes an argument of the kernel.
        self.crossings[str(func)] += len({each.device for each in every if each.dim()}) > 1
        product = any(name in str(func) for name in ("conv", "mm", "local_scalar"))
        self.in_float32[str(func)] += product and any(each.dtype == torch.float32 for each in given)
        return result


@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_fake_cuda_two_images_go_to_the_device_and_nothing_else_and_nothing_depends_on_tf32(name: str) -> None:
    """On a device without memory."""
    device, log = torch.device("meta"), Dispatched()
    network = torchvision.models.get_model(name, weights=None).eval().requires_grad_(False)
    module.halve_convolutions(network)
    network.to(device)
    images = [torch.empty(1, 3, 360, 640, dtype=torch.uint8) for _ in range(2)]
    with log, torch.no_grad():
        given = torch.cat([pad_for_raft(upload(image, device), 360, 640) for image in images])
        flows = flow_both_ways(network, given)
    assert (flows.shape, flows.dtype, flows.device) == ((2, 2, 360, 640), torch.float32, device)
    assert +log.crossings == {"aten._to_copy.default": 2}
    assert not +log.in_float32 and len(log.in_float32) > 20


def test_rounded_to_bfloat16_the_flow_is_nearly_the_same(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UPDATES", 12)
    now, before = pair(128, 136)
    exact, rounded = (module.load_raft("raft_large", str(files / "raft_large.pth")) for _ in range(2))
    module.halve_convolutions(rounded)
    flows = (raft_flow(partial(flow_both_ways, network), CPU, now, before) for network in (exact, rounded))
    for one, other in zip(*flows, strict=True):
        assert other.dtype == torch.float32
        assert 0 < (one - other).abs().mean() < 0.02 * one.abs().mean()


@pytest.mark.gpu
def test_the_gpu_finds_the_flow_of_the_cpu(files: Path) -> None:
    there = raft(torch.device("cuda"), str(files / "raft_large.pth"))
    large = module.load_raft("raft_large", str(files / "raft_large.pth"))
    now, before = pair(130, 170, batch=2)
    here = raft_flow(partial(flow_both_ways, large), CPU, now, before)
    for one, other in zip(here, there(now, before), strict=True):
        assert other.is_cuda
        assert (one - other.cpu()).abs().mean() < 0.02 * one.abs().mean()


@pytest.mark.gpu
def test_on_the_gpu_the_flow_does_not_wait_for_the_dream(files: Path) -> None:
    estimate = raft(torch.device("cuda"), str(files / "raft_large.pth"))
    now, before = pair(130, 170)
    expected = [flow.cpu() for flow in estimate(now, before)]
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    torch.cuda._sleep(10**10)  # type: ignore[no-untyped-call]  # cycles of the default stream, some seconds
    upload(torch.ones(3), torch.device("cuda"))
    waiting = fetch(torch.ones(3, device="cuda"))
    dreamed = torch.cuda.Event()
    dreamed.record()
    with torch.cuda.stream(stream):
        flows = [fetch(flow, stream)() for flow in estimate(now, before)]
    assert not dreamed.query()
    assert all(map(torch.equal, flows, expected))
    assert waiting().tolist() == [1, 1, 1]
