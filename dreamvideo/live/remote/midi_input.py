"""MIDI: knobs, faders, keys and pads of a device control a live dream, as they were learned in the page.

mido (an extra) opens the device, by RtMidi unless the environment variable `MIDO_BACKEND` names another backend.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from dreamvideo.errors import DreamVideoError, OutputError, first_line
from dreamvideo.live.named_controls import CONTROLS
from dreamvideo.live.remote.midi_map import map_file, read_map, write_map
from dreamvideo.live.shared_state import MidiLearning, SharedState

log = logging.getLogger(__name__)

_INTERVAL: Final = 0.005  # seconds between looks for messages
_BATCH: Final = 64  # messages that are taken at a look
_BEND: Final = 8192  # half of the way of a pitch wheel


@contextmanager
def open_midi(shared: SharedState, device: str, path: Path | None = None) -> Iterator[str]:
    """Let a MIDI device set the controls until the `with` block ends.

    Args:
        shared: has the controls, and what is to be learned.
        device: name of the device, or a part of it in any case.
        path: of the file of what was learned; None: in the user's folder for settings.

    Yields:
        The name of the device.

    Raises:
        OutputError: mido or its backend is missing, there is no such device, or what was learned cannot be read.
    """
    path = path or map_file()
    name, port = _open_port(device)
    ending = Event()
    try:
        shared.learning = MidiLearning(name, read_map(path, name))
        listener = _Listener(shared, port, path)
        thread = Thread(target=listener.listen, args=(ending,), name="midi")
        thread.start()
        try:
            yield name
        finally:
            ending.set()
            thread.join()
    finally:
        shared.learning = None
        port.close()


def knob_of(message: Any) -> tuple[str, float, bool] | None:
    """Return which knob a MIDI message is of.

    Args:
        message: of mido.

    Returns:
        (name of the knob, share of its whole way in 0..1, whether it is a key or a pad); None: it is of no knob.
    """
    kind = message.type
    if kind == "control_change":
        name, share, pad = f"knob {message.control}", message.value / 127, False
    elif kind in ("note_on", "note_off"):
        name, share, pad = f"key {message.note}", message.velocity / 127 if kind == "note_on" else 0.0, True
    elif kind == "pitchwheel":
        name, share, pad = "bend", (message.pitch + _BEND) / (2 * _BEND - 1), False
    else:
        return None
    return name if message.channel == 0 else f"{name} channel {message.channel + 1}", share, pad


class _Listener:
    """Takes the messages of a port."""

    def __init__(self, shared: SharedState, port: Any, path: Path) -> None:
        self._shared, self._port, self._path = shared, port, path
        self._shares: dict[str, float] = {}  # of each knob, when it was turned last
        self._saved = shared.learning

    def listen(self, ending: Event) -> None:
        """Take messages until `ending` is set."""
        while not ending.wait(_INTERVAL):
            try:
                for message in islice(self._port.iter_pending(), _BATCH):
                    self._take(message)
            except (OSError, ValueError) as error:  # the device is gone, its port is closed
                self._shared.say(f"MIDI has ended: {first_line(error)}")
                return
            self._save()

    def _take(self, message: Any) -> None:
        found = knob_of(message)
        if found is None:
            return
        knob, share, pad = found
        learning = self._shared.learning
        if learning is None or (learning.control is not None and pad and not share):
            return  # a key that is let go is not learned
        if learning.control is not None and self._shared.bind(knob):
            self._shared.say(f"MIDI {knob}: {learning.control}")
            self._shares[knob] = share
            return
        name = learning.learned.get(knob)
        if name is None:
            return
        is_button = CONTROLS[name].kind in ("button", "switch")
        if pad and not is_button and not share:
            return  # the number stays as it was when the key was pressed
        before = self._shares.get(knob, 0.0)
        self._shares[knob] = share = float(share > 0) if pad and is_button else share
        try:
            self._shared.turn(name, share, before, pad=pad)
        except DreamVideoError as error:
            self._shared.say(f"MIDI {knob}: {error}")

    def _save(self) -> None:
        learning = self._shared.learning
        if learning is None or self._saved is None or learning.learned == self._saved.learned:
            return
        self._saved = replace(learning)
        try:
            write_map(self._path, learning.device, learning.learned)
        except OutputError as error:
            self._shared.say(str(error))


def _open_port(device: str) -> tuple[str, Any]:
    """The name of a device, and its open port."""
    try:
        import mido
    except ModuleNotFoundError:
        raise OutputError('--midi needs mido: pip install "dreamvideo[midi]"') from None
    try:
        name = _find_device(device, mido.get_input_names())
        return name, mido.open_input(name)
    except OutputError:
        raise
    except ImportError as error:
        raise OutputError(
            f"mido cannot use its backend ({first_line(error)}): expected python-rtmidi, or another one named by "
            "MIDO_BACKEND, such as mido.backends.portmidi"
        ) from None
    except Exception as error:  # of the backend, such as RtMidi's own where the system has no MIDI
        raise OutputError(f"no MIDI here ({first_line(error)}): expected a MIDI device") from None


def _find_device(device: str, names: Sequence[str]) -> str:
    if device in names:
        return device
    found = [name for name in names if device.lower() in name.lower()]
    if len(found) == 1:
        return found[0]
    known = f"expected one of {', '.join(names)}" if names else "there is none"
    raise OutputError(f"--midi {device}: {'several devices' if found else 'no such device'}: {known}")
