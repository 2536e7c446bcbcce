"""Checks what was built: what the wheel holds, and that its description leads to an address. `--release`: a real one.

python .ci/check_dist.py dist [--release]
"""

import re
import sys
import zipfile
from pathlib import Path

PLACEHOLDER = "address.invalid"  # of pyproject.toml: the workflow of the release puts the address in its place
LARGEST = 6_000_000  # bytes; weights of the embedded network and the demo clip are 4.4 MB of it
ROOT = Path(__file__).resolve().parents[1]
# All data of the package: weights, pages, the demo clip.
EXPECTED = tuple(
    path.relative_to(ROOT).as_posix()
    for path in sorted((ROOT / "dreamvideo").rglob("*.*"))
    if path.is_file() and path.suffix not in (".py", ".pyc") and "training" not in path.parts
)


def problems(wheel: Path, release: bool) -> list[str]:
    """What is wrong with a wheel, a line each."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        description = archive.read(metadata).decode()
    found = [f"{name} is missing" for name in EXPECTED if name not in names]
    found += [f"{name} does not belong there" for name in names if re.match(r"dreamvideo/training/|tests/|docs/", name)]
    found += [
        f"the description has a relative link: {link}" for link in re.findall(r"\]\((?!https?://|#)[^)]+", description)
    ]
    if wheel.stat().st_size > LARGEST:
        found.append(f"{wheel.stat().st_size} bytes, expected at most {LARGEST}")
    if release and PLACEHOLDER in description:
        found.append(f"the description leads to {PLACEHOLDER}: set the address of this release in pyproject.toml first")
    version = wheel.name.split("-")[1]
    if release and not re.search(
        rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M
    ):
        found.append(f"CHANGELOG.md has no line '## {version} - YEAR-MONTH-DAY'")
    return [f"{wheel.name}: {problem}" for problem in found]


def main(words: list[str]) -> int:
    """Check every wheel of a folder; the exit code."""
    folder = Path(next((word for word in words if not word.startswith("-")), "dist"))
    wheels, archives = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    found = [] if wheels and archives else [f"{folder}: expected a wheel and a source archive"]
    for wheel in wheels:
        found += problems(wheel, "--release" in words)
    print("\n".join(found) or f"{len(wheels)} wheel, {len(archives)} source archive: as expected")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
