import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
import pytest
from clips import UNEVEN, make_clip, picture, sound_tracks, video_times

from dreamvideo._version import __version__
from dreamvideo.cli import main
from dreamvideo.media import video_file
from dreamvideo.media.atomic_files import create_file
from dreamvideo.media.images import read_image, write_image

STRONG = ["--iterations", "1", "--octaves", "1", "--step-size", "0.05"]
QUICK = [*STRONG, "-q"]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", audio=[("aac", "eng")])


def run(*words: object) -> int:
    return main([str(word) for word in words])


def only_line(capsys: pytest.CaptureFixture[str]) -> Any:
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def fill_disk(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The disk is full when the video of that name is joined."""

    def create(path: Path) -> IO[bytes]:
        if name not in str(path):
            return create_file(path)
        path.symlink_to("/dev/full")  # libav follows it
        return Path(os.devnull).open("wb")

    monkeypatch.setattr(video_file, "create_file", create)


def test_a_video_in_a_dreamed_video_out_with_its_sound(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("video", clip, *STRONG) == 0
    output = clip.with_name("clip_dream.mp4")
    assert video_times(output) == video_times(clip)
    assert sound_tracks(output) == sound_tracks(clip)
    with av.open(str(clip)) as before, av.open(str(output)) as after:
        pairs = zip(before.decode(video=0), after.decode(video=0), strict=True)
        changes = [
            np.abs(a.to_ndarray(format="rgb24").astype(int) - b.to_ndarray(format="rgb24")).mean() for a, b in pairs
        ]
    assert min(changes) > 2
    said = capsys.readouterr()
    assert said.out == ""
    start, end = said.err.strip().splitlines()
    assert "64x48, dreamnet groups" in start and "cpu" in start
    assert "clip_dream.mp4: 12 frames in" in end and "fps" in end


def test_uneven_times_survive(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "uneven.mp4", times=UNEVEN, last=Fraction(1, 2))
    assert run("video", clip, *QUICK) == 0
    assert video_times(tmp_path / "uneven_dream.mp4") == video_times(clip)


def test_a_photo_is_dreamed(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    write_image(picture(0), photo)
    assert run("image", photo, *QUICK) == 0
    assert np.abs(read_image(tmp_path / "photo_dream.png").astype(int) - picture(0)).mean() > 2
    assert run("image", photo, "--iterations", 0, "-q", "-o", tmp_path / "same.png") == 0
    assert np.array_equal(read_image(tmp_path / "same.png"), picture(0))


def test_an_existing_output_is_kept_replaced_or_skipped(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = clip.with_name("clip_dream.mp4")
    output.write_bytes(b"precious")
    assert run("video", clip, *QUICK) == 1
    assert "--overwrite (-y)" in only_line(capsys)
    assert run("video", clip, "-n", *QUICK) == 0
    assert output.read_bytes() == b"precious"
    assert run("video", clip, "-y", *QUICK) == 0
    assert len(video_times(output)[0]) == 12


def test_an_input_is_never_its_own_output(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = clip.read_bytes()
    link = clip.with_name("link.mp4")
    link.symlink_to(clip)
    assert run("video", clip, "-o", link, "-y", *QUICK) == 1
    assert "the input itself" in only_line(capsys)
    assert clip.read_bytes() == before


def test_outputs_that_collide_are_refused_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("a", "b", "out"):
        (tmp_path / folder).mkdir()
    twins = [make_clip(tmp_path / folder / "x.mp4") for folder in "ab"]
    assert run("video", *twins, "-o", tmp_path / "out", *QUICK) == 2
    assert "another input" in only_line(capsys)
    assert run("video", *twins, "-o", tmp_path / "one.mp4", *QUICK) == 2
    assert "expected a folder" in only_line(capsys)
    assert not list((tmp_path / "out").iterdir())


def test_one_bad_input_does_not_stop_the_others(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.mp4").write_text("no video at all")
    assert run("video", tmp_path / "text.mp4", tmp_path / "missing.mp4", clip, *QUICK) == 3
    assert len(capsys.readouterr().err.strip().splitlines()) == 2
    assert clip.with_name("clip_dream.mp4").exists()
    assert not (tmp_path / "text_dream.mp4").exists()
    assert run("video", tmp_path / "text.mp4", tmp_path / "missing.mp4", *QUICK) == 1


def test_what_is_lost_stands_in_the_summary_and_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip(tmp_path / "clip.avi", codec="mjpeg", pixels="yuvj420p")
    raw = bytearray(clip.read_bytes())
    at = [n for n in range(len(raw) - 4) if raw[n : n + 4] == b"00dc"][5] + 8
    raw[at : at + int.from_bytes(raw[at - 4 : at], "little")] = bytes(int.from_bytes(raw[at - 4 : at], "little"))
    clip.write_bytes(bytes(raw))
    assert run("video", clip, "-o", tmp_path / "dream.mp4", "--iterations", 0) == 0
    damaged, summary = capsys.readouterr().err.strip().splitlines()
    assert "is damaged: what can be decoded of it is kept" in damaged
    assert "11 frames" in summary and summary.endswith(", 1 lost")


@pytest.mark.parametrize("name", ["a b [1] 50%d #2.mp4", "Über 東京.MP4", "-o.mp4", "https: no.mp4", "it's.mkv"])
def test_any_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "clip.mp4" if "mkv" not in name else tmp_path / "clip.mkv").rename(tmp_path / name)
    assert run("video", "--iterations", 0, "-q", "--", name) == 0
    stem, _, suffix = name.rpartition(".")
    assert len(video_times(tmp_path / f"{stem}_dream.{suffix}")[0]) == 12
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("width", "height"), [(1, 1), (15, 64), (64, 2)])
def test_a_picture_too_small_for_a_dream_is_refused_with_its_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], width: int, height: int
) -> None:
    clip = make_clip(tmp_path / "tiny.gif", size=(width, height))
    write_image(picture(0, width, height), tmp_path / "tiny.png")
    for words in (["video", clip], ["video", clip, "--preview"], ["image", tmp_path / "tiny.png"]):
        assert run(*words, "-q") == 1
        assert f"is {width}x{height}: expected at least 16 pixels a side" in only_line(capsys)
    assert len(list(tmp_path.iterdir())) == 2
    assert run("video", clip, "--iterations", 0, "-q") == 0
    assert run("info", clip) == 0
    assert "expected at least 16 pixels a side" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_nothing_is_left_where_temporary_files_go(clip: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    words = [sys.executable, "-m", "dreamvideo", "video", str(clip), str(tmp_path / "text.mp4"), *QUICK]
    done = subprocess.run(words, env={**os.environ, "TMPDIR": str(temporary)}, capture_output=True)
    assert done.returncode == 3
    assert not list(temporary.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "clip_dream.mp4", "temporary", "text.mp4"]


@pytest.mark.slow
def test_a_few_frames_of_a_long_video_end_soon(tmp_path: Path) -> None:
    """A decoder of several threads that is left early has been seen to hang, when it was used and at exit."""
    clip = make_clip(tmp_path / "long.mp4", times=[Fraction(n, 25) for n in range(1500)])
    words = ["video", str(clip), "--frames", "5", "-q", "-y", "--iterations", "0", "-o"]
    for attempt in range(3):
        assert run(*words, tmp_path / f"{attempt}.mp4") == 0
        assert len(video_times(tmp_path / f"{attempt}.mp4")[0]) == 5
    command = [sys.executable, "-m", "dreamvideo", *words, str(tmp_path / "last.mp4")]
    subprocess.run(command, check=True, capture_output=True)
    assert len(video_times(tmp_path / "last.mp4")[0]) == 5


@pytest.mark.parametrize("bad", ["missing", "empty", "text", "folder", "sound", "no-index"])
def test_what_cannot_be_dreamed_is_one_line_and_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: str
) -> None:
    path = tmp_path / "x.mp4"
    if bad == "empty":
        path.touch()
    elif bad == "text":
        path.write_text("once upon a time\n" * 100)
    elif bad == "folder":
        path.mkdir()
    elif bad == "no-index":
        whole = make_clip(path).read_bytes()
        path.write_bytes(whole[: whole.index(b"moov") - 4])
    elif bad == "sound":
        with av.open(str(path), "w") as output:
            stream = output.add_stream("aac", rate=48000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate = 48000
            output.mux(stream.encode(frame) + stream.encode(None))
    assert run("video", path, "-q") == 1
    assert str(path) in only_line(capsys)
    assert sorted(p.name for p in tmp_path.iterdir()) == (["x.mp4"] if bad != "missing" else [])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["video", "a.mp4", "--size", "tiny"], 2, "expected WxH or HEIGHT"),
        (["video", "a.mp4", "--octave-scale", "1"], 2, "--octave-scale 1.0: expected more than 1"),
        (["video", "a.mp4", "--flow", "psychic"], 2, "invalid choice"),
        (["video"], 2, "required"),
        (["video", "/nowhere/a.mp4", "-o", "/dev/null/b.mp4"], 1, "is not a folder"),
    ],
)
def test_bad_options_are_usage_errors(
    words: list[Any], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == code
    assert said in only_line(capsys)


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "list looks by name" in capsys.readouterr().err


def test_a_wrong_layer_or_network_suggests_another(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("video", clip, "--layer", "s8x", "-q") == 1
    assert "nearest: s8" in only_line(capsys)
    assert run("video", clip, "--model", "dreamnett", "-q") == 1
    assert "nearest: dreamnet" in only_line(capsys)
    assert not clip.with_name("clip_dream.mp4").exists()


def test_several_files_share_lanes_and_a_full_disk_stops_only_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [make_clip(tmp_path / f"{name}.mp4", audio=[("aac", "eng")]) for name in "abc"]
    (tmp_path / "text.mp4").write_text("no video")
    fill_disk(monkeypatch, "b_dream")
    assert run("video", *clips[:2], tmp_path / "text.mp4", clips[2], "--lanes", "4", *QUICK) == 3
    said = capsys.readouterr().err
    assert "disk is full" in said and "text.mp4" in said
    for name in "ac":
        assert video_times(tmp_path / f"{name}_dream.mp4") == video_times(clips[0])
    assert not (tmp_path / "b_dream.mp4").exists()


def test_an_input_refused_while_another_output_fails_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [make_clip(tmp_path / f"{name}.mp4") for name in "ab"]
    (tmp_path / "text.mp4").write_text("no video")
    fill_disk(monkeypatch, "b_dream")
    assert run("video", *clips, tmp_path / "text.mp4", "--lanes", "4", *QUICK) == 3
    assert capsys.readouterr().err.count("text.mp4") == 1


def test_part_of_a_clip(clip: Path) -> None:
    output = clip.with_name("part.mp4")
    assert run("video", clip, "-o", output, "--start", "0.2", "--frames", "4", "--size", "32", *QUICK) == 0
    times, _ = video_times(output)[:2]
    assert len(times) == 4
    assert times[0] == 0
    with av.open(str(output)) as made:
        assert (made.streams.video[0].width, made.streams.video[0].height) == (42, 32)


def test_version_and_help_are_quick_and_import_no_torch() -> None:
    code = "import sys; from dreamvideo.cli import main; c = main(sys.argv[1:]); print('torch' in sys.modules, c)"
    for words in (["--version"], ["--help"], ["video", "--help"], ["models", "--help"], ["layers", "--help"]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "False 0"
        assert words[0] != "--version" or done.stdout.startswith(f"dreamvideo {__version__}")


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_with_130_and_nothing_under_the_final_name(tmp_path: Path, sign: Any) -> None:
    clip = make_clip(tmp_path / "long.mp4", times=[Fraction(n, 25) for n in range(400)])
    words = [sys.executable, "-m", "dreamvideo", "video", str(clip), "--iterations", "3"]
    work = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    assert "dreamnet" in work.stderr.readline()
    time.sleep(1)
    work.send_signal(sign)
    _, said = work.communicate(timeout=300)
    assert work.returncode == 130, said
    assert "Traceback" not in said
    assert not clip.with_name("long_dream.mp4").exists()
