import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from conftest import parsed
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from dreamvideo.ascent import cuda_graphs
from dreamvideo.bench import baselines, lane_batches
from dreamvideo.bench.baselines import LOOPS, adam_loop, baseline_octave_sizes, cascade_blur
from dreamvideo.bench.baselines_video import gordicaleksa_frame, jeremicna_frame, warp_where_similar
from dreamvideo.bench.flops import count_flop, gradient_flop
from dreamvideo.bench.networks import BenchNetwork, make_network, measure_objective, to_imagenet
from dreamvideo.bench.precisions import in_precision
from dreamvideo.bench.sections import run_sections, wrong_results
from dreamvideo.bench.synthetic import synthetic_frames, synthetic_image
from dreamvideo.bench.timing import TimeLimit, median_speedup, time_interleaved
from dreamvideo.cli import main
from dreamvideo.errors import ModelError, SettingsError
from dreamvideo.info.results import ReportSection, results_table
from dreamvideo.info.tables import TableRow
from dreamvideo.kernels import graph_capture
from dreamvideo.models.efficientnet_lite import VARIANTS, EfficientNetLite
from dreamvideo.models.registry import find_model
from dreamvideo.settings.bench import BENCH_SECTIONS, BenchSettings
from dreamvideo.tensors import to_tensor

