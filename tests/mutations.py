"""Damaged videos, the same for the same seed, and a child process in which commands are run on them.

Run by itself it reads command lines from stdin, one a line as JSON, and answers each with one line of JSON.
"""

import contextlib
import io
import json
import queue
import random
import re
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import av
from clips import make_clip

SAMPLE = Path(__file__).parents[1] / "samples" / "valley.mp4"
HEAD = 1500  # bytes at both ends of a file where its structure is; half of the damage is done there
LIMIT = 300  # seconds after which a command counts as hanging; the slowest takes a few, even on a busy machine


def originals(folder: Path) -> list[Any]:
    """Whole videos of every kind, with sound where it can be."""
    chapters = [{"id": 1, "start": 0, "end": 1, "time_base": 1, "metadata": {"title": "One"}}]
    clips = [
        make_clip(folder / "clip.mp4", audio=[("aac", "eng")], chapters=chapters, metadata={"title": "A title"}),
        make_clip(folder / "clip.mkv", audio=[("pcm_s16le", "eng"), ("aac", "deu")], chapters=chapters),
        make_clip(folder / "clip.avi", audio=[("aac", "eng")]),
        make_clip(folder / "clip.webm", audio=[("opus", "eng")]),
        make_clip(folder / "clip.gif"),
    ]
    return [*clips, SAMPLE]


def flipped(data: Any, dice: random.Random) -> Any:
    for _ in range(dice.choice((1, 3, 10, 100))):
        data[_place(data, dice)] ^= 1 << dice.randrange(8)
    return data


def cut(data: Any, dice: random.Random) -> Any:
    return data[: dice.randrange(len(data))]


def doubled(data: Any, dice: random.Random) -> Any:
    at, size = _chunk(data, dice)
    return data[: at + size] + data[at : at + size] + data[at + size :]


def zeroed(data: Any, dice: random.Random) -> Any:
    at, size = _chunk(data, dice)
    return data[:at] + bytes(size) + data[at + size :]


def swapped(data: Any, dice: random.Random) -> Any:
    (one, size), (other, _) = _chunk(data, dice), _chunk(data, dice)
    first, second = bytes(data[one : one + size]), bytes(data[other : other + size])
    data[one : one + len(second)] = second
    data[other : other + len(first)] = first
    return data


KINDS = (flipped, cut, doubled, zeroed, swapped)


def _place(data: Any, dice: random.Random) -> Any:
    if dice.random() < 0.5:
        return dice.randrange(len(data))
    near = dice.randrange(min(HEAD, len(data)))
    return near if dice.random() < 0.5 else len(data) - 1 - near


def _chunk(data: Any, dice: random.Random) -> tuple[Any, Any]:
    size = dice.choice((1, 4, 16, 200, 5000))
    return _place(data, dice), min(size, len(data))


def mutated(original: Any, number: int) -> bytes:
    """The bytes of `original`, damaged in the way of `number`."""
    dice = random.Random(number)
    return bytes(KINDS[number // 6 % len(KINDS)](bytearray(original.read_bytes()), dice))


class Child:
    """A process that runs commands; one that dies or takes too long is reported and replaced."""

    def __init__(self, log: Any) -> None:
        self._log = log  # what the process writes to its stderr itself, below Python
        self._begin()

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, args=(self._process, self._answers), daemon=True).start()

    @staticmethod
    def _listen(process: Any, answers: Any) -> None:
        for line in process.stdout:
            answers.put(json.loads(line))
        answers.put({"died": process.wait()})

    def run(self, *words: object, limit: float = LIMIT) -> dict[str, Any]:
        """{"code", "out", "err"} of a command, or {"died": exit code} or {"hangs": seconds}; and "seconds"."""
        began = time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps([str(word) for word in words]), file=self._process.stdin, flush=True)
        try:
            answer = self._answers.get(timeout=limit)
        except queue.Empty:
            answer = {"hangs": limit}
        if "code" not in answer:
            self.close()
            self._begin()
        return {**answer, "seconds": time.monotonic() - began}

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def problems(child: Child, path: Path, output: Any) -> tuple[list[Any], Any, Any]:
    """(what is wrong with how `video` and `info` take the file, exit code of `video`, seconds of the slower one)."""
    size = ("--size", "90") if path.stat().st_size > 300_000 else ()
    video = child.run("video", path, "-o", output, "--iterations", "0", *size)
    info = child.run("info", path, "-o", output.with_name("other" + output.suffix), "--no-time")
    found = [*_of_video(video, output), *left_behind(path, output, video), *_of_info(info)]
    return found, video.get("code"), max(video["seconds"], info["seconds"])


def _of_video(video: Any, output: Any) -> list[str] | list[Any]:
    if "code" not in video:
        return [f"video: {video}"]
    lines = video["err"].splitlines()
    if not all(line.startswith(("dreamvideo: ", f"{output}: ")) for line in lines):
        return [f"video says: {video['err']}"]
    if video["code"] == 1:
        return [] if lines and not output.exists() else ["video fails without a word, or with an output"]
    if video["code"] != 0:
        return [f"video ends with {video['code']}"]
    count = int(re.search(r": (\d+) frames in", lines[-1])[1])
    return [] if output.exists() and _frames(output) == count > 0 else [f"the output does not hold {count} frames"]


def _frames(path: Path) -> Any:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(container.streams.best("video")))


def left_behind(path: Path, output: Any, video: Any) -> list[str] | list[Any]:
    """What else there is in the folder of `path` and `output` when all is over."""
    whole = {path.name, output.name} if video.get("code") == 0 else {path.name}
    extra = sorted(each.name for each in output.parent.iterdir() if each.name not in whole)
    return [f"left behind: {extra}"] if extra else []


def _of_info(info: Any) -> list[str] | list[Any]:
    if "code" not in info:
        return [f"info: {info}"]
    lines = info["err"].splitlines()
    if info["code"] == 1:
        right = len(lines) == 1 and lines[0].startswith("dreamvideo: ")
    else:
        right = info["code"] == 0 and not lines and "-> dreamed" in info["out"]
    return [] if right else [f"info ends with {info['code']} and says: {info['err']}"]


def _serve() -> None:
    from dreamvideo.cli import main

    for line in sys.stdin:
        out, err = io.StringIO(), io.StringIO()
        code: int | str
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(json.loads(line))
            except BaseException:  # a bug, reported as one
                code = traceback.format_exc()
        print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}), flush=True)


if __name__ == "__main__":
    _serve()
