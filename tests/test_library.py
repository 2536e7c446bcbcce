"""dreamvideo as a library: a user's script, errors, cancelling; and nothing changed that belongs to the process."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clips import make_clip, picture, sound_tracks, video_times

import dreamvideo
from dreamvideo import (
    Cancelled,
    CarrySettings,
    DreamSettings,
    EncodeSettings,
    Frame,
    ModelSettings,
    ObjectiveSettings,
    ReadSettings,
    SettingsError,
    dream_file,
    dream_video,
    load_network,
    open_video,
    prefetch,
    read_image,
    write_image,
    write_video,
)
from dreamvideo.media.metadata import settings_in_file

FAST = DreamSettings(iterations=1, octaves=1, step_size=0.05)
LONG = [Fraction(n, 25) for n in range(200)]


def process_state() -> dict[str, Any]:
    """Everything process-wide that a library might be tempted to change."""
    return {
        "threads": torch.get_num_threads(),
        "path": list(sys.path),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "tf32": (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32),
        "switch interval": sys.getswitchinterval(),
        "gradients": torch.is_grad_enabled(),
        "hook": sys.excepthook,
    }


@pytest.fixture(autouse=True)
def unchanged_process() -> Iterator[None]:
    before = process_state()
    yield
    assert process_state() == before


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "in.mp4", audio=[("aac", "eng")])


def in_thread(call: Callable[[], object]) -> BaseException | None:
    """What `call` raises in a thread that is not the main one."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return raised[0] if raised else None


def test_a_file_is_dreamed_in_one_call(clip: Path, tmp_path: Path) -> None:
    counts: list[tuple[int, int | None]] = []
    output = dream_file(
        clip,
        tmp_path / "out.mp4",
        classes=["owl"],
        dream=FAST,
        progress=lambda done, count: counts.append((done, count)),
    )
    assert output == tmp_path / "out.mp4"
    assert video_times(output) == video_times(clip) and sound_tracks(output) == sound_tracks(clip)
    assert [done for done, _ in counts] == list(range(1, 13)) and counts[-1][1] == 12
    assert settings_in_file(output)["classes"] == (("owl", 1.0),)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_an_image_is_dreamed_in_one_call_as_the_command_dreams_it(tmp_path: Path) -> None:
    from dreamvideo.cli import main

    write_image(picture(0), tmp_path / "photo.png")
    options = ["--iterations", "1", "--octaves", "1", "--step-size", "0.05", "--class", "owl:0.5", "-q"]
    path_before, on_sigterm = list(sys.path), signal.getsignal(signal.SIGTERM)
    assert main(["image", str(tmp_path / "photo.png"), "-o", str(tmp_path / "command.png"), *options]) == 0
    sys.path[:] = path_before  # the command may change its own process
    signal.signal(signal.SIGTERM, on_sigterm)
    output = dream_file(str(tmp_path / "photo.png"), classes=[("owl", 0.5)], dream=FAST)
    assert output == tmp_path / "photo_dream.png"
    assert np.array_equal(read_image(output), read_image(tmp_path / "command.png"))
    assert not np.array_equal(read_image(output), picture(0))


def one_buffer(images: Any) -> Iterator[Frame]:
    """Frames as a camera's driver may give them: all in the same memory."""
    buffer = np.empty_like(images[0])
    for n, image in enumerate(images):
        buffer[:] = image
        yield Frame(buffer, Fraction(n, 25))
    buffer[:] = 0


@pytest.fixture(scope="module")
def owl() -> Any:
    return load_network(ModelSettings(device="cpu"), ObjectiveSettings(classes=(("owl", 1.0),)))


def test_frames_may_be_any_iterable_and_share_one_buffer(owl: Any) -> None:
    images = [picture(n) for n in range(4)]
    frames = [Frame(image, Fraction(n, 25)) for n, image in enumerate(images)]
    for network in (owl, None):
        expected = [frame.image for frame in dream_video((frame for frame in frames), network, FAST, CarrySettings())]
        for same in (frames, tuple(frames), iter(frames), one_buffer(images), map(replace, frames)):
            dreamed = list(dream_video(same, network, FAST, CarrySettings()))
            assert np.array_equal([frame.image for frame in dreamed], expected)
    assert list(dream_video([], owl, FAST, CarrySettings())) == [] and list(prefetch(frames)) == frames


def test_an_iterable_is_written_and_its_buffer_may_be_shared(tmp_path: Path, clip: Path) -> None:
    images = [picture(n) for n in range(12)]
    with open_video(clip) as source:
        info = source.info
    write_video([Frame(image, Fraction(n, 25)) for n, image in enumerate(images)], tmp_path / "list.mkv", info)
    write_video(one_buffer(images), tmp_path / "buffer.mkv", info)
    for name in ("list.mkv", "buffer.mkv"):
        with open_video(tmp_path / name) as source:
            written = [frame.image for frame in source.frames]
        assert len(written) == 12
        assert max(np.abs(np.subtract(a, b, dtype=float)).mean() for a, b in zip(written, images, strict=True)) < 6


