import dataclasses
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import clips as clip_files
import cv2
import numpy as np
import pytest
import torch
from conftest import only_line, parsed, textured
from numpy.typing import NDArray

from dreamvideo.bench.coherence import clips, evaluate, methods, metrics, plot
from dreamvideo.bench.coherence.clips import CoherenceClip
from dreamvideo.bench.coherence.curves import CurvePoint, best_curve, interpolate_at
from dreamvideo.cli import main
from dreamvideo.errors import SourceError
from dreamvideo.models.network import Network
from dreamvideo.settings.bench import COHERENCE_BASELINES, COHERENCE_METHODS, COHERENCE_OURS, CoherenceSettings
from dreamvideo.settings.dream import DreamSettings

N, H, W = 10, 24, 32


def pictures(*, shift: int = 0, seed: int = 0) -> torch.Tensor:
    """(N, 3, H, W): a texture that moves `shift` pixels to the right each frame."""
    wide = torch.from_numpy(textured(H, W + N * abs(shift), seed)).permute(2, 0, 1).float() / 255
    return torch.stack([wide[..., (N - i) * shift : (N - i) * shift + W] for i in range(N)])


def flows(dx: float = 0.0) -> torch.Tensor:
    flow = torch.zeros(N - 1, 2, H, W)
    flow[:, 0] = dx
    return flow


NOTHING_HIDDEN = torch.zeros(N - 1, 1, H, W, dtype=torch.bool)


def test_what_moves_with_its_flow_has_no_warping_error() -> None:
    hidden = NOTHING_HIDDEN.clone()
    hidden[..., 0] = True  # comes in at the edge
    moving = pictures(shift=1)
    assert metrics.warping_error(moving, flows(-1.0), hidden) == pytest.approx(0, abs=1e-6)
    assert metrics.warping_error(moving, flows(0.0), hidden) > 1


