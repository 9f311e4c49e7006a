"""What the tests of changes share: measured work on a real server, and a slow second count made from printed lines.

Owns: both. The count reads pg_waldump's text and keeps a list of everything. Must not: hold cases.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from pgreplterm.wal import LSN, WalSource, open_source
from pgreplterm.wal.changes import Changes, changes

from .servers import Server

Relation = tuple[int, int, int]
Rows = tuple[int, int, int]  # inserted, updated, deleted


@dataclass
class Measured:
    """A server whose work is read again from its WAL."""

    server: Server
    session: psycopg.Connection[Any]
    logical: bool

    def lsn(self, function: str = "pg_current_wal_insert_lsn") -> LSN:
        """Where the next record goes."""
        return LSN.parse(self.ask(f"select {function}()"))

    def ask(self, query: str, *values: object) -> Any:
        """The first column of the first row."""
        row = self.session.execute(query, values or None).fetchone()
        assert row is not None
        return row[0]

    def run(self, statements: str) -> None:
        """Each statement, in its own transaction unless they say otherwise."""
        for statement in statements.split(";"):
            if statement.strip():
                self.session.execute(statement)

    def flush(self) -> None:
        """Have everything so far in the files."""
        self.session.execute("select pg_switch_wal()")

    def source(self) -> WalSource:
        """The server's pg_wal."""
        return open_source(self.server.wal)

    def between(self, start: LSN, end: LSN | None = None, **options: Any) -> Changes:
        """What lies there, all of which is in the files."""
        self.flush()
        found = changes(self.source(), start, end, **options)
        assert found.complete, found.sentence
        return found

    def changed_by(self, work: Callable[[], object] | str) -> Changes:
        """Do it, and read what was done."""
        start = self.lsn()
        if isinstance(work, str):
            self.run(work)
        else:
            work()
        return self.between(start, self.lsn())

    def file_of(self, table: str) -> Relation:
        """The file that the table has now."""
        row = self.session.execute(
            "select coalesce(nullif(c.reltablespace, 0), d.dattablespace)::int, d.oid::int,"
            " pg_relation_filenode(c.oid)::int from pg_class c, pg_database d"
            " where c.oid = %s::regclass and d.datname = current_database()",
            (table,),
        ).fetchone()
        assert row is not None
        return row[0], row[1], row[2]


def rows_of(found: Any, relation: Relation) -> Rows:
    """The rows of one relation in all commits, or in one transaction."""
    for each in found.relations:
        if (each.tablespace, each.database, each.relation) == relation:
            return each.inserted, each.updated, each.deleted
    return 0, 0, 0


# ---- the same count, slowly ----

_LINE = re.compile(
    r"rmgr: (\S+) +len \(rec/tot\): +\d+/ *(\d+), tx: +(\d+), lsn: (\S+), prev \S+, desc: (\S+) ?(.*)", re.DOTALL
)
_BLOCK = re.compile(r"blkref #0: rel (\d+)/(\d+)/(\d+)")
_TUPLES = re.compile(r"ntuples: (\d+)|(\d+) tuples")
_SUPER = re.compile(r"flags:? 0x([0-9A-F]{2})")
_XIDS = re.compile(r"; subxacts:((?: \d+)+)")


@dataclass
class Slowly:
    """The transactions of some lines: what is known of each xid, folded as its end says."""

    rows: dict[int, Counter[tuple[Relation, int]]] = field(default_factory=lambda: defaultdict(Counter))
    bytes: Counter[int] = field(default_factory=Counter)
    commits: list[tuple[int, int]] = field(default_factory=list)  # xid, LSN
    aborted: set[int] = field(default_factory=set)
    open: set[int] = field(default_factory=set)
    relids: set[int] = field(default_factory=set)

    def add(self, line: str) -> None:
        """One record."""
        match = _LINE.match(line)
        assert match is not None, line
        rmgr, length, xid, lsn, name, said = match.groups()
        kind = name.partition("+")[0]
        owner = int(xid)
        if rmgr == "Transaction" and kind in ("COMMIT_PREPARED", "ABORT_PREPARED"):
            owner = int(said.partition(":")[0])
        self.bytes[owner] += int(length)
        if owner:
            self.open.add(owner)
            self._rows(owner, rmgr, kind, said)
            if rmgr == "Transaction":
                self._end(owner, kind, lsn, said)

    def _rows(self, xid: int, rmgr: str, kind: str, said: str) -> None:
        if rmgr == "Heap" and kind == "TRUNCATE":
            self.relids |= {int(each) for each in re.findall(r"\d+", said.partition("relids")[2])[1:]}
        block = _BLOCK.search(said)
        if block is None or not rmgr.startswith("Heap"):
            return
        relation = (int(block[1]), int(block[2]), int(block[3]))
        flags = _SUPER.search(said)
        if kind == "INSERT":
            self.rows[xid][relation, 0] += 1
        elif kind == "MULTI_INSERT":
            tuples = _TUPLES.search(said)
            assert tuples is not None, said
            self.rows[xid][relation, 0] += int(tuples[1] or tuples[2])
        elif kind in ("UPDATE", "HOT_UPDATE"):
            self.rows[xid][relation, 1] += 1
        elif kind == "DELETE" and flags is not None and int(flags[1], 16) & 8:
            self.rows[xid][relation, 0] -= 1
        elif kind == "DELETE":
            self.rows[xid][relation, 2] += 1

    def _end(self, xid: int, kind: str, lsn: str, said: str) -> None:
        if not kind.startswith(("COMMIT", "ABORT", "PREPARE")):
            return
        listed = _XIDS.search(said)
        for child in map(int, listed[1].split()) if listed else ():
            if child in self.open:
                self.open.remove(child)
                self.rows[xid] += self.rows.pop(child, Counter())
                self.bytes[xid] += self.bytes.pop(child)
        if kind.startswith("COMMIT"):
            self.commits.append((xid, LSN.parse(lsn)))
        elif kind.startswith("ABORT"):
            self.aborted.add(xid)
        if kind != "PREPARE":
            self.open.remove(xid)

    def rows_of(self, xid: int) -> dict[Relation, Rows]:
        """What one transaction changed."""
        counts = self.rows[xid]
        return {each: (counts[each, 0], counts[each, 1], counts[each, 2]) for each, _ in counts}


def slowly(lines: Iterable[str]) -> Slowly:
    """Count the lines of a pg_waldump."""
    counted = Slowly()
    for line in lines:
        counted.add(line)
    return counted
