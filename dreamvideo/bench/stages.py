"""Where the time of a warm frame goes: every stage by itself over the same clip, and the whole program end to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from dreamvideo.bench.pictures import RATE, stream, write
from dreamvideo.bench.plan import Bench
from dreamvideo.bench.report import Row
from dreamvideo.bench.timing import interleaved
from dreamvideo.bench.video import steady, warm_dream
from dreamvideo.buffers import prefetch
from dreamvideo.flow import dis
from dreamvideo.frames import Frame, Frames, StreamInfo
from dreamvideo.models import Network
from dreamvideo.pipeline import dream_video, to_image, to_tensor
from dreamvideo.readers import open_source
from dreamvideo.settings import CarrySettings, ReadSettings
from dreamvideo.shots import cut_detector
from dreamvideo.warp import occlusion_mask, warp
from dreamvideo.writers import write_video

CUTS, FLOW, ASCENT, END_TO_END = "cut detection", "flow both ways, mask", "ascent", "end to end"


def stages(bench: Bench) -> Iterator[Row]:
    """Per stage: ms per frame alone, share of their sum; then the sum, and the program with its threads, per frame."""
    plan, carrying, frames = bench.plan, CarrySettings(), bench.clip
    network = bench.network(bench.video_subject, plan.best)
    clip = plan.settings.clip or bench.folder / "clip.mp4"
    if plan.settings.clip is None:
        write(frames, clip)
    read = ReadSettings(frames=len(frames), size=(plan.width, plan.height))
    _, images = steady(dream_video(stream(frames), network, plan.dreaming, carrying), plan.frames)
    dreamed = [Frame(image, Fraction(i, RATE)) for i, image in enumerate(images)]
    source = to_tensor(frames[1].image, bench.device)
    residual = to_tensor(images[0], bench.device) - to_tensor(frames[0].image, bench.device)
    flow = motion(frames[1], frames[0])[0].to(bench.device)
    is_cut = cut_detector()

    def carry() -> None:
        to_tensor(frames[1].image, bench.device)
        warp(residual, flow, "bicubic")
        warp(residual[:, :1], flow)
        to_image(source)

    whole: list[float] = []  # the program is timed from inside, from its first frame on
    pairs = list(pairwise(frames))
    work: dict[str, tuple[Callable[[], object], int]] = {
        "decode": (lambda: drain(clip, read), len(frames)),
        CUTS: (lambda: [is_cut(b.image, a.image) for a, b in pairs], len(pairs)),
        FLOW: (lambda: [motion(b, a) for a, b in pairs], len(pairs)),
        "conversion, carry": (carry, 1),
        ASCENT: (lambda: warm_dream(source, residual, network, plan.dreaming, carrying), 1),
        "encode": (lambda: write(dreamed, bench.folder / "encoded.mp4"), len(dreamed)),
        END_TO_END: (lambda: whole.append(end_to_end(bench, clip, read, network)), 1),
    }
    times = interleaved({name: run for name, (run, _) in work.items()}, plan.rounds, bench.device, bench.clock)
    ms = {name: 1000 * median(taken) / work[name][1] for name, taken in times.items() if name != END_TO_END}
    total = sum(ms.values())
    rest = total - ms[ASCENT]
    ms |= {"sum": total, "sum without ascent": rest, END_TO_END: 1000 * median(whole[1:])}  # the first one warmed up
    for name, value in ms.items():
        yield {"stage": name, "ms_per_frame": value, "%_of_sum": 100 * value / total}


def motion(now: Frame, before: Frame) -> tuple[Tensor, Tensor]:
    """Backward flow and occlusion mask from one frame to the next."""
    estimate = dis()
    current, previous = (torch.from_numpy(frame.image).permute(2, 0, 1)[None] for frame in (now, before))
    backward = estimate(current, previous)
    return backward, occlusion_mask(backward, estimate(previous, current))


def drain(clip: Path, read: ReadSettings) -> None:
    """Decode it all."""
    with open_source(clip, read) as source, closing(source.frames) as frames:
        for _ in frames:
            pass


def end_to_end(bench: Bench, clip: Path, read: ReadSettings, network: Network) -> float:
    """Seconds per warm frame of `dreamvideo video`, from file to file."""
    arrived: list[float] = []

    def clocked(frames: Frames) -> Frames:
        with closing(frames):
            for frame in frames:
                arrived.append(time.perf_counter())
                yield frame
                if len(arrived) > bench.plan.frames:
                    return

    output = bench.folder / "end_to_end.mp4"
    info = StreamInfo(bench.plan.width, bench.plan.height, Fraction(RATE))
    with open_source(clip, read) as source, closing(prefetch(source.frames)) as frames:
        dreamed = prefetch(dream_video(frames, network, bench.plan.dreaming, CarrySettings()))
        with closing(clocked(dreamed)) as stopped:
            write_video(stopped, output, info)
    return (arrived[-1] - arrived[0]) / (len(arrived) - 1)
