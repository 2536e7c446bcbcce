"""The look of a network: used where nothing is set, replaced by what is, and stored in outputs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from conftest import parsed

from dreamvideo.jobs import dream_file as dream_file_module
from dreamvideo.jobs.dream_file import dream_file
from dreamvideo.media.metadata import settings_comment
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.network_looks import network_look, resolve_network

PHOTOS = DreamSettings(**network_look("vgg16"))
GROUPS = DreamSettings(**network_look("dreamnet"))


def chosen(*words: str) -> DreamSettings:
    return parsed("image", "a.png", *words).settings(DreamSettings)


def test_a_network_alone_brings_its_look_and_the_embedded_one_has_the_defaults() -> None:
    assert DreamSettings() != PHOTOS
    assert chosen("--model", "vgg16") == chosen("--model", "efficientnet_lite2") == PHOTOS
    assert chosen("--model", "dreamnet-drawn") == DreamSettings()
    assert chosen("--model", "dreamnet") == GROUPS
    assert chosen() == GROUPS  # tests dream with the embedded network, see conftest.py


def test_what_is_typed_and_what_a_preset_says_comes_before_the_look() -> None:
    assert chosen("--model", "vgg16", "--step-size", "0.5").step_size == 0.5
    for words in (["--color", "0.3"], ["--keep-colors"]):
        settings = chosen("--model", "vgg16", *words)
        assert not settings.decorrelate and settings.smooth == PHOTOS.smooth
    old = chosen("--preset", "notebook2015")
    assert (old.step_size, old.smooth, old.decorrelate, old.border) == (1.5 / 255, 0.0, False, "wrap")


def test_a_call_of_the_library_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def settings_of(**arguments: object) -> tuple[ModelSettings, ObjectiveSettings, DreamSettings]:
        found = []
        monkeypatch.setattr(dream_file_module, "check_output", lambda *rest: None)
        monkeypatch.setattr(
            dream_file_module, "_dream_image_file", lambda source, target, job, *rest: found.append(job)
        )
        dream_file("a.png", **arguments)  # type: ignore[arg-type]
        return found[0].model, found[0].objective, found[0].dream

    assert settings_of(model=ModelSettings("vgg16"))[2] == PHOTOS
    assert settings_of(model=ModelSettings("vgg16"), dream=DreamSettings(keep_colors=True))[2].decorrelate is False
    model, objective, dream = settings_of(preset="birds", dream=DreamSettings(octaves=2))
    assert model.model == "efficientnet_lite2" and objective.classes[0][0] == "birds"
    assert (dream.octaves, dream.step_size) == (2, PHOTOS.step_size)
    assert settings_of()[0].model == "dreamnet" and settings_of()[2] == GROUPS


def test_what_differs_from_the_look_is_stored() -> None:
    model = ModelSettings("vgg16")
    assert "step_size" not in settings_comment(model, PHOTOS)
    assert '"step_size": 0.009' in settings_comment(model, DreamSettings())
    assert '"decorrelate": false' in settings_comment(model, DreamSettings())


def test_the_network_is_the_one_named_else_that_of_the_environment_else_what_is_installed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert resolve_network("vgg16") == "vgg16"
    assert resolve_network("auto") == "dreamnet"
    monkeypatch.delenv("DREAMVIDEO_MODEL")
    for spec, expected in (
        (SimpleNamespace(submodule_search_locations=["here"]), "efficientnet_lite2"),
        (None, "dreamnet"),
    ):
        monkeypatch.setattr("dreamvideo.settings.network_looks.find_spec", lambda name, spec=spec: spec)
        caplog.clear()
        assert resolve_network("auto") == expected
        assert len(caplog.messages) == (spec is None)
