"""Judges trained weights against aims: python -m dreamvideo.training.judge [IMAGE...] [--weights FILE]

Measures accuracy on fresh renders, the look of dreams, how many motifs they hold, and whether another network
recognizes a class in the dream of it. Exit code 0: every aim is met; 3: some are missed; 1: an error.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.errors import DreamVideoError, ModelError, OutputError, SettingsError, SourceError
from dreamvideo.info.results import Report, ReportSection, results_table, results_to_json
from dreamvideo.media.contact_sheet import contact_sheet
from dreamvideo.media.images import read_image
from dreamvideo.models.dreamnet.net import DreamNet, fold_network
from dreamvideo.models.dreamnet.trained import DRAWN, Trained, load_dreamnet
from dreamvideo.tensors import to_tensor
from dreamvideo.training.augment import to_images
from dreamvideo.training.calibration import calibration_images, channel_rms, recalibrate
from dreamvideo.training.export import export
from dreamvideo.training.judgement import (
    SIZE,
    DreamedImage,
    Evaluation,
    dream_all,
    fresh_renders,
    judge_accuracy,
    judge_class_dreams,
    judge_look,
    judge_motifs,
)
from dreamvideo.training.look_metrics import shrink_image
from dreamvideo.training.render import BACKGROUND
from dreamvideo.training.render_sheet import write_png

DONE, FAILED, SHORT, INTERRUPTED = 0, 1, 3, 130

SHORTER_SIDE: Final = 360  # pixels; larger images are shrunk, so that a judgement takes minutes
SMALLEST_SIDE: Final = 32  # pixels of an image to be judged: two locations at stride 16


def load_images(paths: Sequence[Path], shorter: int = SHORTER_SIDE) -> dict[str, Tensor]:
    """Load the images to dream on.

    Args:
        paths: image files; if there are none, renders are used.
        shorter: pixels of the shorter side, at most; larger images are shrunk.

    Returns:
        Name -> (1, 3, H, W) in [0, 1].

    Raises:
        SourceError: a file is not an image, or too small.
    """
    if not paths:
        names = ("background 1", "background 2", "background 3", "dog", "castle", "tree")
        return dict(zip(names, torch.split(calibration_images(), 1), strict=True))
    images: dict[str, Tensor] = {}
    for path in paths:
        image = to_tensor(read_image(path), torch.device("cpu"))
        height, width = image.shape[2:]
        if min(height, width) < SMALLEST_SIDE:
            raise SourceError(f"{path} has {width}x{height} pixels: expected at least {SMALLEST_SIDE} a side")
        name = path.name if path.name not in images else str(path)  # equal names from two folders
        images[name] = shrink_image(image, shorter)
    return images


def write_untrained(trained: Trained, path: Path) -> None:
    """Write random weights whose batch normalization fits the renders, for comparison.

    Args:
        trained: gives the classes, and so the shape.
        path: of the weights file.

    Raises:
        OutputError: the file cannot be written.
    """
    renders, _ = fresh_renders(trained.classes, 2)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        net = DreamNet(len(trained.classes), trainable=True)
    recalibrate(net, [to_images(renders, SIZE)])
    folded = fold_network(net)
    export(path, folded, trained.classes, channel_rms(folded, renders), {}, {"recipe": "untrained"})


def judge_weights(
    weights: str | None, second: str | None, images: Mapping[str, Tensor], per_class: int
) -> Iterator[tuple[Evaluation, Sequence[DreamedImage]]]:
    """Evaluate weights, one kind of finding after another.

    Args:
        weights: path of the weights file. Default: the embedded weights.
        second: weights of another training, which look at the dreams; without, class dreams are skipped.
        images: name -> (1, 3, H, W) in [0, 1], to dream on.
        per_class: renders of each class to recognize.

    Yields:
        An evaluation, and the dreams that were made for it.

    Raises:
        ModelError, WeightsError: weights cannot be judged, or do not know the same classes.
    """
    trained = load_dreamnet(weights or DRAWN)
    other = load_dreamnet(second) if second else None
    if BACKGROUND not in trained.classes or len(trained.classes) < 2:
        raise ModelError(f"{weights} knows {', '.join(trained.classes)}: expected {BACKGROUND} and other classes")
    missing = [name for name in trained.classes if other and name not in other.classes]
    if missing:
        raise ModelError(f"{second} has no class {missing[0]!r}: expected all classes of the judged weights")
    yield judge_accuracy(trained, per_class), ()
    dreams = dream_all(weights, images)
    yield judge_look(dreams), dreams
    yield judge_motifs(dreams, other or trained, "the second network" if other else "the dreaming network itself"), ()
    if other:
        yield judge_class_dreams(weights, other, list(images.values())), ()
    else:
        yield Evaluation("class dreams", "not dreamed", skipped="needs another network that looks: --second FILE"), ()


def comparison_sheet(dreams: Sequence[DreamedImage]) -> NDArray[np.uint8]:
    """Arrange every image above its dream.

    Args:
        dreams: at least one.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    tiles = [np.vstack([each.source, each.dreamed]) for each in dreams]
    return contact_sheet(tiles, [each.name for each in dreams], min(4, len(dreams)))


