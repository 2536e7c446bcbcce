"""The studio as a user has it: headless Chromium, real clicks, real processes, a server that is killed."""

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
import studio_visitor
from clips import make_clip
from conftest import run
from PIL import Image
from selenium.webdriver.common.keys import Keys
from studio_fakes import running_studio
from studio_visitor import BROWSER_TEST, Inspector, Visitor, visit, visit_live

visitor = studio_visitor.visitor

pytestmark = BROWSER_TEST
LOOK = ["--preset", "eyes"]


def packets(path: Path) -> list[tuple[int | None, str]]:
    with av.open(str(path)) as file:
        return [(each.pts, hashlib.sha256(bytes(each)).hexdigest()) for each in file.demux() if each.size]


def sample(path: Path, frames: int) -> Path:
    """A small film with sound, whose every frame is dreamed in a fraction of a second."""
    return make_clip(path, [Fraction(n, 25) for n in range(frames)], size=(160, 96), audio=[("aac", "eng")])


def test_a_film_is_opened_dreamed_and_played_by_clicks(tmp_path: Path, visitor: Visitor) -> None:
    film = sample(tmp_path / "film.mp4", 60)
    inspector = Inspector(visitor)
    with running_studio(tmp_path) as (_, url):
        visit(visitor, url, "film.mp4", "eyes", inspector)
        assert not [message for message in visitor.errors() if "net::ERR" not in message]
    assert inspector.seen == ["files", "look", "things", "preview", "paused", "running", "finished", "playing"]
    assert run("video", film, "-o", tmp_path / "typed.mp4", *LOOK, "-q") == 0
    assert packets(tmp_path / "film_dream.mp4") == packets(tmp_path / "typed.mp4")
    inspector.approve()


def test_the_camera_of_the_browser_is_dreamed_and_recorded(tmp_path: Path, visitor: Visitor) -> None:
    sample(tmp_path / "film.mp4", 60)
    inspector = Inspector(visitor)
    with running_studio(tmp_path) as (server, url):
        visit_live(visitor, url, "film.mp4", inspector)
        (recording,) = tmp_path.glob("dream_*.mkv")
        frames = [frame.to_ndarray(format="rgb24") for frame in read(recording)]
        assert frames and frames[-1][:, :, 1].mean() > frames[-1][:, :, 0].mean()  # the test pattern is green
        visitor.click("#live-start")
        visitor.shows("#live-numbers", "in the studio")
        (live,) = live_processes(server.pid)
        server.send_signal(signal.SIGINT)
        server.wait(100)
        assert not psutil.pid_exists(live)
    assert inspector.seen == ["live_start", "live", "live_recording", "live_film"]
    inspector.approve()


def read(path: Path) -> Iterator[Any]:
    with av.open(str(path)) as file:
        yield from file.decode(video=0)


def live_processes(studio: int) -> list[int]:
    """The processes of a studio that dream live."""
    children = psutil.Process(studio).children(recursive=True)
    return [child.pid for child in children if "dreamvideo.studio.live_process" in child.cmdline()]


def test_a_folder_of_pictures_is_dreamed_with_a_mask_and_its_own_rate(tmp_path: Path, visitor: Visitor) -> None:
    (tmp_path / "shots").mkdir()
    for number, frame in enumerate(read(sample(tmp_path / "film.mp4", 12))):
        frame.to_image().save(tmp_path / "shots" / f"{number}.png")
    Image.fromarray(np.array([[0] * 4 + [255] * 4], np.uint8)).save(tmp_path / "mask.png")
    with running_studio(tmp_path) as (_, url):
        visitor.browser.get(url)
        visitor.click("#entries .card:has(.folder) button")
        visitor.click("#open-folder")
        visitor.click('[data-look="eyes"]')
        visitor.shows("#look-name", "eyes")
        visitor.browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
        for knob, text in (("mask", "mask.png"), ("fps", "12")):
            visitor.one(f"#knob-{knob}").send_keys(Keys.CONTROL, "a")
            visitor.one(f"#knob-{knob}").send_keys(text, Keys.TAB)
            visitor.shows("#command", f"--{knob}")
        assert visitor.text("#time-text") == "0:00.50"  # the same picture as before, at its new time
        visitor.click("#dream")
        visitor.shows(".job .state", "finished")
        visitor.click(".job button.main")
        place = "return document.getElementById('player-dream').currentTime"
        visitor.until(lambda: visitor.browser.execute_script(place) > 0.1)
        assert not visitor.one("#player-source").is_displayed() and not visitor.text("#player-error")
    words = [tmp_path / "shots", "-o", tmp_path / "typed.mp4", *LOOK, "--mask", tmp_path / "mask.png", "--fps", 12]
    assert run("frames", *words, "-q") == 0
    assert packets(tmp_path / "shots_dream.mp4") == packets(tmp_path / "typed.mp4")


