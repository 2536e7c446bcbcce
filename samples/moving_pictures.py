"""Makes the moving pictures of the README, each by one call of the program, as animated WebP.

    python samples/moving_pictures.py schedule -o docs/schedule.webp
    python samples/moving_pictures.py music -o docs/music.webp
    python samples/moving_pictures.py zoom -o docs/zoom.webp

The pictures are of the sample clip. WebP has no sound: below the one that follows music its waveform is drawn, with the
beats and a line that shows where the film is.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dreamvideo import open_video, write_image
from dreamvideo.sound.features import analyze_file
from dreamvideo.sound.sound_strip import draw_sound_strip

CLIP = Path(__file__).parent / "valley.mp4"
SIZE = "320x180"
QUALITY = 50  # of WebP: 10 to 15 kB a frame
RATE = 48_000  # Hz, of the music
WAVE_HEIGHT = 96  # pixels of `draw_sound_strip`

Picture = NDArray[np.uint8]


def dream(*arguments: str) -> None:
    """Run the program."""
    subprocess.run([sys.executable, "-m", "dreamvideo", *arguments], check=True)


def frames_of(path: Path) -> list[Picture]:
    """All images of a film."""
    with open_video(path) as source:
        return [frame.image for frame in source.frames]


def schedule(folder: Path) -> tuple[list[Picture], float]:
    """Coats of tigers become dogs, of another network; the frames, and how many of them are shown in a second."""
    film = folder / "film.mkv"
    look = ("--preset", "0:tigers, 0.5s:dogs")
    dream("video", str(CLIP), "-o", str(film), "--duration", "2.2", "--size", SIZE, *look)
    return frames_of(film), 24


def music(folder: Path) -> tuple[list[Picture], float]:
    """The dream follows a drum, whose waveform is drawn below."""
    film, song = folder / "film.mkv", write_drums(folder / "drums.wav", 2.3)
    heard = ("--music", str(song), "--drive", "amount=audio:beats*0.9-0.4,release=0.25s")
    dream("video", str(CLIP), "-o", str(film), "--duration", "2.3", "--size", SIZE, *heard)
    images = frames_of(film)
    strip = draw_sound_strip(analyze_file(song, ["beats"]), images[0].shape[1], end=len(images) / 24)[:WAVE_HEIGHT]
    shown = []
    for number, image in enumerate(images):
        below = strip.copy()
        below[:, number * below.shape[1] // len(images)] = 255
        shown.append(np.concatenate([image, below]))
    return shown, 24


def zoom(folder: Path) -> tuple[list[Picture], float]:
    """An endless zoom into the first frame of the clip, which can be played in a loop."""
    film, photo = folder / "film.mkv", folder / "photo.png"
    write_image(frames_of(CLIP)[0], photo)
    path = ("--seconds", "4", "--fps", "15", "--rate", "1.6/s", "--rotate", "8deg/s", "--center", "0.5,0.45")
    dream("zoom", str(photo), "-o", str(film), "--size", SIZE, "--seamless", *path)
    return frames_of(film), 15


def write_drums(path: Path, seconds: float) -> Path:
    """A drum, twice a second, whose pitch falls."""
    time = np.arange(round(seconds * RATE)) / RATE
    since = (time - 0.25) % 0.5
    drum = np.sin(2 * np.pi * (60 * since + 6 * (1 - np.exp(-20 * since)))) * np.exp(-9 * since) * (time >= 0.25)
    with av.open(str(path), "w") as output:
        track = output.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((28_000 * drum).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        output.mux([*track.encode(frame), *track.encode(None)])
    return path


PICTURES: dict[str, Callable[[Path], tuple[list[Picture], float]]] = {
    "schedule": schedule,
    "music": music,
    "zoom": zoom,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("picture", choices=PICTURES)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images, rate = PICTURES[arguments.picture](Path(folder))
    first, *others = map(Image.fromarray, images)
    duration = round(1000 / rate)
    first.save(
        arguments.output, save_all=True, append_images=others, duration=duration, loop=0, quality=QUALITY, method=6
    )
    print(f"{arguments.output}: {len(images)} frames, {arguments.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