def test_a_known_change_is_its_square_and_what_is_hidden_does_not_count() -> None:
    blinking = torch.full((N, 3, H, W), 0.5)
    blinking[::2] += 10 / 255
    assert metrics.warping_error(blinking, flows(), NOTHING_HIDDEN) == pytest.approx(100, rel=1e-4)
    half = NOTHING_HIDDEN.clone()
    half[..., : W // 2] = True
    blinking[..., W // 2 :] = 0.5
    assert metrics.warping_error(blinking, flows(), half) == 0
    assert math.isnan(metrics.warping_error(blinking, flows(), ~NOTHING_HIDDEN))


def test_flicker_is_what_the_next_frame_takes_back_where_nothing_moves() -> None:
    sources = torch.full((N, 3, H, W), 0.5)
    moves = flows()
    moves[..., : W // 2] = 3.0
    still = metrics.still_places(sources, moves)
    assert still[..., W // 2 :].all() and not still[..., : W // 2].any()
    alternating = sources.clone()
    alternating[::2, ..., W // 2 :] += 6 / 255
    assert metrics.flicker(alternating, still) == pytest.approx(6, rel=1e-4)
    alternating[::2, ..., : W // 2] += 0.3  # that moves
    assert metrics.flicker(alternating, still) == pytest.approx(6, rel=1e-4)
    rising = sources + torch.arange(N).view(N, 1, 1, 1) / 255
    assert metrics.flicker(rising, still) == pytest.approx(0, abs=1e-3)
    assert metrics.flicker(sources, torch.zeros_like(still)) is None


def test_what_changes_does_not_stand_still() -> None:
    sources = torch.full((N, 3, H, W), 0.5)
    sources[5:] += 0.1
    still = metrics.still_places(sources, flows())
    assert not still[4].any() and still[3].all() and still[5].all()


def test_a_ghost_shows_and_a_weaker_clean_dream_does_not() -> None:
    generator = torch.Generator().manual_seed(3)
    sources = torch.full((N, 3, H, W), 0.5)
    dreamt = 0.1 * torch.randn(N, 3, H, W, generator=generator).clamp(-2, 2)
    another = 0.1 * torch.randn(N, 3, H, W, generator=generator).clamp(-2, 2)
    uncovered = NOTHING_HIDDEN.clone()
    uncovered[:, :, 8:16, 8:16] = True
    place = torch.cat([uncovered[:1], uncovered])

    def ghosting(residual: Any) -> float | None:
        return metrics.ghosting(sources + residual, sources, sources + dreamt, uncovered)

    assert ghosting(dreamt) == pytest.approx(0, abs=1e-5)
    assert ghosting(dreamt / 3) == pytest.approx(0, abs=1e-5)
    assert ghosting(dreamt.masked_fill(place, 0)) == pytest.approx(1, rel=0.1)
    assert ghosting(torch.where(place, another, dreamt)) == pytest.approx(2**0.5, rel=0.1)
    assert ghosting(torch.where(place, dreamt, another)) < 0.1, "only newly visible ground counts"
    assert metrics.ghosting(sources, sources, sources, NOTHING_HIDDEN) is None


def test_known_drifts() -> None:
    sources = pictures()
    ramp = torch.linspace(1, 0.9, N).view(N, 1, 1, 1)
    darker = sources * ramp
    assert metrics.drift_percent(darker, sources, metrics.frame_brightness) == pytest.approx(-10, abs=0.01)
    assert metrics.drift_percent(darker, sources, metrics.frame_contrast) == pytest.approx(-10, abs=0.01)
    assert metrics.drift_percent(darker, sources, metrics.frame_colorfulness) == pytest.approx(-10, abs=0.01)
    middle = sources.mean((1, 2, 3), keepdim=True)
    flatter = middle + (sources - middle) * ramp
    assert metrics.drift_percent(flatter, sources, metrics.frame_brightness) == pytest.approx(0, abs=0.01)
    assert metrics.drift_percent(flatter, sources, metrics.frame_contrast) == pytest.approx(-10, abs=0.01)
    assert metrics.drift_percent(sources, sources, metrics.frame_colorfulness) == 0


def test_colorfulness_of_known_pictures() -> None:
    gray = torch.linspace(0, 1, W).expand(1, 3, H, W)
    assert metrics.frame_colorfulness(gray).item() == pytest.approx(0, abs=1e-6)
    red = torch.zeros(1, 3, H, W)
    red[:, 0] = 1
    assert metrics.frame_colorfulness(red).item() == pytest.approx(0.3 * math.hypot(1, 0.5), rel=1e-5)


def test_strength_is_the_mean_over_layers_of_energy_over_the_sources(tiny_network: Network) -> None:
    sources = pictures()[:2]
    found = metrics.layer_energies(sources, tiny_network)
    activations = tiny_network.score.features(sources[:1])
    assert found.shape == (2, 2)
    assert found[0, 1].item() == pytest.approx(activations["second"].square().mean().item(), rel=1e-5)
    assert torch.allclose(metrics.dream_strength(found, found), torch.ones(2))
    assert metrics.dream_strength(torch.tensor([[6.0, 2.0]]), torch.tensor([[2.0, 2.0]])).item() == 2
    assert metrics.first_and_last_tenth(torch.arange(20.0)) == (0.5, 18.5)
    assert metrics.first_and_last_tenth(torch.arange(3.0)) == (0, 2)


def test_curves_are_straight_between_their_points_on_logarithmic_axes() -> None:
    curve = [CurvePoint(8, 20, 2), CurvePoint(2, 5, 1), CurvePoint(4, 10, 1)]
    at = interpolate_at(curve, math.sqrt(8))
    assert (at.error, at.seconds) == pytest.approx((5 * math.sqrt(2), 1))
    assert interpolate_at(curve, 8.1).error == pytest.approx(20), "as good as reached"
    assert interpolate_at(curve, 1.9) is None and interpolate_at(curve, 9) is None and interpolate_at([], 2) is None
    assert interpolate_at([CurvePoint(3, 7, 1)], 3).error == 7
    assert interpolate_at([CurvePoint(2, 4, 1), CurvePoint(2, 9, 1)], 2).error == pytest.approx(6)
    weak, steady = [CurvePoint(1, 1, 1), CurvePoint(2, 2, 1)], [CurvePoint(1, 2, 1), CurvePoint(4, 8, 1)]
    name, point = best_curve({"weak": weak, "steady": steady}, 1.5)
    assert name == "weak" and point.error == pytest.approx(1.5)
    assert best_curve({"weak": weak, "steady": steady}, 3)[0] == "steady"
    assert best_curve({"weak": weak}, 3) is None


@pytest.fixture
def moving_clip() -> CoherenceClip:
    images = [(255 * image).round().byte().permute(1, 2, 0).numpy() for image in pictures(shift=1)]
    return CoherenceClip(
        "texture", tuple(images[:4]), flows(-1.0)[:3], NOTHING_HIDDEN[:3], True, NOTHING_HIDDEN[:4], flows(-1.0)[:3]
    )


@pytest.mark.parametrize("name", COHERENCE_METHODS)
def test_each_method_keeps_count_and_shape_and_dreams(
    name: Any, moving_clip: CoherenceClip, tiny_network: Network
) -> None:
    dreaming = DreamSettings(octaves=1, iterations=2, step_size=0.02, jitter=2)
    out = list(methods.METHOD_FUNCTIONS[name](moving_clip, tiny_network, dreaming))
    assert len(out) == 4 and all(image.shape == (H, W, 3) and image.dtype == np.uint8 for image in out)
    changes = [np.abs(a.astype(int) - b).mean() for a, b in zip(out, moving_clip.images, strict=True)]
    assert min(changes) > 0.5
    strengths = [point.apply(dreaming) for point in methods.sweep_settings(name)]
    assert len(set(strengths)) >= 3 and min(s.iterations for s in strengths) >= 1


def test_where_others_start_a_frame_from(monkeypatch: pytest.MonkeyPatch) -> None:
    source, dreamt = pictures()[:1], pictures(seed=1)[:1]
    assert torch.allclose(methods.blend_with_last(0.85)(source, source, dreamt), 0.85 * source + 0.15 * dreamt)
    for whole in (methods.residual_negated, methods.residual_exact):
        assert torch.allclose(whole(source, source, dreamt), dreamt, atol=0.02), "nothing moved"
    flow = torch.zeros(1, 2, H, W)
    flow[:, 0, :, : W // 2] = 4.0
    monkeypatch.setattr(methods, "farneback_flow", lambda one, other: flow)
    still, moved = methods.residual_where_moving(source, source, dreamt).split(W // 2, 3)[::-1]
    assert torch.allclose(still, (0.9 * source + 0.1 * dreamt)[..., W // 2 :])
    expected = source[..., 4 : W // 2] + 0.75 * (dreamt - source)[..., : W // 2 - 4]
    assert torch.allclose(moved[..., 4:], expected, atol=1e-4)


def test_both_ways_along_farneback_lead_to_the_same_on_a_pan() -> None:
    images = torch.from_numpy(textured(96, 140)).permute(2, 0, 1)[None].float() / 255
    last, source = images[..., 4:132], images[..., 2:130]  # moves two pixels to the right
    residual = torch.zeros_like(source)
    residual[:, :, 40:56, 60:76] = 0.2
    for start in (methods.residual_negated, methods.residual_exact):
        carried = start(source, last, last + residual) - source
        assert carried[:, :, 42:54, 64:76].mean() == pytest.approx(0.2, rel=0.05)


def test_the_floor_is_the_first_dream_moved(moving_clip: CoherenceClip, tiny_network: Network) -> None:
    dreaming = DreamSettings(octaves=1, iterations=2, step_size=0.01, jitter=2)
    first, second, *_ = (image.astype(int) for image in methods.dream_floor(moving_clip, tiny_network, dreaming))
    residual = first - moving_clip.images[0]
    assert np.abs(second - moving_clip.images[1] - np.roll(residual, 1, 1))[:, 1:].max() <= 1


def test_a_real_clip_ends_at_its_first_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def image(number: int, width: int, height: int) -> NDArray[Any]:
        seen = textured(height, width + 12, 1 if number < 6 else 2)
        return np.ascontiguousarray(seen[:, number : number + width])

    path = clip_files.make_clip(tmp_path / "a.mp4", image=image, size=(96, 64), options={"crf": "10"})
    clip = clips.video_clip(path, 64, None, 10)
    assert len(clip.images) == 6 and clip.flows.shape == (5, 2, 64, 96) and clip.occluded.shape == (5, 1, 64, 96)
    inside = ~clip.occluded[:, 0, 8:-8, 8:-8]
    assert clip.flows[:, 0, 8:-8, 8:-8][inside].median().item() == pytest.approx(1, abs=0.1)
    assert "first 6 frames" in caplog.text
    with pytest.raises(SourceError, match="at least 4"):
        clips.video_clip(path, 64, None, 3)


def test_the_plot_has_a_panel_for_each_clip_and_leaves_out_what_cannot_be_drawn() -> None:
    curve = [CurvePoint(2, 3, 1), CurvePoint(5, 8, 1), CurvePoint(4, math.nan, 1), CurvePoint(3, 0, 1)]
    panels: dict[str, dict[str, list[CurvePoint]]] = {
        "a": {"ksk-S": curve, COHERENCE_OURS: curve},
        "b": {COHERENCE_OURS: [CurvePoint(2, 2, 1)]},
        "c": {},
    }
    figure = plot.plot_curves(panels)
    first, second, third, unused = figure.axes
    assert [axes.get_title("left") for axes in (first, second, third)] == ["a", "b", "c"]
    below, ours = first.lines
    assert ours.get_color() == plot.STYLES[COHERENCE_OURS][0], "ours is drawn on top"
    assert np.array_equal(ours.get_xydata(), [[2, 3], [5, 8]])
    assert len(second.lines) == 1 and not third.lines and not unused.axison
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [COHERENCE_OURS, "ksk-S"]


def test_without_matplotlib_a_plot_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["bench", "coherence", "--plot", str(tmp_path / "c.png")]) == 1
    assert only_line(capsys) == 'dreamvideo: --plot needs matplotlib: pip install "dreamvideo[dev]"'


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The command sets one thread; restored afterwards."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_the_command_measures_rendered_and_real_clips(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one_thread: None
) -> None:
    drawn = clip_files.make_clip(tmp_path / "ramps.mp4")
    words = "bench coherence --device cpu --threads 1 --size 64x48 --frames 4 --iterations 2 --shot valley"
    files = ["--json", str(tmp_path / "c.json"), "--plot", str(tmp_path / "c.png"), str(drawn)]
    assert main([*words.split(), *files]) == 0
    said, found = capsys.readouterr(), json.loads((tmp_path / "c.json").read_text())
    assert list(found["sections"]) == ["valley", "ramps", evaluate.EQUAL_STRENGTH]
    assert all(f"\n{name}: {section['title']}" in said.out for name, section in found["sections"].items())
    assert f"  {COHERENCE_OURS}, 2 x {DreamSettings().step_size:.4f}" in said.err
    rows = found["sections"]["valley"]["rows"]
    assert {row["method"] for row in rows} == {"source", *COHERENCE_METHODS}
    source = rows[0]
    assert source["strength"] == pytest.approx(1) and source["x_source"] == 1 and source["mean_%"] == 0
    assert all(row["strength"] > 1 and row["s_per_frame"] > 0 and row["ghosting"] > 0 for row in rows[1:])
    assert all(row["ghosting"] is None for row in found["sections"]["ramps"]["rows"])
    compared = found["sections"][evaluate.EQUAL_STRENGTH]["rows"]
    assert [row["clip"] for row in compared] == ["valley"] * 4 + ["ramps"] * 4
    assert {row["baseline"] for row in compared} <= {*COHERENCE_BASELINES, "none as strong"}
    assert found["settings"]["iterations"] == 2 and datetime.fromisoformat(found["date"]).tzinfo is not None
    picture = cv2.imread(str(tmp_path / "c.png"))
    assert picture.shape == (620, 1560, 3)
    assert (picture == (40, 39, 214)).all(2).sum() > 300, "our curve, tab:red as BGR"


def test_nothing_is_started_after_the_time_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one_thread: None
) -> None:
    words = "bench coherence --device cpu --threads 1 --size 64x48 --frames 4 --minutes 1e-9 -q"
    assert main([*words.split()]) == 0
    assert "2 clips; use a larger --minutes" in capsys.readouterr().out


def test_every_setting_is_an_option_and_help_needs_no_torch() -> None:
    line = parsed("bench", "coherence")
    assert line.settings(CoherenceSettings) == CoherenceSettings()
    assert set(vars(line.arguments)) >= {"command", "quiet", "verbose", "clips"}
    code = "import sys; from dreamvideo.cli import main; c = main(sys.argv[1:]); print('torch' in sys.modules, c)"
    done = subprocess.run(
        [sys.executable, "-c", code, "bench", "coherence", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False 0"
    for field in dataclasses.fields(CoherenceSettings):
        if field.name != "clips":
            assert field.metadata.get("flag", "--" + field.name.replace("_", "-")) in done.stdout.split()


@pytest.mark.parametrize(
    "words", ["--frames 3", "--minutes 0", "--step-size 0", "--only mine", "--shot sea", "--plot a.jpg", "--device gpu"]
)
def test_bad_options_are_usage_errors(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "coherence", *words.split()]) == 2
    assert words.split()[0] in capsys.readouterr().err


def test_with_nothing_to_measure_it_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "coherence", "--no-rendered"]) == 2
    assert "expected a CLIP" in capsys.readouterr().err
