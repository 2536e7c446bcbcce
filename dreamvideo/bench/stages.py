"""Where the time of a warm frame goes: every stage by itself over the same clip, and the whole program end to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from statistics import median

from dreamvideo.ascent.octaves import octave_sizes
from dreamvideo.bench.bench_plan import BenchRun
from dreamvideo.bench.synthetic import RATE, frame_stream, write_clip
from dreamvideo.bench.timing import time_interleaved
from dreamvideo.bench.video_rate import steady_rate
from dreamvideo.frames import Frame, Frames, StreamInfo
from dreamvideo.info.tables import TableRow
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import write_video
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.settings.job import ReadSettings
from dreamvideo.tensors import to_image, to_tensor
from dreamvideo.threads import prefetch
from dreamvideo.video.carry import dream_carried_frames, dream_first_frames, move_carry, steps_for
from dreamvideo.video.pipeline import dream_video, single_segment, with_motion

MOTION, ASCENT, END_TO_END = "cuts, flow both ways, mask", "ascent", "end to end"


def stage_rows(bench: BenchRun) -> Iterator[TableRow]:
    """Per stage: ms per frame alone, share of their sum; then the sum, and the program with its threads, per frame."""
    plan, carrying, frames = bench.plan, CarrySettings(), bench.clip
    dreaming = plan.dreaming
    network = bench.network(bench.video_subject, plan.best)
    clip = plan.settings.clip or bench.folder / "clip.mp4"
    if plan.settings.clip is None:
        write_clip(frames, clip)
    read = ReadSettings(frames=len(frames), size=(plan.width, plan.height))
    _, images = steady_rate(dream_video(frame_stream(frames), network, dreaming, carrying), plan.frames)
    dreamed = [Frame(image, Fraction(i, RATE)) for i, image in enumerate(images)]
    motions = [
        step_motion
        for ((_, step_motion),) in with_motion(single_segment(frame_stream(frames[:2])), carrying, bench.device)
    ]
    moved, source = motions[1], to_tensor(frames[1].image, bench.device)
    assert moved is not None
    (first,) = dream_first_frames(to_tensor(frames[0].image, bench.device), network, dreaming)
    start = move_carry(first, moved, carrying.persistence)
    ticks = 4 * max(1, len(octave_sizes(plan.height, plan.width, dreaming)) - 1)  # until all octaves had their turn

    def conversion() -> None:
        to_tensor(frames[1].image, bench.device)
        move_carry(first, moved, carrying.persistence)
        to_image(source)

    def ascents() -> None:
        for tick in range(1, ticks + 1):
            now = replace(start, tick=tick)
            dream_carried_frames(source, [now], steps_for(now, dreaming, carrying), network, dreaming, carrying)

    whole: list[float] = []  # the program is timed from inside, from its first frame on
    work: dict[str, tuple[Callable[[], object], int]] = {
        "decode": (lambda: decode_all(clip, read), len(frames)),
        MOTION: (
            lambda: list(with_motion(single_segment(frame_stream(frames)), carrying, bench.device)),
            len(frames) - 1,
        ),
        "conversion, carry": (conversion, 1),
        ASCENT: (ascents, ticks),
        "encode": (lambda: write_clip(dreamed, bench.folder / "encoded.mp4"), len(dreamed)),
        END_TO_END: (lambda: whole.append(time_end_to_end(bench, clip, read, network)), 1),
    }
    times = time_interleaved({name: run for name, (run, _) in work.items()}, plan.rounds, bench.device, bench.clock)
    ms = {name: 1000 * median(taken) / work[name][1] for name, taken in times.items() if name != END_TO_END}
    total = sum(ms.values())
    rest = total - ms[ASCENT]
    ms |= {"sum": total, "sum without ascent": rest, END_TO_END: 1000 * median(whole[1:])}  # the first one warmed up
    for name, value in ms.items():
        yield {"stage": name, "ms_per_frame": value, "%_of_sum": 100 * value / total}


def decode_all(clip: Path, read: ReadSettings) -> None:
    """Decode it all."""
    with open_video(clip, read) as source, closing(source.frames) as frames:
        for _ in frames:
            pass


def time_end_to_end(bench: BenchRun, clip: Path, read: ReadSettings, network: Network) -> float:
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
    with open_video(clip, read) as source, closing(prefetch(source.frames)) as frames:
        dreamed = prefetch(dream_video(frames, network, bench.plan.dreaming, CarrySettings()))
        with closing(clocked(dreamed)) as stopped:
            write_video(stopped, output, info)
    return (arrived[-1] - arrived[0]) / (len(arrived) - 1)
