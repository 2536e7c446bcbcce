"""Options -> settings -> the program -> exit code.

0 done, 1 failed, 2 usage, 3 some inputs of several failed, 130 interrupted. What is said goes to stderr; a traceback
means a bug.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamvideo import __version__
from dreamvideo.bench.coherence.settings import CoherenceSettings
from dreamvideo.bench.live_settings import LiveBenchSettings
from dreamvideo.bench.scaling_settings import ScalingSettings
from dreamvideo.bench.settings import BenchSettings
from dreamvideo.errors import DreamVideoError, SettingsError, SourceError
from dreamvideo.options import (
    ATLAS_SETTINGS,
    FRAMES_SETTINGS,
    IMAGE_SETTINGS,
    INFO_SETTINGS,
    LIVE_SETTINGS,
    VIDEO_SETTINGS,
    add_options,
    look_of,
    settings_from,
)
from dreamvideo.presets import PRESETS
from dreamvideo.settings import (
    AtlasSettings,
    CameraSettings,
    CarrySettings,
    ClusterSettings,
    DreamSettings,
    EncodeSettings,
    InfoSettings,
    LiveSettings,
    MaskSettings,
    ModelSettings,
    PreviewSettings,
    ReadSettings,
    SequenceSettings,
    TileSettings,
)
from dreamvideo.summary import Row, table

if TYPE_CHECKING:  # imported when a command runs: --help must not wait for torch
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from dreamvideo.frames import Source
    from dreamvideo.jobs import Job, Outcome, Wishes
    from dreamvideo.models import Network
    from dreamvideo.networks import Model

DONE, FAILED, USAGE, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130

PREVIEW_SIDE = 640  # pixels of the larger side of a frame on a preview: three of them fill a screen

Pair = tuple[Path, Path]  # input, output

log = logging.getLogger("dreamvideo")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        arguments = build_parser().parse_args(argv)
        arguments.words = sys.argv[1:] if argv is None else list(argv)
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with logging_to_stderr(logging.WARNING - 10 * arguments.verbose + 10 * arguments.quiet):
            arguments.look = look_of(arguments)  # once: it may have to be read, and to warn
            return int(arguments.run(arguments))
    except SettingsError as error:
        _say(error)
        return USAGE
    except DreamVideoError as error:
        _say(error)
        return FAILED
    except KeyboardInterrupt as stop:
        _say(": ".join(["interrupted", *map(str, stop.args)]))
        return INTERRUPTED


@contextmanager
def logging_to_stderr(level: int) -> Generator[None, None, None]:
    """What the library logs goes to stderr inside the block; nobody else's logging is touched."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("dreamvideo: %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def build_parser() -> argparse.ArgumentParser:
    """The command line; every option of a setting is made from that setting's field."""
    parser = argparse.ArgumentParser(prog="dreamvideo", description="Makes video dream.")
    parser.add_argument("--version", action="version", version=f"dreamvideo {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, run, settings, output, help in (
        ("video", run_video, VIDEO_SETTINGS, "NAME_dream", "dream videos, with their sound"),
        ("image", run_image, IMAGE_SETTINGS, "NAME_dream", "dream still pictures"),
        ("atlas", run_atlas, ATLAS_SETTINGS, "NAME_atlas.png", "dream a picture in many ways, on a sheet to choose by"),
    ):
        command = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        command.set_defaults(run=run)
        command.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="file, folder or '*' pattern")
        command.add_argument("-o", "--output", type=Path, metavar="OUT", help=f"file, or folder (default: {output})")
        add_outputs(command, resume=run is run_video)
        add_look(command)
        add_talk(command)
        for group in settings:
            add_options(command, group)
    add_frames(commands)
    add_live(commands)
    presets = commands.add_parser("presets", help="list looks by name", description="Lists looks by name.")
    presets.set_defaults(run=run_presets)
    add_talk(presets)
    add_listings(commands)
    add_info(commands)
    bench = commands.add_parser(
        "bench",
        help="measure how fast this machine dreams",
        description="Measures how fast this machine dreams, against its own peak and against how others dream.",
    )
    bench.set_defaults(run=run_bench)
    add_talk(bench)
    add_options(bench, BenchSettings)
    others = bench.add_subparsers(title="or, instead", metavar="coherence|cluster|live")
    coherence = others.add_parser(
        "coherence",
        help="measure how strongly and how steadily video is dreamed",
        description="Measures how strongly and how steadily video is dreamed, by this program and in others' ways.",
    )
    coherence.set_defaults(run=run_coherence)
    coherence.add_argument("clips", nargs="*", type=Path, metavar="CLIP", help="videos, besides the rendered shots")
    add_talk(coherence)
    add_options(coherence, CoherenceSettings)
    scaling = others.add_parser(
        "cluster",
        help="measure how much faster several workers are than one",
        description="Measures how much faster several workers are than one, and where that ends.",
    )
    scaling.set_defaults(run=run_bench_cluster)
    add_talk(scaling)
    for of_scaling in (ScalingSettings, ModelSettings, DreamSettings):
        add_options(scaling, of_scaling)
    live = others.add_parser(
        "live",
        help="measure how fast a live dream is shown, and how late",
        description="Measures how fast a live dream is shown, and how late, with a file in place of a camera.",
    )
    live.set_defaults(run=run_bench_live)
    add_talk(live)
    for kind in (LiveBenchSettings, ModelSettings, DreamSettings):
        add_options(live, kind)
    return parser


