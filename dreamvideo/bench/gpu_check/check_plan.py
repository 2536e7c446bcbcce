"""What the parts of the check share: the device, the network, the time, and sizes that are small in a rehearsal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from dreamvideo.bench.timing import TimeLimit
from dreamvideo.models.network import Network, load_network
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.network_looks import network_look

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GpuCheck:
    """One part that runs.

    Args:
        device: that is checked; on a CPU it is a rehearsal.
        model: network that dreams, as in `ModelSettings`.
        out: folder of the results.
        limit: no further measurement starts after it.
    """

    device: torch.device
    model: str
    out: Path
    limit: TimeLimit

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def look(self) -> DreamSettings:
        """How the network dreams best."""
        return DreamSettings(**network_look(self.model))

    def pick(self, real: T, rehearsed: T) -> T:
        """Return the first on a GPU, the second in a rehearsal."""
        return real if self.on_gpu else rehearsed

    def load(
        self,
        precision: Any = "auto",
        objective: ObjectiveSettings = ObjectiveSettings(),  # noqa: B008
        guide: Tensor | None = None,
        **changes: Any,
    ) -> Network:
        """Load a network.

        Args:
            precision: as in `ModelSettings`; a rehearsal takes float32 in place of fp16.
            objective: what is raised.
            guide: as in `load_network`.
            changes: other fields of `ModelSettings`.
        """
        precision = self.pick(precision, "fp32" if precision == "fp16" else precision)
        fields = {"model": self.model, "device": str(self.device), "precision": precision, **changes}
        return load_network(ModelSettings(**fields), objective, guide)

    def memory(self) -> dict[str, float]:
        """Megabytes of device memory: those of tensors at their peak, and all that PyTorch holds."""
        if not self.on_gpu:
            return {}
        return {
            "peak_MB": torch.cuda.max_memory_allocated(self.device) / 1e6,
            "reserved_MB": torch.cuda.memory_reserved(self.device) / 1e6,
        }

    def free_bytes(self) -> int:
        """Free memory of the device, as its driver says; of a CPU 0."""
        return int(torch.cuda.mem_get_info(self.device)[0]) if self.on_gpu else 0
