"""A look of the page means what its command line means, for every preset and every option that the page offers."""

import dataclasses
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from conftest import parsed

from dreamvideo.errors import SettingsError
from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.settings.option import option_choices
from dreamvideo.studio import chosen_look
from dreamvideo.studio.chosen_look import (
    ChosenLook,
    command_words,
    look_values,
    offered_fields,
    offered_presets,
    read_look,
    resolve_look,
)
from dreamvideo.studio.job_process import _settings
from dreamvideo.studio.knobs import describe_knobs
from dreamvideo.studio.recorded_job import settings_of_record


def find(name: str) -> Path:
    return Path("/films") / name


def job_settings(look: ChosenLook) -> JobSettings:
    parts = resolve_look(look, find)
    kinds = parts.read, parts.model, parts.objective, parts.dream, parts.carry, parts.mask, parts.encode
    return JobSettings(*kinds, sequence=parts.sequence, timeline=parts.timeline, drive=parts.drive)


def typed_settings(look: ChosenLook, source: Path = Path("/films/a.mp4")) -> Any:
    """What the command line of a look makes of it."""
    words = command_words(look, source, None, False, find)
    line = parsed(*words[1:])
    return line.arguments.command.parse(line).settings


SAMPLES: dict[str, Any] = {
    "layers": ["s8b", "s16a:0.5"],
    "channels": ["s8b:3"],
    "neurons": ["s8b:3:-0.5"],
    "classes": ["owl:0.5", "lion"],
    "guide": "a.jpg",
    "model": "dreamnet",
    "octaves": 3,
    "octave_scale": "1.5",
    "noise": 0.05,
    "color": "-1",
    "persistence": "0.5",
    "local_steps": "2",
    "start": "0:01.5",
    "duration": "2",
    "size": "64x48",
    "encoder_preset": "veryfast",
    "headroom": 0.1,
    "anchor": 0.2,
    "amount": "1.5",
    "warm_step": 0,
    "split_shots": "5",
}


def sample(name: str) -> Any:
    kind, field = offered_fields()[name]
    if name in SAMPLES:
        return SAMPLES[name]
    if choices := option_choices(kind).get(name):
        return choices[-1] if name != "normalize" else "std"
    return (not field.default) if isinstance(field.default, bool) else "3"


@pytest.mark.parametrize("name", offered_fields())
def test_an_option_of_the_page_is_that_of_the_command_line(tmp_path: Path, name: str) -> None:
    look = read_look(json.loads(json.dumps({"preset": None, "values": {name: sample(name)}})))
    assert look.values and job_settings(look) == typed_settings(look, tmp_path)  # a folder of pictures
    if name != "fps":
        assert job_settings(look) == typed_settings(look)
    assert read_look(json.loads(json.dumps(look.as_json()))) == look
    assert look.title != "default look"


@pytest.mark.parametrize("preset", [None, *(preset.name for preset in offered_presets())])
def test_a_preset_of_the_page_is_that_of_the_command_line(preset: str | None) -> None:
    for values in ({}, {"step_size": "0.02", "classes": ["owl"]}, {"octaves": 2, "color": 0.9}):
        look = read_look({"preset": preset, "values": values})
        assert job_settings(look) == typed_settings(look)


TIMELINES: dict[str, dict[str, Any]] = {
    "a number": {"timeline": {"step_size": "0s:0.004, 2s:0.014 ease"}, "values": {"color": "0.5"}},
    "an expression": {"timeline": {"color": "-0.5 + 2 * t"}},
    "looks": {"timeline": {"preset": "0:flowers, 10s:eyes", "color": "0s:0.5"}, "values": {"octaves": 2}},
    "looks beside what is set": {"timeline": {"preset": "0:flowers, 10s:eyes"}, "preset": "birds"},
    "sets of a preset": {"timeline": {"classes": "0s:207, 4s:owl:0.5+lion"}, "preset": "birds"},
    "what was set before": {"timeline": {"classes": "0s:owl"}, "values": {"classes": ["lion"], "layers": ["s8b"]}},
    "drives": {"drives": ["step-size=audio:bass*1.5"], "values": {"model": "dreamnet"}},
    "beats": {"timeline": {"preset": "audio:beats eyes, leaves", "amount": "0s:1"}, "drives": ["color=audio:beats"]},
}


@pytest.mark.parametrize("name", TIMELINES)
def test_a_timeline_of_the_page_is_that_of_the_command_line(name: str) -> None:
    look = read_look(json.loads(json.dumps(TIMELINES[name])))
    assert job_settings(look) == typed_settings(look)
    assert read_look(json.loads(json.dumps(look.as_json()))) == look
    assert look.title.endswith("over time")


