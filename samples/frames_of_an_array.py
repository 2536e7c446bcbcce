"""Dreams frames that come from an array, here ripples on water, and writes them as a video.

python samples/frames_of_an_array.py ripples.mp4
"""

import sys
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dreamvideo import CarrySettings, Frame, StreamInfo, dream_video, load_network, write_video


def ripples(count: int, height: int, width: int) -> NDArray[np.uint8]:
    """(N, H, W, 3) uint8 RGB: waves that two drops make."""
    y, x = np.mgrid[0:height, 0:width]
    time = np.arange(count)[:, None, None]
    waves = sum(np.sin(np.hypot(x - cx * width, y - cy * height) / 5 - time / 3) for cx, cy in ((0.3, 0.4), (0.8, 0.7)))
    colors: NDArray[np.float64] = np.stack([90 + 20 * waves, 120 + 35 * waves, 150 + 45 * waves], -1)
    result: NDArray[np.uint8] = np.rint(colors).astype(np.uint8)
    return result


def main(output: str, count: int = 48, height: int = 240, width: int = 320) -> None:
    """Dream `count` frames and write them at 24 frames a second."""
    network = load_network()
    frames = (Frame(image, Fraction(n, 24)) for n, image in enumerate(ripples(count, height, width)))
    dreamed = dream_video(frames, network, network.look, CarrySettings())
    info = StreamInfo(width, height, frame_rate=Fraction(24), time_base=Fraction(1, 24))
    write_video(dreamed, output, info, overwrite=True)


if __name__ == "__main__":
    main(sys.argv[1])
