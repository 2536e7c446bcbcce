"""From which time on the input of a job is read, so that its frames are judged as those of the whole film are."""

from __future__ import annotations

import os
from fractions import Fraction

from dreamvideo.jobs.job import JobSettings
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.video.judged_frames import lead_of, lead_start
from dreamvideo.video.seams import seam_grid


def numbers_masks(settings: JobSettings) -> bool:
    """Return whether a frame gets its mask by its number, and not by its time."""
    return settings.mask.mask is not None and os.path.isdir(settings.mask.mask)


def ends_at_seams(settings: JobSettings) -> bool:
    """Return whether segments end at the seams of long shots, so that several workers may dream one of them."""
    split = settings.carry.split_shots is not None and not settings.carry.seamless  # the end of a film is one dream
    return split and settings.carry.persistence > 0 and bool(settings.dream.iterations) and not numbers_masks(settings)


def resume_start(point: ResumePoint, grid: Fraction, settings: JobSettings) -> Fraction:
    """Return the time in seconds from which on frames are read to go on after one.

    Args:
        point: where it goes on.
        grid: of its segments.
        settings: of the job; where masks are numbered, no frame before that one is read.
    """
    if numbers_masks(settings):
        return point.time
    every = settings.carry.split_shots if ends_at_seams(settings) else None
    if every is not None and point.carry is None and (seams := seam_grid(every)).crosses(point.time):
        return seams.lead(seams.next_seam(point.time), grid)
    return lead_start(point.time, grid)


def window_start(begin: int, grid: Fraction, settings: JobSettings) -> Fraction:
    """Return the time in seconds from which on frames are read to find the first shot of a window.

    Args:
        begin: grid point of the window.
        grid: seconds from one to the next.
        settings: of the job.
    """
    if not ends_at_seams(settings) or settings.carry.split_shots is None:
        return lead_of(begin, grid)
    return seam_grid(settings.carry.split_shots).lead_of_window(begin, grid)
