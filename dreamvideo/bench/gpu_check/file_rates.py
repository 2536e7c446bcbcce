"""Frames per second from file to file, and of decoding and encoding alone: where the whole ends."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from dreamvideo.bench.clip_files import write_clip
from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.bench.gpu_check.moving_frames import endless_shot
from dreamvideo.bench.gpu_check.stream_rates import REHEARSED_SIZES, SIZES, Span, timed_frames
from dreamvideo.errors import OutputError
from dreamvideo.frames import Frame
from dreamvideo.info.tables import TableRow, TableValue
from dreamvideo.jobs.decoding import converter_of, decoder_of
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import write_video
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.settings.job import EncodeSettings
from dreamvideo.threads import prefetch
from dreamvideo.video.pipeline import dream_video
from dreamvideo.yuv.encoder_planes import EncoderPlanes

ENCODERS = {  # the default first
    "libx264": EncodeSettings(),
    "libx264 ultrafast, 8 threads": EncodeSettings(encoder_preset="ultrafast", encoder_threads=8),
    "h264_nvenc": EncodeSettings(codec="h264_nvenc"),
    "mpeg4": EncodeSettings(codec="mpeg4"),
    "mjpeg": EncodeSettings(codec="mjpeg"),
}
CLIP_FRAMES, REHEARSED_CLIP_FRAMES = 300, 8
ENCODED_FRAMES, REHEARSED_ENCODED_FRAMES = 48, 3
FILE_SPAN, REHEARSED_FILE_SPAN = Span(120, 8.0), Span(2, 1.0)


def file_rows(check: GpuCheck) -> Iterator[TableRow]:
    """Measure decoding and each encoder alone, then the program with the fastest encoder and with the default one."""
    network = check.load()
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as name:
        folder = Path(name)
        for height, width in check.pick(SIZES, REHEARSED_SIZES):
            if check.limit.reached():
                return
            size, clip = f"{width}x{height}", folder / f"{height}.mkv"
            frames = list(islice(endless_shot(height, width), check.pick(CLIP_FRAMES, REHEARSED_CLIP_FRAMES)))
            write_clip(frames, clip, EncodeSettings(codec="mpeg4", crf=4))
            yield {"what": "decoding alone, by the CPU", "size": size, "fps": decoding_rate(clip)}
            dreamed = dream_video(endless_shot(height, width), network, check.look, CarrySettings())
            with closing(dreamed):
                few = list(islice(dreamed, check.pick(ENCODED_FRAMES, REHEARSED_ENCODED_FRAMES)))
            rates = encoder_rates(few, folder)
            for encoder, rate in rates.items():
                yield {"what": f"{encoder} alone", "size": size, "fps": rate}
            fastest = max(rates, key=lambda encoder: rates[encoder] or 0.0)
            for encoder in dict.fromkeys((fastest, next(iter(ENCODERS)))):
                if check.limit.reached():
                    return
                row = file_rate(check, network, clip, folder / "dreamed.mkv", ENCODERS[encoder])
                yield {"what": f"file to file, {encoder}", "size": size, **row}


def decoding_rate(clip: Path) -> float:
    """Return the frames per second of decoding a whole clip."""
    start = time.perf_counter()
    with open_video(clip) as source, closing(source.frames) as frames:
        count = sum(1 for _ in frames)
    return count / (time.perf_counter() - start)


def encoder_rates(frames: list[Frame], folder: Path) -> dict[str, float | None]:
    """Return encoder -> frames per second of writing dreamed frames; None: it is not there."""
    rates: dict[str, float | None] = {}
    for encoder, settings in ENCODERS.items():
        (folder / "encoded.mkv").unlink(missing_ok=True)
        start = time.perf_counter()
        try:
            write_clip(frames, folder / "encoded.mkv", settings)
        except OutputError:
            rates[encoder] = None
            continue
        rates[encoder] = len(frames) / (time.perf_counter() - start)
    return rates


def file_rate(check: GpuCheck, network: Network, clip: Path, output: Path, encode: EncodeSettings) -> TableRow:
    """Dream a file as `dreamvideo video` does, and measure the frames as they are written."""
    figures: dict[str, TableValue] = {}
    on_gpu = check.device.type == "cuda"
    reading = open_video(clip, accelerator=decoder_of(check.device), converter=converter_of(check.device))
    with reading as source, closing(prefetch(source.frames)) as frames:
        dreamed = prefetch(dream_video(frames, network, check.look, CarrySettings(), keep_on_device=on_gpu))
        timed = timed_frames(check, dreamed, check.pick(FILE_SPAN, REHEARSED_FILE_SPAN), figures)
        write_video(timed, output, source.info, encode, overwrite=True, maker=EncoderPlanes(check.device))
    return figures
