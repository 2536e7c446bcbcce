"""Options -> settings -> the program -> exit code.

0 done, 1 failed, 2 usage, 3 some inputs of several failed, 130 interrupted. What is said goes to stderr; a traceback
means a bug.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dreamvideo import __version__
from dreamvideo.bench.settings import BenchSettings
from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.settings import CarrySettings, DreamSettings, EncodeSettings, ModelSettings, ReadSettings

if TYPE_CHECKING:  # imported when a command runs: --help must not wait for torch
    from dreamvideo.models import Network

DONE, FAILED, USAGE, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130

VIDEO_SETTINGS = (ReadSettings, ModelSettings, DreamSettings, CarrySettings, EncodeSettings)
IMAGE_SETTINGS = (ModelSettings, DreamSettings)

Settings = TypeVar("Settings")
Load = Callable[[], "Network"]  # the network, loaded when first called

log = logging.getLogger("dreamvideo")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
    level = logging.WARNING - 10 * arguments.verbose + 10 * arguments.quiet
    logging.basicConfig(level=level, format="dreamvideo: %(message)s", force=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(arguments.run(arguments))
    except SettingsError as error:
        _say(error)
        return USAGE
    except DreamVideoError as error:
        _say(error)
        return FAILED
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """The command line; every option of a setting is made from that setting's field."""
    parser = argparse.ArgumentParser(prog="dreamvideo", description="Makes video dream.")
    parser.add_argument("--version", action="version", version=f"dreamvideo {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, run, settings, help in (
        ("video", run_video, VIDEO_SETTINGS, "dream videos, with their sound"),
        ("image", run_image, IMAGE_SETTINGS, "dream still pictures"),
    ):
        command = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        command.set_defaults(run=run)
        command.add_argument("inputs", nargs="+", type=Path, metavar="INPUT")
        command.add_argument("-o", "--output", type=Path, metavar="OUT", help="file, or folder (default: NAME_dream)")
        command.add_argument("-y", "--overwrite", action="store_true", help="replace existing outputs")
        command.add_argument("-n", "--skip-existing", action="store_true", help="pass over inputs whose output exists")
        add_talk(command)
        for group in settings:
            add_options(command, group)
    bench = commands.add_parser(
        "bench",
        help="measure how fast this machine dreams",
        description="Measures how fast this machine dreams, against its own peak and against how others dream.",
    )
    bench.set_defaults(run=run_bench)
    add_talk(bench)
    add_options(bench, BenchSettings)
    return parser


def add_talk(parser: argparse.ArgumentParser) -> None:
    """The options of how much is said."""
    parser.add_argument("-q", "--quiet", action="count", default=0, help="say less")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more")


def add_options(parser: argparse.ArgumentParser, settings: type[Any]) -> None:
    """An option for each field of a settings dataclass, under its docstring's first sentence."""
    group = parser.add_argument_group((settings.__doc__ or "").split(".")[0].lower())
    for field in dataclasses.fields(settings):
        keywords = dict(field.metadata)
        flag = keywords.pop("flag", "--" + field.name.replace("_", "-"))
        if keywords.get("type") not in (None, int, float):
            keywords["type"] = _with_its_own_words(keywords["type"])
        # A repeatable option starts from nothing: argparse would append to the default.
        default = None if keywords.get("action") == "append" else field.default
        if default is not None and keywords.get("action") not in ("store_true", "store_false"):
            keywords["help"] += " (default: %(default)s)"
        group.add_argument(flag, dest=field.name, default=default, **keywords)


