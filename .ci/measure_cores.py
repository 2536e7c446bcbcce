"""Measures how programs on the same cores slow each other, with the spin of GNU's OpenMP and with ours.

    python .ci/measure_cores.py PHOTO [--rounds 10] [--clip samples/valley.mp4]

On a quiet machine, then beside two processes that never rest, then two dreams at once. Before and after take turns;
medians of the rounds in seconds of wall time, and what they are over the quiet time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

WAYS = {"before": {"GOMP_SPINCOUNT": "300000"}, "after": {}}  # GNU's default; what the command sets by itself
CHOSEN_BY_USERS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "KMP_BLOCKTIME")


@contextmanager
def busy(count: int) -> Iterator[None]:
    """`count` processes beside, each of which keeps a core busy."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def seconds(words: Sequence[str], way: str, folder: Path, at_once: int = 1) -> float:
    """Wall time until all of `at_once` dreams have ended, over none of what else runs."""
    environment = {name: value for name, value in os.environ.items() if name not in CHOSEN_BY_USERS} | WAYS[way]
    start = time.perf_counter()
    dreams = [
        subprocess.Popen(
            [sys.executable, "-m", "dreamvideo", *words, "-y", "-q", "-o", str(folder / f"{n}{Path(words[1]).suffix}")],
            env=environment,
        )
        for n in range(at_once)
    ]
    if any(dream.wait() for dream in dreams):
        raise SystemExit("a dream failed")
    return time.perf_counter() - start


def main() -> None:
    """Measure, and print a line for each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("photo")
    parser.add_argument("--clip", default="samples/valley.mp4")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    for words in (["image", options.photo], ["video", options.clip]):
        quiet: dict[str, float] = {}
        for case, others, at_once in (("quiet", 0, 1), ("beside two busy processes", 2, 1), ("two at once", 0, 2)):
            times: dict[str, list[float]] = {way: [] for way in WAYS}
            with tempfile.TemporaryDirectory() as folder, busy(others):
                for _ in range(options.rounds):
                    for way in WAYS:
                        times[way].append(seconds(words, way, Path(folder), at_once))
            medians = {way: statistics.median(values) for way, values in times.items()}
            quiet = quiet or medians
            shown = ", ".join(f"{way} {each:.2f} s ({each / quiet[way]:.2f})" for way, each in medians.items())
            print(
                f"{words[0]}, {case}: {shown}; after over before {medians['after'] / medians['before']:.3f}", flush=True
            )


if __name__ == "__main__":
    main()
