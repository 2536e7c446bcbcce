"""The folder that the studio works in: what is in it, and that no name leads out of it."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from dreamvideo.errors import OutputError, SourceError
from dreamvideo.media.atomic_files import create_file, publish_file, with_ending
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.paths import is_image, is_video, natural_order
from dreamvideo.media.video_writer import default_output
from dreamvideo.studio.picture_folder import folder_pictures

MOST_ENTRIES: Final = 2000  # of a folder that are listed
MOST_NAME: Final = 1000  # characters of a path, which messages may hold
_CHECKPOINT: Final = ".checkpoint"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is arriving, under a name of its own until it is complete."""

    file: IO[bytes]
    part: Path
    target: Path


class FilmFolder:
    """A folder of films and photos. Names are relative to it, with `/` between folders.

    Args:
        root: the folder; it exists.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def find(self, name: object) -> Path:
        """Return the path of a name, which need not exist.

        Raises:
            SourceError: it leads out of the folder, also through a link, or to what is hidden.
        """
        if not isinstance(name, str) or len(name) > MOST_NAME or "\0" in name or "\\" in name:
            raise SourceError(f"got {str(name)[:80]!r}: expected the name of a file in {self.root.name}")
        try:
            path = (self.root / name).resolve()
        except (OSError, RuntimeError, ValueError):  # a name that is too long, a loop of links, half a character
            raise SourceError(f"{name[:80]}: no such file") from None
        if not path.is_relative_to(self.root):
            raise SourceError(f"{name[:80]} is outside of {self.root.name}: expected a file in it")
        if any(part.startswith(".") or part.endswith(_CHECKPOINT) for part in path.relative_to(self.root).parts):
            raise SourceError(f"{name[:80]} is hidden: expected a film or a photo")
        return path

    def find_film(self, name: object) -> Path:
        """Return the path of a film or photo that is there.

        Raises:
            SourceError: there is none of this name, or it is outside of the folder.
        """
        path = self.find(name)
        if not (is_video(path) or is_image(path)):
            raise SourceError(f"{self.name(path)} is neither a film nor a photo")
        if not path.is_file():
            raise SourceError(f"{self.name(path)}: no such file")
        return path

    def find_source(self, name: object) -> Path:
        """Return the path of a film, a photo, or a folder of pictures, which is dreamed as one film.

        Raises:
            SourceError: there is none of this name, or it is outside of the folder, or one of the pictures is.
        """
        path = self.find(name)
        if path == self.root or not os.path.isdir(path) or is_video(path) or is_image(path):
            return self.find_film(name)
        for picture in folder_pictures(path):
            if picture.is_symlink():
                self.find(self.name(picture))
        return path

    def name(self, path: Path) -> str:
        """Return the name of a path in the folder."""
        return path.relative_to(self.root).as_posix()

    def listing(self, name: str) -> dict[str, Any]:
        """Return what a folder holds: folders, and films and photos with their size and age.

        Raises:
            SourceError: there is no such folder.
        """
        folder = self.find(name)
        try:
            inside = natural_order(path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            raise SourceError(f"{name or self.root.name} cannot be read: {error.strerror}") from None
        entries = [entry for path in inside[:MOST_ENTRIES] if (entry := self._entry(path)) is not None]
        return {"folder": self.name(folder) if folder != self.root else "", "root": str(self.root), "entries": entries}

    def _entry(self, path: Path) -> dict[str, Any] | None:
        kind = "folder" if path.is_dir() else "photo" if is_image(path) else "film" if is_video(path) else None
        if kind is None or path.name.endswith(_CHECKPOINT):
            return None
        try:
            name = self.name(self.find(self.name(path)))  # a link that leads out is not shown
            name.encode()
            about = path.stat()
        except (OSError, UnicodeError):  # also a name that is not UTF-8, which JSON cannot hold
            return None
        return {"name": name, "kind": kind, "size": about.st_size, "modified": about.st_mtime}

    def free_output(self, source: Path, taken: Collection[Path]) -> Path:
        """Return a name for a dream beside its source that nothing has: NAME_dream, NAME_2_dream, ...

        Args:
            source: what is dreamed.
            taken: names that other jobs are going to take.
        """
        first = default_output(source)
        names = itertools.chain([first.name], (f"{source.stem}_{n}_dream{first.suffix}" for n in itertools.count(2)))
        return next(path for path in map(first.with_name, names) if not _is_taken(path, taken))

    def begin_upload(self, name: object) -> Upload:
        """Create the file of an upload.

        Raises:
            SourceError: the name is outside of the folder, or is not that of a film or photo.
            OutputError: the file cannot be created.
        """
        target = self.find(name)
        if not (is_video(target) or is_image(target)):
            raise SourceError(f"{target.name} is neither a film nor a photo: its name ends in no suffix of one")
        if not target.parent.is_dir():
            raise SourceError(f"{self.name(target.parent)} is not a folder")
        part = with_ending(target.with_name(f".{target.name}"), f".{secrets.token_hex(4)}.part")
        try:
            return Upload(create_file(part), part, target)
        except OSError as error:
            raise OutputError(f"{target.name} cannot be written: {error.strerror}") from None

    def end_upload(self, upload: Upload, complete: bool) -> str:
        """Give an upload its name, or another that is free; delete it if it is not complete.

        Returns:
            The name that it got.
        """
        upload.file.close()
        try:
            for number in range(1, 1000):
                if not complete:
                    break
                target = upload.target
                if number > 1:
                    target = target.with_name(f"{target.stem}_{number}{target.suffix}")
                with suppress(FileExistsError):
                    publish_file(upload.part, target, overwrite=False)
                    return self.name(target)
            return self.name(upload.target)
        finally:
            with suppress(OSError):
                os.unlink(upload.part)


def _is_taken(path: Path, taken: Collection[Path]) -> bool:
    return path in taken or os.path.lexists(path) or checkpoint_folder(path).exists()
