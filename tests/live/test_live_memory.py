"""A live dream on a device with little memory: smaller work, and never a bare error of torch."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from conftest import textured

from dreamvideo.ascent import cuda_graphs, memory_budget
from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.errors import MemoryBudgetError
from dreamvideo.live.dreaming import ascent_task, ascent_thread
from dreamvideo.live.dreaming.ascent_task import AscentState, AscentTask, Look, LookChoice, run_ascent
from dreamvideo.live.dreaming.ascent_thread import AscentThread
from dreamvideo.live.dreaming.tracking import TrackedDream, apply_update, source_tensor, start_flow, undreamed
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Objective
from dreamvideo.settings.dream import CarrySettings, DreamSettings

pytestmark = pytest.mark.usefixtures("single_thread")

SIZE = (270, 300)
QUICK = DreamSettings(octaves=1, iterations=2)
GUISES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
]


class Narrow:
    """A network on a device that holds so many pixels at once, of which a test says how many."""

    def __init__(self, features: Any, error: RuntimeError) -> None:
        self.features, self.error = features, error
        self.pixels = 10**9
        self.refused = 0

    def __call__(self, images: Any) -> Any:
        if images[:, 0].numel() > self.pixels:
            self.refused += 1
            raise self.error
        return self.features(images)


@pytest.fixture
def narrow(tiny_network: Network, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Look, Narrow]]:
    monkeypatch.setattr(memory_budget, "available_bytes", lambda device: None)

    def make(error: RuntimeError = GUISES[0]) -> tuple[Look, Narrow]:
        device = Narrow(tiny_network.score.features, error)
        return Look(replace(tiny_network, score=Objective(device, tiny_network.score.terms)), QUICK), device

    return make


def in_tiles(network: Network) -> Look:
    return Look(network, QUICK, budgets={SIZE: MemoryBudget(256)})


def tracked(size: tuple[int, int] = SIZE, **changes: Any) -> TrackedDream:
    return replace(undreamed(source_tensor(textured(*size), size), 1.0), **changes)


def ascend(
    look: Look, numbers: range, at: TrackedDream, state: AscentState = AscentState()
) -> tuple[TrackedDream, AscentState]:
    for number in numbers:
        state, update, _ = run_ascent(state, AscentTask(number, 0, LookChoice(), at, 1), look, CarrySettings())
        at = apply_update(at, update, start_flow(at)) if update else at
    return at, state


@pytest.mark.parametrize(("full_from", "error"), list(zip((1, 1, 3, 4), GUISES, strict=True)), ids=str)
def test_where_memory_runs_out_a_dream_goes_on_in_tiles(
    narrow: Callable[..., tuple[Look, Narrow]], tiny_network: Network, full_from: int, error: RuntimeError
) -> None:
    look, device = narrow(error)  # two ascents of growth, then the score is measured, then the dream has grown
    at, state = ascend(look, range(1, full_from), tracked())
    device.pixels = 256 * 256
    there, after = ascend(look, range(full_from, full_from + 2), at, state)
    assert device.refused == 1 and look.budget(SIZE).tile == 256
    here, expected = ascend(in_tiles(tiny_network), range(full_from, full_from + 2), at, state)
    torch.testing.assert_close(there.carry.residual, here.carry.residual, rtol=0, atol=0)
    assert after.target_score == expected.target_score and after.growth_steps == expected.growth_steps
    assert not torch.equal(there.carry.residual, at.carry.residual)


def test_goals_that_are_measured_anew_fit_into_memory(narrow: Callable[..., tuple[Look, Narrow]]) -> None:
    look, device = narrow()
    at, state = ascend(look, range(1, 5), tracked())
    device.pixels = 256 * 256
    _, after = ascend(look, range(5, 6), replace(at, renewals=1), state)
    assert after.renewals == 1 and device.refused == 1


def test_an_upload_that_does_not_fit_is_done_again(
    narrow: Callable[..., tuple[Look, Narrow]], monkeypatch: pytest.MonkeyPatch
) -> None:
    look, _ = narrow()
    uploads = [GUISES[0]]

    def upload(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
        if uploads:
            raise uploads.pop()
        return tensor

    monkeypatch.setattr(ascent_task, "upload", upload)
    _, state = ascend(look, range(1, 2), tracked())
    assert state.growth_steps == 1 and look.budget(SIZE).failures == 1


def test_a_smaller_dream_does_without_the_tiles_of_a_larger_one(narrow: Callable[..., tuple[Look, Narrow]]) -> None:
    look, device = narrow()
    device.pixels = 260 * 260
    ascend(look, range(1, 2), tracked())
    ascend(look, range(1, 2), tracked((240, 267)))
    assert (look.budget(SIZE).tile, look.budget((240, 267)).tile) == (256, None)


def test_what_does_not_fit_in_the_smallest_tiles_is_an_error_of_one_line(
    narrow: Callable[..., tuple[Look, Narrow]],
) -> None:
    look, device = narrow()
    device.pixels = 100  # not even what a network is measured with
    with pytest.raises(MemoryBudgetError, match=r"^300x270 pixels need more memory .*--dream-size 135"):
        ascend(look, range(1, 2), tracked())


# The thread.


def results_of(ascent: AscentThread, task: AscentTask) -> Any:
    ascent.offer(task)
    while not (results := ascent.results()[0]):
        time.sleep(0.002)
    return results[0]


def task(number: int, layer: str | None = None) -> AscentTask:
    return AscentTask(number, 0, LookChoice(layer=layer), tracked(), 1)


def test_an_ascent_in_which_memory_ran_out_is_no_measure_of_later_ones(
    narrow: Callable[..., tuple[Look, Narrow]],
) -> None:
    look, device = narrow()
    ascent = AscentThread(lambda choice: look, CarrySettings())
    one_off = []
    for number, pixels in enumerate((10**9, 256 * 256, 256 * 256)):
        device.pixels = pixels
        one_off.append(results_of(ascent, task(number)).one_off)
    ascent.close()
    assert one_off == [False, True, False]


@pytest.mark.parametrize("failures", [1, 9])
def test_a_look_for_whose_network_memory_runs_out_is_loaded_without_recordings_or_not_at_all(
    narrow: Callable[..., tuple[Look, Narrow]], monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    look, _ = narrow()
    left = [GUISES[1]] * failures
    released: list[torch.device] = []
    monkeypatch.setattr(ascent_thread, "release_memory", released.append)

    def load(choice: LookChoice) -> Look:
        if choice.layer and left:
            raise left.pop()
        return look

    ascent = AscentThread(load, CarrySettings())
    results_of(ascent, task(0))
    results_of(ascent, task(1, "second"))
    assert ascent.look is look and released
    assert ascent.message.startswith("got no memory" if failures > 2 else "")
    assert bool(ascent.message) == (failures > 2)
    ascent.close()


def test_recordings_are_given_up_before_anything_is_made_smaller(
    narrow: Callable[..., tuple[Look, Narrow]], monkeypatch: pytest.MonkeyPatch
) -> None:
    look, device = narrow()
    device.pixels = 256 * 256
    held = [True]

    def release(where: torch.device) -> bool:
        device.pixels = 10**9
        return held.pop() if held else False

    monkeypatch.setattr(memory_budget, "release_memory", release)
    ascend(look, range(1, 3), tracked())
    assert (look.budget(SIZE).tile, device.refused) == (None, 1)


def test_forgetting_says_whether_there_was_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    recorder = cuda_graphs.GraphRecorder(lambda work: work)
    monkeypatch.setitem(cuda_graphs._recorders, torch.device("cuda:0"), recorder)
    recording = cuda_graphs.GraphRecording(lambda: None, {}, lambda images: images)
    recorder.recordings["key"] = recording
    assert cuda_graphs.forget_recordings()
    assert not cuda_graphs.forget_recordings()
