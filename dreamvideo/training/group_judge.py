"""Judges dreams of groups of classes: python -m dreamvideo.training.group_judge IMAGE... [--weights FILE]

Dreams every group on every picture, and measures whether a classifier that taught nothing sees the group in it. Exit
code 0: every aim is met; 3: some are missed; 1: an error.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dreamvideo.errors import DreamVideoError
from dreamvideo.info.results import Report, ReportSection, results_table, results_to_json
from dreamvideo.training.group_dreams import add_dream_options, checked_output, dreams_asked_for
from dreamvideo.training.group_judgement import judge_every, judge_groups, load_judge
from dreamvideo.training.group_sheet import group_sheet
from dreamvideo.training.judge import DONE, FAILED, INTERRUPTED, SHORT, missed_aims, report_sections
from dreamvideo.training.judgement import Evaluation
from dreamvideo.training.render_sheet import write_png


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dreamvideo.training.group_judge",
        description="Judge dreams of groups of ImageNet's classes by a classifier that taught nothing.",
    )
    add_dream_options(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="PNG", help="write all dreams as a sheet")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def group_judge_main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments. Default: those of the process.

    Returns:
        The exit code: 0 every aim is met, 1 an error was printed, 3 aims are missed, 130 interrupted.
    """
    args = _parser().parse_args(argv)
    try:
        return _judge_dreams(args)
    except DreamVideoError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _judge_dreams(args: argparse.Namespace) -> int:
    checked_output(args.output)
    classify = load_judge()
    started_at = time.monotonic()
    dreams = list(dreams_asked_for(args))
    evaluations: list[Evaluation] = []
    sections: list[ReportSection] = []
    for judge in (judge_groups, judge_every):
        evaluation = judge(dreams, classify)
        evaluations.append(evaluation)
        sections += report_sections(evaluation, time.monotonic() - started_at)
        started_at = time.monotonic()
    if args.output:
        write_png(args.output, group_sheet(dreams))
    missed = missed_aims(evaluations)
    if args.json:
        about = {"model": args.model, "weights": args.weights or "embedded", "short": missed}
        print(results_to_json(Report(about, tuple(sections))), end="")
    else:
        print("\n".join(f"{results_table(section)}\n" for section in sections))
        print("short of its aim: " + "; ".join(missed) if missed else "every aim is met")
    return SHORT if missed else DONE


if __name__ == "__main__":
    sys.exit(group_judge_main())
