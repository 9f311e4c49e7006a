"""What ``wal stat`` counts by, each kind behind one interface.

Owns: choosing the totaliser, its table and its JSON. Must not: read files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from pgreplterm._walscan import lib
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.format import WalFormat
from pgreplterm.wal.keyed import KeyedTotaliser, KeyTotals, key_table, minute_text
from pgreplterm.wal.relations import RelationTotaliser, relation_table
from pgreplterm.wal.stat import Totaliser, Totals, record_table, stat_table
from pgreplterm.wal.walker import Rows


class Tally(Protocol):
    """Counts indexes, then tells what it counted."""

    def add(self, rows: Rows) -> None:
        """Count every record of these rows."""
        ...

    def table(self, choice: Choice) -> Any:
        """What a walk can count into without rows (see Walker), if that is all there is to do; None if it is not."""
        ...

    def join(self, other: Self) -> None:
        """Count what another tally of the same kind has counted of the WAL behind this one's."""
        ...

    def lines(self) -> list[str]:
        """The table."""
        ...

    def rows(self) -> list[dict[str, Any]]:
        """The same as plain data; bytes without images and images apart."""
        ...


class _ByRmgr(Totaliser):
    def __init__(self, wal_format: WalFormat) -> None:
        super().__init__()
        self._built_in = int(wal_format.handle.last_rmgr) + 1

    def lines(self) -> list[str]:
        return stat_table(self.by_rmgr(), self._built_in)

    def rows(self) -> list[dict[str, Any]]:
        return [{"rmgr": row.rmgr_name, **_figures(row)} for row in self.by_rmgr()]


class _ByRecord(Totaliser):
    def __init__(self, wal_format: WalFormat) -> None:
        super().__init__()
        self._major = wal_format.major

    def lines(self) -> list[str]:
        return record_table(self.by_record(self._major))

    def rows(self) -> list[dict[str, Any]]:
        found = self.by_record(self._major)
        return [{"rmgr": row.rmgr_name, "record": row.record, **_figures(row)} for row in found]


class _ByRelation(RelationTotaliser):
    def lines(self) -> list[str]:
        return relation_table(self.totals())

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "tablespace": row.tablespace,
                "database": row.database,
                "relation": row.relation,
                "records": row.records,
                "record_bytes": row.record_bytes,
                "images": row.images,
                "image_bytes": row.image_bytes,
            }
            for row in self.totals()
        ]


class _ByKey(KeyedTotaliser):
    heading: ClassVar[str]

    def name(self, key: int | None) -> str:
        """A key in the table."""
        return str(key)

    def lines(self) -> list[str]:
        return key_table(self.heading, [(self.name(row.key), row) for row in self.totals()])

    def rows(self) -> list[dict[str, Any]]:
        return [{self.heading.lower(): self.plain(row.key), **_figures(row)} for row in self.totals()]

    def plain(self, key: int | None) -> int | str | None:
        """A key as plain data."""
        return key


class _ByXid(_ByKey):
    kind, heading = lib.WALSCAN_BY_XID, "XID"


class _ByDatabase(_ByKey):
    kind, heading = lib.WALSCAN_BY_DATABASE, "DATABASE"

    def name(self, key: int | None) -> str:
        return {None: "(no block)", 0: "0 (shared)"}.get(key, str(key))


class _ByMinute(_ByKey):
    kind, heading = lib.WALSCAN_BY_MINUTE, "MINUTE"

    def name(self, key: int | None) -> str:
        return minute_text(key)

    def plain(self, key: int | None) -> str | None:
        return None if key is None else minute_text(key)

    def totals(self) -> tuple[KeyTotals, ...]:
        """In the order of time."""
        return tuple(sorted(super().totals(), key=lambda row: -1 if row.key is None else row.key))


def _figures(row: Totals | KeyTotals) -> dict[str, int]:
    return {"count": row.count, "record_bytes": row.record_bytes, "image_bytes": row.image_bytes}


_KINDS: dict[str, Callable[[WalFormat], Tally]] = {
    "rmgr": _ByRmgr,
    "record": _ByRecord,
    "relation": lambda _: _ByRelation(),
    "xid": lambda _: _ByXid(),
    "database": lambda _: _ByDatabase(),
    "minute": lambda _: _ByMinute(),
}
KINDS = tuple(_KINDS)


@dataclass(frozen=True, slots=True)
class Counting:
    """Which records to count, and by what (one of KINDS); can be pickled."""

    by: str
    choice: Choice
    format: WalFormat

    def tally(self) -> Tally:
        """An empty tally."""
        return tally_by(self.by, self.format)


def tally_by(kind: str, wal_format: WalFormat) -> Tally:
    """An empty tally of one of KINDS."""
    return _KINDS[kind](wal_format)
