"""The layout that docs/architecture.md describes: who may import whom, which libraries where, names that stand once.

The checker reads source text and runs none of it. It sees imports at the top of a file, inside functions and under
`TYPE_CHECKING`, absolute and relative ones, and modules named by a string, as `importlib` and `python -m` take them.
"""

from __future__ import annotations

import ast
import shutil
from collections import defaultdict
from collections.abc import Generator, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dreamvideo"

# Within a folder, a name may import what stands before a `<` to its left; names between two `<` do not import each
# other. `*` is the rest of the folder. Inside `*`, and in folders without a line here, imports may not form a cycle.
ORDER = {
    "": "errors < _version < schedule < settings < frames < threads < torch_state < devices < tensors process < kernels"
    " < media models < motion ascent yuv sound < video < jobs live info < studio < bench training integrations"
    " < commands < cli __init__ < __main__",
    "models": "dreamnet cpu_engine < gpu_engine < *",
    "models.cpu_engine": "trace ops < passes packed_conv grad_masks strip_max_pool separable_max_pool"
    " < strided_depthwise < convs stem pools < executor < compile < __init__",
    "jobs": "* < cluster",
    "live": "controls < named_controls < shared_state < cameras dreaming hearing remote web < loop < outputs < app",
    "live.cameras": "bursts same_host stream_address < webcam network_camera file_camera < camera < browser_camera",
    "bench": "* < coherence",
}
# The server of the studio, which starts at once and stays small; its children load networks.
WITHOUT_TORCH = (
    *("studio_server", "routes", "request_values", "access", "connections", "film_folder", "film_reports", "uploads"),
    *("film_timeline", "film_sounds", "look_schedules", "sound_process", "timeline_edits", "timeline_routes"),
    *(
        "chosen_look",
        "knobs",
        "option_labels",
        "picture_queue",
        "child_dreamer",
        "job_queue",
        "studio_job",
        "json_pipes",
    ),
    *("live_routes", "live_child"),
)
# (place, libraries that nothing there imports)
WITHOUT = [
    (
        ("errors", "frames", "schedule", "settings", "sound", "threads", "media", "video.lanes"),
        ("torch", "torchvision"),
    ),
    (("sound",), ("av",)),
    (
        (
            "live.controls",
            "live.named_controls",
            "live.shared_state",
            "live.remote",
            "live.cameras",
            "live.outputs",
            "live.web",
        ),
        ("torch", "torchvision"),
    ),
    (tuple(f"studio.{name}" for name in WITHOUT_TORCH), ("torch", "torchvision")),
    (("jobs.fingerprint", "jobs.image_output", "commands.signals"), ("torch", "torchvision")),
    (("models", "ascent", "tensors", "devices"), ("av", "cv2")),
    (("motion", "yuv.frame_planes", "yuv.yuv_to_rgb", "yuv.rgb_to_yuv"), ("av",)),
]

Module = tuple[str, ...]  # the parts of a dotted name below `dreamvideo`; a package ends in "__init__"


