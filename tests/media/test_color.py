"""Colors of decoded frames, against the numbers of the standards."""

import av
import numpy as np

from dreamvideo.media.chroma import plane_samples
from dreamvideo.media.color import LIMITED, LUMA_WEIGHTS, RgbConverter

BT2020, BT2020_10 = 9, 14  # primaries and matrix; transfer


def test_standard_range_of_bt2020_becomes_the_same_color_of_bt709() -> None:
    """Muted colors, which BT.709 has too: no gamut is mapped."""
    rgb = 0.5 + 0.2 * (np.random.default_rng(0).random((32, 32, 3)) - 0.5)
    red_weight, blue_weight = LUMA_WEIGHTS[BT2020]
    luma = rgb @ [red_weight, 1 - red_weight - blue_weight, blue_weight]
    frame = av.VideoFrame(32, 32, "yuv444p10le")
    plane_samples(frame, 0)[:] = np.rint(64 + 876 * luma)
    plane_samples(frame, 1)[:] = np.rint(512 + 896 * (rgb[..., 2] - luma) / (2 - 2 * blue_weight))
    plane_samples(frame, 2)[:] = np.rint(512 + 896 * (rgb[..., 0] - luma) / (2 - 2 * red_weight))
    frame.colorspace = frame.color_primaries = BT2020
    frame.color_trc, frame.color_range = BT2020_10, LIMITED
    # ITU-R BT.2087
    matrix = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
    expected = 255 * (rgb**2.4 @ matrix.T) ** (1 / 2.4)
    apart = np.abs(RgbConverter(32, 32)(frame) - expected)
    assert apart.mean() < 0.5
    assert np.percentile(apart, 99) < 1.5
