"""Networks in every precision on a CUDA device that is not there: nothing waits once they are loaded."""

from functools import cache
from pathlib import Path
from typing import cast

import pytest
import torch
from conftest import textured
from fake_cuda import CUDA, FakeCuda, fake_cuda
from torch import nn

from dreamvideo.kernels import graph_capture
from dreamvideo.models.efficientnet_lite import VARIANTS, EfficientNetLite
from dreamvideo.models.model import Model
from dreamvideo.models.network import Network, choose_terms, place_network
from dreamvideo.models.registry import build_classifier, find_model
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.tensors import to_guide, to_tensor
from dreamvideo.video.carry import Carry
from dreamvideo.video.dream_frames import dream_carried_frames, dream_first_frames

PRECISIONS = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LOOK = DreamSettings(octaves=1, iterations=1, jitter=8)
CARRY = CarrySettings(local_steps=0)


@cache
def dreamnet() -> Model:
    return find_model("dreamnet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the other networks."""
    folder = tmp_path_factory.mktemp("weights")
    lite = EfficientNetLite(VARIANTS["efficientnet_lite0"], 20)
    for name, network in (("efficientnet_lite0", lite), ("squeezenet1_1", build_classifier("squeezenet1_1"))):
        torch.save(network.state_dict(), folder / f"{name}.pth")
    return folder


def loaded(model: Model, precision: str, objective: ObjectiveSettings = ObjectiveSettings()) -> Network:
    guide = to_guide(textured(40, 48, 3)) if objective.guide else None
    terms = choose_terms(model, objective, guided=guide is not None)
    return place_network(model, terms, ModelSettings(device="cuda:0", precision=precision), guide)  # type: ignore[arg-type]


def check(device: FakeCuda, network: Network) -> None:
    """A batch of first frames and of carried ones, each twice: the second time nothing is placed any more."""
    sources = torch.cat([to_tensor(textured(64, 72, seed), CUDA) for seed in (1, 2)])
    device.record.clear()

    def both() -> list[Carry]:
        carries = dream_first_frames(sources, network, LOOK)
        return dream_carried_frames(sources, carries, network, LOOK, CARRY, steps=(1,))

    with graph_capture.enabled(False):  # what they do is tested with small networks
        both()
        assert device.record.faults(first=True) == []
        device.record.clear()
        after = both()
        assert device.record.faults() == []
    assert {(each.residual.dtype, each.target_score.dtype) for each in after} == {(torch.float32, torch.float32)}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_fake_cuda_dreamnet_in_every_precision(precision: str) -> None:
    with fake_cuda(values=False) as device:
        network = loaded(dreamnet(), precision)
        assert network.precision == PRECISIONS[precision]
        assert network.precision_name == precision
        features = cast(nn.Module, network.score.features)
        weights = [*features.parameters(), *features.buffers()]
        assert {(each.dtype, each.device) for each in weights} == {(PRECISIONS[precision], CUDA)}
        check(device, network)


@pytest.mark.parametrize(
    ("name", "precision", "objective"),
    [
        ("efficientnet_lite0", "bf16", ObjectiveSettings(classes=(("3", 1.0), ("5", -0.5)))),  # they focus
        ("squeezenet1_1", "fp16", ObjectiveSettings()),
    ],
)
def test_fake_cuda_classifiers_in_half_precision(
    folder: Path, name: str, precision: str, objective: ObjectiveSettings
) -> None:
    model = find_model(name, str(folder / f"{name}.pth"))
    with fake_cuda(values=False) as device:
        check(device, loaded(model, precision, objective))


def test_fake_cuda_classes_neurons_channels_and_a_guide() -> None:
    choices = [
        ObjectiveSettings(classes=(("owl", 1.0), ("cat", 0.5))),
        ObjectiveSettings(neurons=(("s8b", 3, 1.0),), channels=(("s16a", 5, 1.0), ("s16a", 7, 1.0))),
        ObjectiveSettings(guide="its path is not opened"),
    ]
    for objective in choices:
        with fake_cuda(values=False) as device:
            check(device, loaded(dreamnet(), "bf16", objective))


def test_fake_cuda_loading_copies_weights_and_waits_once() -> None:
    """Whether a card runs kernels at all is found by waiting for one."""
    with fake_cuda(values=False) as device:
        loaded(dreamnet(), "bf16")
        assert [operation for operation, _ in device.record.syncs] == ["_local_scalar_dense"]
        assert device.record.syncs[0][1].startswith("devices.py:")
        assert {each.by for each in device.record.crossings} <= {"registry.cut", "tensors.place"}
        assert not device.record.mixed
