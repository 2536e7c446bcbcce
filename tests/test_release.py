"""What is published: versions that agree, a wheel with all that it needs, no address that is made up."""

from __future__ import annotations

import importlib.util
import re
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from dreamvideo import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_wheel(folder: Path, description: str, *names: str) -> Path:
    path = folder / f"dreamvideo-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"dreamvideo-{__version__}.dist-info/METADATA", description)
        for name in names:
            archive.writestr(name, "")
    return path


def test_the_version_is_the_same_everywhere() -> None:
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[:2] == ["Unreleased", __version__]


def test_a_release_without_an_address_is_refused(tmp_path: Path) -> None:
    check = script("check_dist")
    replacement = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"][0]["replacement"]
    assert check.PLACEHOLDER in replacement and "dreamvideo/media/valley.mp4" in check.EXPECTED
    wheel = make_wheel(tmp_path, f"![a](https://{check.PLACEHOLDER}/a.jpg)", *check.EXPECTED)
    assert check.problems(wheel, release=False) == []
    assert any(check.PLACEHOLDER in line for line in check.problems(wheel, release=True))
    assert check.PLACEHOLDER in (ROOT / ".github" / "workflows" / "release.yml").read_text()


def test_a_wheel_with_too_little_or_too_much_is_refused(tmp_path: Path) -> None:
    check = script("check_dist")
    names = [*(name for name in check.EXPECTED if "py.typed" not in name), "dreamvideo/training/train.py"]
    lines = check.problems(make_wheel(tmp_path, "![a](docs/a.jpg) [b](#more) [c](https://example.com)", *names), False)
    assert len(lines) == 3
    assert "py.typed is missing" in lines[0] and "training" in lines[1] and "docs/a.jpg" in lines[2]
    (tmp_path / "empty").mkdir()
    assert check.main([str(tmp_path / "empty")]) == 1


def test_links_of_the_readme_get_the_address() -> None:
    substitution = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"][0]
    text = re.sub(substitution["pattern"], substitution["replacement"], (ROOT / "README.md").read_text())
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links and all(link.startswith("https://") for link in links)


def test_the_oldest_versions_are_those_that_are_asked_for() -> None:
    oldest = dict(line.split("==") for line in (ROOT / ".ci" / "oldest.txt").read_text().splitlines() if "==" in line)
    asked = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
    for requirement in asked:
        specifiers = {each.operator: each.version for each in requirement.specifier}
        if ">=" in specifiers:
            assert requirement.specifier.contains(oldest[requirement.name]), requirement.name
            numbers = [[int(part) for part in text.split(".")] for text in (oldest[requirement.name], specifiers[">="])]
            assert numbers[0][: len(numbers[1])] == numbers[1], requirement.name


def test_a_site_that_asks_another_host_or_leads_nowhere_is_refused(tmp_path: Path) -> None:
    check = script("check_site")
    (tmp_path / "index.html").write_text(
        '<link rel="canonical" href="https://example.com/"><link rel="stylesheet" href="https://example.com/a.css">'
        '<a href="https://example.com">out</a><a href="gone/">in</a><a href="#here">here</a><p id="there">'
    )
    lines = check.problems(tmp_path)
    assert len(lines) == 3
    assert sum("asks another host" in line for line in lines) == 1 and sum("#here" in line for line in lines) == 1
    (tmp_path / "index.html").write_text('<a href="#there">here</a><p id="there"><img src="a.png">')
    assert len(check.problems(tmp_path)) == 1
    (tmp_path / "a.png").touch()
    assert check.problems(tmp_path) == []


def test_the_workflows_run_what_is_run_here() -> None:
    checks = (ROOT / ".github" / "workflows" / "checks.yml").read_text()
    assert "- run: .ci/run\n" in checks and "- run: .ci/run tests\n" in checks
    for version in ("3.11", "3.12", "3.13", "3.14"):
        assert f'"{version}"' in checks
        assert f"Programming Language :: Python :: {version}" in PROJECT["project"]["classifiers"]


@pytest.mark.parametrize("name", ["dreamvideo", "pyproject.toml", "README.md", "LICENSE"])
def test_the_container_gets_what_it_copies(name: str) -> None:
    assert (ROOT / name).exists()
    assert re.search(rf"^COPY .*\b{re.escape(name)}\b", (ROOT / "Dockerfile").read_text(), re.M)
    assert f"!{name}\n" in (ROOT / ".dockerignore").read_text() + "\n"
