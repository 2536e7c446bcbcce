"""The dream as a virtual camera: a driver made of Python, behind pyvirtualcam or what behaves like it."""

import builtins
import sys
import threading
import time
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pytest
import torch
from conftest import textured

from dreamvideo.errors import OutputError
from dreamvideo.live.outputs.virtual_camera import open_virtual_camera


class Driver:
    """What a backend of pyvirtualcam is: it takes flat pictures of the size that it was opened with."""

    opened: list[Any] = []
    refuse = None
    sent = threading.Semaphore(0)
    gate = threading.Event()

    def __init__(self, *, width: int, height: int, fps: Any, fourcc: Any, device: torch.device) -> None:
        if Driver.refuse:
            raise RuntimeError(Driver.refuse)
        self.size, self.fps, self.name, self.closed = (height, width), fps, device, False
        self.pictures: list[Any] = []
        self.broken = None
        Driver.opened.append(self)

    def close(self) -> None:
        assert not self.closed
        self.closed = True

    def send(self, frame: Any) -> None:
        assert not self.closed and frame.ndim == 1 and frame.flags.c_contiguous
        Driver.gate.wait()
        if self.broken:
            raise self.broken
        self.pictures.append(frame.reshape(*self.size, 3).copy())
        Driver.sent.release()

    def device(self) -> Any:
        return self.name or "/dev/video7"

    def native_fourcc(self) -> None:
        return None


def until(what: Any) -> None:
    while not what():  # pytest-timeout ends it
        time.sleep(0.002)


def stand_in() -> Any:
    """A module with what of pyvirtualcam is used here, as its version 0.15 does it."""

    class Camera:
        def __init__(
            self,
            width: int,
            height: int,
            fps: Any,
            *,
            fmt: str = "RGB",
            device: Any = None,
            backend: Any = None,
            print_fps: bool = False,
        ) -> None:
            self._backend = None
            try:
                self._backend = Driver(width=width, height=height, fps=fps, fourcc=0, device=device)
            except Exception as error:
                raise RuntimeError(f"'test' backend: {error}") from None
            self.width, self.height, self.fps = width, height, fps

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: Any) -> Literal[False]:
            self.close()
            return False

        def __del__(self) -> None:
            self.close()

        @property
        def device(self) -> Any:
            return self._backend.device()

        def close(self) -> None:
            if self._backend is not None:
                self._backend.close()
                self._backend = None

        def send(self, frame: Any) -> None:
            if frame.dtype != np.uint8:
                raise TypeError(f"unexpected frame dtype: {frame.dtype} != uint8")
            if frame.shape != (self.height, self.width, 3):
                raise ValueError(f"unexpected frame shape: {frame.shape} != {(self.height, self.width, 3)}")
            self._backend.send(np.asarray(frame.reshape(-1), order="C"))

    module = ModuleType("pyvirtualcam")
    vars(module)["Camera"] = Camera
    return module


@pytest.fixture(params=["stand-in", "real"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "real":
        real = pytest.importorskip("pyvirtualcam")
        monkeypatch.setattr(real.camera, "BACKENDS", {"test": Driver})
    else:
        monkeypatch.setitem(sys.modules, "pyvirtualcam", stand_in())
    monkeypatch.setattr(Driver, "opened", [])
    monkeypatch.setattr(Driver, "sent", threading.Semaphore(0))
    monkeypatch.setattr(Driver, "gate", threading.Event())
    Driver.gate.set()
    return Driver


def test_a_picture_arrives_letterboxed(driver: Any) -> None:
    image = textured(480, 640)
    with open_virtual_camera(fps=25) as camera:
        camera.send(image)
        assert driver.sent.acquire()
        assert camera.name == "/dev/video7" and camera.failed is None
    (opened,) = driver.opened
    assert (opened.size, opened.fps, opened.closed) == ((720, 1280), 25, True)
    (shown,) = opened.pictures
    assert not shown[:, :160].any() and not shown[:, 1120:].any()
    middle = shown[:, 160:1120].astype(int)
    assert np.abs(middle.mean((0, 1)) - image.mean((0, 1))).max() < 1  # red is red


@pytest.mark.parametrize(("size", "opened"), [((481, 641), (488, 648)), ((8, 16), (8, 16)), ((1, 1), (8, 8))])
def test_sides_are_multiples_of_eight(driver: Any, size: tuple[int, int], opened: tuple[int, int]) -> None:
    with open_virtual_camera(size, device="/dev/video4") as camera:
        assert camera.name == "/dev/video4"
        camera.send(np.full((*size, 3), 9, np.uint8))
    assert driver.opened[0].size == opened and len(driver.opened[0].pictures) == 1


def test_a_device_that_is_busy_holds_nobody_up_and_shows_the_newest(driver: Any) -> None:
    driver.gate.clear()
    with open_virtual_camera((8, 8)) as camera:
        for number in range(1, 100):  # would wait for ever, if it waited
            camera.send(np.full((8, 8, 3), number, np.uint8))
        driver.gate.set()
    shown = [int(picture[0, 0, 0]) for picture in driver.opened[0].pictures]
    assert shown[-1] == 99 and len(shown) <= 2


def test_a_device_that_goes_away_ends_it_and_the_dream_goes_on(driver: Any) -> None:
    with open_virtual_camera((8, 8)) as camera:
        driver.opened[0].broken = RuntimeError("error writing frame: no such device")
        camera.send(np.zeros((8, 8, 3), np.uint8))
        until(lambda: camera.failed is not None)
        assert "the virtual camera /dev/video7 has ended: error writing frame" in str(camera.failed)
        camera.send(np.zeros((8, 8, 3), np.uint8))
    assert driver.opened[0].closed and not driver.opened[0].pictures


def test_it_is_gone_when_the_dream_fails(driver: Any) -> None:
    with pytest.raises(ZeroDivisionError), open_virtual_camera((8, 8)):
        raise ZeroDivisionError
    assert driver.opened[0].closed


@pytest.mark.parametrize(
    ("system", "hint"), [("linux", "sudo modprobe v4l2loopback"), ("win32", "OBS Studio"), ("darwin", "OBS Studio")]
)
def test_without_a_device_it_says_what_to_install(
    driver: Any, monkeypatch: pytest.MonkeyPatch, system: str, hint: str
) -> None:
    monkeypatch.setattr(driver, "refuse", "No device found.\nSee also")
    monkeypatch.setattr("dreamvideo.live.outputs.virtual_camera.sys.platform", system)
    with pytest.raises(OutputError, match=hint) as caught, open_virtual_camera():
        pass
    assert "no virtual camera ('test' backend: No device found): install" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_package_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "pyvirtualcam":
            raise ModuleNotFoundError(name)
        return plain(name, *rest)

    monkeypatch.delitem(sys.modules, "pyvirtualcam", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(OutputError, match=r'pip install "dreamvideo\[camera\]"'), open_virtual_camera():
        pass
