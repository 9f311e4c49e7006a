"""Where in a store the WAL is.

Owns: the layouts of a data directory, a base backup in tar format, pgBackRest, Barman and WAL-G.
Must not: read a file, or search without a limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pgreplterm.wal.errors import WalError
from pgreplterm.wal.files import StoredFile
from pgreplterm.wal.segment import SegmentName, parse_segment_name
from pgreplterm.wal.stores.codecs import codec_of, tar_codec
from pgreplterm.wal.stores.store import Entry, Store

# pgBackRest and Barman keep segments in folders named by the first 16 digits.
_SIXTEEN = re.compile(r"[0-9A-F]{16}")
_HISTORY = re.compile(r"([0-9A-F]{8})\.history(?:\.[a-z0-9]+)?")
_DEPTH = 4  # from the root of a pgBackRest repository: archive, stanza, version
_FOLDERS = 500  # looked into before the search is given up


@dataclass(frozen=True, slots=True)
class Finding:
    """The WAL of one folder: segments by name, and histories by timeline."""

    store: Store
    folder: str
    segments: tuple[tuple[SegmentName, StoredFile], ...]
    histories: tuple[tuple[int, StoredFile], ...]

    @property
    def where(self) -> str:
        """The folder as sentences name it."""
        return self.store.locate(self.folder) if self.folder else self.store.where


def find_wal(store: Store, folder: str = "") -> Finding:
    """The WAL in a folder, in the pg_wal or the pg_wal.tar in it, or in the one folder further down that has any.

    Raises WalError when there is none, or more than one.
    """
    found = _Search(store).find(folder, _DEPTH)
    where = store.locate(folder) if folder else store.where
    if not found:
        raise WalError(f"{where}: expected WAL segments (files such as 000000010000000000000001); found none.")
    if len(found) > 1:
        several = ", ".join(each.where for each in found[:3]) + (", ..." if len(found) > 3 else "")
        raise WalError(f"{where}: expected the WAL of one cluster; found several: {several}. Name one of them.")
    return found[0]


def open_tar(archive: StoredFile, codec: str | None) -> Store:
    """The store that a tar archive is; codec is the archive's, None when plain."""
    from pgreplterm.wal.stores.tar import PackedTar, PlainTar

    packed = StoredFile(archive.store, archive.name, archive.size, codec)
    return PlainTar(packed) if codec is None else PackedTar(packed)


class _Search:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._left = _FOLDERS

    def find(self, folder: str, depth: int) -> list[Finding]:
        self._left -= 1
        entries = self._store.entries(folder)
        folders = {entry.base: entry for entry in entries if entry.is_folder}
        if "pg_wal" in folders and "global" in folders:
            folder = folders["pg_wal"].name
            entries = self._store.entries(folder)
        for name, entry in folders.items():
            if _SIXTEEN.fullmatch(name):
                entries += self._store.entries(entry.name)
        finding = self._finding(folder, entries)
        if finding is not None:
            return [finding]
        if (archive := _backup_tar(entries)) is not None:
            return self._in_tar(archive)
        return self._further_down(folders.values(), depth) if depth else []

    def _further_down(self, folders: Iterable[Entry], depth: int) -> list[Finding]:
        """A folder that may not be read is an error only when no other one holds WAL."""
        found: list[Finding] = []
        problem: WalError | None = None
        for entry in folders:
            if self._left <= 0:
                break
            try:
                found += self.find(entry.name, depth - 1)
            except WalError as error:
                problem = problem or error
        if problem is not None and not found:
            raise problem
        return found

    def _finding(self, folder: str, entries: Iterable[Entry]) -> Finding | None:
        segments, histories = [], []
        for entry in entries:
            if entry.is_folder:
                continue
            if (name := parse_segment_name(entry.base)) is not None:
                file = StoredFile(self._store, entry.name, entry.size, name.compression, name.partial)
                segments.append((name, file))
            elif (match := _HISTORY.fullmatch(entry.base)) is not None:
                file = StoredFile(self._store, entry.name, entry.size, codec_of(entry.base))
                histories.append((int(match[1], 16), file))
        return Finding(self._store, folder, tuple(segments), tuple(histories)) if segments else None

    def _in_tar(self, archive: Entry) -> list[Finding]:
        codec = tar_codec(archive.base)
        assert codec is not None
        store = open_tar(StoredFile(self._store, archive.name, archive.size), *codec)
        return _Search(store).find("", 0)


def _backup_tar(entries: Iterable[Entry]) -> Entry | None:
    """What pg_basebackup --format=tar writes: pg_wal.tar, or base.tar with the WAL in it (--wal-method=fetch)."""
    tars = {
        entry.base.partition(".")[0]: entry
        for entry in entries
        if not entry.is_folder and tar_codec(entry.base) is not None
    }
    return tars.get("pg_wal") or tars.get("base")