def test_a_job_of_a_killed_studio_is_resumed_and_equals_the_unbroken_run(tmp_path: Path, visitor: Visitor) -> None:
    film = sample(tmp_path / "film.mp4", 300)

    def frames() -> int:
        words = visitor.text(".job .numbers").split()
        return int(words[0]) if words else 0

    with running_studio(tmp_path) as (server, url):
        visitor.browser.get(url)
        visitor.click('[data-film="film.mp4"]')
        visitor.click('[data-look="eyes"]')
        visitor.shows("#look-name", "eyes")
        visitor.click("#dream")
        visitor.until(lambda: frames() > 140)  # a whole segment, and some of the next
        server.send_signal(signal.SIGKILL)
        server.wait(60)
        visitor.until(lambda: visitor.one("#lost").is_displayed())
    assert not (tmp_path / "film_dream.mp4").exists()
    with running_studio(tmp_path) as (_, url):
        visitor.browser.get(url)
        visitor.click('.bar a[href="#queue"]')
        visitor.shows(".job .state", "paused")
        visitor.click(".job button.main")
        visitor.shows(".job .state", "finished")
    assert run("video", film, "-o", tmp_path / "typed.mp4", *LOOK, "-q") == 0
    assert packets(tmp_path / "film_dream.mp4") == packets(tmp_path / "typed.mp4")


def test_two_browsers_look_at_one_queue(tmp_path: Path, visitor: Visitor) -> None:
    sample(tmp_path / "film.mp4", 30)
    other = Visitor()
    try:
        with running_studio(tmp_path) as (_, url):
            for each in (visitor, other):
                each.browser.get(url)
                each.click('[data-film="film.mp4"]')
            visitor.click('[data-look="eyes"]')
            other.click('[data-look="leaves"]')
            visitor.shows("#look-name", "eyes")
            other.shows("#look-name", "leaves")
            visitor.click("#dream")
            other.click('.bar a[href="#queue"]')
            other.shows(".job .state", "finished")
            visitor.shows(".job .state", "finished")
    finally:
        other.close()


LARGE: Any = """
import json, sys, time
from pathlib import Path
from dreamvideo.studio.film_reports import FilmReports
def memory():
    line = next(each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
small, large = map(Path, sys.argv[1:])
reports = FilmReports()
for path in (small, large):
    reports.report(path), reports.frame(path, None, 832), reports.frame(path, 1.0, 320)
    print(memory())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_film_of_two_gigabytes_is_opened_without_its_bytes_in_memory(tmp_path: Path) -> None:
    small, large = sample(tmp_path / "small.mp4", 60), tmp_path / "large.mp4"
    join_copies(small, large, 2 << 30)
    assert large.stat().st_size >= 2 << 30
    words = [sys.executable, "-c", LARGE, str(small), str(large)]
    before, after = map(float, subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())
    assert after - before < 200, (before, after)


def join_copies(source: Path, target: Path, size: int) -> None:
    """Write copies of a film one after the other, each frame padded, until the file is that large."""
    padding = bytes(4 << 20)  # a filler unit of H.264, which decoders skip
    with av.open(str(source)) as file, av.open(str(target), "w") as output:
        video = file.streams.video[0]
        stream = output.add_stream_from_template(video)
        originals = [(each, bytes(each)) for each in file.demux(video) if each.size]
        length = len(originals)
        for number in range(size // len(padding) + 1):
            original, content = originals[number % length]
            unit = b"\x0c" + padding
            packet = av.Packet(content + len(unit).to_bytes(4, "big") + unit)
            step = originals[1][0].dts - originals[0][0].dts
            packet.dts, packet.pts = number * step, number * step + (original.pts - original.dts)
            packet.time_base, packet.stream, packet.is_keyframe = video.time_base, stream, original.is_keyframe
            output.mux(packet)
