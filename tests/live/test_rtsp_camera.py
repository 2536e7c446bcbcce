"""A camera that speaks RTSP, as most on a network do: a small server of H.264 in RTP, with a user and a password."""

import base64
import itertools
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from fractions import Fraction
from typing import Any

import av
import pytest
from clips import difference, picture

from dreamvideo.errors import SourceError
from dreamvideo.live.cameras import network_camera
from dreamvideo.live.cameras.camera import camera_frames
from dreamvideo.settings.live import CameraSettings

PICTURES = 30
WAIT = 60.0  # seconds after which the client counts as hanging
USER = base64.b64encode(b"me:se/cret").decode()
SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=camera
c=IN IP4 127.0.0.1
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:track1
"""


def packets_of_rtp(count: int, done: threading.Event) -> Iterator[bytes]:
    """Packets of `count` pictures: libav sends them to a port here."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind(("127.0.0.1", 0))
        port.settimeout(WAIT)
        url = f"rtp://127.0.0.1:{port.getsockname()[1]}?pkt_size=1200"
        with av.open(url, "w", format="rtp") as output:
            video = output.add_stream("libx264", rate=25, options={"tune": "zerolatency", "g": "5"})
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            for number in range(count):
                frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                output.mux(video.encode(frame))
                last = False
                while not last:  # the marker of RTP: the last packet of a picture
                    packet = port.recv(2000)
                    last = packet[1] & 0x80 > 0
                    yield packet
                if done.wait(0.02):
                    return


class Camera(socketserver.StreamRequestHandler):
    """One connection: each request is answered, and after PLAY pictures come, the first time `PICTURES` of them."""

    server: Any

    def handle(self) -> None:
        with suppress(OSError):  # the client has gone
            while self.answer():
                pass

    def answer(self) -> bool:
        method = self.rfile.readline().decode().partition(" ")[0]
        lines = iter(lambda: self.rfile.readline().decode().strip(), "")
        heads = dict(line.split(": ", 1) for line in lines) if method else {}
        body = SDP.replace("\n", "\r\n") if method == "DESCRIBE" else ""
        more = {
            "OPTIONS": "Public: DESCRIBE, SETUP, PLAY",
            "DESCRIBE": "Content-Type: application/sdp",
            "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1",
        }.get(method, "Session: 1")
        status = "200 OK"
        if heads.get("Authorization") != f"Basic {USER}":
            status, body, more = "401 Unauthorized", "", 'WWW-Authenticate: Basic realm="camera"'
        head = f"RTSP/1.0 {status}\r\nCSeq: {heads.get('CSeq')}\r\n{more}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write((head + body).encode())
        if method == "PLAY" and status == "200 OK":
            count = 10**9 if next(self.server.plays) else PICTURES
            for packet in packets_of_rtp(count, self.server.done):
                self.wfile.write(b"$\0" + len(packet).to_bytes(2, "big") + packet)
            return False
        return bool(method)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """address("user:password@") -> that of the camera."""
    monkeypatch.setattr(network_camera, "_TIMEOUT", 5.0)
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Camera) as server:
        server.plays, server.done = itertools.count(), threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield lambda user: f"rtsp://{user}127.0.0.1:{server.server_address[1]}/camera?key=hidden"
        server.done.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def test_a_camera_is_opened_with_its_password_and_again_after_it_went(
    address: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "dreamvideo")
    with closing(camera_frames(address("me:se%2Fcret@"), CameraSettings())) as frames:
        for frame in frames:
            if frame is not None:
                assert min(difference(frame.image, picture(number)) for number in range(PICTURES)) < 12
                if caplog.messages[-1].endswith("is back"):
                    break
    name = address("").partition("?")[0]
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == [f"{name} has stopped: trying to open it again for 10 s", f"{name} is back"]
    assert f"{name}: 64x48 h264 yuv420p, 25 fps" in caplog.messages
    assert not any("cret" in line or "hidden" in line for line in caplog.messages)


def test_a_wrong_password_is_one_line_without_it(address: Callable[[str], str]) -> None:
    with pytest.raises(SourceError) as caught:
        next(camera_frames(address("me:wrong@"), CameraSettings()))
    name = address("").partition("?")[0]
    assert str(caught.value).startswith(f"{name} does not open: server returned 401 unauthorized")
