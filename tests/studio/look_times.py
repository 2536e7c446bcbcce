"""How long a user waits for looks, on a machine that does nothing else.

    python tests/studio/look_times.py FILM [SECONDS]

opens FILM in a studio of its own SECONDS (0) after its page has come, and prints when the first look is on the screen,
when all have a coarse picture, and when all have a fine one.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from studio_fakes import running_studio
from studio_visitor import Visitor


def main() -> None:
    film, wait = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    visitor = Visitor()

    def pictures() -> int:
        return int(visitor.browser.execute_script("return document.querySelectorAll('.tile img').length"))

    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(film, folder)
        with running_studio(Path(folder)) as (_, url):
            visitor.browser.get(url)
            visitor.until(lambda: visitor.one(f'[data-film="{film.name}"]').is_displayed())
            time.sleep(wait)
            visitor.click(f'[data-film="{film.name}"]')
            start = time.monotonic()
            visitor.until(lambda: pictures() > 0)
            print(f"first look after {time.monotonic() - start:.1f} s", flush=True)
            count = len(visitor.browser.find_elements("css selector", ".tile"))
            visitor.until(lambda: pictures() == count)
            print(f"all {count}, coarse, after {time.monotonic() - start:.1f} s", flush=True)
            visitor.until(lambda: visitor.text("#gallery-state") == "")
            print(f"all {count}, fine, after {time.monotonic() - start:.1f} s", flush=True)
    visitor.close()


if __name__ == "__main__":
    main()
