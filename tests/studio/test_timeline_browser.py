"""The timeline as a user has it: keys set, dragged by mouse and by touch, moved by the keyboard, undone, dreamed."""

import shlex
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import studio_visitor
from clips import make_clip
from selenium.webdriver.common.keys import Keys
from studio_fakes import running_studio
from studio_visitor import BROWSER_TEST, Inspector, Visitor, set_keys

from dreamvideo.settings.timeline_file import read_timeline
from dreamvideo.studio.film_timeline import stored_timeline

visitor = studio_visitor.visitor

pytestmark = BROWSER_TEST
FRAMES = 60
LOOKS = "eyes", "leaves"
_MIDDLE = """
arguments[0].scrollIntoView({block: "center"});
const box = arguments[0].getBoundingClientRect();
return [box.x + box.width / 2, box.y + box.height / 2];
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    times = [Fraction(n, 25) for n in range(FRAMES)]
    make_clip(tmp_path / "film.mp4", times, size=(160, 96), audio=[("aac", "eng")])
    return tmp_path


def strengths(visitor: Visitor) -> list[float]:
    return [seconds for name, seconds, _ in visitor.marks() if name == "step_size"]


def is_at(visitor: Visitor, seconds: float) -> bool:
    """Whether the second key of the strength is at that time."""
    return abs(strengths(visitor)[1] - seconds) < 0.001


def focus(visitor: Visitor, row: str, key: int) -> None:
    visitor.browser.execute_script("arguments[0].focus()", visitor.one(f'[data-row="{row}"][data-key="{key}"]'))


def focused(visitor: Visitor) -> Any:
    script = "const of = document.activeElement; return of.dataset.row ? `${of.dataset.row} ${of.dataset.key}` : of.id"
    return visitor.browser.execute_script(script)


def command(visitor: Visitor) -> list[str]:
    return shlex.split(str(visitor.one("#command").get_property("textContent")))


def test_keys_are_dragged_moved_undone_and_dreamed(folder: Path, visitor: Visitor, tmp_path: Path) -> None:
    inspector = Inspector(visitor)
    with running_studio(folder) as (_, url):
        set_keys(visitor, url, "film.mp4", LOOKS, inspector)
        assert inspector.seen == ["timeline"]
        assert strengths(visitor) == [0, pytest.approx(1.8, abs=0.05)]
        visitor.until(lambda: "--preset" in command(visitor))

        focus(visitor, "step_size", 1)
        before = strengths(visitor)[1]
        for keys, way in (([Keys.ARROW_RIGHT], 0.04), ([Keys.ARROW_LEFT], -0.04), ([Keys.SHIFT, Keys.ARROW_LEFT], -1)):
            goal, before = before + way, before + way
            visitor.press(*keys)
            visitor.until(partial(is_at, visitor, goal))
            assert focused(visitor) == "step_size 1"
        visitor.shows("#time-text", f"{before:.2f}")  # the picture is that of the key
        visitor.press(Keys.DELETE)
        visitor.until(lambda: len(strengths(visitor)) == 1)
        visitor.press(Keys.CONTROL, "z")
        visitor.until(lambda: len(strengths(visitor)) == 2)
        visitor.press(Keys.CONTROL, "y")
        visitor.until(lambda: len(strengths(visitor)) == 1)
        visitor.click("#undo")
        visitor.until(lambda: len(strengths(visitor)) == 2)

        focus(visitor, "step_size", 1)
        visitor.press(Keys.ENTER)
        assert focused(visitor) == "key-value"
        visitor.press(Keys.CONTROL, "a")
        visitor.press("4")
        visitor.press("0")
        visitor.press(Keys.TAB)
        visitor.shows("#timeline-error", "expected at most 10")
        visitor.one("#key-value").send_keys(Keys.CONTROL, "a")
        visitor.one("#key-value").send_keys("0.03", Keys.TAB)
        visitor.until(lambda: any(text.startswith("0.03 at") for _, _, text in visitor.marks()))
        assert not visitor.text("#timeline-error")
        visitor.press(Keys.ESCAPE)
        assert focused(visitor) == "step_size 1"

        visitor.resize("phone")
        touch(visitor, '[data-row="step_size"][data-key="1"]', 0.5)
        visitor.until(lambda: abs(strengths(visitor)[1] - 1.2) < 0.08)
        visitor.resize("desktop")

        visitor.browser.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
        )
        visitor.click("#timeline-save")
        saved = tmp_path / "film_timeline.toml"
        visitor.until(saved.exists)
        schedules = dict(read_timeline(saved).schedules)
        expected = {"--preset": schedules["preset"], "--step-size": schedules["step_size"]}
        visitor.until(lambda: expected.items() <= dict(pairwise(command(visitor))).items())  # it is asked for anew
        visitor.click("#reset")
        visitor.until(lambda: not visitor.marks())
        visitor.click("#timeline-load")
        visitor.until(lambda: visitor.one("#load-dialog").is_displayed())
        inspector("load")
        visitor.one("#load-file").send_keys(str(saved))
        visitor.click("#load-take")
        visitor.until(lambda: len(visitor.marks()) == 4)

        visitor.click("#dream")
        visitor.shows(".job .state", "finished")
        assert dict(stored_timeline(folder / "film_dream.mp4")[0].schedules) == schedules
        visitor.click('.bar a[href="#files"]')
        visitor.click('[data-film="film_dream.mp4"]')
        visitor.until(lambda: visitor.one("#dreamed-with").is_displayed() and not visitor.marks())
        visitor.click("#dreamed-with")
        visitor.until(lambda: len(visitor.marks()) == 4)
        assert not [message for message in visitor.errors() if "400" not in message]
    inspector.approve()


def test_what_is_held_or_typed_is_not_lost_when_an_answer_comes(folder: Path, visitor: Visitor) -> None:
    def click_unseen(selector: str) -> None:
        visitor.browser.execute_script("arguments[0].click()", visitor.one(selector))

    def mouse(kind: str, x: float, y: float, buttons: int = 1) -> None:
        about = {"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1}
        visitor.browser.execute_cdp_cmd("Input.dispatchMouseEvent", about)

    with running_studio(folder) as (_, url):
        visitor.browser.get(url)
        visitor.click('[data-film="film.mp4"]')
        visitor.until(lambda: "." in visitor.text("#time-text"))
        visitor.click('[data-key-of="step_size"]')
        visitor.until(lambda: len(strengths(visitor)) == 1)
        (before,) = strengths(visitor)
        x, y = visitor.browser.execute_script(_MIDDLE, visitor.one('.key[data-row="step_size"]'))
        mouse("mouseMoved", x, y, 0)
        mouse("mousePressed", x, y)
        click_unseen('[data-key-of="color"]')
        visitor.shows("#key-said", "Color: key set")
        mouse("mouseMoved", x + 100, y)
        mouse("mouseReleased", x + 100, y)
        visitor.shows("#key-said", "Strength: moved")
        assert strengths(visitor)[0] > before + 0.1 and len(visitor.marks()) == 2

        visitor.browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
        visitor.one("#knob-seed").send_keys(Keys.CONTROL, "a")
        visitor.one("#knob-seed").send_keys("12")
        click_unseen('[data-key-of="amount"]')
        visitor.until(lambda: "--amount" in command(visitor))
        visitor.one("#knob-seed").send_keys("3", Keys.TAB)
        visitor.until(lambda: "123" in command(visitor))


def touch(visitor: Visitor, selector: str, share: float) -> None:
    """Drag by a finger to a share of the width of what holds it."""
    element = visitor.one(selector)
    visitor.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    script = "const [a, b] = [arguments[0], arguments[0].parentElement].map((each) => each.getBoundingClientRect());"
    x, y, left, width = visitor.browser.execute_script(
        script + "return [a.x + a.width / 2, a.y + a.height / 2, b.x, b.width]", element
    )
    goal = left + width * share

    def send(kind: str, *points: float) -> None:
        about = {"type": kind, "touchPoints": [{"x": point, "y": y} for point in points]}
        visitor.browser.execute_cdp_cmd("Input.dispatchTouchEvent", about)

    send("touchStart", x)
    for step in range(1, 6):
        send("touchMove", x + (goal - x) * step / 5)
    send("touchEnd")


def test_what_cannot_be_moved_is_shown_and_removed(folder: Path, visitor: Visitor) -> None:
    written = folder / "written.toml"
    written.write_text('color = "0.5 + 0.1*sin(t)"\nnoise = "0:0, 50%:0.05 ease"\n')
    with running_studio(folder) as (_, url):
        visitor.browser.get(url)
        visitor.click('[data-film="film.mp4"]')
        visitor.click("#timeline-load")
        visitor.click("#load-take")
        visitor.shows("#load-error", "choose a file")
        visitor.one("#load-file").send_keys(str(written))
        visitor.click("#load-take")
        visitor.until(lambda: [name for name, _, _ in visitor.marks()] == ["noise", "noise"])
        assert "sin(t)" in visitor.text('[data-lane="color"]')
        visitor.one("#knob-color").send_keys(Keys.HOME)
        visitor.shows("#timeline-error", "throughout")
        visitor.click('[data-lane="color"] button')
        visitor.until(lambda: "sin(t)" not in visitor.text("#lanes"))
