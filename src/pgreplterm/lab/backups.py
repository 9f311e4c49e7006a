"""Base backups that a lab keeps, in folders of their own.

Owns: taking one, and what it says of itself. Must not: start a server on one (``recovering`` copies it first).

    backups/NAME/data/      the copy, as pg_basebackup left it
    backups/NAME/backup.json
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pgreplterm.lab import backend, build, state
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.site import Site

FOLDER = "backups"
_RECORD = "backup.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")


@dataclass(frozen=True, slots=True)
class Backup:
    """A complete base backup. started_at and ended_at are epoch seconds: recovery ends after ended_at or fails.

    timeline and end_lsn are where it is consistent; size is in bytes.
    """

    name: str
    source: str
    started_at: float
    ended_at: float
    size: int
    timeline: int
    start_lsn: str
    end_lsn: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended_at - self.started_at


def folder(site: Site, name: str) -> Path:
    """Where the backup of that name is, or would be."""
    return site.directory / FOLDER / name


def data(site: Site, name: str) -> Path:
    """Its copy of the data directory."""
    return folder(site, name) / "data"


def take(site: Site, name: str, source_name: str) -> Backup:
    """Copy a running node by pg_basebackup, with the WAL it needs to be consistent. Raises LabError, ToolFailed."""
    if not _NAME.match(name):
        raise LabError(f"a backup's name is 1 to 32 characters of a-z, 0-9, - and _: found {name!r}")
    source = site.read().node(source_name)
    if (folder(site, name) / _RECORD).exists():
        raise LabError(f"lab {site.directory.name!r} has a backup {name!r} already: choose another name")
    _make_room(site, name)
    command = [site.tool("pg_basebackup"), "-D", str(data(site, name)), "-X", "stream", "-c", "fast", "--no-sync"]
    command += ["-d", site.source(source)]
    with site.connect(source):
        started_at = time.time()
    backend.run(site.backend, command, f"taking the base backup {name} of {source_name}")
    taken = _described(site, name, source_name, started_at)
    state.replace_file(folder(site, name) / _RECORD, json.dumps(asdict(taken), indent=1) + "\n")
    return taken


def find(site: Site, name: str) -> Backup:
    """The complete backup of that name. Raises LabError naming those there are."""
    for each in every(site):
        if each.name == name:
            return each
    names = ", ".join(each.name for each in every(site)) or "none"
    raise LabError(f"lab {site.directory.name!r} has no base backup {name!r}: it has {names}")


def every(site: Site) -> tuple[Backup, ...]:
    """All complete ones, the oldest first."""
    found = []
    for record in (site.directory / FOLDER).glob(f"*/{_RECORD}"):
        try:
            found.append(Backup(**json.loads(record.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError) as error:
            raise LabError(f"{record} cannot be read ({type(error).__name__}): take another backup") from None
    return tuple(sorted(found, key=lambda each: each.ended_at))


def _make_room(site: Site, name: str) -> None:
    """The folders; what a killed attempt left there is renamed aside."""
    parent = site.directory / FOLDER
    if not parent.exists():
        parent.mkdir()
        parent.chmod(0o755)
    place = folder(site, name)
    if place.exists():
        place.rename(place.with_name(f"{name}.unfinished.{time.monotonic_ns()}"))
    place.mkdir()
    place.chmod(0o755)
    build.make_private(data(site, name), site.account)


def _described(site: Site, name: str, source: str, started_at: float) -> Backup:
    manifest = data(site, name) / "backup_manifest"
    try:
        ranges = json.loads(manifest.read_text(encoding="utf-8"))["WAL-Ranges"]
        first, last = ranges[0], ranges[-1]
        size = sum(path.lstat().st_size for path in data(site, name).rglob("*") if path.is_file())
    except (OSError, ValueError, LookupError) as error:
        raise LabError(
            f"{manifest} does not say what the backup holds ({type(error).__name__}): take another"
        ) from None
    timeline, start, end = int(last["Timeline"]), str(first["Start-LSN"]), str(last["End-LSN"])
    return Backup(name, source, started_at, time.time(), size, timeline, start, end)
