"""Attacks on the page of a live dream, or on the studio, and what they do to the owner and the memory of the server.

    python tests/page_attacks.py [SECONDS]

prints a line for each attack. The server runs in a process of its own; the owner asks for the state all the time, from
the same address as the attackers.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event, Thread

PASSWORD = "correct horse"
SERVER = f"""
import sys, threading
import numpy as np
from dreamvideo.live.controls import Controls, Menu
from dreamvideo.live.shared_state import SharedState
from dreamvideo.live.web.server import serve_page
from dreamvideo.settings.parsers import Address
shared = SharedState(Controls(), Menu((), ()))
shared.show(np.full((360, 640, 3), 99, np.uint8))
with serve_page(shared, Address("0.0.0.0", 0), {PASSWORD!r}) as url:
    print(url, flush=True)
    sys.stdin.read()
"""
STUDIO = f"""
import tempfile
from pathlib import Path
from dreamvideo.settings.parsers import Address
from dreamvideo.studio import studio_server
studio_server.ChildDreamer.start = lambda self: None  # nothing is dreamed
show = lambda url: print(url.partition("?")[0], flush=True)
studio_server.serve_studio(Path(tempfile.mkdtemp()), Address("0.0.0.0", 0), {PASSWORD!r}, 10**9, show)
"""
PAGES = {"live": (SERVER, "/state"), "studio": (STUDIO, "/api/files")}  # what serves each, and what its owner asks for
PATIENCE = 5.0  # seconds after which the owner gives up a request


@dataclass(frozen=True)
class Damage:
    """What an attack did."""

    asked: int  # requests of the owner
    answered: int  # of them, with the state
    slowest: float  # seconds, of those answered
    grown: float  # MB that the server's memory grew at most
    guesses: int  # wrong passwords that were answered

    def __str__(self) -> str:
        return (
            f"owner answered {self.answered}/{self.asked}, slowest {self.slowest:.2f} s; memory +{self.grown:.1f} MB; "
            f"{self.guesses} guesses answered"
        )


def authorization(password: str) -> str:
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


@contextlib.contextmanager
def page_process(code: str) -> Generator[tuple[int, int], None, None]:
    """(process id, port) of a page with `PASSWORD` on all addresses, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child.pid, int(child.stdout.readline().rstrip("/\n").rpartition(":")[2])
        finally:
            child.kill()


def memory(pid: int) -> float:
    """MB of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} has no memory")


def ask_state(port: int, password: str, timeout: float, path: str = "/state") -> int:
    """The status of a request for the state."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Authorization": authorization(password)})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


Attack = Callable[[int, Event, Callable[[], object], int], None]  # port, stop, one more guess was answered, number


def slow(port: int, stop: Event, guessed: Callable[[], object], number: int) -> None:
    """A request of which a byte comes each half second."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(b"GET /state HTTP/1.1\r\nX: ")
        while not stop.wait(0.5):
            connection.sendall(b"x")


def slow_from_elsewhere(port: int, stop: Event, guessed: Callable[[], object], number: int) -> None:
    """The same from another address for each attacker."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE, (f"127.0.1.{number + 1}", 0)) as connection:
        connection.sendall(b"GET /state HTTP/1.1\r\nX: ")
        while not stop.wait(0.5):
            connection.sendall(b"x")


def guess(port: int, stop: Event, guessed: Callable[[], object], number: int) -> None:
    """One wrong password after the other."""
    for attempt in count():
        if stop.is_set():
            return
        if ask_state(port, f"guess {number} {attempt}", 60) in (401, 429):
            guessed()


def large_headers(port: int, stop: Event, guessed: Callable[[], object], number: int) -> None:
    """A request with 6 MB of headers, which then waits for its answer."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(b"GET /state HTTP/1.1\r\n")
        for index in range(99):
            connection.sendall(b"X-%d: " % index + b"x" * 60_000 + b"\r\n")
        while not stop.wait(0.5):
            connection.sendall(b"x")


ATTACKS: dict[str, tuple[Attack, int]] = {
    "64 slow connections": (slow, 64),
    "128 slow connections of 128 addresses": (slow_from_elsewhere, 128),
    "80 guessers": (guess, 80),
    "60 large headers": (large_headers, 60),
}


def attack(name: str, seconds: float, page: str = "live") -> Damage:
    """Run one of `ATTACKS` against a new page, one of `PAGES`."""
    code, path = PAGES[page]
    with page_process(code) as (pid, port):
        for _ in range(20):
            ask_state(port, PASSWORD, PATIENCE, path)
        before = highest = memory(pid)
        stop, guesses = Event(), count()
        attackers = [Thread(target=_persist, args=(name, port, stop, guesses, n)) for n in range(ATTACKS[name][1])]
        for attacker in attackers:
            attacker.start()
        time.sleep(0.5)
        times, asked, end = [], 0, time.monotonic() + seconds
        while time.monotonic() < end:
            started, asked = time.monotonic(), asked + 1
            with contextlib.suppress(OSError, http.client.HTTPException):
                if ask_state(port, PASSWORD, PATIENCE, path) == 200:
                    times.append(time.monotonic() - started)
            highest = max(highest, memory(pid))
            time.sleep(0.1)
        stop.set()
    for attacker in attackers:
        attacker.join()
    return Damage(asked, len(times), max(times, default=float("nan")), highest - before, next(guesses))


def _persist(name: str, port: int, stop: Event, guesses: count[int], number: int) -> None:
    while not stop.wait(0.05):
        with contextlib.suppress(OSError, http.client.HTTPException):
            ATTACKS[name][0](port, stop, lambda: next(guesses), number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", nargs="?", type=float, default=12)
    seconds = parser.parse_args().seconds
    for page in PAGES:
        for name in ATTACKS:
            print(f"{page}, {name}: {attack(name, seconds, page)}", flush=True)


if __name__ == "__main__":
    main()
