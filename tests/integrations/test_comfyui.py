"""The node for ComfyUI, called as ComfyUI documents that it calls nodes."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from clips import picture
from torch import Tensor

from dreamvideo.integrations import comfyui
from dreamvideo.integrations.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from dreamvideo.settings.dream import DreamSettings, ObjectiveSettings

TYPES = {"IMAGE": Tensor, "MASK": Tensor, "STRING": str, "FLOAT": float, "BOOLEAN": bool}


class StandIn:
    """Calls a node as ComfyUI does: its inputs by name, defaults from INPUT_TYPES, the method that FUNCTION names."""

    def __init__(self, name: str) -> None:
        self.node = NODE_CLASS_MAPPINGS[name]
        self.inputs = self.node.INPUT_TYPES()

    def defaults(self) -> dict[str, Any]:
        return {
            name: kind[0] if isinstance(kind, list) else options[0]["default"]
            for name, (kind, *options) in self.inputs["required"].items()
            if isinstance(kind, list) or kind not in ("IMAGE", "MASK")
        }

    def run(self, **given: Any) -> Any:
        known = {**self.inputs["required"], **self.inputs.get("optional", {})}
        values = {**self.defaults(), **given}
        assert not values.keys() - known.keys()
        assert not self.inputs["required"].keys() - values.keys()
        for name, value in values.items():
            kind = known[name][0]
            assert value in kind if isinstance(kind, list) else isinstance(value, TYPES[kind])
        with torch.inference_mode():  # ComfyUI runs nodes so
            outputs = getattr(self.node(), self.node.FUNCTION)(**values)
        assert isinstance(outputs, tuple) and len(outputs) == len(self.node.RETURN_TYPES)
        return outputs[0]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamvideo.jobs.dream_file import with_look as real

    comfyui._load.cache_clear()

    def few_steps(*values: Any) -> Any:
        model, objective, _ = real(*values)
        return model, objective, DreamSettings(iterations=2, octaves=1, step_size=0.03)

    monkeypatch.setattr(comfyui, "with_look", few_steps)


@pytest.fixture
def node() -> StandIn:
    return StandIn("DreamvideoDreamImages")


def batch(count: int, channels: int = 3) -> Tensor:
    images = torch.stack([torch.from_numpy(picture(n)) for n in range(count)]).float() / 255
    return torch.cat([images, torch.full_like(images[..., : channels - 3], 0.25)], -1)


def test_the_node_is_as_comfyui_asks(node: StandIn) -> None:
    assert NODE_DISPLAY_NAME_MAPPINGS.keys() == NODE_CLASS_MAPPINGS.keys()
    assert node.node.RETURN_TYPES == ("IMAGE",) and node.node.CATEGORY and isinstance(node.inputs, dict)
    parameters = inspect.signature(getattr(node.node, node.node.FUNCTION)).parameters
    assert list(parameters)[1:] == [*node.inputs["required"], *node.inputs["optional"]]


def test_images_come_out_dreamed_as_they_went_in(node: StandIn) -> None:
    images = batch(3)
    before = images.clone()
    dreamed = node.run(images=images)
    assert dreamed.shape == images.shape and dreamed.dtype == torch.float32 and dreamed.device == images.device
    assert torch.equal(images, before)
    assert float(dreamed.min()) >= 0 and float(dreamed.max()) <= 1
    assert (dreamed - images).abs().mean() > 0.01


def test_with_carry_frames_depend_on_those_before_them(node: StandIn) -> None:
    alone = [node.run(images=batch(3)[n : n + 1], carry=False) for n in range(3)]
    assert torch.equal(node.run(images=batch(3), carry=False)[0], alone[0][0])
    carried = node.run(images=batch(3), carry=True)
    assert torch.equal(carried[0], node.run(images=batch(1), carry=True)[0])
    assert not torch.equal(carried[2], node.run(images=batch(3)[2:], carry=True)[0])


def test_where_the_mask_is_black_the_image_stays(node: StandIn) -> None:
    images = batch(2)
    mask = torch.zeros(images.shape[1:3])
    mask[:, :32] = 1
    for masks in (mask, mask[None], mask.expand(2, -1, -1)):
        dreamed = node.run(images=images, mask=masks)
        assert torch.equal(dreamed[:, :, 32:], images[:, :, 32:])
        assert (dreamed[:, :, :32] - images[:, :, :32]).abs().mean() > 0.005


def test_alpha_stays_and_strength_zero_is_the_input(node: StandIn) -> None:
    images = batch(1, channels=4)
    assert torch.equal(node.run(images=images)[..., 3], images[..., 3])
    assert torch.equal(node.run(images=images, strength=0.0), images)


def test_classes_are_names_with_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load(model: object, objective: ObjectiveSettings) -> None:
        asked.append(objective.classes)

    monkeypatch.setattr(comfyui, "load_network", load)
    comfyui._load(None, "owl, lion:0.5,")
    assert asked == [(("owl", 1.0), ("lion", 0.5))]


def test_progress_is_shown_and_what_it_raises_cancels(node: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Exception):
        pass

    class ProgressBar:
        done: list[int] = []

        def __init__(self, total: int) -> None:
            assert total == 3

        def update(self, value: int) -> None:
            self.done.append(value)
            if len(self.done) == 5:
                raise Interrupted

    comfy, utils = ModuleType("comfy"), ModuleType("comfy.utils")
    utils.ProgressBar = ProgressBar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comfy", comfy)
    monkeypatch.setitem(sys.modules, "comfy.utils", utils)
    node.run(images=batch(3))
    assert sum(ProgressBar.done) == 3
    with pytest.raises(Interrupted):
        node.run(images=batch(3))