def _with_its_own_words(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """`parse`, so that argparse prints its message; of a ValueError it prints none."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except SettingsError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def settings_from(arguments: argparse.Namespace, settings: type[Settings]) -> Settings:
    """The settings of one dataclass from parsed arguments."""
    fields = dataclasses.fields(settings)  # type: ignore[arg-type]
    values = {field.name: getattr(arguments, field.name) for field in fields}
    return settings(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if v is not None})


def run_video(arguments: argparse.Namespace) -> int:
    """dreamvideo video INPUT..."""
    read, dreaming = settings_from(arguments, ReadSettings), settings_from(arguments, DreamSettings)
    carrying, encode = settings_from(arguments, CarrySettings), settings_from(arguments, EncodeSettings)

    def one(path: Path, output: Path, load: Load) -> None:
        from dreamvideo.buffers import prefetch
        from dreamvideo.pipeline import dream_video
        from dreamvideo.progress import progress
        from dreamvideo.readers import open_source
        from dreamvideo.writers import write_video

        began = time.monotonic()
        with ExitStack() as opened:  # whatever fails, threads end before the file that they read is closed
            source = opened.enter_context(open_source(path, read))
            info = source.info
            network = load() if dreaming.iterations else None
            frames = opened.enter_context(closing(prefetch(source.frames)))  # decode in a thread
            if network is not None:
                _announce(arguments, path, f"{info.width}x{info.height}", network)
                dreamed = dream_video(frames, network, dreaming, carrying)
                frames = opened.enter_context(closing(prefetch(dreamed)))  # dream in a thread, encode in this one
            shown = progress(frames, info.frame_count, path.name, arguments.quiet > 0)
            count = write_video(shown, output, info, encode)
            lost = f", {source.lost} lost" if source.lost else ""
        seconds = time.monotonic() - began
        _tell(arguments, f"{output}: {count} frames in {seconds:.1f} s ({count / seconds:.1f} fps){lost}")

    return run_each(arguments, one, encode)


def run_image(arguments: argparse.Namespace) -> int:
    """dreamvideo image PHOTO..."""
    dreaming = settings_from(arguments, DreamSettings)

    def one(path: Path, output: Path, load: Load) -> None:
        from dreamvideo.readers import read_image
        from dreamvideo.writers import write_image

        began = time.monotonic()
        image = read_image(path)
        if dreaming.iterations:
            from dreamvideo.dream import dream
            from dreamvideo.pipeline import to_image, to_tensor

            network = load()
            _announce(arguments, path, f"{image.shape[1]}x{image.shape[0]}", network)
            image = to_image(dream(to_tensor(image, network.device), network.score, dreaming))
        write_image(image, output)
        _tell(arguments, f"{output}: dreamed in {time.monotonic() - began:.1f} s")

    return run_each(arguments, one)


def run_bench(arguments: argparse.Namespace) -> int:
    """dreamvideo bench"""
    settings = settings_from(arguments, BenchSettings)

    from dreamvideo.bench.command import bench

    return bench(settings, quiet=arguments.quiet > 0)


def run_each(
    arguments: argparse.Namespace, one: Callable[[Path, Path, Load], None], encode: EncodeSettings | None = None
) -> int:
    """Run `one(input, output, load)` on every input; one that fails does not stop the others."""
    model, dreaming = settings_from(arguments, ModelSettings), settings_from(arguments, DreamSettings)
    jobs = plan(arguments)
    if encode is not None and encode.codec is not None:
        from dreamvideo.writers import check_encoder

        for output in {output.suffix: output for _, output in jobs}.values():
            check_encoder(output, encode)

    @functools.cache
    def load() -> Network:
        from dreamvideo.models import load_network

        return load_network(model, dreaming)

    failed = 0
    for path, output in jobs:
        try:
            one(path, output, load)
        except (SettingsError, KeyboardInterrupt):
            raise
        except DreamVideoError as error:
            failed += 1
            _say(error)
    if not failed:
        return DONE
    return FAILED if failed == len(jobs) else SOME_FAILED


def plan(arguments: argparse.Namespace) -> list[tuple[Path, Path]]:
    """(input, output) of each job, everything checked that can be before work begins.

    Raises:
        SettingsError: the outputs asked for cannot all be.
        OutputError: an output exists, is an input, or cannot be written.
    """
    from dreamvideo.writers import check_output, default_output

    inputs, target = arguments.inputs, arguments.output
    folder = target if target is not None and (target.is_dir() or str(target).endswith(("/", "\\"))) else None
    if target is not None and folder is None:
        if len(inputs) > 1:
            raise SettingsError(f"-o {target} is one file for {len(inputs)} inputs: expected a folder")
        jobs = [(inputs[0], target)]
    else:
        jobs = [(path, default_output(path, folder)) for path in inputs]
    outputs = [output.resolve() for _, output in jobs]
    for (path, output), resolved in zip(jobs, outputs, strict=True):
        if outputs.count(resolved) > 1:
            raise SettingsError(
                f"{path}: another input would be written to {output} too; give them folders of their own"
            )
    if arguments.skip_existing:
        skipped = [output for _, output in jobs if output.exists()]
        for output in skipped:
            _tell(arguments, f"{output} exists: skipped")
        jobs = [job for job in jobs if job[1] not in skipped]
    for path, output in jobs:
        if path.is_dir():
            continue  # the reader says it better
        check_output(output, inputs, arguments.overwrite)
    return jobs


def _announce(arguments: argparse.Namespace, path: Path, size: str, network: Network) -> None:
    import torch

    device = str(network.device)
    if network.device.type == "cpu":
        device += f" ({torch.get_num_threads()} threads)"
    elif network.device.type == "cuda":
        device += f" ({torch.cuda.get_device_name(network.device)})"
    layers = " + ".join(name for name, _ in network.score.layers)
    precision = {torch.float32: "fp32", torch.bfloat16: "bf16"}[network.precision]
    _tell(arguments, f"{path}: {size}, {network.name} {layers}, {precision}, {device}")


def _tell(arguments: argparse.Namespace, text: str) -> None:
    if not arguments.quiet:
        print(text, file=sys.stderr, flush=True)


def _say(problem: object) -> None:
    print(f"dreamvideo: {' '.join(str(problem).split())}", file=sys.stderr, flush=True)
