"""A carry as bytes, from which a later run resumes bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from safetensors.torch import load, save

from dreamvideo.tensors import fetch, upload
from dreamvideo.video.carry import Carry
from dreamvideo.video.goals import ShotGoals, goals_from_tensors, goals_to_tensors
from dreamvideo.video.ground import Ground
from dreamvideo.video.progress import Progress

CARRY = ("residual", "strength", "target_score")
PROGRESS = ("age", "mask", "copy")
GROUND = ("source", "weight", "covered")
GOAL_TIMES = ("goals.until", "goals.begin.time", "goals.end.time")  # stay on the CPU
NUMBERS = ("frame_index", "unseen", "visible")


def carry_to_bytes(carry: Carry, goals: ShotGoals | None = None) -> Callable[[], bytes]:
    """Start fetching a carry from its device.

    Args:
        carry: may change afterwards.
        goals: of the shot; None: they do not change.

    Returns:
        A function that waits for it and returns a safetensors file.
    """
    progress = carry.progress
    present = {name: getattr(carry, name) for name in CARRY} | {name: getattr(progress, name) for name in PROGRESS}
    if progress.ground is not None:
        present |= {f"ground.{name}": getattr(progress.ground, name) for name in GROUND}
        present["ground.residual"] = carry.ground_residual
    if goals is not None:
        present |= goals_to_tensors(goals)
    tensors = {name: fetch(tensor.clone()) for name, tensor in present.items() if tensor is not None}
    numbers = {name: torch.tensor(getattr(progress, name), dtype=torch.float64) for name in NUMBERS}
    return lambda: save({name: wait().contiguous() for name, wait in tensors.items()} | numbers)


def carry_from_bytes(content: bytes, device: torch.device) -> tuple[Carry, ShotGoals | None]:
    """Load a carry.

    Args:
        content: what `carry_to_bytes` returned.
        device: where it goes.

    Returns:
        The carry, and the goals of the shot; None: they do not change.
    """
    tensors = load(content)
    frame_index, unseen, visible = (tensors.pop(name).item() for name in NUMBERS)
    copy = tensors.pop("copy", None)  # stays on the CPU
    times = {name: tensors.pop(name) for name in list(tensors) if name in GOAL_TIMES}
    uploaded = {name: upload(tensor, device) for name, tensor in tensors.items()}
    ground = None
    if "ground.source" in uploaded:
        ground = Ground(*(uploaded[f"ground.{name}"] for name in GROUND))
    progress = Progress(uploaded["age"], int(frame_index), unseen, uploaded.get("mask"), copy, visible, ground=ground)
    residual, strength, target_score = (uploaded[name] for name in CARRY)
    carry = Carry(residual, strength, target_score, progress, uploaded.get("ground.residual"))
    return carry, goals_from_tensors(uploaded | times)
