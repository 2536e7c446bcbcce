"""Renders the sample clip and, if asked, the true optical flow and occlusions of each of its frames.

    python samples/render_sample.py -o samples/valley.mp4

Unlike rendered benchmarks (Butler et al. 2012, Sintel) the picture is made so that a point keeps its brightness from
frame to frame: light is baked into the land, the exposure never changes, and a reflection is a thing of its own that
moves as mirror images do.
"""

import argparse
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import grounds
import numpy as np
from autumn import autumn
from lake import lake
from landscapes import Landscape, Pose
from movers import Scene, Set, sights
from noise import Floats, Noise
from numpy.typing import NDArray
from runner import runner
from sky import bake_sky
from soundtrack import RATE, shot_sound
from terrain import Camera, bake
from truth import flow_and_occlusion
from valley import valley
from view import OVER, Stage, View, draw, prepare_board
from walker import walker


@dataclass(frozen=True)
class Truth:
    """A frame and what is known of it.

    image: (H, W, 3) uint8 RGB. flow: (2, H, W) float32, where each pixel lay in the frame before, pixels, (dx, dy).
    occluded: (H, W) bool, True = not to be seen in the frame before. Both are None for the first frame of a shot.
    shot: number of the shot, from 0. time: seconds since the beginning.

    The rest is None for landscapes. mover: (H, W) bool, True = the pixel shows something that moves by itself.
    ground_flow: (2, H, W) float32, where the ground behind each pixel lay in the frame before, pixels, also where it is
    covered; None for the first frame of a shot.
    """

    image: NDArray[np.uint8]
    flow: NDArray[np.float32] | None
    occluded: NDArray[np.bool_] | None
    shot: int
    time: Fraction
    mover: NDArray[np.bool_] | None = None
    ground_flow: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Shot:
    """A landscape, how long it is seen, and its brightness (gain, lift) at a share of the shot."""

    landscape: Callable[[Noise], Landscape]
    seconds: Fraction
    exposure: Callable[[float], tuple[float, float]] | None = None


def _whip(noise: Noise) -> Landscape:
    def pose(share: float) -> Pose:
        turn = min(max((share - 0.3) / 0.4, 0.0), 1.0)
        return Pose(0.0, 0.0, 43.0, 1.1 * (turn * turn * (3 - 2 * turn) - 0.5))

    return replace(valley(noise), pose=pose)


def _dip(share: float) -> tuple[float, float]:
    return min(1.0, abs(share - 0.5) / 0.35), 0.0


def _flash(share: float) -> tuple[float, float]:
    return (1.0, 0.45) if 0.5 <= share < 0.5 + 2 / 24 - 1e-9 else (1.0, 0.0)


# pan, fade and flash are not in the clip: they are no cuts, and tests of cut detection use them.
# The scenes, from walker on, are not in it either: in them a figure covers ground and uncovers it again.
SHOTS: dict[str, Shot | Scene] = {
    "valley": Shot(valley, Fraction(5, 2)),
    "lake": Shot(lake, Fraction(5, 2)),
    "autumn": Shot(autumn, Fraction(9, 4)),
    "pan": Shot(_whip, Fraction(1)),
    "fade": Shot(valley, Fraction(3, 2), _dip),
    "flash": Shot(valley, Fraction(1), _flash),
    "walker": Scene(grounds.yard, walker, -1.1, 6.4, Fraction(5, 2)),
    "walker_pan": Scene(grounds.street, walker, -1.1, 6.4, Fraction(5, 2), pan=0.45),
    "runner": Scene(grounds.yard, runner, -2.4, 4.8, Fraction(5, 2)),
    "runner_textured": Scene(grounds.meadow, runner, -2.4, 4.8, Fraction(5, 2)),
    "runner_pan": Scene(grounds.street, runner, -2.4, 4.8, Fraction(5, 2), pan=0.34),
}
CLIP = ("valley", "lake", "autumn")
FRAME_RATE = Fraction(24)
SEED = 7


def frame_count(shot: str, frame_rate: Fraction = FRAME_RATE) -> int:
    """Frames in a shot."""
    return round(SHOTS[shot].seconds * frame_rate)


@lru_cache(maxsize=1)
def build(landscape: Callable[[Noise], Landscape], seed: int, width: int, height: int) -> tuple[Landscape, Stage]:
    """A landscape, and what is baked of it for one size; kept, since one shot is often asked for twice."""
    noise = Noise(seed)
    land = landscape(noise)
    w, h = width * OVER, height * OVER
    rng = np.random.default_rng(land.seed)

    def level(x: Floats | float, y: Floats | float) -> Floats:
        row_x, row_y = (np.reshape(v, (1, -1)).astype(np.float32) for v in (x, y))
        return land.ground(row_x, row_y)[0].reshape(np.shape(x))

    boards = sorted(land.boards(rng, level), key=lambda board: -board.y)
    focal = land.focal * w
    span = 1.6 + 2 * max(abs(land.pose(share).aim) for share in (0.0, 0.5, 1.0))  # in widths: room for the camera
    casters = [(board.x, board.y, board.height) for board in boards if board.moves is None]
    slices = 450 + round(2.7 * height)
    terrain = bake(land.ground, land.paint, land.light, land.near, land.far, 1 / focal, slices, int(w * span), casters)
    top = land.horizon * h / focal + 0.02
    sky = bake_sky(
        noise, land.light, land.zenith, land.pale, land.cover, span / land.focal, top, focal, land.wind, land.seed
    )
    halvings: dict[int, list[Floats]] = {}
    ready = tuple(prepare_board(board, land.light, focal * board.height / board.y, halvings) for board in boards)
    return land, Stage(terrain, sky, ready, land.water, land.clarity, land.ripple)


