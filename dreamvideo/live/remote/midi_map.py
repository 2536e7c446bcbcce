"""Which MIDI knob controls what: names of knobs, and the file that remembers them for each device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamvideo.errors import OutputError
from dreamvideo.live.named_controls import CONTROLS
from dreamvideo.media.atomic_files import make_folder, read_json, write_atomically


def map_file() -> Path:
    """Return the file of what was learned, in the user's folder for settings.

    Raises:
        OutputError: platformdirs is missing.
    """
    try:
        from platformdirs import user_config_path
    except ModuleNotFoundError:
        raise OutputError('--midi needs platformdirs: pip install "dreamvideo[midi]"') from None
    return user_config_path("dreamvideo", appauthor=False) / "midi.json"


def read_map(path: Path, device: str) -> dict[str, str]:
    """Return what the knobs of a device control.

    Args:
        path: of the file; it need not exist.
        device: name of the device.

    Returns:
        Knob -> name of a control. What this version does not know is left out.

    Raises:
        OutputError: the file is damaged; it is not replaced, as it may hold what other devices have learned.
    """
    if not path.exists():
        return {}
    content = read_json(path)
    if content is None:
        raise OutputError(f"{path} is damaged: expected JSON with knobs of MIDI devices; delete it to learn anew")
    knobs: Any = content.get(device)
    if not isinstance(knobs, dict):
        return {}
    return {knob: name for knob, name in knobs.items() if isinstance(name, str) and name in CONTROLS}


def write_map(path: Path, device: str, learned: Mapping[str, str]) -> None:
    """Store what the knobs of a device control, beside those of other devices.

    Args:
        path: of the file, whose folder is made.
        device: name of the device.
        learned: knob -> name of a control.

    Raises:
        OutputError: it cannot be written.
    """
    make_folder(path.parent)
    content = {**(read_json(path) or {}), device: dict(sorted(learned.items()))}
    try:
        write_atomically(path, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from None