def read(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_paths(package: Path) -> dict[Module, Path]:
    return {path.relative_to(package).with_suffix("").parts: path for path in sorted(package.rglob("*.py"))}


@cache
def names_in(source: str, package: tuple[str, ...]) -> tuple[set[str], set[str]]:
    """Every dotted name that `source`, of a module of `package`, imports, relative ones made absolute; every string."""
    imports, strings = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            imports |= {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
    return imports, strings


def names_of(path: Path, module: Module) -> tuple[set[str], set[str]]:
    return names_in(path.read_text(encoding="utf-8"), ("dreamvideo", *module[:-1]))


def imported_modules(path: Path, module: Module, modules: set[Module]) -> set[Module]:
    """The modules of the package that `module`, which `path` holds, imports, or names in a string of their own."""
    imports, strings = names_of(path, module)
    parts = [tuple(name.split(".")[1:]) for name in imports if name.split(".")[0] == "dreamvideo"]
    # The longest part of an imported name that is a module; the rest is a name in it.
    shorter = [[p[:n] for n in range(len(p), -1, -1)] for p in parts]
    named = {next(m for n in names for m in (n, (*n, "__init__")) if m in modules) for names in shorter}
    words = [tuple(text.split(".")[1:]) for text in strings if text.startswith("dreamvideo.")]
    return (named | {m for n in words for m in (n, (*n, "__init__")) if m in modules}) - {module}


@cache
def floors(order: str, names: frozenset[str]) -> dict[str, tuple[int, bool]]:
    """For each name of a folder its floor, and whether it belongs to the rest (`*`)."""
    lines = [line.split() for line in order.split("<")]
    named = {name: (floor, False) for floor, line in enumerate(lines) for name in line if name != "*"}
    rest = next((floor for floor, line in enumerate(lines) if "*" in line), None)
    return named if rest is None else dict.fromkeys(names, (rest, True)) | named


def violations(package: Path) -> list[str]:
    """One line for each import that ORDER forbids, each cycle, and each name that ORDER misses or has in vain."""
    paths = module_paths(package)
    arrows: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))  # folder: importer: imported
    inside: dict[str, set[str]] = defaultdict(set)
    problems = []
    modules = set(paths)
    for module, path in paths.items():
        for depth in range(len(module)):
            inside[".".join(module[:depth])].add(module[depth])
        for other in imported_modules(path, module, modules):
            depth = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(module, other, strict=False))))
            folder, a, b = ".".join(module[:depth]), module[depth], other[depth]
            arrows[folder][a].add(b)
            order = floors(ORDER.get(folder, "*"), frozenset({a, b}))
            if a in order and b in order and (order[b] >= order[a] if not order[a][1] else order[b][0] > order[a][0]):
                problems.append(
                    f"{'.'.join(module)} imports {'.'.join(other)}: {folder or 'dreamvideo'} is {ORDER[folder]}"
                )
    for folder, graph in arrows.items():
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            problems.append(f"a cycle in {folder or 'dreamvideo'}: {' <- '.join(error.args[1])}")
    for folder, order_line in ORDER.items():
        listed = {*order_line.replace("<", " ").split()}
        missing = inside[folder] - listed - {"__init__"} if "*" not in listed else set()
        problems += [f"{folder or 'dreamvideo'}: {name} has no place in ORDER" for name in sorted(missing)]
        absent = listed - inside[folder] - {"*"}
        problems += [f"{folder or 'dreamvideo'}: {name} stands in ORDER only" for name in sorted(absent)]
    return problems


def test_imports_point_downwards_and_form_no_cycle() -> None:
    problems = violations(PACKAGE)
    assert not problems, "\n".join(problems)


FORMS = {
    "from the package": "from {package} import {name}",
    "a name from the module": "from {package}.{name} import anything",
    "the module": "import {package}.{name}",
    "under another name": "import {package}.{name} as other",
    "inside a function": "def function():\n    from {package}.{name} import anything",
    "inside a method": "class Class:\n    def method(self):\n        import {package}.{name}",
    "for the type checker": "if typing.TYPE_CHECKING:\n    from {package} import {name}",
    "by importlib": 'importlib.import_module("{package}.{name}")',
    "as a command": 'subprocess.run([sys.executable, "-m", "{package}.{name}"])',
    "relative": "from {dots}{below} import {name}",
    "a name, relative": "from {dots}{below_dot}{name} import anything",
}
UPWARD = [
    ("frames.py", "dreamvideo.cli"),
    ("frames.py", "dreamvideo.media.decode"),
    ("models/cpu_engine/ops.py", "dreamvideo.cli"),
    ("models/cpu_engine/ops.py", "dreamvideo.ascent.octaves"),
    ("models/cpu_engine/ops.py", "dreamvideo.models.registry"),
    ("models/cpu_engine/ops.py", "dreamvideo.models.cpu_engine.executor"),
    ("live/cameras/webcam.py", "dreamvideo.cli"),
    ("live/cameras/webcam.py", "dreamvideo.bench.timing"),
    ("live/cameras/webcam.py", "dreamvideo.live.app"),
    ("live/cameras/webcam.py", "dreamvideo.live.cameras.camera"),
    ("live/cameras/webcam.py", "dreamvideo.live.cameras.network_camera"),
]


