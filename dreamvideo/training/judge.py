"""Judge trained weights by what is asked of them: python -m dreamvideo.training.judge [PICTURE...] [--weights FILE]

Accuracy on pictures that no training has seen, the look of dreams, how many motifs they hold, and whether another
network sees in a dream of a class what was to be dreamed. Exit code 0: every aim is met; 3: some are not; 1: it could
not be judged.
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
from dreamvideo.models.dreamnet.trained import Trained, load_dreamnet
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
    shrink_image,
)
from dreamvideo.training.render import BACKGROUND
from dreamvideo.training.render_sheet import write_png

DONE, FAILED, SHORT, INTERRUPTED = 0, 1, 3, 130

SHORTER_SIDE: Final = 360  # pixels; larger pictures are shrunk, so that a judgement is a matter of minutes
SMALLEST_SIDE: Final = 32  # pixels; of a picture to be judged


def load_images(paths: Sequence[Path]) -> dict[str, Tensor]:
    """Name -> (1, 3, H, W) in [0, 1]: the files, or renders if there are none.

    Raises:
        SourceError: a file is no picture, or too small.
    """
    if not paths:
        names = ("background 1", "background 2", "background 3", "dog", "castle", "tree")
        return dict(zip(names, torch.split(calibration_images(), 1), strict=True))
    found: dict[str, Tensor] = {}
    for path in paths:
        picture = to_tensor(read_image(path), torch.device("cpu"))
        height, width = picture.shape[2:]
        if min(height, width) < SMALLEST_SIDE:
            raise SourceError(f"{path} has {width}x{height} pixels: expected at least {SMALLEST_SIDE} a side")
        name = path.name if path.name not in found else str(path)  # of two folders
        found[name] = shrink_image(picture, SHORTER_SIDE)
    return found


def write_untrained(trained: Trained, path: Path) -> None:
    """Write weights of the same shape that have learned nothing; only their batch normalization fits the renders."""
    pictures, _ = fresh_renders(trained.classes, 2)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        net = DreamNet(len(trained.classes), trainable=True)
    recalibrate(net, [to_images(pictures, SIZE)])
    folded = fold_network(net)
    export(path, folded, trained.classes, channel_rms(folded, pictures), {}, {"recipe": "untrained"})


def judge_weights(
    weights: str | None, second: str | None, pictures: Mapping[str, Tensor], per_class: int
) -> Iterator[tuple[Evaluation, Sequence[DreamedImage]]]:
    """The parts of the judgement, each with the dreams that it made.

    Raises:
        ModelError, WeightsError: weights that cannot be judged, or do not know the same classes.
    """
    trained = load_dreamnet(weights)
    other = load_dreamnet(second) if second else None
    if BACKGROUND not in trained.classes or len(trained.classes) < 2:
        raise ModelError(f"{weights} knows {', '.join(trained.classes)}: expected {BACKGROUND} and other classes")
    missing = [name for name in trained.classes if other and name not in other.classes]
    if missing:
        raise ModelError(f"{second} knows no class {missing[0]!r}: expected all classes of the weights to be judged")
    yield judge_accuracy(trained, per_class), ()
    dreams = dream_all(weights, pictures)
    yield judge_look(dreams), dreams
    yield judge_motifs(dreams, other or trained, "the second network" if other else "the dreaming network itself"), ()
    if other:
        yield judge_class_dreams(weights, other, list(pictures.values())), ()
    else:
        yield (
            Evaluation("class dreams", "not dreamed", skipped="--second FILE, another network that looks, is missing"),
            (),
        )


def comparison_sheet(dreams: Sequence[DreamedImage]) -> NDArray[np.uint8]:
    """Every picture above its dream."""
    tiles = [np.vstack([each.source, each.dreamed]) for each in dreams]
    return contact_sheet(tiles, [each.name for each in dreams], min(4, len(dreams)))


def sections_of(part: Evaluation, seconds: float) -> list[ReportSection]:
    """Its findings as a table, then the numbers behind them as another."""
    findings = tuple(finding.row() for finding in part.findings)
    found = [ReportSection(part.name, part.title, findings, seconds, part.skipped)]
    return [*found, ReportSection(f"{part.name}, each", part.title, part.rows)] if part.rows else found


def missed_aims(parts: Sequence[Evaluation]) -> list[str]:
    """What falls short, as `part: what`."""
    return [f"{part.name}: {finding.what}" for part in parts for finding in part.findings if finding.met is False]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dreamvideo.training.judge", description="Judge trained DreamNet weights by their aims."
    )
    parser.add_argument("pictures", nargs="*", type=Path, metavar="PICTURE", help="to dream on (default: renders)")
    parser.add_argument("--weights", metavar="FILE", help="weights to judge (default: the embedded ones)")
    parser.add_argument("--second", metavar="FILE", help="weights of another training, which look at the dreams")
    parser.add_argument(
        "--pictures-per-class", type=int, default=20, metavar="N", help="renders to recognize (default: %(default)s)"
    )
    parser.add_argument(
        "--untrained", action="store_true", help="judge random weights of the same shape instead, to compare with"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="PNG", help="write each picture above its dream")
    parser.add_argument("--json", action="store_true", help="JSON instead of tables, with every single number")
    return parser


def judge_main(argv: Sequence[str] | None = None) -> int:
    """Judge; 0 every aim met or nothing else expected, 1 it could not be done, 3 aims are missed, 130 interrupted."""
    args = _parser().parse_args(argv)
    try:
        return _judge(args)
    except DreamVideoError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _judge(args: argparse.Namespace) -> int:
    if args.pictures_per_class < 1:
        raise SettingsError(f"--pictures-per-class {args.pictures_per_class}: expected at least 1")
    if args.output and not args.output.parent.is_dir():
        raise OutputError(f"{args.output}: no such folder {args.output.parent}")
    pictures = load_images(args.pictures)
    parts: list[Evaluation] = []
    sections: list[ReportSection] = []
    dreams: list[DreamedImage] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        weights = args.weights
        if args.untrained:
            weights = str(Path(folder, "untrained.safetensors"))
            write_untrained(load_dreamnet(args.weights), Path(weights))
        began = time.monotonic()
        for part, made in judge_weights(weights, args.second, pictures, args.pictures_per_class):
            parts.append(part)
            dreams += made
            tables = sections_of(part, time.monotonic() - began)
            began = time.monotonic()
            sections += tables
            if not args.json:
                _print_tables(part, tables)
    if args.output:
        write_png(args.output, comparison_sheet(dreams))
    short = missed_aims(parts)
    if args.json:
        about = {
            "weights": args.weights or "embedded",
            "second": args.second,
            "untrained": args.untrained,
            "short": short,
        }
        print(results_to_json(Report(about, tuple(sections))), end="")
    else:
        print("short of its aim: " + "; ".join(short) if short else "every aim that could be measured is met")
    return SHORT if short and not args.untrained else DONE


def _print_tables(part: Evaluation, tables: Sequence[ReportSection]) -> None:
    # The findings name what is weakest among the classes; all of them would be a table of a screen's height.
    shown = tables if part.rows and "picture" in part.rows[0] else tables[:1]
    print("\n".join(results_table(section) for section in shown) + "\n", flush=True)


if __name__ == "__main__":
    sys.exit(judge_main())
