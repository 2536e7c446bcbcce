"""The server of the studio, in processes of its own: attacks, one studio for a folder, its end."""

import contextlib
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from conftest import run
from page_attacks import ATTACKS, attack
from studio_fakes import film_folder, running_studio

from dreamvideo.live.web import places
from dreamvideo.studio import connections
from dreamvideo.studio.connections import Connections


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_shuts_out_the_owner_or_takes_memory(name: str) -> None:
    damage = attack(name, 8, "studio")
    assert damage.answered == damage.asked > 5 and damage.grown < 20, damage


@pytest.mark.slow
def test_a_folder_has_one_studio_which_ends_at_ctrl_c(tmp_path: Path) -> None:
    root = film_folder(tmp_path)
    with running_studio(root) as (child, url):
        assert re.fullmatch(r"http://localhost:\d+/\?token=[\w-]{32}", url)
        with running_studio(root, stderr=subprocess.PIPE) as (second, nothing):
            assert not nothing and "another studio" in second.communicate(timeout=60)[1]
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=100)
        assert child.returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "is not a folder"),
        ([".", "--at", "0.0.0.0:0"], "expected a password"),
        ([".", "--at", "nonsense"], "expected PORT or HOST:PORT"),
        ([".", "--most-upload", "-1"], "more than 0"),
    ],
)
def test_what_cannot_be_served_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DREAMVIDEO_PASSWORD", raising=False)
    assert run("studio", *words) in (1, 2)
    assert message in capsys.readouterr().err


def test_an_address_that_is_in_use_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert run("studio", tmp_path, "--at", listener.getsockname()[1]) == 1
    assert "expected an address of this machine with a free port" in capsys.readouterr().err


def test_without_its_extra_the_studio_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dreamvideo.commands.studio.importlib.util.find_spec", lambda name: None)
    assert run("studio", ".") == 2
    assert 'pip install "dreamvideo[studio]"' in capsys.readouterr().err


def test_strangers_make_room_and_who_was_let_in_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_NEWCOMERS_OF_ADDRESS", 3)
    crowd = Connections()
    with contextlib.ExitStack() as stack:
        pairs = [[stack.enter_context(each) for each in socket.socketpair()] for _ in range(6)]
        crowd.enter(("127.0.0.1", 0), pairs[0][0])
        assert crowd.admit(("127.0.0.1", 0)) and crowd.admit(("127.0.0.1", 0))
        for port in range(1, 5):
            crowd.enter(("127.0.0.1", port), pairs[port][0])
        pairs[1][1].settimeout(10)
        assert pairs[1][1].recv(1) == b""  # the oldest newcomer was disconnected
        for port in (0, 2, 4):
            pairs[port][1].setblocking(False)
            with pytest.raises(BlockingIOError):
                pairs[port][1].recv(1)
        for port in range(5):
            crowd.leave(("127.0.0.1", port))
        assert not crowd.admit(("127.0.0.1", 4)) and not crowd._sockets


@pytest.mark.slow
def test_a_request_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    with running_studio(film_folder(tmp_path)) as (_, url):
        port = int(re.search(r":(\d+)/", url)[1])
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), 60) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
            with contextlib.suppress(ConnectionError):
                assert connection.recv(1) == b""
        assert time.monotonic() - started > connections.HEAD_SECONDS * 0.9
