"""What names, tags and comments of files hold is shown, and never obeyed by the terminal."""

import json
import os
import unicodedata
from pathlib import Path

import av
import pytest
from clips import make_clip, picture
from conftest import run
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.errors import printable
from dreamvideo.media.images import write_image

EVIL = "\x1b]0;owned\x07\x9b2J\u202egpj\r"
NAME = "a" + EVIL + "\n" + os.fsdecode(b"\xff")


def obeyed(text: str) -> list[str]:
    """Characters of a printed text, other than line breaks, that a terminal acts on."""
    return [each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Cs") and each != "\n"]


@given(st.text())
def test_escaped_text_is_shown_and_means_the_same_in_json(text: str) -> None:
    shown = printable(text)
    assert not [each for each in shown if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")]
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


def test_what_people_write_stays() -> None:
    assert printable("Über 東京 \U0001f468\u200d\U0001f469 می\u200cخواهم.mp4") == (
        "Über 東京 \U0001f468\u200d\U0001f469 می\u200cخواهم.mp4"
    )
    assert printable("a\x1b[2J\n\U000e0001") == "a\\u001b[2J\\u000a\\udb40\\udc01"
    assert printable("a\n\x1b", keep="\n") == "a\n\\u001b"


def test_names_of_files_are_shown_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / f"{NAME}.mp4").write_text("no video")
    write_image(picture(0, 64, 48), tmp_path / f"{NAME}.png")
    (tmp_path / f"{NAME}.txt").write_text("skipped")
    (tmp_path / f"{NAME}.toml").write_text("[")
    assert run("video", tmp_path / f"{NAME}.mp4") == 1
    assert run("video", tmp_path, "-o", tmp_path / "x.mp4") == 1
    assert run("image", tmp_path, "--iterations", "0") == 0
    assert run("image", tmp_path / f"{NAME}.png", "--config", tmp_path / f"{NAME}.toml") == 2
    assert run("info", tmp_path / f"{NAME}.png", "--no-time") == 0
    assert run("info", tmp_path / f"{NAME}.png", "--no-time", "--json") == 0
    assert run("video", f"-{NAME}") == 2
    assert run("video", "x.mp4", "--size", NAME) == 2
    printed = capsys.readouterr()
    assert obeyed(printed.out + printed.err) == []
    assert "\\u001b]0;owned\\u0007" in printed.out and "\\u001b]0;owned\\u0007" in printed.err
    assert "Traceback" not in printed.err


def test_tags_of_files_are_shown_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = make_clip(tmp_path / "clip.mkv")
    hostile = json.dumps({"dreamvideo": "1", EVIL: EVIL, "layers": EVIL, "guide": EVIL, "model": f"a:{EVIL}"})
    write_image(picture(0, 64, 48), tmp_path / "old.png", hostile)
    assert run("image", tmp_path / "old.png", "--like", tmp_path / "old.png", "-o", tmp_path / "new.png") == 2
    assert run("info", tmp_path / "old.png", "--no-time") == 0
    assert run("info", clip, "--no-time") == 0
    printed = capsys.readouterr()
    assert obeyed(printed.out + printed.err) == []
    assert printed.err.count("\\u001b]0;owned") >= 4


def test_what_libav_logs_reaches_no_terminal_even_if_another_library_turns_it_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    level = av.logging.get_level()
    (tmp_path / "noise.mp4").write_bytes(b"no video " * 999)
    av.logging.set_level(av.logging.ERROR)
    try:
        assert run("info", tmp_path / "noise.mp4") == 1
    finally:
        av.logging.set_level(level)
    assert not [record for record in caplog.records if record.name.startswith("libav")]
