"""Serves the studio: a folder, a page, the processes that dream."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from filelock import FileLock, Timeout

from dreamvideo.errors import OutputError, SettingsError
from dreamvideo.live.web.password import PASSWORD_VARIABLE, check_password
from dreamvideo.live.web.request_reader import MAX_HEAD
from dreamvideo.settings.parsers import Address
from dreamvideo.studio.access import Access
from dreamvideo.studio.child_dreamer import ChildDreamer
from dreamvideo.studio.connections import Connections, guarded_protocol
from dreamvideo.studio.film_folder import FilmFolder
from dreamvideo.studio.film_reports import FilmReports
from dreamvideo.studio.job_queue import JobQueue
from dreamvideo.studio.json_pipes import ChildProcess
from dreamvideo.studio.live_child import LiveDream
from dreamvideo.studio.picture_queue import PictureQueue
from dreamvideo.studio.routes import Studio, studio_app
from dreamvideo.studio.uploads import Uploads

log = logging.getLogger(__name__)

LOCK_FILE = ".dreamvideo-studio.lock"


def serve_studio(
    root: Path, address: Address, password: str | None, most_upload: int, ready: Callable[[str], None]
) -> None:
    """Serve the studio until the process is asked to end; the job that runs is then paused.

    Args:
        root: the folder that it works in.
        address: of this machine; port 0 is any free port.
        password: lets other machines in; None: this machine only.
        most_upload: bytes of a file that a browser may send.
        ready: called with the address to open, which holds the token.

    Raises:
        SettingsError: other machines could open it, and there is no password; or the password is too short.
        OutputError: the address is in use, or another studio works in the folder.
    """
    check_password(password)
    listener, is_local = _listen(address, password)
    port = listener.getsockname()[1]
    connections = Connections()
    access = Access(address.host if is_local else None, password, port, connections)
    try:
        lock = FileLock(root / LOCK_FILE, timeout=0)
        with lock:
            _serve(root, listener, access, connections, most_upload, lambda: ready(_url(address, port, access)))
    except Timeout:
        raise OutputError(f"another studio works in {root}: close it, or choose another folder") from None
    except PermissionError:
        raise OutputError(f"{root} is read-only: expected a folder that dreams can be written into") from None
    finally:
        listener.close()


def _serve(
    root: Path,
    listener: socket.socket,
    access: Access,
    connections: Connections,
    most_upload: int,
    ready: Callable[[], None],
) -> None:
    folder, dreamer = FilmFolder(root), ChildDreamer()
    dreamer.start()
    pictures = PictureQueue(dreamer, dreamer.close)
    jobs = JobQueue(folder, lambda: ChildProcess("dreamvideo.studio.job_process"))
    live = LiveDream(lambda: ChildProcess("dreamvideo.studio.live_process"))
    studio = Studio(folder, pictures, jobs, Uploads(most_upload), FilmReports(), live)
    app: Any = studio_app(studio, access)
    config = uvicorn.Config(
        app,
        http=guarded_protocol(connections),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="error",  # else each malformed request is a line on the terminal
        access_log=False,
        server_header=False,
        proxy_headers=False,  # else whoever is on this machine could claim any address
        h11_max_incomplete_event_size=MAX_HEAD,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    ready()
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        log.info("the studio ends")
    finally:
        live.close()
        studio.sounds.close()
        jobs.close()
        pictures.close()


def _listen(address: Address, password: str | None) -> tuple[socket.socket, bool]:
    """Bind the address; return the socket, and whether only this machine reaches it."""
    try:
        family, _, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        is_local = ipaddress.ip_address(str(place[0]).partition("%")[0]).is_loopback
        if password is None and not is_local:
            raise SettingsError(
                f"a studio at {address} could be opened by others: expected a password (--password-file FILE, or the "
                f"environment variable {PASSWORD_VARIABLE})"
            )
        listener = socket.create_server((place[0], place[1]), family=family, backlog=256)
    except (OSError, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (while")[0]
        raise OutputError(
            f"no studio at {address}: {reason}: expected an address of this machine "
            "with a free port, such as --at 8765, or --at 0 for any"
        ) from None
    if not is_local:
        log.warning("the studio at %s is not encrypted: films and password can be read on the network", address)
    return listener, is_local


def _url(address: Address, port: int, access: Access) -> str:
    host = socket.gethostname() if address.host in ("0.0.0.0", "::") else address.host
    return f"http://{Address('localhost' if host == '127.0.0.1' else host, port)}/?token={access.token}"
