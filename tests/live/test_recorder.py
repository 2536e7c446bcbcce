"""A live recording: killed or closed, slow or stalled, every picture is in it at the time at which it was shown."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import difference, picture, video_times
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dreamvideo.errors import OutputError
from dreamvideo.frames import BT601, BT709, Frame, StreamInfo
from dreamvideo.live.outputs.letterbox import letterbox
from dreamvideo.live.outputs.recorder import DEPTH, Recorder, check_recording, unused_name
from dreamvideo.media.images import write_image
from dreamvideo.media.metadata import settings_comment, settings_in_file
from dreamvideo.media.video_encoder import VideoEncoder, container_of
from dreamvideo.media.video_reader import open_video
from dreamvideo.settings.dream import DreamSettings, ModelSettings
from dreamvideo.settings.job import EncodeSettings, ReadSettings

MS = Fraction(1, 1000)
SIZE = (48, 64)
NEVER = 1e6  # seconds to hold a picture
BITS = 16
STALL = 1.0, 1.7  # seconds in which the camera of the child gives nothing


def stamped(milliseconds: Any, height: int, width: int, noise: int = 0) -> Any:
    """A picture that shows a number below 2^16 as 4x4 black and white blocks."""
    bits = [(milliseconds >> bit) & 1 for bit in range(BITS)]
    blocks = np.array(bits, np.uint8).reshape(4, 4) * 200 + 25
    image = np.kron(blocks, np.ones((height // 4, width // 4), np.uint8))[..., None].repeat(3, 2)
    return image if not noise else image + np.random.default_rng(noise).integers(0, 30, image.shape, np.uint8)


def stamp_of(image: Any) -> Any:
    height, width = image.shape[:2]
    blocks = image[..., 1].reshape(4, height // 4, 4, width // 4).mean((1, 3))
    return sum(1 << bit for bit, white in enumerate((blocks > 128).ravel()) if white)


def child(path: str, height: int, width: int, still: float) -> None:
    """Record stamped pictures until killed: unevenly, some twice, none in the STALL or after `still` seconds.

    Prints how many seconds it has recorded, and how many different images, again and again.
    """
    rng = random.Random(3)
    recording = Recorder(Path(path), (height, width))
    puts, images, due = 1, 1, 0.0
    frame = Frame(stamped(0, height, width), recording.start)
    recording.put(frame)
    while recording.failed is None:
        now = Fraction(time.monotonic())
        seconds = float(now - recording.start)
        if seconds >= due and not STALL[0] < seconds < STALL[1] and seconds < still:
            if rng.random() < 0.9:
                frame = Frame(stamped(round(1000 * seconds), height, width, noise=1 + round(1000 * seconds)), now)
                images += 1
            recording.put(Frame(frame.image, now))
            puts += 1
            while recording.count < puts and recording.failed is None:  # as long as a busy machine needs
                time.sleep(0.001)
            due = seconds + rng.choice((0.01, 0.033, 0.033, 0.04, 0.12))
        print(seconds, images, flush=True)
        time.sleep(0.004)


if __name__ == "__main__":
    child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    sys.exit("it ended by itself")


def killed(path: Path, seconds: float, size: Any, still: float = NEVER) -> tuple[float, int, list[tuple[float, float]]]:
    """The recording of a child that was killed: (seconds it lived, images it recorded, [(time, stamp)])."""
    command = [sys.executable, __file__, str(path), *map(str, size), str(still)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    lived, images = 0.0, 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            lived, images = float(line.split()[0]), int(line.split()[1])
            if lived > seconds:
                process.kill()
    assert lived > seconds, "it ended by itself"
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    stamps = [stamp_of(frame.to_ndarray(format="rgb24")) / 1000 for frame in frames]
    return lived, images, list(zip((float(frame.pts * frame.time_base) for frame in frames), stamps, strict=True))


def assert_on_time(seen: Any) -> None:
    """Each picture first appears when its stamp says, and then stands."""
    assert [stamp for _, stamp in seen] == sorted(stamp for _, stamp in seen)
    first: dict[Any, Any] = {}
    for at, stamp in seen:
        first.setdefault(stamp, at)
    worst = max(abs(at - stamp) for stamp, at in first.items())
    assert worst <= 0.02, worst


CASES = [
    pytest.param(2.3, NEVER, (240, 320), id="running"),
    pytest.param(2.9, 1.0, (240, 320), id="stalled"),
    pytest.param(10, NEVER, (480, 640), marks=pytest.mark.slow, id="ten seconds"),
    pytest.param(10, 8.0, (480, 640), marks=pytest.mark.slow, id="ten seconds, stalled"),
]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize(("seconds", "still", "size"), CASES)
def test_what_was_killed_plays_to_within_the_last_second(
    tmp_path: Path, suffix: str, seconds: float, still: float, size: tuple[int, int]
) -> None:
    lived, images, seen = killed(tmp_path / f"dream{suffix}", seconds, size, still)
    assert_on_time(seen)
    assert seen[0][0] == 0
    assert lived - 1 < seen[-1][0] <= lived + 0.02
    assert len({stamp for _, stamp in seen}) > images / 2
    print(f"{suffix}: lived {lived:.3f}, last picture at {seen[-1][0]:.3f}, {len(seen)} pictures")


# With a clock of the test's own, to the millisecond.


class Clock:
    def __init__(self) -> None:
        self.now = Fraction(100)

    def __call__(self) -> Any:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def until(what: Any) -> None:
    """Wait for another thread; a test that waits for ever has failed."""
    while not what():  # pytest-timeout ends it
        time.sleep(0.002)


def recorded(path: Path, clock: Any, frames: Any, end: Any, **options: Any) -> Any:
    """Record pictures of (milliseconds, number), one after the other, and close at `end`."""
    with Recorder(path, SIZE, clock=clock, hold=NEVER, overwrite=True, **options) as recording:
        for taken, (at, number) in enumerate(frames, 1):
            recording.put(Frame(picture(number), recording.start + at * MS))
            until(lambda taken=taken: recording.count >= taken)
        clock.now = recording.start + end * MS
    assert recording.failed is None and recording.dropped == 0
    return recording


def times_of(path: Path) -> tuple[list[int], int]:
    times, end = video_times(path)
    return [round(at / MS) for at in times], round(end / MS)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_each_picture_is_at_its_time_and_the_last_stands_to_the_end(tmp_path: Path, clock: Clock, suffix: str) -> None:
    frames = [(0, 0), (7, 1), (40, 2), (41, 3), (1300, 4), (1333, 5), (4000, 6)]
    path = tmp_path / f"ein Traum%d{suffix}"
    recorded(path, clock, frames, end=10_000)
    times, end = times_of(path)
    assert times == [at for at, _ in frames] + [9999]
    assert end == 10_000
    with open_video(path, ReadSettings()) as source:
        shown = [frame.image for frame in source.frames]
    for image, number in zip(shown, [0, 1, 2, 3, 4, 5, 6, 6], strict=True):
        assert difference(image, picture(number)) < 4


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.sampled_from([".mkv", ".mp4"]))
@example([5, 5, 5, 4, 0, 9], ".mp4")
def test_times_that_stand_or_go_back_never_fail(tmp_path: Path, suffix_times: list[int], suffix: str) -> None:
    path, clock = tmp_path / f"dream{suffix}", Clock()
    recorded(path, clock, [(at, n) for n, at in enumerate(suffix_times)], end=400)
    expected = [0] if suffix_times[0] > 0 else []
    for at in suffix_times:
        expected.append(max(at, expected[-1] + 1) if expected else at)
    assert times_of(path) == ([*expected, 399], 400)


def test_it_begins_with_what_was_to_be_seen_when_it_began(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "dream.mp4"
    recorded(path, clock, [(-90, 10), (-50, 25), (30, 50)], end=100)
    with open_video(path, ReadSettings()) as source:
        shown = list(source.frames)
    assert [round(frame.time / MS) for frame in shown] == [0, 30, 99]
    for frame, number in zip(shown, (25, 50, 50), strict=True):
        assert difference(frame.image, picture(number)) < 4


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """written(): wait for a picture that is encoded from now on."""
    done, encode = threading.Semaphore(0), VideoEncoder.encode

    def watched(*args: Any) -> Any:
        packets = encode(*args)
        done.release()
        return packets

    def wait() -> None:
        while done.acquire(blocking=False):
            pass
        assert done.acquire() and done.acquire()  # the first may have been under way

    monkeypatch.setattr(VideoEncoder, "encode", watched)
    return wait


@pytest.mark.parametrize("late", [0, 200])
def test_a_picture_that_nothing_follows_is_written_again(
    tmp_path: Path, clock: Clock, written: Callable[..., Any], late: int
) -> None:
    path = tmp_path / "dream.mkv"
    recording = Recorder(path, SIZE, clock=clock, hold=0.02)
    clock.now += late * MS
    recording.put(Frame(picture(0), recording.start))
    for second in (1, 2, 3):  # of a stall
        written()
        clock.now = recording.start + (1000 * second + late) * MS
    written()
    recording.put(Frame(picture(9), recording.start + 3500 * MS))
    until(lambda: recording.count == 2)
    clock.now = recording.start + 4000 * MS
    recording.close()
    times, end = times_of(path)
    assert end == 4000 and times == sorted(times)
    # as late as the picture itself: what comes next is later still
    assert {0, 1000, 2000, 3000, 3500} <= set(times)


def test_nothing_is_written_before_the_beginning(tmp_path: Path, clock: Clock, written: Callable[..., Any]) -> None:
    path = tmp_path / "dream.mkv"
    recording = Recorder(path, SIZE, clock=clock, hold=0.02)
    recording.put(Frame(picture(0), recording.start - 2))
    written()
    recording.put(Frame(picture(9), recording.start + 1))
    until(lambda: recording.count == 2)
    clock.now += 3
    recording.close()
    times, end = times_of(path)
    assert times[0] == 0 and 1000 in times and end == 3000


def test_a_player_can_begin_at_every_second(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "dream.mkv"
    recorded(path, clock, [(at, 0) for at in range(0, 3500, 250)], end=3500)
    with av.open(str(path)) as container:
        keys = [round(p.pts * p.time_base / MS) for p in container.demux(video=0) if p.size and p.is_keyframe]
    assert keys == [0, 1000, 2000, 3000]


def test_a_slow_encoder_drops_the_oldest_and_holds_nobody_up(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dream.mkv"
    recording = Recorder(path, SIZE, clock=clock, hold=NEVER)
    entered, gate, encode = threading.Event(), threading.Event(), VideoEncoder.encode

    def slow(*args: Any) -> Any:
        entered.set()
        gate.wait()
        return encode(*args)

    monkeypatch.setattr(VideoEncoder, "encode", slow)
    recording.put(Frame(picture(0), recording.start))
    assert entered.wait(10)
    for number in range(1, 30):  # would wait for ever, if it waited
        recording.put(Frame(picture(number), recording.start + number * 40 * MS))
    assert recording.dropped == 29 - DEPTH
    gate.set()
    clock.now += 2
    recording.close()
    assert times_of(path) == ([0, *(number * 40 for number in range(30 - DEPTH, 30)), 1999], 2000)


@pytest.mark.parametrize("name", ["libx264", "libx265", "libvpx-vp9", "libsvtav1"])
def test_no_picture_waits_in_the_encoder(tmp_path: Path, name: str) -> None:
    with av.open(str(tmp_path / "dream.mkv"), "w") as output:
        info = StreamInfo(64, 64, time_base=MS)
        encoder = VideoEncoder(output, container_of(Path("dream.mkv")), info, EncodeSettings(codec=name), live=True)
        encoder.open()
        for number in range(12):
            packets = encoder.encode(picture(number, 64, 64), number * 40 * MS, None)
            assert [round(p.pts * p.time_base / MS) for p in packets] == [number * 40]
            output.mux(packets)


def test_the_file_keeps_its_size(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "dream.mkv"
    with Recorder(path, (49, 65), clock=clock, hold=NEVER) as recording:
        for at, (height, width) in enumerate([(49, 65), (49, 130), (300, 65), (98, 130)]):
            recording.put(Frame(np.full((height, width, 3), 200, np.uint8), recording.start + at * MS))
        clock.now += 1
    with open_video(path, ReadSettings()) as source:
        shown = [frame.image for frame in source.frames]
    assert {image.shape for image in shown} == {(50, 66, 3)}  # what 4:2:0 can
    whole, wide, tall, larger, _ = (image[:49, :65, 1] > 100 for image in shown)
    assert whole.all() and larger.all()
    assert wide[20:28].all() and not wide[:8].any() and not wide[40:].any()
    assert tall[:, 30:34].all() and not tall[:, :20].any() and not tall[:, 46:].any()


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 90), st.integers(1, 90))
def test_a_letterbox_has_its_size_and_touches_two_sides(height: int, width: int, high: int, wide: int) -> None:
    boxed = letterbox(np.full((height, width, 3), 255, np.uint8), (high, wide))
    assert boxed.shape == (high, wide, 3)
    lit = boxed[..., 0] > 0
    rows, columns = lit.any(1).sum(), lit.any(0).sum()
    assert rows == high or columns == wide
    assert abs(rows * width - columns * height) <= max(height, width)  # the shape of the picture, to a pixel
    assert np.array_equal(lit, lit[::-1, ::-1]) or (high - rows) % 2 or (wide - columns) % 2


@pytest.mark.parametrize(("size", "tags"), [((48, 64), BT601), ((720, 64), BT709)])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_colors_come_back(tmp_path: Path, clock: Clock, size: tuple[int, int], tags: Any, suffix: str) -> None:
    path = tmp_path / f"dream{suffix}"
    image = np.zeros((*size, 3), np.uint8)
    image[:, :32], image[:, 32:] = (230, 30, 40), (20, 200, 60)
    with Recorder(path, size, clock=clock, hold=NEVER) as recording:
        recording.put(Frame(image, recording.start))
        clock.now += 1
    with av.open(str(path)) as container:
        found = container.streams.video[0].codec_context
        assert (found.colorspace, found.color_trc, found.color_primaries, found.color_range) == (
            *(tags.matrix, tags.transfer, tags.primaries),
            1,
        )
    with open_video(path, ReadSettings()) as source:
        assert difference(next(source.frames).image, image) < 3


def test_codec_and_settings_are_in_the_file(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "dream.mkv"
    line = settings_comment(ModelSettings("dreamnet-drawn"), DreamSettings(octaves=3))
    recorded(path, clock, [(0, 0), (40, 1)], 80, settings=EncodeSettings(codec="mpeg4"), signature=line)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert settings_in_file(path) == {"model": "dreamnet-drawn", "octaves": 3}


# What goes wrong.


def test_what_cannot_be_begun_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    there = tmp_path / "there.mkv"
    there.write_bytes(b"mine")
    (tmp_path / "folder.mkv").mkdir()
    refused: tuple[tuple[Path, dict[str, Any], str], ...] = (
        (there, {}, "there.mkv exists: use --overwrite"),
        (tmp_path, {}, "is a folder: expected a file name"),
        (tmp_path / "folder.mkv", {}, "folder.mkv is a folder: expected a file name"),
        (there / "dream.mkv", {}, "there.mkv is a file, or below one: expected a folder"),
        (tmp_path / "dream.avi", {}, "ending in .mkv, .mp4, .mov"),
        (tmp_path / "dream", {}, "ending in .mkv, .mp4, .mov"),
        (tmp_path / "dream.mkv", {"codec": "libx266"}, "--codec libx266: there is no such encoder"),
        (tmp_path / "dream.mp4", {"codec": "libvpx"}, "--codec libvpx does not go into a mp4 file"),
    )
    for path, encode, message in refused:
        with pytest.raises(OutputError, match=message) as caught:
            Recorder(path, SIZE, EncodeSettings(**encode))
        assert "\n" not in str(caught.value)
    assert there.read_bytes() == b"mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder.mkv", "there.mkv"]


def test_an_encoder_that_cannot_be_used_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "dream.mkv"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="libx266"):
        Recorder(path, SIZE, EncodeSettings(codec="libx266"), overwrite=True)
    assert path.read_bytes() == b"mine"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is read-only for an administrator")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        Recorder(tmp_path / "dream.mkv", SIZE)


full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which is always full")


@full
def test_a_full_disk_is_seen_at_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "dream.mkv"
    path.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="the disk is full"):
        Recorder(path, SIZE, overwrite=True)


@full
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_disk_that_fills_up_ends_the_recording_and_keeps_it(tmp_path: Path, clock: Clock, suffix: str) -> None:
    path = tmp_path / f"dream{suffix}"
    files = set(os.listdir("/proc/self/fd"))
    recording = Recorder(path, SIZE, clock=clock, hold=NEVER)

    def put(number: int) -> None:
        recording.put(Frame(picture(number), recording.start + number * 100 * MS))

    for number in range(8):
        put(number)
        until(lambda number=number: recording.count == number + 1)
    for descriptor in os.listdir("/proc/self/fd"):
        if os.path.realpath(f"/proc/self/fd/{descriptor}") == str(path.resolve()):
            with open("/dev/full", "wb") as always_full:
                os.dup2(always_full.fileno(), int(descriptor))
    clock.now += 12
    put(8)
    put(9)
    until(lambda: recording.failed is not None)
    assert "the disk is full; the recording ended after 12.0 s" in str(recording.failed)
    for number in range(10, 40):
        put(number)
    recording.close()
    assert recording.dropped == 0  # nobody waits for these
    assert set(os.listdir("/proc/self/fd")) == files
    assert times_of(path)[0] == [number * 100 for number in range(7)]


def test_without_a_picture_there_is_no_file(tmp_path: Path) -> None:
    recording = Recorder(tmp_path / "dream.mkv", SIZE)
    recording.close()
    recording.close()
    recording.put(Frame(picture(0), Fraction(0)))
    assert "no frame came" in str(recording.failed)
    assert list(tmp_path.iterdir()) == []


def test_names_are_never_those_of_what_is_there(tmp_path: Path) -> None:
    now = datetime(2025, 1, 31, 23, 59, 58)
    names = []
    for _ in range(3):
        path = unused_name(tmp_path, ".mkv", now)
        with Recorder(path, SIZE) as recording:
            recording.put(Frame(picture(0), recording.start))
        snapshot = unused_name(tmp_path, ".png", now)
        write_image(picture(0), snapshot)
        names += [path.name, snapshot.name]
    stems = ["dream_20250131_235958", "dream_20250131_235958_2", "dream_20250131_235958_3"]
    assert names == [f"{stem}{suffix}" for stem in stems for suffix in (".mkv", ".png")]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(names)


def test_two_runs_do_not_record_into_one_file(tmp_path: Path) -> None:
    path = tmp_path / "dream.mkv"
    with Recorder(path, SIZE, overwrite=True) as first:
        first.put(Frame(stamped(7, *SIZE), first.start))
        with pytest.raises(OutputError, match="dream.mkv is being recorded by another run"):
            Recorder(path, SIZE, overwrite=True)
        with pytest.raises(OutputError, match="dream.mkv is being recorded by another run"):
            check_recording(path, EncodeSettings(), overwrite=True)
        with Recorder(tmp_path / "other.mkv", SIZE) as other:
            other.put(Frame(stamped(7, *SIZE), other.start))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dream.mkv", "other.mkv"]
    with open_video(path) as source:
        assert stamp_of(next(source.frames).image) == 7
    check_recording(path, EncodeSettings(), overwrite=True)


def test_a_run_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "dream.mkv"
    code = f"from dreamvideo.live.outputs.recording_lock import RecordingLock; from pathlib import Path; import os; \
hold = RecordingLock(Path({str(path)!r})); print('held', flush=True); os.read(0, 1)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        with pytest.raises(OutputError, match="another run"):
            check_recording(path, EncodeSettings(), overwrite=True)
        holder.kill()
    check_recording(path, EncodeSettings(), overwrite=True)


def test_a_recording_that_cannot_start_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "dream.mkv"
    path.touch()
    with pytest.raises(OutputError, match="exists"):
        Recorder(path, SIZE)
    assert [file.name for file in tmp_path.iterdir()] == ["dream.mkv"]
