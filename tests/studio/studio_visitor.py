"""A user of the studio in headless Chromium, and screenshots of each of its states.

    python tests/studio/studio_visitor.py FOLDER [AXE.min.js]

dreams the sample in a studio of its own and writes FOLDER/STATE_SIZE_THEME.png for each state; docs/studio.png is
preview_desktop_dark.png, docs/studio_timeline.webp a part of timeline_desktop_dark.png. With axe-core (npm install
axe-core) each state is also checked for accessibility.

Tests name its fixture: `visitor = studio_visitor.visitor`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from studio_fakes import running_studio

ROOT: Final = Path(__file__).parents[2]
# The marks of tests that drive a browser.
BROWSER_TEST: Final = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium and chromium-driver"),
]
SIZES: Final = {"desktop": (1440, 900), "phone": (390, 844)}
PATIENCE: Final = 600.0  # seconds after which what has not come is not coming
AXE: Final = ROOT / "node_modules/axe-core/axe.min.js"
_RUN_AXE: Final = """
const done = arguments[arguments.length - 1];
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
axe.run(document, {runOnly: {type: "tag", values: tags}}).then(
  (found) => done(found.violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.html).join(" | ")}`)),
  (error) => done([String(error)]));
"""


# Whether the page has been drawn in a width.
_IS_WIDE: Final = """
const [width, done] = arguments;
requestAnimationFrame(() => requestAnimationFrame(() => done(innerWidth === width)));
"""
# Whether the live picture shows anything.
_LIT: Final = """
const canvas = document.getElementById("live-canvas");
const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
return data.some((value, index) => index % 4 < 3 && value > 100);
"""


class Visitor:
    """One browser, with a camera that shows a test pattern, which it gives to whoever asks."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        plain = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
        for argument in (*plain, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"):
            options.add_argument(argument)
        self.browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        self.browser.set_script_timeout(PATIENCE)
        self.resize("desktop")

    def resize(self, size: str, dark: bool = True) -> None:
        width, height = SIZES[size]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.until(lambda: self.browser.execute_async_script(_IS_WIDE, width))
        self.browser.execute_script("dispatchEvent(new Event('resize'))")

    def views(self) -> Iterator[str]:
        """Show each size in each theme, then the desktop; yields `SIZE_THEME`."""
        for size in SIZES:
            for theme in ("dark", "light"):
                self.resize(size, theme == "dark")
                yield f"{size}_{theme}"
        self.resize("desktop")

    def one(self, selector: str) -> Any:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return str(self.one(selector).text)

    def until(self, holds: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if holds():
                    return
            except WebDriverException:
                pass
            assert time.monotonic() < end, self.browser.page_source[-3000:]
            time.sleep(0.1)

    def click(self, selector: str) -> None:
        """Click as a user does: what can be seen, not hidden below anything."""
        self.until(lambda: self.one(selector).is_displayed() and self.one(selector).is_enabled())
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.one(selector))
        self.one(selector).click()

    def press(self, *keys: str) -> None:
        """Press keys at once where the focus is."""
        chain = ActionChains(self.browser)
        for key in keys[:-1]:
            chain.key_down(key)
        chain.send_keys(keys[-1])
        for key in keys[:-1]:
            chain.key_up(key)
        chain.perform()

    def drag(self, selector: str, share: float) -> None:
        """Drag by mouse to a share of the width of what holds it."""
        element = self.one(selector)
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        places = (
            "const [a, b] = [arguments[0], arguments[0].parentElement].map((each) => each.getBoundingClientRect());"
        )
        x, left, width = self.browser.execute_script(places + "return [a.x + a.width / 2, b.x, b.width]", element)
        way = left + width * share - x
        chain = ActionChains(self.browser).click_and_hold(element)
        chain.move_by_offset(round(way / 2), 3).move_by_offset(round(way) - round(way / 2), 0).release().perform()

    def marks(self) -> list[tuple[str, float, str]]:
        """(option, seconds, what a screen reader says) of each key of the timeline."""
        script = "return [...document.querySelectorAll('#lanes .key')].map((each) => [each.dataset.row, Number("
        script += "each.getAttribute('aria-valuenow')), each.getAttribute('aria-valuetext')])"
        return [(row, float(seconds), text) for row, seconds, text in self.browser.execute_script(script)]

    def shows(self, selector: str, words: str) -> None:
        self.until(lambda: words in self.text(selector))

    def problems(self, axe: Path | None = None) -> list[str]:
        """What does not fit on the screen; with axe-core also violations of WCAG A and AA."""
        wide = self.browser.execute_script("return document.documentElement.scrollWidth - innerWidth")
        found = [f"{wide} pixels too wide"] if wide > 0 else []
        if axe is not None:
            self.browser.execute_script(axe.read_text("utf-8"))
            found += map(str, self.browser.execute_async_script(_RUN_AXE))
        return found

    def errors(self) -> list[str]:
        """What the console of the browser holds, such as what its policy forbade."""
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def close(self) -> None:
        self.browser.quit()


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    """A browser of a test."""
    one = Visitor()
    try:
        yield one
    finally:
        one.close()


class Inspector:
    """Looks at each state of the page in each size and theme; called with its name.

    Attributes:
        seen: the names of the states.
        problems: what is wrong in them.
    """

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self.seen: list[str] = []
        self.problems: list[str] = []

    def __call__(self, name: str) -> None:
        self.seen.append(name)
        for view in self._visitor.views():
            found = self._visitor.problems(AXE if AXE.exists() else None)
            self.problems += [f"{name}, {view}: {each}" for each in found]

    def approve(self) -> None:
        """Nothing is wrong; without axe-core the test, which has passed but for that, is skipped."""
        assert not self.problems, "\n".join(self.problems)
        if not AXE.exists():
            pytest.skip("passed, but for accessibility, which needs axe-core: npm install --no-save axe-core")


def visit(visitor: Visitor, url: str, film: str, look: str, state: Callable[[str], None]) -> None:
    """Open a film, choose a look by its picture, preview, run, play; `state` is called in each state."""
    visitor.browser.get(url)
    visitor.until(lambda: visitor.one(f'[data-film="{film}"] img').get_property("naturalWidth"))
    state("files")
    visitor.click(f'[data-film="{film}"]')
    visitor.until(lambda: visitor.one(f'[data-look="{look}"] img').is_displayed())
    visitor.click(f'[data-look="{look}"]')
    visitor.shows("#look-name", look)
    visitor.until(lambda: visitor.text("#gallery-state") == visitor.text("#stage-state") == "")
    state("look")
    visitor.click('[data-tab="classes"]')
    visitor.until(lambda: visitor.browser.find_elements(By.CSS_SELECTOR, ".tile img"))
    state("things")
    visitor.click('[data-tab="presets"]')
    visitor.click("#preview")
    visitor.shows("#estimate", "The whole film")
    state("preview")
    visitor.click("#dream")
    visitor.shows(".job .numbers", "fps")
    visitor.click(".job button")
    visitor.shows(".job .state", "paused")
    state("paused")
    visitor.click(".job button.main")
    visitor.shows(".job .numbers", "fps")
    state("running")
    visitor.shows(".job .state", "finished")
    state("finished")
    visitor.click(".job button.main")
    places = "[...document.querySelectorAll('#player video')].map((video) => video.currentTime)"
    visitor.until(lambda: min(visitor.browser.execute_script(f"return {places}")) > 0.3)
    state("playing")
    source, dream = visitor.browser.execute_script(f"return {places}")
    assert abs(source - dream) < 0.5 and not visitor.text("#player-error")
    visitor.click("#player-close")


def set_keys(visitor: Visitor, url: str, film: str, looks: tuple[str, str], state: Callable[[str], None]) -> None:
    """Open a film and set keys: of the strength at both ends, of two looks; drag one; edit one."""
    visitor.browser.get(url)
    visitor.click(f'[data-film="{film}"]')
    visitor.until(lambda: "." in visitor.text("#time-text"))  # the film is open
    visitor.one("#time").send_keys(Keys.HOME)
    visitor.click(f'[data-look="{looks[0]}"]')
    visitor.shows("#look-name", looks[0])
    visitor.click('[data-key-of="step_size"]')
    visitor.until(lambda: len(visitor.marks()) == 1)
    visitor.click("#key-look")  # of the preset, and of what has keys
    visitor.until(lambda: [name for name, _, _ in visitor.marks()] == ["preset", "step_size"])
    visitor.one("#time").send_keys(Keys.END)
    visitor.one("#knob-step_size").send_keys(Keys.HOME)
    visitor.until(lambda: len(visitor.marks()) == 3)
    visitor.drag('[data-row="step_size"][data-key="1"]', 0.75)
    visitor.until(lambda: visitor.text("#key-said").startswith("Strength: moved"))
    visitor.click(f'[data-look="{looks[1]}"]')
    visitor.until(lambda: len(visitor.marks()) == 4)
    visitor.drag('[data-row="preset"][data-key="1"]', 0.4)
    visitor.until(lambda: visitor.text("#key-said").startswith("Look: moved"))
    visitor.click('[data-row="preset"][data-key="1"]')
    visitor.shows("#key-title", "Look at")
    visitor.until(lambda: visitor.text("#stage-state") == "")
    state("timeline")


def visit_live(visitor: Visitor, url: str, film: str, state: Callable[[str], None]) -> None:
    """Dream the browser's own camera live, record it, then a film in place of a camera."""
    visitor.browser.get(url)
    visitor.click('.bar a[href="#live"]')
    visitor.until(lambda: film in visitor.text("#live-camera"))
    state("live_start")
    visitor.click("#live-start")
    visitor.shows("#live-numbers", "from this camera to this picture")
    visitor.until(lambda: visitor.browser.execute_script(_LIT))
    state("live")
    visitor.click('#live [data-key="r"]')
    visitor.shows("#live-message", "Recording")
    state("live_recording")
    visitor.click("#live-stop")
    visitor.until(lambda: visitor.one("#live-start").is_displayed())
    visitor.shows("#live-camera", "dream_")  # the list was made anew, with the recording
    visitor.one(f'#live-camera option[value*="{film}"]').click()
    visitor.click("#live-start")
    visitor.shows("#live-numbers", "in the studio")
    visitor.click('#live [data-key="d"]')
    visitor.until(lambda: visitor.one('#live [data-key="d"]').get_attribute("aria-pressed") == "true")
    state("live_film")
    visitor.click("#live-stop")
    visitor.until(lambda: visitor.one("#live-start").is_displayed())
    assert not visitor.text("#live-error")


def main() -> None:
    output, axe = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    output.mkdir(exist_ok=True)
    visitor = Visitor()

    def shoot(name: str) -> None:
        for view in visitor.views():
            time.sleep(0.5)
            visitor.browser.save_screenshot(str(output / f"{name}_{view}.png"))
            for problem in visitor.problems(axe):
                print(f"{name} {view}: {problem}", flush=True)
        print(f"{name}: {visitor.text('#live-numbers')} {visitor.errors()}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "samples/valley.mp4", folder)
        with running_studio(Path(folder)) as (_, url):
            visit(visitor, url, "valley.mp4", "aviary", shoot)
            set_keys(visitor, url, "valley.mp4", ("aviary", "flowers"), shoot)
            visit_live(visitor, url, "valley.mp4", shoot)
    visitor.close()


if __name__ == "__main__":
    main()