@lru_cache(maxsize=1)
def build_set(scene: Scene, seed: int, width: int, height: int) -> Set:
    """A scene with a figure, and what is painted of it for one size; kept, as a landscape is."""
    return Set(scene, Noise(seed), width, height)


def _camera(land: Landscape, share: float, width: int, height: int) -> Camera:
    w, h = width * OVER, height * OVER
    pose = land.pose(share)
    return Camera(pose.x, pose.y, pose.z, w * (0.5 - pose.aim) - 0.5, h * land.horizon - 0.5, w * land.focal)


def _develop(color: Floats, width: int, height: int, exposure: tuple[float, float]) -> NDArray[np.uint8]:
    gain, lift = exposure
    picture = cv2.resize(color, (width, height), interpolation=cv2.INTER_AREA) * gain + lift
    image: NDArray[np.uint8] = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return image


def render(
    width: int = 640,
    height: int = 360,
    frame_rate: Fraction = FRAME_RATE,
    shots: tuple[str, ...] = CLIP,
    seed: int = SEED,
) -> Iterator[Truth]:
    """The frames of the named shots one after another, each with its truth; a cut lies between two shots.

    Raises:
        KeyError: a name that is not in SHOTS.
    """
    start = Fraction(0)
    for number, name in enumerate(shots):
        shot, count = SHOTS[name], frame_count(name, frame_rate)
        if isinstance(shot, Scene):
            truths = _scene(shot, seed, width, height, frame_rate, count)
        else:
            truths = _landscape(shot, seed, width, height, frame_rate, count)
        for truth in truths:
            yield replace(truth, shot=number, time=start + truth.time)
        start += Fraction(count) / frame_rate


def _landscape(shot: Shot, seed: int, width: int, height: int, frame_rate: Fraction, count: int) -> Iterator[Truth]:
    """The frames of a landscape, as if it were the first shot."""
    land, stage = build(shot.landscape, seed, width, height)
    before: tuple[View, Camera, float] | None = None
    for index in range(count):
        share, time = index / max(count - 1, 1), float(index / frame_rate)
        camera = _camera(land, share, width, height)
        view = draw(stage, camera, time, (height * OVER, width * OVER))
        flow = occluded = None
        if before is not None:
            flow, occluded = flow_and_occlusion(stage, view, camera, time, *before)
        exposure = shot.exposure(index / count) if shot.exposure else (1.0, 0.0)
        image = _develop(view.color, width, height, exposure)
        yield Truth(image, flow, occluded, 0, Fraction(index) / frame_rate)
        before = (view, camera, time)


def _scene(scene: Scene, seed: int, width: int, height: int, frame_rate: Fraction, count: int) -> Iterator[Truth]:
    """The frames of a scene with a figure, as if it were the first shot."""
    for index, sight in enumerate(sights(build_set(scene, seed, width, height), frame_rate, count)):
        image = _develop(sight.color, width, height, (1.0, 0.0))
        time = Fraction(index) / frame_rate
        yield Truth(image, sight.flow, sight.occluded, 0, time, sight.mover, sight.ground_flow)


def write_clip(
    frames: Iterator[Truth], path: Path, size: tuple[int, int], frame_rate: Fraction, truth: Path | None
) -> None:
    """Encode frames as H.264 (BT.709) with the clip's sound as AAC; with `truth` also a PNG and a .npz each."""
    width, height = size
    seconds = [frame_count(name, frame_rate) / float(frame_rate) for name in CLIP]
    sound = np.concatenate(
        [shot_sound(name, s, zlib.crc32(name.encode())) for name, s in zip(CLIP, seconds, strict=True)], 1
    )
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream(
            "libx264", rate=frame_rate, options={"crf": "17", "preset": "slow", "threads": "1"}
        )
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        context = video.codec_context
        context.time_base = 1 / frame_rate
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = 1  # limited
        context.flags |= av.codec.context.Flags.frame_duration
        audio = container.add_stream("aac", rate=RATE, layout="stereo", options={"b": "128k"})
        for index, frame in enumerate(frames):
            if truth is not None:
                _write_truth(frame, truth, index)
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            picture = picture.reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", interpolation="BICUBIC"
            )
            picture.pts, picture.time_base, picture.duration = index, 1 / frame_rate, 1
            container.mux(video.encode(picture))
        container.mux(video.encode())
        for first in range(0, sound.shape[1], 1024):
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, first : first + 1024]), "fltp", "stereo")
            block.sample_rate, block.pts, block.time_base = RATE, first, Fraction(1, RATE)
            container.mux(audio.encode(block))
        container.mux(audio.encode())


def _write_truth(frame: Truth, folder: Path, index: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{index:04d}.png"), frame.image[..., ::-1])
    if frame.flow is not None and frame.occluded is not None:
        np.savez_compressed(folder / f"{index:04d}.npz", flow=frame.flow, occluded=frame.occluded, shot=frame.shot)


def main() -> None:
    parser = argparse.ArgumentParser(description="Render the sample clip.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the clip to write (.mp4)")
    parser.add_argument("--size", default="640x360", help="WxH, both even (default: %(default)s)")
    parser.add_argument("--truth", type=Path, metavar="FOLDER", help="also write each frame, its flow and occlusions")
    args = parser.parse_args()
    width, height = (int(side) for side in args.size.lower().split("x"))
    write_clip(render(width, height), args.output, (width, height), FRAME_RATE, args.truth)


if __name__ == "__main__":
    main()
