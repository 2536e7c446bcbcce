"""Where the studio is served, and what it accepts: frozen settings that check themselves."""

from __future__ import annotations

from dataclasses import dataclass

from dreamvideo.settings.option import check, check_fields, option
from dreamvideo.settings.parsers import Address, parse_address


@dataclass(frozen=True, slots=True)
class StudioSettings:
    """Where the studio is served."""

    at: Address = option(
        Address("127.0.0.1", 8765),
        "address of the page; for this machine only unless a host is given, 0: any free port",
        type=parse_address,
        reach="serves your films",
        metavar="[HOST:]PORT",
    )
    password_file: str | None = option(
        None,
        "file whose first line is a password, required if other machines can reach the page (default: the environment "
        "variable DREAMVIDEO_PASSWORD)",
        reach="lets in whoever knows it",
        metavar="FILE",
    )
    browser: bool = option(True, "do not open the page in a browser", flag="--no-browser", action="store_false")
    most_upload: float = option(
        50.0, "largest file that a browser may send, in gigabytes", type=float, metavar="GB", most=10**6
    )

    def __post_init__(self) -> None:
        check_fields(self)
        check(self.most_upload > 0, f"--most-upload {self.most_upload}", "more than 0")