def test_an_iterable_is_closed_when_its_dream_is(owl: Any) -> None:
    class Camera:
        closed = False

        def __iter__(self) -> Iterator[Frame]:
            return (Frame(picture(n), Fraction(n, 25)) for n in range(1000))

        def close(self) -> None:
            self.closed = True

    camera = Camera()
    dreamed = dream_video(camera, owl, FAST, CarrySettings())
    next(dreamed)
    dreamed.close()
    assert camera.closed


@pytest.mark.parametrize(
    "frame, message",
    [
        (picture(0), r"got a frame as ndarray, expected Frame\(image, time\)"),
        (Frame(picture(0) / 255, Fraction(1, 25)), r"frame at 0.040 s: got float64 \(.*\), expected uint8 \(H, W, 3\)"),  # type: ignore[arg-type]
        (Frame(picture(0)[..., 0], Fraction(0)), r"expected uint8 \(H, W, 3\)"),
        (Frame(picture(0).tolist(), Fraction(0)), "got list, expected uint8"),
        (Frame(picture(0), Fraction(0), mask=np.zeros((3, 3), np.uint8)), r"mask .* got uint8 \(3, 3\), expected"),
    ],
)
def test_an_odd_frame_is_one_clear_error(frame: Any, message: str, owl: Any) -> None:
    with pytest.raises(SettingsError, match=message):
        list(dream_video([frame], owl, FAST, CarrySettings()))


def test_frames_of_any_memory_layout_are_dreamed_alike(owl: Any) -> None:
    image, mask = picture(0), np.arange(picture(0).shape[1])[None] < 20
    mask = np.broadcast_to(mask, image.shape[:2])
    plain = Frame(image, Fraction(0), mask=mask.astype(np.uint8) * 255)
    swapped = image[..., ::-1].copy()[..., ::-1]  # as BGR of OpenCV is turned
    (expected,) = dream_video([plain], owl, FAST, CarrySettings())
    (dreamed,) = dream_video([Frame(swapped, Fraction(0), mask=mask)], owl, FAST, CarrySettings())  # type: ignore[arg-type]
    assert np.array_equal(dreamed.image, expected.image) and not np.array_equal(expected.image, image)


@pytest.mark.parametrize("command", ["video", "frames", "live", "image"])
def test_the_command_runs_in_a_thread_that_is_not_the_main_one(command: str, clip: Path, tmp_path: Path) -> None:
    from dreamvideo.cli import main

    write_image(picture(0), tmp_path / "photo.png")
    words = {
        "video": [str(clip), "-o", str(tmp_path / "out.mp4"), "--iterations", "1", "--octaves", "1"],
        "frames": [str(clip), "-o", str(tmp_path / "out"), "--iterations", "1", "--octaves", "1"],
        "live": [str(clip), "--no-window", "--record", str(tmp_path / "out.mkv"), "--duration", "0.3"],
        "image": [str(tmp_path / "photo.png"), "--iterations", "1", "--octaves", "1"],
    }
    codes: list[int] = []
    before = process_state()["signals"]
    path_before = list(sys.path)
    assert in_thread(lambda: codes.append(main([command, *words[command], "-q"]))) is None
    sys.path[:] = path_before  # the command may change its own process
    assert codes == [0] and process_state()["signals"] == before


def test_frames_from_an_array_are_dreamed_and_written(tmp_path: Path, clip: Path) -> None:
    images = np.stack([picture(n) for n in range(4)])  # (N, H, W, 3)
    network = load_network(ModelSettings(device="cpu"), ObjectiveSettings(classes=(("owl", 1.0),)))
    frames = (Frame(image, Fraction(n, 25)) for n, image in enumerate(images))
    dreamed = list(dream_video(frames, network, FAST, CarrySettings()))
    assert [frame.time for frame in dreamed] == [Fraction(n, 25) for n in range(4)]
    assert all(frame.image.shape == images[0].shape and frame.image.dtype == np.uint8 for frame in dreamed)
    with open_video(clip, ReadSettings(frames=3)) as source:
        again = dream_video(prefetch(source.frames), network, FAST, CarrySettings())
        write_video(again, tmp_path / "out.mp4", source.info, EncodeSettings())
    assert len(video_times(tmp_path / "out.mp4")[0]) == 3


def test_a_file_is_dreamed_in_a_thread(clip: Path) -> None:
    assert in_thread(lambda: dream_file(clip, dream=FAST)) is None
    assert video_times(clip.with_name("in_dream.mp4")) == video_times(clip)


