"""What an old primary wrote past the fork and nobody else has.

Owns: finding the fork between its line and the primary's, the list of commits past it, and keeping their WAL.
Must not: change either server, or judge how the old one may come back.

The names come from the old server's own catalog while it answers, else from the new primary's: both had the same files
up to the fork. A file made past the fork may bear a number that the new primary has given to another table since, so
such a file is never looked up there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.decoded.catalog import Catalog, Filenode, Named
from pgreplterm.cluster.decoded.commits import Lost, Survey, lost_past, survey
from pgreplterm.cluster.decoded.tables import TableChanges, named, tables_of
from pgreplterm.cluster.decoded.wal_range import one_line, wal_of
from pgreplterm.cluster.forks.lineage import lineage_of
from pgreplterm.cluster.model import NodeSample
from pgreplterm.cluster.words import printable
from pgreplterm.errors import NoPrivilege, PgReplTermError
from pgreplterm.wal.changes import RelationChanges
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.reader import read
from pgreplterm.wal.source import WalSource, open_source
from pgreplterm.wal.timeline import Fork, TimelineHistory, fork_point

_NO_LINEAGE = (
    "expected the timeline history and the position of {}; this role may not read them. Connect as a superuser, or "
    "GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean) TO it."
)
_FOREVER = LSN(2**64 - 1)
_STORAGE = 2  # the resource manager whose CREATE records say which files were made
_MADE = re.compile(r"(?:^|/)(?P<database>\d+|global)/(?:PG_[^/]+/(?P<inner>\d+)/)?(?P<relation>\d+)(?:_\w+)?$")


@dataclass(frozen=True, slots=True)
class Old:
    """The old primary's WAL along its own line, and where that ends; end None is as far as there are records.

    target is how to ask its own catalog, None when it does not run.
    """

    name: str
    source: WalSource
    timeline: int
    history: TimelineHistory
    end: LSN | None
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Diverged:
    """The commits past the fork. lost.end is where the old primary's WAL ends, theirs where the new primary's does."""

    old: str
    new: str
    timeline: int
    new_timeline: int
    fork: Fork
    theirs: LSN
    lost: Lost
    tables: tuple[TableChanges, ...]

    @property
    def has_tail(self) -> bool:
        """The old primary holds WAL past the fork at all."""
        return self.lost.bytes > 0


def old_at(path: Path | str, name: str | None = None) -> Old:
    """A stopped old primary's data directory, or its pg_wal. Raises WalError."""
    source = open_source(path)
    timeline = max(segment.timeline for segment in source.segments)
    source = one_line(source, timeline)
    return Old(name or str(path), source, timeline, _history(source, timeline), None)


def old_server(target: Target, name: str, sample: NodeSample) -> Old:
    """An old primary that runs, as a primary or as a standby that cannot follow. Raises PgReplTermError."""
    lineage = lineage_of(sample)
    if lineage is None or sample.timeline is None:
        raise NoPrivilege(_NO_LINEAGE.format(printable(name)))
    source = wal_of(target, sample.timeline)
    return Old(name, source, sample.timeline, lineage.history, lineage.end, target)


def diverged(old: Old, name: str, sample: NodeSample, target: Target | None) -> Diverged:
    """Compare the old primary with the primary of that name. Raises PgReplTermError, and WalError while reading."""
    theirs = lineage_of(sample)
    if theirs is None or sample.timeline is None:
        raise NoPrivilege(_NO_LINEAGE.format(printable(name)))
    if old.source.system_identifier != sample.system_identifier:
        raise PgReplTermError(
            f"expected WAL of {printable(name)}'s cluster, system {sample.system_identifier}; found that of system "
            f"{old.source.system_identifier} in {old.source.path}."
        )
    fork = fork_point(old.history, old.end or _FOREVER, theirs.history, theirs.end)
    if fork is None:
        raise PgReplTermError(
            f"expected a timeline that {printable(old.name)} and {printable(name)} share; their histories have none."
        )
    surveyed, lost = _past(old, fork)
    names = _names(old, surveyed, lost.relations, target)
    tables = tables_of(lost.relations, names)
    return Diverged(old.name, name, old.timeline, sample.timeline, fork, theirs.end, lost, tables)


def save_tail(found: Diverged, old: Old, folder: Path) -> tuple[Path, ...]:
    """Copy the segments from the fork to the end, and the histories of the way there, into a new folder.

    Raises PgReplTermError when the folder cannot be made, and WalError when a segment cannot be read.
    """
    copied: list[Path] = []
    try:
        folder.mkdir(parents=True)
        for segment in old.source.segments:
            if segment.start + segment.size > found.fork.lsn and segment.start < found.lost.end:
                copied.append(folder / old.source.segment_name(segment.timeline, segment.number))
                with segment.open() as stream, copied[-1].open("xb") as copy:
                    while piece := stream.read(1 << 20):
                        copy.write(piece)
        for history in old.source.histories:
            if history.timeline <= old.timeline:
                copied.append(folder / f"{history.timeline:08X}.history")
                copied[-1].write_text(_history_text(history), encoding="utf-8")
    except OSError as error:
        raise PgReplTermError(
            f"{error.filename or folder}: expected to save WAL here, in a folder that is not there yet; "
            f"{error.strerror}. Name another place."
        ) from error
    return tuple(copied)


def _history(source: WalSource, timeline: int) -> TimelineHistory:
    found = next((history for history in source.histories if history.timeline == timeline), None)
    return found or source.lineage or TimelineHistory(timeline)


def _history_text(history: TimelineHistory) -> str:
    return "".join(f"{step.timeline}\t{step.switchpoint}\t{step.reason}\n" for step in history.ancestors)


def _past(old: Old, fork: Fork) -> tuple[Survey | None, Lost]:
    nothing = Lost(fork.lsn, fork.lsn, 0, (), 0, (), 0, 0, None, None)
    if old.end is not None and old.end <= fork.lsn:
        return None, nothing
    last = max((run.segments[-1].start for run in old.source.runs), default=LSN(0))
    if fork.lsn >= last + old.source.segment_size:
        return None, nothing
    surveyed = survey(old.source, fork.lsn, old.end)
    if surveyed.end <= fork.lsn:
        return None, nothing
    return surveyed, lost_past(old.source, surveyed, fork.lsn)


def _names(
    old: Old, surveyed: Survey | None, relations: Sequence[RelationChanges], target: Target | None
) -> dict[Filenode, Named]:
    own = Catalog(old.target) if old.target is not None else None
    names = named(relations, own)
    made = _made(old.source, surveyed) if surveyed is not None else frozenset()
    asked = [each for each in relations if (each.database, each.relation) not in made]
    catalog = Catalog(target) if target is not None else None
    for filenode, name in named(asked, catalog).items():
        if names[filenode].table is None:
            names[filenode] = name
    for filenode, name in names.items():
        if name.table is None and (filenode.database, filenode.relation) in made:
            names[filenode] = Named(filenode, reason="made past the fork, so no other server knows it")
    return names


def _made(source: WalSource, surveyed: Survey) -> frozenset[tuple[int, int]]:
    """(database, relfilenode) of every file made between the fork and the end."""
    made = set()
    for record in read(source, Choice(rmgrs=frozenset({_STORAGE}), start=surveyed.after, end=surveyed.end)):
        match = _MADE.search(record.description) if record.name == "CREATE" else None
        if match is not None:
            database = match["inner"] or match["database"]
            made.add((0 if database == "global" else int(database), int(match["relation"])))
    return frozenset(made)
