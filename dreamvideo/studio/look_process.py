"""The process that dreams pictures for the page: python -m dreamvideo.studio.look_process, see `json_pipes`."""

from __future__ import annotations

import base64
import logging
from typing import Any

from dreamvideo.errors import DreamVideoError, first_line
from dreamvideo.process import configure_process
from dreamvideo.settings.dream import ModelSettings
from dreamvideo.studio.json_pipes import ParentPipe
from dreamvideo.studio.look_dreamer import LookDreamer

log = logging.getLogger("dreamvideo")


def run_look_process() -> None:
    """Run the tasks of the parent, one after the other, until it ends; each ends with `done` or `error`."""
    pipe = ParentPipe()
    log.addHandler(logging.NullHandler())  # warnings of files are in their reports
    configure_process(ModelSettings())
    dreamer = LookDreamer()
    while (task := pipe.receive()) is not None:
        try:
            for picture in dreamer.run(task, pipe.stopped.is_set):
                pipe.send(_as_text(picture))
            pipe.send({"done": True})
        except DreamVideoError as error:
            pipe.send({"error": first_line(error)})
        except Exception as error:  # a bug must not end the process, which the page would start again for ever
            log.exception("a picture failed")
            pipe.send({"error": f"this could not be dreamed: {first_line(error)}"})


def _as_text(picture: dict[str, Any]) -> dict[str, Any]:
    jpegs = {name: base64.b64encode(jpeg).decode() for name, jpeg in picture.get("jpegs", {}).items()}
    return {**picture, "jpegs": jpegs}


if __name__ == "__main__":
    run_look_process()