@pytest.fixture(scope="module")
def copied_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("copy") / "dreamvideo"
    shutil.copytree(PACKAGE, copy, ignore=lambda folder, names: [n for n in names if Path(n).suffix not in ("", ".py")])
    return copy


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("file", "target"), UPWARD)
def test_a_planted_upward_import_is_reported(copied_package: Path, file: str, target: str, form: str) -> None:
    path = copied_package / file
    source = path.read_text(encoding="utf-8")
    package, _, name = target.rpartition(".")
    below = package.removeprefix("dreamvideo").removeprefix(".")
    dots = "." * len(Path(file).parts)
    planted = FORMS[form].format(
        package=package, name=name, dots=dots, below=below, below_dot=f"{below}." if below else ""
    )
    path.write_text(f"{source}\n{planted}\n", encoding="utf-8")
    try:
        problems = violations(copied_package)
    finally:
        path.write_text(source, encoding="utf-8")
    importer = file.removesuffix(".py").replace("/", ".")
    assert any(line.startswith(f"{importer} imports {target.removeprefix('dreamvideo.')}:") for line in problems), (
        problems
    )


def test_a_planted_cycle_is_reported(copied_package: Path) -> None:
    path = copied_package / "media" / "paths.py"
    source = path.read_text(encoding="utf-8")
    path.write_text(f"{source}\nfrom dreamvideo.media import images\n", encoding="utf-8")
    try:
        assert any(line.startswith("a cycle in media: ") for line in violations(copied_package))
    finally:
        path.write_text(source, encoding="utf-8")


@pytest.mark.parametrize(("places", "libraries"), WITHOUT, ids=str)
def test_a_library_stays_out_of(places: tuple[str, ...], libraries: tuple[str, ...]) -> None:
    for module, path in module_paths(PACKAGE).items():
        name = ".".join(module)
        if any(f"{name}.".startswith(f"{place}.") for place in places):
            used = {other.split(".")[0] for other in names_of(path, module)[0]}
            assert not used & set(libraries), name


# Names and sizes. In `settings/` and `commands/` a file is named for its group of options or its command.

NAMED_FOR_A_COMMAND = {"settings", "commands"}
DATA = {"training/render"}  # drawings of the training data: tables of points and colors


def repeated(names: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    """Names that stand in more than one place, with these places."""
    places = defaultdict(list)
    for name, place in names:
        places[name].append(place)
    return {name: where for name, where in places.items() if len(where) > 1}


def test_a_file_name_stands_once() -> None:
    modules = [module for module in module_paths(PACKAGE) if module[0] not in NAMED_FOR_A_COMMAND]
    assert repeated((m[-1], "/".join(m)) for m in modules if m[-1] not in ("__init__", "__main__")) == {}


@pytest.mark.parametrize("kind", [ast.ClassDef, ast.FunctionDef], ids=["class", "function"])
def test_a_public_name_stands_once(kind: type[ast.ClassDef] | type[ast.FunctionDef]) -> None:
    def names() -> Generator[tuple[str, str], None, None]:
        for module, path in module_paths(PACKAGE).items():
            for node in read(path).body:
                if isinstance(node, kind) and not node.name.startswith("_"):
                    yield node.name, "/".join(module)

    assert repeated(names()) == {}


def test_few_files_lie_in_the_package_itself() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 11


def test_every_function_is_at_most_60_lines_long() -> None:
    long = [
        f"{'/'.join(module)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for module, path in module_paths(PACKAGE).items()
        for node in ast.walk(read(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= 60
    ]
    assert not long, "\n".join(long)


def test_every_module_is_at_most_300_lines_long() -> None:
    lengths = {
        path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in module_paths(PACKAGE).values()
    }
    assert {name: n for name, n in lengths.items() if n > 300 and not any(name.startswith(f"{d}/") for d in DATA)} == {}
