"""Films whose frames stay on the device from the decoder to the encoder, with stand-ins for both and for the device."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
import torch
from clips import make_clip
from conftest import TinyNet, textured
from device_frames import DevicePlane, left_on_device
from fake_cuda import CPU, CUDA, PACKAGE, Crossing, CudaTensor, FakeCuda, fake_cuda
from numpy.typing import NDArray
from stream_races import StreamWatch, watched_streams

from dreamvideo.ascent import cuda_graphs
from dreamvideo.frames import Frame
from dreamvideo.jobs import job as jobs
from dreamvideo.jobs.decoding import frames_device
from dreamvideo.jobs.job import Job, JobSettings, encodes_on_device, open_job
from dreamvideo.jobs.runner import dream_jobs
from dreamvideo.media import encoder_choice, video_reader
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.motion import host_copy
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings, MaskSettings, ReadSettings
from dreamvideo.tensors import download
from dreamvideo.threads import prefetch
from dreamvideo.video.pipeline import dream_inputs
from dreamvideo.video.shots import single_input
from dreamvideo.yuv import frame_planes

WIDTH, HEIGHT, COUNT = 208, 168, 3
LARGE = 100_000  # bytes of an array that counts
LOOK = DreamSettings(octaves=1, iterations=1, jitter=8)


def scene(number: int, width: int, height: int) -> NDArray[Any]:
    """Something that moves over a ground that a camera passes."""
    image = np.roll(textured(height, width, 3), 2 * number, 1).copy()
    image[60:110, 40 + 6 * number : 90 + 6 * number] = textured(50, 50, 9)
    return image


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_clip(path, [Fraction(n, 25) for n in range(COUNT)], size=(WIDTH, HEIGHT), image=scene)


def tiny(device: torch.device) -> Network:
    score = Objective(TinyNet().to(device), (Term("first", kind="log"), Term("second", 0.5, "log")))
    return Network("tiny", score, device, torch.float32)


def settings_of(device: str, flow: Any = "torch-dis", **read: Any) -> JobSettings:
    carry = CarrySettings(lanes=1, local_steps=2, flow=flow)
    model = ModelSettings(device=device)
    others = MaskSettings(), EncodeSettings()
    return JobSettings(ReadSettings(**read), model, ObjectiveSettings(), LOOK, carry, *others)


def is_below(frame: Any) -> bool:
    """Whether a function runs inside of an operation of the device: plain versions stand in for its kernels."""
    while frame is not None:
        if frame.f_code is FakeCuda.run.__code__ or frame.f_code is FakeCuda.replay.__wrapped__.__code__:  # type: ignore[attr-defined]
            return True
        frame = frame.f_back
    return False


class Touched:
    """Collects large arrays, and tensors on the CPU, that functions of the package have in their hands."""

    def __init__(self) -> None:
        self.found: set[tuple[str, str]] = set()

    def __call__(self, frame: Any, event: str, result: Any) -> None:
        code = frame.f_code
        if event != "return" or not code.co_filename.startswith(PACKAGE):
            return
        for name, value in [*frame.f_locals.items(), ("result", result)]:
            is_array = isinstance(value, np.ndarray | torch.Tensor) and not isinstance(value, CudaTensor)
            size = value.nbytes if is_array else len(value) if isinstance(value, bytes | bytearray | memoryview) else 0
            if size > LARGE and not is_below(frame):
                self.found.add((f"{Path(code.co_filename).stem}.{code.co_name}", name))

    @contextmanager
    def watching(self) -> Iterator[None]:
        before = sys.getprofile()
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(before)
            threading.setprofile(None)  # type: ignore[arg-type]


def dream_film(film: Path, settings: JobSettings, network: Network) -> list[Frame]:
    """The way of a frame in `jobs.runner`, from the demuxer to where it is encoded."""
    job = Job(film, film.with_name("out.mp4"))
    device = frames_device(settings.read, settings.dream, settings.model)
    on_device = encodes_on_device([job], settings, network)
    with open_job(job, settings, device=device) as source:
        inputs = single_input(prefetch(source.frames))
        with closing(dream_inputs(inputs, network, settings.dream, settings.carry, None, on_device)) as dreamed:
            return [frame for _, frames in dreamed for frame in prefetch(frames)]


@contextmanager
def decoder_on(device: FakeCuda, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A decoder that leaves the planes of its frames on the device."""

    def import_plane(capsule: Any) -> CudaTensor:
        return CudaTensor(torch.from_dlpack(capsule).clone(), device)  # type: ignore[attr-defined]

    with patch.context() as patched:
        patched.setattr(video_reader, "decode_frames", left_on_device([]))
        patched.setattr(frame_planes, "from_dlpack", import_plane)
        patched.setattr(jobs, "decoder_of", lambda device: None)
        patched.setattr(DevicePlane, "__dlpack_device__", lambda plane: (2, 0))
        yield