def add_outputs(command: argparse.ArgumentParser, resume: bool) -> None:
    """What becomes of outputs that are there already."""
    command.add_argument("-y", "--overwrite", action="store_true", help="replace existing outputs")
    command.add_argument("-n", "--skip-existing", action="store_true", help="pass over inputs whose output exists")
    if resume:
        command.add_argument("--resume", action="store_true", help="go on where an earlier run ended")


def add_frames(commands: Any) -> None:
    """The command that dreams folders of pictures."""
    frames = commands.add_parser(
        "frames",
        help="dream folders of pictures, as frames of a film or one by one",
        description="Dreams folders of pictures, as frames of a film or one by one, into a folder or a video; or a "
        "video into a folder.",
    )
    frames.set_defaults(run=run_frames, configurable=FRAMES_SETTINGS)
    frames.add_argument(
        "inputs", nargs="+", type=Path, metavar="INPUT", help="folder, picture, '*' pattern, or one video"
    )
    frames.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="folder, or video (default: the folder NAME_dream)"
    )
    add_outputs(frames, resume=True)
    add_look(frames)
    add_talk(frames)
    for group in FRAMES_SETTINGS:
        add_options(frames, group)
    frames.add_argument(
        "--sequence", dest="independent", action="store_false", default=argparse.SUPPRESS,
        help="the frames of one film (default), not --independent",
    )  # fmt: skip


def add_look(command: argparse.ArgumentParser) -> None:
    """Where settings come from that are not said."""
    command.add_argument("--preset", metavar="NAME", help="a look by name, under what else is said: see presets")
    command.add_argument("--config", type=Path, metavar="TOML", help="settings from a file, under what else is said")
    command.add_argument("--like", type=Path, metavar="OLD", help="the settings of an old dream, read out of it")


def add_live(commands: Any) -> None:
    """The command that dreams what a camera sees, and the one that lists cameras."""
    live = commands.add_parser(
        "live", help="dream what a camera sees, as it sees it", description="Dreams what a camera sees, as it sees it."
    )
    live.set_defaults(run=run_live, configurable=LIVE_SETTINGS)
    live.add_argument(
        "camera", nargs="?", default="0", metavar="CAMERA",
        help="number, device path, URL, or a video file in place of a camera (default: 0; see cameras)",
    )  # fmt: skip
    live.add_argument("-y", "--overwrite", action="store_true", help="replace an existing recording")
    add_look(live)
    cameras = commands.add_parser("cameras", help="list the cameras", description="Lists the cameras there are.")
    cameras.set_defaults(run=run_cameras)
    for command in (live, cameras):
        add_talk(command)
    for group in LIVE_SETTINGS:
        add_options(live, group)


