from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import STEADY, UNEVEN, make_clip, video_times
from conftest import only_line, run
from numpy.typing import NDArray

from dreamvideo.ascent.octaves import dream
from dreamvideo.media import contact_sheet, sample_frames
from dreamvideo.media.images import read_image
from dreamvideo.media.sample_frames import format_time, middle_indices
from dreamvideo.media.video_reader import open_video
from dreamvideo.models.network import load_network
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import ReadSettings
from dreamvideo.settings.parsers import parse_seconds
from dreamvideo.tensors import to_image, to_tensor

QUICK = ["--iterations", "2", "--octaves", "1", "--precision", "fp32", "-q"]
LONG = [Fraction(n, 25) for n in range(90)]


def gray(number: int, width: int = 64, height: int = 48) -> NDArray[Any]:
    return np.full((height, width, 3), 20 + 2 * number, np.uint8)


def seen(path: Path, settings: ReadSettings = ReadSettings(), count: int = 9) -> list[Any]:  # noqa: B008
    return list(sample_frames.sample_frames(path, settings, count).frames)


def numbers(frames: Any) -> list[int]:
    return [round((frame.image.mean() - 20) / 2) for frame in frames]


def test_a_preview_is_nine_frames_from_all_over_the_clip_and_no_video(
    tmp_path: Path, sheets: list[tuple[list[Any], list[Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", LONG)
    assert run("video", clip, "--preview", *QUICK[:-1]) == 0
    ((tiles, labels),) = sheets
    assert labels == ["0:00.2", "0:00.6", "0:01", "0:01.4", "0:01.8", "0:02.2", "0:02.6", "0:03", "0:03.4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "clip_preview.png"]
    assert np.array_equal(read_image(tmp_path / "clip_preview.png"), contact_sheet.contact_sheet(tiles, labels))
    start, end = capsys.readouterr().err.splitlines()
    assert "9 frames of 64x48, dreamnet" in start and "clip_preview.png: 9 dreams in" in end


def test_a_tile_is_the_first_frame_of_a_shot_at_its_time(
    tmp_path: Path, sheets: list[tuple[list[Any], list[Any]]]
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", LONG)
    assert run("video", clip, "--preview", 3, "--size", "36", "-o", tmp_path / "look.jpg", *QUICK) == 0
    network = load_network(ModelSettings(device="cpu", precision="fp32"), ObjectiveSettings())
    for tile, label in zip(*sheets[0], strict=True):
        with open_video(clip, ReadSettings(start=parse_seconds(label), size=(None, 36))) as source:
            image = next(source.frames).image
        dreamed = dream(to_tensor(image, network.device), network.score, replace(network.look, iterations=2, octaves=1))
        assert np.abs(tile.astype(int) - to_image(dreamed)).max() <= 1
        assert np.abs(tile.astype(int) - image).mean() > 1


def test_only_the_part_that_would_be_dreamed_is_shown(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", LONG, image=gray)
    found = seen(clip, ReadSettings(start=Fraction(1), duration=Fraction(2)), 2)
    assert [frame.time for frame in found] == [Fraction(37, 25), Fraction(62, 25)]
    assert numbers(found) == [37, 62]
    assert [frame.time for frame in seen(clip, ReadSettings(frames=10), 1)] == [Fraction(5, 25)]


def test_a_short_clip_gives_all_it_has(tmp_path: Path) -> None:
    assert numbers(seen(make_clip(tmp_path / "a.mp4", STEADY[:4], image=gray))) == [0, 1, 2, 3]
    assert numbers(seen(make_clip(tmp_path / "b.mkv", STEADY[:1], image=gray))) == [0]
    uneven = seen(make_clip(tmp_path / "c.mp4", UNEVEN, Fraction(1, 2), image=gray), count=99)
    assert len(uneven) == len(UNEVEN) and numbers(uneven)[0] == 0


@pytest.mark.parametrize("name", ["a.h264", "a.mkv", "a.webm", "a.gif", "a.avi"])
def test_files_that_say_little_of_themselves_are_seen_from_all_over(tmp_path: Path, name: str) -> None:
    if name == "a.h264":
        path = tmp_path / name
        import av

        with av.open(str(path), "w", format="h264") as output:
            stream = output.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(30):
                output.mux(stream.encode(av.VideoFrame.from_ndarray(gray(number), format="rgb24")))
            output.mux(stream.encode(None))
    else:
        path = make_clip(tmp_path / name, LONG[:30], image=gray)
    found = numbers(seen(path, count=3))
    assert found == [pytest.approx(number, abs=2) for number in (5, 15, 25)]


def test_a_file_that_promises_more_than_it_holds_is_decoded_to_its_end(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", LONG, image=gray, options={"g": "10"})
    clip.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * 0.5)])
    held = len(video_times(clip)[0])
    assert 10 < held < 80
    found = numbers(seen(clip, count=4))
    assert len(found) == 4 and found == sorted(set(found)) and found[-1] < held


def test_warnings_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clip = make_clip(tmp_path / "clip.mkv", LONG, pixels="yuv420p10le", tags={"color_trc": 16})
    seen(clip, count=3)
    assert sum("HDR" in record.message for record in caplog.records) == 1


def test_pixels_are_shown_square(tmp_path: Path, sheets: list[tuple[list[Any], list[Any]]]) -> None:
    clip = make_clip(tmp_path / "clip.mp4", aspect=Fraction(2))
    assert run("video", clip, "--preview", 2, "--iterations", 0, "-q") == 0
    assert [tile.shape for tile in sheets[0][0]] == [(48, 128, 3)] * 2


def test_what_cannot_be_previewed_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    (tmp_path / "text.mp4").write_text("no video\n" * 9)
    (tmp_path / "clip_preview.png").write_bytes(b"precious")
    for words, code, said in (
        ([tmp_path / "text.mp4"], 1, "cannot be opened as a video"),
        ([tmp_path / "none.mp4"], 1, "no such file"),
        ([clip], 1, "--overwrite (-y)"),
        ([clip, "-o", tmp_path / "x.mp4"], 1, "expected a name ending in .png"),
        ([clip, "-y", "--layer", "s8x"], 1, "nearest: s8"),
        ([clip, "-y", "--start", "9"], 1, "expected an earlier --start"),
    ):
        assert run("video", *words, "--preview", *QUICK) == code
        assert said in only_line(capsys)
    assert (tmp_path / "clip_preview.png").read_bytes() == b"precious"
    assert run("video", "--preview", clip) == 2
    assert "expected one such as 9" in capsys.readouterr().err
    assert run("video", clip, "--preview", 0) == 2


def test_the_middles_of_equal_parts() -> None:
    assert middle_indices(90, 9) == [5, 15, 25, 35, 45, 55, 65, 75, 85]
    assert middle_indices(4, 9) == [0, 1, 2, 3] and middle_indices(7, 1) == [3] and middle_indices(1, 1) == [0]


@pytest.mark.parametrize(
    ("time", "text"), [(Fraction(0), "0:00"), (Fraction(251, 2), "2:05.5"), (Fraction(3723001, 1000), "1:02:03.001")]
)
def test_a_time_is_written_as_it_is_read(time: Fraction, text: str) -> None:
    assert format_time(time) == text and parse_seconds(text) == time