CPU = torch.device("cpu")
IMAGE = 0.25 + 0.5 * synthetic_image(48, 64)  # leaves room for the dream to rise before it is clamped


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread, which is faster for images as small as these; restored afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny() -> BenchNetwork:
    """A network of three layers whose second is ascended, so that running the third is wasted work."""
    torch.manual_seed(5)
    whole = nn.Sequential(
        nn.Conv2d(3, 6, 5, 1, 2), nn.Softplus(), nn.Conv2d(6, 4, 3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return BenchNetwork("tiny", "1", whole, "1", None)


@pytest.fixture
def passes(tiny: BenchNetwork) -> Any:
    """Counts how often each layer has run forward."""
    counts = dict.fromkeys("012", 0)
    for name in counts:

        def add(*_: Any, name: Any = name) -> None:
            counts[name] += 1

        tiny.whole.get_submodule(name).register_forward_hook(add)
    return counts


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_raises_its_objective(tiny: BenchNetwork, name: Any) -> None:
    dreamed = LOOPS[name](tiny, IMAGE, 1, 1.8, 4)
    assert dreamed.shape == IMAGE.shape
    assert dreamed.min() >= 0 and dreamed.max() <= 1
    assert measure_objective(tiny, dreamed) > measure_objective(tiny, IMAGE)
    # Of several octaves most loops bring up a blurred picture, which excites less than the source did.
    assert measure_objective(tiny, LOOPS[name](tiny, IMAGE, 2, 1.8, 8)) > measure_objective(
        tiny, LOOPS[name](tiny, IMAGE, 2, 1.8, 1)
    )


def test_the_adam_schedule_raises_its_objective(tiny: BenchNetwork) -> None:
    assert measure_objective(tiny, adam_loop(tiny, IMAGE, iterations=9)) > measure_objective(
        tiny, adam_loop(tiny, IMAGE, iterations=0)
    )


def test_each_loop_takes_as_many_passes_as_its_original(tiny: BenchNetwork, passes: Any) -> None:
    picture = IMAGE[..., :20, :24]
    baselines.plain_loop(tiny, picture, 4, 1.1, 10)
    assert passes == {"0": 40, "1": 40, "2": 40}
    weight = tiny.whole.get_parameter("0.weight")
    assert weight.requires_grad, "the plain loop computes the weights' gradients too"
    baselines.hook_loop(tiny, picture, 4, 1.1, 10)
    assert passes == {"0": 80, "1": 80, "2": 80}
    assert not weight.requires_grad
    baselines.squares_loop(tiny, picture, 4, 1.1, 10)
    assert passes == {"0": 120, "1": 120, "2": 80}, "this one cuts its network off"
    adam_loop(tiny, picture)
    assert passes["2"] == 80 + 204


def test_the_gradient_is_smoothed_by_three_gaussians_that_keep_its_mean() -> None:
    gradient = torch.zeros(1, 3, 21, 21)
    gradient[..., 10, 10] = 1
    smooth = cascade_blur(gradient, 2.0)
    assert smooth.sum().item() == pytest.approx(3, rel=1e-5)
    spots = [(torch.exp(-(torch.arange(-4.0, 5.0) ** 2) / (2 * s * s))) for s in (1.0, 2.0, 4.0)]
    assert smooth[0, 0, 10, 10].item() == pytest.approx(sum(1 / s.sum().item() ** 2 for s in spots) / 3, rel=1e-5)


def test_sizes_are_cut_to_whole_pixels_and_too_small_ones_refused() -> None:
    image = torch.zeros(1, 3, 1080, 1920)
    assert baseline_octave_sizes(image, 4, 1.8) == [(185, 329), (333, 592), (600, 1066), (1080, 1920)]
    with pytest.raises(SettingsError, match="at least 10"):
        baseline_octave_sizes(IMAGE, 4, 1.8)


def test_the_video_baselines_raise_their_objective(tiny: BenchNetwork) -> None:
    frames = [to_tensor(frame.image, CPU) for frame in synthetic_frames(48, 64, 2)]
    dreamed = (frames[0] + 0.1).clamp(0, 1)
    assert measure_objective(tiny, gordicaleksa_frame(tiny, frames[1], dreamed, 1, 1.8, 2)) > measure_objective(
        tiny, frames[1]
    )
    assert measure_objective(tiny, jeremicna_frame(tiny, frames[1], frames[0], dreamed, 9)) > measure_objective(
        tiny, frames[1]
    )
    still_standing = warp_where_similar(frames[0], frames[0], dreamed)
    assert torch.allclose(still_standing, dreamed, atol=1e-3), "what has not moved is the last dream itself"


def test_operations_of_a_known_convolution() -> None:
    conv = nn.Conv2d(3, 8, 3, padding=1).to("meta").requires_grad_(False)
    assert count_flop(lambda images: [conv(images)], 16, 20) == 2 * (2 * 3 * 8 * 9 * 16 * 20)
    assert gradient_flop("googlenet", ("inception4c",), 360, 640) / 1e9 == pytest.approx(20.4, rel=0.01)
    assert gradient_flop("dreamnet", ("s8b",), 240, 320) / 1e9 == pytest.approx(2.3, rel=0.05)


def test_random_weights_are_the_same_each_time_and_keep_activations_their_size(tmp_path: Path) -> None:
    one = make_network("squeezenet1_1", None, None, tmp_path, CPU)
    again = make_network("squeezenet1_1", None, None, tmp_path, CPU)
    assert measure_objective(one, IMAGE) == measure_objective(again, IMAGE)
    assert 0.01 < measure_objective(one, IMAGE) < 100
    with pytest.raises(ModelError, match="no layer 'x'"):
        make_network("dreamnet", "x", None, tmp_path, CPU)


def test_dreamnet_sees_the_same_image_through_the_scaling_of_imagenet(tmp_path: Path) -> None:
    network = make_network("dreamnet", "s8b", None, tmp_path, CPU)
    net = network.whole.get_submodule("net")
    assert torch.allclose(network.whole(to_imagenet(IMAGE)), net(IMAGE), atol=1e-4)


def test_an_efficientnet_lite_dreams_of_the_same_as_the_program_does(tmp_path: Path) -> None:
    torch.manual_seed(1)
    file = tmp_path / "lite.pth"
    torch.save(EfficientNetLite(VARIANTS["efficientnet_lite0"]).state_dict(), file)
    network = make_network("efficientnet_lite0", "blocks.3.block.2", str(file), tmp_path, CPU)
    found = create_feature_extractor(network.whole, [network.module])(to_imagenet(IMAGE))[network.module]
    model = find_model("efficientnet_lite0", str(file))
    expected = model.cut([network.layer], CPU, torch.float32)(IMAGE)[network.layer]
    assert torch.allclose(found, expected, atol=1e-3)
    assert gradient_flop("efficientnet_lite2", ("blocks.15.block.2",), 360, 640) / 1e9 == pytest.approx(7.5, rel=0.05)


def test_contenders_take_turns_and_no_round_starts_after_the_limit() -> None:
    calls: list[str] = []
    contenders = {name: lambda name=name: calls.append(name) for name in "abc"}
    times = time_interleaved(contenders, 2, CPU, TimeLimit(1), warm_up=False, once=["b"])
    assert "".join(calls) == "abcca"
    assert [len(taken) for taken in times.values()] == [2, 1, 2]
    assert all(len(taken) == 1 for taken in time_interleaved(contenders, 5, CPU, TimeLimit(0)).values())
    assert list(time_interleaved(contenders, 5, CPU, TimeLimit(0), complete_first_round=False)) == ["a"]
    assert median_speedup([2.0, 9.0, 3.0], [1.0, 1.0, 3.0]) == 2


def test_on_cuda_each_runs_in_its_own_precision_with_and_without_graphs() -> None:
    cuda = torch.device("cuda")  # only flags are set: there need be none
    before = torch.backends.cudnn.allow_tf32
    assert in_precision("tf32", lambda: torch.backends.cudnn.allow_tf32, cuda)() is True
    assert in_precision("fp32", lambda: torch.backends.cudnn.allow_tf32, cuda)() is False
    assert torch.backends.cudnn.allow_tf32 == before

    runs = lane_batches.graph_variants(lambda: graph_capture.recorded_on(cuda), cuda)  # type: ignore[arg-type, return-value]
    assert {name: run() for name, run in runs.items()} == {"graph": True, "eager": False}
    assert list(lane_batches.graph_variants(lambda: torch.zeros(1), CPU)) == ["eager"]


def test_recordings_are_forgotten_before_memory_is_measured_and_lack_of_it_is_no_error() -> None:
    def fail() -> torch.Tensor:
        raise RuntimeError("CUDNN_STATUS_ALLOC_FAILED")

    calls: list[int] = []
    with mock.patch.object(torch, "cuda", mock.Mock(max_memory_allocated=lambda device: 5_000_000)):
        cuda_graphs._recorders[CPU] = mock.Mock()
        assert lane_batches.measure_device_memory(lambda: calls.append(1), torch.device("cuda")) == 5  # type: ignore[arg-type, return-value]
        assert not cuda_graphs._recorders
        assert lane_batches.measure_device_memory(fail, torch.device("cuda")) is None
    assert len(calls) == 2, "the second call is the one that records"


def test_a_section_is_an_aligned_table_that_says_what_was_skipped() -> None:
    rows: tuple[TableRow, ...] = (
        {"what": "one", "ms": 1234.5, "right": True},
        {"what": "another", "ms": 0.01234, "x_faster": float("nan")},
    )
    lines = results_table(ReportSection("cold", "a title", rows, 3.2, "no time")).splitlines()
    assert lines[0] == "cold: a title  [3 s]"
    assert lines[1].split() == ["what", "ms", "right", "x", "faster"]
    assert lines[2].split() == ["one", "1,234", "yes"]
    assert lines[3].split() == ["another", "0.0123", "-"]
    assert lines[4] == "  skipped: no time"
    assert lines[1].index("ms") + 2 == lines[2].index("1,234") + 5


def run_quick_bench(file: Path, *words: str) -> dict[str, Any]:
    """Run the command on tiny images; returns its JSON."""
    tiny = "--quick --device cpu --threads 1 --size 64x48 --octaves 1 --iterations 1 --frames 2 --model dreamnet"
    assert main(["bench", *tiny.split(), *words, "--json", str(file)]) == 0
    report: dict[str, Any] = json.loads(file.read_text())
    return report


def test_the_command_measures_the_sections_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run_quick_bench(tmp_path / "bench.json", "--only", "stages", "--only", "check", "--only", "video")
    said = capsys.readouterr()
    assert list(report["sections"]) == ["check", "video", "stages"]
    for name, section in report["sections"].items():
        assert section["rows"] and section["skipped"] is None, name
        assert f"\n{name}: {section['title']}" in said.out
        assert f"{name}: " in said.err
    assert {"python", "torch", "torchvision", "av"} <= set(report["versions"])
    assert datetime.fromisoformat(report["date"]).tzinfo is not None
    assert report["machine"]["threads"] == 1
    assert report["settings"]["size"] == "64x48"
    by_way = {row["way"]: row for row in report["sections"]["video"]["rows"]}
    assert by_way["jeremicna 2 x 51 x 2"]["steps_per_frame"] == 204


@pytest.mark.bench
def test_the_command_measures_every_section(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run_quick_bench(tmp_path / "bench.json")
    said = capsys.readouterr()
    assert tuple(report["sections"]) == BENCH_SECTIONS
    for name, section in report["sections"].items():
        assert section["rows"] and section["skipped"] is None, name
        assert f"\n{name}: {section['title']}" in said.out
        assert f"{name}: " in said.err
    assert {row["lanes"] for row in report["sections"]["lanes"]["rows"]} == {1, 4}
    assert all(row["objective_x_source"] > 1 for row in report["sections"]["cold"]["rows"])


def test_sections_beyond_the_time_limit_are_reported_as_skipped() -> None:
    sections: list[Any] = []
    report = run_sections(
        BenchSettings(minutes=1e-9, device="cpu"), sections.append, sections.append, datetime.now(UTC)
    )
    assert [section.name for section in report.sections] == list(BENCH_SECTIONS)
    assert all("--minutes" in section.skipped for section in report.sections)
    assert sections == list(report.sections)


def test_a_wrong_gradient_is_an_error_and_being_slow_is_not() -> None:
    rows: tuple[TableRow, ...] = (
        {"network": "n", "precision": "fp32", "right": False},
        {"network": "n", "precision": "bf16", "right": True},
    )
    report = run_sections(BenchSettings(minutes=1e-9), print, print, datetime.now(UTC))
    report = dataclasses.replace(
        report, sections=(ReportSection("check", "", rows), ReportSection("peak", "", ({"ms": 1e9},)))
    )
    assert wrong_results(report) == ["n in fp32 deviates from float64"]


def test_every_setting_is_an_option_and_help_needs_no_torch() -> None:
    assert parsed("bench").settings(BenchSettings) == BenchSettings()
    code = "import sys; from dreamvideo.cli import main; c = main(sys.argv[1:]); print('torch' in sys.modules, c)"
    done = subprocess.run([sys.executable, "-c", code, "bench", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False 0"
    for field in dataclasses.fields(BenchSettings):
        assert field.metadata.get("flag", "--" + field.name.replace("_", "-")) in done.stdout.split()


@pytest.mark.parametrize("words", ["--rounds 0", "--minutes 0", "--octave-scale 1", "--only speed", "--device gpu"])
def test_bad_options_are_usage_errors(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *words.split()]) == 2
    assert words.split()[0] in capsys.readouterr().err