@pytest.mark.parametrize("preset", [None, *(preset.name for preset in offered_presets())])
def test_a_job_that_was_begun_elsewhere_has_the_settings_of_its_record(tmp_path: Path, preset: str | None) -> None:
    values = {"start": "0.5", "duration": "1", "size": "48", "classes": ["owl:0.5"], "octaves": 2}
    settings = dataclasses.replace(typed_settings(read_look({"preset": preset, "values": values})), flow="dis")
    (tmp_path / "a.mp4").write_bytes(b"film")
    job = Job(tmp_path / "a.mp4", tmp_path / "b.mp4")
    record = settings.record(job)
    again = settings_of_record(json.loads(json.dumps(record)))
    assert again.record(job, record) == record and again.dream == settings.dream
    assert again.read.start == Fraction(1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "os:system"}, "network of your own"),
        ({"guide": "a.jpg, 3 bytes, 00"}, "--guide FILE"),
        ({"zoom_rate": 2}, "another command"),
        ({"start": "1/0"}, "damaged"),
        ({"octaves": "many"}, "expected"),
    ],
)
def test_a_record_that_names_files_or_code_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings_of_record({"version": "1", "input": "a.mp4", **change})


@pytest.mark.parametrize(
    "look",
    [
        {"preset": "nothing"},
        {"preset": 3},
        {"values": {"device": "cuda"}},
        {"values": {"weights": "/etc/passwd"}},
        {"values": {"model": "os:system"}},
        {"values": {"model": "googlenet"}},
        {"values": {"step_size": "much"}},
        {"values": {"step_size": float("nan")}},
        {"values": {"octaves": True}},
        {"values": {"octaves": {"a": 1}}},
        {"values": {"classes": [["owl"]]}},
        {"values": {"classes": ["owl"] * 100}},
        {"values": ["owl"]},
        {"timeline": ["0s:1"]},
        {"timeline": {"seed": "0s:1"}},
        {"timeline": {"step_size": 3}},
        {"timeline": {"step_size": " "}},
        {"timeline": {"preset": "0s:nothing"}},
        {"timeline": {"preset": "0s:, 2s"}},
        {"drives": "color=audio:bass"},
        {"drives": ["color=audio:bass"] * 20},
        {"drives": ["color=audio:bass", "color=audio:mid"]},
        {"drives": ["seed=audio:bass"]},
        [],
        "birds",
    ],
)
def test_a_look_that_makes_no_sense_is_refused_in_a_sentence(look: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve_look(read_look(look), find)
    assert str(caught.value) and "\n" not in str(caught.value)


def test_the_command_of_a_folder_makes_a_film_and_that_of_a_film_knows_no_rate(tmp_path: Path) -> None:
    look = read_look({"values": {"fps": "12", "octaves": 2}})
    output = tmp_path.with_name(f"{tmp_path.name}_dream.mp4")
    words = command_words(look, tmp_path, None, False, find)
    assert words == ["dreamvideo", "frames", str(tmp_path), "-o", str(output), "--fps", "12", "--octaves", "2"]
    assert command_words(look, Path("a.mp4"), None, False, find) == ["dreamvideo", "video", "a.mp4", "--octaves", "2"]


def test_a_switch_that_is_not_set_is_no_value() -> None:
    assert read_look({"values": {"audio": True, "keep_colors": False, "octaves": None, "classes": []}}) == ChosenLook()
    assert read_look({"values": {"audio": False}}).values == (("audio", False),)


def test_values_are_shown_as_they_are_typed() -> None:
    values = {"classes": ["owl", "cat:0.5"], "channels": ["s8b:3"], "size": "64x48", "start": "1:00.5"}
    shown = look_values(resolve_look(read_look({"values": values}), find))
    assert [shown[name] for name in values] == [["owl", "cat:0.5"], ["s8b:3"], "64x48", "60.5"]
    again = look_values(resolve_look(read_look({"values": {name: shown[name] for name in values}}), find))
    assert again == shown


def test_every_offered_option_has_a_knob_with_its_help() -> None:
    knobs = {knob["name"]: knob for knob in describe_knobs()}
    assert list(knobs)[:2] == ["step_size", "amount"] and knobs.keys() == offered_fields().keys()
    for name, (_, field) in offered_fields().items():
        assert knobs[name]["help"] == field.metadata["help"]
    assert knobs["classes"]["kind"] == "list" and knobs["guide"]["kind"] == "file"
    assert knobs["audio"]["kind"] == "switch" and "reflect" in knobs["border"]["choices"]
    assert json.loads(json.dumps(list(knobs.values())))


def test_the_process_of_a_job_reads_the_look_as_the_page_does(tmp_path: Path) -> None:
    look = read_look({"preset": "eyes", "values": {"octaves": 2}})
    spec = {"look": look.as_json(), "root": str(tmp_path)}
    assert _settings(spec, tmp_path / "out.mp4") == job_settings(look)


def test_presets_whose_network_would_be_downloaded_are_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not {"notebook2015", "pavan"} & {preset.name for preset in offered_presets()}
    monkeypatch.setattr(chosen_look, "weights_folder", lambda name: None)
    assert {preset.model for preset in offered_presets()} == {"dreamnet", "dreamnet-drawn"}
