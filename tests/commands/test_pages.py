"""What README.md and the pages of docs/ say is run: their commands, their Python examples, their links."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from clips import make_clip, picture
from conftest import run
from sounds import clicks, write_film

import dreamvideo
from dreamvideo.cli import build_parser
from dreamvideo.media.images import write_image
from dreamvideo.media.video_reader import open_video

ROOT = Path(__file__).parents[2]
CARD = ROOT / "dreamvideo" / "models" / "dreamnet" / "README.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "samples" / "README.md", CARD]
WRITTEN_AS_IT_WAS = {"CHANGELOG.md"}  # names options that are gone
RUN_AS_PYTHON = {"README.md", "docs/python.md"}  # the others show parts of programs, see test_other_programs.py for two

# Commands that are parsed only -> what they would need.
NEEDS = {
    "live": "a camera or a display; tests/live runs it",
    "bench": "minutes",
    "doctor": "seconds; test_doctor.py runs it",
    "demo": "seconds; test_doctor.py runs it",
    "studio": "a browser; tests/studio runs it",
    "--cluster": "Ray; tests/jobs/test_cluster.py runs it",
}
# Of other programs; what the pages name of them is not ours to run.
OTHERS = {
    *("pip", "uv", "pipx", "python", "python3", "docker", "ray", "export", "sudo", "git", "twine", "ssh", "make"),
    *(
        ".venv/bin/pip",
        ".venv/bin/pytest",
        ".venv/bin/ruff",
        ".venv/bin/mypy",
        ".venv/bin/mkdocs",
        ".venv/bin/pre-commit",
    ),
    *("OMP_WAIT_POLICY=PASSIVE", ".ci/run", "CUDA_VISIBLE_DEVICES=1,2", "ffmpeg"),
}
# What makes a command quick: the last of an option counts.
QUICKLY = {
    "video": ["-y", "--frames", "3"],
    "image": ["-y"],
    "frames": ["-y"],
    "zoom": ["-y", "--seconds", "6", "--fps", "2"],
    "atlas": ["-y", "--tile", "48"],
}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)


def commands() -> Iterator[tuple[str, str]]:
    """(page, command) of every line to be typed, each command once."""
    seen = set()
    for page in PAGES:
        for line in "".join(blocks(page, "sh")).splitlines():
            for command in re.split(r"&&", re.sub(r"\s#.*", "", line)):
                if command.strip() and command.strip() not in seen:
                    seen.add(command.strip())
                    yield name_of(page), command.strip()


COMMANDS = list(commands())
OURS = [command for _, command in COMMANDS if Path(shlex.split(command)[0]).name == "dreamvideo"]
RUN = [
    command
    for command in OURS
    if not NEEDS.keys() & set(shlex.split(command)[1:])
    and "://" not in command  # needs a server; tests/jobs/test_remote_jobs.py has one
]


def test_what_is_to_be_typed_is_ours_or_of_a_known_program() -> None:
    unknown = [pair for pair in COMMANDS if pair[1] not in OURS and shlex.split(pair[1])[0] not in OTHERS]
    assert not unknown
    assert len(RUN) > 40 and len(OURS) > len(RUN)


@pytest.mark.parametrize("command", OURS)
def test_every_command_parses(command: str) -> None:
    build_parser().parse_args(shlex.split(command)[1:])


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all the files that the pages name."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("season", "extras", "shot", "photos"):
        (folder / name).mkdir()
    times = [Fraction(n) for n in (0, 2, 6, 10, 30, 90, 95, 100)]  # long enough for what is asked for
    folders = ["season/one.mp4", "extras/two.mkv"]
    for film in ["holiday.mp4", "film.mp4", "film.mkv", "a.mov", "b.mkv", "clip.mp4", "new.mp4", *folders]:
        make_clip(folder / film, times)
    make_clip(folder / "matte.mp4", times)
    for image in ("photo.jpg", "shot/1.png", "shot/2.png", "scan_1.png", "scan_2.png", "photos/a.png", "photos/b.png"):
        write_image(picture(0), folder / image)
    write_film(folder / "song.wav", "pcm_s16le", [(0, clicks((0.5, 1.0, 1.5), 2))], video=False)
    (folder / "film.toml").write_text('preset = "0:flowers, 2s:eyes"\nstep-size = "0:0.004, 50%:0.014"\n')
    schedule = ["--step-size", "0:0.004,50%:0.01", "--iterations", "0", "-q"]
    for film, dream in (("holiday", "changing"), ("film", "film_dream"), ("holiday", "holiday_dream")):
        assert run("video", folder / f"{film}.mp4", "-o", folder / f"{dream}.mp4", *schedule) == 0
    return folder


@pytest.fixture
def desk(made_once: Path, tmp_path: Path) -> Path:
    """A copy for each command: some write what others read."""
    return Path(shutil.copytree(made_once, tmp_path / "desk"))


def run_on_page(command: str, quickly: list[str], desk: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.chdir(desk)
    name, *words = shlex.split(command)[1:]
    if "--like" in words and quickly:
        words += ["--step-size", "0.01"]
    return run(name, *words, *QUICKLY.get(name, []), *(quickly if name in QUICKLY else []))


@pytest.mark.parametrize("command", RUN)
def test_every_command_runs(command: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "atlas" in command or "layers" in command:
        pytest.skip("loads networks; see the slow one")
    assert run_on_page(command, ["--iterations", "0"], desk, monkeypatch) == 0


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN)
def test_every_command_dreams(command: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DREAMVIDEO_MODEL")
    assert run_on_page(command, ["--iterations", "1", "--octaves", "1"], desk, monkeypatch) == 0


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_option_in_the_text_exists(page: Path) -> None:
    if page.name in WRITTEN_AS_IT_WAS:
        return
    options = set(re.findall(r"`(--[a-z-]+)", page.read_text(encoding="utf-8"))) - {"--help"}
    assert not options - ALL_OPTIONS, name_of(page)


def all_options() -> set[str]:
    """Of every command, and of what a page names besides."""
    found: set[str] = {
        "--release",
        "--gpus",
        "--truth",
        "--size",
        "--shot",
        "--images",
        "--renders-per-class",
        "--init",
    }
    waiting: list[Any] = [build_parser()]
    while waiting:
        parser = waiting.pop()
        for action in parser._actions:
            found.update(action.option_strings)
            waiting += (action.choices or {}).values() if isinstance(action.choices, dict) else []
    return found


ALL_OPTIONS = all_options()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_are_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", text):
        assert (page.parent / target).exists(), target


def test_the_python_examples_run_and_the_program_by_hand_is_that_of_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "in.mp4", [Fraction(n, 25) for n in range(3)], size=(96, 64))
    outputs, images = [], []
    for example in blocks(ROOT / "docs" / "python.md", "python"):
        exec(example, {"__name__": "__main__"})
        outputs.append(capsys.readouterr().out.splitlines())
        if (written := tmp_path / "out.mp4").exists():
            with open_video(written) as source:
                images.append([(frame.time, frame.image.tobytes()) for frame in source.frames])
            written.unlink()
    assert outputs == [[], [], ["(2, 3, 64, 96)", "0 (64, 96, 3)", "1/25 (64, 96, 3)", "2/25 (64, 96, 3)"]]
    one_call, by_hand = images
    assert by_hand == one_call and len(one_call) == 3
    assert blocks(ROOT / "README.md", "python") == blocks(ROOT / "docs" / "python.md", "python")[:1]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_other_python_examples_are_python(page: Path) -> None:
    for example in blocks(page, "python"):
        compile(example, name_of(page), "exec")


def test_the_reference_has_every_public_name_and_no_other() -> None:
    listed = re.findall(r"^::: dreamvideo\.(\S+)$", (ROOT / "docs" / "reference.md").read_text(), re.M)
    assert sorted(listed) == sorted(f"{module}.{name}" for name, module in dreamvideo._MODULES.items())


def test_every_page_is_in_the_menu_of_the_site() -> None:
    menu = re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert sorted(menu) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


def test_every_preset_is_in_the_gallery() -> None:
    from dreamvideo.settings.presets import PRESETS

    text = (ROOT / "docs" / "looks.md").read_text()
    assert not [name for name in PRESETS if f"<code>{name}</code>" not in text and f"`{name}`" not in text]
