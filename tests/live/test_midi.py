"""Controls by MIDI, through mido's interface: a device in memory, and mido's own ports over a socket."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import memory_midi
import mido
import pytest

from dreamvideo.errors import OutputError
from dreamvideo.live.controls import Controls, Menu
from dreamvideo.live.remote import midi_input
from dreamvideo.live.remote.midi_input import knob_of, open_midi
from dreamvideo.live.remote.midi_map import map_file, read_map, write_map
from dreamvideo.live.shared_state import SharedState

HANG = 60.0  # seconds after which a message counts as lost


@pytest.fixture(autouse=True)
def backend() -> Iterator[None]:
    before = mido.backend
    mido.set_backend("memory_midi")
    yield
    mido.set_backend(before)


@pytest.fixture
def shared() -> SharedState:
    return SharedState(Controls(), Menu(("sea", "night"), ("s8b",)))


def until(done: Callable[[], Any]) -> None:
    end = time.monotonic() + HANG
    while not done():
        assert time.monotonic() < end
        time.sleep(0.002)


def send(*messages: Any) -> None:
    (port,) = memory_midi.OPEN.values()
    port.arrived.extend(messages)


def cc(control: int, value: int, channel: int = 0) -> Any:
    return mido.Message("control_change", control=control, value=value, channel=channel)


def test_a_knob_is_learned_turns_its_control_and_is_remembered(shared: SharedState, tmp_path: Path) -> None:
    path = tmp_path / "settings" / "midi.json"
    with open_midi(shared, "nano", path) as name:
        assert name == "Nano Control 1" and shared.learning.device == name
        shared.learn("strength")
        send(mido.Message("clock"), mido.Message("program_change", program=3), cc(7, 64))
        until(lambda: shared.learning.learned == {"knob 7": "strength"})
        assert shared.controls == Controls(), "the turn that is learned from changes nothing"
        send(cc(7, 127), cc(8, 127))
        until(lambda: shared.controls.strength == 3)
        shared.learn("black")
        send(mido.Message("note_off", note=40), mido.Message("note_on", note=36, velocity=20, channel=9))
        until(lambda: "key 36 channel 10" in shared.learning.learned)
        until(lambda: path.exists() and "black" in path.read_text())
    assert shared.learning is None and not memory_midi.OPEN
    with open_midi(shared, "Nano Control 1", path):
        for on in (True, True, False):
            send(mido.Message("note_on", note=36, velocity=20 * on, channel=9))
        until(lambda: shared.controls.black)
        send(mido.Message("note_on", note=36, velocity=9, channel=9))
        until(lambda: not shared.controls.black)
        shared.forget("strength")
        until(lambda: "strength" not in path.read_text())
    assert json.loads(path.read_text()) == {"Nano Control 1": {"key 36 channel 10": "black"}}


def test_one_control_has_one_knob_and_one_knob_one_control(shared: SharedState, tmp_path: Path) -> None:
    with open_midi(shared, "nano", tmp_path / "midi.json"):
        for control, knob in (("strength", 1), ("amount", 1), ("amount", 2)):
            shared.learn(control)
            send(cc(knob, 5))
            until(lambda: shared.learning.control is None)
        assert shared.learning.learned == {"knob 2": "amount"}


def test_a_knob_goes_through_all_kinds_of_controls(shared: SharedState, tmp_path: Path) -> None:
    path = tmp_path / "midi.json"
    knobs = {"knob 1": "octaves", "knob 2": "preset", "knob 3": "snapshot", "bend": "amount", "key 50": "step-size"}
    write_map(path, "Big Keys", knobs)
    with open_midi(shared, "big", path):
        send(cc(1, 127), cc(2, 127), cc(3, 127), cc(3, 100), cc(3, 0), cc(3, 64))
        send(mido.Message("pitchwheel", pitch=8191), mido.Message("note_on", note=50, velocity=127))
        send(mido.Message("note_off", note=50))
        until(lambda: len(shared.controls.numbers) == 3)
        assert dict(shared.controls.numbers) == {"octaves": 12, "amount": 2, "step_size": pytest.approx(0.1)}
        assert (shared.controls.preset, shared.controls.snapshots) == ("night", 2)


def test_messages_over_a_port_of_mido(shared: SharedState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mido.sockets import PortServer, SocketPort

    write_map(tmp_path / "midi.json", "socket", {"knob 1": "strength"})
    server = PortServer("127.0.0.1", 0)
    client = SocketPort("127.0.0.1", server._socket.getsockname()[1])
    receiver = server.accept()
    monkeypatch.setattr(mido, "get_input_names", lambda: ["socket"])
    monkeypatch.setattr(mido, "open_input", lambda name: receiver)
    with open_midi(shared, "socket", tmp_path / "midi.json"):
        for value in range(128):
            client.send(cc(1, value))
        until(lambda: shared.controls.strength == 3)
    client.close()
    server.close()


def test_what_is_missing_is_said_in_a_line(
    shared: SharedState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(device: str) -> Any:
        return open_midi(shared, device, tmp_path / "midi.json").__enter__()

    with pytest.raises(OutputError, match=r"^--midi piano: no such device: expected one of Nano Control 1, Big Keys$"):
        opened("piano")
    with pytest.raises(OutputError, match="several devices"):
        opened(" ")
    monkeypatch.setattr(memory_midi, "NAMES", [])
    with pytest.raises(OutputError, match="no such device: there is none"):
        opened("nano")
    for error, text in (
        (ImportError("No module named 'rtmidi'"), "expected python-rtmidi"),
        (SystemError("MidiInAlsa: no\nclient"), "no MIDI here"),
    ):

        def fail(error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(mido, "get_input_names", fail)
        with pytest.raises(OutputError, match=rf"^[^\n]*{text}[^\n]*$"):
            opened("nano")
    assert shared.learning is None


def test_a_damaged_file_is_not_replaced(shared: SharedState, tmp_path: Path) -> None:
    path = tmp_path / "midi.json"
    path.write_text('{"Nano')
    with pytest.raises(OutputError, match="damaged"):
        open_midi(shared, "nano", path).__enter__()
    assert path.read_text() == '{"Nano' and not memory_midi.OPEN
    path.write_text(json.dumps({"A": {"knob 1": "nothing", "knob 2": 3, "knob 3": "black"}, "B": []}))
    assert read_map(path, "A") == {"knob 3": "black"} and read_map(path, "B") == read_map(path, "C") == {}
    write_map(path, "C", {"knob 9": "amount"})
    assert read_map(path, "A") == {"knob 3": "black"} and read_map(path, "C") == {"knob 9": "amount"}
    assert [each.name for each in tmp_path.iterdir()] == ["midi.json"]


def test_a_device_that_fails_ends_midi_and_not_the_dream(
    shared: SharedState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise OSError("device is gone")

    threads = threading.active_count()
    with open_midi(shared, "nano", tmp_path / "midi.json"):
        monkeypatch.setattr(memory_midi.Input, "_receive", gone)
        until(lambda: shared.message == "MIDI has ended: device is gone")
    assert threading.active_count() == threads


def test_the_file_lies_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platformdirs.user_config_path", lambda name, appauthor: tmp_path / name)
    assert map_file() == tmp_path / "dreamvideo" / "midi.json"


def test_knobs_have_names_by_channel() -> None:
    assert knob_of(cc(7, 127)) == ("knob 7", 1.0, False)
    assert knob_of(cc(7, 0, channel=15)) == ("knob 7 channel 16", 0.0, False)
    assert knob_of(mido.Message("note_on", note=3, velocity=0)) == ("key 3", 0.0, True)
    assert knob_of(mido.Message("pitchwheel", pitch=-8192)) == ("bend", 0.0, False)
    assert knob_of(mido.Message("sysex")) is None
    assert midi_input._INTERVAL < 0.02
