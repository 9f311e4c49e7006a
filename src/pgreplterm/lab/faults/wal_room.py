"""A stopped node's pg_wal on a small file system of its own, and back.

Owns: the moves, in such an order that a program killed at any place leaves one whole pg_wal that can be told from the
copies. Must not: start or stop a server.

    node folder/data/pg_wal       a folder, or while it is elsewhere a link to wal/pg_wal
    node folder/wal               where the small file system is mounted
    node folder/pg_wal.before     the folder that the link replaced
    node folder/pg_wal.part       a copy on its way back, pg_wal.back once it is whole
"""

from __future__ import annotations

import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.lab import mounts
from pgreplterm.lab.errors import LabError
from pgreplterm.wal.segment import parse_segment_name

BALLAST = "ballast"
_PAGE_HEADER = struct.Struct("=HHIQ")  # xlp_magic, xlp_info, xlp_tli, xlp_pageaddr


@dataclass(frozen=True, slots=True)
class WalRoom:
    """The places of one node; folder is the one that holds ``data``."""

    folder: Path

    @property
    def wal(self) -> Path:
        """pg_wal as the server finds it."""
        return self.folder / "data" / "pg_wal"

    @property
    def mount_point(self) -> Path:
        """The small file system."""
        return self.folder / "wal"

    @property
    def is_as_ever(self) -> bool:
        """Whether pg_wal is the folder it always was, and nothing is left of a move."""
        others = (self.mount_point, self._before, self._part, self._back)
        return self.wal.is_dir() and not self.wal.is_symlink() and not any(path.exists() for path in others)

    def size_of_wal(self, segment_size: int) -> int:
        """Bytes of what would be moved."""
        return sum(
            path.stat().st_size for path in self.wal.rglob("*") if path.is_file() and _has_wal(path, segment_size)
        )

    def move_out(self, size: int, segment_size: int) -> None:
        """Put pg_wal on a new file system of that many bytes, without segments that hold no WAL. Raises LabError."""
        self.mount_point.mkdir(exist_ok=True)
        mounts.mount(self.mount_point, size)
        target = self.mount_point / "pg_wal"
        _copy(self.wal, target, segment_size)
        self.wal.rename(self._before)
        self.wal.symlink_to(target)

    def fill(self) -> int:
        """Take up what is free there; how many bytes."""
        taken = 0
        with (self.mount_point / BALLAST).open("ab") as ballast:
            while free := self.free():
                os.posix_fallocate(ballast.fileno(), taken, free)
                taken += free
        return taken

    def free(self) -> int:
        """Bytes that can still be written there."""
        found = os.statvfs(self.mount_point)
        return found.f_bavail * found.f_frsize

    def move_back(self) -> bool:
        """Have pg_wal where it belongs, from wherever the moves stopped, and unmount; whether it was elsewhere.

        Raises LabError when the file system is gone, and the newest WAL with it.
        """
        was_elsewhere = self.wal.is_symlink() or not self.wal.exists()
        if self.wal.is_symlink():
            self._copy_back()
        if not self.wal.exists():
            whole = self._back if self._back.exists() else self._before
            if not whole.exists():
                raise LabError(f"{self.wal} is missing, and {self._before} as well: clone the node anew")
            whole.rename(self.wal)
        mounts.unmount(self.mount_point)
        if self.mount_point.exists():
            self.mount_point.rmdir()
        for copy in (self._before, self._part, self._back):  # of what pg_wal holds now
            shutil.rmtree(copy, ignore_errors=True)
        return was_elsewhere

    def _copy_back(self) -> None:
        """Copy what the link leads to, then remove the link; a copy from an earlier attempt is out of date."""
        source = self.mount_point / "pg_wal"
        if not source.is_dir():
            raise LabError(
                f"the file system {self.mount_point} is gone (was this machine restarted?) and the WAL on it with it: "
                "promote a standby and clone this node anew"
            )
        (self.mount_point / BALLAST).unlink(missing_ok=True)
        for old in (self._part, self._back):
            shutil.rmtree(old, ignore_errors=True)
        _copy(source, self._part)
        self._part.rename(self._back)
        self.wal.unlink()

    @property
    def _before(self) -> Path:
        return self.folder / "pg_wal.before"

    @property
    def _part(self) -> Path:
        return self.folder / "pg_wal.part"

    @property
    def _back(self) -> Path:
        return self.folder / "pg_wal.back"


def _copy(source: Path, target: Path, segment_size: int | None = None) -> None:
    """A copy with owners and modes; with a segment size, without segments that hold no WAL. Raises LabError."""

    def unneeded(folder: str, names: list[str]) -> list[str]:
        if segment_size is None:
            return []
        return [name for name in names if not _has_wal(Path(folder, name), segment_size)]

    try:
        shutil.copytree(source, target, symlinks=True, ignore=unneeded)
        for path in (source, *source.rglob("*")):
            copied = target / path.relative_to(source)
            if copied.exists():
                owner = path.lstat()
                os.chown(copied, owner.st_uid, owner.st_gid, follow_symlinks=False)
    except (OSError, shutil.Error) as error:
        raise LabError(f"{source} cannot be copied to {target}: {error}") from None


def _has_wal(path: Path, segment_size: int) -> bool:
    """False for a segment that lies ready for later: empty, or recycled, which says another place than its name."""
    name = parse_segment_name(path.name)
    if name is None or path.parent.name != "pg_wal":
        return True
    with path.open("rb") as file:
        header = file.read(_PAGE_HEADER.size)
    return len(header) == _PAGE_HEADER.size and _PAGE_HEADER.unpack(header)[3] == name.start(segment_size)