def add_listings(commands: Any) -> None:
    """The commands that tell what there is."""
    models = commands.add_parser(
        "models", help="list the networks", description="Lists the networks, what they dream, and their weights."
    )
    models.set_defaults(run=run_models)
    models.add_argument("name", nargs="?", metavar="NAME", help="of this one only, which may be any of torchvision's")
    models.add_argument("--classes", action="store_true", help="the names of its classes instead, by number from 0 on")
    layers = commands.add_parser(
        "layers",
        help="list what can be dreamed on in a network",
        description="Lists what can be dreamed on in a network: name, stride in pixels, number of channels.",
    )
    layers.set_defaults(run=run_layers)
    for command in (models, layers):
        add_talk(command)
    add_options(layers, ModelSettings)


def add_info(commands: Any) -> None:
    """The command that tells of files."""
    info = commands.add_parser(
        "info",
        help="tell what a file holds, what becomes of it, and how long that takes",
        description="Tells what a file holds, what video would make of it, and how long that takes.",
    )
    info.set_defaults(run=run_info)
    info.add_argument("inputs", nargs="+", type=Path, metavar="FILE")
    info.add_argument("-o", "--output", type=Path, metavar="OUT", help="file, or folder (default: NAME_dream)")
    add_look(info)
    add_talk(info)
    for group in INFO_SETTINGS:
        add_options(info, group)


def add_talk(parser: argparse.ArgumentParser) -> None:
    """The options of how much is said."""
    parser.add_argument("-q", "--quiet", action="count", default=0, help="say less")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more")


def run_video(arguments: argparse.Namespace) -> int:
    """dreamvideo video INPUT..."""
    if settings_from(arguments, PreviewSettings).preview is not None:
        load = functools.cache(lambda: _load(arguments))
        return run_sheets(arguments, "preview", functools.partial(draw_preview, load=load))
    from dreamvideo.jobs import Job, check_leftovers
    from dreamvideo.writers import check_encoder

    encode = settings_from(arguments, EncodeSettings)
    jobs = [Job(*pair) for pair in plan(arguments, "videos")]
    if encode.codec is not None:
        for output in {job.output.suffix: job.output for job in jobs}.values():
            check_encoder(output, encode)
    wishes = _wishes(arguments)
    for job in jobs:
        check_leftovers(job, wishes, arguments.resume, arguments.overwrite)
    return dream_files(arguments, jobs, wishes)


def run_frames(arguments: argparse.Namespace) -> int:
    """dreamvideo frames FOLDER..."""
    from dreamvideo.folders import plan_frames
    from dreamvideo.jobs import check_leftovers
    from dreamvideo.writers import check_encoder

    wishes = _wishes(arguments)
    overwrite, skip, resume = arguments.overwrite, arguments.skip_existing, arguments.resume
    tell = functools.partial(_tell, arguments)
    job = plan_frames(arguments.inputs, arguments.output, wishes.read, wishes.sequence, tell, overwrite, skip, resume)
    if job is None:
        return DONE
    if wishes.encode.codec is not None and not job.to_folder:
        check_encoder(job.output, wishes.encode)
    check_leftovers(job, wishes, resume, overwrite or (skip and job.to_folder))
    return dream_files(arguments, [job], wishes)


def _wishes(arguments: argparse.Namespace) -> Wishes:
    from dreamvideo.jobs import Wishes

    under, carry = settings_from(arguments, MaskSettings), settings_from(arguments, CarrySettings)
    sequence = settings_from(arguments, SequenceSettings)
    if under.mask is not None:
        from dreamvideo.masks import check_mask

        check_mask(Path(under.mask))
    return Wishes(
        settings_from(arguments, ReadSettings),
        settings_from(arguments, ModelSettings),
        settings_from(arguments, DreamSettings),
        dataclasses.replace(carry, persistence=0.0) if sequence.independent else carry,
        under,
        settings_from(arguments, EncodeSettings),
        sequence,
        settings_from(arguments, ClusterSettings),
        settings_from(arguments, TileSettings),
    )


