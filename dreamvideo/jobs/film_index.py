"""Where windows of a job may begin: found in the packets of its input, of which no frame is decoded."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction

from dreamvideo.frames import StreamInfo
from dreamvideo.jobs.film_windows import FilmIndex
from dreamvideo.jobs.job import Job, JobSettings, segment_grid
from dreamvideo.jobs.read_start import numbers_masks
from dreamvideo.media.packet_index import read_packet_index
from dreamvideo.media.video_reader import SEEK_MARGIN
from dreamvideo.video.judged_frames import lead_of


def film_index(job: Job, settings: JobSettings, info: StreamInfo) -> FilmIndex:
    """Return where windows of a job may begin.

    Args:
        job: a video or images.
        settings: of the job.
        info: of its input.

    Raises:
        SourceError: the input cannot be opened any more.
    """
    grid = segment_grid(job, settings)
    if job.images:
        cells = int(len(job.images) / settings.sequence.fps // grid) + 1
        starts = range(1, cells)
        return FilmIndex(cells, tuple(starts), (0,) * len(starts))  # images have numbers of their own
    if settings.read.frames is not None:
        return FilmIndex(1, inexact="--frames counts from its beginning")
    if numbers_masks(settings):
        return FilmIndex(1, inexact="its masks are numbered from its beginning")
    assert info.path is not None and info.stream is not None
    index = read_packet_index(info.path, info.stream)
    if index.inexact is not None:
        return FilmIndex(1, inexact=index.inexact)
    times = [time - info.origin for time in index.times]
    times = [time for time in times if time >= 0 and (info.end is None or time < info.end)]
    keys = (time - info.origin for time in index.keys)
    return index_of(times, [key for key in keys if times and times[0] <= key < times[-1]], grid)


def index_of(times: list[Fraction], keys: list[Fraction], grid: Fraction) -> FilmIndex:
    """Return where windows of a film may begin.

    Args:
        times: of its frames, in seconds, ascending.
        keys: times of the key frames among them.
        grid: seconds from one grid point to the next.
    """
    if not times:
        return FilmIndex(1)
    cells = int(times[-1] // grid) + 1
    lead = -lead_of(0, grid)
    firsts = {int(-(-(key + SEEK_MARGIN + lead) // grid)) for key in keys}
    on_the_way = any(key > times[0] for key in keys)
    starts = sorted(start for start in firsts if on_the_way and times[0] < start * grid <= times[-1])
    befores = (max(0, bisect_right(times, lead_of(start, grid)) - 1) for start in starts)
    inexact = None if on_the_way or cells == 1 else "it has no key frames on the way"
    return FilmIndex(cells, tuple(starts), tuple(befores), inexact, times[-1])
