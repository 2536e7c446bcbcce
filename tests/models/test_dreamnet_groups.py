"""Maps of groups in DreamNet: nodes, weights files, and classes by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from dreamvideo.errors import ModelError
from dreamvideo.models.dreamnet.net import BLOCKS, GROUP_CHANNELS, GROUPS_NODE, DreamNet, fold_network
from dreamvideo.models.dreamnet.trained import PHOTO, load_dreamnet
from dreamvideo.models.network import choose_terms, load_network
from dreamvideo.models.registry import DREAMNET, GROUP_KIND, find_model
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings
from dreamvideo.training.calibration import channel_rms, group_divisors
from dreamvideo.training.export import export

GROUPS = ("newts", "kites")


@pytest.fixture(scope="module")
def net() -> DreamNet:
    torch.manual_seed(5)
    return DreamNet(3, GROUPS).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def weights(net: DreamNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "grouped.safetensors"
    images = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    rms = channel_rms(net, images)
    divisors = {GROUPS_NODE: group_divisors(net, rms[GROUPS_NODE])}
    export(path, net, ("background", "newt", "kite"), rms, divisors, {})
    return path


def test_maps_of_groups_are_linear_in_the_last_block(net: DreamNet) -> None:
    x = torch.rand(2, 3, 48, 80, generator=torch.Generator().manual_seed(2))
    found = net.features(x)
    assert GROUPS_NODE not in found  # only what is asked for
    found = net.features(x, net.nodes)
    expected = F.conv2d(found["s16b"], net.groups.weight, net.groups.bias)
    torch.testing.assert_close(found[GROUPS_NODE], expected)
    for number, name in enumerate(GROUPS):
        own = expected[:, number * GROUP_CHANNELS : (number + 1) * GROUP_CHANNELS]
        torch.testing.assert_close(found[f"group.{name}"], own)
        torch.testing.assert_close(found[GROUPS_NODE][:, list(net.group_channels(name))], own)


def test_a_network_without_groups_has_no_such_node() -> None:
    plain = DreamNet(3)
    assert GROUPS_NODE not in plain.nodes
    with pytest.raises(ModelError, match="no layer 'groups'"):
        plain.features(torch.rand(1, 3, 32, 32), [GROUPS_NODE])


def test_folding_keeps_groups() -> None:
    trainable = DreamNet(3, GROUPS, trainable=True).eval()
    x = torch.rand(1, 3, 32, 32)
    expected = trainable.features(x, [GROUPS_NODE])[GROUPS_NODE]
    torch.testing.assert_close(
        fold_network(trainable).features(x, [GROUPS_NODE])[GROUPS_NODE], expected, rtol=1e-4, atol=1e-5
    )


def test_a_file_holds_groups_and_one_divisor_for_each(net: DreamNet, weights: Path) -> None:
    trained = load_dreamnet(weights)
    assert trained.net.group_names == GROUPS
    assert set(trained.divisors) == {*BLOCKS, GROUPS_NODE, *(f"group.{name}" for name in GROUPS)}
    for name in GROUPS:
        own = trained.rms[GROUPS_NODE][list(net.group_channels(name))].square().mean().sqrt()
        torch.testing.assert_close(trained.divisors[f"group.{name}"], own.expand(GROUP_CHANNELS))
    x = torch.rand(1, 3, 32, 32)
    found, expected = (each.features(x, [GROUPS_NODE])[GROUPS_NODE] for each in (trained.net, net))
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2)


def test_a_group_is_dreamed_by_its_name(weights: Path) -> None:
    model = find_model(DREAMNET, str(weights))
    terms = choose_terms(model, ObjectiveSettings(classes=(("Newts", 2.0), ("kite", 1.0))))
    assert [(term.layer, term.weight, term.kind, term.picks) for term in terms] == [
        ("group.newts", 2.0, GROUP_KIND, ()),
        ("map.s16b", 1.0, "class", (2,)),
    ]
    with pytest.raises(ModelError, match="no class 'pigs'"):
        choose_terms(model, ObjectiveSettings(classes=(("pigs", 1.0),)))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_compiled_score_of_a_group(net: DreamNet, weights: Path, precision: str) -> None:
    settings = ModelSettings(DREAMNET, str(weights), device="cpu", precision=precision)  # type: ignore[arg-type]
    network = load_network(settings, ObjectiveSettings(classes=(("newts", 1.0),)))
    trained = load_dreamnet(weights)
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    literal = trained.net.features(x, ["group.newts"])["group.newts"] / trained.divisors["group.newts"][:, None, None]
    expected = literal.square().mean((1, 2, 3)).log()
    torch.testing.assert_close(network.score(x), expected, rtol=0, atol=1e-4 if precision == "fp32" else 0.05)


def test_animals_are_the_groups_of_animals_as_rivals() -> None:
    model = find_model(DREAMNET)
    (term,) = choose_terms(model, ObjectiveSettings(classes=(("animals", 1.0),)))
    net = load_dreamnet(PHOTO).net
    named = [name for name in net.group_names if set(term.picks) >= set(net.group_channels(name))]
    assert {"dogs", "birds", "snakes"} <= set(named) and not {"fruit", "flowers"} & set(named)
    assert len(term.picks) == GROUP_CHANNELS * len(named) and (term.layer, term.kind) == ("groups", "rivals")
    score = load_network(ModelSettings(DREAMNET, device="cpu"), ObjectiveSettings(classes=(("animals", 1.0),))).score
    assert torch.isfinite(score(torch.rand(1, 3, 48, 64))).all()