def dream_files(arguments: argparse.Namespace, jobs: list[Job], wishes: Wishes) -> int:
    """Dream videos, and say how each went."""
    from dreamvideo.interrupts import interrupts
    from dreamvideo.local import dream_jobs
    from dreamvideo.progress import tally

    def announce(job: Job, source: Source, done: int, network: Network | None) -> None:
        if network is not None:
            _announce(arguments, job.source, f"{source.info.width}x{source.info.height}", network)
        if done:
            _tell(arguments, f"{job.output}: going on after {done} frames")

    rows: list[Row] = []
    failures = incomplete = 0

    def report(outcome: Outcome, passed: Callable[[], None]) -> None:
        nonlocal failures, incomplete
        incomplete += bool(outcome.lost and outcome.job.pictures)
        rows.append(_row(outcome))
        passed()
        if outcome.error is not None:
            failures += 1
            _say(outcome.error)
            return
        lost = f", {outcome.lost} lost" if outcome.lost else ""
        rate = f" ({outcome.made / outcome.seconds:.1f} fps)" if outcome.made else ""
        _tell(arguments, f"{outcome.job.output}: {outcome.frames} frames in {outcome.seconds:.1f} s{rate}{lost}")

    hidden = arguments.quiet > 0
    with (
        interrupts(lambda: _tell(arguments, "ending after this frame; again: at once"), INTERRUPTED) as stopped,
        tally(len(jobs), hidden) as passed,
    ):
        load, tell_how = functools.partial(_load, arguments), functools.partial(report, passed=passed)
        try:
            if wishes.cluster.cluster is not None:
                from dreamvideo.cluster.drive import dream_on_cluster

                begin, tell = functools.partial(announce, network=None), functools.partial(_tell, arguments)
                guide = _guide(wishes.dream.guide)
                dream_on_cluster(jobs, wishes, guide, begin, tell_how, tell, stopped, arguments.resume, hidden)
            else:
                dream_jobs(jobs, wishes, load, announce, tell_how, stopped, arguments.resume, hidden)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"go on with: {_again(arguments)}") from None
    _summarise(arguments, rows)
    return _exit_code(failures, len(jobs)) or (SOME_FAILED if incomplete else DONE)


def _row(outcome: Outcome) -> Row:
    result = str(outcome.job.output) if outcome.error is None else f"failed: {_one_line(outcome.error)}"
    counts = outcome.frames, outcome.made, outcome.seconds, outcome.lost
    return Row(str(outcome.job.source), result, *counts)


def _summarise(arguments: argparse.Namespace, rows: Sequence[Row]) -> None:
    if len(rows) > 1:
        for line in table(rows):
            _tell(arguments, line)


def _again(arguments: argparse.Namespace) -> str:
    words = [word for word in arguments.words if word != "--resume"]
    if arguments.run is run_frames and arguments.skip_existing:  # what was skipped then is so again
        return shlex.join(["dreamvideo", *words])
    return shlex.join(["dreamvideo", *words, "--resume"])


def run_image(arguments: argparse.Namespace) -> int:
    """dreamvideo image PHOTO..."""
    from dreamvideo.progress import tally

    jobs = plan(arguments, "pictures")
    mask = None
    under = settings_from(arguments, MaskSettings).mask
    if under is not None:
        from dreamvideo.masks import still_mask

        mask = still_mask(Path(under))
    load = functools.cache(lambda: _load(arguments))
    failed = 0
    rows: list[Row] = []
    with tally(len(jobs), arguments.quiet > 0) as passed:
        for path, output in jobs:
            began = time.monotonic()
            try:
                dream_photo(arguments, path, output, load, mask)
                rows.append(Row(str(path), str(output), 1, 1, time.monotonic() - began))
            except SettingsError:
                raise
            except DreamVideoError as error:
                failed += 1
                rows.append(Row(str(path), f"failed: {_one_line(error)}"))
                _say(error)
            passed()
    _summarise(arguments, rows)
    return _exit_code(failed, len(jobs))


