"""What is a picture: neither plain frames nor slides with a date nor noise; dark, foggy and letterboxed scenes are."""

from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import pytest
from conftest import textured
from numpy.typing import NDArray

from dreamvideo.motion.cuts import cut_detector, frame_comparer
from dreamvideo.motion.picture import contrast_of, presence

SCENE = textured(120, 214)


def plain(level: int) -> NDArray[np.uint8]:
    return np.full((120, 214, 3), level, np.uint8)


def slide() -> Any:
    return cv2.putText(plain(255), "2024", (10, 110), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (0, 0, 0))


def letterboxed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    boxed = image.copy()
    boxed[:17] = boxed[-17:] = 0
    return boxed


def night(count: int, deviation: float = 12, codec: str | None = None) -> list[NDArray[np.uint8]]:
    """Noise on black, as a camera in the dark has it: of pixels, and of color at half the size."""
    random, images = np.random.default_rng(0), []
    for _ in range(count):
        color = cv2.resize(random.normal(0, 2 * deviation, (60, 107, 3)), (214, 120), interpolation=cv2.INTER_NEAREST)
        noise = random.normal(0, deviation, (120, 214, 3)) + color - color.mean(2, keepdims=True)
        images.append(np.clip(noise, 0, 255).astype(np.uint8))
    return images if codec is None else coded(images, codec)


def coded(images: list[NDArray[np.uint8]], codec: str) -> list[NDArray[np.uint8]]:
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width = images[0].shape[:2]
    encoder.pix_fmt, encoder.time_base = ("yuvj420p" if codec == "mjpeg" else "yuv420p"), Fraction(1, 25)
    packets = [p for image in images for p in encoder.encode(av.VideoFrame.from_ndarray(image, format="rgb24"))]
    packets += encoder.encode(None)
    decoder: Any = av.CodecContext.create("mjpeg" if codec == "mjpeg" else "h264", "r")
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    assert len(frames) == len(images)
    return [frame.to_ndarray(format="rgb24") for frame in frames]


@pytest.mark.parametrize("image", [plain(0), plain(128), plain(255), slide(), letterboxed(plain(255)), *night(1)])
def test_a_plain_frame_a_slide_with_a_date_and_noise_are_no_picture(image: NDArray[np.uint8]) -> None:
    assert presence(contrast_of(image)) == 0


@pytest.mark.parametrize("image", [SCENE, SCENE // 6, 200 + SCENE // 6, letterboxed(SCENE)])
def test_a_scene_is_one_dark_in_fog_or_letterboxed(image: NDArray[np.uint8]) -> None:
    assert presence(contrast_of(image.astype(np.uint8))) > 0.5


def test_the_picture_comes_with_its_contrast() -> None:
    shares = [presence(contrast_of((SCENE * (k / 50)).astype(np.uint8))) for k in range(0, 20, 2)]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert any(0 < share < 1 for share in shares)


@pytest.mark.parametrize("codec", [None, "libx264", "mjpeg"])
def test_noise_on_black_has_no_cuts(codec: str | None) -> None:
    images, is_cut = night(12, codec=codec), cut_detector()
    assert not any(is_cut(now, before) for now, before in zip(images[1:], images[:-1], strict=True))
    assert all(presence(contrast_of(image)) == 0 for image in images)


@pytest.mark.parametrize("before", [plain(0), plain(128), plain(255), slide(), *night(1)])
def test_a_scene_after_a_plain_frame_is_a_cut_and_a_faint_one_is_none_yet(before: NDArray[np.uint8]) -> None:
    compare = frame_comparer()
    assert compare(SCENE, before) == "cut"
    faint = (before + (SCENE - before.astype(float)) / 16).round().astype(np.uint8)
    assert compare(faint, before) != "cut"
