"""The password of the page: from the command line, which all users of a machine see, or better from elsewhere."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dreamvideo.errors import SettingsError
from dreamvideo.settings.live import LiveSettings

PASSWORD_VARIABLE: Final = "DREAMVIDEO_PASSWORD"
MIN_PASSWORD: Final = 8  # characters; at the rate of `guesses` all of 8 small letters take 300 years

log = logging.getLogger(__name__)


def page_password(live: LiveSettings, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the password of the page: `password`, else the first line of `password_file`, else `PASSWORD_VARIABLE`.

    Args:
        live: its `password` and `password_file` are read.
        environment: of the process.

    Returns:
        The password; None: none was set.

    Raises:
        SettingsError: the file cannot be read, or the password is too short.
    """
    password = live.password
    if password is None and live.password_file is not None:
        password = _first_line(Path(live.password_file))
    elif password is None:
        password = environment.get(PASSWORD_VARIABLE)
    check_password(password)
    return password


def check_password(password: str | None) -> None:
    """Check the length of a password.

    Args:
        password: None is fine.

    Raises:
        SettingsError: it is shorter than `MIN_PASSWORD`.
    """
    if password is not None and len(password) < MIN_PASSWORD:
        raise SettingsError(
            f"got a password of {len(password)} characters for the page: expected {MIN_PASSWORD} or more"
        )


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & (stat.S_IRGRP | stat.S_IROTH):
                log.warning("%s can be read by other users: type chmod 600 %s", path, path)
            return file.readline(4096).rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(f"--password-file {path}: {reason}: expected a file with the password") from None
