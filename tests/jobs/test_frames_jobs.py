"""Folders of pictures, dreamed end to end."""

import errno
import hashlib
import logging
import signal
import subprocess
import sys
import time
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import make_clip, video_times
from conftest import only_line, parsed, run, textured
from numpy.typing import NDArray
from test_resume import Killed, killed_after

from dreamvideo.commands.options import FRAMES_SETTINGS
from dreamvideo.errors import OutputError, SettingsError
from dreamvideo.jobs.image_output import publish_images
from dreamvideo.media import images, segments
from dreamvideo.media.atomic_files import write_atomically
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.image_sequence import open_sequence
from dreamvideo.media.images import read_image, write_image
from dreamvideo.media.metadata import settings_in_file
from dreamvideo.media.paths import WRITTEN_SUFFIXES
from dreamvideo.media.segment_content import hash_images, hash_packets, write_segment
from dreamvideo.media.segment_records import Segment, finished_segments
from dreamvideo.settings.dream import DreamSettings, ModelSettings
from dreamvideo.settings.job import ReadSettings, SequenceSettings
from dreamvideo.settings.option import option_choices
from dreamvideo.settings.parsers import parse_rate

pytestmark = pytest.mark.usefixtures("networks_loaded_once")

STRONG = ["--iterations", "2", "--octaves", "1", "--step-size", "0.03", "--threads", "1"]
QUICK = [*STRONG, "-q"]
THROUGH = ["--iterations", "0", "-q"]


def pan(number: int, height: int = 48, width: int = 64) -> NDArray[Any]:
    """Two places: a cut at 11."""
    return np.ascontiguousarray(textured(height, width + 60, number >= 11)[:, number : number + width])


def shots(folder: Path, numbers: Any = range(1, 17), name: str = "shot{}.png") -> Path:
    folder.mkdir()
    for number in numbers:
        write_image(pan(number), folder / name.format(number))
    return folder


def store(path: Path, image: Any) -> Path:
    """`image` in the order of channels that OpenCV has, as it is."""
    assert cv2.imwrite(str(path), image)
    return path


def stored(path: Path) -> Any:
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)


