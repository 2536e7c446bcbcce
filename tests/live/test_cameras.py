"""Cameras: scripted ones, files, streams of a server here, and OpenCV's, each with what goes wrong with them."""

import itertools
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import STEADY, UNEVEN, difference, make_clip, picture
from cv2_enumerate_cameras import CameraInfo
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.errors import SettingsError, SourceError
from dreamvideo.live.cameras import camera, network_camera, webcam
from dreamvideo.live.cameras.camera import as_rgb, camera_frames, reconnecting_frames
from dreamvideo.live.cameras.file_camera import play_file
from dreamvideo.settings.live import CameraSettings
from dreamvideo.settings.parsers import parse_camera_size
from dreamvideo.threads import latest

ASKED = CameraSettings()
HANG = 300.0  # seconds after which a thread counts as hanging


class Clock:
    """A clock that stands still, unless somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> Any:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(HANG)
    assert set(threading.enumerate()) <= before


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[..., Any]:
    """Lines of what was said so far, of warnings and above."""
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def scripted(clock: Any, *openings: Any) -> Callable[..., Any]:
    """An opener: each opening takes the next script; a number is seconds that pass, an error is raised."""
    left = list(openings)

    def opener() -> Generator[Any, None, None]:
        script = left.pop(0) if left else (SourceError("nobody there"),)
        for item in script:
            if isinstance(item, Exception):
                raise item
            if isinstance(item, float):
                clock.now += item
            else:
                yield item

    return opener


def seen(frames: Any) -> list[Any]:
    return [frame for frame in frames if frame is not None]


# ---- a file in place of a camera


@pytest.mark.parametrize("times", [STEADY, UNEVEN])
def test_a_file_plays_at_its_own_rate(tmp_path: Path, clock: Clock, times: Any) -> None:
    path = make_clip(tmp_path / "clip.mp4", times)
    for (number, frame), due in zip(enumerate(play_file(path, ASKED, clock, clock.sleep)), times, strict=True):
        assert frame.time == 1000 + due
        assert clock.now == pytest.approx(float(frame.time))
        assert difference(frame.image, picture(number)) < 4


def test_a_loop_begins_again_without_a_jump_in_time(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_clip(tmp_path / "clip.mp4", STEADY, last=Fraction(1, 5))
    caplog.set_level(logging.INFO, "dreamvideo")
    with closing(play_file(path, CameraSettings(loop=True), clock, clock.sleep)) as frames:
        three = list(itertools.islice(frames, 3 * len(STEADY)))
    length = STEADY[-1] + Fraction(1, 5)
    assert [frame.time - 1000 for frame in three] == [turn * length + time for turn in range(3) for time in STEADY]
    assert [record.getMessage() for record in caplog.records] == [f"{path}: 64x48, 18.75 fps, in place of a camera"]


def test_what_there_is_to_say_of_a_file_is_said_in_the_first_round(
    tmp_path: Path, clock: Clock, said: Callable[..., Any]
) -> None:
    path = make_clip(tmp_path / "clip.mp4", tags={"color_trc": 18})
    with closing(play_file(path, CameraSettings(loop=True), clock, clock.sleep)) as frames:
        list(itertools.islice(frames, 3 * len(STEADY)))
    assert len(said()) == 1
    assert "is HDR" in said()[0]


@given(pauses=st.lists(st.floats(0, 0.5), min_size=30, max_size=30))
def test_a_file_waits_for_nobody(long_clip: Path, pauses: list[float]) -> None:
    clock = Clock()
    frames = play_file(long_clip, ASKED, clock, clock.sleep)
    due = []
    for pause, frame in zip(pauses, frames, strict=False):
        assert -1e-6 <= Fraction(clock.now) - frame.time <= 1 / 25 + 1e-6  # what would be on screen
        due.append((frame.time - 1000) * 25)
        clock.now += pause
    frames.close()
    assert all(time.denominator == 1 for time in due)
    assert due == sorted(set(due))


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("long") / "clip.mp4", [Fraction(n, 25) for n in range(375)], size=(32, 32))


def test_a_file_that_decodes_too_slowly_is_shown_nevertheless(tmp_path: Path, said: Callable[..., Any]) -> None:
    path = make_clip(tmp_path / "clip.mp4", [Fraction(n, 25) for n in range(60)])
    ticks = itertools.count(0, 0.15)  # seconds that each frame takes: four times too long
    frames = list(play_file(path, ASKED, lambda: next(ticks), lambda _: None))
    assert len(frames) >= 7
    assert len(said()) == 1
    assert "slow motion" in said()[0]


def test_a_file_is_brought_to_the_size_asked_for(tmp_path: Path, clock: Clock) -> None:
    path = make_clip(tmp_path / "clip.mp4")
    with closing(play_file(path, CameraSettings(size=(32, 24)), clock, clock.sleep)) as frames:
        assert next(frames).image.shape == (24, 32, 3)


def test_a_file_without_picture_says_so(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as output:
        track = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        output.mux(track.encode(sound))
    with pytest.raises(SourceError, match="holds sound only"):
        next(camera_frames(str(path), ASKED))


def test_a_file_is_found_by_its_name_and_plays_in_real_time(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4")
    began = time.monotonic()
    with closing(latest(camera_frames(str(path), ASKED), timeout=30)) as frames:
        last = list(frames)[-1].item
    assert began + 0.43 < float(last.time) <= time.monotonic()


# ---- whatever camera: checked, stamped, opened again

GOOD = picture(0)
GARBAGE = [
    None,
    b"jpeg",
    np.zeros((0, 0, 3), np.uint8),
    np.zeros((4, 4, 3), np.float32),
    np.zeros((4, 4, 3), np.uint16),
    np.zeros((4, 4, 2), np.uint8),
    np.zeros(48, np.uint8),
    np.zeros((1, 4, 4, 3), np.uint8),
]


@given(st.lists(st.one_of(st.integers(0, 5), st.sampled_from(GARBAGE)), max_size=30))
def test_garbage_is_passed_over_and_all_else_comes_in_order(items: list[Any]) -> None:
    clock = Clock()
    pictures = [picture(item) if isinstance(item, int) else item for item in items]
    whole = [item for item in items if isinstance(item, int)]
    frames = reconnecting_frames("camera", scripted(clock, pictures), CameraSettings(reconnect=0), clock, clock.sleep)
    got: list[Any] = []
    with pytest.raises(SourceError, match="is gone" if whole else "gives no image"):
        got.extend(frame for frame in frames if frame is not None)
    assert [difference(frame.image, picture(number)) for frame, number in zip(got, whole, strict=True)] == [0] * len(
        got
    )


def test_broken_pictures_are_counted_for_who_asks(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "dreamvideo")
    frames = reconnecting_frames("camera", scripted(clock, [GOOD, None, None, GOOD, GOOD]), ASKED, clock, clock.sleep)
    assert [frame is None for frame in itertools.islice(frames, 5)] == [False, True, True, False, False]
    frames.close()
    assert caplog.messages == ["camera: skipped 2 broken images"]


def test_gray_and_transparent_pictures_become_rgb() -> None:
    gray = GOOD[..., 1]
    for raw in (gray, gray[..., None], np.asfortranarray(gray)):
        made = as_rgb(raw)
        assert made.flags.c_contiguous
        assert (made == np.stack([gray] * 3, -1)).all()
    rgba = np.concatenate([GOOD, np.full((*GOOD.shape[:2], 1), 7, np.uint8)], -1)
    for raw in (rgba, GOOD, GOOD[:, ::-1][:, ::-1], np.asfortranarray(GOOD)):
        made = as_rgb(raw)
        assert made.flags.c_contiguous
        assert (made == GOOD).all()


def test_a_stall_is_no_loss_and_frames_bear_the_time_at_which_they_came(clock: Clock, said: Callable[..., Any]) -> None:
    script = [GOOD, 0.04, GOOD, 3.0, None, GOOD, 3.0, None, GOOD]
    frames = reconnecting_frames("camera", scripted(clock, script), ASKED, clock, lambda _: None)
    times = [frame.time for frame in seen(itertools.islice(frames, 6))]
    frames.close()
    assert times == [1000, Fraction(1000.04), Fraction(1003.04), Fraction(1006.04)]
    assert not said()


def test_a_camera_that_changes_its_size_is_passed_on(clock: Clock) -> None:
    sizes = [(48, 64), (24, 32), (48, 64)]
    pictures = [np.full((*size, 3), 99, np.uint8) for size in sizes]
    frames = reconnecting_frames("camera", scripted(clock, pictures), ASKED, clock, clock.sleep)
    assert [frame.image.shape[:2] for frame in itertools.islice(frames, 3)] == sizes
    frames.close()


def test_a_camera_that_goes_away_and_comes_back(clock: Clock, said: Callable[..., Any]) -> None:
    nobody = SourceError("camera 0 is not there")
    opener = scripted(
        clock, [1.0, GOOD], [nobody], [nobody], [GOOD, GOOD, SourceError("camera 0 is unplugged")], [GOOD]
    )
    frames = seen(itertools.islice(reconnecting_frames("camera 0", opener, ASKED, clock, clock.sleep), 8))
    assert len(frames) == 4
    assert said() == [
        "camera 0 has stopped: trying to open it again for 10 s",
        "camera 0 is back",
        "camera 0 is unplugged: trying to open it again for 10 s",
        "camera 0 is back",
    ]


def test_a_camera_that_stays_away_ends_it_after_a_while(clock: Clock, said: Callable[..., Any]) -> None:
    opened = []

    def opener() -> Generator[Any, None, None]:
        opened.append(clock.now)
        yield from [GOOD] if len(opened) == 1 else ()
        raise SourceError("camera 0 is not there")

    with pytest.raises(SourceError) as caught:
        list(reconnecting_frames("camera 0", opener, CameraSettings(reconnect=20), clock, clock.sleep))
    assert str(caught.value) == (
        "camera 0 is gone and did not come back within 20 s (--reconnect SECONDS waits longer): camera 0 is not there"
    )
    assert opened[-1] == pytest.approx(1020)
    assert opened[1] - opened[0] < 0.5  # at once, as a loose plug is back soon
    pauses = np.diff(opened)
    assert max(pauses) == pytest.approx(1)
    assert 20 <= len(opened) <= 26
    assert said() == ["camera 0 is not there: trying to open it again for 20 s"]


def test_a_camera_that_comes_and_goes_is_not_opened_all_the_time(clock: Clock) -> None:
    opener = scripted(clock, *[[GOOD]] * 30)
    frames = reconnecting_frames("camera 0", opener, ASKED, clock, clock.sleep)
    assert len(seen(itertools.islice(frames, 59))) == 30
    frames.close()
    assert clock.now - 1000 > 25


def test_who_does_not_want_to_wait_for_a_camera_does_not(clock: Clock, said: Callable[..., Any]) -> None:
    frames = reconnecting_frames(
        "camera 0", scripted(clock, [GOOD], [GOOD]), CameraSettings(reconnect=0), clock, clock.sleep
    )
    next(frames)
    with pytest.raises(
        SourceError, match=r"^camera 0 is gone \(--reconnect SECONDS waits longer\): camera 0 has stopped$"
    ):
        next(frames)
    assert clock.now == 1000
    assert not said()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ([SourceError("no camera 3; there is none")], "^no camera 3; there is none$"),
        ([], "^camera 3 opens, but gives no image$"),
        ([None, 3.0, None, 3.0, None], "^camera 3 has given no valid image for 5 s$"),
    ],
)
def test_a_camera_that_never_gave_a_picture_is_not_waited_for(clock: Clock, script: list[Any], message: str) -> None:
    frames = reconnecting_frames("camera 3", scripted(clock, script), ASKED, clock, clock.sleep)
    with pytest.raises(SourceError, match=message):
        list(frames)
    assert clock.now < 1010


def test_nothing_but_garbage_counts_as_gone(clock: Clock, said: Callable[..., Any]) -> None:
    opener = scripted(clock, [GOOD, *[None] * 10_000], [GOOD])
    frames = reconnecting_frames("camera 0", opener, ASKED, clock, clock.sleep)
    assert next(frames).time == 1000
    back = next(frame for frame in frames if frame is not None)
    frames.close()
    assert 1005 < back.time < 1006
    assert said()[0] == "camera 0 has given no valid image for 5 s: trying to open it again for 10 s"


def test_black_pictures_are_told_of_once_after_a_while(clock: Clock, said: Callable[..., Any]) -> None:
    black = np.full((48, 64, 3), 9, np.uint8)
    script = [GOOD, *[black] * 9], [black] * 9, [black, 1.0] * 9
    for number, pictures in enumerate(script):
        list(itertools.islice(reconnecting_frames("camera", scripted(clock, pictures), ASKED, clock, clock.sleep), 9))
        assert len(said()) == (number == 2), number


def test_a_camera_that_is_slow_to_open_is_told_of(monkeypatch: pytest.MonkeyPatch, said: Callable[..., Any]) -> None:
    monkeypatch.setattr(camera, "_SLOW", 0.01)

    def opener() -> Generator[Any, None, None]:
        while not said():
            time.sleep(0.01)
        yield GOOD

    with closing(reconnecting_frames("camera 0", opener, ASKED)) as frames:
        assert next(frames) is not None
    assert said() == ["camera 0 gives no image yet: still waiting"]


def test_closing_closes_the_camera(clock: Clock) -> None:
    closed = []

    def opener() -> Generator[Any, None, None]:
        try:
            yield from itertools.repeat(GOOD)
        finally:
            closed.append(True)

    frames = reconnecting_frames("camera", opener, ASKED, clock, clock.sleep)
    next(frames)
    frames.close()
    assert closed


@pytest.mark.parametrize("script", [[GOOD], [GOOD, *[None] * 100_000]])
def test_a_camera_that_is_waited_for_can_be_closed(script: list[Any], clock: Clock) -> None:
    # by no_thread_stays
    with closing(
        latest(reconnecting_frames("camera", scripted(clock, script), CameraSettings(reconnect=1e9)), 0.05)
    ) as frames:
        assert next(frames).item is not None
        assert next(frames).item is None


def test_a_read_that_hangs_for_ever_holds_nobody_up() -> None:
    released = threading.Event()

    def opener() -> Generator[Any, None, None]:
        yield GOOD
        released.wait()

    frames = latest(reconnecting_frames("camera", opener, CameraSettings(reconnect=0)), timeout=0.05)
    assert next(frames).item is not None
    assert [next(frames).item for _ in range(3)] == [None] * 3
    frames.close()  # if it waited for the read, it would wait for ever
    released.set()


# ---- what is asked for


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nonsense", "nonsense: no such camera or file: expected a number such as 0"),
        ("clip.mp4", "no such camera or file"),
        ("rtps://host/x", "^rtps://host/x: no such protocol; nearest: rtsps?; expected one of rtsp, "),
        ("file:///clip.mp4", "no such protocol"),
        ("foo://me:secret@host/x", "^foo://host/x: no such protocol"),
        ("rtsp://me:sec/ret@host/x", r"^rtsp://\.\.\.: expected HOST or HOST:PORT, .* has / written as %2F"),
        ("http://[host/x", r"^http://\.\.\.: expected HOST"),
        ("http://host:99999/x", r"^http://\.\.\.: expected HOST"),
    ],
)
def test_what_is_no_camera_is_told_before_anything_is_opened(where: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        camera_frames(where, ASKED)


def test_settings_of_a_camera() -> None:
    assert parse_camera_size("1280x720") == (1280, 720)
    for bad in ("720", "0x0", "x720"):
        with pytest.raises(SettingsError):
            parse_camera_size(bad)
    refused: tuple[dict[str, Any], ...] = ({"camera_fps": 0}, {"reconnect": -1}, {"reconnect": float("nan")})
    for fields in refused:
        with pytest.raises(SettingsError, match="expected"):
            CameraSettings(**fields)


def test_cameras_know_no_torch() -> None:
    code = "import sys, dreamvideo.live.cameras.camera; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- streams


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """served(answer) -> URL; `answer` is called with the request and its number, from 0 on."""
    monkeypatch.setattr(network_camera, "_TIMEOUT", 1.0)
    done = threading.Event()
    running = []

    def serve(answer: Any) -> str:
        numbers = itertools.count()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                with suppress(OSError):  # the client has gone
                    answer(self, next(numbers), done)

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        running.append((http, thread))
        return f"http://127.0.0.1:{http.server_port}/video"

    yield serve
    done.set()
    for http, thread in running:
        http.shutdown()
        http.server_close()
        thread.join()


def motion_jpeg(
    request: Any, done: Any, count: int = 10**9, rate: float = 50, sizes: Iterable[tuple[int, int]] | None = None
) -> None:
    """Images whose number, modulo 200, is their brightness."""
    request.send_response(200)
    request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
    request.end_headers()
    for number, (width, height) in zip(range(count), sizes or itertools.repeat((64, 48)), strict=False):
        data = cv2.imencode(".jpg", np.full((height, width, 3), number % 200 + 20, np.uint8))[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        request.wfile.write(head.encode() + data + b"\r\n")
        if done.wait(1 / rate):
            return


def test_a_network_camera(served: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dreamvideo")
    url = served(lambda request, number, done: motion_jpeg(request, done))
    began = time.monotonic()
    with closing(camera_frames(url.replace("//", "//me:secret@"), ASKED)) as frames:
        ten = list(itertools.islice((frame for frame in frames if frame), 10))
    assert {frame.image.shape for frame in ten} == {(48, 64, 3)}
    levels = [int(frame.image.mean()) for frame in ten]
    assert levels == sorted(levels)
    assert levels[-1] > levels[0]
    times = [frame.time for frame in ten]
    assert began < times[0] < times[-1] < time.monotonic()
    assert caplog.messages == [f"{url}: 64x48 mjpeg yuvj420p, 25 fps"]


def test_what_lies_waiting_in_a_stream_is_passed_over(served: Callable[..., Any]) -> None:
    def answer(request: Any, number: int, done: Any) -> None:
        motion_jpeg(request, done, 150, rate=100_000)
        done.wait(60)

    with closing(latest(camera_frames(served(answer), ASKED), timeout=1)) as frames:
        levels = []
        for one in frames:
            if one.item is not None:
                levels.append(int(one.item.image.mean()))
                if levels[-1] > 165:
                    break
            time.sleep(0.05)
    assert levels[-1] <= 171
    assert len(levels) < 75


def test_a_stream_may_change_its_size(served: Callable[..., Any]) -> None:
    sizes = itertools.chain([(64, 48)] * 3, itertools.repeat((96, 80)))
    url = served(lambda request, number, done: motion_jpeg(request, done, sizes=sizes))
    with closing(camera_frames(url, ASKED)) as frames:
        shapes = [frame.image.shape[:2] for frame in itertools.islice((frame for frame in frames if frame), 6)]
    assert shapes[0] == (48, 64)
    assert shapes[-1] == (80, 96)


def test_a_stream_that_ends_is_opened_again(served: Callable[..., Any], said: Callable[..., Any]) -> None:
    url = served(lambda request, number, done: motion_jpeg(request, done, 3, sizes=[(64, 48 + 16 * number)] * 3))
    with closing(camera_frames(url, ASKED)) as frames:
        shapes = {frame.image.shape for frame in itertools.islice((frame for frame in frames if frame), 5)}
    assert len(shapes) > 1
    assert said()[0].startswith(f"{url} has stopped")
    assert said()[1] == f"{url} is back"


def test_a_stream_that_stalls_is_opened_again(served: Callable[..., Any], said: Callable[..., Any]) -> None:
    def answer(request: Any, number: int, done: Any) -> None:
        motion_jpeg(request, done, 3)
        done.wait(60)

    url = served(answer)
    with closing(camera_frames(url, ASKED)) as frames:
        for frame in frames:
            if "is back" in "".join(said()):
                assert frame is not None
                break
    assert said()[0] == f"{url} has stopped: nothing came for 1 s: trying to open it again for 10 s"


def test_a_stream_whose_server_goes_for_good(served: Callable[..., Any], said: Callable[..., Any]) -> None:
    def answer(request: Any, number: int, done: Any) -> None:
        if number:
            request.send_error(404)
        else:
            motion_jpeg(request, done, 3)

    url = served(answer)
    with pytest.raises(SourceError, match=r"is gone and did not come back within 0\.3 s .*404 not found"):
        list(camera_frames(url, CameraSettings(reconnect=0.3)))


def answer_with(kind: Any, data: Any) -> Callable[..., Any]:
    def answer(request: Any, number: int, done: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    return answer


def test_what_a_server_has_in_place_of_a_camera(served: Callable[..., Any], tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4").read_bytes()
    still = cv2.imencode(".jpg", GOOD)[1].tobytes()
    for answer, message in (
        (lambda request, number, done: request.send_error(404), "does not open: server returned 404 not found"),
        (lambda request, number, done: request.send_error(401), "does not open: server returned 401 unauthorized"),
        (lambda request, number, done: done.wait(60), "does not open: nothing came for 1 s"),
        (answer_with("text/html", b"<html>Hello</html>" * 99), "does not open: "),
        (answer_with("video/mp4", clip), "is a file, not a live stream: download it"),
        (answer_with("image/jpeg", still), "is a file, not a live stream: download it"),
    ):
        url = served(answer)
        with pytest.raises(SourceError, match=message) as caught:
            list(camera_frames(url.replace("//", "//me:secret@"), ASKED))
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def redirect_to(place: str) -> Callable[..., Any]:
    def answer(request: Any, number: int, done: Any) -> None:
        request.send_response(302)
        request.send_header("Location", place)
        request.end_headers()

    return answer


def first_image(url: str, **settings: Any) -> Any:
    with closing(camera_frames(url, CameraSettings(reconnect=0, **settings))) as frames:
        return next(frame for frame in frames if frame).image


def test_a_stream_does_not_lead_to_another_host_unless_it_may(served: Callable[..., Any]) -> None:
    asked: list[int] = []
    there = served(lambda request, number, done: asked.append(number) or motion_jpeg(request, done))
    elsewhere = there.replace("127.0.0.1", "localhost")
    with pytest.raises(SourceError, match="does not open: it leads to another host, localhost: .* or --follow"):
        first_image(served(redirect_to(elsewhere)))
    assert asked == []
    assert first_image(served(redirect_to(there))).shape == (48, 64, 3), "the same host may"
    assert first_image(served(redirect_to(elsewhere)), follow=True).shape == (48, 64, 3)


def test_a_playlist_is_opened_only_if_it_may_lead_elsewhere(served: Callable[..., Any], tmp_path: Path) -> None:
    asked: list[int] = []
    clip = make_clip(tmp_path / "clip.ts").read_bytes()

    def send_clip(request: Any, number: int, done: Any) -> None:
        asked.append(number)
        answer_with("video/mp2t", clip)(request, number, done)

    for address in (f"{served(send_clip)}.ts", f"file://{tmp_path}/clip.ts"):
        lines = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.5,\n{address}\n"
        url = served(answer_with("application/vnd.apple.mpegurl", lines.encode()))
        with pytest.raises(SourceError, match="it is a playlist, which may lead to other hosts: --follow opens it"):
            first_image(url)
    assert asked == []


def test_nobody_listens_at_the_address() -> None:
    with pytest.raises(SourceError, match=r"^rtsp://127\.0\.0\.1:1/x does not open: connection refused\. Is it on"):
        next(camera_frames("rtsp://127.0.0.1:1/x", ASKED))


def test_a_stream_cannot_be_asked_for_a_size(said: Callable[..., Any]) -> None:
    camera_frames("rtsp://127.0.0.1:1/x", CameraSettings(size=(640, 480))).close()
    assert said() == ["rtsp://127.0.0.1:1/x: a stream comes as it is sent: --size and --camera-fps change nothing"]


def test_a_stream_over_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = threading.Event()

    def send() -> None:
        with av.open(f"udp://127.0.0.1:{port}?pkt_size=1316", "w", format="mpegts") as output:
            video = output.add_stream(
                "libx264", rate=25, options={"tune": "zerolatency", "preset": "ultrafast", "g": "5"}
            )
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            for number in itertools.count():
                frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                output.mux(video.encode(frame))
                if done.wait(0.02):
                    return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with closing(camera_frames(f"udp://127.0.0.1:{port}", ASKED)) as frames:
            for frame in itertools.islice((frame for frame in frames if frame), 5):
                assert difference(frame.image[..., 0], GOOD[..., 0]) < 8
    finally:
        done.set()
        sender.join()


# ---- cameras of this computer


class Capture:
    """In place of cv2.VideoCapture: `cameras` maps an index to what its reads give."""

    cameras: dict[int, Any] = {}
    made: list[Any] = []

    def __init__(self, index: Any, backend: Any) -> None:
        self.index, self.backend, self.released = index, backend, False
        self.set_to: dict[Any, Any] = {}
        self.reads = iter(self.cameras.get(index, ()))
        self.made.append(self)
        self.loud = self.is_loud()

    def is_loud(self) -> Any:
        return webcam.opencv_log.getLogLevel() > 0

    def isOpened(self) -> bool:
        return self.index in self.cameras

    def set(self, what: Any, value: Any) -> bool:
        self.set_to[what] = value
        return True

    def get(self, what: Any) -> Any:
        code = int.from_bytes(b"MJPG", "little")
        usual = {cv2.CAP_PROP_FRAME_WIDTH: 640, cv2.CAP_PROP_FRAME_HEIGHT: 480, cv2.CAP_PROP_FPS: 30.0}
        return {**usual, cv2.CAP_PROP_FOURCC: code}[what]

    def read(self) -> tuple[bool, Any]:
        self.loud |= self.is_loud()
        got = next(self.reads, None)
        if isinstance(got, Exception):
            raise got
        return got is not None, got

    def release(self) -> None:
        self.loud |= self.is_loud()
        self.released = True


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """computer(index, name, reads, captures=True): plugs a camera in, on a Linux that has no other.

    The stand-in of `enumerate_cameras` lists what captures video, as cv2-enumerate-cameras documents.
    """
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(webcam, "_DEV", tmp_path / "dev")
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(Capture, "cameras", {})
    monkeypatch.setattr(Capture, "made", [])
    (tmp_path / "dev").mkdir()
    listed: list[tuple[int, str, str]] = []

    def enumerate_cameras(backend: int) -> list[CameraInfo]:
        return [CameraInfo(index, name, path, None, None, backend) for index, name, path in listed]

    monkeypatch.setattr(webcam, "enumerate_cameras", enumerate_cameras)

    def plug(index: int, name: str, reads: Any = None, captures: bool = True) -> Path:
        device = tmp_path / "dev" / f"video{index}"
        device.touch()
        if captures:
            listed.append((index, name, f"/dev/video{index}"))
        if reads is not None:
            Capture.cameras[index] = reads
        return device

    return plug


def test_a_camera_of_this_computer_gives_rgb(
    computer: Callable[..., Any], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dreamvideo")
    bgr = np.ascontiguousarray(GOOD[..., ::-1])
    bgra = np.concatenate([bgr, bgr[..., :1]], -1)
    damaged = cv2.error("a damaged JPEG")
    computer(0, "Front", [bgr, bgra, None, damaged, bgr[..., 1], np.zeros((0, 0, 3), np.uint8), bgr])
    with closing(camera_frames("0", CameraSettings(size=(1280, 720), camera_fps=60), clock)) as frames:
        got: list[Any] = [frame and frame.image for frame in itertools.islice(frames, 7)]
    assert [index for index, image in enumerate(got) if image is None] == [2, 3, 5]
    assert all(np.array_equal(got[index], GOOD) for index in (0, 1, 6))
    assert np.all(got[4] == GOOD[..., 1:2])
    assert Capture.made[0].released
    assert not Capture.made[0].loud
    assert caplog.messages == ["camera 0: 640x480, MJPG, 30 fps (asked for 1280x720, 60 fps)"]


@pytest.mark.parametrize("size", [None, (640, 480), (1280, 720)])
def test_a_camera_is_asked_for_what_suits_the_system(
    computer: Callable[..., Any], size: tuple[int, int] | None
) -> None:
    computer(2, "Front", [GOOD])
    with closing(camera_frames("2", CameraSettings(size=size, camera_fps=60))) as frames:
        next(frames)
    asked = {cv2.CAP_PROP_BUFFERSIZE: 1, cv2.CAP_PROP_FPS: 60}
    if size:
        asked |= {cv2.CAP_PROP_FRAME_WIDTH: size[0], cv2.CAP_PROP_FRAME_HEIGHT: size[1]}
    if size == (1280, 720):  # uncompressed, USB 2 carries ten of these a second
        asked[cv2.CAP_PROP_FOURCC] = cv2.VideoWriter.fourcc(*"MJPG")
    assert Capture.made[0].set_to == asked
    assert Capture.made[0].backend == cv2.CAP_V4L2


def test_a_mac_knows_itself_how_a_camera_is_read(computer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    computer(0, "Front", [GOOD])
    monkeypatch.setattr(sys, "platform", "darwin")
    with closing(camera_frames("0", CameraSettings(size=(1280, 720)))) as frames:
        next(frames)
    assert Capture.made[0].backend == cv2.CAP_AVFOUNDATION
    assert cv2.CAP_PROP_FOURCC not in Capture.made[0].set_to


def test_on_windows_another_way_is_tried_where_the_first_fails(
    computer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    computer(0, "Front", [GOOD])
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(Capture, "isOpened", lambda self: self.backend == cv2.CAP_MSMF)
    with closing(camera_frames("0", ASKED)) as frames:
        next(frames)
    assert [capture.backend for capture in Capture.made] == [cv2.CAP_DSHOW, cv2.CAP_MSMF]


def test_a_device_is_found_by_any_of_its_names(computer: Callable[..., Any], tmp_path: Path) -> None:
    device = computer(3, "Front", [GOOD])
    (tmp_path / "by-id").symlink_to(device)
    for name in (str(device), str(tmp_path / "by-id"), "3"):
        with closing(webcam.webcam_images(name, ASKED)) as pictures:
            next(pictures)
    assert [capture.index for capture in Capture.made] == [3, 3, 3]


def test_a_camera_that_is_unplugged_is_gone_at_once(computer: Callable[..., Any], clock: Clock) -> None:
    device = computer(0, "Front", [GOOD, GOOD])
    frames = reconnecting_frames(
        "camera 0", lambda: webcam.webcam_images("0", ASKED), CameraSettings(reconnect=0), clock, clock.sleep
    )
    assert next(frames) and next(frames)
    device.unlink()
    with pytest.raises(SourceError, match="camera 0 is gone .*: camera 0 is unplugged"):
        next(frames)
    assert clock.now == 1000


def message(where: Any) -> str:
    with pytest.raises(SourceError) as caught:
        next(webcam.webcam_images(where, ASKED))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_why_a_camera_does_not_open(
    computer: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert message("0") == "no camera 0; there is none. See: dreamvideo cameras"
    front = computer(0, "Front Camera")
    computer(1, "Front Camera", captures=False)
    computer(2, "USB")
    there_is = "there is 0 (Front Camera), 2 (USB). See: dreamvideo cameras"
    assert message("7") == f"no camera 7; {there_is}"
    assert message("1") == f"{tmp_path}/dev/video1 gives no images; {there_is}"
    assert message("0") == (
        "camera 0 does not open: another program may be using it; close that, or type dreamvideo cameras"
    )
    assert message("/dev/nowhere") == f"/dev/nowhere: no such camera; {there_is}"
    assert message("/dev/null") == f"/dev/null: not a camera; {there_is}"

    def refuse(path: Any, flags: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    assert message("0") == (
        f"no permission to open camera 0: type sudo usermod -aG {front.group()} $USER, then log in again"
    )


def test_why_a_camera_does_not_open_elsewhere(computer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    computer(0, "FaceTime")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "System Settings > Privacy & Security > Camera" in message("0")
    assert message("1") == "no camera 1; there is 0 (FaceTime). See: dreamvideo cameras"
    monkeypatch.setattr(sys, "platform", "win32")
    assert "(Settings > Privacy & security > Camera)" in message("0")


def test_the_list_of_cameras(computer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert webcam.list_cameras() == [
        "no camera found: plug one in, or give a URL such as rtsp://HOST/PATH, or a video file"
    ]
    computer(10, "USB")
    computer(1, "Front Camera", captures=False)
    computer(0, "Front Camera")
    monkeypatch.setattr(webcam, "_image_format", {0: "640x480, MJPG, 30 fps", 10: ""}.get)
    assert webcam.list_cameras() == [
        "0   /dev/video0  Front Camera  640x480, MJPG, 30 fps",
        "10  /dev/video10  USB  (does not open: no permission, or in use)",
    ]


def test_the_list_gives_no_device_where_none_can_be_typed() -> None:
    info = CameraInfo(3, "Cam", "0x8020000005ac8514", None, None, cv2.CAP_AVFOUNDATION)
    assert webcam._line(info, "1280x720, 30 fps") == "3   Cam  1280x720, 30 fps"


@pytest.mark.skipif(sys.platform != "linux", reason="the devices of Linux")
def test_the_library_lists_what_may_capture_by_index_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glob.glob", lambda pattern: ["/dev/video4711", "/dev/video815"])
    assert [(camera.index, camera.name, camera.path) for camera in webcam._cameras()] == [
        (815, "video815", "/dev/video815"),
        (4711, "video4711", "/dev/video4711"),
    ]


def test_what_a_camera_gives_is_tried(computer: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    computer(0, "Front", [])
    webcam.print_image_format(0)
    webcam.print_image_format(1)
    assert capsys.readouterr().out == "640x480, MJPG, 30 fps\n"
    assert all(capture.released for capture in Capture.made)


def test_a_camera_is_tried_in_a_child_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCV_VIDEOIO_PRIORITY_LIST", "IMAGES")  # a computer without camera, wherever this runs
    children: list[Any] = []
    plain = subprocess.run

    def run(*words: Any, **more: Any) -> Any:
        children.append(plain(*words, **more))
        return children[-1]

    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setattr(webcam, "_PROBE_TIMEOUT", None)
    assert webcam._image_format(9999) == ""
    assert [child.returncode for child in children] == [0]


def test_a_camera_that_hangs_when_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: Any, timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr("subprocess.run", run)
    assert webcam._image_format(2) == "(does not answer within 10 s)"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system says it, not OpenCV")
def test_opencv_says_nothing_of_a_camera_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    webcam.opencv_log.setLogLevel(3)  # of warnings, as it is at first
    with pytest.raises(SourceError, match="camera 9999"):
        next(webcam.webcam_images("9999", ASKED))
    assert capfd.readouterr() == ("", "")
    assert webcam.opencv_log.getLogLevel() == 3
