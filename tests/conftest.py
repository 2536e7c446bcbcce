"""What several test files share: small pictures, a small network, streams."""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import register_random, settings
from numpy.typing import NDArray
from tape import record
from torch import Tensor

from dreamvideo.ascent import cuda_graphs
from dreamvideo.cli import build_parser, main
from dreamvideo.commands.options import CommandLine
from dreamvideo.frames import Frame, Frames
from dreamvideo.jobs import guide
from dreamvideo.kernels import graph_capture
from dreamvideo.media import contact_sheet
from dreamvideo.models.network import Network, load_network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings

os.environ["DREAMVIDEO_MODEL"] = "dreamnet"  # quick to load; here and in every process that a test starts
os.fsync = lambda fd: None  # no test cuts the power, and a busy disk takes milliseconds for each file
torch.set_num_threads(1)  # the processes that run the tests share the cores
# No test is decided by a clock; where examples are cheap and many are needed, a test asks for more.
settings.register_profile("quick", deadline=None, max_examples=30)
settings.load_profile("quick")


class TorchRandom:
    """The generator that torch draws from where none is named, as hypothesis wants it."""

    seed = staticmethod(torch.default_generator.manual_seed)
    getstate = staticmethod(torch.default_generator.get_state)
    setstate = staticmethod(torch.default_generator.set_state)


_torch_random = TorchRandom()
register_random(_torch_random)  # seeded before each example


def pytest_runtest_setup() -> None:
    """Each test draws the same numbers in each run and in each order."""
    torch.default_generator.manual_seed(0)


class TinyNet(torch.nn.Module):
    """Two layers, smooth, so that tests of the ascent do not hang on a rounding at a kink."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.first = torch.nn.Conv2d(3, 6, 5, 2, 2)
        self.second = torch.nn.Conv2d(6, 8, 3, 1, 1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
            parameter.requires_grad_(False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        first = torch.tanh(self.first(images - 0.5))
        return {"first": first, "second": torch.nn.functional.softplus(self.second(first))}


def run(*words: object) -> int:
    """The exit code of a command line."""
    return main([str(word) for word in words])


def parsed(*words: object) -> CommandLine:
    """A parsed command line, from which settings are made."""
    line = [str(word) for word in words]
    arguments = build_parser().parse_args(line)
    return CommandLine(arguments, line, arguments.command.settings)


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What stands on stderr, which must be one line."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of files named like modules that the program imports; each writes down that it was executed.

    Not contextlib, which `python -m` itself imports before it runs a line of the program.
    """
    folder = tmp_path / "hostile"
    folder.mkdir()
    names = "argparse cv2 torch torchvision av numpy PIL safetensors tqdm json ray cv2_enumerate_cameras psutil"
    for name in names.split():
        note = f"open({str(folder / 'executed')!r}, 'a').write('{name} ')\nraise SystemExit(99)\n"
        (folder / f"{name}.py").write_text(note)
    return folder


def executed(hostile: Path) -> list[str]:
    """Which files of the folder `hostile` were executed."""
    note = hostile / "executed"
    return note.read_text().split() if note.exists() else []


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Any], list[Any]]]:
    """(tiles, labels) of each sheet that is made."""
    sheets: list[tuple[list[Any], list[Any]]] = []
    plain = contact_sheet.contact_sheet

    def watched(tiles: Iterable[Any], labels: Iterable[Any], *rest: Any) -> Any:
        sheets.append((list(tiles), list(labels)))
        return plain(*sheets[-1], *rest)

    monkeypatch.setattr(contact_sheet, "contact_sheet", watched)
    return sheets


@pytest.fixture
def networks_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs in this process share their networks; to load one takes as long as a test of a short film dreams."""
    monkeypatch.setattr(guide, "load_network", _loaded)


@functools.cache
def _loaded(model: ModelSettings, objective: ObjectiveSettings, guide: Tensor | None = None) -> Network:
    return load_network(model, objective, guide)


@pytest.fixture
def tiny_net() -> TinyNet:
    return TinyNet()


def make_tiny_network(net: TinyNet | None = None) -> Network:
    score = Objective(net or TinyNet(), (Term("first", kind="log"), Term("second", 0.5, "log")))
    return Network("tiny", score, torch.device("cpu"), torch.float32)


@pytest.fixture
def tiny_network(tiny_net: TinyNet) -> Network:
    return make_tiny_network(tiny_net)


@pytest.fixture(scope="module")
def single_thread() -> Iterator[None]:
    """Many small operations of torch: on a busy machine two threads wait for each other at every one of them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tape_recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[cuda_graphs.GraphRecorder]:
    """Ascents on the CPU are recorded on tapes."""
    recorder = cuda_graphs.GraphRecorder(record)
    monkeypatch.setattr(graph_capture, "recorded_on", lambda device: graph_capture._on)
    monkeypatch.setattr(cuda_graphs, "_recorder", lambda device: recorder)
    yield recorder
    assert recorder.works
    assert recorder.recordings, "nothing was recorded"


def textured(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: noise at several scales, as a photograph has it."""
    import cv2

    random = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((4, 90), (12, 60), (40, 40)):
        image += weight * cv2.resize(random.random((cells, cells, 3), np.float32), (width, height), interpolation=2)
    return np.clip(image + 20, 0, 255).astype(np.uint8)


def stream(images: Iterable[NDArray[np.uint8]], rate: int | Fraction = 25) -> Frames:
    """A generator of frames of the given pictures."""
    for i, image in enumerate(images):
        yield Frame(image, Fraction(i, rate))


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """A file server in place of the download host: publish(name, served, content) -> url, content's hash in it.

    Served may be other than `content`, or None: nothing is there. torchvision's cache is empty, below tmp_path.
    """
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=http.serve_forever, daemon=True).start()

    def publish(name: str, served: bytes | None, content: bytes | None = None) -> str:
        file = f"{name}-{hashlib.sha256(content or served or b'').hexdigest()[:8]}.pth"
        (folder / file).unlink(missing_ok=True)
        if served is not None:
            (folder / file).write_bytes(served)
        return f"http://127.0.0.1:{http.server_port}/{file}"

    yield publish
    http.shutdown()
    http.server_close()
