"""The file beside an unfinished output that shows what there was when a run ended early: `output` + '.part'.

The checkpoint says which file that is. One of the same name that is somebody else's is never replaced or deleted.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

from dreamvideo.media.atomic_files import publish_file, read_json, with_ending, write_atomically
from dreamvideo.media.checkpoint import KEPT_FILE, checkpoint_folder

log = logging.getLogger(__name__)


def keep_part(file: Path, output: Path) -> Path | None:
    """Move a file that plays to `output` + '.part', in place of one of an earlier run.

    Args:
        file: in the checkpoint of the output.
        output: which it is a part of.

    Returns:
        Where it is now; None: it stays, since a file that is not ours has that name.

    Raises:
        OSError: it cannot be moved.
    """
    part = with_ending(output, ".part")
    if not remove_kept(output):
        log.warning("%s is another file: what there is so far is not shown as that", part)
        return None
    about = file.stat()
    record = {"name": part.name, "size": about.st_size, "modified": about.st_mtime_ns, "inode": about.st_ino}
    write_atomically(checkpoint_folder(output) / KEPT_FILE, json.dumps(record).encode())
    try:
        publish_file(file, part, overwrite=False)
    except FileExistsError:
        return None
    file.unlink(missing_ok=True)
    return part


def remove_kept(output: Path) -> bool:
    """Delete the part that an earlier run has left, unless another file has its name.

    Args:
        output: which it is a part of.

    Returns:
        Whether the name is free.

    Raises:
        OSError: it cannot be deleted.
    """
    record = checkpoint_folder(output) / KEPT_FILE
    kept = read_json(record)
    if kept is not None:
        folder = with_ending(output, ".part").parent
        part = folder / Path(str(kept.get("name"))).name  # the folder itself, if the record is damaged
        with suppress(FileNotFoundError):
            about = part.lstat()
            now = about.st_size, about.st_mtime_ns, about.st_ino
            if stat.S_ISREG(about.st_mode) and now == (kept.get("size"), kept.get("modified"), kept.get("inode")):
                part.unlink()
        record.unlink(missing_ok=True)
    return not os.path.lexists(with_ending(output, ".part"))