def test_a_call_is_cancelled_from_another_thread_and_resumed(tmp_path: Path) -> None:
    clip, output = make_clip(tmp_path / "long.mp4", LONG), tmp_path / "out.mp4"
    stop, begun = threading.Event(), threading.Event()
    passing = DreamSettings(iterations=0)

    def count(done: int, total: int | None) -> None:
        if done > 130:  # a segment has at most 120 frames: one is finished
            begun.set()
            stop.wait()

    def cancel() -> None:
        begun.wait()
        stop.set()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(Cancelled):
        dream_file(clip, output, dream=passing, should_stop=stop.is_set, progress=count)
    canceller.join()
    assert not output.exists()
    counts: list[int] = []
    dream_file(clip, output, dream=passing, resume=True, progress=lambda done, _: counts.append(done))
    assert counts[0] > 100 and counts[-1] == len(LONG)
    assert video_times(output) == video_times(clip)
    write_image(picture(0), tmp_path / "photo.png")
    with pytest.raises(Cancelled, match="before it was dreamed"):
        dream_file(tmp_path / "photo.png", should_stop=lambda: True)
    assert not (tmp_path / "photo_dream.png").exists()


def test_every_error_is_a_class_of_its_own_and_a_builtin(tmp_path: Path, clip: Path) -> None:
    video, image = clip, tmp_path / "photo.png"
    write_image(picture(0), image)
    (tmp_path / "there.mp4").write_bytes(b"precious")
    cases: list[tuple[type[Exception], type[Exception], Callable[[], object]]] = [
        (dreamvideo.SourceError, OSError, lambda: dream_file(tmp_path / "no.mp4", dream=FAST)),
        (dreamvideo.OutputError, OSError, lambda: dream_file(video, tmp_path / "there.mp4", dream=FAST)),
        (dreamvideo.SettingsError, ValueError, lambda: DreamSettings(octaves=0)),
        (dreamvideo.SettingsError, ValueError, lambda: dream_file(video, preset="flower")),
        (dreamvideo.SettingsError, ValueError, lambda: dream_file(image, read=ReadSettings(frames=2))),
        (dreamvideo.ModelError, ValueError, lambda: dream_file(video, model=ModelSettings("dreamnett"))),
        (dreamvideo.ModelError, ValueError, lambda: dream_file(image, classes=["unicorn"])),
        (dreamvideo.WeightsError, OSError, lambda: dream_file(image, model=ModelSettings(weights="/no/weights.pth"))),
        (dreamvideo.DeviceError, RuntimeError, lambda: dream_file(image, model=ModelSettings(device="cuda:99"))),
        (dreamvideo.Cancelled, Exception, lambda: dream_file(video, dream=FAST, should_stop=lambda: True)),
    ]
    for kind, builtin, call in cases:
        with pytest.raises(kind) as caught:
            call()
        assert isinstance(caught.value, dreamvideo.DreamVideoError) and isinstance(caught.value, builtin)
        assert "\n" not in str(caught.value)
        assert not isinstance(caught.value, KeyboardInterrupt)
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"
    assert issubclass(dreamvideo.MemoryBudgetError, MemoryError) and issubclass(dreamvideo.ClusterError, RuntimeError)


def test_a_preset_sets_what_is_not_set_otherwise(clip: Path, tmp_path: Path) -> None:
    output = dream_file(clip, tmp_path / "out.mp4", preset="flowers", dream=FAST, read=ReadSettings(frames=1))
    assert ("rose", 1.0) in settings_in_file(output)["classes"] and settings_in_file(output)["octaves"] == 1
    output = dream_file(
        clip, tmp_path / "owl.mp4", preset="sea", classes=["owl"], dream=FAST, read=ReadSettings(frames=1)
    )
    assert settings_in_file(output)["classes"] == (("owl", 1.0),)


def test_what_is_dreamed_cannot_be_given_to_what_ignores_it() -> None:
    for name in ("classes", "layers", "channels", "neurons", "guide", "objective"):
        with pytest.raises(TypeError, match=name):
            DreamSettings(**{name: ()})  # type: ignore[arg-type]
    with pytest.raises(dreamvideo.SettingsError, match="--normalize median: expected one of mean, std, none; nearest"):
        DreamSettings(normalize="median")  # type: ignore[arg-type]


def test_public_names_are_listed_and_are_there() -> None:
    assert {"dream_file", "open_video", "dream", "read_image", "Cancelled", "SourceError"} <= set(dir(dreamvideo))
    assert set(dir(dreamvideo)) == set(dreamvideo.__all__)
    for name in dreamvideo.__all__:
        assert getattr(dreamvideo, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        dreamvideo.nonsense  # noqa: B018