def dream_photo(
    arguments: argparse.Namespace, path: Path, output: Path, load: Callable[[], Network], mask: NDArray[np.uint8] | None
) -> None:
    """Dream one still picture."""
    from dreamvideo.readers import read_image
    from dreamvideo.signature import sign
    from dreamvideo.writers import write_image

    dreaming = settings_from(arguments, DreamSettings)
    began = time.monotonic()
    image = read_image(path)
    if dreaming.iterations:
        from dreamvideo.dream import dream
        from dreamvideo.stills import check_large_enough

        check_large_enough(path, image.shape[1], image.shape[0])
        from dreamvideo.masks import fit
        from dreamvideo.pipeline import to_image, to_mask, to_tensor

        network = load()
        _announce(arguments, path, f"{image.shape[1]}x{image.shape[0]}", network)
        under = None if mask is None else to_mask(fit(mask, *image.shape[:2]), network.device)
        source = to_tensor(image, network.device)
        (image,) = network.room.portions(
            source, network.score, lambda _, score: [to_image(dream(source, score, dreaming, mask=under))]
        )
    write_image(image, output, sign(settings_from(arguments, ModelSettings), dreaming))
    _tell(arguments, f"{output}: dreamed in {time.monotonic() - began:.1f} s")


def run_live(arguments: argparse.Namespace) -> int:
    """dreamvideo live [CAMERA]"""
    from dreamvideo.live.command import Wanted, live

    dreaming = settings_from(arguments, DreamSettings)
    wanted = Wanted(
        arguments.camera,
        settings_from(arguments, CameraSettings),
        settings_from(arguments, LiveSettings),
        settings_from(arguments, ModelSettings),
        dreaming,
        _guide(dreaming.guide),
        arguments.preset,
        arguments.overwrite,
    )
    live(wanted, functools.partial(_tell, arguments))
    return DONE


def run_cameras(arguments: argparse.Namespace) -> int:
    """dreamvideo cameras"""
    from dreamvideo.live.webcams import list_cameras

    return _print(list_cameras())


def run_presets(arguments: argparse.Namespace) -> int:
    """dreamvideo presets"""
    return _print(f"{preset.name:14} {preset.summary}" for preset in PRESETS.values())


def run_models(arguments: argparse.Namespace) -> int:
    """dreamvideo models [NAME [--classes]]"""
    from dreamvideo.listings import class_lines, model_line, model_lines

    name = arguments.name
    if arguments.classes and name is None:
        raise SettingsError("--classes: expected the name of a network, such as dreamvideo models dreamnet --classes")
    return _print(class_lines(name) if arguments.classes else model_lines() if name is None else [model_line(name)])


def run_layers(arguments: argparse.Namespace) -> int:
    """dreamvideo layers"""
    from dreamvideo.listings import layer_lines

    return _print(layer_lines(settings_from(arguments, ModelSettings)))


def run_info(arguments: argparse.Namespace) -> int:
    """dreamvideo info FILE..."""
    from dreamvideo.info.command import Wanted, info

    _, files = named_outputs(arguments, "videos")
    wanted = Wanted(
        settings_from(arguments, InfoSettings),
        settings_from(arguments, ReadSettings),
        settings_from(arguments, DreamSettings),
        settings_from(arguments, CarrySettings),
        settings_from(arguments, EncodeSettings),
    )
    load = functools.cache(lambda: _load(arguments))
    failed = 0

    def refused(error: DreamVideoError) -> None:
        nonlocal failed
        failed += 1
        _say(error)

    _print(info(files, wanted, load, refused))
    return _exit_code(failed, len(files))


def _print(lines: Iterable[str]) -> int:
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; Python would complain once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


def run_atlas(arguments: argparse.Namespace) -> int:
    """dreamvideo atlas PICTURE..."""
    from dreamvideo.networks import find_model

    settings = settings_from(arguments, ModelSettings)
    model = functools.cache(lambda: find_model(settings.model, settings.weights, settings.scaling))
    return run_sheets(arguments, "atlas", functools.partial(draw_atlas, find=model))


def run_sheets(arguments: argparse.Namespace, word: str, draw: Callable[[argparse.Namespace, Path, Path], int]) -> int:
    """For each input a sheet of pictures, NAME_word.png; `draw` writes one and returns how many pictures are on it."""
    from dreamvideo.stills import check_image_name
    from dreamvideo.writers import default_sheet

    kind = "videos" if arguments.run is run_video else "pictures"
    jobs = plan(arguments, kind, functools.partial(default_sheet, word=word))
    for _, output in jobs:
        check_image_name(output)
    failed = 0
    for path, output in jobs:
        began = time.monotonic()
        try:
            count = draw(arguments, path, output)
            _tell(arguments, f"{output}: {count} dreams in {time.monotonic() - began:.1f} s")
        except SettingsError:
            raise
        except DreamVideoError as error:
            failed += 1
            _say(error)
    return _exit_code(failed, len(jobs))