def report_sections(evaluation: Evaluation, seconds: float) -> list[ReportSection]:
    """Return the findings as a section, and the single numbers behind them, if any, as another.

    Args:
        evaluation: of one kind.
        seconds: that it took.
    """
    findings = tuple(finding.row() for finding in evaluation.findings)
    name, title = evaluation.name, evaluation.title
    sections = [ReportSection(name, title, findings, seconds, evaluation.skipped)]
    return [*sections, ReportSection(f"{name}, each", title, evaluation.rows)] if evaluation.rows else sections


def missed_aims(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return what is short of its aim, as `kind: what`.

    Args:
        evaluations: of all kinds.
    """
    return [f"{each.name}: {finding.what}" for each in evaluations for finding in each.findings if finding.met is False]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dreamvideo.training.judge", description="Judge trained DreamNet weights against their aims."
    )
    parser.add_argument("images", nargs="*", type=Path, metavar="IMAGE", help="to dream on (default: renders)")
    parser.add_argument("--weights", metavar="FILE", help="weights to judge (default: the embedded ones)")
    parser.add_argument("--second", metavar="FILE", help="weights of another training, which look at the dreams")
    parser.add_argument(
        "--renders-per-class", type=int, default=20, metavar="N", help="renders to recognize (default: %(default)s)"
    )
    parser.add_argument(
        "--untrained", action="store_true", help="judge random weights of the same shape instead, for comparison"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="PNG", help="write each image above its dream")
    parser.add_argument("--json", action="store_true", help="print JSON with every single number instead of tables")
    return parser


def judge_main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments. Default: those of the process.

    Returns:
        The exit code: 0 every aim is met or the weights are untrained, 1 an error was printed, 3 aims are missed,
        130 interrupted.
    """
    args = _parser().parse_args(argv)
    try:
        return _judge(args)
    except DreamVideoError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _judge(args: argparse.Namespace) -> int:
    if args.renders_per_class < 1:
        raise SettingsError(f"--renders-per-class {args.renders_per_class}: expected at least 1")
    if args.output and not args.output.parent.is_dir():
        raise OutputError(f"{args.output}: {args.output.parent} is not a directory")
    images = load_images(args.images)
    evaluations: list[Evaluation] = []
    sections: list[ReportSection] = []
    dreams: list[DreamedImage] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        weights = args.weights
        if args.untrained:
            weights = str(Path(folder, "untrained.safetensors"))
            write_untrained(load_dreamnet(args.weights or DRAWN), Path(weights))
        started_at = time.monotonic()
        for evaluation, new_dreams in judge_weights(weights, args.second, images, args.renders_per_class):
            evaluations.append(evaluation)
            dreams += new_dreams
            tables = report_sections(evaluation, time.monotonic() - started_at)
            started_at = time.monotonic()
            sections += tables
            if not args.json:
                _print_tables(evaluation, tables)
    if args.output:
        write_png(args.output, comparison_sheet(dreams))
    missed = missed_aims(evaluations)
    if args.json:
        about = {
            "weights": args.weights or "embedded",
            "second": args.second,
            "untrained": args.untrained,
            "short": missed,
        }
        print(results_to_json(Report(about, tuple(sections))), end="")
    else:
        print("short of its aim: " + "; ".join(missed) if missed else "every aim that could be measured is met")
    return SHORT if missed and not args.untrained else DONE


def _print_tables(evaluation: Evaluation, tables: Sequence[ReportSection]) -> None:
    # The findings name the weakest classes; a table of all 63 would fill the screen.
    shown = tables if evaluation.rows and "image" in evaluation.rows[0] else tables[:1]
    print("\n".join(results_table(section) for section in shown) + "\n", flush=True)


if __name__ == "__main__":
    sys.exit(judge_main())
