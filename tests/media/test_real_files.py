"""Real files, read and written without a dream between: what comes out is what went in."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import difference, sound_tracks, video_times

from dreamvideo.errors import SourceError
from dreamvideo.media.images import read_image, write_image
from dreamvideo.media.paths import is_image
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import default_output, write_video
from dreamvideo.settings.job import EncodeSettings, ReadSettings

FOLDER = Path(__file__).parents[3] / "shared" / "media"
FILES = sorted(path for path in FOLDER.glob("**/*") if path.is_file() and path.suffix != ".md")
VIDEOS = [path for path in FILES if not is_image(path)]

REFUSED = {
    "audio-only": "holds sound only",
    "encrypted": "it is encrypted",
    "opens_noframes": "not one frame of it can be decoded",
    "unopenable": "cannot be opened as a video",
}
# What is known of a file beyond what the comparison below finds out by itself.
FRAMES = {"corrupt_midstream": 49, "truncated": 6, "multistream": 390, "gif_odd": 30, "interlaced_sar_ac3": 21}
LOST = {"corrupt_midstream": 2, "truncated": 740}  # of the second, 739 were never there
SIZES = {"rot90_3frames": (320, 568), "multistream": (480, 270), "odd_161x121": (161, 121), "gif_odd": (314, 273)}
# Seconds long each; the others, shorter and smaller, always run.
SLOW = {"movers_plain-ground", "cam_audio-longer", "hdr_hlg", "vfr_noduration", "multistream"}
# Long ones are compared over their first frames only; times and sound are those of the whole file in the others.
LONG = dict.fromkeys(["start1s_editlist", "cam_noaudio", "cuts_real", "sar2x1"], 22)

pytestmark = pytest.mark.skipif(not FILES, reason=f"no real media in {FOLDER}")


def kind(path: Path) -> Any:
    return path.name.partition("--")[0]


@pytest.mark.parametrize("path", [p for p in VIDEOS if kind(p) in REFUSED], ids=kind)
def test_a_file_that_cannot_be_read_is_one_line(path: Any) -> None:
    with pytest.raises(SourceError, match=REFUSED[kind(path)]) as caught, open_video(path, ReadSettings()):
        pass
    assert "\n" not in str(caught.value)


READABLE = [
    pytest.param(p, marks=[pytest.mark.slow] * (kind(p) in SLOW), id=kind(p)) for p in VIDEOS if kind(p) not in REFUSED
]


@pytest.mark.parametrize("path", READABLE)
def test_comes_out_as_it_went_in(path: Any, tmp_path: Path) -> None:
    limit = LONG.get(kind(path))
    output = default_output(path, tmp_path)
    with open_video(path, ReadSettings(frames=limit)) as source:
        count = write_video(source.frames, output, source.info, EncodeSettings())
        info, lost = source.info, source.lost

    before, end = video_times(path)
    before, end = (before[:limit], None) if limit and limit < len(before) else (before, end)
    after, end_after = video_times(output)
    assert count == len(before) == len(after)
    assert count == FRAMES.get(kind(path), count)
    assert lost == LOST.get(kind(path), 0)
    assert (info.width, info.height) == SIZES.get(kind(path), (info.width, info.height))
    tolerance = 0 if output.suffix in (".mp4", ".mov", ".gif") else Fraction(1, 1000)
    begin = info.origin  # of a file none of whose streams begins at 0
    assert max(abs(a - begin - b) for a, b in zip(before, after, strict=True)) <= tolerance
    if end is not None and output.suffix != ".webm":
        assert abs(end - begin - end_after) <= Fraction(1, 1000)

    if limit is None:
        sound, sound_after = sound_tracks(path), sound_tracks(output)
        assert [(about, digest) for about, _, digest in sound_after] == [(about, digest) for about, _, digest in sound]
        for (_, times, _), (_, times_after, _) in zip(sound, sound_after, strict=True):
            assert times_after == pytest.approx([time - 1000 * float(begin) for time in times], abs=1)

    with open_video(path, ReadSettings(frames=limit)) as one, open_video(output, ReadSettings()) as other:
        assert other.info.pixel_aspect == info.pixel_aspect
        assert other.info.color == info.color
        pairs = zip(one.frames, other.frames, strict=True)
        apart = [difference(a.image, b.image) for number, (a, b) in enumerate(pairs) if number % 7 == 0]
    assert max(apart) <= 2.2, f"mean absolute difference of {max(apart):.2f}"


@pytest.mark.parametrize("path", [p for p in FILES if is_image(p)], ids=kind)
def test_images_come_back(path: Any, tmp_path: Path) -> None:
    image = read_image(path)
    assert image.dtype == np.uint8 and image.shape[2] == 3
    write_image(image, default_output(path, tmp_path))
    assert difference(read_image(default_output(path, tmp_path)), image) < 2