def draw_atlas(arguments: argparse.Namespace, path: Path, output: Path, find: Callable[[], Model]) -> int:
    """Dream one picture in many ways, onto a sheet."""
    from dreamvideo.contact import contact_sheet
    from dreamvideo.glimpses import still
    from dreamvideo.progress import progress
    from dreamvideo.writers import write_image

    atlas, dreaming = settings_from(arguments, AtlasSettings), settings_from(arguments, DreamSettings)
    where = settings_from(arguments, ModelSettings)
    image, pixel_aspect = still(path, atlas.start)
    from dreamvideo.atlas import dream_each, fitted, wishes
    from dreamvideo.pipeline import to_image

    picture, model = fitted(image, atlas.tile, pixel_aspect), find()
    guide = _guide(dreaming.guide)
    wanted = wishes(picture, model, atlas, dreaming, where, guide)
    _tell(arguments, f"{path}: {len(wanted)} dreams of {picture.shape[3]}x{picture.shape[2]}, {model.name}")
    dreams = dream_each(picture, wanted, model, where, guide)
    tiles = [to_image(picture), *progress(dreams, len(wanted), path.name, arguments.quiet > 0, "dreams")]
    write_image(contact_sheet(tiles, ["source", *(wish.label for wish in wanted)], atlas.columns), output)
    return len(wanted)


def draw_preview(arguments: argparse.Namespace, path: Path, output: Path, load: Callable[[], Network]) -> int:
    """Dream some frames of one video, each as the first of a shot, onto a sheet."""
    from dreamvideo.contact import contact_sheet, shrunk
    from dreamvideo.glimpses import clock, glimpses
    from dreamvideo.pipeline import dream_video
    from dreamvideo.progress import progress
    from dreamvideo.stills import check_large_enough
    from dreamvideo.writers import write_image

    dreaming = settings_from(arguments, DreamSettings)
    carrying = dataclasses.replace(settings_from(arguments, CarrySettings), persistence=0.0)  # every frame alone
    count = settings_from(arguments, PreviewSettings).preview
    assert count is not None
    source = glimpses(path, settings_from(arguments, ReadSettings), count)
    info = source.info
    if dreaming.iterations:
        check_large_enough(path, info.width, info.height)
    network = load() if dreaming.iterations else None
    if network is not None:
        _announce(arguments, path, f"{info.frame_count} frames of {info.width}x{info.height}", network)
    tiles, labels = [], []
    dreamed = dream_video(source.frames, network, dreaming, carrying)
    for frame in progress(dreamed, info.frame_count, path.name, arguments.quiet > 0):
        tiles.append(shrunk(frame.image, PREVIEW_SIDE, info.pixel_aspect))
        labels.append(clock(frame.time))
    write_image(contact_sheet(tiles, labels), output)
    return len(tiles)


def run_bench(arguments: argparse.Namespace) -> int:
    """dreamvideo bench"""
    from dreamvideo.bench.command import bench

    return bench(settings_from(arguments, BenchSettings), arguments.quiet > 0)


def run_coherence(arguments: argparse.Namespace) -> int:
    """dreamvideo bench coherence CLIP..."""
    from dreamvideo.bench.coherence.command import coherence

    return coherence(settings_from(arguments, CoherenceSettings), arguments.clips, arguments.quiet > 0)


def run_bench_live(arguments: argparse.Namespace) -> int:
    """dreamvideo bench live"""
    from dreamvideo.bench.glass import bench_live

    settings, dreaming = settings_from(arguments, LiveBenchSettings), settings_from(arguments, DreamSettings)
    return bench_live(settings, settings_from(arguments, ModelSettings), dreaming, arguments.quiet > 0)


def run_bench_cluster(arguments: argparse.Namespace) -> int:
    """dreamvideo bench cluster"""
    from dreamvideo.bench.scaling import bench_scaling

    settings, dreaming = settings_from(arguments, ScalingSettings), settings_from(arguments, DreamSettings)
    return bench_scaling(settings, settings_from(arguments, ModelSettings), dreaming, arguments.quiet > 0)


