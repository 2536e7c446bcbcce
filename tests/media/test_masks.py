"""What a mask leaves alone stays the source to the last bit, in images and over carried frames."""

from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
import pytest
import torch
from clips import make_clip, picture
from conftest import stream, textured
from numpy.typing import NDArray

from dreamvideo.ascent.octaves import dream
from dreamvideo.cli import main
from dreamvideo.errors import SourceError
from dreamvideo.media.images import read_image, write_image
from dreamvideo.media.masks import mask_at, read_image_mask, read_masks, resize_mask, with_masks
from dreamvideo.models.network import Network
from dreamvideo.motion.frame_motion import no_motion
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.settings.job import ReadSettings
from dreamvideo.video.carry import Carry, move_carry
from dreamvideo.video.dream_frames import dream_carried_frames, dream_first_frames
from dreamvideo.video.pipeline import dream_video
from dreamvideo.video.progress import Progress

QUICK = DreamSettings(octaves=2, iterations=4, step_size=0.02, jitter=4)
STILL = CarrySettings(flow="none")
H, W = 64, 96


def half(height: Any = H, width: Any = W, left: int = 0, right: Any = None) -> NDArray[Any]:
    mask = np.zeros((height, width), np.uint8)
    mask[:, left : width // 2 if right is None else right] = 255
    return mask


def dreamed(
    images: Any, masks: Any, network: Network, dreaming: DreamSettings = QUICK, carrying: CarrySettings = STILL
) -> list[Any]:
    frames = (replace(frame, mask=mask) for frame, mask in zip(stream(images), masks, strict=True))
    return [frame.image for frame in dream_video(frames, network, dreaming, carrying)]


def change(out: Any, image: Any) -> Any:
    return np.abs(out.astype(int) - image).mean(2)


@pytest.mark.parametrize("changes", [{}, {"detail": False}, {"keep_colors": True}, {"space": "imagenet", "tv": 0.2}])
def test_an_image_is_dreamed_only_where_the_mask_is_white(tiny_network: Network, changes: dict[Any, Any]) -> None:
    image = torch.from_numpy(textured(H, W)).permute(2, 0, 1)[None].float() / 255
    mask = torch.from_numpy(half())[None, None].float() / 255
    out = dream(image, tiny_network.score, replace(QUICK, **changes), mask=mask)
    assert torch.equal(out[..., W // 2 :], image[..., W // 2 :])
    assert (out - image)[..., : W // 2].abs().mean() > 0.02


def test_a_white_mask_changes_nothing(tiny_network: Network) -> None:
    image = torch.from_numpy(textured(H, W)).permute(2, 0, 1)[None].float() / 255
    plain = dream(image, tiny_network.score, QUICK)
    assert torch.allclose(dream(image, tiny_network.score, QUICK, mask=torch.ones(1, 1, H, W)), plain, atol=1e-5)


def test_a_gray_mask_dreams_less(tiny_network: Network) -> None:
    image = torch.from_numpy(textured(H, W)).permute(2, 0, 1)[None].float() / 255
    settings = replace(QUICK, anchor=0.0, headroom=0.0, step_size=0.005)
    changes = [
        (dream(image, tiny_network.score, settings, mask=torch.full((1, 1, H, W), m)) - image).abs().mean().item()
        for m in (0.25, 0.5, 1.0)
    ]
    assert changes[0] < 0.7 * changes[1] and changes[1] < 0.7 * changes[2]


@pytest.mark.parametrize("flow", ["none", "dis"])
@pytest.mark.parametrize("changes", [{}, {"keep_colors": True}])
def test_nothing_dreams_outside_over_carried_frames(
    tiny_network: Network, flow: Literal["none", "dis"], changes: dict[Any, Any]
) -> None:
    wide = textured(H, W + 24)
    images = [np.ascontiguousarray(wide[:, 2 * i : 2 * i + W]) for i in range(10)]
    masks = [cv2.GaussianBlur(half(left=3 * i, right=3 * i + 40), (0, 0), 3) for i in range(10)]
    out = dreamed(images, masks, tiny_network, replace(QUICK, **changes), CarrySettings(flow=flow))
    for dreamt, image, mask in zip(out, images, masks, strict=True):
        assert (mask == 0).mean() > 0.3
        assert np.array_equal(dreamt[mask == 0], image[mask == 0])
        assert change(dreamt, image)[mask == 255].mean() > 2


def test_the_dream_leaves_with_the_mask_and_grows_where_it_comes(tiny_network: Network) -> None:
    image = textured(H, W)
    out = dreamed([image] * 40, [half()] * 8 + [half(left=W // 2, right=W)] * 32, tiny_network)
    left, right = np.s_[:, : W // 2 - 4], np.s_[:, W // 2 + 4 :]
    assert change(out[7], image)[left].mean() > 4 and not change(out[7], image)[right].any()
    assert not change(out[8], image)[left].any()
    assert change(out[39], image)[right].mean() > 0.5 * change(out[7], image)[left].mean()


def test_a_still_shot_settles_under_a_soft_mask(tiny_network: Network) -> None:
    image, mask = textured(H, W), cv2.GaussianBlur(half(), (0, 0), 8)
    out = dreamed([image] * 80, [mask] * 80, tiny_network)
    soft = (mask > 60) & (mask < 200)
    for where in (mask > 250, soft):
        early, late = (change(out[i], image)[where].mean() for i in (1, 79))
        assert late == pytest.approx(early, rel=0.2)
    assert change(out[79], image)[soft].mean() < 0.85 * change(out[79], image)[mask > 250].mean()


def test_a_black_mask_passes_the_frame_and_the_dream_begins_when_it_opens(tiny_network: Network) -> None:
    image = textured(H, W)
    out = dreamed([image] * 6, [half(right=0)] * 2 + [half()] * 2 + [half(right=0)] + [half()], tiny_network)
    for i in (0, 1, 4):
        assert np.array_equal(out[i], image)
    begun = dreamed([image], [half()], tiny_network)[0]
    assert np.array_equal(out[2], begun) and np.array_equal(out[5], begun)


def test_a_mask_that_grows_lets_the_dream_grow(tiny_network: Network) -> None:
    image = textured(H, W)
    out = dreamed([image] * 40, [half(right=8)] * 2 + [half(right=W)] * 38, tiny_network)
    full = dreamed([image], [half(right=W)], tiny_network)[0]
    assert change(out[39], image)[:, 12:].mean() > 0.5 * change(full, image)[:, 12:].mean()


def test_where_a_mask_becomes_lighter_counts_as_newly_visible() -> None:
    before = torch.tensor([0.5, 0.0, 1.0]).repeat_interleave(4).expand(1, 1, 8, 12)
    progress = Progress(torch.ones(1, 1, 8, 12), mask=before)
    start = Carry(torch.ones(1, 3, 8, 12), torch.ones(1, 1, 1, 1), torch.zeros(1), progress)
    now = torch.tensor([1.0, 1.0, 0.25]).repeat_interleave(4).expand(1, 1, 8, 12)
    moved = move_carry(start, torch.rand(1, 3, 8, 12), no_motion(8, 12), 1.0, now)
    assert moved.progress.age[0, 0, 0, [0, 5, 11]].tolist() == pytest.approx([0.5, 0.0, 1.0])
    assert moved.residual[0, 0, 0, [0, 5, 11]].tolist() == pytest.approx([1.0, 1.0, 0.25])
    assert torch.equal(moved.progress.mask, now)


def test_the_score_of_the_whole_image_is_not_held_under_a_mask(tiny_network: Network) -> None:
    source = torch.rand(1, 3, H, W, generator=torch.Generator().manual_seed(2))
    (start,) = dream_first_frames(source, tiny_network, QUICK, torch.ones(1, 1, H, W))

    def after(goal: Any) -> Any:
        held = replace(start, target_score=start.target_score + goal, progress=replace(start.progress, frame_index=1))
        return dream_carried_frames(source, [held], tiny_network, QUICK, CarrySettings(), steps=(0, 1))[0].residual

    assert torch.equal(after(9.0), after(-9.0))


def test_kept_colors_stay_kept_in_a_frame_without_a_step(tiny_network: Network) -> None:
    source = 0.4 + 0.2 * torch.rand(1, 3, H, W)
    dreaming = replace(QUICK, keep_colors=True)
    (start,) = dream_first_frames(source, tiny_network, dreaming)
    tinted = replace(start, residual=start.residual + 0.01 * torch.rand(1, 3, H, W))  # as one that was clipped
    (left,) = dream_carried_frames(source, [tinted], tiny_network, dreaming, CarrySettings(), steps=(0, 0))
    inside = ((source + left.residual > 0.001) & (source + left.residual < 0.999)).all(1, keepdim=True)
    assert (left.residual.diff(dim=1).abs() * inside).max() < 1e-6


def test_frames_without_masks_dream_as_before_beside_those_with(tiny_network: Network) -> None:
    images = [textured(H, W, 1)] * 3 + [textured(H, W, 2)] * 3
    out = dreamed(images, [half()] * 3 + [None] * 3, tiny_network, carrying=CarrySettings(flow="none", lanes=2))
    alone = [f.image for f in dream_video(stream(images[3:]), tiny_network, QUICK, STILL)]
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(out[3:], alone, strict=True))


def test_one_image_is_the_mask_of_all_frames_and_fits_each(tmp_path: Path) -> None:
    write_image(np.repeat(half(120, 160)[..., None], 3, 2), tmp_path / "mask.png")
    frames = list(with_masks(stream([textured(H, W)] * 2 + [textured(48, 64)]), tmp_path / "mask.png", ReadSettings()))
    assert [frame.mask.shape for frame in frames] == [(H, W), (H, W), (48, 64)]
    assert frames[0].mask is frames[1].mask  # resized once
    assert np.array_equal(frames[2].mask, half(48, 64))


def test_a_folder_gives_one_mask_a_frame_in_the_order_of_numbers_and_its_last_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (2, 10, 1):
        write_image(np.full((8, 8, 3), 20 * number, np.uint8), tmp_path / f"m{number}.png")
    (tmp_path / "notes.txt").write_text("no mask")
    masks = [frame.mask[0, 0] for frame in with_masks(stream([textured(H, W)] * 5), tmp_path, ReadSettings())]
    assert masks == [20, 40, 200, 200, 200]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path} ends before the frames do: mask 3, its last, is used for all others"
    ]


def test_a_video_gives_one_mask_a_frame_from_the_same_start(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "mask.mkv", codec="ffv1", pixels="bgr0", image=lambda n, w, h: np.full((h, w, 3), 10 * n, np.uint8)
    )
    assert [m[0, 0] for m in read_masks(clip)] == [10 * n for n in range(12)]
    later = ReadSettings(start=Fraction(4, 25), size=(None, 16))
    masks = [frame.mask for frame in with_masks(stream([textured(H, W)] * 3), clip, later)]
    assert [m[0, 0] for m in masks] == [40, 50, 60] and masks[0].shape == (H, W)


def counted_masks(path: Path, rate: int, count: int) -> Path:
    """A video in which frame n is of gray level n."""
    times = [Fraction(n, rate) for n in range(count)]
    return make_clip(
        path,
        times,
        last=Fraction(1, rate),
        codec="ffv1",
        pixels="bgr0",
        image=lambda n, w, h: np.full((h, w, 3), n, np.uint8),
    )


@pytest.mark.parametrize("rate", [12, 25, 30, 50, 60])
@pytest.mark.parametrize("film_rate", [25, Fraction(30_000, 1001)])
def test_a_video_of_masks_of_any_rate_goes_by_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rate: int, film_rate: Any
) -> None:
    clip = counted_masks(tmp_path / "mask.mkv", rate, 2 * rate)
    images = [textured(8, 8)] * int(2 * film_rate)
    settings = ReadSettings(frames=len(images))
    masks = [frame.mask[0, 0] for frame in with_masks(stream(images, film_rate), clip, settings)]
    # The mask whose time on screen holds that of the frame; times are rounded to milliseconds.
    assert masks == [int((Fraction(n) / film_rate + Fraction(2, 1000)) * rate) for n in range(len(images))]
    assert not caplog.messages
    resumed = list(stream(images, film_rate))[20:]
    again = with_masks((frame for frame in resumed), clip, settings, before=20)
    assert [frame.mask[0, 0] for frame in again] == masks[20:]


@pytest.mark.parametrize("rate", [12, 25, 30])
def test_the_mask_at_a_time_is_that_of_the_frame_of_the_time(tmp_path: Path, rate: int) -> None:
    clip = counted_masks(tmp_path / "mask.mkv", rate, rate)
    frames = stream([textured(8, 8)] * 30, 25)  # longer than the masks
    for frame in list(with_masks(frames, clip, ReadSettings()))[::3]:
        assert mask_at(clip, frame.time)[0, 0] == frame.mask[0, 0]


def test_the_mask_at_a_time_may_be_on_screen_for_seconds(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "mask.mkv",
        [Fraction(0), Fraction(3), Fraction(6)],
        codec="ffv1",
        pixels="bgr0",
        image=lambda n, w, h: np.full((h, w, 3), n, np.uint8),
    )
    assert [mask_at(clip, Fraction(time))[0, 0] for time in (0, 2, 3, 5, 6, 9)] == [0, 0, 1, 1, 2, 2]


def test_a_video_of_masks_that_is_too_short_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clip = counted_masks(tmp_path / "mask.mkv", 50, 10)  # 0.2 s
    masks = [frame.mask[0, 0] for frame in with_masks(stream([textured(8, 8)] * 9), clip, ReadSettings())]
    assert masks == [0, 2, 4, 6, 8, 9, 9, 9, 9]
    assert ["mask 10, its last, is used for all others" in message for message in caplog.messages] == [True]


def mask_with_alpha(path: Path, depth: Any = np.uint8) -> Path:
    """White everywhere, its shape in its alpha: opaque, half opaque, transparent."""
    most = np.iinfo(depth).max
    image = np.full((48, 60, 4), most, depth)
    image[:, 20:40, 3], image[:, 40:, 3] = most // 2 + 1, 0
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", ["m.png", "m.webp", "m.tif"])
def test_the_alpha_of_a_mask_counts_as_its_lightness_does(tmp_path: Path, name: str, depth: Any) -> None:
    path = mask_with_alpha(tmp_path / name, np.uint8 if name == "m.webp" else depth)
    expected = np.repeat([[255, 128, 0]], 20, 1)
    assert np.array_equal(read_image_mask(path), np.broadcast_to(expected, (48, 60)))
    (tmp_path / "folder").mkdir()
    path.rename(tmp_path / "folder" / name)
    assert np.array_equal(next(read_masks(tmp_path / "folder"))[0], expected[0])


def test_the_alpha_of_a_video_of_masks_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rgba: Any = cv2.imdecode(np.fromfile(mask_with_alpha(tmp_path / "m.png"), np.uint8), cv2.IMREAD_UNCHANGED)
    with av.open(str(tmp_path / "m.mov"), "w") as film:
        video = film.add_stream("qtrle", rate=25)
        video.width, video.height, video.pix_fmt = 60, 48, "argb"
        frame = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format="argb")
        film.mux(video.encode(frame) + video.encode(None))
    assert next(read_masks(tmp_path / "m.mov"))[0, [5, 25, 55]].tolist() == [255, 128, 0]
    assert not caplog.messages


def test_black_stays_black_and_white_white_at_every_size() -> None:
    for size in ((30, 40), (200, 300)):
        assert resize_mask(np.zeros((H, W), np.uint8), *size).max() == 0
        assert resize_mask(np.full((H, W), 255, np.uint8), *size).min() == 255


@pytest.mark.parametrize("bad", ["missing.png", "empty", "text.png"])
def test_a_file_that_is_not_a_mask_is_an_error(tmp_path: Path, bad: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(SourceError, match=bad):
        list(with_masks(stream([textured(H, W)]), tmp_path / bad, ReadSettings()))


def test_an_early_end_closes_the_frames(tmp_path: Path) -> None:
    write_image(np.full((8, 8, 3), 255, np.uint8), tmp_path / "mask.png")
    closed = []

    def frames() -> Generator[Any, None, None]:
        try:
            yield from stream([textured(H, W)] * 3)
        finally:
            closed.append(True)

    going = with_masks(frames(), tmp_path / "mask.png", ReadSettings())
    next(going)
    going.close()
    assert closed == [True]


STRONG = ["--iterations", "2", "--octaves", "1", "--step-size", "0.05", "-q"]


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_the_image_command_takes_a_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, mask = tmp_path / "photo.png", tmp_path / "mask.png"
    write_image(picture(0), photo)
    write_image(np.repeat(half(96, 128)[..., None], 3, 2), mask)
    assert run("image", photo, "--mask", mask, *STRONG) == 0
    apart = change(read_image(tmp_path / "photo_dream.png"), picture(0))
    assert not apart[:, 32:].any() and apart[:, :30].mean() > 2
    assert run("image", photo, "--mask", tmp_path, "-y", *STRONG) == 2
    assert "expected an image, since the inputs are images" in capsys.readouterr().err
    assert run("image", photo, "--mask", tmp_path / "none.png", "-y", *STRONG) == 1
    assert "none.png: no such file" in capsys.readouterr().err


def test_the_video_command_takes_a_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    write_image(np.repeat(half(96, 128)[..., None], 3, 2), tmp_path / "mask.png")
    assert run("video", clip, "--mask", tmp_path / "mask.png", "--crf", 0, *STRONG) == 0
    with av.open(str(clip)) as before, av.open(str(tmp_path / "clip_dream.mp4")) as after:
        pairs = zip(before.decode(video=0), after.decode(video=0), strict=True)
        for a, b in pairs:
            apart = change(*(frame.to_ndarray(format="rgb24") for frame in (a, b)))
            assert apart[:, 34:].mean() < 2 < apart[:, :30].mean()
    assert run("video", clip, "--mask", tmp_path / "none.mp4", "-y", *STRONG) == 1
    assert "none.mp4: no such file" in capsys.readouterr().err