class Dreamed(NamedTuple):
    """A film on the device, and what happened."""

    frames: list[Frame]
    faults: list[str]
    crossings: list[Crossing]
    touched: list[tuple[str, str]]  # (function, variable)


@pytest.fixture(scope="module")
def on_card(film: Path) -> Callable[..., Dreamed]:
    """on_card(flow) -> the film; each is made once."""
    made: dict[Any, Dreamed] = {}

    def dream(flow: str) -> Dreamed:
        if flow not in made:
            with pytest.MonkeyPatch.context() as patch, fake_cuda() as device, decoder_on(device, patch):
                network, touched = tiny(CUDA), Touched()
                dream_film(film, settings_of("cuda", flow, frames=2), network)  # places constants on the device
                device.record.clear()
                with touched.watching():
                    frames = dream_film(film, settings_of("cuda", flow), network)
                faults, crossings = device.record.faults(first=True), list(device.record.crossings)
                assert all(isinstance(each.image, CudaTensor) for each in frames)
                images = [Frame(download(each.image).numpy(), each.time) for each in frames]
                made[flow] = Dreamed(images, faults, crossings, sorted(touched.found))
        return made[flow]

    return dream


def test_fake_cuda_no_large_array_is_touched_between_demuxer_and_encoder(on_card: Callable[..., Dreamed]) -> None:
    film = on_card("torch-dis")
    assert len(film.frames) == COUNT
    assert film.touched == []
    assert film.faults == []
    assert [each for each in film.crossings if each.bytes > LARGE] == []


@pytest.mark.slow
def test_fake_cuda_a_flow_on_the_cpu_reads_one_copy(on_card: Callable[..., Dreamed]) -> None:
    """And what watches the arrays sees it."""
    film = on_card("dis")
    assert ("host_copy.wait", "values") in film.touched
    assert film.faults == []
    assert [each.bytes for each in film.crossings if each.bytes > LARGE and not each.up] == [
        3 * WIDTH * HEIGHT + 4
    ] * COUNT


@pytest.mark.parametrize("flow", ["torch-dis", pytest.param("dis", marks=pytest.mark.slow)])
def test_fake_cuda_a_film_that_stays_on_the_device_is_that_of_the_cpu(
    on_card: Callable[..., Dreamed], film: Path, flow: str
) -> None:
    there = on_card(flow).frames
    here = dream_film(film, settings_of("cpu", flow), tiny(CPU))
    assert [each.time for each in there] == [each.time for each in here]
    worst = [abs(one.image.astype(int) - other.image).mean() for one, other in zip(there, here, strict=True)]
    assert max(worst) < 0.5, worst


@pytest.mark.slow
def test_fake_cuda_a_job_on_the_device_writes_the_film_of_the_cpu(film: Path, tmp_path: Path) -> None:
    """Where no encoder reads the device the planes are fetched, half of what the images would be."""
    there, here = Job(film, tmp_path / "there.mp4"), Job(film, tmp_path / "here.mp4")
    dream_jobs([here], settings_of("cpu"), lambda: tiny(CPU))
    with pytest.MonkeyPatch.context() as patch, fake_cuda() as device, decoder_on(device, patch):
        patch.setattr(encoder_choice, "HARDWARE_ENCODERS", {})
        dream_jobs([there], settings_of("cuda"), lambda: tiny(CUDA))
        fetched = [each.bytes for each in device.record.crossings if each.bytes > 40_000 and not each.up]
    assert len(fetched) >= COUNT
    assert max(fetched) < 3 * WIDTH * HEIGHT
    with av.open(str(there.output)) as one, av.open(str(here.output)) as other:
        for dreamed, expected in zip(one.decode(video=0), other.decode(video=0), strict=True):
            assert dreamed.pts == expected.pts
            apart = dreamed.to_ndarray(format="rgb24").astype(int) - expected.to_ndarray(format="rgb24")
            assert abs(apart).mean() < 2


def raced(film: Path, flow: str) -> StreamWatch:
    """The film on the device, whose frames an encoder reads on the default stream and then lets go of."""
    with (
        pytest.MonkeyPatch.context() as patch,
        fake_cuda() as device,
        watched_streams(device) as watch,
        cuda_graphs.enabled(False),
        decoder_on(device, patch),
    ):
        for frame in dream_film(film, settings_of("cuda", flow), tiny(CUDA)):
            assert frame.image.float().mean().item() > 0
    return watch


@pytest.mark.parametrize("flow", ["torch-dis", pytest.param("dis", marks=pytest.mark.slow)])
def test_fake_cuda_no_memory_of_a_film_on_the_device_is_used_too_early(film: Path, flow: str) -> None:
    watch = raced(film, flow)
    assert watch.races == set()
    assert watch.crossed > 50, watch.crossed


@pytest.mark.slow
def test_fake_cuda_streams_see_a_frame_that_is_not_waited_for(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_copy, "fetch", lambda tensor: tensor.held.clone)  # the values, without their clock
    assert raced(film, "torch-dis").races
