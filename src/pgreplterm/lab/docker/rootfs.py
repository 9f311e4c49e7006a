"""The files of an image as one tar stream, whatever they were on this machine.

Owns: paths, links, modes and folders inside the image. Must not: know which files an image needs.

Everything belongs to root, is readable by all and has no time of its own, so that the same files make the same image.
Folders that are links here (/lib, where /usr was merged) are links there.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pgreplterm.lab import places
from pgreplterm.lab.docker.errors import DockerError

Left = Callable[[str, list[str]], set[str]]
"""Given a folder and the names in it, those to leave out, as ``shutil.ignore_patterns`` makes it."""

_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_WIDE_OPEN = 0o1777


@dataclass(slots=True)
class Rootfs:
    """What goes in: by its absolute path in the image a file of this machine, a text, a link or an open folder."""

    files: dict[Path, Path] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    links: dict[Path, str] = field(default_factory=dict)
    open_folders: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name in _MERGED:
            path = Path("/") / name
            if path.is_symlink():
                self.links[path] = str(path.readlink())

    def add(self, source: Path, target: Path | None = None) -> None:
        """One file, at its own path if no other is named; the name may be a link, the content is the file's."""
        place = target or source
        self.files[_parent(place) / place.name] = source.resolve()

    def add_tree(self, source: Path, target: Path | None = None, left: Left | None = None) -> None:
        """A folder with all in it: links that lead elsewhere become what they lead to, special files stay out."""
        base = target or _parent(source) / source.name
        for folder, names, files in os.walk(source):
            omitted = left(folder, names + files) if left else set()
            inside = base / Path(folder).relative_to(source)
            linked = [name for name in names if (Path(folder) / name).is_symlink()]
            names[:] = [name for name in names if name not in omitted and name not in linked]
            for name in linked + files:
                path = Path(folder) / name
                if name in omitted:
                    continue
                if path.is_symlink() and path.resolve().is_relative_to(source.resolve()):
                    self.links[inside / name] = str(path.readlink())
                elif path.is_file():
                    self.files[inside / name] = path.resolve()

    def write(self, out: IO[bytes]) -> None:
        """The tar. Raises DockerError when a file cannot be read or there is no room for the tar."""
        try:
            with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
                self._write(tar)
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            raise DockerError(f"the image's files cannot be put together: {what}{error.strerror or error}") from None

    def _write(self, tar: tarfile.TarFile) -> None:
        for folder in sorted(self._folders()):
            tar.addfile(_entry(folder, tarfile.DIRTYPE, _WIDE_OPEN if folder in self.open_folders else 0o755))
        for path, destination in sorted(self.links.items()):
            entry = _entry(path, tarfile.SYMTYPE, 0o777)
            entry.linkname = destination
            tar.addfile(entry)
        for path, text in sorted(self.texts.items()):
            content = text.encode()
            entry = _entry(path, tarfile.REGTYPE, 0o644)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for path, source in sorted(self.files.items()):
            with source.open("rb") as opened:
                found = os.fstat(opened.fileno())
                entry = _entry(path, tarfile.REGTYPE, 0o755 if found.st_mode & stat.S_IXUSR else 0o644)
                entry.size = found.st_size
                tar.addfile(entry, opened)

    def _folders(self) -> set[Path]:
        """Every parent in so many words: what an engine makes by itself is not readable by all."""
        inside = {*self.files, *self.texts, *self.links}
        parents = {parent for path in inside for parent in path.parents}
        for folder in self.open_folders:
            parents |= {folder, *folder.parents}
        return parents - {Path("/")} - set(self.links)


def spooled() -> IO[bytes]:
    """A nameless temporary file, in memory where there is room: gone when this program ends, however it ends."""
    memory = places.SHARED_MEMORY
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > places.ROOM_WANTED
    return tempfile.TemporaryFile(dir=memory if roomy else None)


def unneeded(*patterns: str) -> Left:
    """A ``Left`` for names like these."""
    return shutil.ignore_patterns(*patterns)


def _parent(path: Path) -> Path:
    """The folder of a path without links: inside the image the links of /lib and so on are made once."""
    return Path(os.path.realpath(path.parent))


def _entry(path: Path, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(str(path).lstrip("/"))
    entry.type = kind
    entry.mode = mode
    return entry
