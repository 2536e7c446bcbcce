"""Dreams what the page shows before a job: one frame in a look, or two seconds of a film."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.ascent.octaves import dream
from dreamvideo.errors import DreamVideoError
from dreamvideo.frames import Frame, Frames, StreamInfo
from dreamvideo.info.atlas import image_to_tile
from dreamvideo.jobs.guide import load_guide
from dreamvideo.jobs.job_drives import HeardSound, hear_file, unheard
from dreamvideo.kernels import graph_capture
from dreamvideo.live.web.jpegs import encode_jpeg
from dreamvideo.media.contact_sheet import shrink_to_side
from dreamvideo.media.masks import mask_at, read_image_mask, resize_mask, with_masks
from dreamvideo.media.paths import is_image
from dreamvideo.media.reader_log import silence_reader
from dreamvideo.media.video_writer import write_video
from dreamvideo.models.class_groups import GROUPS, IMAGENET_COUNT
from dreamvideo.models.layers import describe_layers, layer_stages
from dreamvideo.models.look_networks import LookNetworks
from dreamvideo.models.model import Model
from dreamvideo.models.network import Network, check_picks, choose_terms, place_network
from dreamvideo.models.registry import find_model
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.settings.job import ReadSettings
from dreamvideo.settings.timeline import Moment, Timeline, open_timeline
from dreamvideo.studio.chosen_look import LookParts, read_look, resolve_look
from dreamvideo.studio.film_folder import FilmFolder
from dreamvideo.studio.film_timeline import film_clock
from dreamvideo.studio.picture_folder import open_source, source_frame
from dreamvideo.tensors import to_image, to_mask
from dreamvideo.threads import prefetch
from dreamvideo.video.pipeline import dream_video

PREVIEW_SECONDS: Final = 2
MOST_NETWORKS: Final = 8  # that are kept; each holds its weights

Picture = dict[str, Any]  # `jpeg`: bytes under the name of a picture; all else as JSON
ShouldStop = Callable[[], bool]


class LookDreamer:
    """Keeps networks and the last frame from one picture to the next."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._placed: dict[Any, Network] = {}

    def run(self, task: Mapping[str, Any], should_stop: ShouldStop) -> Iterator[Picture]:
        """Dream what a task asks for.

        Args:
            task: `do`: "picture", "preview" or "names"; the rest see the methods.
            should_stop: asked between frames.

        Raises:
            DreamVideoError: of the file, the look or the network.
        """
        run = {"picture": self._picture, "preview": self._preview, "names": self._names}[task["do"]]
        yield from run(task, should_stop)

    def _picture(self, task: Mapping[str, Any], should_stop: ShouldStop) -> Iterator[Picture]:
        """One frame in one look: `path`, `time` (seconds, or None), `side` (pixels), `look`, `root`."""
        parts = _parts(task)
        path, moment = Path(task["path"]), Moment(parts.dream, parts.carry)
        if parts.changes:
            timeline = _timeline(path, parts)
            moment = timeline(Fraction(task["time"] or 0).limit_denominator(100_000))
            network = self._looks(parts, timeline).mixed(moment.shares)
        else:
            network = self._network(parts)
        image, aspect = _frame(task["path"], task["time"], path.stat().st_mtime_ns, parts.sequence.fps)
        source = image_to_tile(image, task["side"], aspect)
        dreamed = source
        if moment.dream.iterations:
            mask = _mask(parts, task, source.shape[2], source.shape[3], network.device)
            with graph_capture.enabled(False):  # recording a graph for one picture takes longer than it saves
                dreamed = dream(source.to(network.device), network.score, moment.dream, mask=mask).cpu()
        shown = source + moment.carry.amount * (dreamed - source)
        yield {"jpegs": {"dream": encode_jpeg(to_image(shown.clamp(0, 1)))}}

    def _preview(self, task: Mapping[str, Any], should_stop: ShouldStop) -> Iterator[Picture]:
        """Two seconds around `time`, each frame with its source; then what the whole film would take."""
        parts, path, side = _parts(task), Path(task["path"]), task["side"]
        start = max(Fraction(0), Fraction(task["time"] or 0).limit_denominator(1000) - PREVIEW_SECONDS // 2)
        with silence_reader(), open_source(path, ReadSettings(), parts.sequence) as whole:
            info = whole.info
        read = ReadSettings(start=start, duration=Fraction(PREVIEW_SECONDS), size=(None, _height(info, side)))
        sources: list[Frame] = []
        dreams: list[Frame] = []
        began = time.monotonic()
        times: list[float] = []
        with silence_reader(), open_source(path, read, parts.sequence) as source:
            frames = _kept(prefetch(source.frames), sources)
            network, settings = self._dreaming(path, parts, source.info.film_start)
            if parts.mask.mask is not None:
                frames = with_masks(frames, Path(parts.mask.mask), read)
            with closing(dream_video(frames, network, settings, parts.carry)) as dreamed:
                for index, frame in enumerate(dreamed):
                    times.append(time.monotonic() - began)
                    dreams.append(frame)
                    images = {
                        "dream": _shown(frame, source.info, side),
                        "source": _shown(sources[index], source.info, side),
                    }
                    yield {"index": index, "fps": float(info.frame_rate or 25), "jpegs": images}
                    if should_stop():
                        return
            yield {"estimate": _estimate(times, dreams, source.info, info, parts)}

    def _dreaming(
        self, path: Path, parts: LookParts, start: Fraction
    ) -> tuple[Network | LookNetworks | None, DreamSettings | Timeline]:
        """What `dream_video` takes for frames of a film that begin at `start`, in seconds."""
        if parts.changes:
            timeline = _timeline(path, parts, start)
            return self._looks(parts, timeline), timeline
        return self._network(parts) if parts.dream.iterations else None, parts.dream

    def _looks(self, parts: LookParts, timeline: Timeline) -> LookNetworks:
        looks = [replace(parts, model=look.model, objective=look.objective) for look in timeline.looks]
        return LookNetworks([self._network(look) for look in looks])

    def _names(self, task: Mapping[str, Any], should_stop: ShouldStop) -> Iterator[Picture]:
        """The classes, groups of them and layers of a network, `model`, that can be chosen."""
        model = self._model(task["model"])
        groups = GROUPS if len(model.classes) == IMAGENET_COUNT else model.groups
        yield {
            "model": model.name,
            "groups": list(groups),
            "classes": list(model.classes),
            "layers": list(layer_stages(describe_layers(model.whole))),
        }

    def _model(self, name: str) -> Model:
        if name not in self._models:
            self._models[name] = find_model(name)
        return self._models[name]

    def _network(self, parts: LookParts) -> Network:
        """The network of a look; those that read the same layers are cut off once."""
        model, guide = self._model(parts.model.model), load_guide(parts.objective.guide)
        terms = choose_terms(model, parts.objective, guided=guide is not None)
        key = model.name, tuple(dict.fromkeys(term.layer for term in terms)), parts.objective.guide
        if key not in self._placed:
            if len(self._placed) >= MOST_NETWORKS:
                del self._placed[next(iter(self._placed))]
            self._placed[key] = place_network(model, terms, parts.model, guide)
        placed = self._placed[key]
        check_picks(placed.score.features, terms, placed.device, model.name)
        return replace(placed, score=replace(placed.score, terms=terms))


def _parts(task: Mapping[str, Any]) -> LookParts:
    return resolve_look(read_look(task["look"]), FilmFolder(Path(task["root"])).find)


def _timeline(path: Path, parts: LookParts, start: Fraction = Fraction(0)) -> Timeline:  # noqa: B008
    """What a look dreams when, in frames that begin at `start`; its sound is heard once if anything follows it."""
    heard = HeardSound()
    if parts.timeline.hears or parts.drive.drive:
        heard = unheard(parts.timeline, parts.drive)
        heard = heard if path.is_dir() else hear_file(path, parts.timeline, parts.drive)[0]
    clock = replace(film_clock(path, parts.sequence), beats=heard.beats, sections=heard.sections)
    settings = parts.model, parts.objective, parts.dream, parts.carry
    return open_timeline(parts.timeline, *settings, clock, start, heard.factors)


@functools.lru_cache(maxsize=2)
def _frame(path: str, start: float | None, modified: int, fps: Fraction) -> tuple[NDArray[np.uint8], Fraction]:
    try:
        return source_frame(Path(path), None if start is None else Fraction(start).limit_denominator(1000), fps)
    except DreamVideoError:
        if not start:
            raise
        return source_frame(Path(path), None, fps)  # a header that promises more than there is


def _mask(parts: LookParts, task: Mapping[str, Any], height: int, width: int, device: torch.device) -> Tensor | None:
    """The mask of a frame, in its size."""
    if parts.mask.mask is None:
        return None
    path = Path(parts.mask.mask)
    mask = _read_mask(path, is_image(Path(task["path"])), task["time"], path.stat().st_mtime_ns)
    return to_mask(resize_mask(mask, height, width), device)


@functools.lru_cache(maxsize=2)
def _read_mask(path: Path, of_photo: bool, time: float | None, modified: int) -> NDArray[np.uint8]:
    with silence_reader():
        return read_image_mask(path) if of_photo else mask_at(path, Fraction(time or 0).limit_denominator(1000))


def _height(info: StreamInfo, side: int) -> int:
    """The height of a frame whose longer side is shown with `side` pixels; even, and no larger than it is."""
    shown = max(info.height, float(info.width * info.pixel_aspect))
    return max(32, min(info.height, 2 * round(info.height * side / shown / 2)))


def _kept(frames: Frames, kept: list[Frame]) -> Frames:
    with closing(frames):
        for frame in frames:
            kept.append(frame)
            yield frame


def _shown(frame: Frame, info: StreamInfo, side: int) -> bytes:
    image = frame.image.cpu().numpy() if isinstance(frame.image, torch.Tensor) else frame.image
    return encode_jpeg(shrink_to_side(image, side, info.pixel_aspect))


def _estimate(
    times: list[float], dreams: list[Frame], small: StreamInfo, info: StreamInfo, parts: LookParts
) -> dict[str, float | None]:
    """Seconds and bytes of the whole film, both taken as proportional to its pixels; None: unknown."""
    count = info.frame_count
    if not times or not count:
        return {"seconds": None, "bytes": None}
    if parts.read.duration and info.frame_rate:
        count = min(count, round(parts.read.duration * info.frame_rate))
    pixels = info.width * info.height
    if parts.read.size is not None:
        height = parts.read.size[1]
        pixels = height * (parts.read.size[0] or round(info.width * height / info.height))
    ratio = pixels / (small.width * small.height)
    carried = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else times[0]
    with tempfile.TemporaryDirectory() as folder, silence_reader():
        output = Path(folder, "preview.mp4")
        plain = (Frame(frame.image, frame.time, frame.duration) for frame in dreams)
        write_video(plain, output, replace(small, path=None, stream=None, end=None), parts.encode)
        size = output.stat().st_size
    return {"seconds": ratio * (times[0] + carried * (count - 1)), "bytes": ratio * size / len(dreams) * count}
