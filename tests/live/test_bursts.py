"""Streams that come in pieces play by their own times; all others are shown as they come."""

import itertools
import statistics
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamvideo.live.cameras.bursts import MARGIN, WINDOW, BurstClock
from dreamvideo.live.cameras.camera import camera_frames
from dreamvideo.settings.live import CameraSettings

FPS = 25


def in_pieces(seconds: float, piece: float, late: Iterable[float] = (0.0,) * 1000) -> list[tuple[float, float]]:
    """(arrival, time) of frames, each piece at once when its last frame has been made, and as late as `late` says."""
    arrivals, latest = [], 0.0
    for number, delay in zip(range(int(seconds / piece)), late, strict=False):
        latest = max(latest, (number + 1) * piece + delay)
        arrivals += [(latest, number * piece + n / FPS) for n in range(round(piece * FPS))]
    return arrivals


def shown(frames: list[tuple[float, float]], known: bool) -> list[float]:
    """When each frame is shown."""
    clock = BurstClock(known)
    return [clock.due(*frame) for frame in frames]


@pytest.mark.parametrize("piece", [1, 4, 10])
@pytest.mark.parametrize("known", [True, False])
def test_pieces_are_played_evenly_with_the_delay_of_one(piece: int, known: bool) -> None:
    frames = in_pieces(80, piece)
    due = shown(frames, known)
    settled = piece * FPS * (1 if known else 3)  # two bursts tell that there are pieces
    assert np.allclose(np.diff(due[settled:]), 1 / FPS)
    assert max(at - moment for at, (_, moment) in zip(due, frames, strict=True)) < piece + 2 * MARGIN


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1.5), min_size=20, max_size=20), st.booleans())
def test_pieces_that_come_unevenly_stop_the_film_less_and_less(late: list[float], known: bool) -> None:
    frames = in_pieces(40, 2, late)
    due = shown(frames, known)
    assert all(at >= arrival for at, (arrival, _) in zip(due, frames, strict=True))
    if known:
        assert due == sorted(due)
        pauses = [gap - 1 / FPS for gap in np.diff(due) if gap > 1 / FPS + 0.01]
        assert sum(pauses) < max(late) + MARGIN * (1 + len(pauses))
        assert all(pause > 0 for pause in pauses) and len(pauses) <= 8


@settings(max_examples=30)
@given(st.lists(st.floats(0, 0.25), min_size=300, max_size=300))
def test_a_camera_whose_network_jitters_is_shown_at_once(jitter: list[float]) -> None:
    arrivals = itertools.accumulate((n / FPS + delay for n, delay in enumerate(jitter)), max)
    frames = [(arrival, n / FPS) for n, arrival in enumerate(arrivals)]
    assert shown(frames, False) == [arrival for arrival, _ in frames]


def test_a_camera_that_stalls_once_is_shown_at_once() -> None:
    frames = [(max(n / FPS, 6.0 if n > 100 else 0), n / FPS) for n in range(1000)]
    assert shown(frames, False) == [arrival for arrival, _ in frames]


def test_who_is_more_than_a_piece_behind_catches_up() -> None:
    # The connection begins with three old pieces, as many servers send them, and goes on with the newest.
    frames = [(6.0, n / FPS) for n in range(6 * FPS)] + [frame for frame in in_pieces(120, 2) if frame[1] >= 6]
    due = shown(frames, True)
    behind = [at - moment for at, (_, moment) in zip(due, frames, strict=True)]
    assert behind[0] == 6 and max(behind) < 6.5
    assert behind[-1] < 2 + 2 * MARGIN
    assert statistics.mode(np.round(np.diff(due[-30 * FPS :]), 6)) == 1 / FPS


@pytest.mark.parametrize("leap", [-1000.0, 95443.0, 20.0])
def test_a_clock_that_starts_again_is_followed(leap: float) -> None:
    frames = [(at, moment + leap * (moment >= 20)) for at, moment in in_pieces(60, 2)]
    due = shown(frames, True)
    assert max(at - arrival for at, (arrival, _) in zip(due, frames, strict=True)) < 2 + 2 * MARGIN
    assert max(np.diff(due)) < 2.1


def test_no_memory_of_long_ago_is_kept() -> None:
    clock = BurstClock(True)
    for arrival, moment in in_pieces(400, 2):
        clock.due(arrival, moment)
    assert len(clock._waits) <= (WINDOW + 2) * FPS and len(clock._pauses) <= WINDOW


@pytest.fixture
def hls(tmp_path: Path) -> Iterator[str]:
    """The address of a live stream in pieces of 0.8 s, which are there one after the other."""
    with av.open(
        str(tmp_path / "all.m3u8"), "w", format="hls", options={"hls_time": "0.8", "hls_list_size": "0"}
    ) as out:
        stream = out.add_stream("libx264", FPS, options={"g": "20", "bf": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(20 * 8):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + n, np.uint8), "rgb24")
            frame.pts, frame.time_base = n, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    start: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: Any) -> None:
            pass

        def do_GET(self) -> None:
            start[:] = start or [time.monotonic()]
            content = (tmp_path / Path(self.path).name).with_suffix(".ts").read_bytes() if "ts" in self.path else None
            if content is None:
                count = min(2 + int((time.monotonic() - start[0]) / 0.8), 8)
                pieces = "".join(f"#EXTINF:0.8,\nall{n}.ts\n" for n in range(count))
                head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
                content = (head + pieces + "#EXT-X-ENDLIST\n" * (count == 8)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}/live.m3u8"
    http.shutdown()
    http.server_close()
    thread.join()


def test_a_live_stream_in_pieces_is_no_slideshow(hls: str) -> None:
    levels = set()
    with closing(camera_frames(hls, CameraSettings(reconnect=0, follow=True))) as frames:
        for frame in frames:
            if frame is not None:
                levels.add(int(frame.image.mean()))
                if frame.image.mean() > 170:
                    break
    assert len(levels) > 25  # of 100 to 140 on a quiet machine; by arrival alone one or two of each of 8 pieces