def contents(folder: Path) -> dict[Any, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def digest(path: Path) -> tuple[list[Any], tuple[list[Fraction], Fraction]]:
    """Hashes of all pictures, and all times."""
    with av.open(str(path)) as film:
        frames = [hashlib.md5(frame.to_ndarray(format="rgb24").tobytes()).digest() for frame in film.decode(video=0)]
    return frames, video_times(path)


def dimensions(path: Path) -> list[tuple[Any, Any]]:
    with av.open(str(path)) as film:
        return [(frame.width, frame.height) for frame in film.decode(video=0)]


def test_names_and_gaps_in_their_numbers_are_kept_and_their_order_is_that_of_the_numbers(tmp_path: Path) -> None:
    folder = shots(tmp_path / "in", (2, 10, 7, 1))
    assert run("frames", folder, *QUICK) == 0
    assert sorted(contents(tmp_path / "in_dream")) == ["shot1.png", "shot10.png", "shot2.png", "shot7.png"]
    assert run("frames", *folder.iterdir(), "-o", tmp_path / "film.mkv", "--codec", "ffv1", "--fps", 10, *THROUGH) == 0
    with av.open(str(tmp_path / "film.mkv")) as film:
        made = [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video=0)]
    nearest = [min((1, 2, 7, 10), key=lambda number: np.abs(image - pan(number)).mean()) for image in made]
    assert nearest == [1, 2, 7, 10]
    assert video_times(tmp_path / "film.mkv") == ([Fraction(n, 10) for n in range(4)], Fraction(4, 10))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bits_stay_16_and_what_the_dream_changes_is_added_to_them(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in").mkdir()
    deep = textured(48, 64).astype(np.uint16) * 257
    deep += np.random.default_rng(0).integers(-100, 100, deep.shape).astype(np.uint16)
    store(tmp_path / "in" / f"a{suffix}", deep)
    assert run("frames", tmp_path / "in", "-o", tmp_path / "same", *THROUGH) == 0
    assert np.array_equal(stored(tmp_path / "same" / f"a{suffix}"), deep)
    assert run("frames", tmp_path / "in", *QUICK) == 0
    dreamed = stored(tmp_path / "in_dream" / f"a{suffix}")
    change = dreamed.astype(int) - deep
    inside = (dreamed > 0) & (dreamed < 65535)
    assert dreamed.dtype == np.uint16 and inside.mean() > 0.9
    assert (change[inside] % 257 == 0).all() and np.abs(change).mean() > 257
    assert run("frames", tmp_path / "in", "--format", "jpg", *QUICK) == 0
    assert stored(tmp_path / "in_dream" / "a.jpg").dtype == np.uint8


def test_gray_becomes_color_unless_colors_are_kept(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    store(tmp_path / "in" / "a.png", textured(48, 64)[..., 0])
    assert run("frames", tmp_path / "in", *QUICK) == 0
    assert stored(tmp_path / "in_dream" / "a.png").shape == (48, 64, 3)
    assert run("frames", tmp_path / "in", "-y", "--keep-colors", *QUICK) == 0
    gray = stored(tmp_path / "in_dream" / "a.png")
    assert gray.shape == (48, 64)
    assert np.abs(gray.astype(int) - textured(48, 64)[..., 0]).mean() > 2


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha_is_kept_where_it_can_be_and_else_laid_on_white(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    (tmp_path / "in").mkdir()
    image = np.dstack([textured(48, 64), np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8)])
    store(tmp_path / "in" / f"a{suffix}", image)
    store(tmp_path / "in" / f"b{suffix}", image)
    assert run("frames", tmp_path / "in", *QUICK) == 0
    made = stored(tmp_path / "in_dream" / f"a{suffix}")
    assert np.array_equal(made[..., 3], image[..., 3])
    seen = image[..., 3] > 0  # WebP drops colors that nobody sees
    assert np.abs(made[..., :3].astype(int) - image[..., :3])[seen].mean() > 2
    capsys.readouterr()
    assert run("frames", tmp_path / "in", "--format", "jpg", "-o", tmp_path / "white", *THROUGH[:-1]) == 0
    assert capsys.readouterr().err.count("transparent in places") == 1
    assert stored(tmp_path / "white" / "a.jpg")[0, :8].min() > 235


def test_sizes_may_differ_each_keeps_its_own_but_a_video_has_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shots(tmp_path / "in", (1, 2))
    write_image(pan(3, 40, 50), folder / "shot3.png")
    assert run("frames", folder, *STRONG) == 0
    assert "shot3.png is 50x40, others 64x48: a new size begins a new shot" in capsys.readouterr().err
    assert [read_image(tmp_path / "in_dream" / f"shot{n}.png").shape[:2] for n in (1, 2, 3)] == [(48, 64)] * 2 + [
        (40, 50)
    ]
    assert run("frames", folder, "-o", tmp_path / "film.mp4", *STRONG) == 0
    assert "resized to 64x48" in capsys.readouterr().err
    assert dimensions(tmp_path / "film.mp4") == [(64, 48)] * 3
    assert run("frames", folder, "-o", tmp_path / "small", "--size", "24", *THROUGH) == 0
    assert [read_image(tmp_path / "small" / f"shot{n}.png").shape[:2] for n in (1, 3)] == [(24, 32), (24, 30)]


def test_foreign_files_are_passed_over_and_broken_ones_told_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shots(tmp_path / "in", range(1, 5))
    (folder / "readme.txt").write_text("hello")
    (folder / "shot2.png").write_bytes(b"no picture")
    assert run("frames", folder, *STRONG) == 3
    said = capsys.readouterr().err
    assert "skipped, not pictures" in said and "readme.txt" in said
    assert "shot2.png cannot be read as an image" in said and "3 frames" in said and "1 lost" in said
    assert sorted(contents(tmp_path / "in_dream")) == ["shot1.png", "shot3.png", "shot4.png"]
    for path in folder.glob("shot*"):
        path.write_bytes(b"no picture")
    assert run("frames", folder, "-o", tmp_path / "none", "-q") == 1
    assert "not one of 4 images can be read" in capsys.readouterr().err
    assert not (tmp_path / "none").exists() and not checkpoint_folder(tmp_path / "none").exists()


def test_independent_pictures_are_dreamed_as_the_image_command_does(tmp_path: Path) -> None:
    folder = shots(tmp_path / "in", range(1, 4))
    write_image(pan(4, 40, 50), folder / "shot4.png")
    assert run("frames", folder, "--independent", "--lanes", 4, *QUICK) == 0
    (tmp_path / "alone").mkdir()
    assert run("image", folder, "-o", tmp_path / "alone", *QUICK) == 0
    for number in range(1, 5):
        made, alone = (
            read_image(path).astype(int)
            for path in (tmp_path / f"in_dream/shot{number}.png", tmp_path / f"alone/shot{number}_dream.png")
        )
        assert np.abs(made - alone).max() <= 1
    assert run("frames", folder, "--sequence", "-y", *QUICK) == 0
    carried = read_image(tmp_path / "in_dream" / "shot2.png").astype(int)
    assert np.abs(carried - read_image(tmp_path / "alone" / "shot2_dream.png")).max() > 1
    assert settings_in_file(tmp_path / "in_dream" / "shot2.png")["iterations"] == 2


def test_a_video_becomes_numbered_pictures_and_a_video_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = make_clip(tmp_path / "film.mp4")
    assert run("frames", film, "-o", tmp_path / "out", *THROUGH) == 0
    assert sorted(contents(tmp_path / "out")) == [f"frame_{n:06}.png" for n in range(1, 13)]
    assert run("frames", film, "-o", tmp_path / "out", *THROUGH) == 1
    assert "frame_0000" in only_line(capsys)
    assert run("frames", tmp_path / "out", "-o", tmp_path / "again.mp4", "--fps", "29.97", *THROUGH) == 0
    assert video_times(tmp_path / "again.mp4")[0] == [Fraction(1001 * n, 30_000) for n in range(12)]
    assert run("frames", film, "-o", tmp_path / "again.mp4", "-y", *THROUGH) == 2
    assert "dreamvideo video" in only_line(capsys)


def test_what_is_there_is_kept_replaced_or_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, output = shots(tmp_path / "in", range(1, 5)), tmp_path / "in_dream"
    output.mkdir()
    (output / "shot2.png").write_bytes(b"precious")
    assert run("frames", folder, *QUICK) == 1
    assert "already holds shot2.png" in only_line(capsys)
    assert run("frames", folder, "-n", *QUICK) == 0
    assert contents(output)["shot2.png"] == b"precious" and len(contents(output)) == 4
    assert run("frames", folder, "-n", *QUICK) == 0  # nothing is left to be done
    assert run("frames", folder, "--resume", *QUICK) == 0
    assert contents(output)["shot2.png"] == b"precious"
    assert run("frames", folder, "-y", *QUICK) == 0
    assert contents(output)["shot2.png"] != b"precious"
    assert run("frames", folder, "-n", "--resume", *QUICK) == 2


def test_inputs_are_never_outputs_and_two_never_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, other = shots(tmp_path / "in", (1, 2)), shots(tmp_path / "other", (2, 3))
    before = contents(folder)
    (tmp_path / "link").symlink_to(folder)
    for output in (folder, tmp_path / "link"):
        assert run("frames", folder, "-o", output, "-y", *QUICK) == 1
        assert "input itself" in only_line(capsys)
    assert contents(folder) == before
    assert run("frames", folder, other, "-o", tmp_path / "out", *QUICK) == 2
    assert "would both be written" in only_line(capsys)
    for words, said in (
        (["-o", folder / "shot1.png" / "b"], "is not a folder"),
        (["-o", tmp_path / "one.png"], "is an image: expected a folder"),
        (["-o", tmp_path / "one.wmv"], "unknown kind of video"),
        (["-o", folder / "shot1.png", "-y"], "is an image: expected a folder"),
        (["-o", tmp_path / "x.mp4", "--format", "png"], "expected a folder"),
        (["--start", "1:00"], "end before"),
    ):
        assert run("frames", folder, *words, *QUICK) in (1, 2)
        assert said in only_line(capsys)
    assert not (tmp_path / "out").exists()


def test_a_part_is_chosen_by_time_and_number_and_masks_go_with_their_pictures(tmp_path: Path) -> None:
    folder, masks = shots(tmp_path / "in", range(1, 9)), tmp_path / "masks"
    masks.mkdir()
    for number in range(1, 9):
        write_image(np.full((48, 64, 3), 255 * (number % 2), np.uint8), masks / f"m{number}.png")
    (folder / "shot2.png").write_bytes(b"no picture")
    assert run("frames", folder, "--mask", masks, "-o", tmp_path / "masked", *QUICK) == 3
    for number in (1, 3, 4, 5, 6, 7, 8):
        change = np.abs(read_image(tmp_path / "masked" / f"shot{number}.png").astype(int) - pan(number)).mean()
        assert (change > 1) == (number % 2 == 1), number
    assert run("frames", folder, "--start", "0.2", "--fps", 10, "--frames", 3, "-o", tmp_path / "part", *QUICK) == 0
    assert sorted(contents(tmp_path / "part")) == ["shot3.png", "shot4.png", "shot5.png"]


@pytest.mark.parametrize("name", ["a [1] b{}.png", "100%d #{}.PNG", "-x{}.png", "夢{}.png"])
def test_names_may_have_anything_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = shots(tmp_path / "in [ab] %d", (1, 2), name)
    monkeypatch.chdir(folder)
    assert run("frames", "-o", "../out", *QUICK, "--", *[name.format(n) for n in (1, 2)]) == 0
    assert set(contents(tmp_path / "out")) == {name.format(n) for n in (1, 2)}
    assert run("frames", folder, *QUICK) == 0
    assert run("frames", "../in [ab] %d/*", "-o", ".", *QUICK) == 1  # they are the inputs themselves
    assert run("frames", "../in [ab] %d/*", "-o", "../pattern", *QUICK) == 0
    assert contents(tmp_path / "pattern") == contents(tmp_path / "in [ab] %d_dream") == contents(tmp_path / "out")


def test_every_field_is_an_option_and_an_unset_option_is_the_default() -> None:
    for words, independent in (([], False), (["--independent"], True), (["--independent", "--sequence"], False)):
        line = parsed("frames", "folder", *words)
        assert line.settings(SequenceSettings) == SequenceSettings(independent=independent)
    with pytest.raises(SystemExit):
        parsed("frames", "folder", "--format", "gif")
    choices = option_choices(SequenceSettings)["format"]
    assert {f".{choice}" for choice in choices} == set(WRITTEN_SUFFIXES)
    line = parsed("frames", "folder")
    for kind in FRAMES_SETTINGS:
        if kind not in (ModelSettings, DreamSettings):  # these depend on the network, see test_settings
            assert line.settings(kind) == kind()


def test_a_file_of_settings_knows_those_of_pictures(tmp_path: Path) -> None:
    folder = shots(tmp_path / "in", (1, 2))
    (tmp_path / "look.toml").write_text('fps = "30000/1001"\niterations = 0\nformat = "bmp"\n')
    assert run("frames", folder, "--config", tmp_path / "look.toml", "-q") == 0
    assert sorted(contents(tmp_path / "in_dream")) == ["shot1.bmp", "shot2.bmp"]


def test_rates_are_exact() -> None:
    for text, rate in (
        ("25", Fraction(25)),
        ("29.97", Fraction(30_000, 1001)),
        ("23.976", Fraction(24_000, 1001)),
        ("23.98", Fraction(24_000, 1001)),
        ("59.94", Fraction(60_000, 1001)),
        ("30000/1001", Fraction(30_000, 1001)),
        ("12.5", Fraction(25, 2)),
        ("30.0", Fraction(30)),
    ):
        assert parse_rate(text) == rate
    for text in ("0", "-1", "1/0", "fast", "1e3", "", "5000"):
        with pytest.raises(SettingsError, match="expected frames per second"):
            parse_rate(text)


def test_pictures_are_read_as_they_are_needed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)  # records of chunks, which pytest keeps, would be counted

    def peak(count: int) -> Any:
        tracemalloc.start()
        with open_sequence(pictures[:count], ReadSettings(), SequenceSettings(), to_video=False) as source:
            assert sum(1 for _ in source.frames) == count
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    pictures = tuple(tmp_path / f"{number}.png" for number in range(300))
    write_image(pan(1), pictures[0])
    for path in pictures[1:]:
        path.hardlink_to(pictures[0])
    peak(10)
    assert peak(300) < peak(50) + 200_000  # a picture is 9,216 bytes


def test_hundreds_of_pictures_go_through(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(300):
        write_image(np.full((16, 16, 3), number % 256, np.uint8), folder / f"{number}.png")
    assert run("frames", folder, *THROUGH) == 0
    assert len(contents(tmp_path / "in_dream")) == 300
    assert all(read_image(tmp_path / "in_dream" / f"{n}.png")[0, 0, 0] == n % 256 for n in (0, 255, 257, 299))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "in_dream"]


# Going on.


@pytest.fixture
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MAX_FRAMES", 6)
    monkeypatch.setattr(segments, "GRID", Fraction(3, 25))
    monkeypatch.setattr(segments, "INDEPENDENT_FRAMES", 4)


@pytest.mark.parametrize("after", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("words", [["--lanes", "3"], ["--independent"], ["--format", "tif"], ["-o", "x.mkv"]])
def test_a_job_that_died_goes_on_and_makes_the_same_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_pieces: None, after: int, words: list[Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = shots(tmp_path / "in")
    (folder / "shot4.png").write_bytes(b"no picture")
    words = [*QUICK, *words]
    (tmp_path / "whole").mkdir()
    output = tmp_path / "x.mkv" if "x.mkv" in words else tmp_path / "in_dream"
    assert run("frames", folder, *words) == 3
    whole = output.rename(tmp_path / "whole" / output.name)
    heal = killed_after(monkeypatch, after)
    with pytest.raises(Killed):
        run("frames", folder, *words)
    heal()
    assert len(finished_segments(checkpoint_folder(output))) == after
    assert run("frames", folder, *words) == 1  # not unasked
    assert run("frames", folder, *words, "--seed", 1, "--resume") == 1
    assert run("frames", folder, *words, "--resume") == 3  # shot4 is still lost
    assert not checkpoint_folder(output).exists()
    if output.suffix:
        assert digest(output) == digest(whole)
    else:
        assert contents(output) == contents(whole) and len(contents(whole)) == 15


@pytest.mark.slow
def test_an_interruption_leaves_finished_pictures_and_says_how_to_go_on(tmp_path: Path, short_pieces: None) -> None:
    folder, output = shots(tmp_path / "in", range(1, 25)), tmp_path / "out"
    driver = (
        "import sys; from fractions import Fraction; from dreamvideo.media import segments; "
        "segments.MAX_FRAMES, segments.GRID = 6, Fraction(3, 25); "
        "from dreamvideo.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [*map(str, ("frames", folder, "-o", output)), "--iterations", "3", "--octaves", "1", "--lanes", "1"]
    child = subprocess.Popen([sys.executable, "-c", driver, *words], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while len(list(output.glob("*.png"))) < 8:
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=300)
    assert child.returncode == 130 and "--resume" in said and "Traceback" not in said
    done = contents(output)
    assert 8 <= len(done) < 24 and all(name.endswith(".png") for name in done)
    assert run(*words, "--resume", "-q") == 0
    assert contents(output).items() >= done.items() and len(contents(output)) == 24
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_a_full_disk_is_one_line_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], short_pieces: None
) -> None:
    folder, output = shots(tmp_path / "in"), tmp_path / "in_dream"
    plain = write_atomically

    def full(path: Path, *rest: Any) -> None:
        if path.name == "shot8.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(images, "write_atomically", full)
        assert run("frames", folder, *QUICK) == 1
    assert "disk is full" in only_line(capsys)
    assert len(contents(output)) >= 6 and "shot8.png" not in contents(output)
    assert run("frames", folder, "--resume", *QUICK) == 0
    assert len(contents(output)) == 16


def test_a_segment_from_a_worker_writes_into_its_folder_only(tmp_path: Path) -> None:
    def write(files: dict[str, bytes], are_images: bool) -> None:
        content = hash_images(files) if are_images else hash_packets(files)
        write_segment(tmp_path, Segment(0, 0, 1, 0, Fraction(0), Fraction(0), Fraction(1), content), files, are_images)

    (tmp_path / "out").mkdir()
    for are_images in (True, False):
        good = "good.png" if are_images else "000000.packets"
        for name in ("../evil.png", "/evil.png", "..", "sub/evil.png"):
            with pytest.raises(OutputError, match="not the name of a file of segment 0"):
                write({good: b"1", name: b"2"}, are_images)
    with pytest.raises(OutputError, match="not the name of a file of segment 0"):
        write({"000001.packets": b"2"}, False)
    segment = Segment(0, 0, 1, 1, Fraction(0), Fraction(0), Fraction(1), hash_packets({"000000.packets": b"1"}))
    with pytest.raises(OutputError, match="changed on its way"):
        write_segment(tmp_path, segment, {"000000.packets": b"2"}, images=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    write({"good.png": b"1"}, True)
    assert publish_images(tmp_path / "000000.images", tmp_path / "out", overwrite=False) == 1
    assert contents(tmp_path / "out") == {"good.png": b"1"}
    write({"evil.sh": b"2"}, True)
    with pytest.raises(OutputError, match="not the name of an image"):
        publish_images(tmp_path / "000000.images", tmp_path / "out", overwrite=True)
    assert contents(tmp_path / "out") == {"good.png": b"1"}


# Several inputs of other commands.


def test_of_several_inputs_a_table_tells_how_each_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        make_clip(tmp_path / f"{name}.mp4")
    (tmp_path / "bad.mp4").write_text("no video")
    (tmp_path / "notes.txt").write_text("hello")
    assert run("video", tmp_path, *STRONG) == 3
    said = capsys.readouterr().err.splitlines()
    assert any("skipped, not videos" in line and "notes.txt" in line for line in said)
    head, *rows, count = said[-5:]
    assert count == "3 inputs: 2 done, 1 failed"
    assert head.split() == ["input", "frames", "fps", "lost", "result"]
    result = head.index("result")
    assert all(row[result - 1] == " " and row[result] in "/f" for row in rows)
    assert sum("_dream.mp4" in row and " 12 " in row for row in rows) == 2
    assert sum("bad.mp4" in row and "failed" in row for row in rows) == 1
    assert run("video", tmp_path, "-n", *STRONG) == 1  # the dreams are no inputs; bad is still bad
    assert not (tmp_path / "a_dream_dream.mp4").exists()
    capsys.readouterr()
    assert run("video", tmp_path / "*.mp4", "-y", *QUICK) == 3
    assert "frames" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["video", "image", "frames", "atlas"])
def test_an_empty_folder_or_a_pattern_without_files_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    for word in (tmp_path, tmp_path / "*.x"):
        assert run(command, word) == 1
        assert str(word) in only_line(capsys)
