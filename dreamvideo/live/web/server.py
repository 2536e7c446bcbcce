"""A page with the live image, the numbers and the controls, for a machine without a screen."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from dreamvideo.errors import OutputError, SettingsError
from dreamvideo.live.shared_state import SharedState
from dreamvideo.live.web.page_server import PageServer
from dreamvideo.live.web.password import PASSWORD_VARIABLE, check_password
from dreamvideo.settings.parsers import Address

log = logging.getLogger(__name__)


@contextmanager
def serve_page(shared: SharedState, address: Address, password: str | None) -> Iterator[str]:
    """Serve a page until the `with` block ends.

    Args:
        shared: the image, numbers and controls of the page.
        address: of this machine; port 0 is any free port.
        password: required to open the page; None: no password, for this machine only.

    Yields:
        The URL of the page.

    Raises:
        SettingsError: other machines could open the page, and no password is set; or the password is too short.
        OutputError: the address is in use, or does not belong to this machine.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        ip = ipaddress.ip_address(place[0])
        if password is None and not ip.is_loopback:
            raise SettingsError(
                f"a page at {address} could be opened by others: expected a password (--password-file FILE, or the "
                f"environment variable {PASSWORD_VARIABLE})"
            )
        check_password(password)
        server = PageServer(shared, address.host if ip.is_loopback else None, password, family, place)
    except (OSError, UnicodeError) as error:
        raise OutputError(
            f"no page at {address}: {getattr(error, 'strerror', error)}: expected an address of this machine with a "
            "free port, such as 8000, or 0 for any"
        ) from None
    host = socket.gethostname() if ip.is_unspecified else address.host
    url = f"http://{Address(host, server.server_address[1])}/"
    if not ip.is_loopback:
        log.warning("%s is not encrypted: images and password can be read on the network", url)
    thread = Thread(target=server.serve_forever, args=(0.1,), name="page")
    thread.start()
    try:
        yield url
    finally:
        server.stop()
        thread.join()