def _load(arguments: argparse.Namespace) -> Network:
    from dreamvideo.models import load_network

    dreaming, tile = settings_from(arguments, DreamSettings), settings_from(arguments, TileSettings).tile_side
    return load_network(settings_from(arguments, ModelSettings), dreaming, _guide(dreaming.guide), tile)


def _guide(path: str | None) -> Tensor | None:
    if path is None:
        return None
    from dreamvideo.pipeline import to_guide
    from dreamvideo.readers import read_image

    try:
        return to_guide(read_image(Path(path)))
    except SourceError as error:
        raise SourceError(f"--guide: {error}") from error


def _exit_code(failed: int, jobs: int) -> int:
    if not failed:
        return DONE
    return FAILED if failed == jobs else SOME_FAILED


def plan(
    arguments: argparse.Namespace, kind: str, name: Callable[[Path, Path | None], Path] | None = None
) -> list[Pair]:
    """(input, output) of each job, everything checked that can be before work begins.

    Args:
        kind: what is taken of folders: videos or pictures.
        name: names an output.

    Raises:
        SourceError: nothing of that kind is in a folder, or nothing is meant by a pattern.
        SettingsError: the outputs asked for cannot all be.
        OutputError: an output exists, is an input, or cannot be written.
    """
    from dreamvideo.leftovers import folder_of
    from dreamvideo.writers import check_output

    inputs, jobs = named_outputs(arguments, kind, name)
    resuming = getattr(arguments, "resume", False)
    if arguments.skip_existing or resuming:
        skipped = [output for _, output in jobs if output.exists() and not (resuming and folder_of(output).exists())]
        for output in skipped:
            _tell(arguments, f"{output} exists: skipped")
        jobs = [job for job in jobs if job[1] not in skipped]
    for _, output in jobs:
        check_output(output, inputs, arguments.overwrite or resuming)
    return jobs


def named_outputs(
    arguments: argparse.Namespace, kind: str, name: Callable[[Path, Path | None], Path] | None = None
) -> tuple[Sequence[Path], list[Pair]]:
    """The inputs, and (input, output) of each; `kind` and `name` as for `plan`.

    Raises:
        SourceError: nothing of that kind is in a folder, or nothing is meant by a pattern.
        SettingsError: the outputs asked for cannot all be.
    """
    from dreamvideo.inputs import expand, is_image, is_video, told
    from dreamvideo.writers import default_output

    found = expand(arguments.inputs, is_image if kind == "pictures" else is_video, kind)
    if found.passed_over:
        _tell(arguments, told(found.passed_over, kind))
    inputs, target = found.paths, arguments.output
    folder = target if target is not None and (target.is_dir() or str(target).endswith(("/", "\\"))) else None
    if target is not None and folder is None:
        if len(inputs) > 1:
            raise SettingsError(f"-o {target} is one file for {len(inputs)} inputs: expected a folder")
        jobs = [(inputs[0], target)]
    else:
        jobs = [(path, (name or default_output)(path, folder)) for path in inputs]
    outputs = [output.resolve() for _, output in jobs]
    for (path, output), resolved in zip(jobs, outputs, strict=True):
        if outputs.count(resolved) > 1:
            raise SettingsError(
                f"{path}: another input would be written to {output} too; give them folders of their own"
            )
    return inputs, jobs


def _announce(arguments: argparse.Namespace, path: Path, size: str, network: Network) -> None:
    from dreamvideo.devices import device_name, precision_name

    layers = " + ".join(network.score.layers)
    precision = precision_name(network.precision, network.device)
    _tell(arguments, f"{path}: {size}, {network.name} {layers}, {precision}, {device_name(network.device)}")


def _tell(arguments: argparse.Namespace, text: str) -> None:
    from dreamvideo.progress import say

    if not arguments.quiet:
        say(text)


def _say(problem: object) -> None:
    from dreamvideo.progress import say

    say(f"dreamvideo: {_one_line(problem)}")


def _one_line(problem: object) -> str:
    return " ".join(str(problem).split())
