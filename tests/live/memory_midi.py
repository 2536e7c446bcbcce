"""A backend of mido whose devices lie in memory, for `mido.set_backend("memory_midi")`."""

from collections import deque
from typing import Any

import mido
from mido.ports import BaseInput

NAMES = ["Nano Control 1", "Big Keys"]
OPEN: dict[str, "Input"] = {}


class Input(BaseInput):  # type: ignore[misc]  # mido has no types
    """A device."""

    def _open(self, **_: Any) -> None:
        self.arrived: deque[mido.Message] = deque()
        OPEN[self.name] = self

    def _receive(self, block: bool = True) -> Any:
        while self.arrived:
            self._messages.append(self.arrived.popleft())

    def _close(self, **_: Any) -> None:
        del OPEN[self.name]


def get_devices(**_: Any) -> list[dict[str, Any]]:
    return [{"name": name, "is_input": True, "is_output": False} for name in NAMES]
