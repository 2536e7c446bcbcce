"""What README.md says is run: its Python examples, its commands' options, its links."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from clips import make_clip

import dreamvideo
from dreamvideo.cli import build_parser
from dreamvideo.media.video_reader import open_video

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: Any) -> Any:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_the_python_examples_run_and_the_program_by_hand_is_that_of_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "in.mp4", [Fraction(n, 25) for n in range(3)], size=(96, 64))
    outputs, images = [], []
    for example in blocks("python"):
        exec(example, {"__name__": "__main__"})
        outputs.append(capsys.readouterr().out.splitlines())
        if (written := tmp_path / "out.mp4").exists():
            with open_video(written) as source:
                images.append([(frame.time, frame.image.tobytes()) for frame in source.frames])
            written.unlink()
    assert outputs == [[], [], ["(2, 3, 64, 96)", "0 (64, 96, 3)", "1/25 (64, 96, 3)", "2/25 (64, 96, 3)"]]
    one_call, by_hand = images
    assert by_hand == one_call and len(one_call) == 3


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines()])
def test_every_command_parses(line: Any) -> None:
    for command in re.split(r"&&|#.*", line):
        words = command.split()
        if words and words[0].endswith("dreamvideo"):
            build_parser().parse_args(words[1:])


def test_every_option_in_the_text_exists() -> None:
    options = set(re.findall(r"`(--[a-z-]+)", README)) - {"--help"}
    commands: Any = build_parser()._subparsers._group_actions[0].choices
    shown = "".join(commands[name].format_help() for name in ("video", "live", "frames", "info"))
    assert options and not [option for option in options if option not in shown]


def test_links_and_pictures_are_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_first_command_dreams_a_file_that_is_there() -> None:
    first = blocks("sh")[0].split()
    assert (ROOT / first[-1]).is_file()


def test_public_names_are_there_and_others_are_not() -> None:
    for name in dreamvideo.__all__:
        assert getattr(dreamvideo, name) is not None
    with pytest.raises(AttributeError):
        dreamvideo.nonsense  # noqa: B018
