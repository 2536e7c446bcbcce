"""Where nothing has changed a flow is held, all of it: single pixels that moved would tear the dream."""

import numpy as np
import pytest
import torch
from conftest import textured
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.motion.device_motion import estimate_flows, motion_on_device
from dreamvideo.motion.flow_pair import FlowEstimator, FlowPair
from dreamvideo.motion.frame_motion import Motion
from dreamvideo.motion.occlusion import EDGE, MOST, estimate_motion, held_still

SIZE = 96, 160
EVERYWHERE = np.ones(SIZE, np.bool_)
FIGURE = np.s_[40:56, 72:88]


def ragged(share: float) -> NDArray[np.bool_]:
    """Occlusions of single pixels, as many of them."""
    mask: NDArray[np.bool_] = np.random.default_rng(0).random(SIZE) < share
    return mask


def steps_of(plane: NDArray[np.float32]) -> float:
    """The largest difference of two neighbors."""
    return max(float(np.abs(np.diff(plane, axis=axis)).max()) for axis in (0, 1))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_a_ragged_check_holds_neighbors_nearly_alike(share: float) -> None:
    held = held_still(ragged(share), EVERYWHERE)
    assert held.mean() == pytest.approx(share / MOST, abs=0.02)
    assert steps_of(held) < 0.1


def test_a_check_that_hardly_ever_leads_back_holds_all() -> None:
    held = held_still(ragged(0.97), EVERYWHERE)
    assert (held == 1).mean() > 0.99


def test_between_what_is_held_and_what_moves_it_changes_gradually() -> None:
    held = held_still(EVERYWHERE & (np.arange(SIZE[1]) < 80), EVERYWHERE)
    assert (held[:, : 80 - EDGE] == 1).all() and not held[:, 80 + EDGE :].any()
    assert steps_of(held) < 0.15


def test_it_moves_where_all_of_it_leads_back_or_the_image_has_changed() -> None:
    assert not held_still(~EVERYWHERE, EVERYWHERE).any()
    assert not held_still(EVERYWHERE, ~EVERYWHERE).any()
    changed = EVERYWHERE.copy()
    changed[FIGURE] = False
    held = held_still(EVERYWHERE, changed)
    assert not held[FIGURE].any() and (held[changed] > 0.999).all(), "to the edge of what has changed"


def flows_of(places: NDArray[np.bool_], speed: float) -> FlowEstimator:
    """Estimates that motion in places, and none elsewhere."""
    flow = torch.zeros(1, 2, *places.shape)
    flow[:, 0] = torch.from_numpy(speed * places)
    return lambda current, previous: FlowPair(flow[..., : current.shape[2], : current.shape[3]].clone(), -flow.clone())


def on_a_cpu(now: Tensor, before: Tensor, estimate: FlowEstimator, part: FlowEstimator) -> Motion:
    return estimate_motion(now, before, estimate, part)


def on_a_device(now: Tensor, before: Tensor, estimate: FlowEstimator, part: FlowEstimator) -> Motion:
    return motion_on_device(estimate_flows(now, before, estimate, part), now, before)()


@pytest.mark.parametrize("motion_of", [on_a_cpu, on_a_device])
def test_a_flow_that_fills_its_box_does_not_end_with_it(motion_of: object) -> None:
    now, before = (torch.from_numpy(textured(*SIZE, seed)).permute(2, 0, 1)[None] for seed in (0, 1))
    figure = ~EVERYWHERE
    figure[FIGURE] = True

    def fills(current: Tensor, previous: Tensor) -> FlowPair:
        return flows_of(np.ones(current.shape[2:], np.bool_), 5)(current, previous)

    assert callable(motion_of)
    flow = motion_of(now, before, flows_of(figure, 5), fills).backward[0, 0].numpy()
    assert (flow[FIGURE] == 5).all() and not flow[:20].any() and not flow[:, :52].any()
    assert steps_of(flow) < 1.5
