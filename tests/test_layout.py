"""Who imports whom: the table of the architecture, held."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dreamvideo"

# From the ground up: a module may import those above its own line only.
ORDER = """
    errors frames inputs summary settings presets config buffers progress lanes
    warp objectives devices memory layers tiles graphs room smoothing ancestors steps dream weights raft flow motion
    shots dreamnet engine
    tracing networks models carry state
    chroma tonemap colour orientation decoding signature stills contact readers sequences glimpses encoders
    fates sound companions film writers masks fingerprint leftovers packets pieces joining album interrupts
    pipeline jobs local cluster folders atlas listings info live bench options commands cli
""".split()  # noqa: SIM905
# Of the live dream, likewise; they may import all of the above but `options`, `commands` and `cli`.
LIVE = """
    controls desk overlay letterbox virtual record streams webcams playback cameras guard serve window
    following pacing ascent looks standing watch loop keepsakes command
""".split()  # noqa: SIM905
CLUSTER = "runs work ship worker crew drive".split()  # noqa: SIM905
# Of the commands, likewise; they may import all of the above but `cli`.
COMMANDS = "exits talk network plan sheets videos pictures live listings bench".split()  # noqa: SIM905
NO_TORCH = {*ORDER[: ORDER.index("warp")], *ORDER[ORDER.index("chroma") : ORDER.index("pipeline")]}
NO_VIDEO = set(
    """
    ancestors carry layers memory room tiles models networks objectives dream smoothing steps tracing warp devices
    graphs weights raft
    """.split()  # noqa: SIM905
)


def imports(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def rooms(modules):
    return {module.split(".")[1] for module in modules if module.startswith("dreamvideo.")}


MODULES = {path.stem: imports(path) for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
CLUSTER_MODULES = {path.stem: imports(path) for path in (PACKAGE / "cluster").glob("*.py") if path.stem != "__init__"}
LIVE_MODULES = {path.stem: imports(path) for path in (PACKAGE / "live").glob("*.py") if path.stem != "__init__"}
COMMANDS_MODULES = {path.stem: imports(path) for path in (PACKAGE / "commands").glob("*.py") if path.stem != "__init__"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_downwards(name):
    ours = rooms(MODULES[name])
    assert all(ORDER.index(other) < ORDER.index(name) for other in ours), (name, ours)


@pytest.mark.parametrize("name", sorted(LIVE_MODULES))
def test_imports_of_the_live_dream_point_downwards(name):
    theirs = {module.split(".")[2] for module in LIVE_MODULES[name] if module.startswith("dreamvideo.live.")}
    assert all(LIVE.index(other) < LIVE.index(name) for other in theirs), (name, theirs)
    assert not rooms(LIVE_MODULES[name]) & {"options", "commands", "cli"}


@pytest.mark.parametrize("name", sorted(CLUSTER_MODULES))
def test_imports_of_the_cluster_point_downwards(name):
    theirs = {module.split(".")[2] for module in CLUSTER_MODULES[name] if module.startswith("dreamvideo.cluster.")}
    assert all(CLUSTER.index(other) < CLUSTER.index(name) for other in theirs), (name, theirs)
    assert not rooms(CLUSTER_MODULES[name]) & {"options", "commands", "cli"}


@pytest.mark.parametrize("name", sorted(COMMANDS_MODULES))
def test_imports_of_the_commands_point_downwards(name):
    theirs = {module.split(".")[2] for module in COMMANDS_MODULES[name] if module.startswith("dreamvideo.commands.")}
    assert all(COMMANDS.index(other) < COMMANDS.index(name) for other in theirs), (name, theirs)
    assert "cli" not in rooms(COMMANDS_MODULES[name])


def test_every_module_stands_in_the_table():
    assert set(MODULES) <= set(ORDER)
    assert set(COMMANDS_MODULES) <= set(COMMANDS)
    assert set(CLUSTER_MODULES) <= set(CLUSTER)
    assert set(LIVE_MODULES) <= set(LIVE)


@pytest.mark.parametrize("name", LIVE[: LIVE.index("following")])
def test_what_a_live_dream_comes_from_and_goes_into_knows_no_torch(name):
    assert not {m.split(".")[0] for m in LIVE_MODULES[name]} & {"torch", "torchvision"}


@pytest.mark.parametrize("name", sorted(NO_TORCH & set(MODULES)))
def test_reading_and_writing_know_no_torch(name):
    assert not {m.split(".")[0] for m in MODULES[name]} & {"torch", "torchvision"}


@pytest.mark.parametrize("name", sorted(NO_VIDEO))
def test_dreaming_knows_no_video(name):
    assert not {m.split(".")[0] for m in MODULES[name]} & {"av", "cv2"}
